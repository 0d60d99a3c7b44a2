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
# errors = [
#   '''An attempt has been made to start a new process before the current process has
#   finished its bootstrapping phase''',
# ]
# ///
"""
Use DataLoader workers without repeating random numbers
=======================================================

Load data in worker processes that start on any platform and draw different numbers.

Why it matters: every worker gets a copy of your data set. If the data set has a random
generator inside, all workers get the same generator, and augment alike. On macOS, on
Windows, and on Linux since Python 3.14, a worker is not a copy of your process, but a
new one. There, a script without a guard cannot start workers at all.
"""

# %%
# A data set that draws numbers
# -----------------------------
#
# Each sample is a random number, standing for a random crop, from a generator that the
# data set owns. With ``num_workers=0``, the default, your own process loads the data,
# nothing is copied, and the 16 numbers of two epochs differ.

import inspect
import json
import random
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

# %%


class Noise(Dataset):
    def __init__(self):
        self.rng = random.Random(0)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.rng.randrange(10**6)


def draw(dataset, **options):  # two epochs of eight numbers
    g = torch.Generator().manual_seed(1)
    loader = DataLoader(dataset, batch_size=2, generator=g, **options)
    return [torch.cat(list(loader)).tolist() for _ in range(2)]


alone = draw(Noise())
print("own generator, 0 workers:", *alone, sep="\n")
assert len({*alone[0], *alone[1]}) == 16

# %%
# A file, and the guard
# ---------------------
#
# A worker that is a new process imports your script, to find the class in it. This
# cannot work for a class in a notebook, so ``run`` writes this page's classes and
# functions to a file, and starts it. Every such file ends in a guard: a worker that
# imports the file must not start workers in turn.
#
# .. code-block:: python
#
#    if __name__ == "__main__":
#        main()

IMPORTS = """import json, random, torch
from torch.utils.data import DataLoader, Dataset, get_worker_info
"""
GUARD = 'if __name__ == "__main__":\n    '

# %%


def source(part):  # of a function or a class, in a script and in a notebook
    if inspect.isfunction(part):
        return inspect.getsource(part)
    first = next(item for item in vars(part).values() if inspect.isfunction(item))
    lines, number = inspect.findsource(first)
    return "".join(inspect.getblock(lines[number - 1 :]))  # the class is a line above


def run(parts, ending):
    with tempfile.TemporaryDirectory() as folder:
        text = "\n\n".join([IMPORTS, *map(source, parts), ending])
        Path(folder, "train.py").write_text(text)
        command = [sys.executable, "train.py"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)


# %%
# See the problem
# ---------------
#
# Two workers take turns, batch by batch. Both start from the same copy of the data
# set's generator, and again in the second epoch, which has new workers.

done = run([Noise, draw], GUARD + "print(json.dumps(draw(Noise(), num_workers=2)))\n")
assert done.returncode == 0, done.stderr
own = json.loads(done.stdout)
print("own generator, 2 workers:", *own, sep="\n")
assert own[0] == own[1] and len({*own[0]}) == 4

# %%
# Two cures
# ---------
#
# :class:`torch.utils.data.DataLoader` seeds ``torch``, ``random`` and ``numpy.random``
# in every worker, anew in each epoch. It seeds their global functions, not a generator
# that you make, such as ``np.random.default_rng()``. So draw from PyTorch's generator:


class Seeded(Noise):
    def __getitem__(self, index):
        return torch.randint(10**6, ()).item()  # new


# %%
# Where the data set must own its generator, replace that generator as each worker
# starts. ``get_worker_info`` has the worker's copy of the data set and the worker's
# seed.


def reseed(worker_id):
    info = get_worker_info()
    info.dataset.rng = random.Random(info.seed)


