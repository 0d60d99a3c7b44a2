# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Training", "Data"]
# after = ["dataloader_workers_and_seeds"]
# timeout = 60
# searched_as = [
#   "reproducibility", "set random seed", "set all seeds", "seed_everything",
#   "deterministic behaviour", "different results every run", "manual_seed",
#   "cudnn.deterministic", "cudnn.benchmark", "CUBLAS_WORKSPACE_CONFIG",
#   "nondeterministic operation", "results not repeatable",
# ]
# errors = ["does not have a deterministic implementation, but you set"]
# older_errors = [
#   '''Deterministic behavior was enabled with either
#   `torch.use_deterministic_algorithms(True)`''',
# ]
# ///
"""
Run a training twice and get the same bits
==========================================

Seed each source of chance, and have operations refused that may differ between runs.

Two runs of one script end with different losses, and you cannot tell whether your last
change helped or whether chance gave other numbers. One seed is usually set, and three
generators are in use.
"""

# %%
# A training with three generators
# --------------------------------
#
# Python's ``random`` scales each batch, NumPy adds noise to it, and PyTorch
# makes the weights and shuffles. The function returns a hash of all final weights: one
# bit changed, and the hash is another one.

import hashlib
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

data = torch.linspace(-1, 1, 96).reshape(32, 3)
dataset = TensorDataset(data, data.prod(dim=1, keepdim=True))


def fingerprint(model):
    raw = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
    return hashlib.sha256(raw).hexdigest()[:8]


# %%


def train(**options):
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(dataset, batch_size=4, shuffle=True, **options):
        x = x * random.uniform(0.8, 1.2)
        x = x + torch.from_numpy(np.random.normal(size=x.shape)).float()
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return fingerprint(model)


# %%
# See the problem: one seed of three
# ----------------------------------
#
# ``start`` puts all generators into a state that nobody knows, as a new process does.
# Then it sets the seeds that you name. With PyTorch's seed alone, two runs differ.
# Two runs also differ if any one of the three is left out.

SEEDS = {"random": random.seed, "numpy": np.random.seed, "torch": torch.manual_seed}


def start(*names):
    random.seed(None)
    np.random.seed(None)
    torch.seed()
    for name in names:
        SEEDS[name](7)


def same(*names):
    hashes = []
    for _ in range(2):
        start(*names)
        hashes.append(train())
    return hashes[0] == hashes[1]


# %%

verdicts = {"torch": same("torch")}
for left_out in SEEDS:
    names = [name for name in SEEDS if name != left_out]
    verdicts[" and ".join(names)] = same(*names)
verdicts["all three"] = same(*SEEDS)
for name, equal in verdicts.items():
    print(f"seeded {name:16} two runs are equal: {equal}")
assert [name for name, equal in verdicts.items() if equal] == ["all three"]

# %%
# The order of the data
# ---------------------
#
# The global generator also shuffles. So one number drawn more, by a new layer or a
# picture for the log, changes the order of all batches. A generator that only the
# :class:`~torch.utils.data.DataLoader` uses keeps the order. A loader with workers
# seeds each worker from it, too.


def order(extra, own):
    start(*SEEDS)
    torch.rand(extra)  # a new line somewhere above
    g = torch.Generator().manual_seed(7) if own else None
    loader = DataLoader(torch.arange(32), batch_size=32, shuffle=True, generator=g)
    return next(iter(loader)).tolist()


for own in (False, True):
    kept = order(0, own) == order(1, own)
    print(f"generator for the loader: {own!s:5} order kept: {kept}")
    assert kept == own

# %%
# Operations that differ
# ----------------------
#
# Seeds do not help where many threads write to one place, and which of them is first
# is chance. :func:`torch.use_deterministic_algorithms` chooses another algorithm
# where there is one, and raises an error where there is none. PyTorch does not
# check kernels of other packages. The first word of the message is the operation to
# replace, or its kernel. The traceback says where you call it. If the name has
# ``backward`` in it, the traceback stops at ``loss.backward()``. Run one step in
# ``torch.autograd.detect_anomaly()``, which shows the line of the forward pass.

torch.use_deterministic_algorithms(True)
index, value = torch.tensor([0, 2, 2]), torch.tensor([1.0, 2.0, 3.0])
refused = False
try:
    torch.zeros(4).put_(index, value)
