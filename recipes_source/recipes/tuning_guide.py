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

Know what to tune first: find what a training step waits for, and change that.

Why it matters: there are some twenty known ways to make training faster. Each helps
only where it removes what the step waits for. A change to anything else gains little.
"""

# %%
# What to do first
# ----------------
#
# Work from top to bottom, and measure after each change:
#
# 1. **Measure.** :ref:`sphx_glr_recipes_recipes_profiler_recipe.py` shows which part
#    takes the time, and :ref:`sphx_glr_recipes_recipes_timer_quick_start.py` whether a
#    change helped.
# 2. **Data.** Keep one batch. Train 10 steps on it, then time 50 more. On a GPU, call
#    ``torch.accelerator.synchronize()`` each time before you read the clock. If 50
#    steps with the loader take much longer, the device waits for batches. Then use
#    ``num_workers``, ``pin_memory=True`` and ``non_blocking=True``, see
#    :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`.
# 3. **Precision.** :class:`torch.autocast` with bfloat16, see
#    :ref:`sphx_glr_recipes_recipes_amp_recipe.py`. On NVIDIA GPUs,
#    ``torch.set_float32_matmul_precision("high")`` lets float32 products use TF32.
#    There, both need a GPU of 2020 or later (capability 8.0). A T4 or V100 emulates
#    bfloat16, slowly: use float16 with a ``GradScaler``.
# 4. **Compile.** ``torch.compile(model)`` fuses operators, see
#    :ref:`sphx_glr_recipes_recipes_regional_compilation.py`. For many small operators
#    on an NVIDIA GPU, ``mode="reduce-overhead"`` adds CUDA graphs.
# 5. **Larger batches**, while they raise the number of samples per second. They change
#    the training, so tune the learning rate again. When memory is full, two recipes
#    allow larger batches, but they make no step faster:
#    :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py` and
#    :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`.
# 6. **For convolutions on a GPU:** ``memory_format=torch.channels_last`` in the
#    ``to()`` of the model and of the images, and
#    ``torch.backends.cudnn.benchmark = True`` if the sizes stay the same.
# 7. **The rest:** below, each with a check that you can count.
#
# Counts do not depend on what else the machine does, so this page mostly counts.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
layers = [nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for _ in range(10)]
model, inputs = nn.Sequential(*layers), torch.randn(64, 32)
dataset = TensorDataset(inputs, torch.randint(10, (64,)))

# %%


def operators(function):  # without those that other operators call
    function()  # a warm-up
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        function()
    called = [event for event in profiler.events() if event.name.startswith("aten::")]
    return sum("aten::" not in getattr(e.cpu_parent, "name", "") for e in called)


# %%
# Few large calls instead of many small ones
# ------------------------------------------
#
# Each call of an operator has a fixed cost. One example at a time, and all 64 in one
# call give the same outputs:


def one_by_one():
    return torch.cat([model(row) for row in inputs.split(1)])


def batched():
    return model(inputs)


with torch.inference_mode():
    counts = {"one by one": operators(one_by_one), "batched": operators(batched)}
print(counts)
assert counts["one by one"] > 50 * counts["batched"]
torch.testing.assert_close(batched(), one_by_one())

# %%
# The time follows the calls, as long as a call costs more than its arithmetic:

# Output differs from run to run.
medians = []
for function in (one_by_one, batched):
    timer = Timer("function()", globals={"function": function})
    medians.append(timer.blocked_autorange(min_run_time=0.2).median)
print(f"one by one {1e3 * medians[0]:.2f} ms, batched {1e3 * medians[1]:.3f} ms")
assert medians[0] > 5 * medians[1]

# %%
# One fused kernel in the optimizer
# ---------------------------------
#
# On the CPU, :class:`torch.optim.AdamW` updates one parameter after the other, with
# several operators for each. ``fused=True`` hands all of them to one operator, and a
# second operator counts the steps. On an NVIDIA GPU, the default already takes many
# parameters at a time, and ``fused=True`` is mostly faster still.

weights = {}
for name, fused in [("AdamW", False), ("AdamW, fused", True)]:
    torch.manual_seed(1)
    trained = nn.Sequential(*[nn.Linear(32, 32) for _ in range(10)])
    optimizer = torch.optim.AdamW(trained.parameters(), fused=fused)
    for _ in range(20):
        optimizer.zero_grad()
        trained(inputs).square().mean().backward()
        optimizer.step()
    weights[name] = nn.utils.parameters_to_vector(trained.parameters()).detach()
    counts[name] = operators(optimizer.step)
    print(f"{name:12} {counts[name]} operators for one step, 20 parameters")
torch.testing.assert_close(*weights.values(), rtol=0, atol=1e-4)
assert counts["AdamW"] > 5 * counts["AdamW, fused"]

# %%
# Batch normalization removes a bias right before it
# --------------------------------------------------
#
# In training, :class:`~torch.nn.BatchNorm2d` subtracts the mean of each channel, and
# with it any bias that the convolution added. Leave the bias out of a model that you
# are going to train: ``nn.Conv2d(..., bias=False)``. One parameter less, and the same
# result. A model trained with the bias needs it in ``eval()``. With the other
# normalizations below, keep the bias.

images, conv = torch.randn(8, 3, 16, 16), nn.Conv2d(3, 16, 3)
norms = {"BatchNorm2d": nn.BatchNorm2d(16), "BatchNorm2d, eval()": nn.BatchNorm2d(16)}
norms["BatchNorm2d, eval()"].eval()
norms |= {"GroupNorm": nn.GroupNorm(4, 16), "LayerNorm": nn.LayerNorm([16, 14, 14])}
changes = {}
for name, norm in norms.items():
    with_bias, without_bias = norm(conv(images)), norm(F.conv2d(images, conv.weight))
    changes[name] = (with_bias - without_bias).abs().max().item()
    print(f"{name:19} changed by {changes[name]:.2f} without the bias")
assert changes.pop("BatchNorm2d") < 1e-4
assert min(changes.values()) > 0.05

# %%
# Make tensors where they are needed
# ----------------------------------
#
# ``torch.rand(size).to(device)`` makes a tensor on the CPU and then copies it;
# ``torch.rand(size, device=device)`` makes it there. The meta device counts the same
# operators as a GPU would:

copied = operators(lambda: torch.rand(1000).to("meta"))
direct = operators(lambda: torch.rand(1000, device="meta"))
print(f"operators: {copied} made and copied, {direct} made there")
assert copied > direct

# %%
# When counts say nothing
# -----------------------
#
# For large matrices, the arithmetic is what takes the time. Half the calls then gain
# far less than batching gained above. Measure with your sizes:

# Output differs from run to run.
large, batch = nn.Linear(1024, 1024), torch.randn(1024, 1024)
with torch.inference_mode():
    whole = Timer("large(batch)", globals=globals()).blocked_autorange(min_run_time=0.2)
    halves = Timer("[large(x) for x in batch.chunk(2)]", globals=globals())
    halves = halves.blocked_autorange(min_run_time=0.2)
print(f"one call {1e3 * whole.median:.1f} ms, two calls {1e3 * halves.median:.1f} ms")
assert halves.median / whole.median < medians[0] / medians[1] / 2

# %%
fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
for name, count in counts.items():
    mended = name in ("batched", "AdamW, fused")
    style = ("s", "tab:blue") if mended else ("o", "tab:orange")
    ax.plot(count, name, style[0], color=style[1], markersize=9)
    ax.annotate(count, (count, name), (8, 8), textcoords="offset points")
ax.set(title="Batching and fusing call fewer operators", xscale="log", xlim=(1, 5000))
ax.set(xlabel="operators called (logarithmic)", ylabel="variant", ylim=(3.5, -0.7))
plt.show()

# %%
# In your project
# ---------------
#
# ``.item()`` and ``print(loss)`` wait until a GPU is done, so add the losses up as
# tensors, and read the sum once. Autocast is for large layers, on hardware with units
# for bfloat16. Elsewhere, its conversions can cost more than they save: measure. To
# train, add ``shuffle=True`` to the loader.

device = torch.accelerator.current_accelerator(True) or torch.device("cpu")
model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
loader, total = DataLoader(dataset, 32, pin_memory=device.type == "cuda"), 0.0
for x, y in loader:
    x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
    with torch.autocast(device.type, dtype=torch.bfloat16):  # if layers are large
        loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += loss.detach()  # new: no .item() in the loop

# %%
# Check
# -----
#
# The sum is read once, after the loop, and an untrained model is near ln 10, or 2.3.

print(f"mean loss: {total.item() / len(loader):.1f}")
assert isinstance(total, torch.Tensor) and not total.requires_grad
assert abs(total.item() / len(loader) - 2.3) < 0.3

# %%
# Learn more
# ----------
#
# - No graph where none is needed:
#   :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
# - Attention in one call:
#   :ref:`sphx_glr_recipes_recipes_scaled_dot_product_attention.py`
# - Several GPUs: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - How to time: :ref:`sphx_glr_recipes_recipes_benchmark.py`
