# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors"]
# after = ["views_and_contiguity"]
# timeout = 60
# searched_as = [
#   "copy tensor", "preferred way to copy a tensor", "clone vs detach",
#   "clone or copy_",
#   "detach().clone() or clone().detach()", "duplicate a tensor",
#   "copy a model",
#   "clone a module", "deep copy", "copy weights", "assignment does not copy",
#   "torch.tensor of a tensor", "snapshot of the weights",
# ]
# errors = [
#   "To copy construct from a tensor, it is recommended to use",
#   "Only Tensors created explicitly by the user",
# ]
# older_errors = [
#   '''Only Tensors created explicitly by the user (graph leaves) support the deepcopy
#   protocol at the moment''',
# ]
# ///
"""
Copy a tensor: clone, detach, deepcopy or torch.tensor
======================================================

Choose between a copy, a detached copy and a second name, from a table that is computed.

Why it matters: you keep the old weights, train, compare, and nothing has changed. The
"old" weights were the new ones under a second name. The opposite mistake is a copy that
keeps its graph: memory grows with every step.
"""

# %%
# See the problem: the weights did not move
# -----------------------------------------
#
# One step of plain SGD at a rate of 0.1 must move each weight by 0.1 times its
# gradient. Four ways to keep the weights from before the step:

import copy
import warnings

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept = {
    "weight": model.weight,
    "weight.data": model.weight.data,
    "weight.detach()": model.weight.detach(),
    "weight.detach().clone()": model.weight.detach().clone(),
}

# %%

model(torch.randn(8, 3)).square().mean().backward()
optimizer.step()
expected = 0.1 * model.weight.grad
for name, before in kept.items():
    moved = (before - model.weight).detach()
    print(f"{name:24} moved by {moved.norm():.3f}")
    assert torch.allclose(moved, expected, atol=1e-6) == ("clone" in name)
print(f"{'0.1 * gradient':24}          {expected.norm():.3f}")
assert expected.norm() > 0.01

# %%
# Only ``weight.detach().clone()`` is a copy. ``detach()`` cuts the result from the
# graph, but the result shares its memory with the weight.
#
# The idea: two questions
# -----------------------
#
# *Does the result share memory?* Then a write to either tensor changes both. *Does a
# gradient flow back through the result?* Then the result holds on to the graph that
# made it. These are the usual ways, for a leaf that requires a gradient:

ways = {
    "x": lambda x: x,
    "x.detach()": lambda x: x.detach(),
    "x.clone()": lambda x: x.clone(),
    "x.detach().clone()": lambda x: x.detach().clone(),
    "copy.deepcopy(x)": copy.deepcopy,
    "torch.tensor(x)": torch.tensor,
    "torch.zeros(3).copy_(x)": lambda x: torch.zeros(3).copy_(x),
}

# %%
# The table is measured. A write of 5 to the result tells about memory. A backward pass
# from the result tells about the gradient. ``trains`` says whether the result itself
# requires a gradient; an optimizer also wants a leaf.


def properties(make):
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = make(x)
    trains = y.requires_grad
    if trains:
        y.sum().backward()
    flows = trains and x.grad is not None
    with torch.no_grad():
        y[0] = 5
    return x[0].item() == 5, flows, trains, y.dtype == x.dtype


# %%

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    table = {way: properties(make) for way, make in ways.items()}
print("warning:", caught[0].message)
assert len(caught) == 1

# %%

print(f"{'':24} shares  flows  trains  same dtype")
for way, row in table.items():
    shares, flows, trains, same = ("yes" if value else "-" for value in row)
    print(f"{way:24} {shares:6}  {flows:5}  {trains:6}  {same}")
assert table["x.detach().clone()"] == (False, False, False, True)
assert table["x.detach()"] == (True, False, False, True)
assert table["x.clone()"] == table["torch.zeros(3).copy_(x)"][:3] + (True,)

# %%
# So ``x.detach().clone()`` is the copy to keep, and ``x.clone()`` is the copy to
# compute with. ``torch.tensor(x)`` gives what ``x.detach().clone()`` gives, with a
# warning. ``copy_`` writes into memory that exists, and converts to its dtype.
# ``deepcopy`` makes a new leaf. The new leaf trains, and sends nothing back to ``x``.
#
# Proof: what a clone sends back, and what it holds
# -------------------------------------------------
#
# A loop adds up a loss over 50 steps. Without ``detach()`` the sum drags a graph along,
# one addition longer at every step. The gradient at the end is right, if you want it:
# the loss ``x ** 2`` at 3 has slope 6, 50 times over.


