# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Tensors"]
# timeout = 60
# searched_as = [
#   "tensor to numpy", "numpy to tensor", "ndarray to tensor",
#   "convert tensor to array",
#   "from_numpy vs torch.tensor", "as_tensor or tensor", "torch.Tensor or torch.tensor",
#   "tensor to list", "pandas DataFrame to tensor", "shared memory", "numpy bridge",
#   "detach().cpu().numpy()", "flip an array", "image is not writable",
# ]
# errors = [
#   "Can't call numpy() on Tensor that requires grad.",
#   "Got unsupported ScalarType BFloat16",
#   '''device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory
#   first''',
#   "At least one stride in the given numpy array is negative",
#   "can't convert np.ndarray of type numpy.object_",
#   "expected np.ndarray (got list)",
#   "given numpy array has byte order different from the native byte order",
# ]
# older_errors = [
#   '''can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the
#   tensor to host memory first''',
#   "can't convert CUDA tensor to numpy",
#   '''Can't call numpy() on Variable that requires grad. Use var.detach().numpy()
#   instead''',
#   "some of the strides of a given numpy array are negative",
#   "RuntimeError: Numpy is not available",
# ]
# ///
"""
Go from NumPy arrays to tensors and back
========================================

Convert arrays and tensors both ways, and know when the two share their memory.

Why it matters: some conversions copy, others give a second name to the same numbers.
Nothing in the result shows which. A buffer that is filled again then changes data that
you thought were safe.
"""

# %%
# See the problem: every frame is the last one
# --------------------------------------------
#
# A camera writes each frame into one buffer, to save time. Three frames are kept as
# tensors.

import warnings

import numpy as np
import torch
from torch import nn

buffer = np.zeros((2, 2), dtype=np.float32)


def record(convert):
    frames = []
    for number in range(3):
        buffer[:] = number  # the camera
        frames.append(convert(buffer))
    return [frame[0, 0].item() for frame in frames]


print("from_numpy:", record(torch.from_numpy))
assert record(torch.from_numpy) == [2, 2, 2]

# %%
# :func:`torch.from_numpy` made three tensors that all use the memory of ``buffer``.
#
# The idea: choose between sharing and copying
# --------------------------------------------
#
# - :func:`torch.tensor` copies, in any case.
# - :func:`torch.from_numpy` shares, in any case, or raises.
# - :func:`torch.as_tensor` shares if it can. It copies if the dtype or the device must
#   change.
#
# :func:`numpy.shares_memory` decides, and a write through the array must agree:

array = np.zeros(4, dtype=np.float32)
ways = {
    "tensor(array)": torch.tensor(array),
    "from_numpy(array)": torch.from_numpy(array),
    "as_tensor(array)": torch.as_tensor(array),
    "as_tensor(array, dtype=float64)": torch.as_tensor(array, dtype=torch.float64),
}
array[0] = 7
for way, tensor in ways.items():
    shares = np.shares_memory(array, tensor.numpy())
    print(f"{way:32} shares: {shares!s:5}  first entry: {tensor[0]:.0f}")
    assert shares == (tensor[0] == 7)
print("tensor:", record(torch.tensor))
assert record(torch.tensor) == [0, 1, 2]

# %%
# From tensor to array: four refusals
# -----------------------------------
#
# ``tensor.numpy()`` always shares. Where it can't, it raises. The device ``meta``
# stands in for a GPU here. The message of a GPU has another name in it:
#
# .. code-block:: text
#
#     can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the
#     tensor to host memory first.

weight = nn.Parameter(torch.ones(2))
refused = {
    "a weight": weight,
    "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    "another device": torch.ones(2, device="meta"),
    "conjugated": torch.ones(2, dtype=torch.complex64).conj(),
}
for name, tensor in refused.items():
    try:
        tensor.numpy()
        raise AssertionError(name)
    except (RuntimeError, TypeError) as error:
        print(f"{name}: {error}")

# %%
# The first line below has the mends, from left to right: leave the graph, come to the
# CPU, take a dtype that NumPy has. Leave out ``float()`` for whole numbers, float64 and
# complex numbers: it would change them, too. ``numpy(force=True)`` leaves the graph,
# comes to the CPU and resolves conjugates, but does not change bfloat16.
#
# On the CPU, a detached weight still shares: a write to the array changes the model.
# Add ``copy()`` to get memory apart from the model.

array = weight.detach().cpu().float().numpy()
safe = weight.numpy(force=True).copy()
array[0] = 5
print("weight", weight.tolist(), "safe copy", safe.tolist())
assert weight[0] == 5 and safe[0] == 1
half = refused["bfloat16"].float().numpy()
assert half.tolist() == refused["conjugated"].numpy(force=True).real.tolist() == [1, 1]

