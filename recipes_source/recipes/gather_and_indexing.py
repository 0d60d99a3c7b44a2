# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Tensors"]
# timeout = 60
# searched_as = [
#   "what does gather do", "torch.gather explained", "scatter", "scatter_add",
#   "index_select", "take_along_dim", "fancy indexing", "advanced indexing",
#   "boolean mask", "select one element per row", "index a tensor with another tensor",
#   "last time step of each sequence", "batched index select", "masked_select",
#   "one-hot without a loop", "Q values of the actions",
# ]
# errors = [
#   "Index tensor must have the same number of dimensions as input tensor",
#   "The shape of the mask",
#   "shape mismatch: indexing tensors could not be broadcast together with shapes",
# ]
# older_errors = [
#   "Index tensor must have same dimensions as input tensor",
#   "Invalid index in gather",
# ]
# ///
"""
Pick entries with gather, masks and index tensors
=================================================

Pick one entry per row, rows by a mask, and one row per sample, without a loop.

Why it matters: square brackets do three different things, by what you put in. A wrong
index often runs, and gives a table where you wanted a column. The mean of that table is
a single number, too.
"""

# %%
# See the problem: a table, not a column
# --------------------------------------
#
# Five samples have a score for each of four classes. Wanted: the score of the right
# class, one per sample.

import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
scores = torch.randint(10, 100, (5, 4))
labels = torch.tensor([2, 0, 3, 3, 1])
wanted = torch.stack([row[label] for row, label in zip(scores, labels, strict=True)])
naive = scores[:, labels]
print("wanted", tuple(wanted.shape), "scores[:, labels]", tuple(naive.shape))
print(f"mean wanted {wanted.float().mean():.1f}, got {naive.float().mean():.1f}")
assert naive.shape == (5, 5) and torch.equal(naive.diagonal(), wanted)

# %%
# ``scores[:, labels]`` takes five columns from *every* row. Only the diagonal of that
# table was meant.
#
# The idea: an index for each result
# ----------------------------------
#
# ``scores.gather(1, index)`` has the shape of ``index``. Each place in ``index`` says
# which column to take from its own row: ``result[i, j] = scores[i, index[i, j]]``. So
# the index needs as many dimensions as the scores:

try:
    scores.gather(1, labels)
except RuntimeError as error:
    print(error)
index = labels.unsqueeze(1)  # (5, 1)
picked = scores.gather(1, index).squeeze(1)
paired = scores[torch.arange(5), labels]  # row 0 with label 0, row 1 with label 1, ...
print("picked", picked.tolist(), "paired", paired.tolist())
assert torch.equal(picked, wanted) and torch.equal(paired, wanted)

# %%
# Two index tensors in square brackets are paired, entry by entry. This is the shorter
# way for one entry per row. ``gather`` is the way for several. In the picture, circles
# are what was wanted.

fig, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained", sharey=True)
titles = ("gather: one circle per row", "scores[:, labels]: all crosses")
for ax, title in zip(axes, titles, strict=True):
    ax.imshow(scores.numpy(), cmap="Greys", alpha=0.5)
    ax.plot(labels.numpy(), range(5), "o", color="tab:blue", ms=22, mfc="none", mew=2)
    ax.set(title=title, xlabel="class", xticks=range(4))
axes[0].set(ylabel="sample")
for row in range(5):
    axes[1].plot(range(4), [row] * 4, "x", color="tab:orange", ms=10)
plt.show()

# %%
# Several per row: the best two, and any order
# --------------------------------------------
#
# :func:`torch.argsort` gives an index of the right shape, and the same index orders a
# second tensor in the same way. :func:`torch.take_along_dim` does what ``gather`` does,
# and broadcasts the index.

prices = 2 * scores + 1
order = scores.argsort(dim=1, descending=True)
best = order[:, :2]
print("best two of row 0:", scores.gather(1, best)[0].tolist())
print("their prices:     ", prices.gather(1, best)[0].tolist())
assert torch.equal(scores.gather(1, best), scores.topk(2, dim=1).values)
assert torch.equal(prices.gather(1, best), 2 * scores.topk(2, dim=1).values + 1)
first_column = torch.take_along_dim(scores, torch.tensor([[0]]), dim=1)
assert torch.equal(first_column, scores[:, :1])

