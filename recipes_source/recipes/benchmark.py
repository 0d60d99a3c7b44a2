# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["timer_quick_start"]
# timeout = 120
# searched_as = [
#   "microbenchmark", "measure execution time", "compare speed", "time a function",
#   "timeit", "number of CPU threads", "set_num_threads",
#   "torch.cuda.synchronize before timing",
# ]
# ///
"""
PyTorch Benchmark
=================

Compare versions of your code over several sizes with ``torch.utils.benchmark``.

Why it matters: a clock read before and after one call measures imports, compilation
and caches. The winner at one size can lose at another. You may well keep the slower
version.
"""

# %%
# See the problem: a clock read once
# ----------------------------------
#
# Which takes longer, one call of a compiled function or fifty? Fifty do 50 times the
# work, so you know the answer. (The backend ``"eager"`` needs no C++ compiler.)

import pickle
import time

import matplotlib.pyplot as plt
import torch
from torch.utils import benchmark

torch.manual_seed(0)
inputs = torch.randn(100)


@torch.compile(backend="eager")
def polynomial(x):
    return 3 * x**2 - 2 * x + 1


def run(calls):
    for _ in range(calls):
        polynomial(inputs)


# %%
# The single call comes first and is charged for what happens once: the compilation.
# Other first calls pay for imports, caches, or memory from the system.

# Output differs from run to run.
naive = {}
for calls in (1, 50):
    start = time.perf_counter()
    run(calls)
    naive[calls] = time.perf_counter() - start
    print(f"{calls:2} calls by the clock: {1e3 * naive[calls]:8.2f} ms")
assert naive[1] > naive[50]  # the clock says the opposite of what is true

# %%
# Timer
# -----
#
# :class:`~torch.utils.benchmark.Timer` takes a statement, and its names in ``globals``.
# ``blocked_autorange`` first runs it unmeasured, finds how many runs make a block long
# enough for the clock, and repeats the block until ``min_run_time`` seconds are full.

# Output differs from run to run.
measured = {}
for calls in (1, 50):
    timer = benchmark.Timer("run(calls)", globals={"run": run, "calls": calls})
    measured[calls] = timer.blocked_autorange(min_run_time=0.2).median
    print(f"{calls:2} calls by Timer:     {1e3 * measured[calls]:8.3f} ms")
assert measured[50] > 10 * measured[1]

# %%
# The median of the blocks ignores a few slow ones. On a GPU, ``Timer`` waits for the
# device before it reads the clock. A clock of your own does not, unless you call
# ``torch.accelerator.synchronize()``.
#
# Compare two versions
# --------------------
#
# A stack of small matrix products, in a Python loop or with :func:`torch.bmm`. First
# make sure that both compute the same. Then measure several sizes.
# ``label``, ``sub_label`` and ``description`` say where a time belongs in the table.


def loop(x, y):
    return torch.stack([a @ b for a, b in zip(x, y, strict=True)])


pairs = {n: (torch.randn(n, 8, 8), torch.randn(n, 8, 8)) for n in (16, 64, 256)}
results = []
for size, (x, y) in pairs.items():
    torch.testing.assert_close(loop(x, y), torch.bmm(x, y))
    labels = {"label": "products", "sub_label": f"{size} matrices"}
    for name, function in (("loop", loop), ("bmm", torch.bmm)):
        timer = benchmark.Timer(
            "function(x, y)",
            globals={"function": function, "x": x, "y": y},
            description=name,
            **labels,
        )
        results.append(timer.blocked_autorange(min_run_time=0.1))

# %%
# ``Compare`` makes a table: a row for each ``sub_label``, a column for each
# ``description``, and a block for each number of threads.

# Output differs from run to run.
benchmark.Compare(results).print()

# %%
# One call for all products wins at each of these sizes:

loops, bmms = [r.median for r in results[::2]], [r.median for r in results[1::2]]
ratios = [one / other for one, other in zip(loops, bmms, strict=True)]
print("bmm more than 3 times as fast:", [ratio > 3 for ratio in ratios])
assert min(ratios) > 3

# %%

# Output differs from run to run.
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
styles = {"loop": (loops, "o--", "tab:orange"), "bmm": (bmms, "s-", "tab:blue")}
for name, (medians, style, color) in styles.items():
    times = [1e6 * median for median in medians]
    ax.loglog(list(pairs), times, style, color=color, label=name)
ax.set_xticks(list(pairs), list(pairs))
ax.set_xticks([], minor=True)
ax.set(title="One call for all products is faster at every size")
ax.set(xlabel="matrices in the stack", ylabel="median time (us)")
ax.legend()
plt.show()

# %%
# Compare with last week
# ----------------------
#
# A measurement can be pickled. Keep it, and put it into one table with the measurement
# of your next version. ``env`` is printed beside the threads, to tell the two apart.

kept = pickle.dumps(results)
again = pickle.loads(kept)
assert [r.median for r in again] == [r.median for r in results]
print(f"{len(again)} measurements kept")

# %%
# When it is not so: another number of threads
# --------------------------------------------
#
# ``Timer`` measures on one thread, unless you give it ``num_threads``, and puts the old
# number back. That makes measurements comparable. But your program uses as many as
# :func:`torch.get_num_threads` says, so measure with that number too.

before, seen = torch.get_num_threads(), {}
for settings in ({}, {"num_threads": 2}):
    names = {"used": set(), "torch": torch}
    statement = "used.add(torch.get_num_threads())"
    benchmark.Timer(statement, globals=names, **settings).timeit(1)
    seen[len(settings)] = names["used"]
    print(f"Timer given {settings}: threads {names['used']}")
assert seen == {0: {1}, 1: {2}} and torch.get_num_threads() == before

# %%
# In your project
# ---------------
#
# Two versions of a function, several batch sizes, on the device that you use.

# Output differs from run to run.
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
versions, results = {"gelu": torch.nn.GELU(), "silu": torch.nn.SiLU()}, []
for size in (256, 1024):
    x = torch.randn(size, 1024, device=device)
    for name, function in versions.items():
        timer = benchmark.Timer(
            "f(x)", globals={"f": function, "x": x},
            num_threads=torch.get_num_threads(),
            label="activations", sub_label=f"batch of {size}", description=name,
        )  # the labels place it in the table
        results.append(timer.blocked_autorange(min_run_time=0.1))
benchmark.Compare(results).print()

# %%
# Learn more
# ----------
#
# - Judge a close race: :ref:`sphx_glr_recipes_recipes_timer_quick_start.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
# - What to tune: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - Inputs of random sizes: ``torch.utils.benchmark.Fuzzer``
