# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Performance"]
# after = ["profiler_recipe"]
# timeout = 120
# searched_as = [
#   "speed up training", "slow model", "faster inference", "optimize performance",
#   "channels_last", "cudnn.benchmark", "fuse operators", "GPU utilization",
#   "tips and tricks",
# ]
# ///
"""
Performance Tuning Guide
========================

Find three costs of a small model by counting, remove each, and prove that results stay.

Why it matters: each operator of PyTorch has a fixed cost for being called, and each
forward pass keeps memory for a backward pass that may never come. Counts show both,
and unlike times they do not depend on what else the machine is doing.
"""

# %%
# Count the operators
# -------------------
#
# :class:`torch.profiler.profile` records every operator that is called, those that
# other operators call included. The first call is for warming up and not counted.

import os

os.environ["KINETO_LOG_LEVEL"] = "7"  # no log of the profiler's own; before torch
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

torch.manual_seed(0)
layers = [nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for _ in range(10)]
model, inputs = nn.Sequential(*layers), torch.randn(64, 32)


def operators(function):
    function()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        function()
    events = profiler.key_averages()
    return sum(event.count for event in events if event.key.startswith("aten::"))


# %%
# Cost 1: many small calls
# ------------------------
#
# One example at a time, and all 64 in one call: the same outputs.

from torch.utils.benchmark import Timer


def one_by_one():
    return torch.cat([model(row) for row in inputs.split(1)])


def batched():
    return model(inputs)


def median(function):
    timer = Timer("function()", globals={"function": function})
    return timer.blocked_autorange(min_run_time=0.2).median


counts = {"one by one": operators(one_by_one), "batched": operators(batched)}
print(counts)
print(f"batched more than 5 times as fast: {median(one_by_one) > 5 * median(batched)}")
assert counts["one by one"] > 10 * counts["batched"]
torch.testing.assert_close(batched(), one_by_one())

# %%
# Cost 2: memory for no backward pass
# -----------------------------------
#
# :class:`torch.autograd.graph.saved_tensors_hooks` shows ``note`` what a forward pass
# keeps. Under :class:`torch.inference_mode` that is nothing. The weights, which exist
# anyway, are not counted.


def kept_kib(function):
    kept = {parameter.data_ptr(): 0 for parameter in model.parameters()}

    def note(tensor):
        kept.setdefault(tensor.data_ptr(), tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        function()
    return sum(kept.values()) / 1024


inference = torch.inference_mode()(batched)
print(f"kept: {kept_kib(batched):.0f} KiB, for inference {kept_kib(inference):.0f} KiB")
assert kept_kib(batched) == 11 * inputs.nbytes / 1024 and kept_kib(inference) == 0

# %%
# Cost 3: an optimizer that walks through the parameters
# ------------------------------------------------------
#
# On the CPU, :class:`torch.optim.Adam` updates one parameter after the other, with
# several operators for each. ``fused=True`` hands all of them to one operator; what
# remains adds 1 to each parameter's count of steps. After 20 steps, both have the same
# weights, up to rounding.

weights = {}
for name, fused in [("Adam", False), ("Adam, fused", True)]:
    torch.manual_seed(1)
    trained = nn.Sequential(*[nn.Linear(32, 32) for _ in range(10)])
    optimizer = torch.optim.Adam(trained.parameters(), fused=fused)
    for _ in range(20):
        optimizer.zero_grad()
        trained(inputs).square().mean().backward()
        optimizer.step()
    weights[name] = nn.utils.parameters_to_vector(trained.parameters()).detach()
    counts[name] = operators(optimizer.step)
    print(f"{name:11} {counts[name]} operators for one step, 20 parameters")
torch.testing.assert_close(*weights.values(), rtol=0, atol=1e-4)

# %%
# On a logarithmic axis, an equal distance is an equal factor.

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
colors = ["tab:orange", "tab:blue"] * 2
bars = ax.barh(list(counts), counts.values(), color=colors, hatch=["//", ""] * 2)
ax.bar_label(bars, padding=3)
ax.set(title="Batching and fusing call fewer operators", xscale="log", xlim=(10, 2e4))
ax.set(xlabel="operators called for 64 examples, or for one step", ylim=(3.6, -0.6))
ax.set(ylabel="variant")
plt.show()

# %%
# Pitfall: a timer with one thread
# --------------------------------
#
# Confirm with times, on your model: fewer operators help only where calling them is
# what costs. And mind that ``Timer`` runs with one thread if not told otherwise, while
# your program uses as many as :func:`torch.get_num_threads` says.

measurement = Timer("batched()", globals=globals()).timeit(1)
print(f"threads: {measurement.num_threads}")
measurement = Timer("batched()", globals=globals(), num_threads=2).timeit(1)
print(f"threads: {measurement.num_threads}")

# %%
# On a GPU the first two costs are the same. The third is smaller from the start: there,
# Adam takes many parameters at a time by default. Two more come with it: ``.item()``
# and printing a tensor wait until the GPU is done, and data has to be moved there.
#
# Learn more
# ----------
#
# - Where the time goes: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
# - How to time: :ref:`sphx_glr_recipes_recipes_benchmark.py`
# - Less memory in training: :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py`
# - One call for many: :ref:`sphx_glr_recipes_recipes_scaled_dot_product_attention.py`
