# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["ddp_two_processes"]
# timeout = 180
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "process groups", "tensor parallel", "DTensor", "2D parallelism", "hybrid sharding",
#   "HSDP", "init_device_mesh", "new_group", "model parallelism",
# ]
# ///
"""
Getting Started with DeviceMesh
===============================

Arrange processes in a grid, and divide a model along one side and data along both.

Why it matters: a model that is too large for one GPU is divided among a few, and each
such group is repeated to train on more data. That takes many groups of processes.
Forget one of them, and the copies of the model drift apart, without an error.
"""

# %%
# A grid with names
# -----------------
#
# Four processes form a grid of two rows and two columns. By hand, that takes four calls
# of :func:`torch.distributed.new_group`, by every process and in the same order.
# ``init_device_mesh`` does it in one line.
#
# ``add_up`` shows who belongs together: each rank (the number of a process) adds up 10
# to the power of its rank, along each dimension of the mesh.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

# %%


def add_up():
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    found = {"place": mesh.get_coordinate()}
    for name in ("replicate", "shard"):
        found[name] = torch.tensor(10 ** dist.get_rank())
        dist.all_reduce(found[name], group=mesh.get_group(name))
    return found


# %%
# A model to divide
# -----------------
#
# :func:`~torch.distributed.fsdp.fully_shard` divides every parameter along ``"shard"``.
# A rank collects the rest of a layer just before it computes that layer, and drops the
# rest afterwards. Divide layer by layer first, then the whole model. A mesh of two
# dimensions adds copies: gradients are averaged along ``"replicate"``, too.
# (Hybrid sharding, HSDP.)


def make():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16)).double()
    inputs, targets = torch.randn(2, 10, 32, 16, dtype=torch.float64)  # 10 batches
    return model, inputs, targets


def divide(model, mesh):
    for layer in model:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


# %%
# ``fit`` trains one rank on its part of each batch.


