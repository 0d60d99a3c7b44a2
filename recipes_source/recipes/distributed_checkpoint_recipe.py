# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed", "Saving and loading"]
# after = ["ddp_two_processes", "saving_and_loading_a_general_checkpoint"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "FSDP checkpoint", "fully_shard", "sharded state dict", "save in parallel",
#   "resume with another number of GPUs", "resharding", "torch.distributed.checkpoint",
# ]
# ///
"""
Getting Started with Distributed Checkpoint (DCP)
=================================================

Save a model that two processes hold in parts, and resume its training in one.

Why it matters: when each process holds a part of the model, one file per process fits
only as many processes as saved it. Gathering the whole model first works anywhere, but
needs the memory and disk that dividing it was to save.
"""

# %%
# What the processes share
# ------------------------
#
# A file with a model, Adam, data, and a training loop. ``divide`` splits the model.

SETTING = """
import torch
from torch import nn

def start(divide=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 1023), nn.Tanh(), nn.Linear(1023, 64)).double()
    if divide:
        divide(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, targets = torch.randn(2, 10, 16, 64, dtype=torch.float64)  # 10 batches
    return model, optimizer, inputs, targets
"""

# %%

import tempfile
from pathlib import Path

SETTING += """
def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()
"""
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
_ = Path(folder, "checkpoint_setting.py").write_text(SETTING)

# %%
# What each process does
# ----------------------
#
# :func:`~torch.distributed.fsdp.fully_shard` leaves every rank, as processes are called
# here, about half the rows of each parameter. Each rank trains on its half of five
# batches. On GPUs, write ``"cuda"`` for ``"cpu"``, and move the batches there.

WORKER = """
import gc
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from checkpoint_setting import start, train

mesh = init_device_mesh("cpu", (2,))
rank = dist.get_rank()
model, optimizer, inputs, targets = start(lambda model: fully_shard(model, mesh=mesh))
train(model, optimizer, inputs[:5, rank::2], targets[:5, rank::2])
"""

# %%
# Then it saves in three ways:
#
# - its own part of the model, with :func:`torch.save`;
# - the whole state of model and optimizer, gathered first;
# - that state with DCP: all ranks call ``save`` together, each writes its part, and a
#   metadata file tells where each part belongs.
#
# ``get_state_dict`` gives the optimizer's state under the parameters' names, which are
# the same in any number of processes.

WORKER += """
part = {name: tensor.to_local() for name, tensor in model.state_dict().items()}
torch.save(part, f"part{rank}.pt")
whole = StateDictOptions(full_state_dict=True)
torch.save(get_state_dict(model, optimizer, options=whole), f"whole{rank}.pt")
weights, moments = get_state_dict(model, optimizer)
dcp.save({"model": weights, "optim": moments}, checkpoint_id="checkpoint")
del model, optimizer
gc.collect()  # free the models before their group
dist.destroy_process_group()
"""
_ = Path(folder, "worker.py").write_text(WORKER)

# %%
# Start two processes
# -------------------
#
# ``torchrun``, here as a module, starts the worker twice. On Windows, it needs WSL.

import os
import subprocess
import sys

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "--log-dir=logs"]
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
pipe = {"capture_output": True, "text": True, "timeout": 100}
done = subprocess.run([*command, "worker.py"], cwd=folder, env=one_thread, **pipe)
assert done.returncode == 0, done.stderr[-9000:]

# %%
# Parts do not fit, wholes are too large
# --------------------------------------
#
# This process belongs to no group, and holds the whole model. A rank's own file does
# not fit it.

sys.path.insert(0, temporary.name)
import torch
from checkpoint_setting import start, train

model, optimizer, inputs, targets = start()
try:
    model.load_state_dict(torch.load(folder / "part0.pt"))
except RuntimeError as error:
    mismatch = str(error).splitlines()[1].strip()
    print(mismatch.replace(", the", ",\n  the"))

# %%
# The gathered files hold everything, but once for each rank. If only rank 0 wrote its
# file, the disk would be spared, but not the memory of rank 0.

# for each weight, three numbers of 8 bytes: itself and Adam's two
one_copy = 24 * sum(weight.numel() for weight in model.parameters())
print(f"one copy:          {one_copy / 1e6:.1f} MB")
path = folder / "checkpoint"
written = {}
for way, files in [("gathered", folder.glob("whole*")), ("DCP", path.iterdir())]:
    written[way] = sum(file.stat().st_size for file in files)
    print(f"{way + ', on disk:':18} {written[way] / 1e6:.1f} MB")
assert written["gathered"] > 2 * one_copy and written["DCP"] < 1.1 * one_copy

# %%
# Load in another number of processes
# -----------------------------------
#
# A DCP checkpoint describes whole tensors, whoever wrote their parts. Make the model
# and the optimizer as you want them *here*, divided or not. ``get_state_dict`` also
# makes Adam's tensors, which a new Adam lacks; ``load`` fills all tensors in place, and
# ``set_state_dict`` hands them to both. Compare with a run in one process on whole
# batches: after five batches, and after five more in both.

import warnings

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

# load warns that there is one process, as is meant here
warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
train(model, optimizer, inputs[:5], targets[:5])
resumed, loaded, *_ = start()
weights, moments = get_state_dict(resumed, loaded)
dcp.load({"model": weights, "optim": moments}, checkpoint_id=path)
_ = set_state_dict(resumed, loaded, model_state_dict=weights, optim_state_dict=moments)

# %%


def apart(one, other):
    weights = torch.nn.utils.parameters_to_vector(one.parameters())
    others = torch.nn.utils.parameters_to_vector(other.parameters())
    return (weights - others).norm().item()


exact = {"rtol": 0, "atol": 1e-10}
print(f"untrained: {apart(start()[0], model):.2f} from one process")
print(f"loaded:    {apart(resumed, model):.2f} from one process")
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

entries = dcp.FileSystemReader(path).read_metadata()
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
# Together they hold the model and the optimizer once:

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.bar(list(written), [size / 1e6 for size in written.values()], width=0.5)
ax.axhline(one_copy / 1e6, color="black", linestyle="--", label="one copy")
ax.set(title="DCP writes one copy", xlabel="way to save", ylabel="on disk (MB)")
ax.legend()
plt.show()

# %%
# Pitfall: only what you ask for is loaded
# ----------------------------------------
#
# ``load`` reads the keys of the dictionary that you pass. Leave the optimizer out, and
# no error tells you: the weights are right, and Adam starts again from zero.

forgetful, fresh, *_ = start()
dcp.load({"model": forgetful.state_dict()}, checkpoint_id=path)
train(forgetful, fresh, inputs[5:], targets[5:])
far = apart(forgetful, model)
print(f"without Adam's state: {far:.2f} from the run that never stopped")
assert far > 1
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - The same in one process:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - Divide the optimizer alone:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
# - Processes in a grid: :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
