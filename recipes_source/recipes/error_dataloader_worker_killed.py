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
#   "unable to allocate shared memory(shm) for file </torch_",
# ]
# ///
"""
DataLoader worker is killed or exited unexpectedly: find out why
================================================================

Read from the message what ended a worker: shared memory, memory, files, or your code.

A worker is another process. If it dies, your process only learns that it is gone, and
the traceback points at your loop. The word after "signal" tells what to look for.
"""

# %%
# What each message means
# -----------------------
#
# - ``Bus error``, or ``unable to allocate shared memory(shm)`` in the last line: no
#   room in ``/dev/shm``, through which workers hand over tensors. Docker gives a
#   container 64 MB: start it with ``--shm-size=8g`` or ``--ipc=host``.
# - ``unable to open shared memory object``: its end names the cause.
# - ``Killed``: the memory of the machine, or of your container or job, is used up.
#   Take fewer workers. If memory grows during an epoch, look for a long list of Python
#   objects in the data set: each worker copies it bit by bit. Make it one array.
# - ``Segmentation fault``: a C library crashed in the worker. Open its files in the
#   worker, not before. For OpenCV, try ``cv2.setNumThreads(0)``.
# - ``Caught ... in DataLoader worker process``, with a last line not in this list: your
#   own code. If it ends with ``Cannot re-initialize CUDA in forked subprocess``, keep
#   the data set's tensors on the CPU.
# - ``exited unexpectedly`` alone: look above the traceback for what the worker printed.
#   A script without the guard ``if __name__ == "__main__":`` is a common cause.
#   In a notebook on Windows, macOS or Python 3.14, workers do not find a class from a
#   cell: import it from a ``.py`` file.
# - ``Too many open files``, or ``received 0 items of ancdata``: see below.
#
# Try ``num_workers=0`` first: a mistake then has its plain traceback, and a fault of
# workers goes away.
#
# Four ways in which loading fails
# --------------------------------
#
# ``collate_fn`` runs in the worker, so it can show what happens there. Linux sends the
# signal "Bus error" at a write into full shared memory, unless PyTorch noticed first:
# ``unable to allocate``. Linux sends "Killed" when the memory is full. Here the worker
# signals itself. The third function makes a mistake.

import copy
import inspect
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate

# %%


def shared_memory_full(rows):
    os.kill(os.getpid(), getattr(signal, "SIGBUS", signal.SIGTERM))


def memory_full(rows):
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def mistake(rows):
    return torch.tensor(rows) @ torch.zeros(3, dtype=torch.int64)


# %%
# The fourth keeps all batches in a list, under a low limit of open files. Each tensor
# from a worker needs an open file as long as the tensor lives. A ``clone()`` needs
# none.


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
# First and last lines of each:

# Output differs from run to run.
for name in ("shared_memory_full", "memory_full", "mistake"):
    for message in filter(None, found[name]):
        lines = message.strip().splitlines()
        print(f"[{name}]", lines[0], *lines[1:][-3:], "", sep="\n")

# %%
# They name the signal, or the line with the mistake. On Linux since Python 3.14, pass
# ``multiprocessing_context="spawn"``, or no signal is named.

cases = {name: " ".join(messages) for name, messages in found.items()}
linux = sys.platform == "linux" and sys.version_info < (3, 14)
assert not linux or "Bus error" in cases["shared_memory_full"]
assert not linux or "signal: Killed" in cases["memory_full"]
assert "Caught RuntimeError" in cases["mistake"] and "in mistake" in cases["mistake"]
print("all three are told apart:", len(set(cases.values())) >= 3)

# %%
# Too many open files
# -------------------
#
# Batches run into the limit, clones do not. To keep batches, ``ulimit -n 4096`` raises
# the limit. Or write, above the guard,
# ``torch.multiprocessing.set_sharing_strategy("file_system")``: it keeps no files open,
# but a killed run can leave its tensors in ``/dev/shm``.

print("batches:", found["batch"][0])
print("clones: ", found["clone"][0])
assert not linux or "Too many open files" in found["batch"][0]
assert not linux or found["clone"][0] == "100 batches"

# %%
# How much shared memory is enough?
# ---------------------------------
#
# At most ``prefetch_factor`` batches wait for each worker, and your loop uses one more.
# With 32 images of 3 x 224 x 224, 8 workers do not fit into 64 MB. 1 worker does.


def shared_bytes(batch_bytes, workers, prefetch_factor=2):
    return batch_bytes * (workers * prefetch_factor + 1)


batch = torch.zeros(32, 3, 224, 224)
needs = [shared_bytes(batch.nbytes, workers) / 2**20 for workers in (8, 1)]
print(f"8 workers: {needs[0]:.0f} MB, 1 worker: {needs[1]:.0f} MB")
assert needs[0] == 32 * 3 * 224 * 224 * 4 * 17 / 2**20 > 64 > needs[1]

# %%
# Data that open a file with the first sample, in each worker:


class Pictures(TensorDataset):
    file = None

    def __getitem__(self, index):
        self.file = self.file or "open"  # yours: h5py.File(path), say
        return super().__getitem__(index)


pictures = Pictures(torch.rand(64, 3, 32, 32), torch.arange(64) % 10)

# %%
# In your project
# ---------------
#
# Use the loader under the guard. Loaders and processes of ``torchrun`` share the room:
# divide ``room`` by their number. If samples differ in size, halve ``room``. Call your
# ``collate_fn`` in place of ``default_collate``, and pass it to ``make_loader``. If
# your data set wraps another, as ``Subset`` does, use ``copy.deepcopy``.


def make_loader(dataset, batch_size, workers, **options):
    probe = copy.copy(dataset)  # a file that it opens stays closed in dataset
    first = default_collate([probe[i] for i in range(min(batch_size, len(probe)))])
    size = len(pickle.dumps(first))  # also of (image, label), or of a dict
    if os.path.isdir("/dev/shm"):  # new: as many as fit
        room = shutil.disk_usage("/dev/shm").free
        while workers and shared_bytes(size, workers) > room:
            workers -= 1
    more = {"prefetch_factor": 2, "persistent_workers": True} if workers else {}
    return DataLoader(dataset, batch_size, num_workers=workers, **more, **options)


loader = make_loader(pictures, batch_size=8, workers=2, shuffle=True)
print("workers:", loader.num_workers)  # 0 if not even one fits

# %%
# Check
# -----
#
# No file is open in this process: a worker would inherit it.

assert not linux or loader.num_workers == 2
assert pictures.file is None
plain = make_loader(pictures, batch_size=8, workers=0)
images, answers = next(iter(plain))
print(tuple(images.shape), tuple(answers.shape))
assert images.shape == (8, 3, 32, 32) and answers.shape == (8,)

# %%
# Learn more
# ----------
#
# - The guard: :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - A process of ``torchrun`` that failed:
#   :ref:`sphx_glr_recipes_recipes_error_torchrun_child_failed.py`
# - Batches without workers: :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
