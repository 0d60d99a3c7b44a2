# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["gradient_accumulation"]
# timeout = 120
# cpus = 2
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
# A file that every process imports, this one included: a model, data, and a training
# loop that records the weights. :class:`torch.utils.data.DistributedSampler` gives each
# of two ranks, as processes are called here, another half of a shuffled epoch. Without
# ``set_epoch`` every epoch would come in the same order.

SETTING = """
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

def start():
    torch.manual_seed(0)
    x, y = torch.randn(2, 64, 8, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))
    return model.double(), TensorDataset(x, y), nn.MSELoss()

def half(data, rank, epoch):
    sampler = DistributedSampler(data, num_replicas=2, rank=rank)
    sampler.set_epoch(epoch)
    return DataLoader(data, batch_size=8, sampler=sampler)
"""

# %%

SETTING += """
def train(model, loss_fn, batches):
    optimizer, weights = torch.optim.SGD(model.parameters(), lr=0.5), []
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        weights.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    return torch.stack(weights)
"""

# %%
# What each process does
# ----------------------
#
# It trains on its halves twice: a plain model, then one wrapped in
# :class:`~torch.nn.parallel.DistributedDataParallel` (DDP), which averages the
# gradients over all processes during ``backward()``. Nothing else changes. With GPUs,
# write ``"nccl"`` for ``"gloo"`` and move the model to the GPU of the process first.

WORKER = """
import os
from contextlib import nullcontext
import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel
from setting import half, start, train
dist.init_process_group("gloo")
rank, found = dist.get_rank(), {}
for name, wrap in [("plain", lambda model: model), ("DDP", DistributedDataParallel)]:
    model, data, loss_fn = start()
    batches = [batch for epoch in range(5) for batch in half(data, rank, epoch)]
    found[name] = train(wrap(model), loss_fn, batches)
"""

# %%
# The second part accumulates gradients over the four batches of an epoch. The hook
# averages as DDP itself would, and counts how often. Inside
# :meth:`~torch.nn.parallel.DistributedDataParallel.no_sync` nothing is averaged.

WORKER += """
for name, quiet in [("every piece", 0), ("last piece", 3)]:
    module, data, loss_fn = start()
    model, calls = DistributedDataParallel(module), []
    model.register_comm_hook(
        None, lambda state, bucket: calls.append(1) or allreduce_hook(state, bucket))
    for i, (inputs, targets) in enumerate(half(data, rank, 0)):
        with model.no_sync() if i < quiet else nullcontext():  # forward pass included
            (loss_fn(model(inputs), targets) / 4).backward()
    found[name] = len(calls), module[0].weight.grad
torch.save(found, f"rank{rank}.pt")
dist.destroy_process_group()
os._exit(0)  # all is saved, and gloo's threads can abort Python's normal exit
"""

# %%
# Start two processes
# -------------------
#
# ``torchrun``, here as a module, starts the script twice and tells each copy its rank.
# If one copy dies, it stops the other. ``127.0.0.1`` spares it asking for the name of
# the machine, which may lead nowhere.

import os
import subprocess
import sys
import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
_ = Path(folder.name, "setting.py").write_text(SETTING)
_ = Path(folder.name, "worker.py").write_text(WORKER)
command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += ["--local-addr=127.0.0.1", "--nproc-per-node=2", "worker.py"]
one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
pipe = {"capture_output": True, "text": True, "timeout": 100}
done = subprocess.run(command, cwd=folder.name, env=one_thread, **pipe)
assert done.returncode == 0, done.stderr[-9000:]

# %%
# One process, whole batches
# --------------------------
#
# Here, one process trains without DDP on both halves of each batch, joined. The mean of
# the gradients of two equal halves is the gradient of the whole, so DDP should find the
# same weights. Without it, both ranks end elsewhere, and apart.

sys.path.insert(0, folder.name)
import torch
from setting import half, start, train

model, data, loss_fn = start()
pairs = (zip(half(data, 0, e), half(data, 1, e), strict=True) for e in range(5))
joined = [map(torch.cat, zip(*pair, strict=True)) for epoch in pairs for pair in epoch]
whole = train(model, loss_fn, joined)
ranks = [torch.load(Path(folder.name, f"rank{rank}.pt")) for rank in (0, 1)]
for name in ("plain", "DDP"):
    apart = (ranks[0][name][-1] - ranks[1][name][-1]).norm().item()
    far = [(found[name][-1] - whole[-1]).norm().item() for found in ranks]
    print(f"{name:5} {apart:.3f} apart, {far[0]:.3f} and {far[1]:.3f} from one process")
    worst = max((found[name] - whole).abs().max().item() for found in ranks)
    assert (worst < 1e-10) == (name == "DDP")

# %%
# Pitfall: averaging at every backward
# ------------------------------------
#
# While you :ref:`accumulate <sphx_glr_recipes_recipes_gradient_accumulation.py>`, only
# the sum has to be averaged, once. The gradient, checked against that of the whole data
# set, is the same; the other averages are for nothing.

model, data, loss_fn = start()
loss_fn(model(data.tensors[0]), data.tensors[1]).backward()
calls = {name: ranks[0][name][0] for name in ("every piece", "last piece")}
for name, count in calls.items():
    gradient = ranks[0][name][1]
    print(f"averaged at {name + ':':12} {count} call(s), norm {gradient.norm():.4f}")
    torch.testing.assert_close(gradient, model[0].weight.grad)
assert list(calls.values()) == [4, 1]
folder.cleanup()

# %%

import matplotlib.pyplot as plt

fig, axes = plt.subplots(
    1, 2, figsize=(8, 3.5), layout="constrained", width_ratios=[2, 1]
)
for name, color, marks in [("plain", "tab:orange", "^v"), ("DDP", "tab:blue", "ox")]:
    for rank, mark in enumerate(marks):
        far, label = (ranks[rank][name] - whole).norm(dim=1), f"{name}, rank {rank}"
        style = {"color": color, "marker": mark, "fillstyle": "none", "label": label}
        axes[0].plot(range(1, 21), far, ":", **style)
axes[0].set(title="With DDP both ranks train as one", xlabel="step")
axes[0].set(ylabel="distance from one process (norm)", xticks=range(0, 21, 4))
axes[0].legend()
axes[1].bar(list(calls), calls.values(), color=["tab:orange", "tab:blue"])
axes[1].set(title="no_sync averages once", xlabel="averaged at", ylabel="averages")
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
