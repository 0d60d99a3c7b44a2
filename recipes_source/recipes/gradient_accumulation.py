# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "larger effective batch size", "batch does not fit", "CUDA out of memory",
#   "accumulate steps", "micro-batches", "virtual batch", "small GPU",
# ]
# ///
"""
Train with a large batch by accumulating gradients
==================================================

Get the gradient of a large batch from small pieces, and check that it is the same.

Why it matters: a batch that does not fit in memory can be fed in pieces, because
``backward()`` adds to ``.grad``. Sum the pieces without the right weights and you train
with another gradient than you think, without an error.
"""

# %%
# Setting
# -------
#
# A batch of 64 and a small classifier, in float64 to tell mistakes from rounding.
# ``padded`` is for later: about half of its targets are -100, which marks padding in
# language models. The loss leaves these targets out.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(64, 16, dtype=torch.float64)
targets = torch.randint(4, (64,))
padded = targets.where(torch.rand(64) > torch.linspace(0, 1, 64), -100)
model = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 4)).double()
loss_fn = nn.CrossEntropyLoss()  # the mean over the targets that are not -100

# %%
# What you save
# -------------
#
# The forward pass keeps tensors for the backward pass, and they grow with the batch.
# :class:`torch.autograd.graph.saved_tensors_hooks` calls ``note``, below, with each
# tensor that is kept. The weights are left out of the count: smaller pieces do not
# reduce the memory for weights, gradients and the optimizer's state.


