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
# A training step, and a guess
# ----------------------------
#
# ``image_by_image`` gives each image mean 0 and variance 1. In ``step``,
# :class:`~torch.autograd.profiler.record_function` names the parts. The guess: the
# matrix products in the forward and the backward pass take the time.

import json
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import layer_norm
from torch.profiler import ProfilerActivity, profile, record_function, schedule

torch.manual_seed(0)
torch.set_num_threads(1)  # so that no part waits for other threads
inputs, targets = torch.rand(512, 3, 8, 8), torch.randint(10, (512,))
layers = [nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10)]
model, loss_fn = nn.Sequential(nn.Flatten(), *layers), nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def image_by_image(images):
    return torch.stack([layer_norm(image, image.shape) for image in images])


# %%
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
# See the problem: profile three steps
# ------------------------------------
#
# :class:`torch.profiler.profile` records every operator that runs inside ``with``.
# ``key_averages`` adds them up by name, and ``table`` shows the sums. One step runs
# before, so that what happens once is left out.


def run_profiler(normalize):
    step(normalize)
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiler:
        for _ in range(3):
            step(normalize)
    return profiler.key_averages()


# %%
# Each row is an operator or one of the named parts. This table is sorted by the number
# of calls; ``sort_by="self_cpu_time_total"`` is the usual order.

# Output differs from run to run.
naive = run_profiler(image_by_image)
print(naive.table(sort_by="count", row_limit=5, max_name_column_width=24))

# %%
# The parts say where the time goes, and the calls say why: one normalization for each
# image. The matrix products are not the slow part. The two linear layers call ``addmm``
# in the forward pass, and ``mm`` in the backward pass.

before = {event.key: event for event in naive}
parts = ("normalize", "forward", "backward", "update")
times = {part: before[part].cpu_time_total for part in parts}
print("part with most time:", max(times, key=times.get))
keys = ["aten::native_layer_norm", "aten::addmm", "aten::mm"]
for key in keys:
    print(f"{key}: {before[key].count} calls, {before[key].flops / 1e6:.0f} MFLOP")
assert times["normalize"] > max(times["forward"], times["backward"], times["update"])

# %%
# One call for all images
# -----------------------
#
# One call can normalize all images. Profile again. ``with_flops`` counts the arithmetic
# of matrix products, ``conv2d``, ``add`` and ``mul``. Other operators get 0: a layer
# norm, but also ``scaled_dot_product_attention``. The count of ``addmm`` must equal the
# count by hand: a linear layer multiplies and adds once for each weight and image.


def all_at_once(images):
    return layer_norm(images, images.shape[1:])


after = {event.key: event for event in run_profiler(all_at_once)}
for key in keys:
    print(f"{key}: {after[key].count} calls, {after[key].flops / 1e6:.0f} MFLOP")
speedup = before["normalize"].cpu_time_total / after["normalize"].cpu_time_total
print("normalize at least 3 times as fast:", speedup > 3)
torch.testing.assert_close(all_at_once(inputs), image_by_image(inputs))
counts = [events["aten::native_layer_norm"].count for events in (before, after)]
assert counts == [3 * 512, 3] and speedup > 3
assert after["aten::addmm"].flops == 3 * 2 * 512 * (192 * 32 + 32 * 10)

# %%

fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
runs = [(before, "o", "tab:orange", "one by one"), (after, "s", "tab:blue", "at once")]
for events, marker, color, label in runs:
    size = 11 if events is before else 6  # where both agree, both are seen
    calls = [events[key].count for key in keys]
    ax.plot(calls, keys, marker, color=color, markersize=size, label=label)
ax.set(xscale="log", xlim=(1, 3000), xlabel="calls in 3 steps", ylabel="operator")
ax.set(title="Layer norm: 1536 calls, or 3", ylim=(2.5, -0.5))
ax.legend()
plt.show()

