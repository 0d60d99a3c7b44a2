# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors", "Errors"]
# timeout = 60
# searched_as = [
#   "truth value of a tensor", "if tensor", "condition on a tensor", "elementwise and",
#   "logical_and", "convert tensor to float", "tensor to scalar",
#   "list of tensors to tensor",
#   "check if two tensors are equal", "CrossEntropyLoss ambiguous",
# ]
# errors = [
#   "Boolean value of Tensor with more than one value is ambiguous",
#   "Boolean value of Tensor with no values is ambiguous",
#   "elements cannot be converted to Scalar",
#   "only one element tensors can be converted to Python scalars",
#   "only integer tensors of a single element can be converted to an index",
# ]
# older_errors = ["bool value of Tensor with more than one value is ambiguous"]
# ///
"""
Boolean value of Tensor is ambiguous: say all, any or item
==========================================================

Find the line that wants one yes or no from many values, and say which one you mean.

Why it matters: the line that fails often has no ``if`` in it. And the same line passes
with one value, so a test with a batch of one does not find the mistake.
"""

# %%
# The message
# -----------
#
# Python's ``if`` asks for one answer. A comparison of tensors gives an answer for each
# entry. PyTorch does not guess whether all of them must be true, or any. Say it:
# ``(scores > 0.5).all()`` or ``(scores > 0.5).any()``.

import torch
from torch import nn


def message(call):
    try:
        call()
    except (RuntimeError, ValueError, TypeError) as error:
        print(error)
        return str(error)
    raise AssertionError("nothing was raised")


scores = torch.tensor([0.25, 0.75, 1.5])
print(scores > 0.5)
ambiguous = message(lambda: "good" if scores > 0.5 else "bad")
assert "more than one value" in ambiguous

# %%
# Lines without an ``if``
# -----------------------
#
# Each of these lines asks for one answer, too, and raises the same error. ``in``,
# ``==`` on lists, ``list.index`` and ``list.remove`` compare tensors one by one. The
# same object counts as equal without a comparison: only two different objects raise.
#
# A loss class, such as ``nn.CrossEntropyLoss``, takes settings when it is made. So
# ``nn.MSELoss(scores, other)`` reads both tensors as settings. Write
# ``nn.MSELoss()(scores, other)``.

other, mask = torch.tensor([0.25, 0.75, 1.75]), torch.tensor([True, True, False])
lines = {
    "0 < scores < 1": lambda: 0 < scores < 1,
    "scores > 0 and scores < 1": lambda: scores > 0 and scores < 1,
    "not mask": lambda: not mask,
    "max(scores, other)": lambda: max(scores, other),
    "scores in [other]": lambda: scores in [other],
    "[scores] == [other]": lambda: [scores] == [other],
    "nn.MSELoss(scores, other)": lambda: nn.MSELoss(scores, other),
}
for line, call in lines.items():
    print(f"{line:30}", end="")
    assert message(call) == ambiguous
assert scores in [scores, other]  # the same object comes first

# %%
# Say what you mean
# -----------------
#
# - One answer about entries: :meth:`~torch.Tensor.all` or :meth:`~torch.Tensor.any`.
# - One answer about two tensors: :func:`torch.equal`. For rounded numbers,
#   :func:`torch.allclose` replaces ``equal``; it wants equal dtypes.
# - An answer per entry: ``&``, ``|`` and ``~``, with brackets around each comparison.
#   On integers, these signs work bit by bit: there, use :func:`torch.logical_and` and
#   ``logical_not``.
#
# The results below must agree with plain Python on lists.

inside = (scores > 0) & (scores < 1)
a, b = scores.tolist(), other.tolist()
mended = {
    "(scores < 1).all()": ((scores < 1).all().item(), all(x < 1 for x in a)),
    "(scores > 1).any()": ((scores > 1).any().item(), any(x > 1 for x in a)),
    "torch.equal(scores, other)": (torch.equal(scores, other), a == b),
    "(scores > 0) & (scores < 1)": (inside.tolist(), [0 < x < 1 for x in a]),
    "~mask": ((~mask).tolist(), [not x for x in mask.tolist()]),
    "scores.maximum(other)": (scores.maximum(other).tolist(), [*map(max, a, b)]),
}
for line, (found, expected) in mended.items():
    print(f"{line:30}{found}")
    assert found == expected
squares = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
assert abs(nn.MSELoss()(scores, other).item() - squares / 3) < 1e-6

# %%
# One value passes, no value has its own message
# ----------------------------------------------
#
# A tensor of one entry has an answer: false for zero, true for any other number, even
# for ``nan``. An empty tensor has no answer, and its message is different. On an empty
# tensor, ``all()`` is true and ``any()`` is false. If an empty batch is possible, ask
# for ``numel()`` as well.

one, empty = scores[:1], scores[:0]
print("0 < one < 1:", bool(0 < one < 1), " nan:", bool(torch.tensor(torch.nan)))
assert "no values" in message(lambda: "good" if empty > 0.5 else "bad")
print("empty, all and any:", (empty > 0.5).all().item(), (empty > 0.5).any().item())
assert (empty > 0.5).all() and not (empty > 0.5).any()

# %%
# The same with numbers
# ---------------------
#
# ``item()``, ``float()`` and an index of a list want one number. So does
# :func:`torch.tensor` for each entry of a list. The remedies: reduce first,
# ``tolist()`` for all numbers, :func:`torch.stack` for tensors of one shape.

assert "3 elements" in message(lambda: scores.item())
assert "Python scalars" in message(lambda: float(scores))
assert "an index" in message(lambda: ["a", "b"][mask])
assert "Python scalars" in message(lambda: torch.tensor([scores, other]))
total = scores.sum().item()
stacked = torch.stack([scores, other])
print(total, scores.tolist(), tuple(stacked.shape))
assert abs(total - sum(a)) < 1e-6 and stacked.tolist() == [a, b]

# %%
# In your project
# ---------------
#
# An optional argument is compared with ``None``: ``if mask`` would ask for the values
# of the mask. In this mask, true means "keep". Convert a mask of 0 and ``-inf``
# with ``mask == 0``, not with ``bool()``: ``-inf`` would be true.
#
# A check of a whole batch ends with ``all()``. On a GPU, each ``if`` on a tensor waits
# until the GPU has computed the tensor. So check every batch while you look for a
# mistake, and less often in a long training.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"


def masked_mean(x, mask=None):
    if mask is not None:  # new: not "if mask"
        x = x[mask.bool()]  # integers 0 and 1 would be read as indices
    if x.numel() == 0 or not x.isfinite().all():  # new: one answer
        raise ValueError("nothing to average, or not finite")
    return x.mean()


x = scores.to(device)
mean, masked = masked_mean(x).item(), masked_mean(x, mask.to(device)).item()
print(f"mean {mean:.2f}, masked {masked:.2f}")
assert abs(masked - (a[0] + a[1]) / 2) < 1e-6

# %%
# Learn more
# ----------
#
# - Pick entries by a mask: :ref:`sphx_glr_recipes_recipes_gather_and_indexing.py`
# - Messages about shapes: :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
# - Find what is not finite: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