def saved_kib(size):
    saved = {weight.data_ptr(): 0 for weight in model.parameters()}

    def note(tensor):
        saved.setdefault(tensor.data_ptr(), tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss_fn(model(inputs[:size]), targets[:size])
    return sum(saved.values()) / 1024


memory = [saved_kib(64), saved_kib(16)]
print(f"kept for backward: {memory[0]:.0f} KiB for 64, {memory[1]:.0f} KiB for 16")
assert abs(memory[0] / memory[1] - 4) < 0.1

# %%
# The naive sum
# -------------
#
# Four pieces of 16, one ``backward()`` each. Each loss is a *mean* over its piece, and
# four means add up to four times the mean of the whole batch: a relative error of 3.


def gradient(model, targets, sizes, weight):
    model.zero_grad()
    for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True):
        (weight(y) * loss_fn(model(x), y)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def error(sizes, weight, targets=targets, model=model):
    whole = gradient(model, targets, [64], lambda y: 1)
    pieces = gradient(model, targets, sizes, weight)
    return ((pieces - whole).norm() / whole.norm()).item()


errors = {"16 x 4, weight 1": error([16] * 4, lambda y: 1)}
print(f"relative error of the gradient: {errors['16 x 4, weight 1']:.6f}")
assert abs(errors["16 x 4, weight 1"] - 3) < 1e-9

# %%
# Weigh each piece by its share
# -----------------------------
#
# The mean of the whole is the sum of the means, each times its share of what the mean
# counts. For four pieces of equal size that is 1/4. For pieces of 30, 30 and 4 it is
# not 1/3, but the number of examples over 64. With padding, the mean counts the targets
# that are not padding, so the share is a share of *those*.

errors["16 x 4, weight 1/4"] = error([16] * 4, lambda y: 1 / 4)
errors["30+30+4, weight 1/3"] = error([30, 30, 4], lambda y: 1 / 3)
errors["30+30+4, weight n/64"] = error([30, 30, 4], lambda y: len(y) / 64)
errors["padding, weight 1/4"] = error([16] * 4, lambda y: 1 / 4, padded)


def share(y):
    return (y != -100).sum() / (padded != -100).sum()


errors["padding, share of targets"] = error([16] * 4, share, padded)
for name, value in errors.items():
    print(f"{name:25} {value:.6f}")

# %%
# The three right weights leave rounding error only.

right = {name for name in errors if name.endswith(("1/4", "n/64", "targets"))}
right -= {"padding, weight 1/4"}
assert max(errors[name] for name in right) < 1e-6
assert min(errors[name] for name in errors.keys() - right) > 0.05
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
axes[0].bar(["64", "16"], memory, color="tab:gray")
axes[0].set(title="Pieces keep less", xlabel="examples")
axes[0].set(ylabel="kept for backward (KiB)")
for name, value in errors.items():
    axes[1].plot(value, name, "C0o" if name in right else "C1X", ms=9)
axes[1].set(xscale="log", xlim=(1e-17, 30), xlabel="relative error of the gradient")
axes[1].set(title="Only right shares are exact", ylabel="weight of a piece")
axes[1].invert_yaxis()
axes[1].grid(axis="y", linestyle=":")
plt.show()

# %%
# Pitfall: the last window
# ------------------------
#
# Eight pieces, a step after every third. No step follows the last two pieces: their
# gradient is left in ``.grad``. In the next epoch, this gradient joins the first
# window, or ``zero_grad()`` deletes it. Its weight is wrong as well: 1/3 instead of
# 1/2.

naive = copy.deepcopy(model)
optimizer = torch.optim.SGD(naive.parameters(), lr=0.1)
naive.zero_grad()
pieces = zip(inputs.split(8), targets.split(8), strict=True)
for count, (x, y) in enumerate(pieces, 1):
    (loss_fn(naive(x), y) / 3).backward()
    if count % 3 == 0:
        optimizer.step()
        optimizer.zero_grad()
left = naive[0].weight.grad
loss = loss_fn(naive(inputs[48:]), targets[48:])
due = torch.autograd.grad(loss, naive[0].weight)[0]
print(f"left in .grad: {(left.norm() / due.norm()).item():.4f} of the gradient due")
torch.testing.assert_close(left * 3 / 2, due)

# %%
# When it is not so
# -----------------
#
# No weight repairs batch normalization in training: it uses the statistics of each
# piece. The same holds for a contrastive loss, which compares the samples of a batch.
# Dropout draws a new mask for each piece, which does no harm: a whole batch has a new
# mask for each sample, too.

wide, last = nn.Linear(16, 256), nn.Linear(256, 4)
norm_model = nn.Sequential(wide, nn.BatchNorm1d(256), nn.ReLU(), last).double()
norm_error = error([16] * 4, lambda y: 1 / 4, model=norm_model)
print(f"with BatchNorm1d: relative error {norm_error:.2f}")
assert norm_error > 0.05

# %%
# In your project
# ---------------
#
# One loop serves unequal pieces, padding and the last window: let the loss *sum*,
# count what it sums, and divide the gradient once, before the step. With another
# ``ignore_index``, write it in place of -100. With class weights, add up the weights of
# the targets instead of counting.
#
# A scheduler steps where the optimizer does, once in a window. Keep the weights in
# float32, with or without bfloat16 autocast: bfloat16 weights round the sum at each
# piece. With float16, the scaled gradient of a sum can overflow. ``len(loader)`` needs
# a data set with a length. With DDP, divide by the average of ``counted`` over all
# processes. If each process divides by its own ``counted``, the copies of the model
# drift apart.


def train(model, optimizer, loader, device, every=3):
    loss_fn, counted = nn.CrossEntropyLoss(reduction="sum"), 0  # new: not the mean
    optimizer.zero_grad()
    for i, (x, y) in enumerate(loader, 1):
        loss_fn(model(x.to(device)), y.to(device)).backward()
        counted += (y != -100).sum().item()
        if i % every == 0 or i == len(loader):  # new: the last window
            for gradient in [p.grad for p in model.parameters() if p.grad is not None]:
                gradient /= max(counted, 1)  # new; clip after this loop
            optimizer.step()
            optimizer.zero_grad()
            counted = 0


# %%
# Check these lines
# -----------------
#
# Train on eight pieces in windows of three: 24, 24 and 16 targets, half of them are
# padding. Three steps with these windows as whole batches must give the same weights.

device = torch.device("cpu")  # for float64, which not every device has
small, large = copy.deepcopy(model), copy.deepcopy(model)
loss_fn(small(inputs), targets).backward()  # leaves a gradient, which must not count
optimizer = torch.optim.AdamW(small.parameters(), lr=0.01)
train(small, optimizer, [*zip(inputs.split(8), padded.split(8), strict=True)], device)
optimizer = torch.optim.AdamW(large.parameters(), lr=0.01)
for x, y in zip(inputs.split(24), padded.split(24), strict=True):
    optimizer.zero_grad()
    loss_fn(large(x), y).backward()
    optimizer.step()
far = (small[0].weight - large[0].weight).abs().max().item()
print(f"weights differ by up to {far:.6f}")
torch.testing.assert_close(small.state_dict(), large.state_dict(), rtol=0, atol=1e-7)

# %%
# A frozen layer has no gradient, and a window can be all padding. Neither stops the
# loop or spoils a weight.

small[0].requires_grad_(False)
start = copy.deepcopy(small.state_dict())
optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
train(small, optimizer, [(inputs, torch.full((64,), -100))], device)  # all padding
torch.testing.assert_close(small.state_dict(), start, rtol=0, atol=0)
train(small, optimizer, [(inputs, padded)], device)
trained = small.state_dict()
changed = [name for name in start if not torch.equal(trained[name], start[name])]
print("trained:", *changed)
assert changed == ["2.weight", "2.bias"]

# %%
# Learn more
# ----------
#
# - Why gradients add up: :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - Batch statistics: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - Several processes, and ``no_sync()`` to average once in a window:
#   :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - A second ``backward()`` that fails:
#   :ref:`sphx_glr_recipes_recipes_error_backward_a_second_time.py`
