# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["reasoning_about_shapes"]
# timeout = 60
# searched_as = [
#   "number of parameters", "model size", "model summary", "torchinfo", "torchsummary",
#   "trainable parameters", "MACs", "GFLOPs", "how big is my model", "p.numel()",
# ]
# ///
"""
Count a model's parameters and FLOPs
====================================

Know how large a model is and how much work one forward pass does, before you run it.

Why it matters: the parameters decide the size of a checkpoint, the FLOPs (floating
point operations) are a first measure of what a prediction costs. One does not tell the
other, and "FLOPs" in one table are half of those in the next.
"""

# %%
# Setting
# -------
#
# A ResNet-18 on the *meta* device: its tensors have shapes and no data, so the model
# needs no memory, no weights and no image.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import ResNet18_Weights, resnet18

with torch.device("meta"):
    model = resnet18(weights=None).eval()
    inputs = torch.empty(1, 3, 224, 224)
params = sum(p.numel() for p in model.parameters())
print(f"parameters: {params:,} = {params / 1e6:.2f} M")
print(f"as float32: {4 * params / 2**20:.1f} MiB")

# %%
# A guess from the parameters
# ---------------------------
#
# In a linear layer each weight takes part in one multiplication and one addition per
# example. Say the same of all parameters, and the guess is two FLOPs for each.

guess = 2 * params
print(f"guess: {guess / 1e9:.4f} GFLOP per image")

# %%
# Count what runs
# ---------------
#
# ``FlopCounterMode`` watches the operators that run inside ``with``, and adds up the
# matrix products and convolutions from the shapes of their arguments. The guess is far
# too low, as a convolution applies the same weights at every position of the image.

with FlopCounterMode(display=False) as counter, torch.no_grad():
    model(inputs)
flops = counter.get_total_flops()
print(f"guess: {guess / 1e9:.4f} GFLOP per image")
print(f"count: {flops / 1e9:.4f} GFLOP per image, {flops / guess:.0f} times the guess")

# %%
# The proof: each convolution and linear layer does 2 FLOPs per weight and per position
# of its output. Forward hooks see these shapes. Torchvision's own table lists the
# parameters, and half as many "ops": it counts a multiplication and the addition after
# it as *one* operation. Ask what is counted before you compare two tables.

by_hand = []


def count(layer, args, output):
    positions = output.numel() // layer.weight.shape[0]
    by_hand.append(2 * layer.weight.numel() * positions)


layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
handles = [layer.register_forward_hook(count) for layer in layers]
model(inputs)
for handle in handles:
    handle.remove()
table = ResNet18_Weights.IMAGENET1K_V1.meta
print(f"by hand: {sum(by_hand) / 1e9:.4f} GFLOP, table: {table['_ops']} billion ops")
assert sum(by_hand) == flops and table["num_params"] == params
assert round(flops / 2e9, 3) == table["_ops"]

# %%
# Where they are
# --------------
#
# The counter also keeps a sum per module. ``layer4`` holds most of the parameters, and
# does less than a quarter of the work. ``layer1`` holds few, and does the most.

counts = counter.get_flop_counts()
stages = ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
size, work = [], []  # in per cent of the whole
for name in stages:
    stage_params = sum(p.numel() for p in model.get_submodule(name).parameters())
    stage_flops = sum(counts[f"ResNet.{name}"].values())
    size.append(100 * stage_params / params)
    work.append(100 * stage_flops / flops)
    print(f"{name:6} {size[-1]:4.1f}% of the parameters {work[-1]:4.1f}% of the FLOPs")

# %%
# The same numbers as bars.

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
places = torch.arange(len(stages)).numpy()
ax.bar(places - 0.2, size, 0.4, color="tab:blue", label="parameters")
ax.bar(places + 0.2, work, 0.4, color="tab:orange", hatch="//", label="FLOPs")
ax.set_xticks(places, stages)
ax.set(xlabel="stage of the network", ylabel="share of the total (%)")
ax.set_title("ResNet-18: the parameters sit late, the work is spread out")
ax.legend()
plt.show()

# %%
# Pitfall: operators that count as zero
# -------------------------------------
#
# The counter has a list of operators. Every other one counts as zero, without a
# warning: activations and normalizations, a small part here, but also the operator
# that attention calls on the CPU. In ``eval()`` on the CPU, the fused operators of
# ``nn.MultiheadAttention`` and ``nn.LSTM`` count as zero *with* their projections. On
# the meta device they are counted, so count there.

found = {}
for device in ("cpu", "meta"):
    x = torch.empty(1, 64, 128, device=device)  # batch, length, width
    attention = nn.MultiheadAttention(128, 8, batch_first=True, device=device).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        attention(x, x, x, need_weights=False)
    found[device] = counter.get_total_flops()
    print(f"attention on {device}: {found[device]:,} FLOPs")
expected = 2 * (4 * 64 * 128 * 128 + 2 * 64 * 64 * 128)  # projections, two products
print(f"by hand: {expected:,}")
assert found["cpu"] == 0 and found["meta"] == expected

# %%
# In your project
# ---------------
#
# A training step costs about three forward passes: ``backward()`` has two products for
# each product of the forward pass. With the package ``tabulate`` installed,
# ``FlopCounterMode()`` also prints a table of all layers.

with torch.device("meta"):  # new: no memory, and every operator counts
    model, inputs = resnet18(), torch.empty(8, 3, 224, 224)
with FlopCounterMode(display=False) as forward:  # new
    loss = model(inputs).sum()
with FlopCounterMode(display=False) as backward:
    loss.backward()
step = forward.get_total_flops() + backward.get_total_flops()
print(f"a training step: {step / forward.get_total_flops():.2f} forward passes")
assert 2.8 < step / forward.get_total_flops() < 3

# %%
# Learn more
# ----------
#
# - More without data: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - Hooks: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - FLOPs per operator: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
