# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed", "Training"]
# after = ["ddp_two_processes"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "ZeRO", "DeepSpeed", "shard the optimizer", "less memory per GPU",
#   "optimizer memory", "FSDP", "Adam uses too much memory", "multi-GPU",
# ]
# errors = ["Optimizer state has not been consolidated on this rank"]
# ///
"""
Shard optimizer states with ZeroRedundancyOptimizer
===================================================

Divide Adam's memory among your processes, and check that they still train as before.

Why it matters: Adam keeps two numbers for each weight. With DistributedDataParallel
every process keeps all of them, and all copies are the same, so adding GPUs does not
make room for a larger model.
"""

# %%
# A model, data and a loop
# ------------------------
#
# This is an ordinary training script so far. The numbers are float64, to tell mistakes
# from rounding.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW

# %%


def start():
    torch.manual_seed(0)
    sizes = [(64, 256), (256, 256), (256, 256), (256, 64)]
    model = nn.Sequential(*(nn.Linear(*size) for size in sizes)).double()
    inputs, targets = torch.randn(2, 10, 16, 64, dtype=torch.float64)  # 10 batches
    return model, inputs, targets


def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()


# %%
# With GPUs, each process takes the one whose number is its ``LOCAL_RANK``, which
# ``torchrun`` sets. The study below stays on the CPU, with the same numbers everywhere.


def own_device():  # one GPU for each process of this machine, or the CPU for all
    if torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cpu")


# %%
# What each process does
# ----------------------
#
# The *rank* is the number of a process. Each of two ranks trains on its half of five
# batches. It trains twice: with :class:`~torch.optim.Adam`, then with
# :class:`~torch.distributed.optim.ZeroRedundancyOptimizer` (ZeRO) around Adam.


def make_optimizer(name, weights):
    if name == "Adam":
        return torch.optim.Adam(weights, lr=0.01)
    return ZeroRedundancyOptimizer(weights, optimizer_class=torch.optim.Adam, lr=0.01)


def state_bytes(model, optimizer):
    optimizer = getattr(optimizer, "optim", optimizer)  # in ZeRO: the part of this rank
    held = {}
    for name, weight in model.named_parameters():
        values = optimizer.state.get(weight, {}).values()
        held[name] = sum(value.nbytes for value in values)
    return held


# %%
# At the end, ``study`` asks ZeRO for the state, first in the wrong way. Then both
# ranks take a sixth step, and rank 0 asks for the state again.


def study():
    dist.init_process_group("gloo")
    rank, found = dist.get_rank(), {}
    for name in ("Adam", "ZeRO"):
        model, inputs, targets = start()
        optimizer = make_optimizer(name, model.parameters())
        half = inputs[:5, rank::2], targets[:5, rank::2]
        train(DistributedDataParallel(model), optimizer, *half)
        found[name] = {"weights": model.state_dict()}
        found[name]["held"] = state_bytes(model, optimizer)
    save(optimizer, found, rank)


# %%


def save(optimizer, found, rank):
    try:
        optimizer.state_dict()
    except RuntimeError as error:
        found["error"] = str(error)
    optimizer.consolidate_state_dict(to=0)  # on every rank
    if rank == 0:
        found["state"] = optimizer.state_dict()
    torch.save(found, f"rank{rank}.pt")
    optimizer.step()  # once more, on every rank
    if rank == 0:
        torch.save(optimizer.state_dict()["state"], "later.pt")


# %%
# Start two processes
# -------------------
#
# ``torchrun`` starts a file once for each process. So the functions above are written
# to a file. In a terminal you type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL.
# ``gc.collect()`` frees the models before their group goes.

imports = """import gc, os, torch
import torch.distributed as dist
from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW
"""
end = "\ngc.collect()\ndist.destroy_process_group()\n"
folder = tempfile.TemporaryDirectory()

# %%


def torchrun(*functions):
    sources = [inspect.getsource(function) for function in functions]
    script = "\n\n".join([imports, *sources, f"{functions[-1].__name__}()", end])
    Path(folder.name, "train.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--local-addr=127.0.0.1", "--log-dir=logs"]
    command += ["train.py"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
    pipe = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder.name, env=env, **pipe)
    assert done.returncode == 0, done.stderr


torchrun(start, train, make_optimizer, state_bytes, save, study)
ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in (0, 1)]

# %%
# Every process keeps everything, or its part
# -------------------------------------------
#
# Adam's two numbers, in float64, make 16 bytes per weight, and each tensor has a step
# counter of 4 bytes. With plain Adam both ranks keep all of it. ZeRO deals the tensors
# out: each rank updates its tensors and sends them to the others. The parts have to
# add up to exactly one copy.

model, inputs, targets = start()
weights = list(model.parameters())
one_copy = sum(16 * weight.numel() + 4 for weight in weights)
print(f"{'one copy:':9} {one_copy:,} bytes")
for name, copies in [("Adam", 2), ("ZeRO", 1)]:
    held = [sum(found[name]["held"].values()) for found in ranks]
    print(f"{name + ':':9} {held[0]:,} on rank 0, {held[1]:,} on rank 1")
    assert sum(held) == copies * one_copy

# %%
# One process, whole batches
# --------------------------
#
# Now train here, on whole batches, with plain Adam and without DDP. Every rank should
# have found the same weights.

optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
train(model, optimizer, inputs[:5], targets[:5])
untrained = start()[0].parameters()
moved = max((a - b).abs().max() for a, b in zip(untrained, weights, strict=True))
print(f"training moved weights by up to {moved:.3f}")
assert moved > 0.01
for name in ("Adam", "ZeRO"):
    for rank, found in enumerate(ranks):
        pairs = zip(found[name]["weights"].values(), weights, strict=True)
        far = max((a - b).abs().max().item() for a, b in pairs)
        print(f"{name}, rank {rank}: {far:.3f} from one process")
        assert far < 1e-10

# %%
# Who keeps what
# --------------
#
# Tensors are dealt out whole, the largest first, so one huge embedding would stay on
# one rank. Weights and gradients are not divided: every rank still has all of them.
# To divide these too, use ``fully_shard``, see
# :ref:`sphx_glr_recipes_recipes_fully_sharded_data_parallel.py`.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained", sharey=True)
looks = [{"color": "tab:blue"}, {"color": "tab:orange", "hatch": "//"}]
for ax, name in zip(axes, ("Adam", "ZeRO"), strict=True):
    for rank, found in enumerate(ranks):
        sizes = [size / 1e6 for size in found[name]["held"].values()]
        places = [place + 0.4 * rank - 0.2 for place in range(len(sizes))]
        ax.barh(places, sizes, 0.4, label=f"rank {rank}", **looks[rank])
    ax.set(title=f"{name}: {sum(sizes):.1f} MB of state on rank 1")
    ax.set(xlabel="optimizer state (MB)", ylabel="parameter")
    ax.set_yticks(range(len(sizes)), list(found[name]["held"]))
    ax.legend()
axes[0].invert_yaxis()
plt.show()

# %%
# Pitfall: a checkpoint needs all parts
# -------------------------------------
#
# No rank can save the optimizer alone. Call ``consolidate_state_dict(to=0)`` on *every*
# rank, then ``state_dict()`` on rank 0, whose main memory must hold all parts. A plain
# Adam loads that state, and trains on, like the run that never stopped.

print(ranks[1]["error"])
resumed, *_ = start()
resumed.load_state_dict(ranks[0]["ZeRO"]["weights"])
loaded = torch.optim.Adam(resumed.parameters())
loaded.load_state_dict(ranks[0]["state"])
train(model, optimizer, inputs[5:], targets[5:])
train(resumed, loaded, inputs[5:], targets[5:])
torch.testing.assert_close(resumed.state_dict(), model.state_dict(), rtol=0, atol=1e-10)
print(f"resumed with the states of {len(loaded.state)} tensors: same weights")

# %%
# Call ``consolidate_state_dict`` again before *each* checkpoint. Without the second
# call, ``state_dict()`` still has the old state of the other ranks, on a GPU also of
# rank 0, and nothing is raised. Adam counts the steps of each tensor:

later = torch.load(Path(folder.name, "later.pt"))
steps = sorted({int(state["step"]) for state in later.values()})
print("after step 6, the state has counted these steps:", steps)
assert 5 in steps  # of rank 1

# %%
# ZeRO loads the same state. Each rank reads the whole file, here onto its GPU, and then
# keeps its part. ``map_location="cpu"`` keeps the other parts off the GPU, but leaves
# this rank's part there twice. With several machines, the file must be in a folder that
# all of them see. A rank that does not find it starts anew, and no error says so.


def resume(model, optimizer, device):
    if os.path.exists("checkpoint.pt"):
        weights, state = torch.load("checkpoint.pt", map_location=device)
        model.module.load_state_dict(weights)
        optimizer.load_state_dict(state)


# %%
# In your project
# ---------------
#
# ``AdamW`` and its settings go to ZeRO, not to the model. A scheduler and
# ``GradScaler`` take ZeRO as they take any optimizer. All weights must have the same
# dtype. Rank 0 writes the checkpoint, and the next run goes on from it.


def main():
    device = own_device()
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    model, inputs, targets = start()
    model = DistributedDataParallel(model.to(device))
    optimizer = ZeroRedundancyOptimizer(model.parameters(), AdamW, lr=0.01)  # new
    resume(model, optimizer, device)  # new
    part = slice(dist.get_rank(), None, dist.get_world_size())
    train(model, optimizer, inputs[:, part].to(device), targets[:, part].to(device))
    optimizer.consolidate_state_dict(to=0)  # new: on every rank
    if dist.get_rank() == 0:
        torch.save([model.module.state_dict(), optimizer.state_dict()], "checkpoint.pt")


# %%
# Check these lines
# -----------------
#
# One process trains an epoch with plain AdamW and writes such a checkpoint. Two ranks
# go on from it. Their checkpoint holds what one process finds in its second epoch.

model, inputs, targets = start()
optimizer = AdamW(model.parameters(), lr=0.01)
train(model, optimizer, inputs, targets)
checkpoint = Path(folder.name, "checkpoint.pt")
torch.save([model.state_dict(), optimizer.state_dict()], checkpoint)
torchrun(start, train, own_device, resume, main)
saved, state = torch.load(checkpoint, map_location="cpu")
train(model, optimizer, inputs, targets)
torch.testing.assert_close(saved, model.state_dict(), rtol=0, atol=1e-8)
assert len(state["state"]) == len(list(model.parameters()))
print("equal to one process, with the state of", len(state["state"]), "tensors")
folder.cleanup()

# %%
# Learn more
# ----------
#
# - How DDP averages gradients: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - Save without gathering on one rank:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Divide over some ranks and copy over others:
#   :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
