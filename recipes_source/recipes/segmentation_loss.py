# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Losses"]
# after = ["cross_entropy_inputs"]
# timeout = 60
# searched_as = [
#   "semantic segmentation loss", "IoU loss", "Jaccard", "U-Net", "predicts background",
# ]
# errors = ["only batches of spatial targets supported (3D tensors)"]
# ///
"""
Train segmentation with Dice and cross-entropy
==============================================

Give each pixel a class with a loss that does not overlook small objects.

Why it matters: if two pixels of a hundred belong to an object, "background" everywhere
is right for 98%. Where the object is hard to see, cross-entropy alone still answers
"background" nearly everywhere.
"""

# %%
# Pictures with a small object
# ----------------------------
#
# Each picture is noise with a square that is a little brighter. ``targets`` has the
# class of each pixel: 1 on the square, 0 elsewhere.

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(1)
targets = torch.zeros(16, 32, 32, dtype=torch.int64)  # batch, height, width
for target in targets:
    x, y = torch.randint(29, (2,)).tolist()
    target[y : y + 4, x : x + 4] = 1
images = torch.randn(16, 1, 32, 32) + 2 * targets.unsqueeze(1)
print(f"object: {targets.float().mean():.1%} of the pixels")

# %%
# The shapes
# ----------
#
# :func:`torch.nn.functional.cross_entropy` takes logits ``(batch, classes, height,
# width)`` and class numbers ``(batch, height, width)``, int64. A mask file often has a
# channel more, and uint8. ``squeeze(1)`` takes the channel away, and ``long()`` makes
# int64.

logits, with_channel = torch.randn(16, 2, 32, 32), targets.unsqueeze(1)
try:
    F.cross_entropy(logits, with_channel)
except RuntimeError as error:
    print(error)
loss = F.cross_entropy(logits, with_channel.squeeze(1))
by_hand = -logits.log_softmax(dim=1).gather(1, with_channel).mean()
torch.testing.assert_close(loss, by_hand)

# %%
# See the problem
# ---------------
#
# The model sees one pixel at a time, so it can only choose a border of brightness. The
# Dice score is twice the common pixels, divided by the sum of both areas. It is 1 for a
# perfect answer, and 0 if no pixel is common. (It is the F1 score of the object's
# class.)


def dice(said):
    common = (said & (targets == 1)).sum()
    return (2 * common / (said.sum() + targets.sum())).item()


