# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors"]
# after = ["views_and_contiguity"]
# timeout = 60
# searched_as = [
#   "concatenate tensors", "append to a tensor", "merge tensors", "add a dimension",
#   "remove a dimension", "expand_dims", "extra dimension", "new axis",
#   "list of tensors to one tensor", "last batch of size 1",
#   "difference between cat and stack",
# ]
# errors = ["zero-dimensional tensor (at position 2) cannot be concatenated"]
# ///
"""
Join and reshape with cat, stack, squeeze and unsqueeze
=======================================================

Join tensors with the shape that you want, and keep the batch when it has one sample.

Why it matters: ``squeeze()`` without an argument works for weeks. Then the last batch
has one sample, and the dimension of the batch is gone, too.
"""

# %%
# A batch of one
# --------------
#
# Nine samples in batches of four leave one sample for the last batch. The model gives
# one score for each sample, in shape ``(batch, 1)``. ``squeeze()`` takes out every
# dimension of size 1.

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(9, 3)
model = nn.Linear(3, 1)

scores = [model(batch).squeeze() for batch in x.split(4)]
print("shapes:", [tuple(score.shape) for score in scores])
message = ""
try:
    torch.cat(scores)
except RuntimeError as error:
    print(error)
    message = str(error)
assert "zero-dimensional" in message

# %%
# Name the dimension
# ------------------
#
# ``squeeze(-1)`` takes out the last dimension if its size is 1, and no other. All nine
# scores must equal the scores that come from one product, without batches.

scores = [model(batch).squeeze(-1) for batch in x.split(4)]
joined = torch.cat(scores)
print("shapes:", [tuple(score.shape) for score in scores])
print("joined:", tuple(joined.shape))
torch.testing.assert_close(joined, x @ model.weight[0] + model.bias)

# %%
# ``unsqueeze`` puts a 1 back
# ---------------------------
#
# :func:`torch.unsqueeze` adds a dimension of size 1 at the place that you give. The
# numbers stay where they are: the result is a view. Indexing with ``None`` does the
# same. A single sample becomes a batch by ``unsqueeze(0)``.

row = torch.arange(3)
for dim, same in ((0, row[None, :]), (1, row[:, None]), (-1, row[..., None])):
    longer = row.unsqueeze(dim)
    print(f"unsqueeze({dim}):".ljust(15), tuple(longer.shape), longer.tolist())
    assert torch.equal(longer, same) and torch.equal(longer.squeeze(dim), row)
    assert longer.data_ptr() == row.data_ptr()

# %%
# ``cat`` makes a dimension longer, ``stack`` makes a new one
# ------------------------------------------------------------
#
# :func:`torch.cat` joins along a dimension that is there: its sizes are added up.
# :func:`torch.stack` adds a dimension, whose size is the number of tensors.

a = torch.arange(6).view(2, 3)
b = a + 10
for dim in (0, 1):
    print(f"cat, dim={dim}:".ljust(14), tuple(torch.cat([a, b], dim=dim).shape))
for dim in (0, 1, 2):
    print(f"stack, dim={dim}:".ljust(14), tuple(torch.stack([a, b], dim=dim).shape))
wide = torch.cat([a, b], dim=1).tolist()
assert wide == [[0, 1, 2, 10, 11, 12], [3, 4, 5, 13, 14, 15]]
assert torch.stack([a, b]).tolist() == [a.tolist(), b.tolist()]

# %%
# So ``stack`` is ``cat`` after ``unsqueeze``. Above, ``dim=0`` and ``dim=1`` give equal
# shapes and other entries: ``b`` is ``stacked[1]`` for ``dim=0``, and ``stacked[:, 1]``
# for ``dim=1``.

for dim in (0, 1, 2):
    by_cat = torch.cat([a.unsqueeze(dim), b.unsqueeze(dim)], dim=dim)
    stacked = torch.stack([a, b], dim=dim)
    print(f"dim={dim}: {stacked.tolist()}")
    assert torch.equal(stacked, by_cat)
    assert torch.equal(stacked.select(dim, 1), b)

# %%
# What passes, and what raises
# ----------------------------
#
# - ``squeeze(1)`` on a size other than 1 changes nothing and raises nothing.
# - ``cat`` wants the same number of dimensions, and equal sizes in all but the joined
#   dimension. To append a row of shape ``(3,)``, first write ``row.unsqueeze(0)``.
# - There is one exception: ``cat`` skips an empty tensor of shape ``(0,)``.
# - ``stack`` wants equal sizes in all dimensions.
# - Neither of them wants equal dtypes: int64 and float32 give float32, silently.

print("squeeze(1):", tuple(a.squeeze(1).shape))
print("cat:", tuple(torch.cat([a, b[:1]]).shape))
try:
    torch.stack([a, b[:1]])
except RuntimeError as error:
    print(error)
    message = str(error)
assert a.squeeze(1).shape == (2, 3) and "equal size" in message
assert torch.equal(torch.cat([torch.empty(0, dtype=a.dtype), a]), a)
assert torch.stack([a, b.float()]).dtype == torch.float32

# %%
# In your project
# ---------------
#
# Keep the outputs of the batches in a list, and join them once after the loop: a
# ``cat`` in the loop copies all earlier outputs again. The loader must not shuffle: the
# outputs come in the order of the loader. If the loader gives pairs, write
# ``for batch, target in loader``. In a loop that trains, append
# ``output.detach().cpu()``, or the list keeps the graph of each batch.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).to(device).eval()
loader = torch.utils.data.DataLoader(x, batch_size=4)
outputs = []
with torch.inference_mode():
    for batch in loader:
        output = model(batch.to(device)).squeeze(-1)  # new: not squeeze()
        outputs.append(output.cpu())
    outputs = torch.cat(outputs)  # new: once, not in the loop
    one = model(x[0].unsqueeze(0).to(device)).squeeze(-1)  # new: a batch of one
print("outputs", tuple(outputs.shape), "one", tuple(one.shape))

# %%
# Check
# -----
#
# Other sizes of the last batch, and of the data, give as many outputs as samples.

assert outputs.shape == (len(x),) and one.shape == (1,)
torch.testing.assert_close(outputs[:1], one.cpu())
for count in (1, 4, 5):
    parts = [model(part.to(device)).squeeze(-1) for part in x[:count].split(4)]
    torch.testing.assert_close(torch.cat(parts).cpu(), outputs[:count])
    print(f"{count} samples: {tuple(torch.cat(parts).shape)}")

# %%
# Learn more
# ----------
#
# - Sizes of 1 that meet other sizes:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Stack samples of different lengths:
#   :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - Read the message of a wrong shape:
#   :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
