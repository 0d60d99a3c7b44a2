# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Data"]
# after = ["dataloader_workers_and_seeds"]
# timeout = 180
# searched_as = [
#   "slow DataLoader", "data loading bottleneck", "low GPU utilization", "GPU starving",
#   "how many workers", "num_workers best value", "prefetch_factor", "pin_memory=True",
#   "persistent_workers", "non_blocking=True", "first batch of every epoch is slow",
#   "workers make it slower",
# ]
# errors = [
#   "prefetch_factor option could only be specified in multiprocessing",
#   "persistent_workers option needs num_workers > 0",
# ]
# ///
"""
Speed up a DataLoader: measure who waits
========================================

Choose workers, prefetching and pinned memory by how long your loop waits for batches.

Why it matters: a training loop that waits for data leaves the GPU idle, and a faster
GPU waits longer. More workers help only as long as the loop waits. Too many cost memory
and time.
"""

# %%
# A loop that waits
# -----------------
#
# Each number of this data set says how many seconds its batch takes to load. ``sleep``
# stands for reading and decoding, and in the loop for a training step on a GPU.

import inspect
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# %%


def load(seconds):
    time.sleep(seconds)
    return torch.full((4, 8), seconds), os.getpid()


def watch(batches, log):  # adds the seconds of waiting and of work, for each batch
    start = time.perf_counter()
    for batch in batches:
        ready = time.perf_counter()
        yield batch
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()  # or the work is only queued
        done = time.perf_counter()
        log.append((ready - start, done - ready))
        start = time.perf_counter()


# %%
# ``watch`` goes around the loader of any loop. The first batch of an epoch is always
# late, and in the first epoch the workers start, too. So measure the second epoch,
# after its first batch.


def measure(seconds, step=0.14, **options):
    loader = DataLoader(seconds, batch_size=None, collate_fn=load, **options)
    pids, log = set(), []
    for _ in range(2):  # epochs
        log.clear()
        for _, pid in watch(loader, log):
            pids.add(pid)
            time.sleep(step)
    return {"first": log[0][0], "log": log[1:], "processes": len(pids)}


def waiting(log):  # share of the time
    return sum(wait for wait, _ in log) / sum(wait + work for wait, work in log)


# %%
# See the problem
# ---------------
#
# A batch takes 0.24 s to load, and a step takes 0.14 s. Without workers, the loop does
# one after the other:

# Output differs from run to run.
alone = measure([0.24] * 4, num_workers=0)
print(f"the loop waits for {waiting(alone['log']):.0%} of the time")
assert waiting(alone["log"]) > 0.4

# %%
# The idea: as many workers as keep up
# ------------------------------------
#
# Workers load while the loop works. With ``n`` workers, a batch comes every ``1/n`` of
# its loading time. The loop need not wait if that is shorter than a step. Without
# workers, PyTorch's operations use all cores; in a worker, only one thread. If such
# operations load your data, you may need more workers.

wait, work = map(sum, zip(*alone["log"], strict=True))  # rare slow batches count, too
print("workers needed:", math.ceil(wait / work))
assert math.ceil(wait / work) == 2

# %%
# Try it
# ------
#
# Workers need a script with a guard, see
# :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`. So ``run`` writes one
# from functions of this page.

IMPORTS = """import json, os, time, torch
from statistics import median
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
"""


