# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 60
# searched_as = [
#   "resume training", "continue training", "save the optimizer", "save every epoch",
#   "crash recovery", "restore the epoch", "save best model",
# ]
# errors = [
#   "RNG state must be a torch.ByteTensor",
# ]
# ///
"""
Saving and loading a general checkpoint in PyTorch
==================================================

Stop a training run and resume it later so that not one digit of its loss changes.

Why it matters: runs get interrupted. A run that resumes from the model's weights alone
throws away the optimizer's memory and starts the learning rate schedule again. With a
fixed seed, it also repeats the order of the data. No error tells you.
"""

# %%
# A training run
# --------------
#
# 256 noisy samples of a function of two variables, a small network, an optimizer and a
# learning rate schedule. ``build`` stands for the part of a script that makes them.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.rand(256, 2) * 6 - 3
targets = torch.sin(2 * inputs[:, :1]) * torch.cos(inputs[:, 1:])
targets, loss_fn, epochs = targets + 0.1 * torch.randn(256, 1), nn.MSELoss(), 24


def build():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler}


# %%
# Every epoch draws a new order of the data from the global random number generator.


def train(run, start, stop):
    model, optimizer, scheduler = run.values()
    losses = []
    for _epoch in range(start, stop):
        losses.append(0.0)
        for rows in torch.randperm(256).split(32):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs[rows]), targets[rows])
            losses[-1] += loss.item() / 8
            loss.backward()
            optimizer.step()
        scheduler.step()
    return losses


reference = build()
uninterrupted = train(reference, 0, epochs)

# %%
# One file for all that changes
# -----------------------------
#
# A second run stops after 12 epochs. It saves in a dictionary the ``state_dict()`` of
# model, optimizer and scheduler, the state of the random number generator, and how far
# the run got. The rename is for runs that die while saving: the previous file stays
# whole. ``resume`` builds everything anew, as a new process would. Then it restores all
# entries but those that it is told to leave out.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "checkpoint.pt")
run = build()
progress = {"losses": train(run, 0, 12), "epoch": 12, "rng": torch.get_rng_state()}
checkpoint = {name: part.state_dict() for name, part in run.items()} | progress
torch.save(checkpoint, path.with_suffix(".part"))
path.with_suffix(".part").replace(path)


def resume(*left_out):
    run = build()
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    for name in run.keys() - left_out:
        run[name].load_state_dict(checkpoint[name])
    if "rng" not in left_out:
        torch.set_rng_state(checkpoint["rng"])
    return run, checkpoint["losses"] + train(run, checkpoint["epoch"], epochs)


# %%
# Resume from the weights, resume from everything
# -----------------------------------------------
#
# With the weights alone, the first epoch after the interruption throws the model back.
# Adam has lost its running averages, and the learning rate is at its maximum again.

_, weights_only = resume("optimizer", "scheduler", "rng")
_, everything = resume()
print(f"loss in epoch 12: {uninterrupted[11]:.2f}, epoch 13: {uninterrupted[12]:.2f}")
print(f"from the weights: {weights_only[12]:.2f}, everything: {everything[12]:.2f}")
assert weights_only[12] > 1.2 * uninterrupted[12] and everything == uninterrupted
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
x = range(1, epochs + 1)
ax.plot(x, uninterrupted, color="0.7", linewidth=7, label="uninterrupted")
ax.plot(x[11:], weights_only[11:], "s--", color="tab:orange", label="from the weights")
ax.plot(x[11:], everything[11:], "o-", color="tab:blue", label="from everything")
ax.axvline(12, color="black", linestyle=":", label="interruption")
ax.set(title="Resumed from everything, the loss curve goes on as if nothing happened")
ax.set(xlabel="epoch", ylabel="mean training loss", yscale="log")
ax.legend()
plt.show()

# %%
# Proof: every entry is needed
# ----------------------------
#
# The uninterrupted run never touched a file. "Equal" means the same bits, in all 24
# losses and all final parameters. Without the random state, the data come in another
# order. (Plain SGD at a constant rate needs neither the optimizer's state nor the
# scheduler's.)

