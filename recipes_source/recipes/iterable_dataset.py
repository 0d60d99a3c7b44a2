# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Data"]
# after = ["dataloader_workers_and_seeds"]
# timeout = 120
# searched_as = [
#   "large dataset", "does not fit in memory", "larger than RAM", "huge data", "HDF5",
#   "streaming dataset", "lazy loading", "np.memmap", "shards", "duplicates data",
# ]
# errors = ["DataLoader with IterableDataset: expected unspecified shuffle option"]
# ///
"""
Stream data that is too large, each sample once
===============================================

Read a file larger than memory with several workers, and get each sample once per epoch.

Why it matters: each worker gets a copy of a stream, and reads all of it. With four
workers, an epoch has everything four times, and no error says so. With
``get_worker_info()``, a worker learns its number, and can skip the samples of the
others.
"""

# %%
# A file that is read from its start
# ----------------------------------
#
# Ten lines stand for ten million. An :class:`torch.utils.data.IterableDataset` has no
# index, and needs no length. Its ``__iter__`` yields one sample after the other, and
# holds one line in memory. In your own process, each line comes once.

import inspect
import json
import os
import pickle
import subprocess
import sys
import tempfile
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

# %%
temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
numbers = list(range(10))
os.environ["DATA"] = f"{temporary.name}/lines.txt"
Path(os.environ["DATA"]).write_text("".join(f"{i}\n" for i in numbers))


class Lines(IterableDataset):
    def __iter__(self):
        with open(os.environ["DATA"]) as file:
            yield from map(int, file)


def read(dataset, workers):
    loader = DataLoader(dataset, batch_size=4, num_workers=workers)
    return [batch.tolist() for batch in loader]


print("0 workers:", read(Lines(), 0))

# %%
# See the problem: everything twice
# ---------------------------------
#
# Workers need a script with a guard. So ``run`` writes one, with classes of this page
# and two workers. Each of them reads all lines.

IMPORTS = "import os\nfrom itertools import islice\nfrom torch.utils.data import *"


def source(part):
    lines, number = inspect.findsource(part.__iter__)
    return "".join(inspect.getblock(lines[number - 1 :]))  # the class is a line above


def run(*classes, **variables):
    call = f"print(read({classes[-1].__name__}(), 2))"
    text = [IMPORTS, inspect.getsource(read), *map(source, classes)]
    script = Path(temporary.name, "train.py")
    script.write_text("\n\n".join([*text, f'if __name__ == "__main__":\n    {call}\n']))
    command, env = [sys.executable, str(script)], os.environ | variables
    return json.loads(subprocess.check_output(command, env=env, text=True))


# %%
naive = run(Lines)
print("2 workers:", naive)
assert sorted(sum(naive, [])) == sorted(2 * numbers)

# %%
# The idea: each worker takes its share
# -------------------------------------
#
# In a worker, :func:`torch.utils.data.get_worker_info` has the number of this worker
# and how many there are. In your own process it returns ``None``.


class Shared(Lines):
    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        yield from islice(super().__iter__(), worker, None, workers)  # new


shared = run(Lines, Shared)
print("2 workers:", shared)
assert sorted(sum(shared, [])) == numbers

# %%
# But each worker can end in a short batch, and ``drop_last=True`` drops them all.
# Another number of workers also gives another order.
#
# When it is not so: shuffling
# ----------------------------
#
# A stream has the order of its file. The loader refuses to shuffle:

try:
    DataLoader(Lines(), shuffle=True)
except ValueError as error:
    print(error)

# %%
# So hold a few thousand samples, and yield one of them at random. This mixes only
# samples that are near in the file. If the file is sorted, by class or by date, also
# shuffle its lines once. In each worker and epoch, PyTorch's generator draws other
# numbers.


def shuffled(samples, size):
    held = []
    for sample in samples:
        held.append(sample)
        if len(held) == size:
            yield held.pop(torch.randint(size, ()).item())
    yield from (held[i] for i in torch.randperm(len(held)).tolist())  # the rest


torch.manual_seed(0)
mixed = list(shuffled(Lines(), 4))
print("four held:", mixed)
assert sorted(mixed) == numbers != mixed

# %%
# If a sample has a fixed size and the disk is fast, do without a stream. A memory map
# is an array that stays in its file: indexing reads the rows that you ask for. So an
# ordinary :class:`torch.utils.data.Dataset` works, with shuffling and length. Here, a
# million numbers have 8 bytes each. ``tracemalloc`` counts the memory of NumPy arrays,
# but neither tensors nor the pages of the map. An HDF5 file works alike: open it in
# ``__getitem__``, so that each worker opens it.

table = Path(temporary.name, "table.npy")
np.save(table, np.arange(1_000_000.0).reshape(1000, 1000))


class Rows(Dataset):
    def __init__(self, path):
        self.path, self.count = str(path), len(np.load(path, mmap_mode="r"))

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rows = np.load(self.path, mmap_mode="r")  # kept in self, it is pickled whole
        return torch.from_numpy(rows[index].copy())


# %%
peaks = []
for load in (np.load, lambda path: next(iter(DataLoader(Rows(path), 4, shuffle=True)))):
    tracemalloc.start()
    batch = load(table)
    peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
print(f"whole table {peaks[0]:.0f} MB, batch of four rows {peaks[1]:.0f} MB")
assert peaks[0] > 7 > 1 > peaks[1] and len(pickle.dumps(Rows(table))) < 1000
assert torch.equal(batch[:, 999], batch[:, 0] + 999)  # each row is whole

# %%
# In your project
# ---------------
#
# Write your path in place of ``os.environ["DATA"]``, and your parser in place of
# ``int``. To shuffle, end with ``yield from map(int, shuffled(part, 5000))``. The
# loader is ``DataLoader(Stream(), batch_size=64, num_workers=4)``.
#
# Each worker still reads the whole file, but parses only its lines. With many files,
# give each worker its own files.
#
# With DistributedDataParallel, each rank has workers. ``torchrun`` sets ``RANK`` and
# ``WORLD_SIZE``. Here, two ranks have two workers each. If one rank gets a batch more,
# this rank waits until a timeout ends the training. Stop all ranks after the same
# number of batches, or train inside ``with model.join():``.


class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rank, ranks = int(os.getenv("RANK", 0)), int(os.getenv("WORLD_SIZE", 1))
        with open(os.environ["DATA"]) as file:
            part = islice(file, rank * workers + worker, None, ranks * workers)  # new
            yield from map(int, part)


ranks = [run(Stream, RANK=rank, WORLD_SIZE="2") for rank in ("0", "1")]
print("rank 0:", ranks[0], "rank 1:", ranks[1], sep="\n")
assert sorted(sum(ranks[0] + ranks[1], [])) == numbers
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - Guards and seeds: :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - Workers that die: :ref:`sphx_glr_recipes_recipes_error_dataloader_worker_killed.py`
