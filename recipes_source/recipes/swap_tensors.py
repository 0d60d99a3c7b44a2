# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["module_load_state_dict_tips"]
# timeout = 60
# searched_as = [
#   "parameters not updating", "optimizer lost its parameters",
#   "model converted after making the optimizer", "load_state_dict assign",
#   "replace a parameter", "model.double()", "set_swap_module_params_on_conversion",
# ]
# errors = [
#   "Couldn't swap Linear.weight",
#   "Trying to execute AccumulateGrad node that was poisoned by swap_tensors",
# ]
# ///
"""
Keep a parameter's identity with swap_tensors
=============================================

Convert or load a model, and have the optimizer still hold the parameters it trains.

Why it matters: an optimizer holds the parameter objects it was given. Some conversions
of a model, and ``load_state_dict(assign=True)``, put new objects into the model. The
optimizer then updates the old ones: no error, no warning, and nothing is learned.
"""

# %%
# Load after the optimizer was made
# ---------------------------------
#
# ``assign=True`` takes over the tensors of the checkpoint, with their type, instead of
# copying their values. Here, they are the initial weights of a small linear regression
# in float64, for a model that was made in float32.

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(64, 8, dtype=torch.float64)
targets = inputs.sum(dim=1, keepdim=True)
saved = nn.Linear(8, 1).double().state_dict()


def checkpoint():  # as if read from a file
    return {name: tensor.clone() for name, tensor in saved.items()}


# %%
# Twenty steps of training, whatever was done to the model before.


def train(model, optimizer):
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
# The optimizer holds the old weight: the loss does not move.


def load_then_train():
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model.load_state_dict(checkpoint(), assign=True)
    held = optimizer.param_groups[0]["params"][0] is model.weight
    losses = train(model, optimizer)
    print(f"same weight: {held}, loss: {losses[0]:.4f}, then {losses[-1]:.4f}")
    return losses


stuck = load_then_train()

# %%
# Swap what is inside
# -------------------
#
# :func:`torch.utils.swap_tensors` exchanges the contents of two tensors, type and
# size included. The Python objects stay where they are: whoever holds one of them sees
# its new content.

old, new = torch.zeros(2), torch.ones(3, dtype=torch.float64)
holder = {"optimizer": old}
torch.utils.swap_tensors(old, new)
print(f"same object: {holder['optimizer'] is old}, content: {holder['optimizer']}")

# %%
# Let modules swap
# ----------------
#
# With this switch, which holds for the whole process, modules swap. The same
# measurement again, and beside it the remedy without the switch: an optimizer made
# after loading.

torch.__future__.set_swap_module_params_on_conversion(True)
swapped = load_then_train()
torch.__future__.set_swap_module_params_on_conversion(False)
model = nn.Linear(8, 1)
model.load_state_dict(checkpoint(), assign=True)
expected = train(model, torch.optim.SGD(model.parameters(), lr=0.05))
print(f"same losses as with an optimizer made later: {swapped == expected}")
assert swapped == expected

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.plot(stuck, "o--", color="tab:orange", label="replaced parameters (default)")
ax.plot(swapped, "s-", color="tab:blue", label="swapped parameters")
ax.set(title="An optimizer that holds replaced parameters trains nothing")
ax.set(xlabel="step", ylabel="mean squared error", xticks=range(0, 20, 5))
ax.legend()
plt.show()

# %%
# Which conversions replace
# -------------------------
#
# Changing the type, and loading by copy, keep the object in any case. Assigning does
# not, nor does leaving the meta device, where a model has shapes but no data.

conversions = {
    "double()": lambda model: model.double(),
    "load_state_dict": lambda model: model.load_state_dict(checkpoint()),
    "..., assign=True": lambda m: m.load_state_dict(checkpoint(), assign=True),
    "meta, to_empty": lambda model: model.to_empty(device="cpu"),
}
for name, convert in conversions.items():
    kept = []
    for swap in (False, True):
        torch.__future__.set_swap_module_params_on_conversion(swap)
        model = nn.Linear(8, 1, device="meta" if "meta" in name else "cpu")
        weight = model.weight
        convert(model)
        kept.append(model.weight is weight)
    print(f"{name:17} keeps the object: {kept[0]!s:5}, with the switch: {kept[1]}")

# %%
# Pitfall: a tensor in use
# ------------------------
#
# The switch is still on. A view of a weight would go on showing the old content, so the
# swap is refused. A conversion between forward and backward works, but the backward
# pass is refused: its graph leads to the old content. Convert before or after the two.

model = nn.Linear(8, 1)
row = model.weight[0]
try:
    model.double()
except RuntimeError as error:
    print(error)
del row
loss = model(inputs.float()).sum()
model.double()
try:
    loss.backward()
except RuntimeError as error:
    print(str(error).split(". ")[0])
torch.__future__.set_swap_module_params_on_conversion(False)

# %%
# Learn more
# ----------
#
# - ``assign=True``: :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - The meta device: :ref:`sphx_glr_recipes_recipes_skip_param_init.py`
# - What is in the file: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - API: :func:`torch.__future__.set_swap_module_params_on_conversion`
