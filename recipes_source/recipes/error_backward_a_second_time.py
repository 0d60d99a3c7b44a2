# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Errors"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "retain_graph", "backward twice", "two losses", "hidden state", "repackage hidden",
#   "truncated backpropagation through time", "GAN discriminator backward",
#   "training gets slower with every iteration", "memory grows with every step",
#   "RuntimeError in the second iteration", "freed buffers",
# ]
# errors = ["Trying to backward through the graph a second time"]
# older_errors = [
#   '''Trying to backward through the graph a second time, but the buffers have already
#   been freed. Specify retain_graph=True when calling backward the first time.''',
#   '''Trying to backward through the graph a second time, but the saved intermediate
#   results have already been freed. Specify retain_graph=True when calling .backward()
#   or autograd.grad() the first time.''',
# ]
# ///
"""
Mend "Trying to backward through the graph a second time"
=========================================================

Find what one step hands to the next, and cut it there, not with retain_graph.

Why it matters: the message advises ``retain_graph=True``. This silences it, and each
step then goes back through all the steps before. Training becomes slower and fills more
memory from step to step.
"""

# %%
# The second step fails, not the first
# ------------------------------------
#
# A recurrent cell reads a long series, and learns after each piece of it. The state,
# ``state``, goes from one piece to the next. The first step works.

import torch
from torch import nn

torch.manual_seed(0)
series = torch.randn(12, 4, 3)  # 12 pieces, batch of 4, 3 features
targets = series.cumsum(dim=0)[..., :1].tanh()
cell, head = nn.GRUCell(3, 8), nn.Linear(8, 1)

# %%
state = torch.zeros(4, 8)
try:
    for step, (x, y) in enumerate(zip(series, targets, strict=True), 1):
        state = cell(x, state)
        nn.functional.mse_loss(head(state), y).backward()
        print(f"step {step}: done")
except RuntimeError as error:
    message = str(error)
    print(f"step {step}: {error}")
assert step == 2

# %%
# How to read it
# --------------
#
# The forward pass records a *graph*: which operations made the loss, and the values
# that their gradients need. ``backward()`` walks the graph and frees the values. A
# second walk finds them gone. So some tensor of step 2 was made in step 1.
#
# To find it, look at each tensor that enters the step, before the step: the inputs, the
# state, anything in ``self`` or in a list. One with a ``grad_fn`` is the one.

entering = {"x": series[1], "y": targets[1], "state": state}
for name, tensor in entering.items():
    print(f"{name:6} has a grad_fn: {tensor.grad_fn is not None}")
assert [n for n, t in entering.items() if t.grad_fn is not None] == ["state"]

# %%
# Cut it with detach, and compare with retain_graph
# -------------------------------------------------
#
# :meth:`torch.Tensor.detach` returns the same numbers without their past. Train both
# ways. ``size`` counts the operations in the graph of a loss.


