# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["gradient_accumulation"]
# timeout = 60
# searched_as = [
#   "differential privacy", "DP-SGD", "Opacus", "vmap", "torch.func.grad",
#   "individual gradients", "influence of examples", "gradient of each sample",
# ]
# errors = ["Expected more than 1 value per channel when training, got input size"]
# ///
"""
Compute per-sample gradients
============================

Get the gradient of every example in a batch at once, and see which ones pull hardest.

Why it matters: ``backward()`` leaves one gradient, the mean over the batch. Clipping
each example's gradient for privacy, measuring gradient noise or finding wrong labels
needs them one by one, and a loop over single examples is slow.
"""

# %%
# Three wrong labels
# ------------------
#
# Four clusters of 16 points. Examples 5, 23 and 41 get the label of the next cluster.

import os

os.environ["KINETO_LOG_LEVEL"] = "7"  # no log of the profiler's own; before torch
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.profiler import ProfilerActivity

torch.manual_seed(0)
targets = torch.arange(64) % 4
corners = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, -2.0], [-2.0, 2.0]])
inputs = corners[targets] + 0.5 * torch.randn(64, 2)
wrong = [5, 23, 41]
targets[wrong] = (targets[wrong] + 1) % 4

# %%
# A short training fits the 61 others.

model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 4))
loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(50):
    optimizer.zero_grad()
    loss_fn(model(inputs), targets).backward()
    optimizer.step()
right = model(inputs).argmax(dim=1) == targets
print(f"predicted as labelled: {right.sum()} of 64")
print(f"of the wrong labels: {right[wrong].sum()} of 3")

# %%
# One example at a time
# ---------------------
#
# A batch of one has the gradient wanted. For 64 examples, that is 64 forward and 64
# backward passes. The profiler counts the operators that they call.


def by_loop():
    rows = []
    for x, y in zip(inputs, targets, strict=True):
        loss = loss_fn(model(x.unsqueeze(0)), y.unsqueeze(0))
        grads = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)  # (64, number of parameters)


def operators(function):
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
        function()
    events = profiler.key_averages()
    return sum(event.count for event in events if event.key.startswith("aten::"))


loop = by_loop()
print("by loop:", tuple(loop.shape))

# %%
# All at once
# -----------
#
# Write the loss of *one* example as a function of the parameters, with
# :func:`torch.func.functional_call`. :func:`torch.func.grad` makes of it the function
# that returns the gradient, and :func:`torch.func.vmap` applies that to every example:
# ``in_dims`` says that the parameters are shared and the other two are split.


def loss_of_one(params, x, y):
    output = functional_call(model, params, (x.unsqueeze(0),))
    return loss_fn(output, y.unsqueeze(0))


def by_vmap():
    params = {name: p.detach() for name, p in model.named_parameters()}
    grads = vmap(grad(loss_of_one), in_dims=(None, 0, 0))(params, inputs, targets)
    return torch.cat([g.flatten(start_dim=1) for g in grads.values()], dim=1)


at_once = by_vmap()
print("by vmap:", tuple(at_once.shape))
fewer = operators(by_loop) / operators(by_vmap)
print(f"operators called by vmap: fewer than a tenth: {fewer > 10}")
assert fewer > 10

# %%
# The same gradients
# ------------------
#
# They equal those of the loop, and their mean is the gradient of the batch.

loss = loss_fn(model(inputs), targets)
batch = torch.autograd.grad(loss, list(model.parameters()))
batch = torch.cat([g.flatten() for g in batch])
for name, found, wanted in [("loop", at_once, loop), ("batch", at_once.mean(0), batch)]:
    print(f"same as the {name}: {torch.allclose(found, wanted, atol=1e-6)}")
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)

# %%
# Their norms show what the mean hides: the examples that the model does not agree with.

norms = at_once.norm(dim=1)
largest = norms.topk(3).indices.sort().values.tolist()
print(f"largest norms: examples {largest}, wrong labels: {wrong}")
assert largest == wrong
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.bar(range(64), norms.tolist(), color="tab:blue", label="right label")
heights = norms[wrong].tolist()
ax.bar(wrong, heights, color="tab:orange", hatch="//", label="wrong label")
ax.axhline(batch.norm(), color="black", linestyle="--", label="gradient of the batch")
ax.set(title="The wrong labels have the largest gradients")
ax.set(xlabel="example", ylabel="norm of the gradient")
ax.legend()
plt.show()

# %%
# Pitfall: batch normalization
# ----------------------------
#
# With statistics of the batch, an output depends on all examples, and "the gradient of
# one example" has no meaning. A batch of one has no variance either, and the layer
# refuses. Use :class:`torch.nn.GroupNorm`, which stays within an example, or call
# ``model.eval()`` if the statistics are to stay as they are. Layers with randomness,
# such as dropout, want ``vmap(..., randomness="different")``.

for norm in (nn.BatchNorm1d(32), nn.GroupNorm(4, 32), nn.BatchNorm1d(32).eval()):
    model = nn.Sequential(nn.Linear(2, 32), norm, nn.Tanh(), nn.Linear(32, 4))
    name = f"{type(norm).__name__}, {'train' if norm.training else 'eval'}"
    try:
        torch.testing.assert_close(by_loop(), by_vmap(), atol=1e-6, rtol=1e-4)
        print(f"{name}: same as the loop")
    except ValueError as error:
        print(f"{name}: {error}")

# %%
# Learn more
# ----------
#
# - Clip the mean instead: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Sums of gradients: :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - An average over steps: :ref:`sphx_glr_recipes_recipes_ema_weights.py`
