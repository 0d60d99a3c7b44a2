# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Errors"]
# after = ["train_and_eval_modes"]
# timeout = 60
# searched_as = [
#   "batch norm error", "BatchNorm1d batch size 1", "batch size of 1",
#   "incomplete last batch", "error at the end of an epoch", "DeepLabV3 batch size 1",
#   "LayerNorm instead of BatchNorm", "batch normalization with small batches",
# ]
# errors = [
#   "Expected more than 1 value per channel when training, got input size",
#   "Expected more than 1 spatial element when training, got input size",
# ]
# ///
"""
Expected more than 1 value per channel: batches of one
======================================================

Keep a last batch of one sample from stopping a training.

Batch normalization compares the values of a channel. After a linear layer, a batch of
one sample has one value per channel, and nothing to compare it with. So the training
stops in the last batch of its first epoch, if the number of samples divided by the
batch size leaves a remainder of 1.

In training, drop this batch: ``DataLoader(..., drop_last=True)``. If the error comes
when you use the model, call ``model.eval()`` first.
"""

# %%
# See the problem
# ---------------
#
# There are 33 samples. In batches of 32, the second batch has one.

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
dataset = TensorDataset(torch.randn(33, 5), torch.randn(33, 1))


def build(norm):
    return nn.Sequential(nn.Linear(5, 16), norm, nn.ReLU(), nn.Linear(16, 1))


def message(call):
    try:
        call()
    except ValueError as error:
        print(error)
        return str(error)


# %%


def epoch(model, loader):
    for number, (x, _) in enumerate(loader):
        print(f"batch {number}: {len(x)} samples")
        model(x)


model = build(nn.BatchNorm1d(16))
assert "[1, 16]" in message(lambda: epoch(model, DataLoader(dataset, batch_size=32)))

# %%
# Read the message
# ----------------
#
# The size is the input of the normalization: 1 sample, 16 channels. The other numbers,
# multiplied, are the values of a channel: samples, height, width. So a batch of one
# picture passes, unless pooling has left one pixel.

norm = nn.BatchNorm2d(8)
print("one picture passes:", tuple(norm(torch.randn(1, 8, 4, 4)).shape))
assert "[1, 8, 1, 1]" in message(lambda: norm(torch.randn(1, 8, 1, 1)))
assert "spatial" in message(lambda: nn.InstanceNorm2d(8)(torch.randn(4, 8, 1, 1)))

# %%
# The last message is from instance normalization, which takes each picture alone. A
# larger batch does not help: the layer needs more than one pixel.
#
# Why one value cannot work
# -------------------------
#
# A channel is normalized to a mean of 0 and a deviation of 1. One value minus its mean
# is 0, whatever it was. Two values raise nothing. Unless they are nearly equal, they
# become -1 and 1: only their order is left.

norm = nn.BatchNorm1d(1)
for values in ([[3.0], [5.0]], [[-70.0], [900.0]]):
    out = norm(torch.tensor(values)).flatten()
    print(f"{values} become {[round(v, 2) for v in out.tolist()]}")
    torch.testing.assert_close(out, torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)

# %%
# Mend 1: drop the short batch
# ----------------------------
#
# For a training loader, ``drop_last=True`` leaves out samples that do not fill a batch.
# With ``shuffle=True``, each epoch leaves out other samples. The running statistics go
# a tenth of the way from 0 and 1 to the mean and variance of the 32 samples.

model = build(nn.BatchNorm1d(16))
epoch(model, DataLoader(dataset, batch_size=32, drop_last=True))
hidden = (dataset.tensors[0][:32] @ model[0].weight.T + model[0].bias).detach()
mean = hidden.sum(dim=0) / 32
variance = (hidden - mean).square().sum(dim=0) / (32 - 1)  # of one sample: 0 / 0
torch.testing.assert_close(model[1].running_mean, 0.1 * mean)
torch.testing.assert_close(model[1].running_var, 0.9 + 0.1 * variance)

# %%
# Mend 2: a single answer wants evaluation mode
# ---------------------------------------------
#
# If the error comes when you *use* the model, ``eval()`` is missing. With it, the layer
# takes its running statistics. A sample alone gets the answer that it has among others.

assert "[1, 16]" in message(lambda: model(dataset.tensors[0][:1]))
model.eval()
alone, among = model(dataset.tensors[0][:1]), model(dataset.tensors[0])[:1]
print(f"alone and among 33: differ by {(alone - among).abs().item():.4f}")
torch.testing.assert_close(alone, among)

# %%
# Mend 3: a layer that takes each sample alone
# --------------------------------------------
#
# If memory allows only one sample per batch, accumulated gradients do not help: the
# layer still sees one sample. Use :class:`torch.nn.GroupNorm`. It normalizes groups of
# channels within a sample, in both modes. Here are 4 groups of 4 channels.

norm = nn.GroupNorm(4, 16)
x = torch.randn(1, 16)
groups = x.view(4, 4)
variance, mean = torch.var_mean(groups, dim=1, correction=0, keepdim=True)
by_hand = ((groups - mean) / (variance + norm.eps).sqrt()).view(1, 16)
print(f"by hand: differs by {(norm(x) - by_hand).abs().max().item():.4f}")
torch.testing.assert_close(norm(x), by_hand)

# %%
# A pretrained network, such as DeepLabV3, keeps its layers. Call ``eval()`` on each
# batch normalization after each ``model.train()``, and name each kind that the network
# has. Then the statistics stay as they are, and the weights of the layer still train.
# (With several GPUs, :class:`torch.nn.SyncBatchNorm` can take one sample on each: it
# compares the samples of all processes.)


def freeze_statistics(model):
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.eval()


model.train()
freeze_statistics(model)
before = model[1].running_mean.clone()
model(dataset.tensors[0][:1]).sum().backward()
print("one sample trains:", model[1].weight.grad is not None)
assert torch.equal(model[1].running_mean, before) and model[1].weight.grad.any()

# %%
# When it is not so
# -----------------
#
# - With as many groups as channels, a group of ``GroupNorm`` has one value here.
#   ``eval()`` does not help, and a batch of two becomes zeros without a message.
# - ``eval()`` does not help a batch normalization without running statistics either.
# - ``drop_last`` with fewer samples than a batch leaves nothing, without a message.

assert "[1, 16]" in message(lambda: nn.GroupNorm(16, 16).eval()(x))
assert nn.GroupNorm(16, 16)(torch.randn(2, 16)).abs().max() < 1e-3
norm = nn.BatchNorm1d(16, track_running_stats=False).eval()
assert "[1, 16]" in message(lambda: norm(x))
nothing = DataLoader(dataset, batch_size=64, drop_last=True)
print("batches of 64 with drop_last:", len(nothing))
assert len(nothing) == 0

# %%
# In your project
# ---------------
#
# Drop in training only: validation must see all samples, and runs in evaluation mode.
# With several processes, ``size`` must not exceed the share of one process. With
# an ``IterableDataset``, each worker drops the samples that do not fill its last batch.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
size = min(32, len(dataset))
train_loader = DataLoader(dataset, size, shuffle=True, drop_last=True)  # new
model = build(nn.BatchNorm1d(16)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _epoch in range(3):
    model.train()
    for x, y in train_loader:
        loss = nn.functional.mse_loss(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %%
# Check
# -----

print(f"{model[1].num_batches_tracked.item()} batches of {size} in 3 epochs")
assert model[1].num_batches_tracked == 3 * (33 // size)

# %%
# Learn more
# ----------
#
# - What the modes change: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - Other sizes: :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
