# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision"]
# [tool.recipe]
# tags = ["Training"]
# after = ["freezing_layers", "parameter_groups"]
# timeout = 90
# searched_as = [
#   "transfer learning", "fine-tuning", "finetune", "pretrained weights",
#   "ResNet18_Weights", "replace the last layer", "torchvision models",
#   "change the number of classes",
#   "few labelled images", "unfreeze the backbone", "discriminative learning rates",
# ]
# errors = ["The parameter 'num_classes' expected value 1000 but got"]
# ///
"""
Fine-tune a pretrained torchvision model
========================================

Replace the head of a torchvision model, and train it in two stages on a few images.

Why it matters: a few images teach a new network little. A pretrained one has seen many,
but one large learning rate for all layers destroys what it knows. And a body that
you froze still changes through its batch normalization.
"""

# %%
# The real line, and what it refuses
# ----------------------------------
#
# ``models.resnet18(weights=models.ResNet18_Weights.DEFAULT)`` downloads weights that
# tell 1000 classes apart. With these weights, you cannot ask for another number of
# classes. Prepare your images by the transforms that belong to the weights: they
# resize, crop and normalize.

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models

# %%

weights = models.ResNet18_Weights.DEFAULT
try:
    models.resnet18(weights=weights, num_classes=4)
    refused = False
except ValueError as error:
    print(error)
    refused = True
print(weights.transforms())
white = weights.transforms()(torch.full((3, 300, 400), 255, dtype=torch.uint8))
assert refused and white.shape == (3, 224, 224)
mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
torch.testing.assert_close(white[:, 0, 0], (1 - mean) / std)

# %%
# Small weights that need no download
# -----------------------------------
#
# Here, half of a resnet18 learns eight small shapes, scattered over images of 16 by 16
# pixels. The new task has four other shapes, and eight images of each.

old = {
    "plus": "..#.. ..#.. ##### ..#.. ..#..",
    "square": "##### #...# #...# #...# #####",
    "line": "..... ..... ##### ..... .....",
    "pole": "..#.. ..#.. ..#.. ..#.. ..#..",
    "slash": "....# ...#. ..#.. .#... #....",
    "backslash": "#.... .#... ..#.. ...#. ....#",
    "T": "##### ..#.. ..#.. ..#.. ..#..",
    "L": "#.... #.... #.... #.... #####",
}
cross, cup = "#...# .#.#. ..#.. .#.#. #...#", "#...# #...# #...# #...# #####"
diamond, z = "..#.. .#.#. #...# .#.#. ..#..", "##### ...#. ..#.. .#... #####"
new = {"cross": cross, "cup": cup, "diamond": diamond, "Z": z}

# %%


def draw(n, shapes):
    pixels = [[c == "#" for c in s if c != " "] for s in shapes.values()]
    labels = torch.arange(n) % len(shapes)
    stencils = torch.tensor(pixels).float().view(-1, 1, 5, 5)[labels]
    places = (torch.rand(1, n, 16, 16) < 0.02).float()
    drawn = nn.functional.conv2d(places, stencils, padding=2, groups=n)
    colored = drawn.clamp(max=1).view(n, 1, 16, 16) * torch.rand(n, 3, 1, 1)
    return colored + 0.1 * torch.randn(n, 3, 16, 16), labels


def half_resnet(classes):
    model = models.resnet18()
    model.layer3 = model.layer4 = nn.Identity()  # saves time here
    model.fc = nn.Linear(128, classes)
    return model


# %%


def learn(model, optimizer, data, steps, mode):
    images, labels = data
    for _ in range(steps):
        mode(model)
        rows = torch.randint(len(labels), (32,))
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def right(model, data):
    return (model.eval()(data[0]).argmax(dim=1) == data[1]).float().mean().item()


# %%

torch.manual_seed(0)
pretrained = half_resnet(classes=8)
optimizer = torch.optim.AdamW(pretrained.parameters(), lr=0.003)
learn(pretrained, optimizer, draw(2000, old), 140, nn.Module.train)

# %%
# The idea: freeze, then replace
# ------------------------------
#
# In this order, the new head is the only part that has gradients. Its size is the
# number of features times classes, plus a bias for each class.


def new_head(model, classes):
    model.requires_grad_(False)  # first freeze, then replace
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


start = new_head(copy.deepcopy(pretrained), classes=4)
trained = sum(p.numel() for p in start.parameters() if p.requires_grad)
print(f"trained: {trained} of {sum(p.numel() for p in start.parameters()):,} numbers")
assert trained == 128 * 4 + 4

# %%
# Other models have other names for the head: write these for ``fc`` in ``new_head``,
# ``head_alone`` and ``two_rates``. In ``two_rates``, the prefix is
# ``"classifier.3."`` for ``mobilenet_v3_small``, and ``"heads."`` for ``vit_b_16``.
# On the device ``meta`` the models cost nothing.

with torch.device("meta"):
    resnet, vit = models.resnet18(), models.vit_b_16()
    mobilenet = models.mobilenet_v3_small()
print("resnet18.fc                      ", resnet.fc)
print("mobilenet_v3_small.classifier[-1]", mobilenet.classifier[-1])
print("vit_b_16.heads.head              ", vit.heads.head)
heads = resnet.fc, mobilenet.classifier[-1], vit.heads.head
assert {head.out_features for head in heads} == {1000}

