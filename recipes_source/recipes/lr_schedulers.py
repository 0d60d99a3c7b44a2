# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "learning rate schedule", "learning rate decay", "reduce the learning rate",
#   "warmup", "StepLR", "CosineAnnealingLR", "OneCycleLR", "LambdaLR",
#   "change the learning rate", "lr", "learning rate scheduler",
# ]
# errors = ["Detected call of `lr_scheduler.step()` before `optimizer.step()`"]
# ///
"""
Schedule the learning rate: warm-up and cosine
==============================================

Warm the learning rate up, let it fall along a cosine, and step the scheduler in order.

Why it matters: a rate that suits the middle of training can be too high for the first
steps, where the loss jumps. It can be too high for the last steps, where the loss keeps
bouncing. A scheduler
stepped in the wrong place follows another curve than the one you asked for.
"""

# %%
# Setting
# -------
#
# A small network learns a function of two variables from noisy samples, in 300 batches.

import math
import warnings

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.optim import lr_scheduler

steps, warmup, peak = 300, 30, 0.03
generator = torch.Generator().manual_seed(7)
inputs = 2 * torch.rand(steps, 32, 2, generator=generator) - 1
clean = torch.sin(3 * inputs[..., :1]) * inputs[..., 1:]  # (steps, 32, 1)
targets = clean + 0.1 * torch.randn(clean.shape, generator=generator)
loss_fn = nn.MSELoss()
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"

# %%
# ``scheduler.step()`` sets the rate of the *next* step, so it follows
# ``optimizer.step()``. The loss is noted without the noise, for every eighth batch.


def train(make_scheduler, lr=peak):
    torch.manual_seed(0)
    hidden = [nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    model = nn.Sequential(*hidden, nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler, lrs, losses = make_scheduler(optimizer), [], []
    for x, y in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            losses.append(loss_fn(model(inputs[::8]), clean[::8]).item())
    return lrs, losses


# %%
# One rate for everything
# -----------------------
#
# :class:`~torch.optim.lr_scheduler.ConstantLR` with a factor of 1 changes nothing. The
# first steps make the model worse than one that always answers 0.

runs = {"constant": train(lambda o: lr_scheduler.ConstantLR(o, factor=1.0))}
worst, guess = max(runs["constant"][1]), clean.square().mean().item()
print(f"worst loss: {worst:.2f}, loss of always answering 0: {guess:.2f}")
assert worst > guess

# %%
# Two schedulers in a row
# -----------------------
#
# :class:`~torch.optim.lr_scheduler.SequentialLR` changes from the warm-up to the cosine
# at the milestone. ``total_iters`` and ``T_max`` count calls of ``scheduler.step()``,
# here one per batch; the cosine gets those that the warm-up leaves. At this high peak,
# a cosine alone mends the end of training. The warm-up mends its beginning as well.


def warmup_cosine(optimizer):
    up = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
    down = lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - warmup)
    return lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[warmup])


runs["cosine"] = train(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=steps))
runs["warm-up, cosine"] = train(warmup_cosine)
late = {name: sum(losses[-50:]) / 50 for name, (_, losses) in runs.items()}
for name, (_, losses) in runs.items():
    print(f"{name:15} worst {max(losses):.2f}, mean of the last 50 {late[name]:.4f}")
assert max(runs["warm-up, cosine"][1]) < worst / 2
assert late["warm-up, cosine"] < late["constant"] / 2

# %%
# Is it the curve that you asked for? Compare with the closed form, then look at it.

expected = [peak * (0.01 + 0.99 * t / warmup) for t in range(warmup)]
angles = [math.pi * t / (steps - warmup) for t in range(steps - warmup)]
expected += [peak * (1 + math.cos(angle)) / 2 for angle in angles]
lrs = runs["warm-up, cosine"][0]
torch.testing.assert_close(torch.tensor(lrs), torch.tensor(expected))

# %%
# The first steps and the last: the run with both has no jump at the start, and ends far
# below the constant rate. The cosine alone ends about as low here, but twice
# as high with seeds 2 and 3.

fig, axes = plt.subplots(1, 3, figsize=(8, 3.2), layout="constrained")
first, last = range(60), range(steps - 60, steps)
for ax, i, shown in zip(axes, [0, 1, 1], [range(steps), first, last], strict=True):
    styles = {"constant": "C1--", "cosine": "k:", "warm-up, cosine": "C0-"}
    for name, style in styles.items():
        values = runs[name][i][shown.start : shown.stop]
        ax.plot(shown, values, style, label=name)
    ax.set(xlabel="step", ylabel=["learning rate", "loss"][i])
