# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Losses"]
# after = ["broadcasting_pitfalls"]
# timeout = 60
# searched_as = [
#   "define a loss", "loss by hand", "quantile regression", "pinball loss",
#   "asymmetric loss", "combine two losses", "weighted sum of losses", "reduction",
#   "multi-task loss", "loss not differentiable", "missing targets",
# ]
# ///
"""
Write a custom loss function
============================

Write a loss that is a mean, has a gradient and rejects wrong shapes, and prove it.

Why it matters: a loss is a few lines of code, and a wrong one returns a number, too.
Training then stands still, or it improves something else.
"""

# %%
# What you count is not yet a loss
# --------------------------------
#
# A shop promises delivery times, here always 2.5 days. A day late is nine times as bad
# as a day early. Why not train on the share of late parcels?

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
distances = torch.rand(2000, 1)
times = 1 + 3 * distances[:, 0] + 0.5 * torch.randn(2000)
promised = torch.full((2000,), 2.5, requires_grad=True)
try:
    (times > promised).float().mean().backward()
    connected = True
except RuntimeError as error:
    print(error)
    connected = False
assert not connected

# %%
# A comparison has no gradient. Nor has a number that went through ``argmax``,
# ``item()``, ``detach()`` or NumPy. Take a number that grows with the mistake.
#
# The idea: check, compute, average
# ---------------------------------
#
# Check the shapes, compute a loss for each sample, return the mean. Here a late day
# costs 0.9, and an early one 0.1.


def late_loss(outputs, targets, late=0.9):
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs {[*outputs.shape]}, targets {[*targets.shape]}")
    days = targets - outputs  # above zero: late
    return torch.maximum(late * days, (late - 1) * days).mean()


# %%
# Proof: the value
# ----------------
#
# Count in plain Python, one sample after another. Where late and early cost the same,
# the loss must be half of PyTorch's mean absolute error.

pairs = zip(promised.tolist(), times.tolist(), strict=True)
costs = [0.9 * (t - p) if t > p else 0.1 * (p - t) for p, t in pairs]
loss, counted = late_loss(promised, times), sum(costs) / len(costs)
print(f"loss {loss.item():.2f}, counted {counted:.2f}")
assert abs(loss.item() - counted) < 1e-4
equal = late_loss(promised, times, late=0.5)
torch.testing.assert_close(equal, F.l1_loss(promised, times) / 2)

# %%
# Proof: the gradient
# -------------------
#
# :func:`torch.autograd.gradcheck` moves each output a little and compares. It wants
# float64, and outputs away from a kink: here, unequal to their targets. It also finds a
# mistake that raises nothing: in ``half``, one of two losses is cut off.


def both(outputs, targets):
    return late_loss(outputs, targets) + 0.1 * F.mse_loss(outputs, targets)


def half(outputs, targets):
    return late_loss(outputs, targets) + 0.1 * F.mse_loss(outputs.detach(), targets)


few = promised[:5].detach().double().requires_grad_(), times[:5].double()
for loss_fn in (late_loss, both, half):
    right = torch.autograd.gradcheck(loss_fn, few, raise_exception=False)
    print(f"{loss_fn.__name__:9} gradient right: {right}")
    assert right == (loss_fn is not half)

# %%
# Proof: a mean over samples
# --------------------------
#
# The losses of equal parts have the loss of the whole as their mean. So a mean does not
# grow with the batch. A sum does: SGD then needs a smaller learning rate.

parts = zip(promised.split(500), times.split(500), strict=True)
losses = torch.stack([late_loss(*part) for part in parts])
print(f"mean of four parts {losses.mean().item():.2f}, whole {loss.item():.2f}")
torch.testing.assert_close(losses.mean(), loss)

# %%
# Shapes that fit by accident
# ---------------------------
#
# A layer with one output returns the shape ``(n, 1)``. If ``late_loss`` did not check
# the shapes, it would compare each output with all targets, and raise nothing.

column = promised[:4].unsqueeze(1)
print("difference:", tuple((times[:4] - column).shape))
try:
    accepted = late_loss(column, times[:4])
except ValueError as error:
    print(error)
    accepted = None
assert accepted is None and (times[:4] - column).shape == (4, 4)

# %%
# When it is not so: samples without a target
# -------------------------------------------
#
# A parcel that is still on its way has no time, and one ``nan`` makes the mean ``nan``.
# Multiplied by a mask, it stays ``nan``. Choose the samples before the loss. Batches
# then hold unequal numbers of targets: the mean of their losses is not the loss of the
# whole. A batch without any target has no mean: skip it. With DDP, a process that skips
# ``backward`` blocks the others. There, take ``0 * outputs.sum()`` as the loss of this
# batch.

waiting = times.clone()
waiting[::2] = torch.nan
known = ~waiting.isnan()
masked = ((waiting - promised).abs() * known).mean()
chosen = late_loss(promised[known], waiting[known])
print(f"masked {masked.item():.2f}, chosen {chosen.item():.2f}")
assert masked.isnan() and late_loss(promised[:0], times[:0]).isnan()
torch.testing.assert_close(chosen, late_loss(promised[1::2], times[1::2]))

# %%
# In your project
# ---------------
#
# A loss without parameters can stay a function. If your loss learns parameters, make it
# a module: move it to the device, give its parameters to the optimizer, and save its
# ``state_dict``. Autocast computes ``F.l1_loss`` in float32, but not each line that you
# write: call ``outputs.float()`` first.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
loader = DataLoader(TensorDataset(distances, times), batch_size=50, shuffle=True)
model = nn.Linear(1, 1).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for _ in range(20):  # epochs
    for x, y in loader:
        outputs = model(x.to(device)).squeeze(-1)  # as the targets
        loss = late_loss(outputs, y.to(device))  # new
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %%
# Check
# -----
#
# At the optimum of this loss, about one parcel of ten is late: 0.1 of 0.1 + 0.9. These
# errors are symmetric, so the line of least squares lets half of the parcels be late.

outputs = model(distances.to(device)).squeeze(-1).cpu()
design = torch.cat([distances, torch.ones(2000, 1)], dim=1)
line = (design @ torch.linalg.lstsq(design, times.unsqueeze(1)).solution).squeeze(-1)
shares = [(times > promise).float().mean().item() for promise in (line, outputs)]
print(f"share of late parcels: least squares {shares[0]:.1f}, own loss {shares[1]:.1f}")
assert abs(shares[0] - 0.5) < 0.05 and abs(shares[1] - 0.1) < 0.03

# %%
# With outputs and targets in bfloat16, autocast treats the two losses differently:

halves = outputs.bfloat16(), times.bfloat16()
with torch.autocast("cpu", dtype=torch.bfloat16):
    types = [loss_fn(*halves).dtype for loss_fn in (F.l1_loss, late_loss)]
print("l1_loss:", types[0], "- late_loss:", types[1])
assert types == [torch.float32, torch.bfloat16]

# %%
# Learn more
# ----------
#
# - More on shapes: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - More that cuts a gradient: :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`
# - A backward, too: :ref:`sphx_glr_recipes_recipes_custom_autograd_function.py`
