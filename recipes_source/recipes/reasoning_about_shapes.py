# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "shape mismatch", "size mismatch", "input size of the first linear layer",
#   "in_features", "flatten after convolution", "output size of a convolution",
#   "conv output formula", "model summary", "print layer shapes", "meta device",
#   "LazyLinear",
# ]
# errors = [
#   "mat1 and mat2 shapes cannot be multiplied",
#   "Cannot copy out of meta tensor; no data",
# ]
# older_errors = ["size mismatch, m1: [4 x 512], m2: [1152 x 10]"]
# ///
"""
Reasoning about Shapes in PyTorch
=================================

Get every layer's output shape for any input size, without data, memory or arithmetic.

Why it matters: the first linear layer after a stack of convolutions needs the number of
features they produce. Worked out by hand, that number is often wrong, and it changes
with every kernel size, stride and image size you try.
"""

# %%
# See the problem: counting by hand
# ---------------------------------
#
# Images of 48 by 48 pixels pass two convolutions and two poolings. Three of these four
# work in steps of two pixels, each halving the side: 48 / 2 / 2 / 2 = 6. With 32
# channels, the linear layer should take 32 * 6 * 6 = 1,152 features.

import matplotlib.pyplot as plt
import torch
from torch import nn


def convolutions():
    first = [nn.Conv2d(3, 16, kernel_size=5, stride=2), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(16, 32, kernel_size=3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*first, *second, nn.Flatten())


torch.manual_seed(0)
model = nn.Sequential(*convolutions(), nn.Linear(32 * 6 * 6, 10))
try:
    model(torch.randn(1, 3, 48, 48))
except RuntimeError as error:
    print(error)

# %%
# The image arrived with 512 features. The count left out that a convolution without
# padding trims the edges, and that pooling rounds down.
#
# The idea: run it on the meta device
# -----------------------------------
#
# A tensor on the ``meta`` device has a shape and a dtype but no values. Layers made
# there work out the shape of their output and nothing else. :class:`torch.device` as a
# context puts both the layers and the image there.

with torch.device("meta"):
    layers = convolutions()
    x = torch.empty(1, 3, 48, 48)
for layer in layers:
    x = layer(x)
    print(f"{type(layer).__name__:<10} {tuple(x.shape)}")
in_features = x.shape[1]

# %%
# No values, no memory: a million photographs go through the same layers, and the sizes
# are what their outputs *would* take.

x = torch.empty(1_000_000, 3, 224, 224, device="meta")
names, terabytes = ["input"], [x.nbytes / 1e12]
for number, layer in enumerate(layers):
    x = layer(x)
    names.append(f"{number} {type(layer).__name__}")
    terabytes.append(x.nbytes / 1e12)
print(f"{sum(terabytes):.2f} TB in all, the largest {max(terabytes):.2f} TB")

# %%
# Proof: against real tensors and the formula
# -------------------------------------------
#
# Without padding, a window of size :math:`k` moved in steps of :math:`s` fits
# :math:`\lfloor (n - k) / s \rfloor + 1` times into a side of :math:`n`. For every
# image side from 32 to 128 pixels, the meta device must agree with that formula and
# with a run on real tensors.

sizes = range(32, 129)
meta = [layers(torch.empty(1, 3, n, n, device="meta")).shape[1] for n in sizes]
formula = [32 * ((((n - 5) // 2 + 1) // 2 - 2) // 2) ** 2 for n in sizes]
real = [convolutions()(torch.zeros(1, 3, n, n)).shape[1] for n in sizes]
by_hand = [32 * (n // 8) ** 2 for n in sizes]
print(f"{len(sizes)} image sizes, {len(set(meta))} different numbers of features")
for name, guess in {"by hand": by_hand, "meta device": meta}.items():
    print(f"{name} right: {sum(g == r for g, r in zip(guess, real, strict=True))}")
assert meta == formula == real

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
axes[0].plot(sizes, by_hand, "--", color="tab:orange", label="counted by hand")
axes[0].plot(sizes, meta, ".", color="tab:blue", label="meta device")
axes[0].set(xlabel="image side (pixels)", ylabel="features for the linear layer")
axes[0].set_title("Counting by hand: too many")
axes[0].legend()
axes[1].barh(names, terabytes, color="tab:blue")
axes[1].invert_yaxis()
axes[1].set(xlabel="size for a million images (TB)", ylabel="output of layer")
axes[1].set_title("Sizes, with nothing allocated")
plt.show()

# %%
# Or let the layer find out
# -------------------------
#
# :class:`torch.nn.LazyLinear` takes its ``in_features`` from the first batch it sees.
# Until then its size is unknown, so show it one before you count the parameters.

model = nn.Sequential(*convolutions(), nn.LazyLinear(10))
print("before the first batch:", model[-1].in_features)
outputs = model(torch.zeros(1, 3, 48, 48))
print("after it:", model[-1].in_features, "and the output is", tuple(outputs.shape))
assert model[-1].in_features == in_features

# %%
# Pitfall: there is no way back
# -----------------------------
#
# A model on the meta device has no values that could be moved. Build a second one where
# it will be trained, and keep the first for questions about shapes.

try:
    layers.to("cpu")
except NotImplementedError as error:
    print(str(error).split("!")[0])

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
# - :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
