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
# errors = [
#   '''the function provided attempted to call in-place operation (aten::add_.Tensor)
#   that would mutate a captured Tensor''',
#   "vmap: called random operation while in randomness error mode",
# ]
# ///
"""
Compute per-sample gradients
============================

Get the gradient of every example in a batch at once, and see which ones pull hardest.

Why it matters: ``backward()`` of a mean loss leaves one gradient, the mean over the
batch. Clipping each example's gradient for privacy, measuring gradient noise or finding
wrong labels needs the gradients one by one. A loop over single examples is slow.
"""

# %%
# Three wrong labels
# ------------------
#
# Four clusters of 16 points. Examples 5, 23 and 41 get the label of the next cluster.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

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
for _step in range(50):
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
# A batch of one gives the gradient of one example. For 64 examples, that is 64 forward
# and 64 backward passes. ``Count`` counts the operators that they call.


def by_loop():
    rows = []
    for x, y in zip(inputs, targets, strict=True):
        loss = loss_fn(model(x.unsqueeze(0)), y.unsqueeze(0))
        grads = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)  # (64, number of parameters)


class Count(TorchDispatchMode):
    calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        return func(*args, **(kwargs or {}))


with Count() as loop_count:
    loop = by_loop()
print("by loop:", tuple(loop.shape), f"{loop_count.calls} operators")

# %%
# All at once
# -----------
#
# Write the loss of *one* example as a function of the parameters, with
# :func:`torch.func.functional_call`. :func:`torch.func.grad` turns this function into
# one that returns its gradient. :func:`torch.func.vmap` applies the gradient function
# to every example: ``in_dims`` says that the parameters are shared, and that inputs and
# targets are split.


def loss_of_one(params, x, y):
    output = functional_call(model, params, (x.unsqueeze(0),))
    return loss_fn(output, y.unsqueeze(0))


def by_vmap(**options):
    params = {name: p.detach() for name, p in model.named_parameters()}
    of_each = vmap(grad(loss_of_one), in_dims=(None, 0, 0), **options)
    grads = of_each(params, inputs, targets)
    return torch.cat([g.flatten(start_dim=1) for g in grads.values()], dim=1)


with Count() as count:
    at_once = by_vmap()
print("by vmap:", tuple(at_once.shape), f"{count.calls} operators")
assert count.calls < loop_count.calls / 10

# %%
# The same gradients
# ------------------
#
# The gradients by ``vmap`` equal the gradients by the loop. As this loss is a plain
# mean over examples, their mean is the gradient of the batch.

loss = loss_fn(model(inputs), targets)
batch = torch.autograd.grad(loss, list(model.parameters()))
batch = torch.cat([g.flatten() for g in batch])
for name, found, wanted in [("loop", at_once, loop), ("batch", at_once.mean(0), batch)]:
    gap = (found - wanted).abs().max().item()
    print(f"largest difference from the {name}: {gap:.5f}")
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)

# %%
# Their norms show what the mean hides: the examples that the model does not agree with.
# Look early: a model that has learned wrong labels by heart gives them small gradients.

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
# When it is not so: a weighted mean
# ----------------------------------
#
# With class weights or ``ignore_index``, the loss divides by the sum of the weights, or
# by the number of targets that count. Then the mean over all examples is not the
# gradient of the batch. Here one class is ignored, and the mean is too small. Use
# ``reduction="sum"`` in ``loss_of_one``, and divide by this sum or number yourself.
# With the default, ``reduction="mean"``, the loss of an example is divided by its own
# weight: class weights have no effect, and no error says so.

loss_fn = nn.CrossEntropyLoss(ignore_index=3)
ignored = targets == loss_fn.ignore_index
loss = loss_fn(model(inputs), targets)
batch = torch.cat([g.flatten() for g in torch.autograd.grad(loss, model.parameters())])
loss_fn = nn.CrossEntropyLoss(ignore_index=3, reduction="sum")  # 0 for an ignored one
mean = by_vmap().mean(dim=0)
print(f"mean over examples / gradient of the batch: {mean.norm() / batch.norm():.2f}")
print(f"targets that count: {(~ignored).sum()} of 64")
share = (~ignored).float().mean()
torch.testing.assert_close(mean, batch * share, atol=1e-6, rtol=1e-4)
loss_fn = nn.CrossEntropyLoss()