# %%
# From array to tensor: four refusals
# -----------------------------------
#
# A flipped array has a negative stride. An array of objects holds texts, ``None`` or
# rows of unequal length. Data from files can have another byte order. A list is no
# array. Where the entries are numbers, one call mends each case. In an array of
# objects, ``astype`` turns ``None`` into nan, without a message. A DataFrame of numbers
# is no array either: ``frame.to_numpy(dtype=np.float32)`` makes an array.

numbers = np.arange(3.0)
refused = {
    "flipped": (numbers[::-1], lambda a: a.copy()),
    "objects": (numbers.astype(object), lambda a: a.astype(np.float64)),
    "byte order": (numbers.astype(">f8"), lambda a: a.astype(np.float64)),
    "list": ([0.0, 1.0, 2.0], np.asarray),
}
for name, (wrong, mend) in refused.items():
    try:
        torch.from_numpy(wrong)
        raise AssertionError(name)
    except (TypeError, ValueError) as error:
        print(f"{name}: {error}")
    assert torch.from_numpy(mend(wrong)).tolist() == list(wrong)
assert np.isnan(np.array([1.0, None], dtype=object).astype(np.float64)[1])

# %%
# Two warnings
# ------------
#
# An image of PIL or a file opened by ``np.memmap`` can be read-only, and a tensor that
# shares its memory must not be written to. Copy the array. Of a list of arrays, make
# one array first.

frozen, rows = np.arange(3.0), [np.zeros(2), np.ones(2)]
frozen.flags.writeable = False
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    torch.from_numpy(frozen)
    torch.tensor(rows)
    for warning in seen:
        print("-", str(warning.message).partition(" (Triggered")[0])
    told = len(seen)
    safe = torch.tensor(frozen)
    stacked = torch.from_numpy(np.stack(rows))
assert len(seen) == told and not np.shares_memory(frozen, safe.numpy())
assert stacked.tolist() == [[0, 0], [1, 1]]

# %%
# ``Numpy is not available`` comes from PyTorch itself: NumPy is not installed, or this
# PyTorch was built for another major version of NumPy. Install a NumPy that fits.
#
# What a conversion keeps, and what it loses
# ------------------------------------------
#
# The dtype stays: NumPy's usual float64 becomes a float64 tensor, and layers with
# float32 weights refuse it. ``torch.tensor`` of a NumPy number, such as
# ``numbers.mean()``, is float64, too. The order of dimensions stays: an image of shape
# (height, width, channels) still needs ``permute(2, 0, 1)``. The gradient is lost: what
# NumPy computes is no part of the graph.
#
# ``torch.Tensor``, with a capital T, is not ``torch.tensor``. ``torch.Tensor`` makes
# float32 even of ints. With a single int, it gives a tensor of that length, with
# arbitrary values.

print(torch.from_numpy(numbers).dtype, torch.tensor([1.0, 2.0]).dtype)
print(torch.tensor([1, 2]).dtype, torch.Tensor([1, 2]).dtype)
print("shapes", tuple(torch.tensor(3).shape), tuple(torch.Tensor(3).shape))
root = torch.from_numpy(np.sqrt(weight.detach().numpy()))
print("requires grad:", weight.sqrt().requires_grad, "after NumPy:", root.requires_grad)
assert torch.Tensor(3).shape == (3,) and not root.requires_grad
assert torch.tensor(numbers.mean()).dtype == torch.float64
torch.testing.assert_close(root, weight.sqrt().detach())

# %%
# In your project
# ---------------
#
# Copy the array once, into the dtype of the weights. Class numbers for a loss become
# ``torch.int64``. Copy the outputs back once for each batch. ``float()`` costs nothing
# if the outputs are float32. You need it under ``autocast``, which can make bfloat16.
# For one number write ``.item()``, for a list ``.tolist()``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
table = np.linspace(0, 1, 24).reshape(8, 3)  # float64
model = nn.Linear(3, 2).to(device).eval()
features = torch.tensor(table, dtype=torch.float32)  # new: a copy
predictions = []
with torch.inference_mode():
    for x in features.split(4):
        predictions.append(model(x.to(device)).float().cpu().numpy())  # new
predictions = np.concatenate(predictions)
print(predictions.shape, predictions.dtype)
assert predictions.shape == (8, 2) and predictions.dtype == np.float32

# %%
# Learn more
# ----------
#
# - Sharing among tensors: :ref:`sphx_glr_recipes_recipes_views_and_contiguity.py`
# - float64 where float32 is needed:
#   :ref:`sphx_glr_recipes_recipes_error_dtype_mismatch.py`
# - Why inference needs no ``detach``:
#   :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
