# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Deployment", "Performance"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 60
# searched_as = [
#   "quantization", "how to quantize a model int8", "post-training quantization",
#   "weight-only", "reduce model size", "compress", "quantize_dynamic", "int4", "qint8",
# ]
# older_errors = ["torch.ao.quantization is deprecated and will be removed in 2.10"]
# ///
"""
Quantize a model: store its weights in 8 bits
=============================================

Shrink linear layers from float32 to about a quarter, and measure what that costs.

Why it matters: a float32 weight takes four bytes, an 8-bit integer takes one. Integers
need a scale. If a whole matrix has one scale, its small rows can be rounded to nothing.
"""

# %%
# A trained model
# ---------------
#
# The model predicts two numbers in different units: a price of about 1000, and a rate
# of about 0.1. It learns them standardized. Afterwards, the units are multiplied into
# the last layer, so one of the layer's two rows is about 10,000 times larger.

import copy
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(2000, 4)
standard = torch.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2:].sum(1).sin()], dim=1)
units = torch.tensor([1000.0, 0.1])
train, test = slice(0, 1000), slice(1000, 2000)

# %%


def make():
    layers = nn.Linear(4, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(256, 2))


model = make()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
for _ in range(150):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(inputs[train]), standard[train]).backward()
    optimizer.step()
with torch.no_grad():
    model[-1].weight.mul_(units[:, None])
    model[-1].bias.mul_(units)

# %%
# See the problem: one scale for all
# ----------------------------------
#
# Divide the weights by a scale that maps the largest absolute value to 127, and round.
# To use a weight, multiply by the scale again. Without ``clamp``, the largest weight of
# a bfloat16 row can become 128, which int8 stores as -128. The table has the error on
# new data, in percent of each target's spread.


def quantize(weight, per_row=True, bits=8):
    top = 2 ** (bits - 1) - 1  # 127 for 8 bits
    largest = weight.abs().amax(dim=1 if per_row else (0, 1), keepdim=True)
    scale = largest.clamp(min=1e-5) / top  # never 0
    return (weight / scale).round().clamp(-top, top).to(torch.int8), scale


@torch.no_grad()
def errors(name, **options):
    changed = copy.deepcopy(model)
    for layer in changed[::2] if options else []:
        values, scale = quantize(layer.weight, **options)
        layer.weight.copy_(values * scale)
    wrong = (changed(inputs[test]) / units - standard[test]).pow(2).mean(0)
    percent = (100 * (wrong / standard[test].var(0)).sqrt()).tolist()
    print(f"{name:16} {percent[0]:7.0f} {percent[1]:6.0f}")
    return percent


# %%
print("error in %:        price   rate")
before = errors("float32")
naive = errors("one scale", per_row=False)
mended = errors("a scale per row", per_row=True)
assert naive[1] > 90 and max(mended) < max(before) + 2

# %%
# A scale per row
# ---------------
#
# The rate is back. An output number depends on one row of its layer's weight, so rows
# are a good unit. Rounding moves a float32 weight by half a scale at most. PyTorch's
# function for training with rounded weights must find the same values.

weight = model[2].weight.detach()
values, scale = quantize(weight)
moved = ((values * scale - weight).abs() / scale).max().item()
print(f"largest change: {moved:.1f} scales")
fake, zero = torch.fake_quantize_per_channel_affine, torch.zeros(256).int()
oracle = fake(weight, scale[:, 0], zero, axis=0, quant_min=-127, quant_max=127)
assert moved < 0.501 and ((values * scale - oracle).abs() / scale).mean() < 1e-3
assert quantize(weight.bfloat16())[0].min() >= -127  # no weight changed its sign

# %%
# When it is not so: fewer bits, or one huge weight
# -------------------------------------------------
#
# Each bit that you save at least doubles the scale. One huge weight makes the scale of
# its whole row large. A scale for each group of 16 weights limits the damage to this
# group.

errors("4 bits", bits=4)
assert max(errors("2 bits", bits=2)) > 2 * max(before)
huge = torch.randn(64, 64)
huge[:, 0] = 1000.0
for name, rows in (("row", huge), ("16 weights", huge.view(-1, 16))):
    zeros = (quantize(rows)[0] == 0).sum().item()
    print(f"a scale per {name}: {zeros} of 4096 weights became 0")
    assert (zeros > 3700) == (name == "row")

# %%
# A layer that stores integers
# ----------------------------
#
# While predicting, only the layer at work has its weight in float32. This saves memory,
# but no time. With gradients on, autograd would keep these float32 weights for a
# ``backward()``, so ``to_int8`` below turns gradients off. For faster integer
# arithmetic, and for 4 bits, there is the package ``torchao``. Its
# ``quantize_(model, Int8DynamicActivationInt8WeightConfig())`` replaces
# ``quantize_dynamic`` of ``torch.ao.quantization``, which is deprecated.


class Int8Linear(nn.Module):
    def __init__(self, linear):
        super().__init__()
        values, scale = quantize(linear.weight.detach())
        self.register_buffer("values", values)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x):
        return nn.functional.linear(x, self.values * self.scale, self.bias)


# %%
# In your project
# ---------------
#
# Quantize a trained model, for predicting. Copy ``quantize`` and ``Int8Linear`` from
# above, too. To load the file, put the same layers into a new model of the same dtype
# first. Only ``nn.Linear`` shrinks: a model of convolutions or embeddings stays almost
# as large. A bfloat16 model shrinks to a half.
#
# Modules that read the ``weight`` of a replaced layer raise an ``AttributeError``: give
# the full names of such layers as ``skip``. For ``nn.TransformerEncoderLayer``, call
# ``torch.backends.mha.set_fastpath_enabled(False)`` instead. Skip tied layers too: a
# layer that shares the weight of an embedding saves nothing.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"


def to_int8(model, skip=()):
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and name not in skip:
            model.set_submodule(name, Int8Linear(layer))  # new
    return model.eval().requires_grad_(False)  # else autograd keeps float32 weights


torch.save(to_int8(copy.deepcopy(model)).state_dict(), "model_int8.pt")
loaded = to_int8(make())
state = torch.load("model_int8.pt", map_location="cpu", weights_only=True)
loaded.load_state_dict(state)
loaded = loaded.to(device)

# %%
# Check
# -----

torch.save(model.state_dict(), "model_float32.pt")
files = Path("model_float32.pt"), Path("model_int8.pt")
sizes = [file.stat().st_size / 1024 for file in files]
print(f"file: {sizes[0]:.0f} KB, in 8 bits {sizes[1]:.0f} KB")
spread = units * standard.std(dim=0)
with torch.no_grad():
    change = (loaded(inputs.to(device)).cpu() - model(inputs)).abs() / spread
print(f"outputs moved by {change.mean().item():.3f} of their spread")
assert sizes[1] < 0.3 * sizes[0] and change.mean() < 0.02
assert not loaded(inputs[:1].to(device)).requires_grad  # no graph keeps the weights
assert type(to_int8(make(), skip={"4"})[4]) is nn.Linear
for file in files:
    file.unlink()

# %%
# Learn more
# ----------
#
# - What a state dict holds: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - Half of the bytes in training: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
