# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "move a model to the GPU", "move tensors to cuda", "use the GPU",
#   "model.to(device)", "set_default_device", "MPS on a Mac", "cuda is available",
#   "tensors on different devices", "get the device of a model",
# ]
# errors = [
#   "Tensor on device cpu is not on the expected device meta!",
# ]
# older_errors = ["Expected object of backend CPU but got backend CUDA"]
# ///
"""
Changing default device
=======================

Create models and tensors right on the device you want, and leave no setting behind.

Why it matters: new tensors go to the CPU unless the call says otherwise. Forget that in
one call, and the code fails where there is an accelerator. Change the default for the
whole program, and libraries that do not expect it, such as ``DataLoader``, change too.
"""

# %%
# Setting
# -------
#
# The target is the accelerator, if there is one. Otherwise the ``meta`` device takes
# its place. Its tensors have a shape and no values. ``meta + cpu`` and ``meta * cpu``
# raise an error, as on a GPU. ``meta @ cpu`` raises none: only a GPU tests everything.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.data import DataLoader

gpu = torch.accelerator.is_available()
target = torch.accelerator.current_accelerator() if gpu else torch.device("meta")
inputs = torch.ones(3, 4, device=target)

# %%
# See the problem: moving leaves tensors behind
# ---------------------------------------------
#
# Besides its two parameters, this model uses a plain tensor, ``scale``, and makes one
# in every forward pass, the ``offsets``. :meth:`torch.nn.Module.to` moves parameters
# and buffers only. The other two tensors stay on the CPU.


