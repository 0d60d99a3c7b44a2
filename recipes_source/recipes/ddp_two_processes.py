# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["gradient_accumulation"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "DDP", "multiple GPUs", "multi-GPU training", "distributed training",
#   "data parallel", "DataParallel", "torchrun", "DistributedSampler",
#   "init_process_group", "all_reduce of gradients", "NCCL", "gloo",
# ]
# ///
"""
Train in two processes with DistributedDataParallel
===================================================

Split each batch over two processes, and check that they train as one process would.

Why it matters: processes that train on different data drift apart, and you end up with
several half-trained models instead of one. Averaging the gradients prevents that, but
only if every process takes its own part of the data and takes part in every average.
"""

# %%
# What the processes share
# ------------------------
#
# A file that every process imports, this one included. Each process has a number, its
# rank. :class:`torch.utils.data.DistributedSampler` gives each rank a different part of
# a shuffled epoch. Without ``set_epoch`` all epochs would come in the same order.

SETTING = """
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

def start():
    torch.manual_seed(0)
    inputs, targets = torch.randn(2, 64, 8, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)).double()
    return model, TensorDataset(inputs, targets), nn.MSELoss()

def load(data, rank, world_size, epochs):
    sampler = DistributedSampler(data, num_replicas=world_size, rank=rank)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        yield from DataLoader(data, batch_size=16 // world_size, sampler=sampler)
"""

# %%

import tempfile
from pathlib import Path

SETTING += """
def train(model, loss_fn, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    weights = []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    return torch.stack(weights)
"""
folder = tempfile.TemporaryDirectory()
_ = Path(folder.name, "ddp_setting.py").write_text(SETTING)

# %%
# What each process does
# ----------------------
#
# It trains on its part twice: a plain model, then one wrapped in
# :class:`~torch.nn.parallel.DistributedDataParallel` (DDP), which averages the
# gradients over all processes during ``backward()``. Nothing else changes. With GPUs,
# write ``"nccl"``, and first move model and batches to the GPU of the process.

WORKER = """
import os
from contextlib import nullcontext
import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel
from ddp_setting import load, start, train
dist.init_process_group("gloo")
rank, found = dist.get_rank(), {}
for name in ("plain", "DDP"):
    model, data, loss_fn = start()
    model = DistributedDataParallel(model) if name == "DDP" else model
    found[name] = train(model, loss_fn, load(data, rank, world_size=2, epochs=5))
"""

# %%
# The second part accumulates gradients over the four batches of an epoch. DDP leaves
# averaging to the hook, which counts. Inside
# :meth:`~torch.nn.parallel.DistributedDataParallel.no_sync` nothing is averaged.

WORKER += """
def count_and_average(calls, bucket):  # one bucket holds all gradients here
    calls.append(rank)
    return allreduce_hook(None, bucket)

for name in ("every piece", "last piece"):
    module, data, loss_fn = start()
    model, calls = DistributedDataParallel(module), []
    model.register_comm_hook(calls, count_and_average)
    for piece, (inputs, targets) in enumerate(load(data, rank, 2, epochs=1)):
        quiet = name == "last piece" and piece < 3
        with model.no_sync() if quiet else nullcontext():  # forward pass included
            (loss_fn(model(inputs), targets) / 4).backward()
    found[name] = len(calls), module[0].weight.grad
"""

# %%
# Start two processes
# -------------------
#
# ``torchrun``, here as a module, starts two copies, tells each its rank, and stops both
# if one dies. On Windows use WSL: PyTorch lacks its libuv there (pytorch#178600).

import os
import subprocess
import sys

WORKER += """
torch.save(found, f"rank{rank}.pt")
dist.destroy_process_group()
os._exit(0)  # all is saved, and gloo's threads can abort Python's normal exit
"""
_ = Path(folder.name, "worker.py").write_text(WORKER)
command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "--log-dir=logs"]
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
pipe = {"capture_output": True, "text": True, "timeout": 100}
done = subprocess.run([*command, "worker.py"], cwd=folder.name, env=one_thread, **pipe)
assert done.returncode == 0, done.stderr[-9000:]

# %%
# One process, whole batches
# --------------------------
#
# Here, one process trains without DDP on what both ranks get together. The mean of the
# gradients of two equal halves is the gradient of the whole, so DDP should find the
# same weights. Without it, both ranks end elsewhere, and apart.

sys.path.insert(0, folder.name)
import torch
from ddp_setting import load, start, train

model, data, loss_fn = start()
whole = train(model, loss_fn, load(data, rank=0, world_size=1, epochs=5))
ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in (0, 1)]
for name in ("plain", "DDP"):
    apart = (ranks[0][name][-1] - ranks[1][name][-1]).norm()
    far = [(found[name][-1] - whole[-1]).norm() for found in ranks]
    print(f"{name:5} {apart:.3f} apart, {far[0]:.3f} and {far[1]:.3f} from one process")
for found in ranks:  # after each step, not only the last
    torch.testing.assert_close(found["DDP"], whole, rtol=0, atol=1e-10)

# %%
# Pitfall: averaging at every backward
# ------------------------------------
#
# While you :ref:`accumulate <sphx_glr_recipes_recipes_gradient_accumulation.py>`, only
# the sum has to be averaged, once. The gradient, checked against that of the whole data
# set, is the same; the other averages are for nothing.

model, data, loss_fn = start()
loss_fn(model(data.tensors[0]), data.tensors[1]).backward()
for name, expected in [("every piece", 4), ("last piece", 1)]:
    count, gradient = ranks[0][name]
    print(f"averaged at {name + ':':12} {count} call(s), norm {gradient.norm():.4f}")
    torch.testing.assert_close(gradient, model[0].weight.grad)
    assert count == expected
folder.cleanup()

# %%

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for name, color, marks in [("plain", "tab:orange", "^v"), ("DDP", "tab:blue", "ox")]:
    for rank, mark in enumerate(marks):
        far = (ranks[rank][name] - whole).norm(dim=1)
        style = {"color": color, "marker": mark, "fillstyle": "none", "linestyle": ":"}
        ax.plot(range(1, 21), far, label=f"{name}, rank {rank}", **style)
ax.set(title="With DDP both ranks train as one process would", xlabel="step")
ax.set(ylabel="distance from one process (norm)", xticks=range(0, 21, 4))
ax.legend()
plt.show()

# %%
# Learn more
# ----------
#
# - Save from several processes:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Share the optimizer's memory:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
# - Name groups of processes: :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
