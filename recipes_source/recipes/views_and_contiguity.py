# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib", "numpy"]
# [tool.recipe]
# tags = ["Tensors"]
# timeout = 60
# searched_as = [
#   "contiguous()", "reshape or view", "permute", "transpose", "copy a tensor", "clone",
#   "shared memory of tensors", "stride", "memory layout", "row-major",
#   "in-place change of a slice",
# ]
# errors = ["view size is not compatible with input tensor's size and stride"]
# older_errors = [
#   '''invalid argument 2: view size is not compatible with input tensor's size and
#   stride. Call .contiguous() before .view()''',
# ]
# ///
"""
Tell views from copies with strides
===================================

Know from its strides whether reshaping a tensor gives a view or a copy.

Why it matters: a transposed or sliced tensor is a *view*, a second look at the same
memory. Write to a view and the original changes, write to a copy and it does not.
``reshape`` returns a view or a copy: the tensor's strides and the new shape decide.
"""

# %%
# A write that gets lost
# ----------------------
#
# ``clear_small`` writes zeros by way of a flat version of its argument. It works on a
# table, and does nothing to the same table transposed.

import io

import matplotlib.pyplot as plt
import numpy as np
import torch


def clear_small(tensor):
    flat = tensor.reshape(-1)
    flat[flat < 7] = 0
    print(f"{(tensor == 0).sum()} of 6 small values cleared")
    return (tensor == 0).sum().item()


assert clear_small(torch.arange(1, 13).view(3, 4)) == 6
assert clear_small(torch.arange(1, 13).view(3, 4).t()) == 0

# %%
# Memory, shape and strides
# -------------------------
#
# The storage is one long row of numbers. The *stride* of a dimension is the distance,
# in places, between an entry and the entry with the next index. So entry ``[i, j]`` is
# at ``storage_offset() + i * stride(0) + j * stride(1)``. Transposing exchanges two
# strides and moves no number. A tensor is contiguous if its entries, in reading order
# (row by row), lie one after the other.

table = torch.arange(1, 13).view(3, 4)
tensors = {
    "table": table,
    "table.t()": table.t(),
    "table[:, 1:3]": table[:, 1:3],
    "table[:1].expand(3, 4)": table[:1].expand(3, 4),
    "table.reshape(2, 6)": table.reshape(2, 6),
    "table.t().reshape(2, 6)": table.t().reshape(2, 6),
}
print(f"{'':23} strides  contiguous  shares memory")
for name, tensor in tensors.items():
    shares = table.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    print(f"{name:23} {tensor.stride()}   {tensor.is_contiguous()!s:10}  {shares}")

# %%
# The last two rows come from the same ``reshape``: a view, and a copy. Check the rule
# on the five views: the number at the place that the strides give must be the entry.

places = {}
for name in list(tensors)[:5]:
    tensor = tensors[name]
    i, j = np.indices(tensor.shape)
    place = tensor.storage_offset() + i * tensor.stride(0) + j * tensor.stride(1)
    assert np.array_equal(table.flatten().numpy()[place], tensor.numpy())
    places[name] = place.flatten()
for name in ("table", "table.t()"):
    print(f"places of {name}:", places[name].tolist())

# %%
# This tells what ``reshape`` does. A contiguous tensor has a view in every shape. Any
# other has one only if strides can describe the new shape. The first row of
# ``table.t().reshape(2, 6)`` would need the places 0, 4, 8, 1, 5, 9. No stride makes
# these steps, hence the copy.
#
# Reading order against place in memory: contiguous is a straight line with slope 1.

fig, axes = plt.subplots(1, 4, figsize=(8, 3), sharex=True, sharey=True)
fig.set_layout_engine("constrained")
for ax, name in zip(axes, list(places)[:4], strict=True):
    if tensors[name].is_contiguous():
        ax.plot(places[name], "o-", color="tab:blue", ms=4)
    else:
        ax.plot(places[name], "s--", color="tab:orange", ms=4)
    ax.set(title=name.replace(".expand", "\n.expand"))
    ax.set(xlabel="reading order", ylabel="place in memory")