for left_out in ("nothing", "model", "optimizer", "scheduler", "rng"):
    run, losses = resume(left_out)
    same = map(torch.equal, run["model"].parameters(), reference["model"].parameters())
    equal = losses == uninterrupted and all(same)
    print(f"left out: {left_out:10} equal to the uninterrupted run: {equal}")
    assert equal == (left_out == "nothing"), "the resumed run is not the same run"

# %%
# When it is not so
# -----------------
#
# - Equal bits need the same machine, the same versions, the same number of threads and,
#   on a GPU, :func:`torch.use_deterministic_algorithms`.
# - Other random numbers have a state to save as well: the GPU
#   (:func:`torch.cuda.get_rng_state_all`), ``random``, NumPy, and the ``generator`` of
#   a :class:`~torch.utils.data.DataLoader`.
# - ``weights_only=True`` refuses a file that holds an array or a number of NumPy, for
#   example a best loss from ``np.mean``. Save ``float(loss)``, and the array inside
#   ``np.random.get_state()`` as ``.tolist()``.
# - You cannot save the random state of workers that ``persistent_workers=True`` keeps:
#   their augmentations differ after a resume.
# - Save between epochs. In the middle of an epoch, the order that was drawn for it is
#   lost: a resumed run sees some samples twice.
#
# Load with ``map_location="cpu"``: ``map_location=device`` would move the random state
# to the GPU as well, and there it is refused. The meta device plays the GPU here.

moved = torch.load(path, map_location="meta", weights_only=True)
refused = False
try:
    torch.set_rng_state(moved["rng"])
except TypeError as error:
    refused = True
    print(error)
assert refused

# %%
# In your project
# ---------------
#
# ``run`` is a dictionary, as ``build`` returns it. With float16, put the ``GradScaler``
# into ``run``, too. Move the model to its device before you call ``load``: the
# optimizer moves the state that it loads to the device of its parameters. After each
# epoch, call ``save(path, run, epoch + 1)``. Without ``+ 1``, a resumed run trains one
# epoch twice. With dropout on a GPU, save ``torch.cuda.get_rng_state_all()`` too, and
# restore it with :func:`torch.cuda.set_rng_state_all`.
#
# With DDP, call ``save`` on rank 0 alone: all would write the same ``.part`` file.
# After ``load``, all ranks have the random state of rank 0, and would draw the same
# dropout masks. So begin each epoch with ``torch.manual_seed(1000 * epoch + rank)``,
# and with ``sampler.set_epoch(epoch)`` for the order of the data. With FSDP, each rank
# holds a part of the weights:
# :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`.


def save(path, run, epoch):  # path: a Path; epoch: the next one to train
    states = {name: part.state_dict() for name, part in run.items()}
    states |= {"epoch": epoch, "rng": torch.get_rng_state()}
    torch.save(states, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)  # the previous file stays whole


def load(path, run):  # returns the first epoch to train
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in run.items():
        part.load_state_dict(checkpoint[name])
    torch.set_rng_state(checkpoint["rng"])
    return checkpoint["epoch"]


# %%
# Check
# -----
#
# The loop of a script, as yours would be, started three times: it stops after 5 epochs,
# after 9, and at the end. Its parameters equal the parameters of the uninterrupted run.

path.unlink()
for stop in (5, 9, epochs):
    run = build()
    first = load(path, run) if path.exists() else 0
    for epoch in range(first, stop):
        train(run, epoch, epoch + 1)
        save(path, run, epoch + 1)
    print(f"trained epochs {first} to {epoch}")
same = map(torch.equal, run["model"].parameters(), reference["model"].parameters())
assert all(same), "the run in three parts is not the same run"
folder.cleanup()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - :ref:`sphx_glr_recipes_recipes_reproducible_runs.py`
# - :ref:`sphx_glr_recipes_recipes_saving_multiple_models_in_one_file.py`
# - :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
