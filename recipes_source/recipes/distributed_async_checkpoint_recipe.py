# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.13"]
# [tool.recipe]
# tags = ["Distributed", "Saving and loading"]
# after = ["distributed_checkpoint_recipe"]
# timeout = 240
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "asynchronous checkpointing", "non-blocking save", "save in the background",
#   "checkpoint without stopping training", "zero overhead checkpointing",
#   "BlockingAsyncStager", "pinned memory staging", "saving takes too long",
#   "KeyError: <class 'type'>",
# ]
# errors = ["A CPU backend must be enabled for async save"]
# ///
"""
Save a checkpoint while training goes on
========================================

Write a checkpoint in the background, with the weights of the moment you asked for it.

Why it matters: :func:`torch.distributed.checkpoint.save` returns when the last byte is
written, and training waits. Saving in a thread of yours lets training go on, and then
the file can mix weights from several steps.
"""

# %%
# A divided model, data and a loop
# --------------------------------
#
# Each of two processes holds half of the model.
# :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py` explains these lines.

import functools
import inspect
import os
import subprocess
import sys
import tempfile
import time
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
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)).double()
    if mesh:
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    inputs, targets = torch.randn(2, 10, 16, 8, dtype=torch.float64)  # 10 batches
    return model, optimizer, inputs, targets


def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()


# %%


def state_of(model, optimizer):
    weights, moments = states.get_state_dict(model, optimizer)
    return {"model": weights, "optim": moments}


def load(model, optimizer, path):
    state = state_of(model, optimizer)
    dcp.load(state, checkpoint_id=path)
    parts = {"model_state_dict": state["model"], "optim_state_dict": state["optim"]}
    states.set_state_dict(model, optimizer, **parts)


# %%
# A disk as slow as you like
# --------------------------
#
# A *planner* lays out what a process writes. This planner first waits for a file, the
# gate. So the study decides when writing begins.


def wait_and_plan(planner, gate, plan):
    while not gate.exists():
        time.sleep(0.01)
    return dcp.DefaultSavePlanner.finish_plan(planner, plan)


def behind(gate):
    planner = dcp.DefaultSavePlanner()
    planner.finish_plan = functools.partial(wait_and_plan, planner, gate)
    return planner


# %%
# Three ways to save in the background
# ------------------------------------
#
# Each way starts to save after five batches, trains on five more, and only then opens
# the gate:
#
# - ``save`` in a thread of yours;
# - ``async_save``, which *stages* the state: it copies the state to the CPU's memory,
#   returns a future, and writes the copy in a thread;
# - ``async_save``, which hands the copy to another process.
#
# Saving sends messages between the ranks (the processes), and so does training. If both
# use one group, the order of the messages can differ from rank to rank. So the
# checkpoints get a group for themselves.

from concurrent.futures import ThreadPoolExecutor

from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType

# %%


def save_and_train(way, group, model, optimizer, inputs, targets):
    train(model, optimizer, inputs[:5], targets[:5])
    gate, state = Path(f"{way}.gate"), state_of(model, optimizer)
    how = {"checkpoint_id": way, "process_group": group, "planner": behind(gate)}
    if way == "own thread":
        saving = ThreadPoolExecutor().submit(dcp.save, state, **how)
    else:
        kind = AsyncCheckpointerType(way)  # THREAD or PROCESS; THREAD is the default
        saving = dcp.async_save(state, async_checkpointer_type=kind, **how)
    train(model, optimizer, inputs[5:], targets[5:])
    assert not saving.done() and not list(Path(".").glob(f"{way}/*.distcp"))
    dist.barrier()  # no rank opens the gate before all ranks have trained
    gate.touch()
    saving.result()


# %%
# Then a fresh model loads the checkpoint, and trains on the last five batches. It must
# get the bits of the model that never stopped.