def fit(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        loss = nn.functional.mse_loss(model(batch), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# %%
# See the problem: one dimension is missing
# -----------------------------------------
#
# ``compare`` trains three models. The first is divided along ``"shard"`` alone: it
# trains, and nothing is averaged between the two rows of the grid. The second gets the
# whole mesh. The third gets its optimizer too early, see the pitfall at the end. A
# rank holds its part of a weight as ``to_local()``. ``full_tensor()`` collects all
# parts.


def compare(found):
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    for name in ("shard alone", "whole mesh", "optimizer first"):
        model, inputs, targets = make()
        early = torch.optim.AdamW(model.parameters(), lr=0.01)
        divide(model, mesh["shard"] if name == "shard alone" else mesh)
        late = torch.optim.AdamW(model.parameters(), lr=0.01)
        part = slice(dist.get_rank(), None, 4)  # every fourth sample of a batch
        optimizer = early if name == "optimizer first" else late
        fit(model, optimizer, inputs[:, part], targets[:, part])
        weights = model.state_dict().items()
        held = sum(weight.to_local().numel() for _, weight in weights)
        found[name] = held, {key: weight.full_tensor() for key, weight in weights}
    torch.save(found, f"rank{dist.get_rank()}.pt")


# %%
# To save the model in one file, all ranks send their parts. Only rank 0 gets the whole:
# the other ranks get an empty dictionary.


def save_whole(model):
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(model, options=options)  # all ranks take part
    if dist.get_rank() == 0:
        torch.save(weights, "model.pt")


# %%
# In your project
# ---------------
#
# ``"shard"`` is usually one machine, whose GPUs are connected best, and ``"replicate"``
# counts the machines. ``torchrun`` sets both numbers. In a transformer, divide the
# blocks, then the model. To compute in bfloat16, give each ``fully_shard``
# ``mp_policy=MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32)``. The
# model's output is then bfloat16, too: use ``.float()`` before the loss.
#
# Seed all ranks alike before you make the model. Unlike DDP, ``fully_shard`` copies no
# weights from rank 0: each rank keeps a part of the weights that it drew. With other
# seeds, the rows of the grid stay different, and nothing is raised. After ``divide``,
# seed each rank differently, for dropout.
#
# A ``DistributedSampler`` deals the samples to all ranks, along both dimensions. Load a
# file before ``divide``. ``get_optimizer_state_dict`` collects the optimizer's state.


def main():
    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    kind = "cuda" if torch.cuda.device_count() >= local else "cpu"
    dist.init_process_group("gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl")
    shape, names = (world // local, local), ("replicate", "shard")
    mesh = init_device_mesh(kind, shape, mesh_dim_names=names)  # new
    model, inputs, targets = make()  # seeded: all ranks draw the same weights
    model = divide(model, mesh)  # new; from here on, on the GPU of this process
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)  # after dividing
    part = slice(dist.get_rank(), None, world)
    fit(model, optimizer, inputs[:, part].to(kind), targets[:, part].to(kind))
    save_whole(model)


# %%
# Start four processes
# --------------------
#
# The functions above go into a file, which ends with ``main()`` and
# ``dist.destroy_process_group()``. In a terminal, start it by
# ``torchrun --standalone --nproc-per-node=4 train.py``, on Windows in WSL.

imports = """import gc, os, time, torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
"""
ending = """main()
compare(add_up())
gc.collect()  # free the models before their groups
dist.destroy_process_group()
time.sleep(1)  # gloo's threads let go of their tensors
"""

# %%

folder = tempfile.TemporaryDirectory()
functions = [add_up, make, divide, fit, compare, save_whole, main]
sources = [inspect.getsource(function) for function in functions]
Path(folder.name, "train.py").write_text("\n\n".join([imports, *sources, ending]))
command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--nproc-per-node=4", "--local-addr=127.0.0.1", "--log-dir=logs"]
command += ["train.py"]
env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
done = subprocess.run(command, cwd=folder.name, env=env, capture_output=True, text=True)
assert done.returncode == 0, done.stderr

# %%
# Work out by hand what should come out. The grid is filled row by row: ranks 0 and 1
# are the first row, 2 and 3 the second. Ranks 0 and 2 differ in the ``"replicate"``
# coordinate only, so along that dimension they have to find 1 + 100 = 101.

ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in range(4)]
print("rank  (replicate, shard)  along replicate  along shard")
for rank, found in enumerate(ranks):
    print(f"{rank:4}  {found['place']!s:18}", end="  ")
    print(f"{found['replicate']:15}  {found['shard']:11}")
assert [found["replicate"] for found in ranks] == [101, 1010, 101, 1010]
assert [found["shard"] for found in ranks] == [11, 11, 1100, 1100]

# %%
# Proof: as one process would train
# ---------------------------------
#
# One process trains the whole model on whole batches. Both rows of the grid must
# have found the same weights, while every rank held half of them. The model that "In
# your project" saved must have the same weights, too.

alone, inputs, targets = make()
fit(alone, torch.optim.AdamW(alone.parameters(), lr=0.01), inputs, targets)


def distance(weights):
    truth = alone.state_dict()
    return max((weights[key] - truth[key]).abs().max().item() for key in truth)


size = sum(weight.numel() for weight in alone.parameters())
far = {name: [] for name in ("shard alone", "whole mesh")}
for name in far:
    for row in (0, 2):  # the first rank of each row
        held, weights = ranks[row][name]
        far[name].append(distance(weights))
        print(f"{name:11} rank {row} holds {held / size:.0%} of the weights,", end=" ")
        print(f"up to {far[name][-1]:.3f} from one process")

# %%

assert min(far["shard alone"]) > 1e-3 and max(far["whole mesh"]) < 1e-10
assert all(2 * found["whole mesh"][0] == size for found in ranks)
project = torch.load(Path(folder.name, "model.pt"))
print(f"the project's model: up to {distance(project):.3f} from one process")
assert distance(project) < 1e-10

# %%
# The mesh at a glance
# --------------------

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(6, 3.2), layout="constrained")
for ax, name in zip(axes, ("replicate", "shard"), strict=True):
    for rank, found in enumerate(ranks):
        y, x = found["place"]
        with_rank_0 = found[name] == ranks[0][name]
        look = {"color": "white" if with_rank_0 else "silver", "edgecolor": "black"}
        ax.bar(x, height=0.9, width=0.9, bottom=y - 0.45, **look)
        ax.text(x, y, f"rank {rank}\n{found[name]}", ha="center", va="center")
    groups = {"replicate": "{0, 2} and {1, 3}", "shard": "{0, 1} and {2, 3}"}
    ax.set(title=f'Groups along "{name}":\n{groups[name]}')
    ax.set(xlabel="shard coordinate", ylabel="replicate coordinate")
    ax.set(xticks=[0, 1], yticks=[0, 1], ylim=(1.5, -0.5))
plt.show()

# %%
# Pitfall: an optimizer that was made too early
# ---------------------------------------------
#
# ``fully_shard`` puts new parameters into the model. An optimizer that was made before
# holds the old ones: it raises no error, and the model stays as it began.

untrained = make()[0].state_dict()
weights = ranks[0]["optimizer first"][1]
moved = max((weights[name] - untrained[name]).abs().max() for name in untrained)
print(f"optimizer first: the weights moved by {moved:.3f}")
print(f"one process:     the weights moved by {distance(untrained):.3f}")
assert moved == 0 < distance(untrained)
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Copies alone, nothing divided: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - Divide the computation of a layer:
#   :ref:`sphx_glr_recipes_recipes_tensor_parallel.py`
# - Save a divided model without collecting it:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - API: :func:`torch.distributed.fsdp.fully_shard`
