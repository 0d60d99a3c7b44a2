# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Basics", "Errors"]
# after = ["changing_default_device"]
# timeout = 60
# searched_as = [
#   "move to gpu", "model on cuda and input on cpu", "cuda and cpu tensors mixed",
#   "tensor not moved to the device", "select which gpu to use", "choose one GPU",
#   "cuda:1", "use the second GPU", "is my model on the GPU", "device_map",
#   "why we need image.to('cuda') when we have model.to('cuda')",
# ]
# errors = [
#   '''Expected all tensors to be on the same device, but found at least two devices,
#   cpu and cuda:0!''',
#   '''Expected all tensors to be on the same device, but found at least two devices,
#   cuda:0 and cpu!''',
#   "Input and hidden tensors are not at the same device, found input tensor at",
#   "is not on the expected device meta!",
# ]
# older_errors = [
#   '''Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should
#   be the same''',
#   '''Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should
#   be the same''',
#   '''Expected all tensors to be on the same device, but got mat1 is on cpu, different
#   from other tensors on cuda:0 (when checking argument in method
#   wrapper_CUDA_addmm)''',
#   '''Expected all tensors to be on the same device, but found at least two devices,
#   cuda:0 and cpu! (when checking argument for argument mat1 in method
#   wrapper_addmm)''',
#   '''indices should be either on cpu or on the same device as the indexed tensor
#   (cpu)''',
#   "Expected object of device type cuda but got device type cpu for argument",
# ]
# ///
"""
Find the tensor on another device: cuda:0 and cpu
=================================================

Find the tensor that stayed behind when the model moved, and let none stay behind again.

Why it matters: an operation needs all its tensors in one memory. The message names two
devices, and at best an argument such as ``mat1``. The failing line is where two tensors
met. The tensor that stayed behind was made elsewhere. Most often, a batch was not
moved: write ``x = x.to(device)``.
"""

# %%
# A model with five chances to go wrong
# -------------------------------------
#
# Two are in the model: a tensor that is no parameter, and one that ``forward`` makes.

import warnings

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode


class Pooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.offset = torch.tensor([0.4, -0.1, 0.2, 0.9])  # chance 2

    def forward(self, x):  # (batch, time, channels)
        ramp = torch.linspace(0, 1, x.shape[1])  # chance 3
        return self.head(((x - self.offset) * ramp[:, None]).mean(dim=1))


torch.manual_seed(0)
signals, labels = torch.randn(5, 7, 4), torch.randn(5, 2).softmax(dim=1)

# %%
# Ask the operation for its arguments
# -----------------------------------
#
# A :class:`!TorchFunctionMode` sees each call of PyTorch from Python. This one adds to
# the message the arguments of the call that failed. The shape tells which tensor it is.
# Copy the class: put ``with ShowDevices():`` around your step.


class ShowDevices(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        try:
            return function(*args, **(kwargs or {}))
        except RuntimeError as error:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs))
            tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
            places = [f"{tuple(x.shape)} on {x.device}" for x in tensors]
            error.add_note(f"{function.__name__}: " + ", ".join(places))
            raise


# %%
# This page pretends to have a GPU: :class:`!FakeTensorMode` computes shapes and
# devices only, and refuses nearly all that a GPU refuses.


def on_a_gpu(model, x_on="cuda", y_on="cuda", loss_on="cuda"):
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the GPU that is not there
        model.to("cuda"), loss_fn.to(loss_on)
        try:
            with ShowDevices():
                x, y = signals.to(x_on), labels.to(y_on)
                return loss_fn(model(x), y).device.type
        except RuntimeError as error:
            print(error, *error.__notes__, sep="\n", end="\n\n")
            return error.__notes__[0]


# %%
# Mend one, meet the next
# -----------------------
#
# 1. *The data.* The model moved, the batch did not. ``batch.to("cuda")`` returns a
#    copy: a line without ``batch =`` changes nothing.
# 2. *A plain tensor* in the model. ``model.to`` moves parameters and buffers only.
# 3. *A tensor made in* ``forward``: on the CPU, unless you say where.
# 4. *The targets*, in the loss.
# 5. *The weights of the loss*: write ``loss_fn.to("cuda")``.

culprits = [on_a_gpu(Pooling(), x_on="cpu"), on_a_gpu(Pooling())]

# %%
# The first call to fail was ``linear``, whose input of shape ``(5, 4)`` came from a
# batch on the CPU. The second was ``sub``, the minus, at a tensor of shape ``(4,)``:
# ``offset``. The ramp would be next.
#
# A real GPU often names an argument: ``got mat1 is on cpu, different from other tensors
# on cuda:0 (when checking argument in method wrapper_CUDA_addmm)``. In a linear layer,
# ``mat1`` is your input and ``mat2`` the weight.