def fit(loss_fn):
    model = nn.Conv2d(1, 2, kernel_size=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.2)
    for _ in range(200):
        loss = loss_fn(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model(images).softmax(dim=1)[:, 1].detach()


# %%


def show(name, chance):
    said, score = chance > 0.5, dice(chance > 0.5)
    right = (said == (targets == 1)).float().mean().item()
    found = said[targets == 1].float().mean().item()
    print(f"{name}: right {right:.0%}, object found {found:.0%}, Dice {score:.2f}")
    return score


nothing = show("background", torch.zeros(targets.shape))
plain_chance = fit(F.cross_entropy)
plain = show("cross-entropy", plain_chance)

# %%
# The idea: a loss made of the Dice score
# ---------------------------------------
#
# Put probabilities where the score counts pixels, and it has a gradient. (``argmax``
# has none.) Each class is divided by its area, so a small one counts as much as a large
# one. Add cross-entropy: where the network is sure and wrong, the gradient of the Dice
# loss nearly vanishes, but the gradient of cross-entropy does not. Many mask files mark
# pixels without a class by 255: these count in neither loss.


def dice_loss(logits, targets, smooth=1.0, ignore=255):
    flat = targets.flatten(1)
    keep = (flat != ignore).unsqueeze(1)  # batch, 1, pixels
    chances = logits.float().softmax(dim=1).flatten(2) * keep  # batch, classes, pixels
    one_hot = F.one_hot(flat.where(flat != ignore, 0), logits.shape[1]).mT * keep
    common = (chances * one_hot).sum(dim=(0, 2))  # one sum for each class
    areas = chances.sum(dim=(0, 2)) + one_hot.sum(dim=(0, 2))
    return 1 - ((2 * common + smooth) / (areas + smooth)).mean()


def combined(logits, targets):
    cross_entropy = F.cross_entropy(logits, targets, ignore_index=255)
    return cross_entropy + dice_loss(logits, targets)  # new


chance = fit(combined)
mended = show("both losses", chance)

# %%
# Proof: the best border
# ----------------------
#
# Order the pixels by brightness. Between one object pixel and the next, there is only
# background. So the best of all borders lies at the brightness of an object pixel, and
# the cell tries each of them. And for answers without doubt, the Dice loss is one minus
# the mean score of the two classes.

borders = images[:, 0][targets == 1]
best = max(dice(images[:, 0] >= border) for border in borders)
print(f"best border: Dice {best:.2f}")
assert nothing == 0 and plain < 0.8 * best and mended > 0.9 * best

said = images[:, 0] > 2
sure = torch.stack([~said, said], dim=1) * 100.0  # logits
wrong = (said != (targets == 1)).sum()
rest = 1 - wrong / ((~said).sum() + (targets == 0).sum())
loss, expected = dice_loss(sure, targets, 0.0), 1 - (dice(said) + rest) / 2
print(f"loss {loss:.2f}, counted {expected:.2f}")
assert abs(loss - expected) < 1e-4

# %%
# With four rows of 255, the loss is as if these rows were cut off. But if *each* pixel
# of a batch is 255, cross-entropy is ``nan``: skip such a batch.

masked = targets.index_fill(1, torch.arange(4), 255)
loss, expected = combined(logits, masked), combined(logits[:, :, 4:], targets[:, 4:])
print(f"four rows of 255: loss {loss:.2f}, cut off: loss {expected:.2f}")
torch.testing.assert_close(loss, expected)
assert combined(logits, torch.full_like(targets, 255)).isnan()

# %%
# When it is not so
# -----------------
#
# In this model, cross-entropy alone finds as much, if a pixel is called object at a
# chance below 0.5. Search for this limit on validation data. The Dice loss needs no
# search, but pushes chances towards 0 and 1. Here, fewer of the pixels called object
# are right than their chances promise.

limits = plain_chance[targets == 1]
lower = max(dice(plain_chance >= limit) for limit in limits)
print(f"cross-entropy: Dice {plain:.2f}, with the best limit {lower:.2f}")
assert lower > 0.99 * best

said = chance > 0.5
promised, kept = chance[said].mean().item(), (targets[said] == 1).float().mean().item()
print(f"both losses: object promised {promised:.1f}, kept {kept:.1f}")
assert promised > kept + 0.2

# %%
# And a class that is not in the batch has no score, but 0 divided by 0. ``smooth``
# makes the score 1 only where the chances of this class, added over all pixels, are far
# below 1. A small chance in each pixel gives a score near 0.

none, sky = torch.zeros_like(targets), torch.stack([targets + 200.0, targets * 0.0], 1)
raw, smooth = dice_loss(sky, none, 0.0), dice_loss(sky, none, 1.0)
print(f"no object: loss {raw:.2f}, smooth {smooth:.2f}")
assert raw.isnan() and smooth < 1e-6

# %%
# In your project
# ---------------
#
# A model with one output channel needs a channel of zeros before it:
# ``torch.cat([torch.zeros_like(logits), logits], dim=1)``. A segmentation model of
# torchvision returns a dict: take ``model(x)["out"]``.
#
# The Dice loss adds over the batch before it divides. So accumulated gradients, or
# several processes, do not give the loss of the large batch. With many classes,
# ``one_hot`` is large: 8 bytes for each class and pixel.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
layers = [nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 2, 5, padding=2)]
model = nn.Sequential(*layers).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for _ in range(30):  # epochs
    for x, y in zip(images.split(4), targets.split(4), strict=True):
        logits, y = model(x.to(device)), y.to(device)
        loss = combined(logits, y)  # new
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %%
# Check
# -----
#
# This network sees more than one pixel at a time.

score = dice(model(images.to(device)).argmax(dim=1).cpu() == 1)
print("better than the best border:", score > best)
assert score > best

# %%
# Learn more
# ----------
#
# - Dice is F1: :ref:`sphx_glr_recipes_recipes_accuracy_and_confusion_matrix.py`
# - Weights for rare classes: :ref:`sphx_glr_recipes_recipes_class_weights.py`
# - Logits and targets: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - Back to full size: :ref:`sphx_glr_recipes_recipes_transposed_convolution.py`
