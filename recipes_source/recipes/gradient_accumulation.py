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

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(64, 16, dtype=torch.float64)
targets = torch.randint(4, (64,))
model = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 4)).double()
loss_fn = nn.CrossEntropyLoss()  # the mean over the batch

# %%
# What you save
# -------------
#
# The forward pass keeps tensors for the backward pass, and they grow with the batch.
# :class:`torch.autograd.graph.saved_tensors_hooks` calls ``note``, below, with each one
# as it is kept. The weights are left out of the count: they exist anyway.


def saved_bytes(size):
    saved = {}

    def note(tensor):
        saved[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss_fn(model(inputs[:size]), targets[:size])
    weights = {p.data_ptr() for p in model.parameters()}
    return sum(n for pointer, n in saved.items() if pointer not in weights)


memory = [saved_bytes(64) / 1024, saved_bytes(16) / 1024]
print(f"kept for backward: {memory[0]:.0f} KiB for 64, {memory[1]:.0f} KiB for 16")

# %%
# The naive sum
# -------------
#
# Four pieces of 16, one ``backward()`` each. Each loss is a *mean* over its piece, and
# four means add up to four times the mean of the whole batch: a relative error of 3.


def gradient(model, sizes, weight):
    model.zero_grad()
    for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True):
        (weight(len(y)) * loss_fn(model(x), y)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def error(model, sizes, weight):
    whole = gradient(model, [64], lambda n: 1)
    return ((gradient(model, sizes, weight) - whole).norm() / whole.norm()).item()


errors = {"4 equal, weight 1": error(model, [16] * 4, lambda n: 1)}
print(f"relative error of the gradient: {errors['4 equal, weight 1']:.6f}")

# %%
# Weigh each piece by its share
# -----------------------------
#
# The mean of the whole is the sum of the means, each times its share of the examples.
# For four equal pieces the share is 1/4. For unequal ones, 1 over their number is off.
# No weight repairs batch normalization: it uses the statistics of the piece it sees.

wide, relu, last = nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 4)
norm_model = nn.Sequential(wide, nn.BatchNorm1d(256), relu, last).double()
errors["4 equal, weight 1/4"] = error(model, [16] * 4, lambda n: 1 / 4)
errors["30+30+4, weight 1/3"] = error(model, [30, 30, 4], lambda n: 1 / 3)
errors["30+30+4, weight n/64"] = error(model, [30, 30, 4], lambda n: n / 64)
errors["BatchNorm, 4 equal, 1/4"] = error(norm_model, [16] * 4, lambda n: 1 / 4)
for name, value in errors.items():
    print(f"{name:23} {value:.6f}")
assert max(errors["4 equal, weight 1/4"], errors["30+30+4, weight n/64"]) < 1e-12

# %%
# The two right weights leave rounding error only. The hatched bars are mistakes.

fig, axes = plt.subplots(
    1, 2, figsize=(8, 3.5), layout="constrained", width_ratios=[1, 3]
)
colors = ["tab:blue" if value < 1e-12 else "tab:orange" for value in errors.values()]
hatches = ["" if value < 1e-12 else "//" for value in errors.values()]
axes[0].bar(["64", "16"], memory, color="tab:gray")
axes[0].set(title="Pieces keep less", xlabel="examples")
axes[0].set(ylabel="kept for backward (KiB)")
axes[1].barh(list(errors), errors.values(), color=colors, hatch=hatches)
axes[1].set(xscale="log", xlim=(1e-17, 20), ylim=(4.6, -0.6))
axes[1].set(xlabel="relative error of the gradient", ylabel="pieces and weight")
axes[1].set(title="Only two weightings are exact")
plt.show()

# %%
# Pitfall: the last window
# ------------------------
#
# Eight pieces, a step after every third: the last two are left in ``.grad``, and with
# the weight 1/3 where 1/2 was due. Give the pieces of the last window the weight 1/2,
# and step once more after the loop.

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
optimizer.zero_grad()
for count, (x, y) in enumerate(zip(inputs.split(8), targets.split(8), strict=True), 1):
    (loss_fn(model(x), y) / 3).backward()
    if count % 3 == 0:
        optimizer.step()
        optimizer.zero_grad()
left = model[0].weight.grad
due = torch.autograd.grad(loss_fn(model(inputs[48:]), targets[48:]), model[0].weight)[0]
print(f"left in .grad: {(left.norm() / due.norm()).item():.4f} of the gradient due")
torch.testing.assert_close(left * 3 / 2, due)

# %%
# Learn more
# ----------
#
# - Why gradients add up: :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - Batch statistics: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
