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
#   "No backend type associated with device type cpu",
# ]
# ///
"""
Train in two processes with DistributedDataParallel
===================================================

Split each batch over two processes, and check that they train as one process would.

Why it matters: processes that train on different data drift apart, and you end up with
several half-trained models instead of one. Averaging the gradients prevents that, if
every process takes part in every average. Each needs its own part of the data, too.
"""

# %%
# A model, data and a loop
# ------------------------
#
# Numbers are float64, to tell mistakes from rounding. ``set_epoch`` belongs to the
# sampler below: without it, every epoch comes in the same order.

import contextlib
import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

# %%


def make(dtype=torch.float64):
    torch.manual_seed(0)
    inputs, targets = torch.randn(2, 64, 8, dtype=torch.float64).to(dtype)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)).to(dtype)
    return model, TensorDataset(inputs, targets)


def fit(model, optimizer, loader, device, epochs=5):
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for inputs, targets in loader:
            outputs = model(inputs.to(device, non_blocking=True))
            loss = nn.functional.mse_loss(outputs, targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# %%
# What each process does
# ----------------------
#
# Every process runs the same code. The *rank* is the number of the process.
# :class:`~torch.utils.data.DistributedSampler` gives each rank a different part of the
# shuffled data. Each rank trains twice: a plain model, then a model wrapped in
# :class:`~torch.nn.parallel.DistributedDataParallel` (DDP), which averages the
# gradients of all ranks during ``backward()``.


def record(optimizer):  # the weights after each step
    path, weights = [], optimizer.param_groups[0]["params"]

    def note(*_):
        path.append(nn.utils.parameters_to_vector(weights).detach())

    optimizer.register_step_post_hook(note)
    return path


# %%


def compare(found):
    for name in ("plain", "DDP"):
        model, data = make()
        loader = DataLoader(data, batch_size=8, sampler=DistributedSampler(data))
        wrapped = DistributedDataParallel(model) if name == "DDP" else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        found[name] = record(optimizer)
        fit(wrapped, optimizer, loader, torch.device("cpu"))


# %%
# With GPUs, each process takes GPU number ``LOCAL_RANK``, which ``torchrun`` sets. With
# too few GPUs, all processes take the CPU, and say so.


def own_device():  # one GPU for each process of this machine, or the CPU for all
    device = torch.device("cpu")
    if torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    print("training on", device)
    return device


# %%
# ``accumulate`` adds up the gradients of the four batches of an epoch. Inside
# :meth:`~torch.nn.parallel.DistributedDataParallel.no_sync` DDP averages nothing. A
# hook, which DDP calls to average a bucket of gradients, counts the averages.


def average_and_count(calls, bucket):  # all gradients of this model fit in one bucket
    calls.append(1)
    future = dist.all_reduce(bucket.buffer().div_(2), async_op=True).get_future()
    return future.then(lambda done: done.value()[0])


def accumulate(found, name, quiet):
    model, data = make()
    wrapped, calls = DistributedDataParallel(model), []
    wrapped.register_comm_hook(calls, average_and_count)
    loader = DataLoader(data, batch_size=8, sampler=DistributedSampler(data))
    for i, (inputs, targets) in enumerate(loader, 1):
        with wrapped.no_sync() if quiet and i < 4 else contextlib.nullcontext():
            (nn.functional.mse_loss(wrapped(inputs), targets) / 4).backward()
    found[name] = len(calls), model[0].weight.grad


# %%
# ``init_process_group`` lets the ranks find each other. Name the backend: without a
# name, a machine with a GPU gets NCCL alone, which refuses tensors of the CPU. A model
# that outlives the group keeps the group's threads alive, which can abort Python's
# exit. So the script destroys the group after the function, when ``gc.collect()`` can
# free the models.


def study():
    dist.init_process_group("gloo")  # for the CPU; NCCL is for NVIDIA's GPUs
    found = {}
    compare(found)
    accumulate(found, "every piece", quiet=False)
    accumulate(found, "last piece", quiet=True)
    torch.save(found, f"rank{dist.get_rank()}.pt")


# %%
# Start two processes
# -------------------
#
# ``torchrun`` starts a file twice, here one with the functions above, and tells each
# process its rank in environment variables. In a terminal you type:
#
# .. code-block:: sh
#
#    torchrun --standalone --nproc-per-node=2 train.py
#
# On Windows, type it in WSL: PyTorch for Windows is built without libuv, which
# ``torchrun`` needs.

# torch.distributed.nn before there is a group: its functions take it as a default
imports = """import contextlib, gc, os, torch
import torch.distributed as dist, torch.distributed.nn
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
"""
folder = tempfile.TemporaryDirectory()

# %%


def torchrun(*functions):
    sources = [inspect.getsource(function) for function in functions]
    guard = f'if __name__ == "__main__":\n    {functions[-1].__name__}()\n'
    end = "    gc.collect()\n    dist.destroy_process_group()\n"
    script = "\n\n".join([imports, *sources, guard + end])
    Path(folder.name, "train.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--local-addr=127.0.0.1", "--log-dir=logs"]
    command.append("train.py")
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
    pipe = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder.name, env=env, **pipe)
    assert done.returncode == 0, done.stderr


# %%

torchrun(make, fit, record, compare, average_and_count, accumulate, study)
ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in (0, 1)]
paths = {}
for name in ("plain", "DDP"):
    paths[name] = [torch.stack(found[name]) for found in ranks]

# %%
# Proof: as one process with whole batches
# ----------------------------------------
#
# This process trains without DDP, on batches of 16: what both ranks get together.
# The mean of the gradients of two equal halves is the gradient of the whole batch.

