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

Time code with ``torch.utils.benchmark.Timer``, and know when a difference is noise.

Why it matters: the same line takes another time at every run, so of two equally fast
versions one looks faster. If nobody says how often a tie looks like a win, the numbers
decide nothing.
"""

# %%
# See the problem: one run says little
# ------------------------------------
#
# Running sums of 200 rows, in a loop and by :func:`torch.cumsum`. First make sure that
# both compute the same. Then time single runs of the loop, after one as a warm-up. They
# do not even agree with each other.

import math
import time

import matplotlib.pyplot as plt
import torch
from torch.utils.benchmark import Timer

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

# Output differs from run to run.
singles = []
for _ in range(100):
    start = time.perf_counter()
    loop(rows)
    singles.append(1e6 * (time.perf_counter() - start))
print(f"fastest {min(singles):.0f} us, slowest {max(singles):.0f} us")

# %%
# Timer and Measurement
# ---------------------
#
# :class:`~torch.utils.benchmark.Timer` takes a statement and its names in ``globals``.
# ``blocked_autorange`` first finds how many runs are long enough for the clock, and
# repeats this block for ``min_run_time`` seconds. ``setup`` is not timed. It runs once
# before each block, not before each run.

# Output differs from run to run.
timer = Timer("loop(x)", setup="x = rows.clone()", globals={"loop": loop, "rows": rows})
measurement = timer.blocked_autorange(min_run_time=0.2)
print(measurement)

# %%
# The median over the blocks is the time of one run. From four blocks on, ``print`` also
# shows the IQR, the interquartile range: the width that holds the middle half of the
# times. A warning says that this width is large against the median. A larger
# ``min_run_time`` gives more blocks. ``times`` has the seconds of each block, per run:

times = torch.tensor(measurement.times, dtype=torch.float64)
quarter, half, three_quarters = times.quantile(torch.tensor([0.25, 0.5, 0.75]).double())
print("threads:", measurement.num_threads)
assert math.isclose(measurement.median, half)
assert math.isclose(measurement.iqr, three_quarters - quarter, rel_tol=1e-6)

# %%
# ``num_threads`` is 1 unless you say more. On a GPU, ``Timer`` synchronizes the current
# device before it reads the clock. For a model on ``cuda:1``, first call
# ``torch.accelerator.set_device_index(1)``. A clock of your own does not wait: the call
# has only been queued when it returns.
#
# A race: take turns, and count
# -----------------------------
#
# The load of a machine drifts, so let both runners take turns, in many short rounds.
# Count the rounds that the second one wins. An interrupted run decides one round,
# however long it was interrupted.


def race(first, second, x, runs=2, threads=1, rounds=40):
    names = [{"f": f, "x": x} for f in (first, second)]
    runners = [Timer("f(x)", globals=n, num_threads=threads) for n in names]
    wins = 0
    for number in range(rounds):
        order = (0, 1) if number % 2 else (1, 0)  # neither is always the first
        seconds = {runner: runners[runner].timeit(runs).median for runner in order}
        wins += seconds[1] < seconds[0]
    return wins


# %%
# The second race is a tie: both runners are the same function.

# Output differs from run to run.
wins = race(loop, cumsum, rows)
print(f"cumsum wins {wins} of 40 rounds against the loop")
print(f"the loop wins {race(loop, loop, rows)} of 40 rounds against itself")
assert wins >= 30

# %%
# How many wins are enough?
# -------------------------
#
# In a tie, each round is a coin, if no round influences the next. The binomial
# distribution says how often 40 tosses of a coin show the same side at least 30 times.
# Check this number with races whose times are drawn: each time is up to 10% longer, and
# one in twenty is about six times as long.

count, needed = 40, 30
binomial = 2 * sum(math.comb(count, k) for k in range(needed, count + 1)) / 2**count


def decided(difference, rounds=count, needed=needed, races=4000):
    times = torch.tensor([1.0, 1 + difference]) + 0.1 * torch.rand(races, rounds, 2)
    times += 5.0 * (torch.rand(races, rounds, 2) < 0.05)
    wins = (times[..., 0] < times[..., 1]).sum(dim=1)
    return (torch.maximum(wins, rounds - wins) >= needed).float().mean().item()


print(f"ties that look decided, after 40 rounds: {decided(0):.1%}")
print(f"                        by theory: {binomial:.1%}")
print(f"                        after one round: {decided(0, 1, 1):.0%}")
print(f"5% apart: {decided(0.05):.0%} decided, 1% apart: {decided(0.01):.0%}")
assert decided(0, 1, 1) == 1 and decided(0) < 0.01 and binomial < 0.01
assert decided(0.05) > 0.85

# %%
# With this noise, 40 rounds mostly find a difference of 5%. A difference of 1% needs
# many more rounds:

rounds = [10, 20, 40, 80, 160, 320, 640]
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
styles = {0.05: "-o", 0.01: "-s", 0.0: "--^"}
for difference, style in styles.items():
    # A tie reaches 3.1 standard deviations in 2 of 1000 races.
    needs = [(n, math.ceil(n / 2 + 3.1 * math.sqrt(n) / 2)) for n in rounds]
    shares = [100 * decided(difference, *need, races=1000) for need in needs]
    color = "tab:blue" if difference else "tab:orange"
    label = f"{difference:.0%} apart" if difference else "tie"
    ax.semilogx(rounds, shares, style, color=color, label=label)
ax.set_xticks(rounds, rounds)
ax.set_xticks([], minor=True)
ax.set(xlabel="rounds", ylabel="decided (%)", title="Small gaps need many rounds")
ax.legend(loc="center right")
plt.show()

# %%
# When it is not so: a statement that changes its input
# -----------------------------------------------------
#
# The statement runs many times on the same objects, also before the measurement. This
# one doubles a tensor in place, and what you time is soon a tensor of infinities.
# ``numbers.sort()`` of a list is as bad: from the second run on, the list is sorted.
# Copy the object inside the statement, and time the copy alone for comparison.

x = torch.ones(1000)
doubling = Timer("x.mul_(2)", globals={"x": x}).timeit(200)
print(f"all infinite after {doubling.number_per_run} runs: {x.isinf().all().item()}")
assert x.isinf().all()

# %%
# In your project
# ---------------
#
# Time your own model as it will run: on its device, in its type or with its autocast,
# without gradients, and with all threads that PyTorch may use. Where this page is
# built, PyTorch may use one. For a training step, leave out ``inference_mode`` and
# ``eval``, and time a function that calls ``backward``, too.
#
# To compare two models, use ``race``. With 30 wins or more, or 10 or fewer, this is
# hardly a tie. Choose ``runs`` so large that each round takes some milliseconds.

# Output differs from run to run.
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = torch.nn.Linear(64, 64).to(device).eval()
other = torch.nn.Linear(64, 64, bias=False).to(device).eval()
batch = torch.randn(32, 64, device=device)
threads = torch.get_num_threads()  # the default of Timer is 1

names = {"model": model, "batch": batch}
timer = Timer("model(batch)", globals=names, num_threads=threads)
with torch.inference_mode():
    print(timer.blocked_autorange(min_run_time=0.2))
    wins = race(model, other, batch, runs=100, threads=threads)
print(f"without a bias: {wins} of 40 rounds won")

# %%
# Learn more
# ----------
#
# - Several sizes in a table: :ref:`sphx_glr_recipes_recipes_benchmark.py`
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
# - What to try first: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - :class:`torch.utils.benchmark.Timer` also times C++ (``language="c++"``). On a
#   machine with a GPU, this needs ``timer=timeit.default_timer``, which does not wait
#   for the GPU: time CPU code only. Where Valgrind is installed, ``collect_callgrind``
#   counts instructions, which hardly vary.