# %%
# Stage 1, and the trap
# ---------------------
#
# Train the head. ``requires_grad=False`` stops parameters, not the running mean and
# variance of batch normalization, which are buffers. ``train()`` lets every batch move
# them. After ``eval()``, they stay. ``eval()`` also turns dropout off. A model with
# dropout, as ``mobilenet_v3_small``, needs ``train()``, and then ``eval()`` on each
# ``nn.BatchNorm2d`` in ``model.modules()``.

few, test = draw(32, new), draw(400, new)


def head_alone(model, rate=0.01):
    return torch.optim.AdamW(model.fc.parameters(), lr=rate)


def stage_1(mode, data):
    model = copy.deepcopy(start)
    learn(model, head_alone(model), data, 40, mode)
    return model


for name, mode in {"train()": nn.Module.train, "eval()": nn.Module.eval}.items():
    one, was, moved = stage_1(mode, few), pretrained.state_dict(), {"p": 0, "b": 0}
    for key, value in one.state_dict().items():
        if not key.startswith("fc.") and not torch.equal(value, was[key]):
            moved["p" if key in dict(one.named_parameters()) else "b"] += 1
    print(f"{name:8} moved in the body: {moved['p']} parameters, {moved['b']} buffers")
    print(f"{name:8} right on images not seen: {right(one, test):.2f}")
    assert moved["p"] == 0 and (moved["b"] == 0) == (name == "eval()")

# %%
# Both are as good here: 32 images that look like the old ones have similar statistics.
# With a few images in a batch, the statistics are noise.
#
# Stage 2: all layers, two learning rates
# ---------------------------------------
#
# Now train all: the head at a tenth of its first rate, the body at a hundredth. Batch
# normalization keeps its statistics. ``torn`` gets the first rate for all layers.


def two_rates(model, body_rate=1e-4, head_rate=1e-3):
    model.requires_grad_(True)
    body = [p for name, p in model.named_parameters() if not name.startswith("fc.")]
    head = {"params": model.fc.parameters(), "lr": head_rate}
    return torch.optim.AdamW([{"params": body, "lr": body_rate}, head])


two, torn, scratch = copy.deepcopy(one), copy.deepcopy(one), half_resnet(4)
learn(two, two_rates(two), few, 20, nn.Module.eval)
learn(torn, two_rates(torn, 0.01, 0.01), few, 20, nn.Module.eval)
optimizer = torch.optim.AdamW(scratch.parameters(), lr=0.001)
learn(scratch, optimizer, few, 60, nn.Module.train)

# %%
# Proof: on images that no model has seen
# ---------------------------------------
#
# Guessing is right once in four times. Stage 2 is no sure gain: here it changes little.
# Keep the stage that is better on images that you hold back for this choice.

found = {"from scratch": scratch, "stage 1": one, "stage 2, large rate": torn}
found = {name: right(m, test) for name, m in (found | {"stage 2": two}).items()}
for name, share in found.items():
    print(f"{name:20} {share:.2f} right")
assert found["stage 2"] > found["from scratch"] + 0.15
assert found["stage 2"] > found["stage 2, large rate"] + 0.1
assert abs(found["stage 2"] - found["stage 1"]) < 0.2  # no sure gain

# %%
# When it is not so: images that look different
# ---------------------------------------------
#
# The statistics belong to the old images. On negatives, the same shapes as dark on
# light, they are wrong. Then let batch normalization learn new ones, by ``train()``.

negative, negative_test = (1 - few[0], few[1]), (1 - test[0], test[1])
kept = right(stage_1(nn.Module.eval, negative), negative_test)
learned = right(stage_1(nn.Module.train, negative), negative_test)
print(f"negatives: old statistics {kept:.1f}, new statistics {learned:.1f} right")
assert learned > kept + 0.05

# %%
# In your project
# ---------------
#
# For ``pretrained``, take the real line from the top. Your data set applies
# ``weights.transforms()``, such as :ref:`ImageFolder
# <sphx_glr_recipes_recipes_images_from_folders.py>`. Use the same transforms when you
# predict. Each stage makes its optimizer, and leaves a model. Keep the one that is
# better on images that you held back.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = new_head(copy.deepcopy(pretrained), classes=4).to(device)  # new
loader, stages = DataLoader(TensorDataset(*few), batch_size=32, shuffle=True), []
for stage, epochs in ((head_alone, 40), (two_rates, 20)):  # new
    optimizer = stage(model)
    for x, y in (batch for _ in range(epochs) for batch in loader):
        model.eval()  # new: the statistics stay
        loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    stages.append(copy.deepcopy(model))  # then keep the better one

# %%
# Check
# -----
#
# Both stages beat the training from scratch. All parameters are trained at the end, and
# the statistics are the old ones.

shares, model = [right(stage.cpu(), test) for stage in stages], stages[-1]
print("in your project, right after each stage:", [round(s, 1) for s in shares])
assert min(shares) > found["from scratch"] + 0.15
assert all(p.requires_grad for p in model.parameters())
assert torch.equal(model.bn1.running_var, pretrained.bn1.running_var)
assert not torch.equal(model.conv1.weight, pretrained.conv1.weight)

# %%
# Learn more
# ----------
#
# - A body that stays as it was: :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - More groups: :ref:`sphx_glr_recipes_recipes_parameter_groups.py`
# - Your own weights:
#   :ref:`sphx_glr_recipes_recipes_warmstarting_model_using_parameters_from_a_different_model.py`
# - More from few images: :ref:`sphx_glr_recipes_recipes_data_augmentation.py`