trained, data = make()
sampler = DistributedSampler(data, num_replicas=1, rank=0)
optimizer = torch.optim.AdamW(trained.parameters(), lr=0.01)
whole = record(optimizer)
loader = DataLoader(data, batch_size=16, sampler=sampler)
fit(trained, optimizer, loader, torch.device("cpu"))
whole = torch.stack(whole)
for name, (one, other) in paths.items():
    far = [(path[-1] - whole[-1]).norm() for path in (one, other)]
    print(f"{name:5} {(one[-1] - other[-1]).norm():.3f} from each other,", end=" ")
    print(f"{far[0]:.3f} and {far[1]:.3f} from one process")
    assert min(far) > 1e-3 or name == "DDP"
for path in paths["DDP"]:
    torch.testing.assert_close(path, whole, rtol=0, atol=1e-10)

# %%

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for name, color, marks in [("plain", "tab:orange", "^v"), ("DDP", "tab:blue", "ox")]:
    for rank, mark in enumerate(marks):
        far = (paths[name][rank] - whole).norm(dim=1)
        style = {"color": color, "marker": mark, "fillstyle": "none", "linestyle": ":"}
        ax.plot(range(1, 21), far, label=f"{name}, rank {rank}", **style)
ax.set(title="With DDP both ranks train as one process would", xlabel="step")
ax.set(ylabel="distance from one process (norm)", xticks=range(0, 21, 4))
ax.legend()
plt.show()

# %%
# When it is not so
# -----------------
#
# The equality needs parts of equal size, and a loss that divides by the same number on
# each rank. With ``ignore_index`` or class weights, the numbers differ.
# ``DistributedSampler`` makes the parts equal: if the number does not divide, it
# repeats samples, without a message, and a metric counts these twice. Batch
# normalization still sees the batch of one rank: on GPUs, call
# ``nn.SyncBatchNorm.convert_sync_batchnorm(model)`` before you wrap the model. Dropout
# draws other masks. And while you :ref:`accumulate
# <sphx_glr_recipes_recipes_gradient_accumulation.py>` gradients, only the last piece
# needs an average.

model, data = make()
loss = nn.functional.mse_loss(model(data.tensors[0]), data.tensors[1])
loss.backward()
for name, expected in [("every piece", 4), ("last piece", 1)]:
    count, gradient = ranks[0][name]
    print(f"averaged at {name}: {count} time(s), norm {gradient.norm():.4f}")
    torch.testing.assert_close(gradient, model[0].weight.grad)
    assert count == expected
print(f"whole data set, one process: norm {model[0].weight.grad.norm():.4f}")
parts = [list(DistributedSampler(range(63), num_replicas=2, rank=r)) for r in (0, 1)]
print("63 samples become", len(parts[0]) + len(parts[1]))
assert len(parts[0]) == len(parts[1]) == 32 and {*parts[0], *parts[1]} == {*range(63)}

# %%
# In your project
# ---------------
#
# Take along ``own_device``, and import ``gc`` and ``os``. Three more changes:
#
# - *Data.* ``batch_size`` is for one process: to train as before, divide yours by the
#   number of processes. Remove ``shuffle=True``: the sampler shuffles. Call
#   ``sampler.set_epoch(epoch)`` in your loop.
# - *Seeds.* The wrapper gives all ranks the weights of rank 0. After it, call
#   ``torch.manual_seed(dist.get_rank())``, or ranks may draw the same dropout masks.
# - *Rank 0.* Print and save there only. Save ``model``: in the dictionary of
#   ``DistributedDataParallel(model)``, all names begin with ``module.``. If rank 0
#   evaluates alone, call ``model``, not the wrapper. For a mean, every rank calls
#   ``dist.all_reduce``, which adds up: divide by ``dist.get_world_size()``.
#
# The file ends in a guard:
#
# .. code-block:: python
#
#    if __name__ == "__main__":
#        main()
#        gc.collect()
#        dist.destroy_process_group()


def main():
    device = own_device()
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    model, data = make(torch.float32)
    sampler, pin = DistributedSampler(data), device.type == "cuda"  # new: the sampler
    loader = DataLoader(data, batch_size=8, sampler=sampler, pin_memory=pin)
    optimizer = torch.optim.AdamW(model.to(device).parameters(), lr=0.01)
    fit(DistributedDataParallel(model), optimizer, loader, device)  # new: the wrapper
    if dist.get_rank() == 0:
        torch.save(model.state_dict(), "model.pt")


# %%
# Check these lines
# -----------------
#
# The saved model must be the model that one process trains on whole batches.

torchrun(make, fit, own_device, main)
saved = torch.load(Path(folder.name, "model.pt"), map_location="cpu")
trained, data = make(torch.float32)
sampler = DistributedSampler(data, num_replicas=1, rank=0)
optimizer = torch.optim.AdamW(trained.parameters(), lr=0.01)
loader = DataLoader(data, batch_size=16, sampler=sampler)
fit(trained, optimizer, loader, torch.device("cpu"))
torch.testing.assert_close(saved, trained.state_dict(), rtol=0, atol=1e-4)
print("equal to the model of one process:", *saved)
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Save from several processes:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Share the optimizer's memory:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
# - Parameters that a rank does not use:
#   :ref:`sphx_glr_recipes_recipes_error_ddp_unused_parameters.py`
# - Models too large for one GPU:
#   :ref:`sphx_glr_recipes_recipes_fully_sharded_data_parallel.py`
