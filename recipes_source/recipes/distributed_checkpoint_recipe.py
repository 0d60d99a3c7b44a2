# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed", "Saving and loading"]
# after = ["ddp_two_processes", "saving_and_loading_a_general_checkpoint"]
# timeout = 240
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "FSDP checkpoint", "fully_shard", "sharded state dict", "save in parallel",
#   "resume with another number of GPUs", "resharding", "torch.distributed.checkpoint",
#   "dcp_to_torch_save", "convert a sharded checkpoint to one file",
# ]
# ///
"""
Getting started with Distributed Checkpoint (DCP)
=================================================

Save a model that two processes hold in parts, and resume its training in one.

Why it matters: when each process holds a part of the model, one file per process fits
only as many processes as saved it. Gathering the whole model first works anywhere, but
then every process holds a whole copy; with ``cpu_offload=True``, only the first does,
on the CPU.
"""

# %%
# A divided model, data and a loop
# --------------------------------
#
# :func:`~torch.distributed.fsdp.fully_shard` leaves every process about half the rows
# of each parameter: layer by layer, then what is left of the model.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

# %%


def start(mesh=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 1023), nn.Tanh(), nn.Linear(1023, 64)).double()
    for part in (*model, model) if mesh else ():
        if list(part.parameters()):
            fully_shard(part, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, targets = torch.randn(2, 10, 16, 64, dtype=torch.float64)  # 10 batches
    return model, optimizer, inputs, targets


def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()


# %%
# Save and load
# -------------
#
# ``get_state_dict`` gives the state of the optimizer under the names of the parameters,
# which are the same in any number of processes. It also makes a new Adam's tensors, but
# only while no weight has a gradient. ``dcp.load`` fills all tensors in place, and
# ``set_state_dict`` hands them to model and optimizer.


def state_of(model, optimizer):
    weights, moments = states.get_state_dict(model, optimizer)
    return {"model": weights, "optim": moments}


def load(model, optimizer, path):
    optimizer.zero_grad()  # or a new Adam stays empty, without a message
    state = state_of(model, optimizer)
    dcp.load(state, checkpoint_id=path)
    parts = {"model_state_dict": state["model"], "optim_state_dict": state["optim"]}
    states.set_state_dict(model, optimizer, **parts)


# %%
# What each process does
# ----------------------
#
# The *rank* is the number of a process. Each rank trains on its half of five batches.
# Then it saves in three ways:
#
# - its part of the model, with :func:`torch.save`;
# - the whole state of model and optimizer, gathered on rank 0;
# - that state with DCP: all ranks call ``save`` together, each writes its part, and a
#   metadata file tells where each part belongs.


def count(state):  # bytes of all tensors that this process holds
    if isinstance(state, dict):
        return sum(map(count, state.values()))
    local = state.to_local() if hasattr(state, "to_local") else state
    return local.nbytes if isinstance(local, torch.Tensor) else 0


# %%


def study():
    dist.init_process_group("gloo")
    mesh, rank = init_device_mesh("cpu", (2,)), dist.get_rank()
    model, optimizer, inputs, targets = start(mesh)
    train(model, optimizer, inputs[:5, rank::2], targets[:5, rank::2])
    part = {name: value.to_local() for name, value in model.state_dict().items()}
    torch.save(part, f"part{rank}.pt")
    gather = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    whole = states.get_state_dict(model, optimizer, options=gather)
    whole = dict(zip(("model", "optim"), whole, strict=True))
    held = count(whole), count(state_of(model, optimizer))
    torch.save(held, f"held{rank}.pt")
    dcp.save(state_of(model, optimizer), checkpoint_id="checkpoint")


# %%
# Start two processes
# -------------------
#
# ``torchrun`` starts a file with the functions above for each process. You type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL.
# ``gc.collect()`` frees the models before their group goes.

imports = """import gc, os, time, torch
from pathlib import Path
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
"""
end = "\ngc.collect()\ndist.destroy_process_group()\n"
end += "time.sleep(1)  # gloo's threads let go of their tensors\n"
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%


def torchrun(*functions, processes=2):
    sources = [inspect.getsource(function) for function in functions]
    script = "\n\n".join([imports, *sources, f"{functions[-1].__name__}()", end])
    Path(folder, "train.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "--local-addr=127.0.0.1"]
    command += ["--log-dir=logs", "train.py"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
    pipe = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder, env=env, **pipe)
    assert done.returncode == 0, done.stderr


torchrun(start, train, state_of, count, study)

# %%
# Parts do not fit, a whole fills one process
# -------------------------------------------
#
# This process belongs to no group, and holds the whole model. The file of one rank
# does not fit it.

model, optimizer, inputs, targets = start()
try:
    model.load_state_dict(torch.load(folder / "part0.pt"))
    refused = False
except RuntimeError as error:
    refused = True
    print(error)
assert refused

# %%
# Gathering makes rank 0 hold the whole model and Adam's two numbers for each weight,
# beside its part. For DCP each rank holds its part alone.

# for each weight, three numbers of 8 bytes: the weight and Adam's two
one_copy = 24 * sum(weight.numel() for weight in model.parameters())
held = [torch.load(folder / f"held{rank}.pt") for rank in (0, 1)]
print(f"one copy: {one_copy / 1e6:.1f} MB")
for rank, (gathered, own) in enumerate(held):
    print(f"rank {rank}: {gathered / 1e6:.1f} MB gathered, {own / 1e6:.1f} MB for DCP")
assert held[0][0] > 0.99 * one_copy > 1.9 * held[0][1] and held[1][0] == 0
written = sum(file.stat().st_size for file in (folder / "checkpoint").iterdir())
print(f"checkpoint on disk: {written / 1e6:.1f} MB")
assert written < 1.1 * one_copy

# %%
# Load in another number of processes
# -----------------------------------
#
# A DCP checkpoint describes whole tensors, whoever wrote their parts. Make the model
# and the optimizer as you want them *here*, divided or not. Compare with a run in one
# process on whole batches: after five batches, and after five more in both.

import warnings

# load warns that there is one process, as is meant here
warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
train(model, optimizer, inputs[:5], targets[:5])
resumed, loaded, *_ = start()
load(resumed, loaded, folder / "checkpoint")

# %%


def apart(one, other):
    weights = torch.nn.utils.parameters_to_vector(one.parameters())
    others = torch.nn.utils.parameters_to_vector(other.parameters())
    return (weights - others).norm().item()


exact = {"rtol": 0, "atol": 1e-10}
print(f"untrained: {apart(start()[0], model):.2f} from one process")
print(f"loaded:    {apart(resumed, model):.2f} from one process")
assert apart(start()[0], model) > 1
torch.testing.assert_close(resumed.state_dict(), model.state_dict(), **exact)
train(model, optimizer, inputs[5:], targets[5:])
train(resumed, loaded, inputs[5:], targets[5:])
print(f"resumed:   {apart(resumed, model):.2f} from one that never stopped")
torch.testing.assert_close(resumed.state_dict(), model.state_dict(), **exact)

# %%
# Who wrote what
# --------------
#
# The checkpoint's metadata say which file holds which rows of each tensor.

import matplotlib.pyplot as plt

entries = dcp.FileSystemReader(folder / "checkpoint").read_metadata()
looks = {"__0_0.distcp": ("tab:blue", ""), "__1_0.distcp": ("tab:orange", "//")}
fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
for part, place in entries.storage_data.items():
    if part.fqn.startswith("model."):
        tensor = entries.state_dict_metadata[part.fqn]
        start_row = 100 * part.offset[0] / tensor.size[0]
        rows = 100 * tensor.chunks[part.index].sizes[0] / tensor.size[0]
        color, hatch = looks[place.relative_path]
        ax.barh(part.fqn, rows, left=start_row, color=color, hatch=hatch)
ax.set(title="Files of rank 0 (plain) and 1 (hatched)", ylabel="tensor")
ax.set_xlabel("rows of the tensor (%)")
plt.show()

# %%
# Pitfall: only what you ask for is loaded
# ----------------------------------------
#
# ``dcp.load`` reads the keys of the dictionary that you pass. Leave the optimizer out,
# and no error tells you: the weights are right, and Adam starts again from zero.

forgetful, fresh, *_ = start()
dcp.load({"model": forgetful.state_dict()}, checkpoint_id=folder / "checkpoint")
train(forgetful, fresh, inputs[5:], targets[5:])
far = apart(forgetful, model)
print(f"without Adam's state: {far:.2f} from the run that never stopped")
assert far > 1

# %%
# In your project
# ---------------
#
# Each save makes a new folder: a crash while saving leaves the last one whole. DCP
# writes ``.metadata`` last, so a folder that has it is complete. This file is a pickle:
# load only folders that you trust. Several machines need a shared disk. Save a
# scheduler's ``state_dict()`` under another key, load it with the rest, and call the
# scheduler's ``load_state_dict``. The place in the data is not saved: here, each start
# begins with the first batch.
#
# With fewer GPUs than processes, all take the CPU, without a message. Name both
# backends: without names, a machine with a GPU gets NCCL alone, which
# ``dcp.async_save`` refuses.


def main():
    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    kind = "cuda" if torch.cuda.device_count() >= local else "cpu"
    dist.init_process_group("gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl")
    model, optimizer, *data = start(init_device_mesh(kind, (world,)))
    done = sorted(Path("checkpoints").glob("step*/.metadata"))
    if done:
        load(model, optimizer, done[-1].parent)  # new: in any number of processes
    train(model, optimizer, *(t[:, dist.get_rank() :: world].to(kind) for t in data))
    last = int(done[-1].parent.name[4:]) if done else 0  # old folders may be gone
    path = f"checkpoints/step{last + len(data[0]):09}"
    dcp.save(state_of(model, optimizer), checkpoint_id=path)  # new


# %%
# Check these lines
# -----------------
#
# Two processes train and save, then one process goes on. As one file, the last
# checkpoint fits a plain model, which must equal one process that trained twice on all
# batches. (``Stateful``, a protocol of DCP, can wrap ``get_state_dict`` and
# ``set_state_dict`` in a class that ``dcp`` calls by itself.)

from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

for processes in (2, 1):
    torchrun(start, train, state_of, load, main, processes=processes)
dcp_to_torch_save(folder / "checkpoints" / "step000000020", folder / "model.pt")
one_file = torch.load(folder / "model.pt", map_location="cpu")
model, optimizer, inputs, targets = start()
for _ in range(2):
    train(model, optimizer, inputs, targets)
torch.testing.assert_close(one_file["model"], model.state_dict(), rtol=0, atol=1e-8)
print("one file, equal to one process:", *one_file["model"])
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - The same in one process:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - Save while training goes on:
#   :ref:`sphx_glr_recipes_recipes_distributed_async_checkpoint_recipe.py`
# - Divide the optimizer alone:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
# - Processes in a grid: :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
