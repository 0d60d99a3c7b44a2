# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Errors"]
# after = ["error_backward_a_second_time"]
# timeout = 60
# searched_as = [
#   "inplace operation", "in-place error", "set_detect_anomaly", "version counter",
#   "is at version 2; expected version 1", "AsStridedBackward0", "ReLU inplace=True",
#   "GAN two optimizers step", "assign to a slice in a loop", "x += 1 breaks autograd",
#   "x[i] = value", "copy_ in training", "masked_fill_",
# ]
# errors = [
#   '''one of the variables needed for gradient computation has been modified by an
#   inplace operation''',
#   "a leaf Variable that requires grad is being used in an in-place operation.",
#   '''a view of a leaf Variable that requires grad is being used in an in-place
#   operation.''',
#   "is a view and is being modified inplace.",
# ]
# older_errors = [
#   '''which is output 0 of ExpBackward, is at version 1; expected version 0 instead.
#   Hint: enable anomaly detection to find the operation that failed to compute its
#   gradient, with torch.autograd.set_detect_anomaly(True).''',
#   "a leaf Variable that requires grad has been used in an in-place operation.",
# ]
# ///
"""
Mend "modified by an inplace operation"
=======================================

Find the line that overwrote what the backward pass needs, and keep the value.

Why it matters: the forward pass keeps values for the gradients. An in-place line, such
as ``x += 1``, writes into the memory of ``x``. If a kept value is there, ``backward()``
raises, far from the line that wrote.
"""

# %%
# The message, and how to read it
# -------------------------------
#
# The slope of exp is exp itself, so :func:`torch.exp` keeps its result. The next line
# overwrites it.

import warnings

import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(5, 3, dtype=torch.float64)
weight = torch.randn(3, dtype=torch.float64, requires_grad=True)


def growth(weight):
    rate = (inputs @ weight).exp()
    before = rate._version
    rate += 1
    print(f"version of rate: {before}, then {rate._version}")
    return rate


# %%
try:
    growth(weight).sum().backward()
except RuntimeError as error:
    print(error)
    assert "DoubleTensor [5]" in str(error) and "output 0 of Exp" in str(error)

# %%
# ``[torch.DoubleTensor [5]]`` is type and shape of the value that was overwritten.
# ``output 0 of Exp`` is the operation that made it: search *below* that line. Each
# in-place write adds 1 to a tensor's version. Writes are ``+=``, ``x[i] = ...``,
# methods that end in ``_``, ``out=``, ``inplace=True``, and ``optimizer.step()``.
#
# On a GPU the type is ``torch.cuda.FloatTensor``. ``AsStrided`` or ``T`` (older:
# ``AsStridedBackward0``, ``TBackward0``) with the shape of a weight, turned around,
# often is that weight: look for a ``step()``. In older versions, DDP raises this if a
# model with BatchNorm runs twice before one ``backward()``: join the two batches, or
# set ``broadcast_buffers=False``.
#
# Let anomaly mode name the line
# ------------------------------
#
# If exp is called in many places, do what the hint says. Under
# :class:`torch.autograd.set_detect_anomaly`, a warning shows the stack of the call of
# exp, with file and line. Here are the warning's first words and the end of the stack.
# Anomaly mode is slow: remove it afterwards.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            growth(weight).sum().backward()
    except RuntimeError:
        stack = str(caught[-1].message)
place, line = stack.split('  File "')[-1].splitlines()[:2]
print(stack.split(".")[0], "...", place.split(", ")[-1], line, sep="\n")
assert place.endswith("in growth") and "exp()" in line

# %%
# Keep the value: write the result elsewhere
# ------------------------------------------
#
# ``rate = rate + 1`` makes a new tensor, and the value that exp keeps stays whole. The
# formula for the gradient is the sum of ``exp(x @ w) * x``. ``.data`` silences the
# message, too. It hides the write from the version, and the gradient is wrong.


def mended(weight):
    rate = (inputs @ weight).exp()
    return rate + 1  # not +=


def silenced(weight):
    rate = (inputs @ weight).exp()
    rate.data += 1
    return rate


# %%
formula = (inputs @ weight).exp().detach() @ inputs
for function in (mended, silenced):
    gradient = torch.autograd.grad(function(weight).sum(), weight)[0]
    gap = ((gradient - formula).norm() / formula.norm()).item()
    print(f"{function.__name__}: relative error {gap:.6f}")
    assert gap < 1e-9 if function is mended else gap > 0.01
assert torch.autograd.gradcheck(mended, weight)

# %%
# When it is not so: many in-place lines are harmless
# ---------------------------------------------------
#
# An operation keeps its input, its result, both or none. What it does not keep may be
# overwritten. So ``nn.ReLU(inplace=True)`` depends on the layer before it.

for layer in (nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Sigmoid(), nn.Tanh()):
    model = nn.Sequential(nn.Linear(3, 4), layer, nn.ReLU(inplace=True)).double()
    results = []
    for model[-1].inplace in (True, False):
        try:
            model(inputs).sum().backward()
            results.append("works")
        except RuntimeError:
            results.append("fails")
    print(f"{type(layer).__name__:11} inplace=True {results[0]}, False {results[1]}")
    kept = isinstance(layer, (nn.Sigmoid, nn.Tanh))
    assert results == ["fails" if kept else "works", "works"]