# %%
# Shapes and memory
# -----------------
#
# ``record_shapes`` keeps the sizes of the inputs, and ``profile_memory`` what each
# operator allocates. Grouped by shape, the two linear layers are two rows:

# Output differs from run to run.
options = {"record_shapes": True, "profile_memory": True}
with profile(activities=[ProfilerActivity.CPU], **options) as profiler:
    outputs = model(inputs)
groups = profiler.key_averages(group_by_input_shape=True)
linear = [event for event in groups if event.key == "aten::addmm"]
for event in linear:
    print(event.key, event.input_shapes[1:3], f"{event.self_cpu_memory_usage} bytes")
print(profiler.key_averages().table(sort_by="self_cpu_memory_usage", row_limit=2))
assert [e.self_cpu_memory_usage for e in linear] == [4 * 512 * 32, 4 * 512 * 10]

# %%
# When totals mislead
# -------------------
#
# ``CPU total`` of an operator includes the operators that it calls, so totals add up to
# more than the step. ``Self CPU`` leaves the called operators out: sort by ``Self CPU``
# to find the operator that does the work.
#
# The cells above record the CPU only. For a GPU, leave out ``activities``, and read the
# columns of the device. The CPU's time is then for launching kernels, and for waiting.
# ``item()`` and ``cpu()`` look slow there, because they wait for the kernels launched
# before.
#
# The profiler adds some time to every call, so many small calls look slower than they
# are. Measure a gain without the profiler.

# Output differs from run to run.
for key in ("aten::linear", "aten::addmm"):  # the first one calls the second
    event = after[key]
    own = event.self_cpu_time_total
    print(f"{key}: total {event.cpu_time_total:.0f} us, self {own:.0f} us")
total = sum(event.cpu_time_total for event in after.values())
alone = sum(event.self_cpu_time_total for event in after.values())
assert total > alone
assert after["aten::linear"].cpu_time_total > after["aten::addmm"].cpu_time_total

# %%
# In your project
# ---------------
#
# A schedule leaves out the first steps of your loop, and records some. The trace is a
# timeline of every call: open the file in https://ui.perfetto.dev.
#
# - On a GPU, sort by ``"self_cuda_time_total"``. For Apple's GPU, there is
#   ``torch.mps.profiler``.
# - Here the loop must make at least four steps: one waits, one warms up, two are
#   recorded.
# - Without ``repeat=1`` the schedule starts again and again. The trace then holds only
#   the last round, or nothing if the loop ends while a new round warms up.
# - The wait for data is the row ``enumerate(DataLoader)#...``. The work of the loader's
#   worker processes is not recorded.
# - ``with_stack=True`` adds the functions of your code.
# - With several training processes, put the rank into the file's name.

# Output differs from run to run.
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))
optimizer = torch.optim.AdamW(model.to(device).parameters(), fused=True)
once = schedule(wait=1, warmup=1, active=2, repeat=1)  # new: two steps, one time
with profile(schedule=once) as prof:
    for batch in torch.randn(6, 256, 1024, device=device):
        model(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        prof.step()  # new: the next step begins
prof.export_chrome_trace("trace.json")
print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=2))

# %%
# Check
# -----
#
# Two steps of two linear layers are in the table and in the trace.

events = json.loads(Path("trace.json").read_text())["traceEvents"]
in_trace = sum(event.get("name") == "aten::linear" for event in events)
in_table = {event.key: event for event in prof.key_averages()}["aten::linear"].count
print(f"calls of aten::linear: {in_table} in the table, {in_trace} in the trace")
assert in_table == in_trace == 4
Path("trace.json").unlink()

# %%
# Learn more
# ----------
#
# - Measure the gain: :ref:`sphx_glr_recipes_recipes_benchmark.py`
# - Count the work: :ref:`sphx_glr_recipes_recipes_counting_parameters_and_flops.py`
# - What to change next: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
# - API: :class:`torch.profiler.profile`
