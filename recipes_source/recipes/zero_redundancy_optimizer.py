# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed", "Training"]
# after = ["ddp_two_processes"]
# timeout = 120
# cpus = 2
# ///
"""
Shard Optimizer States with ZeroRedundancyOptimizer
===================================================

Divide Adam's memory among your processes, and check that they still train as before.

Why it matters: Adam keeps two numbers for each weight. With DistributedDataParallel
every process keeps all of them, and all copies are the same, so adding GPUs does not
make room for a larger model.
"""

# %%
# What the processes share
# ------------------------
#
# A file with a model, data, a training loop, and the measurement: the bytes that an
# optimizer holds in this process, parameter by parameter.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
SETTING = """
import torch
from torch import nn

def start():
    torch.manual_seed(0)
    sizes = [(64, 256), (256, 256), (256, 256), (256, 64)]
    model = nn.Sequential(*(nn.Linear(*size) for size in sizes)).double()
    return model, *torch.randn(2, 10, 16, 64, dtype=torch.float64)
"""

# %%

SETTING += """
def train(model, optimizer, inputs, targets):
    for batch, target in zip(inputs, targets, strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()

def state_bytes(model, optimizer):
    state = getattr(optimizer, "optim", optimizer).state  # .optim: this rank's part
    return {name: sum(value.nbytes for value in state.get(weight, {}).values())
            for name, weight in model.named_parameters()}
"""
_ = Path(folder.name, "setting.py").write_text(SETTING)

# %%
# What each process does
# ----------------------
#
# Each of two ranks, as processes are called here, trains on its half of five batches,
# first with :class:`~torch.optim.Adam`, then with
# :class:`~torch.distributed.optim.ZeroRedundancyOptimizer` (ZeRO). Only the line that
# makes the optimizer differs. With GPUs, write ``"nccl"`` for ``"gloo"`` and move the
# model to the GPU of the process before you make the optimizer.

WORKER = """
import os
import torch
import torch.distributed as dist
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from setting import start, state_bytes, train

def run(make_optimizer, **options):
    model, *data = start()
    optimizer = make_optimizer(model.parameters(), lr=0.01, **options)
    halves = [tensor[:5, dist.get_rank()::2] for tensor in data]
    train(DistributedDataParallel(model), optimizer, *halves)
    return model, optimizer
"""

# %%
# The second part saves what is to be compared, and tries to save a checkpoint.

WORKER += """
dist.init_process_group("gloo")
plain = run(torch.optim.Adam)
zero = run(ZeroRedundancyOptimizer, optimizer_class=torch.optim.Adam)
found = {"Adam": (plain[0].state_dict(), state_bytes(*plain)),
         "ZeRO": (zero[0].state_dict(), state_bytes(*zero))}
try:
    zero[1].state_dict()
except RuntimeError as error:
    found["error"] = str(error).split(". ")[0]
zero[1].consolidate_state_dict(to=0)  # on every rank
"""

# %%

WORKER += """
if dist.get_rank() == 0:
    found["state"] = zero[1].state_dict()
torch.save(found, f"rank{dist.get_rank()}.pt")
dist.destroy_process_group()
os._exit(0)  # all is saved; gloo's threads can abort Python's normal exit
"""
_ = Path(folder.name, "worker.py").write_text(WORKER)

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "worker.py"]
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
pipe = {"capture_output": True, "text": True, "timeout": 100}
done = subprocess.run(command, cwd=folder.name, env=one_thread, **pipe)
assert done.returncode == 0, done.stderr[-9000:]

# %%
# Every process keeps everything, or its part
# -------------------------------------------
#
# Adam's two numbers, in float64, make 16 bytes per weight, and each tensor has a step
# counter of 4 bytes. With plain Adam both ranks keep that whole. ZeRO deals the tensors
# out: each rank updates its own and sends them to the others. Its parts have to
# add up to exactly one copy.

sys.path.insert(0, folder.name)
import torch
from setting import start, train

ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in (0, 1)]
model, inputs, targets = start()
weights = list(model.parameters())
one_copy = sum(16 * weight.numel() + 4 for weight in weights)
print(f"{'one copy:':9} {one_copy:,} bytes")
for name, copies in [("Adam", 2), ("ZeRO", 1)]:
    held = [sum(found[name][1].values()) for found in ranks]
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
for name in ("Adam", "ZeRO"):
    for rank, found in enumerate(ranks):
        pairs = zip(found[name][0].values(), weights, strict=True)
        far = max((a - b).abs().max().item() for a, b in pairs)
        print(f"{name}, rank {rank}: {far:.3f} from one process")
        assert far < 1e-10

# %%
# Who keeps what
# --------------
#
# Tensors are dealt out whole, the largest first, so one huge embedding would stay on
# one rank. The weights themselves and the gradients are not divided:
# every rank still has all of them.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained", sharey=True)
looks = [{"color": "tab:blue"}, {"color": "tab:orange", "hatch": "//"}]
for ax, name in zip(axes, ("Adam", "ZeRO"), strict=True):
    for rank, found in enumerate(ranks):
        sizes = [size / 1e6 for size in found[name][1].values()]
        places = [place + 0.4 * rank - 0.2 for place in range(len(sizes))]
        ax.barh(places, sizes, 0.4, label=f"rank {rank}", **looks[rank])
    ax.set(title=f"{name}: {sum(sizes):.1f} MB of state on rank 1")
    ax.set(xlabel="optimizer state (MB)", ylabel="parameter")
    ax.set_yticks(range(len(sizes)), list(found[name][1]))
    ax.legend()
axes[0].invert_yaxis()
plt.show()

# %%
# Pitfall: a checkpoint needs all parts
# -------------------------------------
#
# No rank can save the optimizer alone. Call ``consolidate_state_dict(to=0)`` on *every*
# rank, then ``state_dict()`` on rank 0, which needs memory for the whole
# state at that moment. A plain Adam loads it. Train the five batches that are left with
# it, against the run that never stopped.

print(ranks[1]["error"])
resumed, *_ = start()
resumed.load_state_dict(ranks[0]["ZeRO"][0])
loaded = torch.optim.Adam(resumed.parameters())
loaded.load_state_dict(ranks[0]["state"])
for each in [(model, optimizer), (resumed, loaded)]:
    train(*each, inputs[5:], targets[5:])
never_stopped = model.state_dict()
torch.testing.assert_close(resumed.state_dict(), never_stopped, rtol=0, atol=1e-10)
print(f"resumed with the states of {len(loaded.state)} tensors: same weights")
folder.cleanup()

# %%
# Learn more
# ----------
#
# - How DDP averages gradients: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - Save without gathering on one rank:
#   :ref:`sphx_glr_recipes_recipes_distributed_checkpoint_recipe.py`
# - Name groups of processes: :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
