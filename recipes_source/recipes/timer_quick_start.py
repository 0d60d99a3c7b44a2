# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# timeout = 120
# searched_as = [
#   "measure time", "timeit", "compare speed", "which is faster", "benchmark timer",
#   "execution time",
# ]
# ///
"""
Timer quick start
=================

Decide which of two implementations is faster, and know when the difference is noise.

Why it matters: the same line takes another time at every run, so of two versions one
always looks faster. A fair race needs equal conditions, a measure of the spread, and a
control that shows how large a difference means nothing.
"""

# %%
# Setting
# -------
#
# The running sums of 200 rows, in a loop and by :func:`torch.cumsum`. A race between
# versions that differ in their result would be pointless.

import math
import time

import matplotlib.pyplot as plt
import torch
from torch.utils.benchmark import Measurement, Timer

torch.manual_seed(0)
rows = torch.randn(200, 16)


def loop(x):
    sums = [x[0]]
    for row in x[1:]:
        sums.append(sums[-1] + row)
    return torch.stack(sums)


def cumsum(x):
    return x.cumsum(dim=0)


torch.testing.assert_close(loop(rows), cumsum(rows), rtol=1e-4, atol=1e-4)

# %%
# One run says little
# -------------------
#
# The same code in 100 single runs, after ten as a warm-up, does not even agree with
# itself. (Times differ between machines, so this page prints verdicts.)

singles = []
for _ in range(110):
    start = time.perf_counter()
    loop(rows)
    singles.append(time.perf_counter() - start)
print("slowest over fastest above 1.1:", max(singles[10:]) > 1.1 * min(singles[10:]))

# %%
# More runs need a robust summary. Say B takes 5% longer than A, each run of both is
# delayed by up to 10%, and one run in twenty is interrupted, for the time of five runs.
# Draw 2,000 races like this. With 81 runs the mean is wrong more often than with one:
# hardly a race is free of interruptions. The median is then reliable.

counts = (1, 3, 9, 27, 81)
wrong = {"mean": [], "median": []}
for count in counts:
    times = torch.tensor([1.0, 1.05]) + 0.1 * torch.rand(2000, count, 2)  # of A and B
    times += 5.0 * (torch.rand(2000, count, 2) < 0.05)
    summaries = {"mean": times.mean(dim=1), "median": times.median(dim=1).values}
    for name, summary in summaries.items():
        a_looks_slower = summary[:, 0] > summary[:, 1]
        wrong[name].append(100 * a_looks_slower.float().mean().item())
for name, shares in wrong.items():
    print(f"by the {name}, B wins {shares[0]:.0f}% of the races", end=" ")
    print(f"after 1 run, {shares[-1]:.0f}% after 81")

# %%
# The wrong verdicts, by the number of runs:

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.semilogx(counts, wrong["mean"], "s--", color="tab:orange", label="mean")
ax.semilogx(counts, wrong["median"], "o-", color="tab:blue", label="median")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.set(xlabel="runs of each version", ylabel="races won by the slower (%)")
ax.set(title="Interruptions fool the mean, more runs cure the median")
ax.legend()
plt.show()

# %%
# Timer and Measurement
# ---------------------
#
# ``stmt`` is timed, ``setup`` runs before it and is not, ``globals`` holds the names,
# and ``num_threads`` is 1 unless you say more. ``adaptive_autorange`` repeats until the
# spread is small against the median, ``threshold`` of it, or ``max_run_time`` is over.
# The result's ``times`` are seconds per run. ``iqr``, the interquartile range, is the
# width that holds the middle half of them.

timer = Timer(
    stmt="loop(x)",
    setup="time.sleep(0.1); x = rows.clone()",
    globals={"loop": loop, "rows": rows, "time": time},
)
result = timer.adaptive_autorange(threshold=0.1, max_run_time=1.0)
print("threads:", result.num_threads)
print("setup is left out:", result.median < 0.1)
times = torch.tensor(result.times, dtype=torch.float64)
low, high = times.quantile(0.25).item(), times.quantile(0.75).item()
assert math.isclose(result.median, times.quantile(0.5).item())
assert math.isclose(result.iqr, high - low, rel_tol=1e-6)

# %%
# A race with a control
# ---------------------
#
# The load of a machine drifts, so let the runners take turns, in many short rounds, and
# merge these. The third runner is the first one again. These two should tie. The ratio
# of their times is your noise: believe only a difference that is clearly larger.

runners = {"loop": loop, "cumsum": cumsum, "loop again": loop}
rounds = {name: [] for name in runners}
for _ in range(100):
    for name, function in runners.items():
        timer = Timer("function(x)", globals={"function": function, "x": rows})
        rounds[name].append(timer.timeit(3))
medians = {name: Measurement.merge(parts)[0].median for name, parts in rounds.items()}
fast, slow = sorted([medians["loop"], medians["loop again"]])
noise, ratio = slow / fast, fast / medians["cumsum"]
print("cumsum more than 3 times as fast:", ratio > 3)
print("this ratio is above the noise:", ratio > noise)
assert ratio > max(3, noise)

# %%
# Pitfall: a statement that changes its input
# -------------------------------------------
#
# The statement runs many times on the same objects, also before the measurement. This
# one doubles a tensor in place, and what you time is soon a tensor of infinities.
# ``numbers.sort()`` of a list is as bad: from the second run on, the list is sorted.

x = torch.ones(1000)
measurement = Timer("x.mul_(2)", globals={"x": x}).timeit(200)
print(f"all infinite after {measurement.number_per_run} runs: {x.isinf().all().item()}")

# %%
# Learn more
# ----------
#
# - Several sizes in a table: :ref:`sphx_glr_recipes_recipes_benchmark.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
# - What to try first: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - API: :class:`torch.utils.benchmark.Timer`