# %%
# In your project
# ---------------
#
# Pass ``worker_init_fn`` only if the data set owns a generator. After ``random_split``,
# ``reseed`` must set ``info.dataset.dataset.rng``. ``generator`` makes the run
# repeatable, shuffling included, for the same ``num_workers``. With 0 workers, nothing
# calls ``reseed``, and ``Seeded`` draws in your process: call ``torch.manual_seed``
# too. With DDP, seed ``g`` with the rank, or all ranks augment alike. A run that
# resumes makes ``g`` anew and repeats the draws of the first epochs: keep
# ``g.get_state()`` in each checkpoint, and pass it to ``g.set_state()``. How many
# workers? Time an epoch with 2, 4 and 8.


def main():
    device = torch.accelerator.current_accelerator(True) or torch.device("cpu")
    torch.manual_seed(0)  # with 0 workers, Seeded() would draw from this
    data, options = Noise(), {"num_workers": 2, "worker_init_fn": reseed}  # new
    g = torch.Generator().manual_seed(0)  # new: shuffles, and seeds the workers
    options |= {"generator": g, "pin_memory": device.type == "cuda"}
    batches = []
    for batch in DataLoader(data, batch_size=2, shuffle=True, **options):
        batches.append(batch.to(device, non_blocking=True))
    return torch.cat(batches).tolist()


# %%
# Both cures, and the project twice
# ---------------------------------
#
# ``study`` draws with each cure, with workers that stay for both epochs, and with a
# worker that is a new process (``"spawn"``).


def study():
    two = {"num_workers": 2}
    found = {"PyTorch's": draw(Seeded(), **two)}
    found["reseeded"] = draw(Noise(), worker_init_fn=reseed, **two)
    found["persistent"] = draw(Seeded(), persistent_workers=True, **two)
    found["spawn"] = draw(Seeded(), num_workers=1, multiprocessing_context="spawn")
    print(json.dumps([found, main(), main()]))


parts = [Noise, Seeded, draw, reseed, main, study]
done = run(parts, GUARD + "study()\n")
assert done.returncode == 0, done.stderr
found, once, again = json.loads(done.stdout)

# %%

for name, (first, second) in {"own": own, **found}.items():
    print(f"{name:10} {len({*first, *second}):2} different numbers of 16")
for name in found:
    assert len({*found[name][0], *found[name][1]}) == 16
print("the project, twice: the same", len(set(once)), "different numbers")
assert once == again and len(set(once)) == 8

# %%
# Proof: predict the numbers
# --------------------------
#
# In each epoch the loader draws a base seed from ``generator``. A worker's seed is the
# base seed plus the worker's number. With ``persistent_workers=True``, workers are
# seeded once, and go on drawing in the second epoch.


def predict(seed, count):
    torch.manual_seed(seed)
    return [torch.randint(10**6, ()).item() for _ in range(count)]


g = torch.Generator().manual_seed(1)
bases = [torch.empty((), dtype=torch.int64).random_(generator=g).item() for _ in "ab"]
for worker in range(2):  # it loads every other batch
    drawn = torch.tensor(found["PyTorch's"]).view(2, 4, 2)[:, worker::2]
    for epoch, base in enumerate(bases):
        assert drawn[epoch].flatten().tolist() == predict(base + worker, 4)
    drawn = torch.tensor(found["persistent"]).view(2, 4, 2)[:, worker::2]
    assert drawn.flatten().tolist() == predict(bases[0] + worker, 8)
print("all 32 numbers of PyTorch's generator are as predicted")

# %%
# Without the guard
# -----------------
#
# ``"spawn"`` makes each worker a new process on any platform. With the guard, the study
# above has used it. So you can try it where a forgotten guard is not noticed. This is
# what the worker says:

spawn = 'draw(Seeded(), num_workers=1, multiprocessing_context="spawn")\n'
unguarded = run([Noise, Seeded, draw], spawn)
message = unguarded.stderr[unguarded.stderr.index("An attempt") :]
print("RuntimeError:", textwrap.dedent(" " * 8 + message.split("To fix")[0]).strip())
assert unguarded.returncode != 0

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - How many workers: :ref:`sphx_glr_recipes_recipes_dataloader_speed.py`
# - Data without an index: :ref:`sphx_glr_recipes_recipes_iterable_dataset.py`
# - A worker that dies:
#   :ref:`sphx_glr_recipes_recipes_error_dataloader_worker_killed.py`
