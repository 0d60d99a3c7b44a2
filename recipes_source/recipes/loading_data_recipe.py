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

Why it matters: a model wants samples of equal shape in batches, with pixels around
zero. Their order should differ from one pass over the data (an *epoch*) to the next. A
forgotten shuffle raises no error, but can cost accuracy.
"""

# %%
# Two parts share the work. A *data set* answers two questions: how many samples, and
# what is sample ``i``? A *loader* decides which samples come next and stacks them.
#
# Open the data set
# -----------------
#
# torchvision knows CIFAR10: colour images of 32 by 32 pixels in ten classes. With
# ``download=True`` it is fetched once, 170 MB from www.cs.toronto.edu, and found in the
# folder ``data`` from then on. Without that server, see :doc:`/docs/data`. If this page
# was built without it, the output says that drawn images stood in: the real ones have
# other classes and numbers.

import matplotlib.pyplot as plt
import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2

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
    raise AssertionError("PIL images were stacked")
except TypeError as error:
    print(f"TypeError: {error}")

# %%
# Transforms make tensors of them
# -------------------------------
#
# A transform runs each time that a sample is read.
# :class:`~torchvision.transforms.v2.ToImage` makes a tensor with the colour channels in
# front. :class:`~torchvision.transforms.v2.ToDtype` with ``scale=True`` turns 0...255
# into 0...1. Older code has ``transforms.ToTensor()`` for these two. ``v2.Normalize``
# subtracts a mean and divides by a standard deviation, one of each per channel: with
# 0.5 and 0.5 the pixels end up in -1...1. A grey image (MNIST) takes ``[0.5]``: three
# numbers make three channels of it, without an error. Images of several sizes also need
# ``v2.Resize((height, width))``, or they cannot be stacked.

halves = [0.5, 0.5, 0.5]
to_float = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
transform = v2.Compose([*to_float, v2.Normalize(mean=halves, std=halves)])
trainset = datasets.CIFAR10("data", train=True, download=True, transform=transform)
image, target = trainset[0]
print(tuple(image.shape), image.dtype)
print(f"pixels from {image.min().item():.2f} to {image.max().item():.2f}")

by_hand = torch.tensor(trainset.data[0]).permute(2, 0, 1) / 255  # channels first
torch.testing.assert_close(torch.as_tensor(image), (by_hand - 0.5) / 0.5)

# %%
# The loader makes batches
# ------------------------
#
# :class:`torch.utils.data.DataLoader` draws a new order for every epoch when
# ``shuffle=True``. Give it a generator with a seed, and the whole sequence of orders
# can be repeated, whatever else draws random numbers in between. Each ``iter(loader)``
# starts an epoch.


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
# batch size, so the last batch is smaller. A mean of batch means then gives each sample
# of the last batch too much weight. ``drop_last=True`` leaves a smaller last batch out.
# Use it for training only: a test should count every sample.

sizes = [len(targets) for _, targets in loader]
print(f"{len(sizes)} batches: {sizes[0]} samples each, {sizes[-1]} in the last")
assert sum(sizes) == len(trainset) and sizes[-1] < sizes[0]

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
# Pitfall: the statistics of the test set
# ---------------------------------------
#
# To normalize better than with 0.5, use the mean and standard deviation of *your*
# training images. 5000 images are enough: all 50,000 as floats need 614 MB. (If your
# images are sorted by class, draw the 5000 at random. A pretrained model needs the
# numbers that it was trained with: in torchvision, use ``weights.transforms()``.)

pixels = torch.tensor(trainset.data[:5000]).permute(0, 3, 1, 2) / 255  # N, 3, 32, 32
mean, std = pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3)).tolist()
print("mean:     ", [f"{value:.3f}" for value in mean])
print("deviation:", [f"{value:.3f}" for value in std])

# %%
# Use the same numbers for the test images. Suppose that these are half as bright. With
# numbers measured on the test set, they look exactly like the training images, and the
# model cannot see what has changed. With the training set's numbers they stay darker.

dark = pixels / 2
own_mean, own_std = dark.mean((0, 2, 3)).tolist(), dark.std((0, 2, 3)).tolist()
own = v2.functional.normalize(dark, own_mean, own_std)
shared = v2.functional.normalize(dark, mean, std)
bright = v2.functional.normalize(pixels, mean, std)
for name, values in [("their own", own), ("the training set's", shared)]:
    gap = (values - bright).abs().max().item()
    print(f"dark images, {name} numbers: up to {gap:.2f} from the bright ones")
    assert (gap < 1e-3) == (values is own)

# %%
# In your project
# ---------------
#
# Two loaders: the test set is neither shuffled nor augmented. ``mean`` and ``std`` come
# from the training images above. Worker processes need a script whose work is under
# ``if __name__ == "__main__":``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
test_transform = v2.Compose([*to_float, v2.Normalize(mean, std)])
train_transform = v2.Compose([v2.RandomHorizontalFlip(), test_transform])
trainset = datasets.CIFAR10("data", download=True, transform=train_transform)
testset = datasets.CIFAR10("data", train=False, download=True, transform=test_transform)
options = {"batch_size": 128, "pin_memory": torch.cuda.is_available()}
# options["num_workers"] = 4  # in a script
train_loader = DataLoader(trainset, shuffle=True, **options)  # new order in each epoch
test_loader = DataLoader(testset, **options)
for images, targets in train_loader:  # one epoch
    images, targets = images.to(device, non_blocking=True), targets.to(device)

# %%
# Check
# -----
#
# The test loader's first batch has the scale of normalized images: a deviation near 1.

images, _ = next(iter(test_loader))
print(f"test batch: deviation {images.std().item():.2f}")
assert 0.6 < images.std() < 1.6

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
