# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors", "Errors"]
# after = ["gather_and_indexing"]
# timeout = 60
# searched_as = [
#   "one hot encoding", "onehot", "convert labels to one hot", "to_categorical",
#   "categorical features", "dummy variables", "get_dummies", "one-hot to class index",
#   "multi-hot", "encode strings as numbers", "one hot mask for segmentation",
# ]
# errors = [
#   "one_hot is only applicable to index tensor of type LongTensor.",
#   "Class values must be smaller than num_classes.",
#   "Class values must be non-negative.",
# ]
# older_errors = ["one_hot is only applicable to index tensor."]
# ///
"""
One-hot encoding: labels to columns and back
============================================

Turn class numbers into one-hot rows of a fixed width, and back.

A layer that takes one-hot rows needs a column for each class, in every batch. By
default, :func:`torch.nn.functional.one_hot` looks for the largest label of *this*
batch. So the width can change from batch to batch, and a shuffled training stops at a
random place. Write ``one_hot(labels, num_classes=3).float()`` instead, with your number
of classes.
"""

# %%
# See the problem
# ---------------
#
# Eight labels of three classes, in batches of three. Class 2 is missing in the last
# batch.

import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

torch.manual_seed(0)
labels = torch.tensor([2, 0, 1, 2, 0, 1, 1, 0])
layer = nn.Linear(3, 4)


def message(call):
    try:
        call()
    except RuntimeError as error:
        print(error)
        return str(error)


# %%

widths = [one_hot(batch).shape[1] for batch in labels.split(3)]
print("columns:", widths)
assert widths == [3, 3, 2]
assert "(2x2 and 3x4)" in message(lambda: layer(one_hot(labels[-2:]).float()))

# %%
# The idea: say how many classes there are
# ----------------------------------------
#
# Pass ``num_classes``. The result is int64, and layers want float32: add ``.float()``.
# ``argmax`` leads back. Two other ways must give the same: rows of the identity matrix,
# and a comparison with all class numbers.

rows = one_hot(labels, num_classes=3).float()  # new
print(rows[:3].tolist())
widths = [one_hot(batch, num_classes=3).shape[1] for batch in labels.split(3)]
print("columns:", widths)
assert widths == [3, 3, 3] and torch.equal(rows.argmax(dim=1), labels)
assert torch.equal(rows, torch.eye(3)[labels])
assert torch.equal(rows, (labels[:, None] == torch.arange(3)).float())

# %%
# Read the messages
# -----------------
#
# 1. Labels must be int64: call ``long()``. They come as floats from a table, and as
#    int32 or bytes from other tools and pictures. ``long()`` cuts 1.9 to 1.
# 2. A label is too large: labels 1 to 3 must become 0 to 2. In a mask, 255 often means
#    "no class". With three classes, make 255 a fourth class, and drop its column:
#    ``one_hot(mask.masked_fill(mask == 255, 3), 4)[..., :3]``.
# 3. A label is negative: -1 or -100 often marks a missing label. Take these rows out.
# 4. The columns are still int64: ``float()`` is missing.
#
# Checks 2 and 3 are made on the CPU only. On an NVIDIA GPU, such labels end in
# ``device-side assert triggered``. An Apple GPU may say nothing at all.

assert "LongTensor" in message(lambda: one_hot(labels.float(), 3))
assert "smaller" in message(lambda: one_hot(labels + 1, 3))
assert "negative" in message(lambda: one_hot(labels - 1, 3))
assert "dtype" in message(lambda: layer(one_hot(labels, 3)))
assert layer(one_hot(labels.int().long(), 3).float()).shape == (8, 4)
mask = torch.tensor([0, 255])
kept = one_hot(mask.masked_fill(mask == 255, 3), 4)[..., :3]
assert kept.tolist() == [[1, 0, 0], [0, 0, 0]]

