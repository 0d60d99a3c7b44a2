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
other. And some tables count a multiplication and an addition as two FLOPs, others as
one.
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
# row of the input: per image here, per token in a text. Say the same of all parameters,
# and the guess is two FLOPs for each.

guess = 2 * params
print(f"guess: {guess / 1e9:.4f} GFLOP per image")

# %%
# Count what runs
# ---------------
#
# ``FlopCounterMode`` watches the operators that run inside ``with``. It adds up matrix
# products, convolutions and attention, from the shapes of their arguments. The guess is
# far too low, as a convolution applies the same weights at every position of the image.

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
# The counter has a list of operators. Every other operator counts as zero, without a
# warning: on every device activations, normalizations, ``nn.Bilinear``, and a matrix
# times a vector.
#
# Other layers count as zero on some devices:
#
# - On the CPU, ``scaled_dot_product_attention``, and ``nn.LSTM`` where torch was built
#   with oneDNN.
# - On an NVIDIA GPU, ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN``.
# - On both, ``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` in ``eval()``
#   without gradients.
#
# On the meta device the layers of this list are counted, so count there. A mask, also a
# causal mask, does not lower the count.

found = {}
for device in ("cpu", "meta"):
    x = torch.empty(1, 64, 128, device=device)  # batch, length, width
    attention = nn.MultiheadAttention(128, 8, batch_first=True, device=device).eval()
    lstm = nn.LSTM(128, 128, batch_first=True, device=device)
    for part, arguments in ((attention, (x, x, x)), (lstm, (x,)), (nn.ReLU(), (x,))):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            part(*arguments)
        found[type(part).__name__, device] = counter.get_total_flops()
for (name, device), flops in found.items():
    print(f"{name:18} on {device:4}: {flops:,} FLOPs")

# %%
# By hand, the attention has four projections and two products, and the LSTM has eight
# products for each of 64 steps. The ReLU's work is lost on both devices.

attention_flops = 2 * (4 * 64 * 128 * 128 + 2 * 64 * 64 * 128)
lstm_flops = 2 * 64 * 8 * 128 * 128
print(f"by hand: attention {attention_flops:,}, LSTM {lstm_flops:,}")
assert found["MultiheadAttention", "cpu"] == 0
assert found["LSTM", "cpu"] in (0, lstm_flops)  # without oneDNN it is counted
assert found["MultiheadAttention", "meta"] == attention_flops
assert found["LSTM", "meta"] == lstm_flops and found["ReLU", "meta"] == 0

# %%
# In your project
# ---------------
#
# ``make`` makes your model; give the shape of each input after it. For token ids, write
# ``torch.zeros(shape, dtype=torch.long)`` for ``torch.empty(shape)``. A ``forward``
# that calls ``.item()`` fails on ``meta``: use ``"cpu"``, which misses the layers
# above. Custom kernels without a registered formula count as zero. With ``tabulate``
# installed, ``FlopCounterMode(depth=2)`` prints a table of layers.


def count_costs(make, *shapes):
    with torch.device("meta"):  # new: no memory; attention and LSTM are counted too
        model, inputs = make(), [torch.empty(shape) for shape in shapes]
    with FlopCounterMode(display=False) as counter, torch.no_grad():  # new
        model.eval()(*inputs)
    params = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trainable = sum(number for number, trained in params if trained)
    return sum(number for number, _ in params), trainable, counter.get_total_flops()


total, trainable, per_image = count_costs(resnet18, (1, 3, 224, 224))
print(f"{total:,} parameters, {trainable:,} to train, {per_image / 1e9:.2f} GFLOP")

# %%
# Check these lines
# -----------------
#
# They are the numbers from above. Where all layers train, a step costs about three
# forward passes: ``backward()`` has two products for each product of the forward pass.
# Only the first layer has one, as the image needs no gradient. With Adam, a checkpoint
# for training is about three times as large as the weights.

with torch.device("meta"):
    model, inputs = resnet18(), torch.empty(8, 3, 224, 224)
with FlopCounterMode(display=False) as counter:
    model(inputs).sum().backward()
ratio = counter.get_total_flops() / (8 * per_image)
print(f"a training step: {ratio:.2f} forward passes")
assert (total, per_image) == (params, sum(by_hand))
assert abs(ratio - (3 - work[0] / 100)) < 1e-6  # the first layer: one product less
assert count_costs(resnet18, (2, 3, 224, 224))[2] == 2 * per_image

# %%
# Learn more
# ----------
#
# - A table of all layers: :ref:`sphx_glr_recipes_recipes_model_summary.py`
# - More without data: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - Hooks: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - FLOPs per operator: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
