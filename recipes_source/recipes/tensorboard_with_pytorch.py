# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "tensorboard", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["zeroing_out_gradients"]
# timeout = 120
# searched_as = [
#   "SummaryWriter", "visualize training", "plot the loss", "log metrics",
#   "learning curves", "experiment tracking", "add_scalar", "Weights and Biases",
# ]
# ///
"""
How to use TensorBoard with PyTorch
===================================

Log several training runs, read their curves back, and know that nothing was lost.

Why it matters: losses that were only printed are gone with the terminal, and two runs
can hardly be compared. A log keeps them, if each run has a place of its own and what
you read back is what you wrote.
"""

# %%
# Setting
# -------
#
# The logs of this page go to a temporary folder.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

folder = tempfile.TemporaryDirectory()
logs = Path(folder.name)

# %%
# A small regression. ``train`` hands each step's loss to a writer, and returns the same
# losses as a list to compare with.


def train(lr, writer, steps=50):
    torch.manual_seed(0)
    inputs = torch.randn(64, 8)
    targets = inputs.sum(dim=1, keepdim=True)
    model, loss_fn = nn.Linear(8, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        writer.add_scalar("loss/train", losses[-1], step)
    return losses


# %%
# Two runs in one folder
# ----------------------
#
# ``SummaryWriter`` writes events to a file in its folder. ``read`` returns them with
# TensorBoard's own reader. If two runs use the same folder, the events of the second
# join those of the first: one line that jumps back.


def read(run):
    events = EventAccumulator(str(logs / run), size_guidance={"scalars": 0})  # 0: all
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss/train")]


for lr in (0.01, 0.2):
    with SummaryWriter(logs / "same") as writer:
        train(lr, writer, steps=3)
print("steps in the one folder:", [step for step, _ in read("same")])

# %%
# A folder for each run
# ---------------------
#
# Give each run a folder of its own, below one that they share. The end of ``with``
# writes out what is still in memory and closes the file, also when training raises an
# exception. Without this, the last events of a program can be lost.

written = {}
for lr in (0.01, 0.05, 0.2):
    with SummaryWriter(logs / f"lr_{lr}") as writer:
        written[lr] = train(lr, writer)
found = {lr: read(f"lr_{lr}") for lr in written}
for lr, points in found.items():
    first, last = points[0][1], points[-1][1]
    print(f"lr {lr}: {len(points)} losses, from {first:.2f} to {last:.2f}")

# %%
# Is it what was written? Events hold float32, so compare with the losses rounded to
# that, exactly.

for lr, losses in written.items():
    steps, values = zip(*found[lr], strict=True)
    assert steps == tuple(range(50))
    assert torch.equal(torch.tensor(values), torch.tensor(losses))
print("read back exactly:", list(found))

# %%
# In a terminal, ``tensorboard --logdir FOLDER`` serves these curves to your browser,
# one line per folder below it. A
# :class:`~torch.utils.tensorboard.writer.SummaryWriter` takes images, histograms and
# text as well. Drawn here from the files:

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for (lr, points), line in zip(found.items(), ("-", "--", ":"), strict=True):
    steps, values = zip(*points, strict=True)
    ax.semilogy(steps, values, line, label=f"learning rate {lr}")
ax.set(title="Three runs, read back from their event files", xlabel="step")
ax.set(ylabel="training loss")
ax.legend()
plt.show()

# %%
# Pitfall: a reader that thins out
# --------------------------------
#
# For each name, TensorBoard keeps a limited number of points in memory and drops others
# at random beyond that. ``size_guidance`` sets the limit, above to 0 for all. From the
# command line it is ``--samples_per_plugin scalars=0``.

sizes = {"scalars": 20}
events = EventAccumulator(str(logs / "lr_0.01"), size_guidance=sizes).Reload()
kept = events.Scalars("loss/train")
print(f"with a limit of 20: {len(kept)} of 50, the last of them step {kept[-1].step}")
folder.cleanup()

# %%
# Without an argument, ``SummaryWriter()`` makes a new folder below ``runs`` for every
# run, named after the date and the machine.
#
# Learn more
# ----------
#
# - What to log while training: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`,
#   :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Pictures for it: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
