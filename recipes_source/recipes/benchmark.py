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
and caches. A gain of 10 times at one size can be nothing at another. You may well keep
the slower version.
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
assert naive[1] > 5 * naive[50]  # the clock says the opposite of what is true

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
# current device before it reads the clock. A clock of your own does not, unless you
# call ``torch.accelerator.synchronize()``.
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
# For products of 8 x 8, one call wins at each of these sizes. It is not so for large
# matrices on one thread: there the products take the time, not the calls, and the two
# come close.

loops, bmms = [r.median for r in results[::2]], [r.median for r in results[1::2]]
ratios = [one / other for one, other in zip(loops, bmms, strict=True)]
print("bmm more than 3 times as fast:", [ratio > 3 for ratio in ratios])
large = []
x, y = torch.randn(2, 16, 256, 256)
for function in (loop, torch.bmm):
    timer = benchmark.Timer("f(x, y)", globals={"f": function, "x": x, "y": y})
    large.append(timer.blocked_autorange(min_run_time=0.3).median)
print("the same for 16 matrices of 256 x 256:", large[0] / large[1] > 3)
assert min(ratios) > 3 > large[0] / large[1]

# %%

# Output differs from run to run.
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
styles = {"loop": (loops, "o--", "tab:orange"), "bmm": (bmms, "s-", "tab:blue")}
for name, (medians, style, color) in styles.items():
    times = [1e6 * median for median in medians]
    ax.loglog(list(pairs), times, style, color=color, label=name)
ax.set_xticks(list(pairs), list(pairs))
ax.set_xticks([], minor=True)
ax.set(title="Products of 8 x 8: one call is faster than a loop")
ax.set(xlabel="matrices in the stack", ylabel="median time (us)")
ax.legend()
plt.show()

# %%
# Compare with last week
# ----------------------
#
# A measurement can be pickled. Keep it, and put it into one table with the measurement
# of your next version. ``env`` is printed in brackets before the row, to tell the two
# apart. Measure both on the same machine, with the same release of PyTorch and the same
# number of threads. Otherwise the difference need not come from your code.

# Output differs from run to run.
x, y = pairs[64]
weeks, kept = {"last week": loop, "now": torch.bmm}, {}
for env, function in weeks.items():
    names = {"f": function, "x": x, "y": y}
    labels = {"label": "products", "sub_label": "64 matrices", "description": "time"}
    timer = benchmark.Timer("f(x, y)", globals=names, env=env, **labels)
    kept[env] = pickle.dumps(timer.blocked_autorange(min_run_time=0.1))
again = [pickle.loads(measurement) for measurement in kept.values()]
benchmark.Compare(again).print()
assert [m.task_spec.env for m in again] == list(weeks)
assert again[0].median > 3 * again[1].median

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
# Two versions of a function, several batch sizes, on the device and with the number of
# threads that you use. ``assert_close`` comes first: only versions that compute the
# same may race. If a version is compiled, its compilation for each size happens there,
# before the clock starts. Put the loop under ``torch.inference_mode()`` if you use the
# function so. Which of these two is faster depends on the processor.

# Output differs from run to run.
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
exact, fast, results = torch.nn.GELU(), torch.nn.GELU(approximate="tanh"), []
for size in (256, 1024):
    x = torch.randn(size, 1024, device=device)
    torch.testing.assert_close(exact(x), fast(x), atol=1e-3, rtol=0)  # first
    for name, f in {"exact": exact, "tanh": fast}.items():
        timer = benchmark.Timer(
            "f(x)", globals={"f": f, "x": x}, num_threads=torch.get_num_threads(),
            label="gelu", sub_label=f"batch of {size}", description=name)  # new
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
