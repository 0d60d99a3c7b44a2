# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# timeout = 60
# ///
"""
Freeze layers, batch normalization included
===========================================

Train a new head on a frozen backbone that stays, bit for bit, what it was.

Why it matters: ``requires_grad = False`` holds parameters still, not buffers. Batch
normalization goes on averaging what it sees, and the features you meant to keep change
without a single weight moving.
"""

# %%
# A backbone that knows one task
# ------------------------------
#
# The old task has points of ten classes, the new one points of two. The new points lie
# farther apart and off centre.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn


def task(classes, scale, offset):
    targets = torch.randint(classes, (2000,))
    inputs = torch.randn(classes, 20)[targets] + torch.randn(2000, 20)
    return scale * inputs + offset, targets


torch.manual_seed(0)
old_inputs, old_targets = task(classes=10, scale=1, offset=0)
new_inputs, new_targets = task(classes=2, scale=2, offset=2)
backbone = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU())
old_head, new_head = nn.Linear(32, 10), nn.Linear(32, 2)

# %%
# Train backbone and head on the old task. ``keep`` will do its work later.


def fit(model, inputs, targets, keep=()):
    g = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for rows in torch.randperm(len(inputs), generator=g).repeat(5).split(50):
        model.train()
        for module in keep:
            module.eval()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return model.eval()


def old_accuracy(backbone):
    hits = old_head(backbone(old_inputs)).argmax(1) == old_targets
    return hits.float().mean().item()


fit(nn.Sequential(backbone, old_head), old_inputs, old_targets)
print(f"old task, before: accuracy {old_accuracy(backbone):.2f}")

# %%
# No parameter moves, and the old task is lost
# --------------------------------------------
#
# Take a copy of the backbone, switch its gradients off with
# :meth:`torch.nn.Module.requires_grad_` and train the new head on it. All gradients of
# the backbone stay ``None``, so even AdamW's weight decay skips it.

leaky = copy.deepcopy(backbone).requires_grad_(False)
fit(nn.Sequential(leaky, copy.deepcopy(new_head)), new_inputs, new_targets)
pairs = zip(backbone.parameters(), leaky.parameters(), strict=True)
print("parameters moved:", sum(not torch.equal(p, q) for p, q in pairs), "of 4")
print(f"old task, after: accuracy {old_accuracy(leaky):.2f}")

# %%
# Set the frozen part to evaluation mode
# --------------------------------------
#
# The running mean and variance of :class:`torch.nn.BatchNorm1d` are buffers. In training
# mode every forward pass updates them, with or without gradients. So call ``eval()`` on
# the frozen part, after each ``model.train()``, which would undo it. The head then
# trains as it would on features computed once, beforehand.

frozen = copy.deepcopy(backbone).requires_grad_(False)
head = copy.deepcopy(new_head)
fit(nn.Sequential(frozen, head), new_inputs, new_targets, keep=[frozen])
print(f"old task, gradients off:        accuracy {old_accuracy(leaky):.2f}")
print(f"old task, gradients off + eval: accuracy {old_accuracy(frozen):.2f}")
for name, value in backbone.state_dict().items():
    assert torch.equal(frozen.state_dict()[name], value), name

with torch.no_grad():
    features = backbone(new_inputs)
other = fit(copy.deepcopy(new_head), features, new_targets)
torch.testing.assert_close(head.weight, other.weight, atol=1e-4, rtol=0)
print((head.weight-other.weight).abs().max())

# %%
# How far every tensor of the backbone moved:

names = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for i, (label, other) in enumerate([("gradients off", leaky), ("gradients off + eval", frozen)]):
    old, now = backbone.state_dict(), other.state_dict()
    change = [100*((now[n] - old[n]).norm() / old[n].norm()).item() for n in names]
    print(change)
    ax.bar([x+.4*i for x in range(6)], change, .4, label=label)
plt.show()
