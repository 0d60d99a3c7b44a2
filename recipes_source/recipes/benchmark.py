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

Compare code with ``torch.utils.benchmark``, past the traps of reading a clock yourself.

Why it matters: a clock read before and after one call measures imports, caches and
whatever else the machine does at that moment. You may well keep the slower version.
"""

# %%
# Setting
# -------
#
# Which takes longer, one call of a compiled function or fifty? Fifty do 50 times the
# work, so you know the answer. Times differ between machines, so only verdicts are
# printed. The backend ``"eager"`` needs no C++ compiler.

import re
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
# One look at the clock
# ---------------------
#
# The clock gets it wrong. The first call of a compiled function compiles it, and the
# single call, which happens to come first, is charged for that. First calls pay for
# other things too: imports, caches, memory from the system.

naive = {}
for calls in (1, 50):
    start = time.perf_counter()
    run(calls)
    naive[calls] = time.perf_counter() - start
print("clock: 50 calls take longer than 1:", naive[50] > naive[1])

# %%
# Timer
# -----
#
# :class:`~torch.utils.benchmark.Timer` takes a statement, and its names in ``globals``.
# ``blocked_autorange`` first runs it unmeasured, finds how many runs make a block long
# enough for the clock, and repeats the block until ``min_run_time`` seconds are full.
# The median of the blocks ignores a few slow ones. On a GPU, ``Timer`` also waits for
# the device before it reads the clock, and a clock of your own does not.

measured = {}
for calls in (1, 50):
    timer = benchmark.Timer("run(calls)", globals={"run": run, "calls": calls})
    measured[calls] = timer.blocked_autorange(min_run_time=0.2)
print("clock: 50 calls take longer than 1:", naive[50] > naive[1])
print("Timer: 50 calls take longer than 1:", measured[50].median > measured[1].median)
assert measured[50].median > 3 * measured[1].median

# %%
# Compare two versions
# --------------------
#
# A stack of small matrix products, in a Python loop or with :func:`torch.bmm`. First
# make sure that both compute the same. Then measure several sizes, as a winner can
# change with the size.


def loop(x, y):
    return torch.stack([a @ b for a, b in zip(x, y, strict=True)])


pairs = {n: (torch.randn(n, 8, 8), torch.randn(n, 8, 8)) for n in (16, 64, 256)}
results = []
for size, (x, y) in pairs.items():
    torch.testing.assert_close(loop(x, y), torch.bmm(x, y))
    for name, function in (("loop", loop), ("bmm", torch.bmm)):
        timer = benchmark.Timer(
            "function(x, y)",
            globals={"function": function, "x": x, "y": y},
            label="products",
            sub_label=f"{size} matrices",
            description=name,
        )
        results.append(timer.blocked_autorange(min_run_time=0.1))

# %%
# ``Compare`` makes a table of the measurements of one ``label``, a row per
# ``sub_label`` and a column per ``description``. Its method ``print`` shows it; here,
# dots stand for the times.

for line in str(benchmark.Compare(results)).splitlines()[:6]:
    line = re.sub(r"-+", "--", " ".join(line.split()))  # its widths vary with the times
    print(re.sub(r"\| [\d.]+", "| ...", line))
of_loop, of_bmm = results[::2], results[1::2]
ratios = [a.median / b.median for a, b in zip(of_loop, of_bmm, strict=True)]
print("bmm more than 3 times as fast:", [ratio > 3 for ratio in ratios])
assert min(ratios) > 3

# %%
# A reason that you can count: each call of a PyTorch function costs time of its own.
# A :class:`~torch.overrides.TorchFunctionMode` sees them all.


class CountCalls(torch.overrides.TorchFunctionMode):
    calls = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls += 1
        return function(*args, **(kwargs or {}))


# %%
# The loop makes at least one call per matrix.

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for function, name, style in ((loop, "loop", "o-"), (torch.bmm, "bmm", "s--")):
    counts = []
    for x, y in pairs.values():
        with CountCalls() as counter:
            function(x, y)
        counts.append(counter.calls)
    ax.plot(list(pairs), counts, style, label=name)
ax.set(title="Same products: many calls or one", xlabel="matrices in the stack")
ax.set(ylabel="calls of PyTorch functions")
ax.legend()
plt.show()

# %%
# Pitfall: one thread
# -------------------
#
# ``Timer`` measures on one thread, unless you give it ``num_threads``, and puts your
# own setting back. That makes measurements comparable, but your program uses
# :func:`torch.get_num_threads` of them: measure with that number too.

before = torch.get_num_threads()
for settings in ({}, {"num_threads": 2}):
    names = {"seen": set(), "torch": torch}
    statement = "seen.add(torch.get_num_threads())"
    benchmark.Timer(statement, globals=names, **settings).timeit(1)
    print(f"Timer given {settings}: threads {names['seen']}")
print("setting put back:", torch.get_num_threads() == before)

# %%
# Learn more
# ----------
#
# - Judge a close race: :ref:`sphx_glr_recipes_recipes_timer_quick_start.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
# - What to tune: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
