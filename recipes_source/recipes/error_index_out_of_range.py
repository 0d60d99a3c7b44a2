# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Data", "Errors"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "CUDA_LAUNCH_BLOCKING", "IndexError in embedding",
#   "token id larger than vocabulary",
#   "labels must start at 0", "number of classes wrong", "ignore_index 255",
#   "Assertion failed in CUDA kernel", "resize token embeddings", "label encoding",
#   "sequence longer than max_position_embeddings", "CUBLAS_STATUS_ALLOC_FAILED",
# ]
# errors = [
#   "index out of range in self",
#   "Target 3 is out of bounds.",
#   "is out of bounds for dimension 0 with size",
#   "is out of bounds for dimension 1 with size",
#   "Class values must be smaller than num_classes.",
# ]
# older_errors = [
#   "CUDA error: device-side assert triggered",
#   "Assertion `t >= 0 && t < n_classes` failed.",
#   "Assertion `srcIndex < srcSelectDimSize` failed.",
#   '''Assertion `ind >=0 && ind < ind_dim_size &&
#   "vectorized gather kernel index out of bounds"` failed.''',
#   '''Assertion `idx_dim >= 0 && idx_dim < index_size && "index out of bounds"`
#   failed.''',
#   '''Assertion `-sizes[i] <= index && index < sizes[i] && "index out of bounds"`
#   failed.''',
#   '''Assertion `cur_target >= 0 && cur_target < n_classes' failed. at
#   ClassNLLCriterion.c''',
# ]
# ///
"""
Mend "index out of range" and "device-side assert triggered"
============================================================

Turn the message into the one id or label that is too large, and map it into range.

Why it matters: on an NVIDIA GPU, a label that does not exist often stops the program at
a line that has nothing to do with it. The GPU refuses all work until Python starts
again. On the CPU, the same mistake names its line.
"""

# %%
# One batch with several mistakes
# -------------------------------
#
# Sentences of 8 token ids. The table of vectors has 50 rows, so ids go from 0 to 49.
# There are three classes, so labels go from 0 to 2. The data disagree in both.

import torch
from torch import nn

torch.manual_seed(0)
tokens = torch.randint(50, (6, 8))
tokens[3, 5] = 50  # one too large
labels = torch.tensor([1, 2, 3, 3, 1, 2])  # they begin at 1
embed, head = nn.Embedding(50, 16), nn.Linear(16, 3)
logits = torch.randn(6, 3)

# %%
# What a CPU says, and what a GPU says
# ------------------------------------
#
# A GPU works through a queue, and Python is lines ahead when the GPU finds the mistake.
# So ``CUDA error: device-side assert triggered`` comes at a later line. This page has
# no GPU to show it. ``CUDA_LAUNCH_BLOCKING=1 python train.py`` stops at the true line
# (on Windows, set the variable first). Or run the batch on the CPU, as below. An Apple
# GPU can return zeros without a message.

calls = {
    "embedding": lambda: embed(tokens),
    "cross_entropy": lambda: nn.functional.cross_entropy(logits, labels),
    "gather": lambda: logits.gather(1, labels.unsqueeze(1)),
    "one_hot": lambda: nn.functional.one_hot(labels, 3),
    "indexing": lambda: logits[torch.tensor([0, 6])],
}
failed = []
for name, call in calls.items():
    try:
        call()
    except (IndexError, RuntimeError) as error:
        print(f"{name}: {type(error).__name__}: {error}")
        failed.append(name)
assert failed == list(calls)

# %%
# How to read it
# --------------
#
# ``Target 3`` is the label, and ``size 3`` the number of rows or classes: with size 3,
# the largest index is 2. ``in self`` means the table of an embedding, or the tensor of
# ``index_select``. This message does not tell the id.
#
# A GPU prints lines with ``Assertion`` above its message. ``t < n_classes`` speaks of a
# label in the loss. ``index out of bounds`` speaks of an id in an embedding, of
# indexing, or of ``gather``. For 16 ids or fewer, and in older versions, an embedding
# says ``srcIndex < srcSelectDimSize``. Two lines are about values, not about an index.
# ``input_val >= zero && input_val <= one``: ``BCELoss`` got scores or nan.
# ``probability tensor contains either``: ``multinomial`` got nan, inf or < 0.
#
# One line finds the culprit
# --------------------------
#
# Ask each tensor of indices which values are outside, and where.


def outside(indices, size, ignore=0):  # 0 is in range: by default, ignore nothing
    indices = indices.long()
    wrong = ((indices < 0) | (indices >= size)) & (indices != ignore)
    return wrong.nonzero().tolist(), indices[wrong].unique().tolist()