def study():
    dist.init_process_group("gloo")
    group, rank, same = dist.new_group(backend="gloo"), dist.get_rank(), {}
    mesh = init_device_mesh("cpu", (2,))
    for way in ("own thread", "thread", "process"):
        model, optimizer, inputs, targets = start(mesh)
        inputs, targets = inputs[:, rank::2], targets[:, rank::2]
        save_and_train(way, group, model, optimizer, inputs, targets)
        resumed, loaded, *_ = start(mesh)
        load(resumed, loaded, way)
        train(resumed, loaded, inputs[5:], targets[5:])
        pairs = zip(model.parameters(), resumed.parameters(), strict=True)
        same[way] = all(torch.equal(a.to_local(), b.to_local()) for a, b in pairs)
    torch.save(same, f"same{rank}.pt")


# %%
# Start two processes
# -------------------
#
# ``torchrun`` starts a file once for each process, so the functions are written to a
# file. In a terminal you type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL. The file
# needs its guard, ``if __name__``: the process that writes imports this file, too. At
# its end, ``gc.collect()`` frees the models before their group goes.

imports = """import functools, gc, os, time, torch
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
"""
end = "gc.collect()\n    dist.destroy_process_group()\n"
end += "    time.sleep(1)  # gloo's threads let go of their tensors\n"
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%


