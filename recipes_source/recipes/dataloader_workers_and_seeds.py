# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Data"]
# after = ["loading_data_recipe"]
# timeout = 120
# searched_as = [
#   "num_workers", "how many workers", "multiprocessing DataLoader", "worker_init_fn",
#   "random seed", "reproducible data loading", "deterministic shuffling",
#   "reproducibility", "same augmentation in every worker", "numpy seed in workers",
#   "if __name__ == '__main__'", "spawn on Windows",
# ]
# older_errors = [
#   '''An attempt has been made to start a new process before the current process has
#   finished its bootstrapping phase''',
# ]
# ///
"""
Use DataLoader workers without repeating random numbers
=======================================================

Load data in worker processes that start on any platform and draw numbers of their own.

Why it matters: every worker gets a copy of your dataset, and of a generator in it, so
all workers augment alike. And where a new process is not a *fork*, a copy of yours
(on macOS, Windows, and Linux since Python 3.14), a script without a guard cannot start
workers at all.
"""

# %%
# A dataset that draws numbers
# ----------------------------
#
# Each sample is a random number, standing for a random crop, from a generator that the
# dataset owns. Workers that are not forked have to import the class, which they cannot
# do from a notebook. So it goes into a file, as it would in your project.

import tempfile
from pathlib import Path

NOISE = """
import random
import torch
class Noise(torch.utils.data.Dataset):
    def __init__(self):
        self.rng = random.Random(0)
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return self.rng.randrange(1000)
"""
folder = tempfile.TemporaryDirectory()
_ = Path(folder.name, "noise.py").write_text(NOISE)

# %%
# With ``num_workers=0``, the default, your own process loads the data. Nothing is
# copied, and in two epochs no number comes twice.

import importlib
import json
import subprocess
import sys

import torch


def two_epochs(name):
    sys.path.insert(0, folder.name)
    dataset = importlib.import_module(name).Noise()
    loader = torch.utils.data.DataLoader(dataset, batch_size=2)
    return [torch.cat(list(loader)).tolist() for _ in range(2)]


alone = two_epochs("noise")
print("own generator, 0 workers:", *alone, sep="\n")

# %%
# Two workers
# -----------
#
# The same in a script that a second Python runs. The workers take turns, batch by
# batch. Both start from the same copy of the generator, and again in the next epoch,
# which has new workers. ("The guard", below, shows what the ``if`` is for.)

SCRIPT = """
import torch
from noise import Noise
if __name__ == "__main__":
    g = torch.Generator().manual_seed(1)
    loader = torch.utils.data.DataLoader(Noise(), 2, num_workers=2, generator=g)
    print([torch.cat(list(loader)).tolist() for _ in range(2)])
"""


def run(script):
    path = Path(folder.name, "train.py")
    path.write_text(script)
    return subprocess.run([sys.executable, path], capture_output=True, text=True)


copied = json.loads(run(SCRIPT).stdout)
print("own generator, 2 workers:", *copied, sep="\n")

# %%
# Draw from the generator that the loader seeds
# ---------------------------------------------
#
# In each epoch :class:`torch.utils.data.DataLoader` draws a base seed from
# ``generator=`` and seeds PyTorch in every worker with it, plus the worker's number. So
# let PyTorch draw. The last loop predicts every worker's numbers in this process. One
# pitfall remains: ``num_workers`` changes the numbers. To repeat a run, keep it.

FIXED = NOISE.replace("self.rng.randrange(1000)", "torch.randint(1000, ()).item()")
_ = Path(folder.name, "fixed.py").write_text(FIXED)
seeded = json.loads(run(SCRIPT.replace("noise", "fixed")).stdout)
print("own generator:", len({*copied[0], *copied[1]}), "different numbers of 16")
print("PyTorch's:    ", len({*seeded[0], *seeded[1]}), "different numbers of 16")
torch.manual_seed(1)
print(f"2 workers: {seeded[0]}\n0 workers: {two_epochs('fixed')[0]}")
g = torch.Generator().manual_seed(1)
for epoch in seeded:
    base_seed = torch.empty((), dtype=torch.int64).random_(generator=g).item()
    for worker in range(2):  # it loads every other batch
        torch.manual_seed(base_seed + worker)
        draws = [torch.randint(1000, ()).item() for _ in range(4)]
        assert torch.tensor(epoch).view(4, 2)[worker::2].flatten().tolist() == draws

# %%
# The guard
# ---------
#
# A spawned worker begins by running your script again. Without the ``if``, it would
# start workers in turn; Python stops it. Ask for ``"spawn"``, the strictest way to
# start a process, to find out on any platform whether the guard is there.

option = 'num_workers=1, multiprocessing_context="spawn"'
spawn = SCRIPT.replace("num_workers=2", option).replace("range(2)", "range(1)")
unguarded = run(spawn.replace('__name__ == "__main__"', "True"))
guarded = run(spawn)
print("unguarded: exit status", unguarded.returncode)
print("guarded:   exit status", guarded.returncode)
assert guarded.returncode == 0
assert "An attempt has been made to start a new process" in unguarded.stderr
folder.cleanup()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`
