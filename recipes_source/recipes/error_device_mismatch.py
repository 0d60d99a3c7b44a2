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
devices, and often no tensor. The line that raises it is where two tensors met. The one
that stayed behind was made somewhere else.
"""

# %%
# A model with four chances to go wrong
# -------------------------------------
#
# Two of the chances are in the model: a tensor that is no parameter, and one that
# ``forward`` makes. The others are the data and the targets.

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
signals, labels = torch.randn(5, 7, 4), torch.randn(5, 2)

# %%
# Ask the operation for its arguments
# -----------------------------------
#
# A :class:`!TorchFunctionMode` sees each call of PyTorch. This one prints the arguments
# of the call that failed, with shape and device. The shape tells which tensor it is.
# Copy the class: it works with a real GPU, too.


class ShowDevices(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        try:
            return function(*args, **(kwargs or {}))
        except RuntimeError as error:
            tensors = [x for x in args if isinstance(x, torch.Tensor)]
            places = [f"{tuple(x.shape)} on {x.device}" for x in tensors]
            print(f"{function.__name__}:", ", ".join(places))
            error.add_note(function.__name__)
            raise


# %%
# The GPU of this page is pretended: :class:`!FakeTensorMode` computes shapes and
# devices only, and raises on any machine what a GPU would.


def on_a_gpu(model, x_on="cuda", y_on="cuda"):
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the GPU that is not there
        model.to("cuda")
        try:
            with ShowDevices():
                x, y = signals.to(x_on), labels.to(y_on)
                return nn.functional.mse_loss(model(x), y).device.type
        except RuntimeError as error:
            print(error, end="\n\n")
            return error.__notes__[0]


# %%
# Mend one, meet the next
# -----------------------
#
# 1. *The data.* The model moved, the batch did not. ``batch.to("cuda")`` returns a
#    copy: a line without ``batch =`` changes nothing.
# 2. *A plain tensor* in the model. ``model.to`` moves parameters and buffers only.
# 3. *A tensor made in* ``forward``: it is on the CPU unless you say where.
# 4. *The targets*, in the loss.

culprits = [on_a_gpu(Pooling(), x_on="cpu"), on_a_gpu(Pooling())]

# %%
# The first call to fail was ``linear``, whose input of shape ``(5, 4)`` came from a
# batch on the CPU. The second was ``sub``, the minus, at a tensor of shape ``(4,)``.
# That is ``offset``. With ``offset`` mended, ``mul`` names the ramp. The mended model
# has two new lines.


class Mended(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.register_buffer("offset", torch.tensor([0.4, -0.1, 0.2, 0.9]))  # new

    def forward(self, x):
        ramp = torch.linspace(0, 1, x.shape[1], device=x.device)  # new
        return self.head(((x - self.offset) * ramp[:, None]).mean(dim=1))


# %%
# Each mend lets the next tensor show, down to the targets in the loss.


class Half(Mended):
    forward = Pooling.forward  # the old ramp


culprits += [on_a_gpu(Half()), on_a_gpu(Mended(), y_on="cpu")]
assert culprits == ["linear", "sub", "mul", "mse_loss"]

# %%
# Proof, and a test for machines without a GPU
# --------------------------------------------
#
# With all four mended, the step runs. On the CPU, the mended model gives the same
# answers as the naive one. The ``meta`` device finds the same mistakes without a GPU:
# a line for your tests.

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
# When the message comes from a large model, list its tensors that are not on the
# device. ``vars`` finds the plain ones.


def left_behind(model, device):
    for path, module in model.named_modules():
        held = {**module._parameters, **module._buffers, **vars(module)}
        for name, x in held.items():
            wanted = torch.device(device).type
            if isinstance(x, torch.Tensor) and x.device.type != wanted:
                yield f"{path}.{name}".lstrip(".")


found = list(left_behind(Pooling().to("meta"), "meta"))
print("naive:", found, "- mended:", list(left_behind(Mended().to("meta"), "meta")))
assert found == ["offset"] and not list(left_behind(Mended().to("meta"), "meta"))

# %%
# When it is not so: other words, and no error
# --------------------------------------------
#
# A recurrent layer has its own words for a state on another device. And a tensor
# without dimensions may stay on the CPU: it counts as a number.

x = torch.randn(7, 5, 4, device="meta")
try:
    nn.GRU(4, 3, device="meta")(x, torch.zeros(1, 5, 3))
except RuntimeError as error:
    print(error)
assert (x * torch.tensor(0.5)).device.type == "meta"
try:
    x * torch.tensor([0.5])
except RuntimeError as error:
    print(error)

# %%
# In your project
# ---------------
#
# Name the device once, and put every tensor there where it enters.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Mended().to(device)  # parameters and buffers
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)  # after the move
pin = torch.accelerator.is_available()
pairs = torch.utils.data.TensorDataset(signals, labels)
for batch in torch.utils.data.DataLoader(pairs, batch_size=2, pin_memory=pin):
    x, y = (part.to(device, non_blocking=True) for part in batch)  # new: all of it
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert not list(left_behind(model, device))

# %%
# ``cuda:0 and cuda:1``? Choose one GPU for the whole program, before it starts:
# ``CUDA_VISIBLE_DEVICES=1 python train.py``. The program then sees the second GPU only,
# and calls it ``cuda:0``. This page has no GPU to show it.
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
