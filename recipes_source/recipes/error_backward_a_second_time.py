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

Why it matters: the message advises ``retain_graph=True``. This silences the message. If
a state goes from step to step, each step then goes back through all the steps before,
slower and with more memory each time. With ``optimizer.step()`` in between, another
error usually follows.
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
# that their gradients need, the *saved tensors*. ``backward()`` walks the graph and
# frees them. A second walk finds them gone: some tensor of step 2 was made in step 1.
# Older versions wrote "the buffers have already been freed".
#
# Look at each tensor that enters the step: the inputs, the state, anything in ``self``
# or in a list. A tensor with a ``grad_fn`` is the cause. If no tensor has a
# ``grad_fn``, the step itself calls ``backward()`` twice: see causes 1 and 4 below.

entering = {"x": series[1], "y": targets[1], "state": state}
for name, tensor in entering.items():
    print(f"{name:6} has a grad_fn: {tensor.grad_fn is not None}")
assert [n for n, t in entering.items() if t.grad_fn is not None] == ["state"]

# %%
# Cut it with ``state = state.detach()``
# --------------------------------------
#
# :meth:`torch.Tensor.detach` returns the same numbers without their past. Compare it
# with ``retain_graph=True``. ``size`` counts the operations in the graph of a loss.


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
    return sizes, cell.weight_hh.grad.clone()  # of the last loss


# %%


def oracle(steps):  # the gradient of the last loss, through so many steps
    state = torch.zeros(4, 8)
    for number, x in enumerate(series):
        with torch.set_grad_enabled(number >= len(series) - steps):
            state = cell(x, state)
    loss = nn.functional.mse_loss(head(state), targets[-1])
    return torch.autograd.grad(loss, cell.weight_hh)[0]


# %%
# With ``retain_graph=True`` each step adds to the graph, and ``backward()`` walks it
# all. With ``detach`` the size stays: the gradient goes back through one piece. That is
# what *truncated* training means.

sizes = {}
for detach, steps in ((False, len(series)), (True, 1)):
    sizes[detach], gradient = run(detach)
    torch.testing.assert_close(gradient, oracle(steps))
    first, last = sizes[detach][:3], sizes[detach][-1]
    print(f"detach={detach!s:5}: operations {first} ... {last} at step {len(series)}")
    print(f"              steps that the last gradient goes through: {steps}")
assert set(sizes[True]) == {sizes[True][0]} and sizes[False][-1] > 5 * sizes[True][0]

# %%
# Four other causes, with the same message
# ----------------------------------------
#
# 1. *Run twice*: a notebook cell with ``loss.backward()``, or a second ``backward()``
#    below the loop. Run the forward pass again, too.
# 2. *Made once, before the loop*, from a weight: features, a learned mask. Make it
#    inside the loop.
# 3. *A running total* of losses that you call ``backward()`` on. Keep numbers:
#    ``total += loss.item()``. Or keep ``loss.detach()``, which does not wait for a GPU.
# 4. *Two losses* with a common part, a ``backward()`` each: see below.
#
# Cause 2 can go unnoticed: :func:`torch.cat` saves no tensors, so a second walk raises
# nothing. But the joined tensor keeps the old numbers after ``optimizer.step()``.


def made_once(w):
    scale = w.exp()
    for _step in range(2):
        scale.sum().backward()


def running_total(w):
    total = 0
    for _step in range(2):
        total = total + w.exp().sum()
        total.backward()


# %%


def mended(w):
    total = 0.0
    for _step in range(2):
        loss = w.exp().sum()  # made inside the loop
        loss.backward()
        total += loss.item()  # a number, no graph


# %%
w = torch.randn(3, requires_grad=True)
for cause in (made_once, running_total):
    try:
        cause(w)
        same = False
    except RuntimeError as error:
        same = str(error) == message
    print(f"{cause.__name__}: the same message {same}")
    assert same
w.grad = None
mended(w)
torch.testing.assert_close(w.grad, 2 * w.detach().exp())
joined = torch.cat([w, w])  # made once, from a weight
for _step in range(2):
    joined.sum().backward()  # raises nothing

# %%
# Two losses: add them, but not in a GAN
# --------------------------------------
#
# If all weights shall follow both losses, add the losses and call ``backward()`` once.
# The two losses of a GAN have opposite aims. Added, they would train the critic to be
# deceived. Cut ``fake`` for the critic, and run the critic again for the generator.

generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (critic, generator)]
bce = nn.functional.binary_cross_entropy_with_logits
real, noise, ones = series[0], torch.randn(4, 2), torch.ones(4, 1)


# %%


def train(cut):
    fake = generator(noise)
    seen = fake.detach() if cut else fake  # new
    critic_loss = bce(critic(real), ones) + bce(critic(seen), 0 * ones)
    optimizers[0].zero_grad()
    critic_loss.backward()
    optimizers[0].step()
    generator_loss = bce(critic(fake), ones)  # after the step
    optimizers[1].zero_grad()
    generator_loss.backward()
    right = bce(critic(generator(noise)), ones)
    right = torch.autograd.grad(right, generator.weight)[0]
    torch.testing.assert_close(generator.weight.grad, right)
    optimizers[1].step()


# %%
try:
    train(cut=False)
    raise AssertionError("nothing was raised")
except RuntimeError as error:
    print("the same message:", str(error) == message)
    assert str(error) == message
train(cut=True)

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
    raise AssertionError("nothing was raised")
except RuntimeError as error:
    print(error)

# %%
# In your project
# ---------------
#
# An LSTM has two states, so both are cut. A GRU has one: ``state = state.detach()``.
# Set ``state = None`` at the start of each new sequence and each epoch. ``split`` cuts
# the time, here the first dimension. With ``batch_first=True``, write
# ``split(3, dim=1)``: ``split(3)`` would cut the batch, and a state can then meet other
# samples without an error. What you log is a number.

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
# - API: :meth:`torch.Tensor.detach`, :meth:`torch.Tensor.backward`