def size(loss):
    seen, todo = set(), [loss.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [before for before, _ in node.next_functions]
    return len(seen)


# %%


def run(detach):
    sizes, state = [], torch.zeros(4, 8)
    for x, y in zip(series, targets, strict=True):
        if detach:
            state = state.detach()  # the one new line
        state = cell(x, state)
        loss = nn.functional.mse_loss(head(state), y)
        sizes.append(size(loss))
        cell.zero_grad()
        loss.backward(retain_graph=not detach)
    return sizes, cell.weight_hh.grad.clone()  # of the last step


# %%
# With ``retain_graph=True`` each step adds to the graph, and ``backward()`` walks it
# all. With ``detach`` the size stays.

sizes, last_gradient = {}, {}
for detach in (False, True):
    sizes[detach], last_gradient[detach] = run(detach)
    first, last = sizes[detach][:3], sizes[detach][-1]
    print(f"detach={detach!s:5}: operations {first} ... {last} at step {len(series)}")
assert set(sizes[True]) == {sizes[True][0]} and sizes[False][-1] > 5 * sizes[True][0]

# %%
# Proof: the gradient that was meant
# ----------------------------------
#
# The state that enters a step counts as data. :func:`torch.func.grad` knows no earlier
# step. It gives the gradient of the last one, with the state as plain numbers.

before = torch.zeros(4, 8)
with torch.no_grad():
    for x in series[:-1]:
        before = cell(x, before)


def last_loss(weights):
    last = torch.func.functional_call(cell, weights, (series[-1], before))
    return nn.functional.mse_loss(head(last), targets[-1])


oracle = torch.func.grad(last_loss)(dict(cell.named_parameters()))["weight_hh"]
ours = last_gradient[True], last_gradient[False]
gaps = [((gradient - oracle).norm() / oracle.norm()).item() for gradient in ours]
print(f"relative error: detach {gaps[0]:.5f}, retain_graph {gaps[1]:.5f}")
assert gaps[0] < 1e-4 < 1e-2 < gaps[1]

# %%
# Three other causes, with the same message
# -----------------------------------------
#
# 1. *Made once, before the loop*: features, a mask, normalized weights.
# 2. *A running total* of losses that you call ``backward()`` on.
# 3. *Two losses* with a common part, a ``backward()`` each. A GAN's generator and
#    discriminator have such a part, the generated pictures.


def made_once(w):
    scale = w.exp()
    for _step in range(2):
        scale.sum().backward()


def running_total(w):
    total = 0
    for _step in range(2):
        total = total + w.exp().sum()
        total.backward()


def two_losses(w):
    common = w.exp()
    common.sum().backward()
    (common**2).sum().backward()


# %%
# The mends: make it inside the loop, keep numbers (``total += loss.item()``), add the
# losses and call ``backward()`` once. The gradients are checked with the formula.


def mended(w, cause):
    if cause is two_losses:
        common = w.exp()
        (common.sum() + (common**2).sum()).backward()
    else:
        for _step in range(2):
            w.exp().sum().backward()


# %%

for cause in (made_once, running_total, two_losses):
    w = torch.randn(3, requires_grad=True)
    exp = w.detach().exp()
    try:
        cause(w)
        same = False
    except RuntimeError as error:
        same = str(error) == message
    w.grad = None
    mended(w, cause)
    right = exp + 2 * exp**2 if cause is two_losses else 2 * exp
    torch.testing.assert_close(w.grad, right)
    print(f"{cause.__name__}: same message {same}, mended")
    assert same

# %%
# When it is not so
# -----------------
#
# ``retain_graph=True`` is right if one graph has two walks in *one* step, before
# ``optimizer.step()``: two losses whose gradients you want apart. Across steps it fails
# in another way, because ``step()`` overwrites weights that the old graph needs:

optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
state = torch.zeros(4, 8)
try:
    for x, y in zip(series, targets, strict=True):
        state = cell(x, state)
        optimizer.zero_grad()
        nn.functional.mse_loss(head(state), y).backward(retain_graph=True)
        optimizer.step()
    failed = False
except RuntimeError as error:
    print(error)
    failed = True
assert failed

# %%
# In your project
# ---------------
#
# An LSTM has two states, so both are cut. What you log is a number.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model, head = nn.LSTM(3, 8).to(device), nn.Linear(8, 1).to(device)
optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1e-3)
state, total = None, 0.0
for x, y in zip(series.to(device).split(3), targets.to(device).split(3), strict=True):
    outputs, state = model(x, state)
    state = tuple(part.detach() for part in state)  # new
    loss = nn.functional.mse_loss(head(outputs), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += loss.item()  # new: not the tensor

# %%
# Learn more
# ----------
#
# - Several backward passes per step, on purpose:
#   :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - What else has a graph, and what has none:
#   :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`
# - "Modified by an inplace operation":
#   :ref:`sphx_glr_recipes_recipes_error_modified_by_an_inplace_operation.py`
# - API: :meth:`torch.Tensor.detach`, :func:`torch.func.grad`
