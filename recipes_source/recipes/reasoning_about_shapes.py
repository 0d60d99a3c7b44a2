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
#   "Tensor.item() cannot be called on meta tensors",
# ]
# older_errors = ["size mismatch, m1: [4 x 512], m2: [1152 x 10]"]
# ///
"""
Reasoning about Shapes in PyTorch
=================================

Get every layer's output shape for any input size, without data, memory or arithmetic.

Why it matters: the first linear layer after a stack of convolutions needs the number of
features that they produce. Worked out by hand, that number is often wrong. It changes
with every kernel, stride and image size.
"""

# %%
# See the problem: counting by hand
# ---------------------------------
#
# Images of 48 by 48 pixels pass two convolutions and two poolings. The first
# convolution and both poolings work in steps of two pixels. Each of these three halves
# the side: 48 / 2 / 2 / 2 = 6. With 32 channels, the linear layer should take
# 32 * 6 * 6 = 1,152 features.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook


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
# ``mat1`` is the batch: one image with 512 features. ``mat2`` is the weight of the
# linear layer, made for 1,152. The count by hand left out that a convolution without
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
# A million photographs take no memory:

features = layers(torch.empty(1_000_000, 3, 224, 224, device="meta"))
gigabytes = features.nbytes / 1e9
print(f"features: {tuple(features.shape)}, {gigabytes:.0f} GB if they were real")

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
assert not any(guess == right for guess, right in zip(by_hand, real, strict=True))

# %%
# Here are all sizes:

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.plot(sizes, by_hand, "--", color="tab:orange", label="counted by hand")
ax.plot(sizes, meta, "-", color="tab:blue", label="meta device")
ax.plot(sizes, real, ".", color="black", label="real tensors")
ax.set(xlabel="image side (pixels)", ylabel="features for the linear layer")
ax.set_title("Counted by hand: too many, at every size")
ax.legend()
plt.show()

# %%
# Or let the layer find out
# -------------------------
#
# :class:`torch.nn.LazyLinear` takes its ``in_features`` from the first batch that it
# sees. Until then its weight has no shape. Show it a batch before you count the
# parameters or load a state dict: a state dict that comes first sets the size, right or
# wrong.

model = nn.Sequential(*convolutions(), nn.LazyLinear(10))
print("before the first batch:", model[-1].weight)
outputs = model(torch.zeros(1, 3, 48, 48))
print("after it:", tuple(model[-1].weight.shape), "output:", tuple(outputs.shape))
assert model[-1].in_features == in_features

# %%
# From meta to real
# -----------------
#
# A model on the meta device has no values that could be moved:

try:
    layers.to("cpu")
except NotImplementedError as error:
    print(error)

# %%
# :meth:`~torch.nn.Module.to_empty` gives parameters and buffers memory whose content is
# arbitrary. Then each layer draws its first values anew. A module without
# ``reset_parameters``, such as ``nn.MultiheadAttention``, keeps arbitrary values, and
# no error says so.
#
# The other way: let a state dict bring the values. ``load_state_dict(state_dict,
# assign=True)`` needs no ``to_empty()``. The model then uses the same tensors as the
# state dict, so training ``copied`` would change ``layers``.

layers = layers.to_empty(device="cpu")
for layer in layers.modules():  # nested layers, too
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
with torch.device("meta"):
    copied = convolutions()
print(copied.load_state_dict(layers.state_dict(), assign=True))
assert not any(parameter.is_meta for parameter in copied.parameters())
assert copied[0].weight.data_ptr() == layers[0].weight.data_ptr()
image = torch.randn(1, 3, 48, 48)
assert layers(image).std() > 0
torch.testing.assert_close(copied(image), layers(image))

# %%
# A buffer with ``persistent=False``, as many language models have, is in no state dict.
# With ``assign=True`` it stays on meta, and with ``to_empty()`` its values are
# arbitrary. Compute such buffers again. Both ways also split a parameter that two
# layers share: tie it again, then make the optimizer.

with torch.device("meta"):
    rotary = nn.Module()
    rotary.register_buffer("angles", torch.arange(8.0), persistent=False)
print(rotary.load_state_dict({}, assign=True), "angles on", rotary.angles.device)
assert rotary.angles.is_meta

with torch.device("meta"):
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
tied[1].weight = tied[0].weight
assert len(list(tied.parameters())) == 1
assert len(list(tied.to_empty(device="cpu").parameters())) == 2

# %%
# When the shape depends on values
# --------------------------------
#
# The meta device cannot say how many values of a tensor are positive, or take a branch
# on one. A model that does so needs real data, even if it is small.

for way in (lambda x: x[x > 0], lambda x: x.sum().item()):
    try:
        way(torch.empty(5, device="meta"))
    except (NotImplementedError, RuntimeError) as error:
        print(error)
    else:
        raise AssertionError("it has a shape")

# %%
# In your project
# ---------------
#
# ``features`` computes what the linear layer takes. ``report`` is a hook for all
# modules: it prints each output's shape, and ``with`` removes the hook. A module comes
# after the modules that it holds. ``deepcopy`` needs the model's memory once more.
# Where a module returns a dict, print the entry that you want.


def features(build, *image):
    with torch.device("meta"):  # new: no data, no memory
        return build()(torch.empty(2, *image)).flatten(1).shape[1]


def report(module, args, output):
    first = output[0] if isinstance(output, tuple) else output
    print(f"{type(module).__name__:<10} {tuple(first.shape)}")


size = features(convolutions, 3, 48, 48)
model = nn.Sequential(*convolutions(), nn.Linear(size, 10))
with torch.device("meta"), register_module_forward_hook(report):
    copy.deepcopy(model).to("meta")(torch.empty(8, 3, 48, 48))

# %%
# Check
# -----
#
# The model takes real images. The report also works where a layer returns a tuple, such
# as an LSTM. A model that reads token ids wants integers: ``torch.empty`` gives floats.

assert model(torch.zeros(2, 3, 48, 48)).shape == (2, 10) and size == in_features
with torch.device("meta"), register_module_forward_hook(report):
    text = nn.Sequential(nn.Embedding(100, 16), nn.LSTM(16, 32, batch_first=True))
    output, _ = text(torch.zeros(8, 5, dtype=torch.long))
assert output.shape == (8, 5, 32)

# %%
# Learn more
# ----------
#
# - Weights from a file, without a second copy in memory:
#   :ref:`sphx_glr_recipes_recipes_skip_param_init.py` and
#   :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
# - Shapes that fit by accident:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Read the numbers of any shape error:
#   :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