except RuntimeError as error:
    refused = True
    print(error)
last = torch.zeros(4)
for place, number in zip(index, value, strict=True):  # the last one counts
    last[place] = number
print(last)
assert refused and torch.equal(last, torch.tensor([1.0, 0.0, 3.0, 0.0]))
torch.use_deterministic_algorithms(False)

# %%
# When it is not so
# -----------------
#
# Equal bits need the same kind of CPU and GPU, and the same versions of PyTorch and
# CUDA. The numbers of threads, workers and processes must be the same, too. Elsewhere,
# sums may be added in another order, and the order changes what is rounded away.

large, one = torch.tensor(1e8), torch.tensor(1.0)
first, second = (large + one) - large, (large - large) + one
print(f"first order {first:.0f}, second order {second:.0f}")
assert first == 0 and second == 1

# %%
# NumPy's newer generators do not read ``np.random.seed``: each has a separate seed.
# Give ``np.random.default_rng`` a seed. The order of files is not fixed either:
# sort what ``os.listdir``, ``glob`` or a ``set`` of strings gives.

draws = {}
for name, seed in {"default_rng()": None, "default_rng(7)": 7}.items():
    numbers = []
    for _ in range(2):
        start(*SEEDS)
        numbers.append(np.random.default_rng(seed).random())
    draws[name] = numbers[0] == numbers[1]
    print(f"all three seeded, {name:14} two runs are equal: {draws[name]}")
assert list(draws.values()) == [False, True]

# %%
# In your project
# ---------------
#
# Call ``seed_all`` first in the script, and give its generator to the loader.
# Deterministic algorithms cost speed: drop the two lines with ``cudnn`` and
# ``deterministic`` when you no longer compare runs.
#
# With several processes, call ``seed_all(seed + rank)`` again after the model is built,
# and give this generator to the loader. Then augmentation and dropout differ. With
# workers, do not draw from ``rng`` inside the data set: every worker gets a copy of
# ``rng``, and all copies draw the same.
#
# On NVIDIA's GPUs, older releases of PyTorch raise this message:
#
# .. code-block:: text
#
#    Deterministic behavior was enabled with either
#    `torch.use_deterministic_algorithms(True)` or
#    `at::Context::setDeterministicAlgorithms(true)`, but this operation is not
#    deterministic because it uses CuBLAS and you have CUDA >= 10.2. To enable
#    deterministic behavior in this case, you must set an environment variable before
#    running your PyTorch application: CUBLAS_WORKSPACE_CONFIG=:4096:8 or
#    CUBLAS_WORKSPACE_CONFIG=:16:8. For more information, go to
#    https://docs.nvidia.com/cuda/cublas/index.html#results-reproducibility
#
# There, set ``os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"`` before the first
# CUDA call, or the same variable in the shell.


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # all devices
    torch.backends.cudnn.benchmark = False  # no choice of algorithm by its speed
    torch.use_deterministic_algorithms(True)
    return torch.Generator().manual_seed(seed)


g = seed_all(42)  # new: the first line of the script
rng = np.random.default_rng(42)  # new: for code that takes a generator
loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=0, generator=g)

# %%
# Check
# -----
#
# The same seed gives the same batches and the same weights. Another seed gives another
# hash. Report results over several seeds: a run that you can repeat is still one draw.

batches = [x for x, _ in loader]
loader = DataLoader(dataset, batch_size=4, shuffle=True, generator=seed_all(42))
assert all(map(torch.equal, batches, (x for x, _ in loader)))
hashes = [train(generator=seed_all(seed)) for seed in (42, 42, 43)]
assert hashes[0] == hashes[1] != hashes[2]
torch.use_deterministic_algorithms(False)
print("seed 42 twice, equal hashes:", hashes[0] == hashes[1])
print("seeds 42 and 43, equal hashes:", hashes[0] == hashes[2])

# %%
# Learn more
# ----------
#
# - Workers: :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - The state of the generators in a checkpoint:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - The same parts of the data:
#   :ref:`sphx_glr_recipes_recipes_train_validation_test_split.py`
# - API: :func:`torch.use_deterministic_algorithms`