# %%
# Masks: the classes come last
# ----------------------------
#
# The new dimension is the last one. Layers for pictures want the classes second: use
# ``permute``.
# ``reshape`` gives the same shape with wrong pixels, without a message. And a column of
# labels, ``(8, 1)``, gets a dimension too many: use ``squeeze(1)`` first.

masks = torch.randint(3, (2, 4, 5))  # pictures, height, width
last = one_hot(masks, 3)
second = last.permute(0, 3, 1, 2)
wrong = last.reshape(2, 3, 4, 5)
for name, planes in {"permute": second, "reshape": wrong}.items():
    agree = (planes.argmax(dim=1) == masks).float().mean()
    print(f"{name}: {tuple(planes.shape)}, pixels with their class: {agree:.0%}")
assert torch.equal(second[:, 1], (masks == 1).long()) and not torch.equal(second, wrong)
print("from a column:", tuple(one_hot(labels[:, None], 3).shape))

# %%
# Several labels for one sample
# -----------------------------
#
# One-hot rows of a sample's labels become one row by their maximum, ``amax``. A sum
# would count a repeated label twice. With ``amax`` you can repeat a label to fill a
# shorter list. Such rows are the targets of ``BCEWithLogitsLoss``.

tags = torch.tensor([[0, 2], [3, 3]])  # two tags for each of two samples
many = one_hot(tags, 4).amax(dim=1).float()
print(many.tolist())
assert torch.equal(many, torch.zeros(2, 4).scatter(1, tags, 1.0))

# %%
# When it is not so: no one-hot rows needed
# -----------------------------------------
#
# ``cross_entropy`` takes the labels themselves. With class weights, only labels give
# the weighted mean: with rows, the sum is divided by the number of samples. And
# ``ignore_index`` works with labels only.
#
# A linear layer uses one-hot rows to pick columns of its weight. An embedding picks
# these vectors by the label, without the rows. With many classes this saves memory:
# ``one_hot`` takes 8 bytes for each class of each sample.

logits = torch.randn(8, 3)
torch.testing.assert_close(cross_entropy(logits, labels), cross_entropy(logits, rows))
table = nn.Embedding.from_pretrained(layer.weight.T)
torch.testing.assert_close(table(labels) + layer.bias, layer(rows))
words = torch.randint(5000, (1000,))
kilobytes = [t.nbytes // 1000 for t in (words, one_hot(words, 5000))]
print(f"1000 words of 5000: {kilobytes[0]} kB, one-hot {kilobytes[1]:,} kB")
assert kilobytes[1] == 5000 * kilobytes[0]

# %%
# In your project
# ---------------
#
# Fix the list of classes once, by the training data. For words, ``sorted(set(colors))``
# does it. Do not leave out ``sorted``: the order of a set of words changes from run to
# run. Keep the list in the checkpoint, beside ``model.state_dict()``: with another
# order, the model loads without a message and reads wrong columns. A word that is not
# in the list raises ``KeyError``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
colors, sizes = ["red", "green", "red", "blue"], torch.tensor([1.0, 2.0, 0.5, 1.5])
classes = ["blue", "green", "red"]  # new: fixed, in a fixed order
index = {name: number for number, name in enumerate(classes)}
codes = torch.tensor([index[color] for color in colors])
columns = one_hot(codes, num_classes=len(classes)).float()  # new
features = torch.cat([sizes[:, None], columns], dim=1).to(device)
model = nn.Linear(1 + len(classes), 1).to(device)
print(tuple(features.shape), "gives", tuple(model(features).shape))

# %%
# Check
# -----

back = [classes[number] for number in features[:, 1:].argmax(dim=1).tolist()]
print(back)
assert back == colors and torch.equal(features[:, 0].cpu(), sizes)
assert classes == sorted(set(colors))

# %%
# Learn more
# ----------
#
# - Ids too large: :ref:`sphx_glr_recipes_recipes_error_index_out_of_range.py`
# - The loss: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - Yes/no labels: :ref:`sphx_glr_recipes_recipes_binary_and_multi_label_loss.py`
