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

Arrange processes in a grid, and let each talk to its own row or column alone.

Why it matters: dividing a model *and* its data takes two kinds of groups: processes
that hold the same part of the model, and processes that see the same data. Talk to the
wrong ones, and gradients of different weights are averaged, without an error.
"""

# %%
# A model and data to divide
# --------------------------
#
# Four processes: the data are divided in two, and so are the rows of one weight. The
# loss is a sum over the outputs and a mean over the samples.

import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
SETTING = """
import torch

def start():
    torch.manual_seed(0)
    inputs, targets = torch.randn(8, 6).double(), torch.randn(8, 4).double()
    return torch.randn(4, 6).double(), inputs, targets

def gradient_of(weight, inputs, targets):
    weight = weight.clone().requires_grad_()
    (inputs @ weight.T - targets).square().sum(dim=1).mean().backward()
    return weight.grad
"""
_ = Path(folder.name, "mesh_setting.py").write_text(SETTING)

# %%
# One line instead of many groups
# -------------------------------
#
# By hand, you would call :func:`torch.distributed.new_group` four times, on every rank
# (as processes are called here) and in the same order. A mesh with names does it in one
# line. Then each rank adds up 10 to the power of its rank, over everyone and along each
# dimension: the sum's digits show who took part. With GPUs, use ``"cuda"`` throughout.

WORKER = """
import os
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from mesh_setting import gradient_of, start

mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "model"))
groups = {name: mesh[name].get_group() for name in ("data", "model")}
groups["everyone"] = dist.group.WORLD
found = {"place": mesh.get_coordinate()}
for name, group in groups.items():
    found[name] = torch.tensor(10 ** dist.get_rank())
    dist.all_reduce(found[name], group=group)
"""

# %%
# Next, each rank takes its part of the weight and of the data, by its coordinates, and
# averages its gradient over everyone, or over the ``"data"`` dimension.

WORKER += """
data_place, model_place = mesh.get_coordinate()
rows = slice(2 * model_place, 2 * model_place + 2)
samples = slice(4 * data_place, 4 * data_place + 4)
weight, inputs, targets = start()
for name in ("everyone", "data"):
    gradient = gradient_of(weight[rows], inputs[samples], targets[samples, rows])
    dist.all_reduce(gradient, group=groups[name])  # a sum
    found[f"{name} gradient"] = gradient / dist.get_world_size(groups[name])
found["sizes"] = mesh.size(), mesh["data"].size()
torch.save(found, f"rank{dist.get_rank()}.pt")
dist.destroy_process_group()
os._exit(0)  # all is saved; gloo's threads can abort Python's normal exit
"""
_ = Path(folder.name, "worker.py").write_text(WORKER)

# %%
# Start four processes
# --------------------
#
# ``torchrun``, here as a module, starts four workers. On Windows, it needs WSL.

import os
import subprocess
import sys

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=4", "--log-dir=logs"]
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
pipe = {"capture_output": True, "text": True, "timeout": 150}
done = subprocess.run([*command, "worker.py"], cwd=folder.name, env=one_thread, **pipe)
assert done.returncode == 0, done.stderr[-9000:]

# %%
# Work out by hand what should come out. The grid is filled row by row: ranks 0 and 1
# are the first row, 2 and 3 the second. Ranks 0 and 2 differ in the ``"data"``
# coordinate only, so along that dimension they have to find 1 + 100 = 101.

sys.path.insert(0, folder.name)
import torch
from mesh_setting import gradient_of, start

ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in range(4)]
print("rank  (data, model)  along data  along model  everyone")
for rank, found in enumerate(ranks):
    sums = f"{found['data']:10}  {found['model']:11}  {found['everyone']:8}"
    print(f"{rank:4}  {found['place']!s:13}  {sums}")
assert [found["data"] for found in ranks] == [101, 1010, 101, 1010]
assert [found["model"] for found in ranks] == [11, 11, 1100, 1100]

# %%
# The right group gives the right gradient
# ----------------------------------------
#
# Here, one process works out the gradient of the whole weight from all the data. Each
# rank's average should be its rows of that.

whole = gradient_of(*start())
errors = {}
for name in ("everyone", "data"):
    errors[name] = []
    for found in ranks:
        part = whole[:2] if found["place"][1] == 0 else whole[2:]
        difference = found[f"{name} gradient"] - part
        errors[name].append((difference.norm() / part.norm()).item())
    off = ", ".join(f"{error:.0%}" for error in errors[name])
    print(f"averaged over {name + ':':9} ranks 0 to 3 are {off} off")
assert max(errors["data"]) < 1e-12

# %%
# Pitfall: dividing by the number of processes
# --------------------------------------------
#
# The sum along a dimension has as many terms as that dimension is long, not as there
# are processes. Ask that dimension of the mesh: ``mesh["data"].size()``.

everyone, along_data = ranks[0]["sizes"]
total = along_data * ranks[0]["data gradient"]
for size in (everyone, along_data):
    ratio = (total / size).norm() / whole[:2].norm()
    print(f"divided by {size}: {ratio:.2f} times the right gradient")
torch.testing.assert_close(total / along_data, whole[:2])

# %%
# The mesh at a glance
# --------------------
#
# The group of rank 0 is white.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(6, 3.2), layout="constrained")
for ax, name in zip(axes, ("data", "model"), strict=True):
    for rank, found in enumerate(ranks):
        y, x = found["place"]
        with_rank_0 = found[name] == ranks[0][name]
        look = {"color": "white" if with_rank_0 else "silver", "edgecolor": "black"}
        ax.bar(x, height=0.9, width=0.9, bottom=y - 0.45, **look)
        ax.text(x, y, f"rank {rank}\n{found[name]}", ha="center", va="center")
    ax.set(title=f'groups along "{name}"', xlabel="model coordinate")
    ax.set(ylabel="data coordinate", xticks=[0, 1], yticks=[0, 1], ylim=(1.5, -0.5))
plt.show()

# %%
# And what the right group is worth:

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for shift, (name, look) in enumerate([("everyone", ""), ("data", "//")]):
    places = [rank + 0.4 * shift - 0.2 for rank in range(4)]
    heights = [100 * error for error in errors[name]]
    bars = ax.bar(places, heights, 0.4, hatch=look, label=f"over {name}")
    ax.bar_label(bars, fmt="%.0f")
ax.set(title="Gradients, averaged over all and over one dimension", xlabel="rank")
ax.set(ylabel="error (%)", xticks=range(4), ylim=(0, 240))
ax.legend()
plt.show()
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Data in two parts only: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - A mesh that divides a model, and how to save it:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Divide the optimizer:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