def graph_length(tensor):
    node, length = tensor.grad_fn, 0
    while node is not None and node.next_functions:
        node, length = node.next_functions[0][0], length + 1
    return length


# %%

x = torch.tensor(3.0, requires_grad=True)
totals = {"clone()": torch.tensor(0.0), "detach().clone()": torch.tensor(0.0)}
for _ in range(50):
    totals["clone()"] = totals["clone()"] + (x**2).clone()
    totals["detach().clone()"] += (x**2).detach().clone()
for name, total in totals.items():
    length = graph_length(total)
    print(f"{name:17} total {total.item():.0f}, chain of {length} additions")
totals["clone()"].backward()
print("gradient", x.grad.item())
assert x.grad == 50 * 2 * 3 and totals["clone()"] == totals["detach().clone()"]
assert graph_length(totals["clone()"]) >= 50 > graph_length(totals["detach().clone()"])

# %%
# When it is not so: no copy is made, or a copy is refused
# --------------------------------------------------------
#
# ``to``, ``float`` and ``contiguous`` return the tensor itself if nothing must change;
# ``to(..., copy=True)`` copies in any case. So ``weight.cpu()`` is a copy if the weight
# is on a GPU, and shares its memory if it is on the CPU.
#
# ``deepcopy`` takes leaves only. A result in an attribute of a module makes
# ``copy.deepcopy(model)`` fail, so store ``result.detach()``.

x = torch.ones(3, requires_grad=True)
same = {"to": x.to("cpu"), "float": x.float(), "contiguous": x.contiguous()}
print({name: y is x for name, y in same.items()})
print("copy=True:", x.to("cpu", copy=True) is x)
assert all(y is x for y in [x.cpu(), *same.values()])
assert x.to("cpu", copy=True) is not x
model.last_output = model(torch.ones(1, 3))
try:
    copy.deepcopy(model)
    raise AssertionError("a result was copied")
except RuntimeError as error:
    print(error)
model.last_output = model.last_output.detach()
assert torch.equal(copy.deepcopy(model).weight, model.weight)

# %%
# In your project
# ---------------
#
# ``model.state_dict()`` shares its tensors with the model. Keep clones, train on, and
# go back with ``model.load_state_dict(kept)``. The clones of a model on a GPU take
# memory of the GPU: with ``t.to("cpu", copy=True)`` they do not.
#
# The optimizer does not go back with the model. To continue from there, also keep
# ``saved = copy.deepcopy(optimizer.state_dict())``, and the same for a scheduler and a
# ``GradScaler``.
#
# For a second model, use ``copy.deepcopy(model)``, and make a new optimizer: the old
# optimizer holds the parameters of the first model. If the second model exists,
# ``second.load_state_dict(model.state_dict())`` copies the numbers and shares nothing,
# unless you pass ``assign=True``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Linear(3, 1).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
kept = {name: t.clone() for name, t in model.state_dict().items()}  # new
losses = []
for x in torch.randn(5, 8, 3, device=device):
    loss = model(x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())  # a number: no graph is kept

# %%
# Check these lines
# -----------------
#
# The weights moved, and going back restores them. A second model has the same numbers
# in its own memory:

moved = not torch.equal(kept["weight"], model.weight)
print(model.load_state_dict(kept))
print("moved:", moved, "back:", torch.equal(kept["weight"], model.weight))
assert moved and torch.equal(kept["weight"], model.weight)
second = nn.Linear(3, 1).to(device)
print(second.load_state_dict(model.state_dict()))
with torch.no_grad():
    model.weight += 1
assert torch.equal(second.weight, kept["weight"])

# %%
# An optimizer uses the tensors that it loads, without a copy: its next step writes into
# ``saved``. To go back more than once, load ``copy.deepcopy(saved)`` each time:

adam = torch.optim.Adam(second.parameters())
second(torch.ones(1, 3, device=device)).sum().backward()
adam.step()
unchanged = {}
for name, give in {"saved": lambda state: state, "a copy": copy.deepcopy}.items():
    saved = copy.deepcopy(adam.state_dict())
    before = saved["state"][0]["exp_avg"].clone()
    adam.load_state_dict(give(saved))
    adam.step()
    unchanged[name] = torch.equal(before, saved["state"][0]["exp_avg"])
print("loaded, and saved is unchanged:", unchanged)
assert unchanged == {"saved": False, "a copy": True}

# %%
# Learn more
# ----------
#
# - Slices and reshapes:
#   :ref:`sphx_glr_recipes_recipes_views_and_contiguity.py`
# - Arrays that share: :ref:`sphx_glr_recipes_recipes_tensors_and_numpy.py`
# - What ``state_dict`` holds: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
