# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Data", "Errors"]
# after = ["dataloader_workers_and_seeds"]
# timeout = 60
# searched_as = [
#   "shared memory in docker", "shm-size", "/dev/shm", "ulimit -n", "bus error",
#   "num_workers crashes", "works with num_workers=0",
#   "set_sharing_strategy", "segmentation fault in DataLoader",
# ]
# errors = [
#   "is killed by signal: Bus error. It is possible that dataloader's workers are out",
#   "is killed by signal: Killed",
#   "exited unexpectedly",
#   "Too many open files. Communication with the workers is no longer possible.",
#   "in DataLoader worker process 0",
# ]
# older_errors = [
#   "Unexpected bus error encountered in worker. This might be caused by insufficient",
#   "received 0 items of ancdata",
#   "unable to open shared memory object </torch_",
# ]
# ///
"""
DataLoader worker is killed or exited unexpectedly: find out why
================================================================

Read from the message what ended a worker: shared memory, memory, files, or your code.

A worker is another process. If it dies, your process only learns that it is gone, and
the traceback points at the loop, which is innocent. The word after "signal" tells what
to look for.
"""

# %%
# Four ways to lose a worker
# --------------------------
#
# ``collate_fn`` runs in the worker, so it can show what happens there. Linux sends the
# signal "Bus error" when shared memory is full, and "Killed" when the memory is. Here
# the worker sends the signal to itself, which leaves your machine alone. The third
# function makes a mistake in Python. Other systems have other messages.

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader

# %%


def shared_memory_full(rows):
    os.kill(os.getpid(), getattr(signal, "SIGBUS", signal.SIGTERM))


def memory_full(rows):
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def mistake(rows):
    return torch.tensor(rows) @ torch.zeros(3, dtype=torch.int64)


# %%
# The fourth keeps all batches in a list, under a low limit of open files. Each tensor
# from a worker is shared memory, and needs an open file as long as the tensor lives. A
# ``clone()`` needs none.


def keep(wanted):
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    kept = []
    for batch in DataLoader(range(100), num_workers=1):
        kept.append(batch.clone() if wanted == "clone" else batch)
    return f"{len(kept)} batches"


# %%
# A worker may import its script, so the functions are written to a file with a guard.


def study():
    found = {}
    for job in (shared_memory_full, memory_full, mistake):
        try:
            list(DataLoader(range(4), num_workers=1, collate_fn=job))
        except Exception as error:
            found[job.__name__] = [str(e) for e in (error.__cause__, error) if e]
    for wanted in ("batch", "clone"):
        try:
            found[wanted] = [keep(wanted)]
        except Exception as error:
            found[wanted] = [str(error)]
    print(json.dumps(found))


# %%

parts = map(inspect.getsource, (shared_memory_full, memory_full, mistake, keep, study))
IMPORTS = "import json, os, signal, torch\nfrom torch.utils.data import DataLoader\n"
with tempfile.TemporaryDirectory() as folder:
    script = Path(folder, "loading.py")
    guard = 'if __name__ == "__main__":\n    study()\n'
    script.write_text("\n".join([IMPORTS, *parts, guard]))
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
found = json.loads(done.stdout)

# %%
# The messages
# ------------
#
# - ``Bus error``: no room in ``/dev/shm``, through which workers hand over tensors.
#   Docker gives a container 64 MB: start it with ``--shm-size=8g`` or ``--ipc=host``.
# - ``Killed``: the memory of the machine is used up. Take fewer workers. A message of
#   the kernel in ``dmesg`` names the process.
# - ``Caught ... in DataLoader worker process``: your own code, with its traceback.
# - ``exited unexpectedly`` alone: what the worker printed stands above the traceback.
#
# Try ``num_workers=0`` first: a mistake in Python then has its plain traceback, and a
# fault of workers goes away. Of a long traceback, the first line and the last three
# are printed here.

# Output differs from run to run.
for name in ("shared_memory_full", "memory_full", "mistake"):
    for message in found[name]:
        lines = message.strip().splitlines()
        print(f"[{name}]", lines[0], *lines[1:][-3:], "", sep="\n")

# %%
# The signal is named, and the mistake in Python is told with its line.

cases = {name: " ".join(messages) for name, messages in found.items()}
linux = sys.platform == "linux"
assert not linux or "Bus error" in cases["shared_memory_full"]
assert not linux or "signal: Killed" in cases["memory_full"]
assert "Caught RuntimeError" in cases["mistake"] and "in mistake" in cases["mistake"]
print("all three are told apart:", len(set(cases.values())) >= 3)

# %%
# Too many open files
# -------------------
#
# The list of batches runs into the limit. The list of clones does not. If you need the
# tensors as they are, ``ulimit -n 4096`` raises the limit for one shell. The strategy
# that the message names uses no open files, and fills ``/dev/shm`` if a run is killed.

print("batches:", found["batch"][0])
print("clones: ", found["clone"][0])
assert not linux or "Too many open files" in found["batch"][0]
assert not linux or found["clone"][0] == "100 batches"

# %%
# When it is not so: enough shared memory
# ---------------------------------------
#
# How much do workers need? At most ``prefetch_factor`` batches wait for each worker.
# Here are 32 images of 3 x 224 x 224, with 8 workers. They do not fit into the 64 MB
# of a container, and with 1 worker they do.


def shared_bytes(batch, workers, prefetch_factor=2):
    return batch.nbytes * workers * prefetch_factor


batch = torch.zeros(32, 3, 224, 224)
needs = [shared_bytes(batch, workers) / 2**20 for workers in (8, 1)]
print(f"8 workers: {needs[0]:.0f} MB, 1 worker: {needs[1]:.0f} MB")
assert needs[0] == 32 * 3 * 224 * 224 * 4 * 8 * 2 / 2**20 > 64 > needs[1]

# %%
# In your project
# ---------------
#
# Let the room decide how many workers start. Call the function under the guard
# ``if __name__ == "__main__":``.


def make_loader(dataset, batch_size, workers):
    first = torch.stack([dataset[i] for i in range(batch_size)])
    if os.path.isdir("/dev/shm"):  # new: as many as fit
        room = shutil.disk_usage("/dev/shm").free
        workers = min(workers, room // shared_bytes(first, workers=1))
    more = {"prefetch_factor": 2, "persistent_workers": True} if workers else {}
    return DataLoader(dataset, batch_size, num_workers=workers, **more)


loader = make_loader(torch.arange(64.0), batch_size=8, workers=2)
print("workers:", loader.num_workers)

# %%
# Learn more
# ----------
#
# - The guard: :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - Batches without workers: :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - API: :class:`torch.utils.data.DataLoader`
