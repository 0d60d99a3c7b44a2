# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "matplotlib"]
# [tool.recipe]
# tags = ["Data"]
# timeout = 60
# datasets = ["CIFAR10"]
# searched_as = [
#   "DataLoader", "mini-batches", "shuffle", "batch_size", "normalize images",
#   "ToTensor", "MNIST", "torchvision datasets", "iterate over a data set", "drop_last",
#   "mean and standard deviation of a data set",
# ]
# errors = [
#   '''default_collate: batch must contain tensors, numpy arrays, numbers, dicts or
#   lists''',
# ]
# older_errors = [
#   '''batch must contain tensors, numbers, dicts or lists; found <class
#   'PIL.Image.Image'>''',
# ]
# ///
"""
Loading data in PyTorch
=======================

Turn a data set into shuffled, normalized batches, and know what the loader changes.

A model wants batches of equal shape, in an order that differs from one pass over the
data (an *epoch*) to the next, with pixels around zero. Written by hand, that is index
arithmetic in every project, and a quiet mistake in it (a forgotten shuffle, a transform
that ran twice) costs accuracy rather than raising an error.
"""

# %%
# Two parts share the work. A *data set* answers two questions: how many samples, and
# what is sample ``i``? A *loader* decides which samples come next and stacks them.
#
# Open the data set
# -----------------
#
# torchvision knows CIFAR10: colour images of 32 by 32 pixels in ten classes. With
# ``download=True`` it is fetched once and found in the folder ``data`` from then on.
# If this page was built without it, the output says that drawn images stood in: the
# real ones have other classes and numbers.

import matplotlib.pyplot as plt
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

trainset = datasets.CIFAR10("data", train=True, download=True)
image, target = trainset[0]
print("samples:", len(trainset))
print("a sample:", type(image).__name__, image.size, "and the class", target)
print("classes:", ", ".join(trainset.classes))

# %%
# See the problem: a loader cannot stack PIL images
# -------------------------------------------------
#
# A sample is a picture object (of PIL, an image library), not a tensor. The function
# that stacks samples, ``default_collate``, notices at the first batch:

try:
    next(iter(DataLoader(trainset, batch_size=4)))
except TypeError as error:
    print(f"TypeError: {str(error).split(';')[0]}")

# %%
# Transforms make tensors of them
# -------------------------------
#
# A transform runs each time that a sample is read.
# :class:`~torchvision.transforms.ToTensor` moves the colour channels to the front and
# scales 0...255 to 0...1. :class:`~torchvision.transforms.Normalize` subtracts a mean
# and divides by a standard deviation, one of each per channel: with 0.5 and 0.5 the
# pixels end up in -1...1.

halves = (0.5, 0.5, 0.5)
transform = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize(mean=halves, std=halves)]
)
trainset = datasets.CIFAR10("data", train=True, download=True, transform=transform)
image, target = trainset[0]
print(tuple(image.shape), image.dtype)
print("pixels stay within -1 and 1:", bool(image.min() >= -1 and image.max() <= 1))

by_hand = torch.tensor(trainset.data[0]).permute(2, 0, 1) / 255  # channels first
torch.testing.assert_close(image, (by_hand - 0.5) / 0.5)

# %%
# The loader makes batches
# ------------------------
#
# :class:`torch.utils.data.DataLoader` draws a new order for every epoch when
# ``shuffle=True``. Give it a generator of its own with a seed, and the whole sequence
# of orders can be repeated, whatever else draws random numbers in between. Each
# ``iter(loader)`` starts an epoch.


def make_loader():
    generator = torch.Generator().manual_seed(0)
    return DataLoader(trainset, batch_size=64, shuffle=True, generator=generator)


loader = make_loader()
first, second = (next(iter(loader))[1][:8].tolist() for _ in range(2))
print("epoch 1 starts with classes", first)
print("epoch 2 starts with classes", second)
print("same seed, epoch 1 again:  ", next(iter(make_loader()))[1][:8].tolist())
assert first != second and first == next(iter(make_loader()))[1][:8].tolist()

# %%
# Every sample comes once per epoch. The number of samples is rarely a multiple of the
# batch size, so the last batch is smaller; a mean over batches would count its
# samples too much. ``drop_last=True`` leaves it out.

sizes = [len(targets) for _, targets in loader]
print(f"{len(sizes)} batches: {sizes[0]} samples each, {sizes[-1]} in the last")
assert sum(sizes) == len(trainset)

# %%
# Look at a batch before you train on it
# --------------------------------------
#
# To draw an image, undo the normalization and move the channels to the end. Many
# mistakes are visible at once: wrong colours, wrong labels, an order that is not
# shuffled.

images, targets = next(iter(make_loader()))
fig, axes = plt.subplots(2, 6, figsize=(8, 3.4), layout="constrained")
fig.suptitle("Twelve images of one shuffled batch, each with its class")
for ax, image, target in zip(axes.flat, images, targets, strict=False):
    ax.imshow((image * 0.5 + 0.5).permute(1, 2, 0).numpy())
    ax.set_title(trainset.classes[target], fontsize=9)
    ax.set(xticks=[], yticks=[], xlabel="32 pixels", ylabel="32 pixels")
plt.show()

# %%
# One pitfall
# -----------
#
# Statistics for ``Normalize`` come from the training images only, and the test images
# use the same numbers. Here are the mean and standard deviation of each channel of the
# images loaded above, if you want something better than 0.5:

pixels = torch.tensor(trainset.data, dtype=torch.float64) / 255
print("mean:     ", [round(v, 2) for v in pixels.mean((0, 1, 2)).tolist()])
print("deviation:", [round(v, 2) for v in pixels.std((0, 1, 2)).tolist()])

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`: a data set of
#   your own.
# - :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`: loading in several
#   processes.
# - :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py` trains on these batches;
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py` builds the model.
