# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Deployment"]
# after = ["what_is_state_dict"]
# timeout = 60
# searched_as = [
#   "how to prune", "pruning", "torch.nn.utils.prune", "sparsity", "sparse model",
#   "magnitude pruning", "ln_structured", "compress a network", "remove neurons",
# ]
# errors = ["Only Tensors created explicitly by the user (graph leaves) support"]
# ///
"""
Prune a model: set small weights to zero
========================================

Set most weights of a model to zero, train the rest again, and save an ordinary model.

Why it matters: often, most weights of a large layer are hardly needed. Zeros written by
hand do not last: when training goes on, many get a value again. A mask keeps them.
"""

# %%
# A model that is larger than it must be
# --------------------------------------
#
# Does a point lie in a ring? The middle layer of the model has 64 by 64 weights.

import copy
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune

torch.manual_seed(0)
inputs = torch.randn(2000, 2, dtype=torch.float64)
labels = ((inputs.norm(dim=1) - 1.2).abs() < 0.4).long()
train, test = slice(0, 1000), slice(1000, 2000)

# %%


def make():
    layers = nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(64, 2)).double()


def fit(model, steps):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[train]), labels[train]).backward()
        optimizer.step()


def report(name, model):
    right = (model(inputs[test]).argmax(1) == labels[test]).double().mean().item()
    zeros = (model[2].weight == 0).double().mean().item()
    print(f"{name:22} {zeros:6.1%} zeros, {right:4.0%} right")
    return zeros, right


# %%
# See the problem: the zeros go away
# ----------------------------------
#
# Take the 80% of the weights that are nearest to zero, and set them to zero. The model
# is worse, so train it again. It recovers, and many of the zeros are gone.

trained = make()
fit(trained, steps=200)
dense = report("trained", trained)
by_hand = copy.deepcopy(trained)
sizes = trained[2].weight.detach().abs()
small = sizes <= sizes.flatten().kthvalue(round(0.8 * 4096)).values
with torch.no_grad():
    by_hand[2].weight[small] = 0
cut = report("by hand", by_hand)
fit(by_hand, steps=100)
filled = report("by hand, trained again", by_hand)
assert cut[0] > 0.79 and cut[1] < dense[1] - 0.1 and filled[0] < 0.6

# %%
# A mask keeps them
# -----------------
#
# :func:`~torch.nn.utils.prune.l1_unstructured` renames the parameter to
# ``weight_orig`` and adds a buffer ``weight_mask``. Before each ``forward``, a hook
# sets ``weight`` to their product. Where the mask is 0, so is ``weight``, whatever the
# optimizer does.
#
# ``weight`` is now a result of autograd. So ``deepcopy`` refuses the model, unless its
# last ``forward`` ran in ``no_grad``. Copy the state dict, or call ``remove`` first.

pruned = copy.deepcopy(trained)
prune.l1_unstructured(pruned[2], "weight", amount=0.8)  # new
assert torch.equal(pruned[2].weight_mask == 0, small)
fit(pruned, steps=100)
kept = report("masked, trained again", pruned)
print("state dict:", *[key for key in pruned.state_dict() if key.startswith("2.")])
assert kept[0] > 0.79 and kept[1] > dense[1] - 0.05
try:
    copy.deepcopy(pruned)
    raise AssertionError("it was copied")
except RuntimeError as error:
    print(error)

# %%
# When it is not so: too many zeros
# ---------------------------------
#
# How many weights a model can spare depends on the model and the data. Try several
# amounts. Here, 8 weights of 4096 are too few, with the same training after it.

for amount in (0.9, 0.998):
    model = copy.deepcopy(trained)
    prune.l1_unstructured(model[2], "weight", amount=amount)
    fit(model, steps=100)
    few = report("masked, trained again", model)
assert few[1] < kept[1] - 0.05

# %%
# When it is not so: zeros take as much room
# ------------------------------------------
#
# A zero is stored and multiplied like any other number. To store less, take whole units
# out of the layer: rows of its weight and bias, and columns of the next weight. A
# batch normalization between the two layers loses the same units.
#
# The result equals the trained model with zeros in the columns that were taken out. The
# parameters are new objects: make the optimizer afterwards, as ``fit`` does.

with torch.no_grad():
    importance = trained[2].weight.norm(dim=1) * trained[4].weight.norm(dim=0)
    best = importance.topk(32).indices
    half = copy.deepcopy(trained)
    half[2].weight = nn.Parameter(half[2].weight[best])
    half[2].bias = nn.Parameter(half[2].bias[best])
    half[4].weight = nn.Parameter(half[4].weight[:, best])
    half[2].out_features = half[4].in_features = 32
    zeroed = copy.deepcopy(trained)
    zeroed[4].weight[:, importance.argsort()[:32]] = 0
    torch.testing.assert_close(half(inputs), zeroed(inputs))

# %%
fit(half, steps=100)
halved = report("32 units of 64", half)
for name, model in (("trained", trained), ("masked", pruned), ("32 units", half)):
    stored = sum(tensor.numel() for tensor in model.state_dict().values())
    print(f"{name}: {stored} numbers to store")
assert stored < 2400 and halved[1] > dense[1] - 0.05

# %%
# In your project
# ---------------
#
# :func:`~torch.nn.utils.prune.global_unstructured` compares all weights of a list, here
# of ``nn.Linear`` only. For a CNN, add ``nn.Conv2d``. A layer of small weights can lose
# nearly all of them: then prune each layer by itself. Leave out a layer that shares its
# weight: :func:`~torch.nn.utils.prune.remove` writes zeros into both.
#
# ``remove`` takes away the mask, not the zeros: the state dict has its old names, and
# the model can be copied again. Call ``remove`` when all training is done, as later
# steps would fill the zeros. To load a file saved before ``remove``, first call
# ``prune.identity(layer, "weight")`` for these layers of the new model.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = copy.deepcopy(trained).float().to(device)
inputs, labels = inputs.float().to(device), labels.to(device)
layers = [(m, "weight") for m in model.modules() if type(m) is nn.Linear]
prune.global_unstructured(layers, prune.L1Unstructured, amount=0.8)  # new
fit(model, steps=100)  # your training; an optimizer made before goes on, too
for layer, name in layers:
    prune.remove(layer, name)  # new: the zeros stay
torch.save(model.state_dict(), "pruned.pt")

# %%
# Check
# -----

loaded = make().float().to(device)
loaded.load_state_dict(torch.load("pruned.pt", weights_only=True))
right = (loaded(inputs[test]).argmax(1) == labels[test]).float().mean().item()
weights = torch.cat([layer.weight.flatten() for layer in loaded[::2]])
print(f"zeros in all layers: {(weights == 0).float().mean().item():.0%}")
assert (weights == 0).float().mean() > 0.79 and right > dense[1] - 0.05
Path("pruned.pt").unlink()

# %%
# Learn more
# ----------
#
# - Fewer bits instead: :ref:`sphx_glr_recipes_recipes_quantize_a_model.py`
# - Count what is left: :ref:`sphx_glr_recipes_recipes_counting_parameters_and_flops.py`
# - What can be copied: :ref:`sphx_glr_recipes_recipes_copying_tensors.py`