def torchrun(*functions):
    sources = [inspect.getsource(function) for function in functions]
    guard = f'if __name__ == "__main__":\n    {functions[-1].__name__}()\n    {end}'
    Path(folder, "train.py").write_text("\n\n".join([imports, *sources, guard]))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--local-addr=127.0.0.1"]
    command += ["--log-dir=logs", "train.py"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
    pipe = {"capture_output": True, "text": True}
    done = subprocess.run(command, cwd=folder, env=env, **pipe)
    assert done.returncode == 0, done.stderr


saves = (wait_and_plan, behind, save_and_train)
torchrun(start, train, state_of, load, *saves, study)

# %%
# What the checkpoints hold
# -------------------------
#
# One process trains on whole batches, and notes its weights after steps 5 and 10. All
# three saves began at step 5, but the checkpoint of your thread holds step 10.

import warnings

# load warns that there is one process, as is meant here
warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
model, optimizer, inputs, targets = start()
notes = {}
for step in (5, 10):
    train(model, optimizer, inputs[step - 5 : step], targets[step - 5 : step])
    notes[step] = nn.utils.parameters_to_vector(model.parameters()).detach()

# %%

ranks = [torch.load(folder / f"same{rank}.pt") for rank in (0, 1)]
print("saved by     to step 5   to step 10   resumed with the same bits")
for way in ("own thread", "thread", "process"):
    resumed, loaded, *_ = start()
    load(resumed, loaded, folder / way)
    weights = nn.utils.parameters_to_vector(resumed.parameters()).detach()
    far = {step: (weights - note).norm() for step, note in notes.items()}
    same = ranks[0][way] and ranks[1][way]
    print(f"{way:10} {far[5]:11.2f} {far[10]:12.2f}   {same}")
    assert far[10 if way == "own thread" else 5] < 1e-10
    assert far[5 if way == "own thread" else 10] > 0.1
    assert same == (way != "own thread")

# %%
# A thread shares the interpreter with your training. A process does not, but has to
# start and to import PyTorch, once for each rank.
#
# Pitfall: a stager that you keep
# -------------------------------
#
# ``async_save`` makes a stager for each call, which copies into new memory while you
# wait. A ``DefaultStager`` that you keep uses its memory again, and makes the copy in a
# thread. The call then returns an ``AsyncSaveResponse``, with a future for each part:
#
# - the copy must be complete before ``optimizer.step()`` changes the weights;
# - the file must be complete before the next save uses the memory again.
#
# The first of two saves has zeros to write, and the second has ones. (In torch 2.12, a
# second save fails with ``KeyError``.)

from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

# %%


def two_saves(path, stager, wait):
    state, gate = {"weight": torch.zeros(4)}, path / "gate"
    first = {"checkpoint_id": path / "first", "planner": behind(gate)}
    response = dcp.async_save(state, async_stager=stager, **first)
    response.staging_completion.result()  # before optimizer.step()
    state["weight"].fill_(1)
    if wait:
        gate.touch()
        response.upload_completion.result()  # before the next save
    try:
        second = {"checkpoint_id": path / "second", "async_stager": stager}
        dcp.async_save(state, **second).upload_completion.result()
    finally:
        gate.touch()  # or the first save waits forever
    response.upload_completion.result()


# %%
# Two options of ``DefaultStager`` for a GPU are off here.


def read(path):
    found = {"weight": torch.full((4,), 7.0)}
    dcp.load(found, checkpoint_id=path)
    return found["weight"].tolist()


options = StagingOptions(use_pinned_memory=False, use_non_blocking_copy=False)
stager = DefaultStager(options)
for wait in (False, True):
    path = folder / f"wait {wait}"
    path.mkdir()
    two_saves(path, stager, wait)
    print(f"waited {wait!s:5}: the first checkpoint holds {read(path / 'first')}")
    assert read(path / "first") == [0.0 if wait else 1.0] * 4
    assert read(path / "second") == [1.0] * 4
stager.close()  # after the last save

# %%
# A CPU backend must be enabled for async save
# --------------------------------------------
#
# The ranks send their messages from the CPU's memory, so a group for the GPU alone is
# refused.

state = {"weight": torch.ones(4)}
dist.init_process_group("cuda:gloo", store=dist.HashStore(), rank=0, world_size=1)
try:
    dcp.async_save(state, checkpoint_id=folder / "refused")
    refused = False
except AssertionError as error:
    refused = True
    print(error)
assert refused
group = dist.new_group(backend="gloo")
dcp.async_save(state, checkpoint_id=folder / "taken", process_group=group).result()
dist.destroy_process_group()
print("with a group for the checkpoints:", read(folder / "taken"))
assert read(folder / "taken") == [1.0] * 4

# %%
# Name a backend for the CPU, or give the checkpoints a group with ``gloo``.


def own_mesh():  # a GPU for each process of this machine, or the CPU for all
    world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    kind = "cuda" if torch.cuda.device_count() >= local else "cpu"
    dist.init_process_group("gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl")
    return init_device_mesh(kind, (world,))


# %%
# In your project
# ---------------
#
# Take ``state_of``, ``load``, ``own_mesh``, the guard and the lines of ``end``.
# ``result()`` waits, and raises what went wrong. Call it before the next save, before
# you delete an old checkpoint, and before the end. Give each save a new folder: it is
# complete when it has ``.metadata``. In a used folder, the old ``.metadata`` makes new
# files look complete.


def main():
    mesh = own_mesh()
    group, saving = dist.new_group(backend="gloo"), None  # new: for checkpoints alone
    model, optimizer, *data = start(mesh)
    data = [t[:, mesh.get_rank() :: mesh.size()].to(mesh.device_type) for t in data]
    for step in (5, 10):
        train(model, optimizer, *(t[step - 5 : step] for t in data))
        if saving:
            saving.result()  # new: wait for the save before
        path, state = f"checkpoints/step{step:06}", state_of(model, optimizer)
        saving = dcp.async_save(state, checkpoint_id=path, process_group=group)  # new
    saving.result()  # new


# %%
# Check these lines
# -----------------
#
# Both checkpoints must hold the weights that one process noted. A save that fails
# keeps its error for ``result()``.

torchrun(start, train, state_of, own_mesh, main)
for step, note in notes.items():
    resumed, loaded, *_ = start()
    load(resumed, loaded, folder / "checkpoints" / f"step{step:06}")
    weights = nn.utils.parameters_to_vector(resumed.parameters()).detach()
    torch.testing.assert_close(weights, note, rtol=0, atol=1e-10)
    print(f"step {step} is in its checkpoint")
no_folder = folder / "train.py"
failed = dcp.async_save(state, checkpoint_id=no_folder / "below").exception()
print("a save that failed:", type(failed).__name__)
assert isinstance(failed, dcp.CheckpointException)
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - Load in another number of processes:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Divide a model block by block:
#   :ref:`sphx_glr_recipes_recipes_fully_sharded_data_parallel.py`
# - What else a checkpoint needs:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
