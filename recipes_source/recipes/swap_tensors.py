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
optimizer then keeps to the old objects, and nothing is learned. There is no warning,
and no error unless you use a ``GradScaler``.
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
    for _step in range(20):
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
# The optimizer holds the old weight: the loss does not move. A ``GradScaler`` would
# stop here with ``No inf checks were recorded for this optimizer.``


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
# The plain remedy: make the optimizer later
# ------------------------------------------
#
# If the order is yours, load first, then make the optimizer, and you are done. Read on
# if a framework or a library makes the optimizer before your code loads. For a layer
# that you replace, as in ``model.head = nn.Linear(8, 5)``, nothing below helps: give
# the layer's parameters to :meth:`~torch.optim.Optimizer.add_param_group`.

model = nn.Linear(8, 1)
model.load_state_dict(checkpoint(), assign=True)
expected = train(model, torch.optim.SGD(model.parameters(), lr=0.05))
print(f"optimizer made after loading: {expected[0]:.4f}, then {expected[-1]:.4f}")
assert stuck[-1] == stuck[0] == expected[0] > 10 * expected[-1]

# %%
# Swap what is inside
# -------------------
#
# :func:`torch.utils.swap_tensors` exchanges the contents of two tensors, type and
# size included. The Python objects stay where they are: whoever holds one of the
# objects sees its new content.

old, new = torch.zeros(2), torch.ones(3, dtype=torch.float64)
holder = {"optimizer": old}
torch.utils.swap_tensors(old, new)
print(f"same object: {holder['optimizer'] is old}, content: {holder['optimizer']}")

# %%
# Let modules swap
# ----------------
#
# With this switch, which holds for the whole process, modules swap. The same
# measurement again: the losses equal the losses of the plain remedy.

torch.__future__.set_swap_module_params_on_conversion(True)
swapped = load_then_train()
torch.__future__.set_swap_module_params_on_conversion(False)
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
# Of these five conversions, ``double()`` and loading by copy keep the object without
# the switch, too. Three need the switch: loading with ``assign=True``, leaving the meta
# device, where a model has shapes but no data, and moving there.

conversions = {
    "double()": lambda model: model.double(),
    "load_state_dict": lambda model: model.load_state_dict(checkpoint()),
    "..., assign=True": lambda m: m.load_state_dict(checkpoint(), assign=True),
    "from meta": lambda model: model.to_empty(device="cpu"),
    "to meta": lambda model: model.to("meta"),
}
kept = {name: [] for name in conversions}
for name, convert in conversions.items():
    for swap in (False, True):
        torch.__future__.set_swap_module_params_on_conversion(swap)
        model = nn.Linear(8, 1, device="meta" if name == "from meta" else "cpu")
        weight = model.weight
        convert(model)
        kept[name].append(model.weight is weight)

# %%

for name, (without, switched) in kept.items():
    print(f"{name:17} keeps the object: {without!s:5}, with the switch: {switched}")
assert [without for without, _ in kept.values()] == [True, True, False, False, False]
assert all(switched for _, switched in kept.values())

# %%
# When it is not so: a tensor in use
# ----------------------------------
#
# The switch is still on. A view of a weight would go on showing the old content, so the
# swap is refused. A weak reference to a weight is refused, too. By then, the first
# layer is float64 already, and the second is still float32.

model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
row = model[1].weight[0]
try:
    model.double()
except RuntimeError as error:
    print(f"{error}, because: {error.__cause__}")
print(*[layer.weight.dtype for layer in model])
assert model[0].weight.dtype != model[1].weight.dtype
del row  # without the view, it works
model = model.double()

# %%
# Do not convert between the forward and the backward pass. If the graph holds a weight
# for the backward pass, the swap is refused as well. If it does not hold the weight,
# the swap passes and ``backward()`` fails.

loss = model(inputs).sum()
try:
    model.float()
    raise AssertionError("the weight was swapped")
except RuntimeError as error:
    print(f"{error}, because: {error.__cause__}")
alone = nn.Linear(8, 1).double()
loss = alone(inputs).sum()  # backward() does not need this weight
alone.float()
try:
    loss.backward()
    raise AssertionError("the backward pass ran")
except RuntimeError as error:
    print(error)
torch.__future__.set_swap_module_params_on_conversion(False)

# %%
# When it is not so: the optimizer has a state
# --------------------------------------------
#
# After the first step, AdamW has averages of the type that the weights had. They are
# not converted, and the next step fails. :meth:`torch.optim.Optimizer.load_state_dict`
# converts what it loads, so let the optimizer load the state that it has. Do so for SGD
# with momentum, too: else its momentum keeps the old type, without an error.

model, held = model.float(), inputs
optimizer, inputs = torch.optim.AdamW(model.parameters()), inputs.float()
targets = targets.float()
train(model, optimizer)
model.double()  # keeps the parameters
inputs, targets, failed = held, targets.double(), False
try:
    train(model, optimizer)
except RuntimeError as error:
    failed = True
    print(error)
optimizer.load_state_dict(optimizer.state_dict())  # the mend
losses = train(model, optimizer)
print("then", optimizer.state[model[0].weight]["exp_avg"].dtype)
assert failed and losses[-1] < losses[0]

# %%
# In your project
# ---------------
#
# Turn the switch on around the conversion only, and check the optimizer afterwards. If
# the optimizer has made steps, convert its state, too. Before the first step, this line
# does no harm.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Linear(8, 1, device=device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)  # made early, not by you

torch.__future__.set_swap_module_params_on_conversion(True)  # the new line
try:
    model.load_state_dict(checkpoint(), assign=True)  # or torch.load(...)
    model.to(device, torch.float32)
finally:
    torch.__future__.set_swap_module_params_on_conversion(False)
optimizer.load_state_dict(optimizer.state_dict())  # its state follows the parameters
held = {id(p) for group in optimizer.param_groups for p in group["params"]}
assert {id(p) for p in model.parameters() if p.requires_grad} <= held  # keep this

# %%
# Learn more
# ----------
#
# - ``assign=True``: :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - The meta device: :ref:`sphx_glr_recipes_recipes_skip_param_init.py`
# - What is in the file: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - API: :func:`torch.__future__.set_swap_module_params_on_conversion`