print("tokens: at {}, values {}".format(*outside(tokens, embed.num_embeddings)))
print("labels: at {}, values {}".format(*outside(labels, head.out_features, -100)))
assert outside(tokens, 50) == ([[3, 5]], [50])
assert outside(labels, 3) == ([[2], [3]], [3])

# %%
# The mends
# ---------
#
# 1. *Labels that begin at 1 or have gaps*: map them. Take a label for "ignore" out
#    first: it would become a class.
# 2. *More classes than outputs*: the last layer needs ``len(values)`` outputs. If it
#    has one output and labels are 0 and 1, use ``BCEWithLogitsLoss``.
# 3. *A label for "ignore"*, 255 in masks or -1: name it as ``ignore_index``.
# 4. *Ids beyond the table*: the table needs one row for each id from 0 to the largest,
#    padding and added tokens included. In the library transformers, call
#    ``model.resize_token_embeddings(len(tokenizer))``.
# 5. *Sentences longer than the table of positions*: cut them.

values, classes = labels.unique(return_inverse=True)  # of all training labels
print("classes:", classes.tolist(), "- values:", values.tolist())
assert torch.equal(values[classes], labels) and outside(classes, 3) == ([], [])
assert torch.equal(torch.searchsorted(values, labels), classes)
loss = nn.functional.cross_entropy(logits, classes)
torch.testing.assert_close(loss, -logits.log_softmax(1)[range(6), labels - 1].mean())

# %%
# Keep ``values`` in the checkpoint, and map other sets by :func:`torch.searchsorted`: a
# second ``unique`` could give other numbers. First, check
# ``torch.isin(labels, values).all()``: a new label would get a wrong class.
#
# A mask, where 255 means "ignore":

mask = classes.clone()
mask[4] = 255
loss = nn.functional.cross_entropy(logits, mask, ignore_index=255)
kept = [0, 1, 2, 3, 5]
torch.testing.assert_close(loss, nn.functional.cross_entropy(logits[kept], mask[kept]))

# %%
# Copy the trained rows into the larger table, then make the optimizer. Below, a table
# of four positions refuses eight tokens.

larger = nn.Embedding(int(tokens.max()) + 1, 16)
with torch.no_grad():
    larger.weight[:50] = embed.weight
vectors = larger(tokens)
good = tokens != 50
assert torch.equal(vectors[good], embed(tokens[good]))
positions = nn.Embedding(4, 16)
try:
    positions(torch.arange(tokens.shape[1]))
except IndexError as error:
    print("positions:", error)
short = tokens[:, : positions.num_embeddings]
print("cut to:", tuple(positions(torch.arange(short.shape[1])).shape))

# %%
# When it is not so: wrong, and no message
# ----------------------------------------
#
# Indexing counts -1 from the end, so a -1 that means "none" picks the last row. A label
# of -100 is left out by the loss. And with four outputs, labels from 1 to 3 fit: no
# label asks for output 0. ``bincount`` shows the gap.

assert torch.equal(logits[torch.tensor([-1])], logits[5:])
count = torch.bincount(labels, minlength=4).tolist()
print("labels per output:", count)
assert count[0] == 0 and outside(labels, 4) == ([], [])

# %%
# In your project
# ---------------
#
# Check once, over all batches, on the CPU, before training. The check costs one pass
# over the data, and its message has the value and its place in the batch.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
pairs = torch.utils.data.TensorDataset(tokens, classes)
loader = torch.utils.data.DataLoader(pairs, batch_size=4)
for x, y in loader:
    checks = (x, larger.num_embeddings, 0), (y, head.out_features, -100)
    for indices, size, ignore in checks:  # -100: your ignore_index; 0 is a valid id
        where, wrong = outside(indices, size, ignore)  # new
        assert not wrong, f"{wrong} at {where[:3]}: indices go from 0 to {size - 1}"
table, head = larger.to(device), head.to(device)
for x, y in loader:
    outputs = head(table(x.to(device)).mean(dim=1))
    nn.functional.cross_entropy(outputs, y.to(device)).backward()

# %%
# Learn more
# ----------
#
# - What targets look like: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - Padding, and its id: :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - What an embedding is: :ref:`sphx_glr_recipes_recipes_embeddings.py`
# - Another message of GPUs: :ref:`sphx_glr_recipes_recipes_error_device_mismatch.py`
# - API: :class:`torch.nn.Embedding`, :func:`torch.gather`, :func:`torch.bincount`
