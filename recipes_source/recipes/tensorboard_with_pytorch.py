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
# older_errors = ["ModuleNotFoundError: No module named 'tensorboard'"]
# ///
"""
How to use TensorBoard with PyTorch
===================================

Log several training runs, read their curves back, and know what can get lost.

Why it matters: losses that were only printed are gone with the terminal, and two runs
can hardly be compared. A log shows all losses only if each run has a separate folder.
"""

# %%
# Setting
# -------
#
# The logs of this page go to a temporary folder. PyTorch does not install TensorBoard.
# After ``No module named 'tensorboard'``, run ``pip install tensorboard``.

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
# ``SummaryWriter`` writes events to a file in its folder. ``read`` returns them with a
# reader of TensorBoard. If two runs use the same folder, the events of the second join
# the events of the first: one line that jumps back.
#
# The browser can hide this. On Linux and macOS with an x86 processor, TensorBoard has a
# faster reader. There, the steps of the second run replace the same and later steps of
# the first run, without a message.


def read(run):
    events = EventAccumulator(str(logs / run), size_guidance={"scalars": 0})  # 0: all
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss/train")]


for lr in (0.01, 0.2):
    with SummaryWriter(logs / "same") as writer:
        train(lr, writer, steps=3)
mixed = [step for step, _ in read("same")]
print("steps in the one folder:", mixed)
assert mixed == [0, 1, 2, 0, 1, 2]

# %%
# A folder for each run
# ---------------------
#
# Give each run its own folder, below a folder that all runs share. The end of ``with``
# writes out what is still in memory and closes the file, also when training raises an
# exception.

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
# float32, exactly.

for lr, losses in written.items():
    steps, values = zip(*found[lr], strict=True)
    assert steps == tuple(range(50))
    assert torch.equal(torch.tensor(values), torch.tensor(losses))
print("read back exactly:", list(found))

# %%
# In a terminal, ``tensorboard --logdir FOLDER`` serves these curves to your browser,
# one line per folder below it. Drawn here from the files:

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for (lr, points), line in zip(found.items(), ("-", "--", ":"), strict=True):
    steps, values = zip(*points, strict=True)
    ax.semilogy(steps, values, line, label=f"learning rate {lr}")
ax.set(title="Three runs, read back from their event files", xlabel="step")
ax.set(ylabel="training loss")
ax.legend()
plt.show()

# %%
# More than curves
# ----------------
#
# A :class:`~torch.utils.tensorboard.writer.SummaryWriter` also takes histograms, images
# and text. Each kind has a tab in TensorBoard.

with SummaryWriter(logs / "kinds") as writer:
    writer.add_scalar("loss/train", 0.5, 0)
    writer.add_histogram("weights", torch.randn(100), 0)
    writer.add_image("picture", torch.rand(3, 8, 8), 0)  # channels, height, width
    writer.add_text("settings", "lr 0.2, batch 64", 0)
tags = EventAccumulator(str(logs / "kinds")).Reload().Tags()
for kind in ("scalars", "histograms", "images", "tensors"):
    print(f"{kind:10}", *tags[kind])
assert all(tags[kind] for kind in ("scalars", "histograms", "images", "tensors"))

# %%
# When it is not so
# -----------------
#
# A process that is killed can lose its last values: a thread writes them, and may keep
# them for ``flush_secs`` seconds, by default 120. ``writer.flush()`` waits until all
# values are in the file. Call it beside each checkpoint.
#
# A reader keeps a limited number of points for each name, and drops others at random.
# The limit for curves is 1000 in the browser. Above, 0 in ``size_guidance`` meant: no
# limit. For the browser, write ``--samples_per_plugin scalars=0`` in the command.

sizes = {"scalars": 20}
events = EventAccumulator(str(logs / "lr_0.01"), size_guidance=sizes).Reload()
kept = events.Scalars("loss/train")
print(f"with a limit of 20: {len(kept)} of 50, the last of them step {kept[-1].step}")
assert len(kept) == 20 and kept[-1].step == 49

# %%
# In your project
# ---------------
#
# ``logs`` is your folder for all runs, such as ``Path("runs")``. ``SummaryWriter()``
# alone names a folder below ``runs`` by the time, to the second, and the machine. Jobs
# that start together can get the same folder, so name the folder by what differs. A
# later run in the same folder hides the first, so add a date or a number.
#
# To see the curves, during the run or later, start ``tensorboard --logdir runs`` in a
# terminal and open ``http://localhost:6006``. If the script runs on another machine,
# connect with ``ssh -L 6006:localhost:6006 MACHINE`` and start TensorBoard there. A
# notebook shows the curves after ``%load_ext tensorboard`` and
# ``%tensorboard --logdir runs``.
#
# ``purge_step`` is the first step of this run: 0, or the step of the checkpoint from
# which the run goes on. In the same folder, TensorBoard then drops older values from
# this step on. With several processes, make the writer on rank 0 alone: otherwise their
# curves are mixed or lost, as above. Log the validation loss as ``loss/valid``: the
# browser shows it beside ``loss/train``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Linear(8, 1).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
with SummaryWriter(logs / "project" / "lr_0.01", purge_step=0) as writer:  # new
    for step in range(100):
        inputs = torch.randn(64, 8, device=device)
        loss = (model(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 0:  # item() waits for the GPU, so not at every step
            writer.add_scalar("loss/train", loss.item(), step)

# %%
# Check
# -----
#
# The log has a value for every tenth step.

logged = [step for step, _ in read("project/lr_0.01")]
print("steps logged:", logged)
assert logged == list(range(0, 100, 10))
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What to log while training: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`,
#   :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Pictures for it: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