def run(*functions):  # the last one has no arguments, and returns what json can write
    sources = [inspect.getsource(function) for function in functions]
    call = f"print(json.dumps({functions[-1].__name__}()))"
    with tempfile.TemporaryDirectory() as folder:
        guard = f'if __name__ == "__main__":\n    {call}\n'
        Path(folder, "train.py").write_text("\n\n".join([IMPORTS, *sources, guard]))
        command = [sys.executable, "train.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# %%
# The loaders to compare, and one for data that is in memory already:


def in_memory(workers):  # seconds of waiting for a batch, without steps
    data, log = TensorDataset(torch.rand(256, 8)), []
    loader = DataLoader(data, 4, num_workers=workers, persistent_workers=workers > 0)
    for _ in range(2):
        log.clear()
        list(watch(loader, log))
    return median(wait for wait, _ in log[1:])


# %%


def study():
    one, two = {"num_workers": 1, "persistent_workers": True}, {"num_workers": 2}
    even, bursts = [0.24] * 4, [0.0] * 7 + [0.4]
    found = {"1 worker": measure(even, **one), "2 workers": measure(even, **one | two)}
    found["1 worker, 8 ahead"] = measure(even, prefetch_factor=8, **one)
    for factor in (1, 8):
        options = one | {"prefetch_factor": factor}
        found[f"bursts, {factor} ahead"] = measure(bursts, step=0.1, **options)
    found["new processes"] = measure([0.0] * 4, step=0.0, **two)
    return found | {"in memory": [in_memory(workers) for workers in (0, 2)]}


found = run(load, watch, measure, in_memory, study) | {"0 workers": alone}

# %%

# Output differs from run to run.
rows = ["0 workers", "1 worker", "2 workers", "1 worker, 8 ahead"]
bursts = ["bursts, 1 ahead", "bursts, 8 ahead"]
late = {name: waiting(found[name]["log"]) for name in rows + bursts}
for name, share in late.items():
    print(f"{name:17} waits {share:4.0%} of the time")

# %%
# One worker is too slow, and two keep up. Only the first batch of an epoch is late.

waits = {name: median(wait for wait, _ in found[name]["log"]) for name in rows}
for name in rows[:3]:
    print(f"{name}: the loop waits for a usual batch: {waits[name] > 0.03}")
    assert (waits[name] > 0.03) == (name != "2 workers")
print("2 workers: it waits for the first batch:", found["2 workers"]["first"] > 0.1)
assert found["2 workers"]["first"] > 0.1

# %%
# What ``prefetch_factor`` does
# -----------------------------
#
# It says how many batches each worker may be ahead, 2 by default. That makes no worker
# faster: with 8 ahead, one is still too slow. It helps where a few batches are slow. In
# ``bursts``, the last of eight batches takes as long as four steps. :ref:`Batches ahead
# take memory <sphx_glr_recipes_recipes_error_dataloader_worker_killed.py>`.

twice = late[bursts[0]] > 2 * late[bursts[1]]
print("1 worker, 8 ahead: the loop waits for a usual batch:", waits[rows[3]] > 0.03)
print("bursts: 1 ahead waits more than twice as long as 8 ahead:", twice)
assert waits[rows[3]] > 0.03 and twice

# %%
# What ``persistent_workers`` does
# --------------------------------
#
# By default, each epoch starts new processes, and each of them may import your script.
# With ``persistent_workers=True``, the first ones stay, and see no later change of the
# data set. In two epochs:

for name in ("2 workers", "new processes"):
    print(f"{name}: {found[name]['processes']} processes")
assert found["2 workers"]["processes"] == 2
assert found["new processes"]["processes"] == 4

# %%
# Without workers, nothing stays and nothing is ahead. Both options raise:

for option in ({"prefetch_factor": 2}, {"persistent_workers": True}):
    try:
        DataLoader([0.0], num_workers=0, **option)
        raise AssertionError("nothing was raised")
    except ValueError as error:
        print(error)

# %%
# What ``pin_memory`` does
# ------------------------
#
# A GPU fetches a batch in the background only from *pinned* memory, which the system
# never moves. ``pin_memory=True`` puts batches there: with workers in a thread of the
# loader, without workers in your loop, which waits for it. ``x.to(device,
# non_blocking=True)`` then does not wait for the copy. What you do with ``x`` on the
# GPU comes after it. In the other direction, leave ``non_blocking`` out: you could read
# before the numbers have arrived. This page was built without a GPU, and measures none
# of this. On a CPU, nothing is copied:

x = torch.ones(3)
print("the same tensor:", x.to("cpu", non_blocking=True) is x)
assert x.to("cpu", non_blocking=True) is x and not x.is_pinned()

# %%
# When it is not so: data in memory
# ---------------------------------
#
# A batch from a worker comes through a queue between processes. Where loading is only
# indexing, that costs more than it saves.

one_process, two_workers = found["in memory"]
print("2 workers take over 5 times as long as none:", two_workers > 5 * one_process)
assert two_workers > 5 * one_process

# %%
# In your project
# ---------------
#
# Take ``watch`` and ``waiting``, too. Below the guard, print ``waiting(main(n))`` for
# 0, 1, 2, 4 workers, and stop where it falls no more. For long epochs, measure
# ``itertools.islice(watch(loader, log), 100)``. Decoding, unlike sleeping, needs a core
# for each worker. With ``torchrun``, each process has workers: divide the cores among
# them. An ``IterableDataset`` gives every worker all samples: :ref:`divide them first
# <sphx_glr_recipes_recipes_iterable_dataset.py>`. When you have chosen, remove
# ``watch``: its ``synchronize`` takes time.


def main(workers):
    device = torch.accelerator.current_accelerator(True) or torch.device("cpu")
    options = {"num_workers": workers, "pin_memory": device.type == "cuda"}  # new
    if workers:
        options |= {"persistent_workers": True, "prefetch_factor": 2}  # new
    # yours: DataLoader(data, batch_size=32, shuffle=True, **options)
    loader = DataLoader([0.1] * 7, batch_size=None, collate_fn=load, **options)
    model, log = nn.Linear(8, 1).to(device), []
    for _ in range(2):  # epochs
        log.clear()
        for x, _ in watch(loader, log):  # new
            model(x.to(device, non_blocking=True)).sum().backward()  # and your step
    return log[1:]


# %%
# Check
# -----
#
# Two workers are too few, but save time.


def try_both():
    return [main(workers) for workers in (0, 2)]


logs = run(load, watch, main, try_both)
slow, fast = [sum(map(sum, log)) for log in logs]
print("the loop waits more than half of the time:", [waiting(x) > 0.5 for x in logs])
print("the epoch takes less than 0.8 of its time before:", fast < 0.8 * slow)
assert fast < 0.8 * slow and min(map(waiting, logs)) > 0.5

# %%
# Learn more
# ----------
#
# - Random numbers in workers, and the guard:
#   :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - A slow step: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - How large the model is: :ref:`sphx_glr_recipes_recipes_model_summary.py`
# - API: :class:`torch.utils.data.DataLoader`
