# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Distributed", "Errors"]
# after = ["ddp_two_processes"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = ["multi-GPU", "hangs at backward", "multi-task", "if in forward"]
# errors = [
#   "Expected to have finished reduction in the prior iteration before starting",
#   "Expected to mark a variable ready only once",
# ]
# ///
"""
Expected to have finished reduction: find the unused parameters
===============================================================

Find the parameters that a rank did not use, and choose the mend that fits the cause.

DistributedDataParallel (DDP) averages each gradient over all processes. It waits for
the gradient of a parameter that the loss does not depend on, and fails one step later.
If no batch uses the parameter, delete or freeze it. If only some batches use it, pass
``find_unused_parameters=True``.
"""

# %%
# A model that uses half of its heads
# -----------------------------------
#
# One body serves two tasks, and each task has a head. Each batch belongs to one task.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP

# %%


def make():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(8, 16), nn.Tanh())
            self.heads = nn.ModuleList([nn.Linear(16, 8), nn.Linear(16, 8)])

        def forward(self, inputs, task=None):
            features = self.body(inputs)
            return features if task is None else self.heads[task](features)

    torch.manual_seed(0)
    return TwoHeads().double()


# %%
# The *rank* is the number of a process. Each of two ranks takes four batches. A rank
# trains with ``ranks=[rank]``. One process can do the work of both: ``ranks=[0, 1]``.


def fit(call, model, ranks, device="cpu"):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    frozen = not model.heads[1].weight.requires_grad  # then all batches are of task 0
    tasks = [[0] * 4] * 2 if frozen else [[0, 0, 1, 1], [1, 0, 1, 0]]
    inputs, targets = torch.randn(2, 2, 4, 8, 8, dtype=torch.float64).to(device)
    for step in range(4):
        outputs = [call(inputs[rank, step], tasks[rank][step]) for rank in ranks]
        loss = nn.functional.mse_loss(torch.stack(outputs), targets[ranks, step])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# %%
# A rank tries the plain wrapper, two mends, and two ways that go around the wrapper.


def unused(model):
    weights = model.named_parameters()
    return [name for name, w in weights if w.requires_grad and w.grad is None]


def attempt(way):
    model, error = make(), None
    model.heads[1].requires_grad_(way != "frozen")
    wrapped = DDP(model, find_unused_parameters=way in ("flag", "head outside"))
    around = {"head outside": lambda x, task: model.heads[task](wrapped(x))}
    around["bypass"] = wrapped.module
    try:
        fit(around.get(way, wrapped), model, [dist.get_rank()])
    except RuntimeError as problem:
        error = str(problem)
    return {"error": error, "unused": unused(model), "weights": model.state_dict()}


# %%
# In your project
# ---------------
#
# First run one step without the new argument. Print ``unused(model)`` on each rank,
# after ``backward()`` and before ``zero_grad()``, which sets all gradients to None. In
# your loop, call ``wrapped`` where ``fit`` uses ``call``. Save ``model.state_dict()``
# on rank 0. At the end, call ``dist.destroy_process_group()`` on each rank.


def main():
    gpus = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    device = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if gpus else "cpu")
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
    model = make().to(device)
    wrapped = DDP(model, find_unused_parameters=True)  # new
    fit(wrapped, model, [dist.get_rank()], device)
    return model


# %%
# Start two processes
# -------------------
#
# ``torchrun`` starts a file, made of these functions, once for each process. You type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL.

start = """import gc, os, torch, torch.distributed as dist, torch.distributed.nn
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP"""
end = """found = {"project": {"error": None, "weights": main().state_dict()}}
ways = "plain", "frozen", "flag", "bypass", "head outside"
found |= {way: attempt(way) for way in ways}
torch.save(found, f"rank{dist.get_rank()}.pt")
gc.collect()
dist.destroy_process_group()"""
functions = map(inspect.getsource, (make, fit, unused, attempt, main))

# %%

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += "--nproc-per-node=2 --local-addr=127.0.0.1 --log-dir=logs train.py".split()
env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "train.py").write_text("\n\n".join([start, *functions, end]))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = sorted(Path(folder).glob("rank*.pt"))
    ranks = [torch.load(file, map_location="cpu") for file in files]

# %%
# Read the message
# ----------------
#
# It comes one step after gradients were missing, here in the second step. The indices
# are places among the parameters that need a gradient. After a ``backward()``,
# ``unused`` gives their names.

print(ranks[0]["plain"]["error"])
for rank, found in enumerate(ranks):
    error, *_, weights = found["plain"].values()
    places = error.split("grad for rank")[1].splitlines()[0].split()[1:]
    print(f"rank {rank}: {found['plain']['unused']}")
    assert [list(weights)[int(i)] for i in places] == found["plain"]["unused"]

# %%
# Three causes, three mends
# -------------------------
#
# - *No rank ever uses the parameters.* Delete the layer, or freeze it with
#   ``requires_grad_(False)`` before you wrap the model.
# - *The batch decides which are used,* or the loss leaves out an output. Pass
#   ``find_unused_parameters=True``. In each step DDP then looks which parameters the
#   outputs of ``forward`` depend on. Return these outputs in a tuple, list or dict:
#   with a dataclass or another class, an error can remain.
# - *The batch decides, and the layer is called outside the wrapped model*, as in
#   ``model.heads[0](features)``. Call the layer inside ``forward``, then pass the flag.
#   The flag alone leads to the next message, even if every rank calls the layer in
#   every step. (Reentrant checkpoints can lead to it, too: pass
#   ``use_reentrant=False``.)

print(ranks[0]["head outside"]["error"])
assert "ready only once" in ranks[0]["head outside"]["error"]

# %%
# Proof: as one process would train
# ---------------------------------
#
# One process takes the mean loss over the batches of both ranks, without DDP.


def distance(weights, frozen=False):
    alone = make()
    alone.heads[1].requires_grad_(not frozen)
    fit(alone, alone, [0, 1])
    truth = alone.state_dict()
    return max((weights[name] - truth[name]).abs().max().item() for name in truth)


for way in ("plain", "frozen", "flag", "project", "bypass"):
    far = max(distance(found[way]["weights"], way == "frozen") for found in ranks)
    print(f"{way:7} {far:.3f} from one process, raised: {bool(ranks[0][way]['error'])}")
    assert (far < 1e-6) == (way in ("frozen", "flag", "project"))

# %%
# When it is not so
# -----------------
#
# - *No error is no proof.* ``bypass`` calls ``wrapped.module`` for the whole model:
#   nothing is averaged, and nothing is raised.
# - If one rank alone has unused parameters, only this rank raises the message. The
#   other waits, then reports a closed connection or a timeout. Read all logs.
# - The flag costs DDP a walk through the graph in each step. If DDP warns that it
#   ``did not find any unused parameters``, and every batch uses all of them, remove the
#   flag.
#
# Learn more
# ----------
#
# - Train with DDP: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - Why ``.grad`` is None: :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`