# %%
# Rows by a mask
# --------------
#
# A mask of ``bool`` must have the length of the dimension it stands in. In the first
# place it selects rows. A mask of classes belongs in the second place. A mask of 0 and
# 1 in ``int64`` raises nothing and picks rows 0 and 1, again and again: make it
# ``.bool()``. Two lists of different lengths cannot be paired, unless one has length 1:

rare = torch.tensor([True, False, False, True])
for wrong in (rare, (torch.tensor([0, 1]), torch.tensor([0, 1, 2]))):
    try:
        scores[wrong]
        raise AssertionError("it was accepted")
    except IndexError as error:
        print(error)
high = scores[wanted > 50]
print(f"{len(high)} of 5 rows, {scores[:, rare].shape[1]} of 4 columns")
assert len(high) == (wanted > 50).sum()
assert torch.equal(scores[:, rare], scores[:, [0, 3]])

# %%
# One row per sample: the last step of each sequence
# --------------------------------------------------
#
# Three padded sequences of five steps with two features. ``last`` is each length minus
# 1. ``states[:, last]`` takes every last step for every sequence. Pair the steps with
# the samples instead:

states = torch.arange(30.0).view(3, 5, 2)
last = torch.tensor([4, 1, 2])
final = states[torch.arange(3), last]
same = states.gather(1, last.view(3, 1, 1).expand(3, 1, 2)).squeeze(1)
print("states[:, last]", tuple(states[:, last].shape), "final", tuple(final.shape))
loop = torch.stack([states[i, last[i]] for i in range(3)])
assert torch.equal(final, loop) and torch.equal(same, loop)
assert states[:, last].shape == (3, 3, 2)

# %%
# Put it back, and when places repeat
# -----------------------------------
#
# ``scatter`` is the reverse of ``gather``: it writes to the places in the index. With
# ones, it makes one-hot rows. Where a place occurs twice, one write wins (which one is
# not defined), and brackets lose counts in the same way. ``index_add_`` adds up. So
# does the backward pass of ``gather``.

back = torch.zeros(5, 4, dtype=torch.long).scatter(1, index, scores.gather(1, index))
hot = torch.zeros(5, 4, dtype=torch.long).scatter(1, index, 1)
assert torch.equal(back, scores * hot)
assert torch.equal(hot, torch.nn.functional.one_hot(labels, 4))
lost, counts = torch.zeros(4), torch.zeros(4)
lost[labels] += 1
counts.index_add_(0, labels, torch.ones(5))
print("lost[labels] += 1:", lost.tolist(), "index_add_:", counts.tolist())
assert torch.equal(counts.long(), labels.bincount(minlength=4))
assert lost.sum() == 4 < counts.sum() == 5

# %%
# In your project
# ---------------
#
# The log probability of what was chosen: an action, a token, a class. The mean of its
# negative is the cross-entropy, which checks it. The classes are in the last dimension,
# -1. So these lines also take logits of shape (batch, steps, classes): only the check
# then needs ``logits.mT``. If the logits are in bfloat16, start from
# ``logits.float()``: a rounded log probability of -13 can be off by 0.03.
#
# A label of -100, for padding, is out of bounds: give ``chosen.clamp(min=0)`` to
# ``gather``, and average ``log_prob[chosen != -100]``. (In square brackets, -100 counts
# from the end: with 100 classes or more, it raises nothing.)

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
logits = torch.randn(5, 4, device=device, requires_grad=True)
chosen = labels.to(device)
log_probs = logits.log_softmax(dim=-1)
log_prob = log_probs.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)  # new
assert log_prob.shape == chosen.shape
loss = -log_prob.mean()
loss.backward()
torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, chosen))

# %%
# Learn more
# ----------
#
# - Why shapes that do not fit can pass:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Rows with a single 1: :ref:`sphx_glr_recipes_recipes_one_hot.py`
# - Padding and lengths: :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - Slices are views: :ref:`sphx_glr_recipes_recipes_views_and_contiguity.py`
# - A mask in an ``if``: :ref:`sphx_glr_recipes_recipes_error_ambiguous_boolean.py`