class Mended(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.register_buffer("offset", torch.tensor([0.4, -0.1, 0.2, 0.9]))  # new

    def forward(self, x):
        ramp = torch.linspace(0, 1, x.shape[1], device=x.device)  # new
        return self.head(((x - self.offset) * ramp[:, None]).mean(dim=1))


# %%
# Next, the loss: compare its three tensors.

culprits += [on_a_gpu(Mended(), y_on="cpu"), on_a_gpu(Mended(), loss_on="cpu")]
names = [culprit.split(":")[0] for culprit in culprits]
assert names == ["linear", "sub", "cross_entropy", "cross_entropy"]
assert culprits[3].endswith("cuda:0, (2,) on cpu")  # the weights

# %%
# A list of tensors is searched, too:

with FakeTensorMode(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    parts = [torch.ones(2, 3, device="cuda"), torch.ones(4, 3)]
    try:
        with ShowDevices():
            torch.cat(parts)
            raise AssertionError("nothing was raised")
    except RuntimeError as error:
        found = error.__notes__[0]
print(found)
assert found == "cat: (2, 3) on cuda:0, (4, 3) on cpu"

# %%
# Proof, and a test for machines without a GPU
# --------------------------------------------
#
# With all five mended, the step runs, and the answers stay the same. The ``meta``
# device finds such mistakes in a test, but not all: an embedding or a convolution can
# accept inputs from the CPU. Move a copy of the model, because ``meta`` throws the
# weights away. It cannot run ``.item()``.

mended, naive = Mended(), Pooling()
mended.head = naive.head
torch.testing.assert_close(mended(signals), naive(signals))
assert on_a_gpu(Mended()) == "cuda"
passed = []
for model in (Pooling(), Mended()):
    try:
        print("meta:", tuple(model.to("meta")(signals.to("meta")).shape))
        passed.append(type(model))
    except RuntimeError as error:
        print("meta:", error)
assert passed == [Mended]

# %%
# List what a model holds, and where
# ----------------------------------
#
# ``left_behind`` lists tensors on another device. ``vars`` finds plain tensors, but
# none in a list or a dict.


def left_behind(model, device):
    wanted = torch.device(device)
    for path, module in model.named_modules():
        held = {**module._parameters, **module._buffers, **vars(module)}
        for name, x in held.items():
            if not isinstance(x, torch.Tensor):
                continue
            other = wanted.index not in (None, x.device.index)  # cuda:1, not cuda:0
            if other or x.device.type != wanted.type:
                yield f"{path}.{name}".lstrip(".")


found = list(left_behind(Pooling().to("meta"), "meta"))
print("naive:", found, "- mended:", list(left_behind(Mended().to("meta"), "meta")))
assert found == ["offset"] and not list(left_behind(Mended().to("meta"), "meta"))

# %%
# When it is not so: other words, and no error
# --------------------------------------------
#
# A recurrent layer has its own words. Two messages need a real GPU:
#
# - ``Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be
#   the same``, often with more words about MKLDNN, from a convolution. One type has
#   ``cuda``: the device is meant.
# - ``indices should be either on cpu or on the same device as the indexed tensor
#   (cpu)``, from ``labels[mask]`` with a mask on the GPU.
#
# In sums, products and comparisons, a tensor without dimensions may stay on the CPU: it
# counts as a number. The reverse does not hold.

x = torch.randn(7, 5, 4, device="meta")
try:
    nn.GRU(4, 3, device="meta")(x, torch.zeros(1, 5, 3))
except RuntimeError as error:
    print(error)
assert (x * torch.tensor(0.5)).device.type == "meta"
refused = 0
for a, b in ((x, torch.tensor([0.5])), (torch.ones(2), x.sum())):
    try:
        a * b
    except RuntimeError as error:
        print(error)
        refused += 1
assert refused == 2

# %%
# In your project
# ---------------
#
# Move each batch where your loop receives it. Move the model before
# ``optimizer.load_state_dict``, which puts the loaded state where the weights are.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Mended().to(device)  # parameters and buffers
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)  # after the move
pin = torch.cuda.is_available()
pairs = torch.utils.data.TensorDataset(signals, labels)
for batch in torch.utils.data.DataLoader(pairs, batch_size=2, pin_memory=pin):
    x, y = (part.to(device, non_blocking=True) for part in batch)  # new: all of it
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert not list(left_behind(model, device))

# %%
# ``cuda:0 and cuda:1``? If one GPU is enough, start with
# ``CUDA_VISIBLE_DEVICES=1 python train.py``: the second GPU is now ``cuda:0``. Under
# ``torchrun``, all processes use ``cuda:0`` until each calls
# ``torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))``. A model with
# ``device_map="auto"`` is on several GPUs: send inputs to ``model.device``. In your
# ``forward``, write ``y.to(x.device)`` where parts meet.
#
# Learn more
# ----------
#
# - Make tensors where they belong:
#   :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
# - Files of another device:
#   :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
# - "Device-side assert triggered":
#   :ref:`sphx_glr_recipes_recipes_error_index_out_of_range.py`
# - Layers that ``to`` cannot see:
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