axes[0].set(title="Learning rate", ylim=(0, 0.045))
axes[1].set_title("First steps: no jump")
axes[2].set(title="Last steps: lower", ylim=(0, None))
axes[0].legend(fontsize="small")
plt.show()

# %%
# When it is not so: the wrong order
# ----------------------------------
#
# With the scheduler first, the whole curve moves by one step: the first rate is never
# used and the last step gets a rate of 0. PyTorch warns once, and the training goes on.
# If this warning comes although your order is right, a float16 ``GradScaler`` has
# skipped the first step. Call ``scheduler.step()`` only if ``scaler.update()`` did not
# lower the scale.

optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=peak)
scheduler, wrong = warmup_cosine(optimizer), []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(steps):
        scheduler.step()  # too early
        wrong.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
print(f"{len(caught)} warning: {caught[0].message}")
print(f"first rate: {lrs[0]:.5f} right, {wrong[0]:.5f} wrong order")
print(f"last rate:  {lrs[-1]:.1e} right, {wrong[-1]:.1e} wrong order")
assert wrong[:-1] == lrs[1:]

# %%
# When it is not so: the peak is not too high
# -------------------------------------------
#
# With a tenth of the peak there is little to mend. The cosine's rate is lower on
# average, so 300 steps of cosine learn less than 300 steps at the full rate.

means = {}
for name, shape in [
    ("constant", lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=steps)),
]:
    means[name] = sum(train(shape, lr=peak / 10)[1][-50:]) / 50
    print(f"{name:8} mean of the last 50 {means[name]:.4f}")
assert means["constant"] < means["cosine"]

# %%
# In your project
# ---------------
#
# Count calls of ``optimizer.step()``, not epochs. If you accumulate gradients, the
# calls are fewer than the batches. Divide ``total`` by the batches that one step takes,
# and call ``scheduler.step()`` only where ``optimizer.step()`` is called. The warm-up
# takes 5 percent of the steps here.

model, epochs = nn.Linear(2, 1).to(device), 3
total = epochs * len(inputs)  # steps; with a DataLoader: epochs * len(loader)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
up = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=total // 20)
down = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - up.total_iters)
scheduler = lr_scheduler.SequentialLR(optimizer, [up, down], [up.total_iters])
for _epoch in range(epochs):
    for x, y in zip(inputs, targets, strict=True):
        loss_fn(model(x.to(device)), y.to(device)).backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()  # the new line: once after each optimizer.step()

# %%
# Check
# -----
#
# After the last batch, the learning rate has fallen to zero. The optimizer holds it. So
# a checkpoint needs the states of the scheduler *and* the optimizer. Make the scheduler
# before you load the optimizer's state: a new scheduler overwrites the rate. The
# scheduler's state also holds ``T_max`` and the milestones. If you resume with another
# ``total``, the loaded numbers replace yours, without a message.

checkpoint = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
assert abs(scheduler.get_last_lr()[0]) < 1e-9
resumed = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = warmup_cosine(resumed)
scheduler.load_state_dict(checkpoint["scheduler"])
loaded = scheduler.state_dict()["_schedulers"][1]["T_max"]
assert loaded == down.T_max != steps - warmup  # not what warmup_cosine asked for
print(f"with the scheduler's state:      rate {resumed.param_groups[0]['lr']:.1e}")
resumed.load_state_dict(checkpoint["optimizer"])
print(f"with the optimizer's state, too: rate {resumed.param_groups[0]['lr']:.1e}")
assert abs(resumed.param_groups[0]["lr"]) < 1e-9

# %%
# Do not train longer than ``total``: the cosine climbs again, and nothing warns you.

for _ in range(len(inputs)):  # one more epoch
    resumed.step()
    scheduler.step()
print(f"one epoch after the end: rate {resumed.param_groups[0]['lr']:.1e}")
assert resumed.param_groups[0]["lr"] > 1e-4

# %%
# Learn more
# ----------
#
# - Lower the rate when the loss stops falling:
#   :ref:`sphx_glr_recipes_recipes_plateau_and_manual_learning_rate.py`
# - Large gradients: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Keep the curves: :ref:`sphx_glr_recipes_recipes_tensorboard_with_pytorch.py`
# - Resume: :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