# %%
# When it is not so: batch normalization and dropout
# --------------------------------------------------
#
# With statistics of the batch, an output depends on all examples, and "the gradient of
# one example" has no meaning. ``grad`` refuses a layer that writes running statistics.
# With ``track_running_stats=False``, ``BatchNorm2d`` raises no error, but normalizes
# each image alone. Use :class:`torch.nn.GroupNorm`, which stays within an example, or
# call ``model.eval()`` if the statistics are to stay as they are.

fitted, refused = model, []
norms = nn.BatchNorm1d(32), nn.GroupNorm(4, 32), nn.BatchNorm1d(32).eval()
for layer in (*norms, nn.Dropout(0.1)):
    model = nn.Sequential(nn.Linear(2, 32), layer, nn.Tanh(), nn.Linear(32, 4))
    name = f"{type(layer).__name__}, {'train' if layer.training else 'eval'}"
    try:
        torch.testing.assert_close(by_vmap(), by_loop(), atol=1e-6, rtol=1e-4)
        print(f"{name}: same as the loop")
    except RuntimeError as error:
        refused.append(name)
        print(f"{name}: {error}")
assert refused == ["BatchNorm1d, train", "Dropout, train"]

# %%
# With ``randomness="different"``, every example gets another dropout mask:

print("Dropout:", tuple(by_vmap(randomness="different").shape))
model = fitted

# %%
# In your project
# ---------------
#
# Here the gradient of each example is clipped before the mean is taken. Copy
# ``loss_of_one`` from above: it uses your ``model`` and ``loss_fn``.
#
# - All gradients at once are one set of gradients for each example: with 2 million
#   parameters in float32 and a batch of 64, 512 MB. ``chunk_size`` bounds the memory of
#   the computation, not of the result.
# - Clipping alone gives no privacy: privacy also needs noise, added to the mean.
# - DDP averages in ``backward()`` only. With several processes, average each ``p.grad``
#   yourself.
# - For mixed precision, call ``of_each`` under ``torch.autocast`` with bfloat16. In
#   float16, you would have to scale each loss, and undo this before you clip.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
live = {name: p for name, p in model.to(device).named_parameters() if p.requires_grad}
params = {name: p.detach() for name, p in live.items()}
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
of_each = vmap(grad(loss_of_one), (None, 0, 0), chunk_size=16, randomness="different")
for x, y in DataLoader(TensorDataset(inputs, targets), batch_size=64, shuffle=True):
    grads = of_each(params, x.to(device), y.to(device))  # new: instead of backward()
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in grads.values()]).norm(dim=0)
    scale = (1.0 / norms).clamp(max=1.0)  # no example pulls harder than 1
    for name, p in live.items():
        p.grad = torch.einsum("n,n...->...", scale, grads[name]) / len(scale)
    optimizer.step()  # also changes params, which share the memory

# %%
# Check
# -----
#
# The gradients of the first ``vmap``, clipped one by one, have the same mean.

clipped = at_once * (1 / at_once.norm(dim=1, keepdim=True)).clamp(max=1)
found = torch.cat([p.grad.flatten() for p in model.parameters()]).cpu()
torch.testing.assert_close(found, clipped.mean(dim=0), atol=1e-5, rtol=1e-4)
print(f"examples clipped: {(norms > 1).sum()} of {len(norms)}")
for name, p in model.named_parameters():
    assert torch.equal(params[name], p), "the next batch would use old parameters"

# %%
# Learn more
# ----------
#
# - Clip the mean instead: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Weighted means, padding: :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - An average over steps: :ref:`sphx_glr_recipes_recipes_ema_weights.py`
# - The letters of ``einsum``: :ref:`sphx_glr_recipes_recipes_einsum.py`