plt.show()

# %%
# Demand a view
# -------------
#
# :meth:`~torch.Tensor.view` never copies: it shares memory or raises. The usual causes
# are ``transpose``, ``permute``, a slice of columns, and a model in ``channels_last``.
# The advice of its error, ``reshape``, fits when you only read. (``clone()`` of a
# transposed tensor keeps the strides, and the error.) To write, use the tensor's own
# indices: ``tensor[mask] = 0`` writes to the tensor. But ``tensor[mask]`` without an
# assignment is a copy, and so is ``tensor[[0, 2]]``.

tensor = torch.arange(1, 13).view(3, 4).t()
try:
    tensor.view(-1)
except RuntimeError as error:
    print(error)
tensor[tensor < 7] = 0
tensor[tensor > 6].zero_()  # no assignment: clears a copy
cleared = (tensor == 0).sum().item()
print(f"{cleared} of 6 small values cleared")
assert cleared == 6

# %%
# When a copy is better: a small view keeps all the memory
# --------------------------------------------------------
#
# A view holds on to its whole storage, and :func:`torch.save` writes the storage. Save
# a ``clone()`` of a slice: its storage holds the slice only.

row = torch.zeros(1000, 1000)[:1]
for name, tensor in (("row", row), ("row.clone()", row.clone())):
    file = io.BytesIO()
    torch.save(tensor, file)
    file.seek(0)
    loaded = torch.load(file)
    print(f"{name:11} {loaded.nbytes:,} bytes used,", end=" ")
    print(f"{loaded.untyped_storage().nbytes():,} in the file")
    assert loaded.untyped_storage().nbytes() == 4000 * (1000 if name == "row" else 1)

# %%
# In your project
# ---------------
#
# The commonest place is attention. Heads are split by a view. Whether joining them
# copies depends on the memory of attention's result, so treat ``joined`` as read-only.
# ``contiguous()`` copies only if it must, ``clone()`` always. With gradients on, a
# write to a parameter, or to what the backward pass needs, raises an error.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
x = torch.randn(2, 10, 64, device=device)  # batch, tokens, features
heads = x.view(2, 10, 4, 16).transpose(1, 2)  # a view, or an error: safe to write
heads[:, 0] = 0.0  # clears the first head in x, too
scores = heads @ heads.transpose(-2, -1) / 16**0.5
result = scores.softmax(dim=-1) @ heads  # attention, written out
joined = result.transpose(1, 2).reshape(2, 10, 64)  # to read: a copy or a view
own = joined.clone()  # to write: always a copy
assert x[..., :16].count_nonzero() == 0
assert torch.equal(joined, torch.cat(result.unbind(dim=1), dim=-1))

# %%
# Check
# -----
#
# Ten tokens are copied. One token, as when a model writes text, has nothing to put in
# order: ``reshape`` and ``contiguous()`` return the memory that they get.

for tokens in (10, 1):
    result = torch.randn(2, 4, tokens, 16)
    swapped = result.transpose(1, 2)
    made = [swapped.reshape(2, tokens, 64), swapped.contiguous(), swapped.clone()]
    copied = [tensor.data_ptr() != result.data_ptr() for tensor in made]
    print(f"{tokens:2} tokens, copied by reshape, contiguous and clone: {copied}")
    assert copied == [tokens > 1, tokens > 1, True]

# %%
# Learn more
# ----------
#
# - Views with stride 0: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Memory shared with NumPy: :ref:`sphx_glr_recipes_recipes_tensors_and_numpy.py`
# - Shared memory in a model: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - A captured tensor, overwritten:
#   :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - API: :meth:`torch.Tensor.view`, :meth:`torch.Tensor.stride`
