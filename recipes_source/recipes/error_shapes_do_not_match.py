# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors", "Errors"]
# timeout = 60
# searched_as = [
#   "shape mismatch", "size mismatch", "dimension mismatch", "matmul shape error",
#   "incompatible shapes", "wrong shape at fully connected layer",
#   "flatten before the linear layer", "unsqueeze", "squeeze", "keepdim",
#   "concatenate tensors of different sizes", "U-Net skip connection size",
#   "which layer has the wrong shape", "debug shapes",
# ]
# errors = [
#   "mat1 and mat2 shapes cannot be multiplied",
#   "The size of tensor a",
#   "Sizes of tensors must match except in dimension",
#   "is invalid for input of size",
#   "to match target batch_size",
#   "Dimension out of range (expected to be in range of [-1, 0], but got 1)",
# ]
# older_errors = [
#   "size mismatch, m1: [4 x 256], m2: [512 x 10]",
#   "invalid argument 0: Sizes of tensors must match except in dimension 1",
#   "inconsistent tensor size", "dimension out of range (expected to be in range of",
# ]
# ///
"""
Shapes cannot be multiplied, added or joined: find the wrong size
=================================================================

Read the numbers of a shape error, and know which tensor has the wrong size.

Why it matters: the message names sizes and no variables. Guess wrong, change a layer
until the message disappears, and the network may mix up its samples without an error.
"""

# %%
# mat1 and mat2 shapes cannot be multiplied
# -----------------------------------------
#
# Four pictures of 16 by 16 pixels go to a layer that takes 256 features. One thing is
# forgotten: the pixels of a picture must become one row.

import re

import torch
from torch import nn

torch.manual_seed(0)
images = torch.randn(4, 16, 16)
layer = nn.Linear(256, 10)

# %%


def numbers(call):
    try:
        call()
    except (RuntimeError, ValueError, IndexError) as error:
        print(error)
        return [int(number) for number in re.findall(r"-?\d+", str(error))]
    raise AssertionError("nothing was raised")


rows, columns, takes, gives = numbers(lambda: layer(images))[2:]
assert (takes, gives) == (layer.in_features, layer.out_features)
assert (rows, columns) == (4 * 16, images.shape[-1])

# %%
# ``mat1`` is your tensor, ``mat2`` is the layer's weight. The two numbers in the middle
# must be equal. The last dimension of your tensor is ``columns``. All other dimensions,
# multiplied, are ``rows``.
#
# If the layer is right, then ``rows`` tells the cause. It should be 4, the number of
# samples. It is 64, because each of the 16 lines of a picture became a row. Two other
# mistakes give other numbers:

causes = {
    "flattened with the batch": images.flatten(),
    "transposed": images.flatten(1).T,
}
for cause, x in causes.items():
    print(f"{cause}, {tuple(x.shape)}:")
    assert numbers(lambda x=x: layer(x))[2] != len(images)

# %%
# All three mistakes have one mend: :func:`torch.flatten` from dimension 1 on, which
# leaves the batch alone. Each picture by itself must give the same row.

logits = layer(images.flatten(1))
alone = torch.stack([layer.weight @ image.flatten() + layer.bias for image in images])
print(tuple(logits.shape), f"differ by {(logits - alone).abs().max():.4f}")
torch.testing.assert_close(logits, alone)

# %%
# If ``rows`` is right and ``columns`` is not, the layer was made for other data. The
# links at the end tell how to find its ``in_features``.
#
# The size of tensor a must match the size of tensor b
# ----------------------------------------------------
#
# Sums and products of entries align shapes from the right. Each pair of sizes must be
# equal, unless one of them is 1. Here the mean of each picture, shape ``(4,)``, is
# taken from pictures of shape ``(4, 16, 16)``. So 4 meets 16. ``keepdim=True`` leaves
# the sizes of 1 in place: ``(4, 1, 1)``.

mean = images.mean(dim=(1, 2))
a, b, dimension = numbers(lambda: images - mean)
assert (a, b) == (images.shape[dimension], mean.shape[-1])
centred = images - images.mean(dim=(1, 2), keepdim=True)
print(f"largest mean of a picture: {centred.mean(dim=(1, 2)).abs().max():.4f}")
assert centred.mean(dim=(1, 2)).abs().max() < 1e-6

# %%
# No message does not mean right shapes. Sixteen such pictures raise nothing, because
# 16 meets 16, and the wrong means are taken:

sixteen = torch.randn(16, 16, 16)
wrong = sixteen - sixteen.mean(dim=(1, 2))
largest = wrong.mean(dim=(1, 2)).abs().max()
print(f"largest mean of a picture: {largest:.2f}")
assert largest > 0.01

# %%
# Sizes of tensors must match except in dimension
# -----------------------------------------------
#
# :func:`torch.cat` joins along ``dim``, 0 if you give none. All other sizes must be
# equal. The list is counted from 0, so "tensor number 1" is the second one. First, a
# forgotten ``dim=1``. Then two feature maps as in a U-Net, whose sides differ by one
# pixel after pooling: no ``dim`` helps, so one of them is resized.

extra = torch.randn(4, 3)
dim, expected, got, position = numbers(lambda: torch.cat([logits, extra]))
assert (expected, got) == (logits.shape[1], extra.shape[1])
print("mended:", tuple(torch.cat([logits, extra], dim=1).shape))
skip, up = torch.randn(1, 8, 31, 31), torch.randn(1, 8, 30, 30)
assert numbers(lambda: torch.cat([skip, up], dim=1)) == [1, 31, 30, 1]
up = nn.functional.interpolate(up, size=skip.shape[-2:])
print("mended:", tuple(torch.cat([skip, up], dim=1).shape))

# %%
# Invalid shape, wrong batch size, dimension out of range
# -------------------------------------------------------
#
# - ``view`` and ``reshape`` keep the number of entries: here 4 * 16 * 16 = 1024.
# - ``-1`` stands for the size that fits. In the first dimension it makes up samples:
#   four pictures become two rows, and only the loss complains. Write ``flatten(1)``.
# - A range of ``[-1, 0]`` means: the tensor has one dimension, you asked for a second.
#   Here, these are the logits of a single sample. ``dim=-1`` works for both.

*_, entries = numbers(lambda: images.view(4, 100))
assert entries == images.numel()
targets = torch.tensor([1, 0, 3, 2])
two = nn.Linear(512, 10)(images.view(-1, 512))
assert numbers(lambda: nn.functional.cross_entropy(two, targets)) == [2, 4]
assert numbers(lambda: logits[0].softmax(dim=1))[-1] == logits[0].dim()
assert torch.equal(logits[0].softmax(dim=-1), logits.softmax(dim=-1)[0])

# %%
# In your project
# ---------------
#
# Find the layer in any model, without a change in its code. This hook prints what
# enters each module. The last line before the error is the layer that failed.


def show(module, args):
    print(type(module).__name__, *(tuple(x.shape) for x in args))


model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(2048, 10))
hook = nn.modules.module.register_module_forward_pre_hook(show)  # new
try:
    model(images.unsqueeze(1))
except RuntimeError as error:
    print(error)
finally:
    hook.remove()  # new

# %%
# Here ``Linear`` gets 4 rows of 1568 columns. The rows are right, so ``in_features`` is
# the mistake.
#
# Learn more
# ----------
#
# - Find ``in_features`` without arithmetic:
#   :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - A loss whose shapes fit by accident:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Samples of unequal length:
#   :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