x = torch.tensor([-1.0, 2.0])
assert (nn.ReLU(inplace=True)(x) + x).tolist() == [0, 4]  # not [-1, 4]

# %%
# Sigmoid and tanh keep their results, so ``inplace=False`` is the mend. Likewise, write
# ``x = x + residual``, not ``x += residual``.
#
# The cell's last two lines raise nothing, and the sum is wrong: ReLU changes ``x``
# before ``+ x`` reads it. So begin no residual block with ``nn.ReLU(inplace=True)``.
#
# Cause: ``optimizer.step()`` between forward and backward
# --------------------------------------------------------
#
# A step writes into the weights, and a loss that was computed before may still need
# them. Here ``second`` has one loss and ``first`` another. Calling both ``backward()``
# before both ``step()`` silences the message. But then each layer follows the sum of
# the losses.

first, second = nn.Linear(4, 4), nn.Linear(4, 1)
optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (first, second)]
x = torch.randn(8, 4)


def shared(step_early):
    score = second(first(x))
    score.mean().backward(retain_graph=True)
    if step_early:
        optimizers[1].step()
    score.square().mean().backward()
    return second.weight.grad


# %%
# The mend: cut the input of ``second`` for its loss. After the step, run ``second``
# again for the loss of ``first``. This leaves gradients in ``second``, too: call
# ``optimizers[1].zero_grad()`` before its next loss.


def apart():
    hidden = first(x)
    second(hidden.detach()).mean().backward()  # new: cut
    followed = second.weight.grad.clone()
    optimizers[1].step()
    own = torch.autograd.grad(second(first(x)).square().mean(), first.weight)[0]
    second(hidden).square().mean().backward()  # new: a forward pass after the step
    torch.testing.assert_close(first.weight.grad, own)
    return followed


# %%
# The formula for the gradient of ``second`` is the mean of ``hidden``.

wanted = first(x).detach().mean(dim=0)
for name, call in {"both first": lambda: shared(False), "apart": apart}.items():
    for optimizer in optimizers:
        optimizer.zero_grad()
    gap = ((call() - wanted).norm() / wanted.norm()).item()
    print(f"{name}: relative error {gap:.4f}")
    assert gap < 1e-5 if name == "apart" else gap > 0.01
try:
    shared(step_early=True)
    raise AssertionError("nothing was raised")
except RuntimeError as error:
    print(error)

# %%
# ``AsStrided`` and ``[4, 1]`` are the weight of ``second``, of shape ``(1, 4)``,
# turned around.
#
# Two relatives: a leaf, and a row
# --------------------------------
#
# While gradients are on, a parameter cannot be written to: do it under
# :class:`torch.no_grad`. Nor can the rows that a loop or ``split`` takes from a tensor
# with a graph: change the whole tensor, or stack new rows.


def set_to_zero(weight):
    weight[0] = 0


def shift_weight(weight):
    weight += 1


def shift_rows(weight):
    for row in inputs * weight:
        row += 1


for write in (shift_weight, set_to_zero, shift_rows):
    try:
        write(weight)
    except RuntimeError as error:
        print(f"{write.__name__}: {error}")
with torch.no_grad():
    set_to_zero(weight)
assert weight[0] == 0 and weight.is_leaf

# %%
# In your project
# ---------------
#
# A common case is a loop that fills a tensor, ``states[:, t] = ...``, and reads it
# in the next round. Collect a list and stack it.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
mix = nn.Linear(3, 3).to(device)
optimizer = torch.optim.AdamW(mix.parameters(), lr=1e-3)
x = torch.randn(8, 10, 3, device=device)  # batch, time, features
states = [x[:, 0]]
for t in range(1, x.shape[1]):
    states.append(torch.tanh(mix(states[-1]) + x[:, t]))  # new: not states[:, t] = ...
loss = torch.stack(states, dim=1).square().mean()  # new
optimizer.zero_grad()
loss.backward()
optimizer.step()

# %%
# Check
# -----
#
# With the same layer, the loop that fills a tensor fails. Here, ``AsStrided`` of shape
# ``[8, 3]`` is a part of ``filled``.

filled = x.clone()
mix.zero_grad()
for t in range(1, x.shape[1]):
    filled[:, t] = torch.tanh(mix(filled[:, t - 1]) + x[:, t])
try:
    filled.square().mean().backward()
    raise AssertionError("nothing was raised")
except RuntimeError as error:
    print(error)

# %%
# Learn more
# ----------
#
# - The loop of a GAN, and retained graphs, which lead here:
#   :ref:`sphx_glr_recipes_recipes_error_backward_a_second_time.py`
# - Writes through a view: :ref:`sphx_glr_recipes_recipes_views_and_contiguity.py`
# - More of anomaly mode: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
# - API: :class:`torch.autograd.set_detect_anomaly`, :func:`torch.stack`
