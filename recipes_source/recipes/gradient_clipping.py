# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "exploding gradients", "clip_grad_norm_", "clip_grad_value_", "gradient norm",
#   "check the gradient flow", "max_norm", "vanishing gradients", "unstable training",
#   "loss spikes",
# ]
# errors = [
#   '''The total norm of order 2.0 for gradients from `parameters` is non-finite, so it
#   cannot be clipped''',
# ]
# ///
"""
Clip gradients so that one bad batch does little harm
=====================================================

Bound the norm of the gradient before each step, and log the norm it had before.

Why it matters: one batch with a wrong record can give a gradient hundreds of times the
usual size. One step along it can wreck a model for good, and the loss tells you so only
when it is too late.
"""

# %%
# Setting
# -------
#
# A small network learns a sine wave in 300 batches of 32. In a second copy of the
# targets one record is wrong: 1000 where all others lie between -1 and 1.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn

generator = torch.Generator().manual_seed(1)
inputs = 2 * torch.rand(300, 32, 1, generator=generator) - 1
targets = torch.sin(3 * inputs)
spoilt = targets.clone()
spoilt[150, 0] = 1000.0  # one record of batch 150
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
loss_fn = nn.MSELoss()
grid = torch.linspace(-1, 1, 200).unsqueeze(1)
sine = torch.sin(3 * grid)  # clean points to measure the loss on

# %%
# The call that clips belongs between ``backward()`` and ``step()``. It returns the norm
# from before the clipping.


def train(targets, max_norm):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms, losses = [], []
    for x, y in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        norms.append(norm.item())
        losses.append(loss_fn(model(grid), sine).item())
    units_on = (model[:2](grid) > 0).any(dim=0).sum().item()  # for any input at all
    return norms, losses, units_on


# %%
# One wrong record, no clipping
# -----------------------------
#
# A ``max_norm`` of infinity changes no finite gradient, and the norm is still measured.
# Half of the training is left after the bad batch, and yet the model ends no better
# than a constant. The bad step turned most ReLU units off for every input, and such a
# unit gets no gradient. The next section prints how many units are still on. The harm
# depends on the learning rate: with ``lr=0.03``, this model recovers without clipping.

free_norms, free_losses, free_units = train(spoilt, max_norm=math.inf)
usual = sorted(free_norms[:150])[75]  # the median
print(f"gradient norm: usually {usual:.2f}, in batch 150 {free_norms[150]:.0f}")
print(f"loss: before {free_losses[149]:.2f}, after {free_losses[150]:.0e}")
print(f"last loss: {free_losses[-1]:.2f}, best constant: {sine.var().item():.2f}")

# %%
# The same run, clipped
# ---------------------
#
# ``max_norm`` sits above the usual norm, so most steps stay as they are. The measure is
# a third run, without clipping and without the wrong record.

norms, losses, units = train(spoilt, max_norm=1.0)
_, clean_losses, clean_units = train(targets, max_norm=math.inf)
print(f"spoilt, unclipped: last loss {free_losses[-1]:.3f}, units on {free_units}")
print(f"spoilt, clipped:   last loss {losses[-1]:.3f}, units on {units}")
print(f"clean, unclipped:  last loss {clean_losses[-1]:.3f}, units on {clean_units}")
print(f"steps that were clipped: {sum(n > 1 for n in norms)} of {len(norms)}")
assert losses[-1] < 1.1 * clean_losses[-1] < free_losses[-1] / 10

# %%
# Log the norm of a few epochs first: it tells you where to put ``max_norm``. With SGD,
# a limit that shortens most steps slows the training down.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
pairs = [(free_norms, norms), (free_losses, losses)]
for ax, (free, clipped) in zip(axes, pairs, strict=True):
    ax.plot(free, "--", color="tab:orange", label="no clipping")
    ax.plot(clipped, "-", color="tab:blue", label="max_norm=1")
    ax.set(yscale="log", xlabel="step")
    ax.legend()
axes[0].set(title="Gradient norm before clipping", ylabel="norm (log scale)")
axes[1].set(title="Unclipped, the loss stays high", ylabel="loss (log scale)")
plt.show()

# %%
# What clipping does
# ------------------
#
# A gradient of (3, 4) has norm 5, so a limit of 1 divides it by 5 and keeps its
# direction. The norm is one number for all parameters that you pass.
# :func:`~torch.nn.utils.clip_grad_value_` limits each entry by itself, which can change
# the direction.

weight = nn.Parameter(torch.zeros(2))
for clip in (nn.utils.clip_grad_value_, nn.utils.clip_grad_norm_):
    weight.grad = torch.tensor([3.0, 4.0])
    clip([weight], 1.0)
    print(f"{clip.__name__:16} {weight.grad.numpy().round(4)}")
torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]))
pair = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
pair[0].grad, pair[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
assert nn.utils.clip_grad_norm_(pair, 1.0) == 5  # one norm for both

# %%
# When it is not so: clipping does not stop NaN
# ---------------------------------------------
#
# An infinite entry becomes NaN, and all other entries become 0. One NaN makes the norm
# NaN, which spreads to every entry. Ask for an error instead, and find the origin with
# :ref:`sphx_glr_recipes_recipes_finding_nans.py`. Leave ``error_if_nonfinite`` out with
# a float16 ``GradScaler``, which skips a step with NaN or infinity itself.

for bad in (math.inf, math.nan):
    weight.grad = torch.tensor([3.0, bad])
    nn.utils.clip_grad_norm_([weight], 1.0)
    print(f"after clipping (3, {bad}): {weight.grad.numpy()}")
assert weight.grad.isnan().all()
try:
    nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
except RuntimeError as error:
    print(error)

# %%
# In your project
# ---------------
#
# Leave ``autocast`` out if you train in float32. Log the norms. AdamW divides by the
# gradient's usual size, so one bad step does less harm than with SGD. But AdamW's
# running averages remember the bad batch for many steps. With float16 and a
# ``GradScaler``, call ``scaler.unscale_(optimizer)`` before you clip. Without this
# line, ``max_norm`` limits gradients that are still multiplied by the scale (65536 at
# first), and the steps become far too small for SGD.


def fit(model, optimizer, loader, device, max_norm=1.0):
    norms = []
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        with torch.autocast(x.device.type, torch.bfloat16):
            loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)  # new
        norms.append(norm)
        optimizer.step()
    return [norm.item() for norm in norms]  # after the loop: item() waits for the GPU


# %%
# Check
# -----
#
# From equal weights, the clipped run ends closer to the sine wave than the other.

ends = []
for max_norm in (1.0, math.inf):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    norms = fit(model, optimizer, zip(inputs, spoilt, strict=True), device, max_norm)
    ends.append(loss_fn(model(grid.to(device)), sine.to(device)).item())
    print(f"max_norm={max_norm}: batch 150 norm {norms[150]:.0f}, loss {ends[-1]:.2f}")
assert norms[150] > 100 and ends[0] < ends[1]

# %%
# Learn more
# ----------
#
# - Clip once per step: :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - A gentler start: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - API: :func:`torch.nn.utils.clip_grad_norm_`
