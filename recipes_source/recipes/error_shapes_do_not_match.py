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
#   "a and b must have same reduction dim, but got",
#   "The size of tensor a",
#   "Sizes of tensors must match except in dimension",
#   "is invalid for input of size",
#   "to match target batch_size",
#   "Dimension out of range (expected to be in range of [-1, 0], but got 1)",
#   "Expected size for first two dimensions of batch2 tensor to be",
#   "Tensors must have same number of dimensions", "must match the existing size",
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

Why it matters: the message names sizes and no variables. Change a layer until the
message disappears, and the network may mix up its samples without an error.
"""

# %%
# mat1 and mat2 shapes cannot be multiplied
# -----------------------------------------
#
# Four pictures of 16 by 16 pixels go to a layer that takes 256 features. Forgotten: the
# pixels of a picture must become one row.

import torch
from torch import nn

torch.manual_seed(0)
images = torch.randn(4, 16, 16)
layer = nn.Linear(256, 10)

# %%


def message(call):
    try:
        call()
    except (RuntimeError, ValueError, IndexError) as error:
        print(error)
        return str(error)
    raise AssertionError("nothing was raised")


assert "(64x16 and 256x10)" in message(lambda: layer(images))

# %%
# ``mat1`` is your tensor: 64 rows of 16 columns. The columns are its last dimension.
# All others, multiplied, are the rows. ``mat2`` is the layer's weight, transposed:
# ``in_features`` is 256, ``out_features`` is 10. The middle numbers must be equal.
#
# There should be 4 rows, one for each sample. There are 64: each of the 16 lines of a
# picture became a row. (For sequences, batch times time rows are right.) Two other
# mistakes give other numbers:

causes = {
    "flattened with the batch": images.flatten(),
    "transposed": images.flatten(1).T,
}
for cause, x in causes.items():
    print(f"{cause}, {tuple(x.shape)}:")
    assert "(4x" not in message(lambda x=x: layer(x))

# %%
# ``torch.compile`` and the meta device describe the first mistake in other words:

on_meta = nn.Linear(256, 10, device="meta")
assert "[64, 16] X [256, 10]" in message(lambda: on_meta(images.to("meta")))

# %%
# All three mistakes have one mend: :func:`torch.flatten` from dimension 1 on. Each
# picture by itself must give the same row.

logits = layer(images.flatten(1))
alone = torch.stack([layer.weight @ image.flatten() + layer.bias for image in images])
print(tuple(logits.shape), f"differ by {(logits - alone).abs().max():.4f}")
torch.testing.assert_close(logits, alone)

# %%
# Right rows, wrong columns? See the end.
#
# The size of tensor a must match the size of tensor b
# ----------------------------------------------------
#
# Sums and products of entries align shapes from the right. Each pair of sizes must be
# equal, unless one of them is 1. Here the pictures, shape ``(4, 16, 16)``, meet
# their means, shape ``(4,)``: 16 meets 4. Tensor ``a`` is the left operand.
# ``keepdim=True`` leaves the sizes of 1 in place: ``(4, 1, 1)``. Does only the last
# batch fail? It is smaller: write ``x.shape[0]``, not a number.

mean = images.mean(dim=(1, 2))
assert "tensor a (16)" in message(lambda: images - mean)
centred = images - images.mean(dim=(1, 2), keepdim=True)
print(f"largest mean of a picture: {centred.mean(dim=(1, 2)).abs().max():.4f}")
assert centred.mean(dim=(1, 2)).abs().max() < 1e-6

# %%
# Sixteen such pictures raise nothing, because 16 meets 16. The wrong means are
# subtracted:

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
# equal. "Tensor number 1" is the second one. First, a forgotten ``dim=1``. Then two
# feature maps of a U-Net differ by one pixel: ``up`` is resized.

extra = torch.randn(4, 3)
assert "tensor number 1" in message(lambda: torch.cat([logits, extra]))
print("mended:", tuple(torch.cat([logits, extra], dim=1).shape))
skip, up = torch.randn(1, 8, 31, 31), torch.randn(1, 8, 30, 30)
assert "size 31 but got size 30" in message(lambda: torch.cat([skip, up], dim=1))
up = nn.functional.interpolate(up, size=skip.shape[-2:])
print("mended:", tuple(torch.cat([skip, up], dim=1).shape))

# %%
# Invalid shape, wrong batch size, dimension out of range
# -------------------------------------------------------
#
# - ``view`` and ``reshape`` keep the number of entries: here 4 * 16 * 16 = 1024.
# - ``-1`` stands for the size that fits. As the first size, it makes up samples: four
#   pictures become two rows, and only the loss complains. Write ``flatten(1)``.
# - A range of ``[-1, 0]`` means that the tensor has at most one dimension. Here,
#   ``dim=1`` asks for a second of one sample's logits. ``dim=-1`` fits both shapes.

assert "size 1024" in message(lambda: images.view(4, 100))
targets = torch.tensor([1, 0, 3, 2])
two = nn.Linear(512, 10)(images.view(-1, 512))
assert "batch_size (2)" in message(lambda: nn.functional.cross_entropy(two, targets))
assert "got 1" in message(lambda: logits[0].softmax(dim=1))
assert torch.equal(logits[0].softmax(dim=-1), logits.softmax(dim=-1)[0])

# %%
# Three relatives
# ---------------
#
# - ``batch2`` is the second factor of a product of batches, as in attention. Here its
#   transpose is forgotten. With heads, the first number is batch times heads.
# - ``cat`` wants the same number of dimensions: ``unsqueeze`` adds one.
# - The "existing size" is your tensor's, the "expanded size" is what you ask for.

query, key = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
assert "batch2" in message(lambda: torch.bmm(query, key))
assert torch.bmm(query, key.transpose(1, 2)).shape == (2, 3, 5)
assert "got 2 and 1" in message(lambda: torch.cat([logits, targets]))
assert torch.cat([logits, targets.unsqueeze(1)], dim=1).shape == (4, 11)
assert "size (10)" in message(lambda: logits[0].expand(4, 7))

# %%
# In your project
# ---------------
#
# Find the layer in any model, before ``torch.compile``. These hooks print the shapes
# that enter each module, but not arguments passed by name.


def show(layer, args, *out):
    sizes = [tuple(x.shape) if torch.is_tensor(x) else type(x).__name__ for x in args]
    print("done:" if out else "enters", type(layer).__name__, names.get(layer), *sizes)


model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(2048, 10))
names = {module: name or "model" for name, module in model.named_modules()}
hooks = nn.modules.module
with hooks.register_module_forward_pre_hook(show):  # new
    with hooks.register_module_forward_hook(show):  # new
        try:
            model(images.unsqueeze(1))
        except RuntimeError as error:
            print(error)

# %%
# Read the output
# ---------------
#
# The last module that was entered and is not done has raised the error: ``Linear``. If
# all layers inside a module are done, the error is in its own ``forward``: a sum or
# ``cat``.
#
# ``Linear`` gets 4 rows of 1568 columns. The rows are right, so ``in_features`` or the
# pictures' size is wrong. Is the layer trained? Resize the pictures. If not, write the
# columns there, before you make the optimizer:

model[2] = nn.Linear(1568, 10)
print(tuple(model(images.unsqueeze(1)).shape))
assert model(images[:1].unsqueeze(1)).shape == (1, 10)
show(nn.LSTM(3, 5), (torch.randn(2, 1, 3), (torch.zeros(1, 1, 5),) * 2))

# %%
# Learn more
# ----------
#
# - Find ``in_features`` without arithmetic:
#   :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - A loss whose shapes fit by accident:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - ``stack expects each tensor to be equal size``:
#   :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
