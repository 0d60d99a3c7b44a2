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
# older_errors = ["Expected object of backend CPU but got backend CUDA"]
# ///
"""
Changing default device
=======================

Create models and tensors right on the device you want, and leave no setting behind.

Why it matters: new tensors go to the CPU unless the call says otherwise. Forget that in
one call, and the code fails where there is an accelerator. Change the default for the
whole program, and code that knows nothing of it changes too.
"""

# %%
# Setting
# -------
#
# The target is the accelerator, if there is one. Otherwise the ``meta`` device takes
# its place: its tensors have no values, but refuse to mix with those of the CPU all the
# same. The model is careless: besides its two parameters it uses a plain tensor,
# ``scale``, and one that every forward pass makes, the ``offsets``.

import matplotlib.pyplot as plt
import torch
from torch import nn

found = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if found else torch.device("meta")


class Careless(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.scale = nn.Linear(4, 4), torch.ones(4)

    def offsets(self, inputs):
        return torch.arange(len(inputs)).unsqueeze(1)

    def forward(self, inputs):
        return self.linear(inputs * self.scale) + self.offsets(inputs)

# %%
# See the problem: moving leaves tensors behind
# ---------------------------------------------
#
# :meth:`torch.nn.Module.to` moves parameters and buffers. The other two tensors stay on
# the CPU, and an operation that mixes devices raises.

inputs = torch.ones(3, 4, device=device)


def on_target(tensor):
    return tensor.device.type == device.type


def report(model):
    tensors = [*model.parameters(), model.scale, model.offsets(inputs)]
    print(sum(on_target(tensor) for tensor in tensors), "of 4 tensors on the target")
    try:
        print("forward pass works, result on the target:", on_target(model(inputs)))
    except RuntimeError as error:
        print("forward pass raises", type(error).__name__)

report(Careless().to(device))

# %%
# A global default reaches too far
# --------------------------------
#
# :func:`torch.set_default_device` redirects the calls that make tensors. All four are
# in place now, but so is whatever runs later, until you pass ``None`` to undo it.

torch.set_default_device(device)
report(Careless())
print("tensor made afterwards, on the target:", on_target(torch.zeros(2)))
torch.set_default_device(None)

# %%
# The idea: a default for one block
# ---------------------------------
#
# :class:`torch.device` is also a context manager. The default ends with the ``with``
# block, even when an exception ends the block. Whatever makes tensors, here the
# forward pass too, has to run inside: after the block it raises again, as the last two
# lines show. As a check, the model's devices must equal that of a layer made with an
# explicit ``device=``.

try:
    with device:
        model = Careless()
        report(model)
        raise KeyError("a failure inside the block")
except KeyError:
    print("tensor made afterwards, on the target:", on_target(torch.zeros(2)))
report(model)
explicit = nn.Linear(4, 4, device=device).weight.device
assert model.linear.weight.device == model.scale.device == explicit
assert torch.zeros(2).device == torch.get_default_device() == torch.device("cpu")

# %%
# Pitfall: not every call follows
# -------------------------------
#
# Calls that take their device from a tensor ignore the default. So does
# :func:`torch.from_numpy`, which always shares the memory of its array;
# :func:`torch.as_tensor` copies where it has to. The figure shows where each result
# lands.

old = torch.zeros(2)
calls = {
    "torch.tensor([1.0])": lambda: torch.tensor([1.0]),
    "nn.Linear(2, 2)": lambda: nn.Linear(2, 2).weight,
    "torch.as_tensor(array)": lambda: torch.as_tensor(old.numpy()),
    "torch.from_numpy(array)": lambda: torch.from_numpy(old.numpy()),
    "torch.zeros_like(old)": lambda: torch.zeros_like(old),
    "old.new_zeros(2)": lambda: old.new_zeros(2),
}
with device:
    follows = {name: on_target(call()) for name, call in calls.items()}
print(sum(follows.values()), "of", len(follows), "calls follow the default")

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
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py` uses the ``meta`` device
# - :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
