# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["benchmark"]
# timeout = 120
# searched_as = [
#   "profile a training loop", "bottleneck", "slow training", "GPU utilization",
#   "chrome trace", "flame graph", "time per operator", "torch.profiler",
#   "record_function",
# ]
# ///
"""
PyTorch Profiler
================

Find the part of a training step that takes the time, and the operators it consists of.

Why it matters: a stopwatch gives one number for a whole step, and a guess at the slow
part is often wrong. You then make something faster that did not matter.
"""

# %%
# Setting
# -------
#
# A training step, of which you suspect the forward and the backward pass: the matrix
# products are there.

import os

os.environ["KINETO_LOG_LEVEL"] = "7"  # no log of the profiler's own; before torch
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import layer_norm
from torch.profiler import ProfilerActivity, profile, record_function

torch.manual_seed(0)
torch.set_num_threads(1)  # so that no part waits for other threads
inputs, targets = torch.rand(512, 3, 8, 8), torch.randint(10, (512,))
layers = [nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10)]
model = nn.Sequential(nn.Flatten(), *layers)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

# %%
# ``image_by_image`` gives each image mean 0 and variance 1. In ``step``,
# :class:`~torch.autograd.profiler.record_function` names the parts.


def image_by_image(images):
    return torch.stack([layer_norm(image, image.shape) for image in images])


def step(normalize):
    with record_function("normalize"):
        normalized = normalize(inputs)
    with record_function("forward"):
        loss = loss_fn(model(normalized), targets)
    with record_function("backward"):
        optimizer.zero_grad()
        loss.backward()
    with record_function("update"):
        optimizer.step()


# %%
# Profile three steps
# -------------------
#
# :class:`torch.profiler.profile` records every operator that runs inside ``with``, and
# ``key_averages`` adds them up by name. ``with_flops`` counts the operations of matrix
# products, convolutions, additions and multiplications; other operators, such as a
# layer norm, get 0. One step runs before, so that what happens once is left out. The
# linear layers call ``addmm`` in the forward pass, and ``mm`` in the backward pass.


def run_profiler(normalize):
    step(normalize)
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiler:
        for _ in range(3):
            step(normalize)
    return {event.key: event for event in profiler.key_averages()}


before = run_profiler(image_by_image)
parts = ("normalize", "forward", "backward", "update")
times = {part: before[part].cpu_time_total for part in parts}
print("part with most time:", max(times, key=times.get))
keys = ["aten::native_layer_norm", "aten::addmm", "aten::mm"]
for key in keys:
    print(f"{key}: {before[key].count} calls, {before[key].flops / 1e6:.0f} MFLOP")

# %%
# One call for all images
# -----------------------
#
# The suspects are innocent, and the calls say why: one normalization per image. One
# call can do all images. Profile again; the counts must equal those by hand. A linear
# layer multiplies and adds once per weight and image.


def all_at_once(images):
    return layer_norm(images, images.shape[1:])


after = run_profiler(all_at_once)
for key in keys:
    print(f"{key}: {after[key].count} calls, {after[key].flops / 1e6:.0f} MFLOP")
speedup = before["normalize"].cpu_time_total / after["normalize"].cpu_time_total
print("normalize at least 3 times as fast:", speedup > 3)
torch.testing.assert_close(all_at_once(inputs), image_by_image(inputs))
counts = [events["aten::native_layer_norm"].count for events in (before, after)]
assert counts == [3 * 512, 3] and speedup > 3
assert after["aten::addmm"].flops == 3 * 2 * 512 * (192 * 32 + 32 * 10)

# %%
# The calls of three steps, and their counted arithmetic: the layer norm has no bar at
# the right, as its arithmetic is not counted.

fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
runs = [(before, -0.2, "tab:orange", "//"), (after, 0.2, "tab:blue", "")]
for events, shift, color, hatch in runs:
    places = [place + shift for place in range(3)]
    calls = [events[key].count for key in keys]
    mflop = [events[key].flops / 1e6 for key in keys]
    axes[0].barh(places, calls, 0.4, color=color, hatch=hatch)
    axes[1].barh(places, mflop, 0.4, color=color, hatch=hatch)
axes[0].set(yticks=range(3), yticklabels=keys, ylabel="operator", ylim=(2.6, -0.6))
axes[0].set(title="Layer norm: 1536 calls, or 3", xlabel="calls in 3 steps")
axes[0].set(xscale="log", xlim=(1, 3000))
axes[1].set(title="Counted arithmetic: equal", xlabel="MFLOP in 3 steps")
axes[1].set(ylabel="operator")
axes[1].legend(["image by image", "all at once"])
plt.show()

# %%
# Pitfall: totals overlap
# -----------------------
#
# ``cpu_time_total`` of an operator includes the operators that it calls, so totals add
# up to more than the step. ``self_cpu_time_total`` leaves them out: sort by that to
# find the operator that does the work. On a GPU, add ``ProfilerActivity.CUDA`` and read
# the device columns: the CPU's time is only that of launching the kernels.

total = sum(event.cpu_time_total for event in after.values())
alone = sum(event.self_cpu_time_total for event in after.values())
print("totals add up to more than the times alone:", total > alone)

# %%
# Learn more
# ----------
#
# - Measure the gain: :ref:`sphx_glr_recipes_recipes_benchmark.py`
# - Count the work: :ref:`sphx_glr_recipes_recipes_counting_parameters_and_flops.py`
# - What to change next: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - API: :class:`torch.profiler.profile`
