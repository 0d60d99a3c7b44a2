# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# timeout = 60
# ///
"""
Clip gradients so that one bad batch does no harm
=================================================

Bound the norm of the gradient before each step, and log the norm it had before.

Why it matters: one batch with a wrong record can give a gradient hundreds of times the
usual size. One step along it can wreck a model for good, and the loss tells you so only
when it is too late.
"""

# %%
# Setting
# -------
#
# A small network learns a sine wave. One single record is wrong: in batch 150, a target
# of 1000 where all others lie between -1 and 1. ``max_norm=inf`` clips nothing, but
# still returns the norm.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn

loss_fn = nn.MSELoss()
grid = torch.linspace(-1, 1, 200).unsqueeze(1)
bad_step = 150

# %%
# The call belongs between ``backward()`` and ``step()``.


def train(max_norm, bad_target=1000.0):
    generator = torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms, losses = [], []
    for step in range(300):
        inputs = 2 * torch.rand(32, 1, generator=generator) - 1
        targets = torch.sin(3 * inputs)
        if step == bad_step and bad_target is not None:
            targets[0] = bad_target
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        norms.append(norm.item())
        losses.append(loss_fn(model(grid), torch.sin(3 * grid)).item())
    return norms, losses