class Careless(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.scale = nn.Linear(4, 4), torch.ones(4)

    def forward(self, inputs):
        offsets = torch.arange(len(inputs)).unsqueeze(1)
        return self.linear(inputs * self.scale) + offsets


def works(model):
    try:
        return model(inputs).device.type == target.type
    except RuntimeError as error:
        print(f"RuntimeError: {error}")
        return False


assert not works(Careless().to(target))

# %%
# In your own program, ``meta`` in this error often means a model built without values:
# call ``model.to_empty(device=...)`` and load all weights. Then compute the buffers
# made with ``persistent=False`` again: no file has them. With ``device_map="auto"``,
# ``meta`` marks an offloaded layer: call the layer, and do not read its weight.
#
# ``next(model.parameters()).device`` names the device of a model's first parameter.
# With a GPU, the error has other words. ``FakeTensorMode`` raises them on any machine:

from torch._subclasses.fake_tensor import FakeTensorMode

try:
    with FakeTensorMode():
        torch.ones(4, device="cuda:0") * torch.ones(4)
    raise AssertionError("two devices were mixed")
except RuntimeError as error:
    print(error)

# %%
# A global default reaches too far
# --------------------------------
#
# :func:`torch.set_default_device` redirects the calls that make tensors, in this
# thread only, until you pass ``None`` to undo it. The careless model works now. But the
# default also reaches code that is not yours. Here, a ``DataLoader`` that shuffles no
# longer works:


def shuffled():
    return list(DataLoader(torch.arange(4).tolist(), batch_size=None, shuffle=True))


torch.set_default_device(target)
print("forward pass works:", works(Careless()))
assert works(Careless())
try:
    shuffled()
    loader_broken = False
except RuntimeError as error:
    print(f"DataLoader: {type(error).__name__}: {error}")
    loader_broken = True
torch.set_default_device(None)
assert loader_broken and sorted(shuffled()) == [0, 1, 2, 3]

# %%
# On a GPU, the message is ``Expected a 'cuda' device type for generator but found
# 'cpu'``. The mend is a generator for the device:
# ``DataLoader(..., generator=torch.Generator(device))``. With ``num_workers`` this mend
# is not enough: a forked worker inherits the default, and must not use the GPU. Then
# set no global default.
#
# A default also costs time, and so does the block below: while a default is set, each
# call of PyTorch goes through a Python function first.
#
# The idea: a default for one block
# ---------------------------------
#
# :class:`torch.device` is also a context manager. The default ends with the ``with``
# block, even when an exception ends the block. Use it where tensors are *made*: a large
# model is built on the device at once, without a copy in the memory of the CPU. A GPU
# draws other weights from the same seed than the CPU does.

try:
    with target:
        model = nn.Linear(4, 4)
        raise KeyError("a failure inside the block")
except KeyError:
    print("made after the block, on the CPU:", torch.zeros(2).device.type == "cpu")
assert model.weight.device == nn.Linear(4, 4, device=target).weight.device
assert torch.zeros(2).device == torch.get_default_device() == torch.device("cpu")

# %%
# The block does not mend the careless model. Made inside, its ``scale`` is on the
# target. But its forward pass runs outside, and makes the ``offsets`` on the CPU:

with target:
    model = Careless()
assert model.scale.device.type == target.type and not works(model)

# %%
# Write models that need no default
# ---------------------------------
#
# Two lines change. :meth:`~torch.nn.Module.register_buffer` makes ``scale`` a tensor
# that ``to`` moves and ``state_dict`` saves. (Your older checkpoints have no ``scale``:
# with ``persistent=False``, ``state_dict`` leaves it out.) And a tensor that
# ``forward`` makes takes its device from the inputs.


class Careful(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("scale", torch.ones(4))  # new

    def forward(self, inputs):
        offsets = torch.arange(len(inputs), device=inputs.device).unsqueeze(1)  # new
        return self.linear(inputs * self.scale) + offsets


with target:
    built = Careful()
print("moved: ", works(Careful().to(target)))
print("built: ", works(built))
assert works(built) and works(Careful().to(target))

# %%
# Pitfall: not every call follows
# -------------------------------
#
# Calls that take their device from a tensor ignore the default. So does
# :func:`torch.from_numpy`, which always shares the memory of its array;
# :func:`torch.as_tensor` copies where it has to.

old = torch.zeros(2)
calls = {
    "torch.tensor([1.0])": lambda: torch.tensor([1.0]),
    "nn.Linear(2, 2)": lambda: nn.Linear(2, 2).weight,
    "torch.as_tensor(array)": lambda: torch.as_tensor(old.numpy()),
    "torch.from_numpy(array)": lambda: torch.from_numpy(old.numpy()),
    "torch.zeros_like(old)": lambda: torch.zeros_like(old),
    "old.new_zeros(2)": lambda: old.new_zeros(2),
}
with target:
    follows = {name: call().device.type == target.type for name, call in calls.items()}
print(sum(follows.values()), "of", len(follows), "calls follow the default")
assert list(follows.values()) == [True] * 3 + [False] * 3

# %%
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for name, on in follows.items():
    ax.plot("target device" if on else "CPU", name, "C0o" if on else "C1X", ms=12)
ax.set(xlabel="where the result lands", ylabel="call inside the with block")
ax.set_title("Calls that follow the default device, and calls that do not")
ax.margins(x=0.4)
ax.invert_yaxis()
ax.grid(axis="y", ls=":")
plt.show()

# %%
# In your project
# ---------------
#
# Name the device once. Build the model inside a block, and move each batch: no other
# line needs a device. Of several GPUs, choose the second by
# ``torch.accelerator.set_device_index(1)`` or ``device = torch.device("cuda:1")``.
# Under ``torchrun``, the index is ``int(os.environ["LOCAL_RANK"])``.

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
with device:  # new: parameters and buffers are created on device
    model = Careful()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
samples = [(torch.randn(4), torch.randn(4)) for _ in range(64)]
for x, y in DataLoader(samples, batch_size=16, shuffle=True, pin_memory=gpu):
    loss = nn.functional.mse_loss(model(x.to(device)), y.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Learn more
# ----------
#
# - Buffers and parameters: :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
# - :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py` uses the ``meta`` device
# - :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
# - Change what functions do, as this default does:
#   :ref:`sphx_glr_recipes_recipes_torch_compile_torch_function_modes.py`
# - "At least two devices", read:
#   :ref:`sphx_glr_recipes_recipes_error_device_mismatch.py`
