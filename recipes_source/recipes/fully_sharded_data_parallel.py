# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["ddp_two_processes"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = ["FSDP", "FullyShardedDataParallel", "ZeRO-3", "multi-GPU", "sharding"]
# ///
"""
Divide a model over two processes with fully_shard
==================================================

Let each process hold half of the weights, gradients and optimizer state, and train.

Why it matters: with DistributedDataParallel (DDP) every process holds the whole model,
so more GPUs make no room for a larger one. ``fully_shard`` (FSDP2) divides the model.
It is the successor of ``FullyShardedDataParallel`` (FSDP1).
"""

# %%
# A model of four blocks
# ----------------------
#
# The data are float64, to tell mistakes from rounding.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

# %%


def make():
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(256, 256), nn.Tanh()) for _ in range(4)]
    inputs, targets = torch.randn(2, 5, 16, 256, dtype=torch.float64)  # 5 batches
    return nn.Sequential(*blocks).double(), inputs, targets


def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()


# %%
# Divide block by block
# ---------------------
#
# :func:`~torch.distributed.fsdp.fully_shard` deals out the rows of each parameter. To
# compute a block, every process collects the rows of this block, and drops them again.
# Divide the blocks first, then the whole model: the last call divides what is left, and
# this part stays whole from forward to backward. Modules that share a weight go in one
# call, as a list.
#
# ``gather`` collects all parts for rank 0, which saves them. (The *rank* is the number
# of a process.) All ranks must call it.


def divide(model, mesh):
    for block in model:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def gather(model):
    options = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    return states.get_model_state_dict(model, options=options)


# %%
# In your project
# ---------------
#
# - In ``divide``, loop over the blocks of your model, such as ``model.layers``.
# - Make the optimizer *after* you divide: the parameters are new.
# - Each rank needs its own part of the data. Pass a ``DistributedSampler`` to a
#   ``DataLoader``.
# - Name the backend of each device. Without a name, a machine with a GPU gets NCCL
#   alone, which refuses tensors of the CPU.
# - With fewer GPUs than processes, all take the CPU, without a message.
# - On GPUs, you can pass
#   ``mp_policy=MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32)`` to
#   both calls of ``fully_shard``. Import it from ``torch.distributed.fsdp``. Without
#   ``reduce_dtype``, the gradients are added up in bfloat16, too.
# - Call ``main()``, then end your script with the last three lines of ``end`` below.


def main():
    gpus = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
    mesh = init_device_mesh("cuda" if gpus else "cpu", (dist.get_world_size(),))
    model, inputs, targets = make()
    model = divide(model, mesh)  # new; from here on, on the device of this rank
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    device, part = mesh.device_type, slice(mesh.get_rank(), None, mesh.size())
    train(model, optimizer, inputs[:, part].to(device), targets[:, part].to(device))
    weights = gather(model)  # new; on every rank
    if mesh.get_rank() == 0:
        torch.save(weights, "model.pt")


# %%
# The study
# ---------
#
# ``held`` counts the numbers that a rank keeps: weights, gradients, and Adam's two for
# each weight. ``undivided`` counts whole weights, here whenever a block starts. A
# divided tensor has ``to_local()``, the part of this rank.


def held(model, optimizer):
    tensors = [*model.parameters(), *(weight.grad for weight in model.parameters())]
    for state in optimizer.state.values():
        tensors += [state["exp_avg"], state["exp_avg_sq"]]
    return sum(getattr(t, "to_local", lambda t=t: t)().numel() for t in tensors)


def undivided(model):
    return sum(w.numel() for w in model.parameters() if not hasattr(w, "to_local"))


# %%
# A rank trains on its half of each batch.


def study(way):
    mesh, rank, sizes = init_device_mesh("cpu", (2,)), dist.get_rank(), []
    model, inputs, targets = make()
    for block in model:
        block.register_forward_pre_hook(lambda *_: sizes.append(undivided(model)))
    if way == "DDP":
        wrapped = nn.parallel.DistributedDataParallel(model)
    else:
        divide_it = divide if way == "block by block" else fully_shard
        wrapped = divide_it(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    train(wrapped, optimizer, inputs[:, rank::2], targets[:, rank::2])
    kept, whole = held(model, optimizer), max(sizes)
    return {"kept": kept, "whole": whole, "weights": gather(model)}


# %%
# ``torchrun`` starts a file, made of these functions, once for each process. You type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL. The pause at
# the end: Python can abort if a thread of gloo frees a tensor while Python ends.

start = """import gc, os, time, torch, torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard"""
end = """main()
found = {way: study(way) for way in ("DDP", "whole model", "block by block")}
torch.save(found, f"rank{dist.get_rank()}.pt")
gc.collect()
dist.destroy_process_group()
time.sleep(1)  # gloo's threads let go of their tensors"""
functions = [make, train, divide, gather, main, held, undivided, study]
functions = map(inspect.getsource, functions)

# %%

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += "--nproc-per-node=2 --local-addr=127.0.0.1 --log-dir=logs train.py".split()
env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "train.py").write_text("\n\n".join([start, *functions, end]))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ranks = [torch.load(Path(folder, f"rank{rank}.pt")) for rank in (0, 1)]
    project = torch.load(Path(folder, "model.pt"))

# %%
# Proof: half is kept, the same weights
# -------------------------------------
#
# One process trains on whole batches, and divides nothing.

model, inputs, targets = make()
train(model, torch.optim.AdamW(model.parameters(), lr=0.01), inputs, targets)
truth = model.state_dict()


def distance(weights):
    return max((weights[name] - truth[name]).abs().max().item() for name in truth)


count = sum(weight.numel() for weight in truth.values())
print(f"{'':14}  kept  whole weights  from one process")
for way, found in ranks[0].items():
    kept, far = found["kept"] / (4 * count), distance(found["weights"])
    print(f"{way:14}  {kept:4.0%}  {found['whole'] / count:13.0%}  {far:16.3f}")
    assert kept == ranks[1][way]["kept"] / (4 * count) == (1 if way == "DDP" else 0.5)
    assert found["whole"] == count / (4 if way == "block by block" else 1)
    assert far < 1e-10
print(f"in your project: {distance(project):.3f} from one process")
assert distance(project) < 1e-6

# %%
# ``fully_shard`` on the whole model alone keeps half, too, but collects all weights at
# once. Block by block, only one block is whole while it computes. On a GPU, the next
# block may arrive meanwhile: plan for two.
#
# When it is not so
# -----------------
#
# A model that fits trains with less traffic under DDP: ``fully_shard`` collects each
# block in the forward, and again in the backward.
#
# Whole rows are dealt out, so of an odd number, one rank gets one more. A parameter of
# shape ``()`` is refused: give it shape ``(1,)``. Each process first builds the whole
# model in its memory. For a huge model, see ``torch.device("meta")`` and ``to_empty``.
# Activations are not divided: each rank keeps them for its part of the batch. Only a
# call of a divided module collects rows. If you call another method than its
# ``forward``, name it with ``register_fsdp_forward_method``.
#
# Learn more
# ----------
#
# - Save without collecting, and resume:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - A loader for each rank: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - Divide and copy: :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
