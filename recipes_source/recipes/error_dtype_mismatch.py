# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Tensors", "Errors"]
# timeout = 60
# searched_as = [
#   "float64 to float32", "convert to float", "double to float", "cast a tensor",
#   "wrong data type", "scalar type", "type promotion", "integer tensor division",
#   "mean of an integer tensor", "set_default_dtype", "model.double()", "x.float()",
#   "pandas to tensor", "LongTensor", "DoubleTensor", "FloatTensor",
# ]
# errors = [
#   "mat1 and mat2 must have the same dtype, but got Double and Float",
#   "mat1 and mat2 must have the same dtype, but got Float and BFloat16",
#   "mat1 and mat2 must have the same dtype, but got Float and Half",
#   "mat1 and mat2 must have the same dtype, but got BFloat16 and Float",
#   "expected scalar type Double but found Float",
#   "expected m1 and m2 to have the same dtype",
#   "Input type (double) and bias type (float) should be the same",
#   "does not match weight dtype",
#   "mixed dtype (CPU): all inputs must share same datatype",
#   "result type Float can't be cast to the desired output type Long",
#   "mean(): could not infer output dtype",
#   "tensors used as indices must be long, int, byte or bool tensors",
#   '''Expected tensor for argument #1 'indices' to have one of the following scalar
#   types''',
# ]
# older_errors = [
#   "expected scalar type Float but found Double",
#   "Expected object of scalar type Float but got scalar type Double for argument",
#   "Found dtype Double but expected Float",
#   '''Can only calculate the mean of floating types. Got Long instead''',
#   "tensors used as indices must be long, byte or bool tensors",
#   "Input type (torch.cuda.DoubleTensor) and weight type (torch.cuda.FloatTensor)",
# ]
# ///
"""
Double and Float meet: tensors must have the same dtype
=======================================================

Find where float64 or int64 came in, and convert once, where the data become tensors.

Why it matters: weights are float32. Numbers from NumPy or pandas are float64, counts
and ids are int64. Each layer that meets two kinds of number words its message in
another way. A loss may say nothing, and compute in float64.
"""

# %%
# One mistake, six messages
# -------------------------
#
# A table from NumPy, made a tensor as it is, goes to four layers and two products.

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
table = rng.normal(size=(8, 3))
x = torch.from_numpy(table)
weight = torch.ones(3, 2)
calls = {
    "Linear": nn.Linear(3, 2),
    "Conv1d": lambda x: nn.Conv1d(3, 2, 1)(x.view(1, 3, 8)),
    "LSTM": nn.LSTM(3, 2),
    "LayerNorm": nn.LayerNorm(3),
    "@": lambda x: x @ weight,
    "bmm": lambda x: torch.bmm(x.view(1, 8, 3), weight.view(1, 3, 2)),
}

# %%


def refused(name, call, *args):
    try:
        call(*args)
    except (RuntimeError, ValueError, IndexError) as error:
        print(f"{name}: {error}")
        return True
    return False


assert all(refused(name, call, x) for name, call in calls.items())

# %%
# Read the message
# ----------------
#
# Double, Float and Long are older names of dtypes. Unless the message says which is the
# input, their order does not tell, and "mixed dtype (CPU)" names none. So print both
# dtypes, of the data and of the model. An older wording is "expected scalar type Float
# but found Double". On a CPU, a convolution without a bias says this, too. On a GPU, a
# convolution says ``Input type (...) and weight type (...) should be the same``.

model = calls["Linear"]
print("data", x.dtype, "model", next(model.parameters()).dtype)
floats = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
for dtype in (*floats, torch.int64, torch.uint8):
    name = torch.empty(0, dtype=dtype).type().split(".")[1].removesuffix("Tensor")
    print(f"{name:8} is {dtype}")

# %%
# Where the other dtype came in
# -----------------------------
#
# The source decides. A tensor from NumPy keeps the array's dtype. Python's own floats
# become float32, Python's ints become int64. One ``np.float64`` in a list is enough for
# float64. And a ``DataLoader`` makes float64 of Python's floats: if a data set returns
# ``image, 0.5``, the targets are Double.

sources = {
    "from_numpy(array of floats)": x,
    "tensor(np.float64(1))": torch.tensor(np.float64(1)),
    "tensor([np.float64(1), 2.0])": torch.tensor([np.float64(1), 2.0]),
    "tensor([1.0, 2.0])": torch.tensor([1.0, 2.0]),
    "tensor([1, 2])": torch.tensor([1, 2]),
    "arange(3)": torch.arange(3),
    "default_collate([1.0, 2.0])": torch.utils.data.default_collate([1.0, 2.0]),
}
for source, tensor in sources.items():
    print(f"{source:29} {tensor.dtype}")
assert [t.dtype for t in sources.values()].count(torch.float64) == 4

# %%
# The mend: convert once, the data and not the model
# --------------------------------------------------
#
# Write ``dtype=torch.float32`` where the array becomes a tensor. Then all six calls
# work. ``model.double()`` would silence the message, too, and double the memory of the
# weights. It is the reference here: how much do the results differ?

x = torch.tensor(table, dtype=torch.float32)
assert not any(refused(name, call, x) for name, call in calls.items())
outputs = model(x)
size = model.weight.nbytes
exact = model.double()(torch.from_numpy(table))
print(f"bytes of the weight: {size} in float32, {model.weight.nbytes} in float64")
print("largest difference below 1e-5:", (outputs - exact).abs().max().item() < 1e-5)
torch.testing.assert_close(outputs.double(), exact, rtol=1e-5, atol=1e-5)
assert model.weight.nbytes == 2 * size

# %%
# A model in half precision: Float and BFloat16
# ---------------------------------------------
#
# A model that was loaded in bfloat16 or float16 (Half) refuses float32. Convert the
# inputs to the dtype of the model, but leave token ids int64. Or make the model
# float32: ``model.float()``. The reverse, "BFloat16 and Float", often means: the output
# of a ``torch.autocast`` block goes to a layer outside. Call ``.float()`` on this
# output.

for half in (torch.bfloat16, torch.float16):
    small, inputs = nn.Linear(3, 2).to(half), torch.randn(8, 3)
    assert refused("Linear", small, inputs)
    outputs = small(inputs.to(next(small.parameters()).dtype))  # new
    exact = small.float()(inputs)
    torch.testing.assert_close(outputs.float(), exact, rtol=0.02, atol=0.05)
with torch.autocast("cpu", dtype=torch.bfloat16):
    outputs = small(inputs)
assert refused("after autocast", nn.Linear(2, 2), outputs)

# %%
# Integers: result type Float can't be cast to Long
# -------------------------------------------------
#
# An in-place change such as ``counts += 0.5`` keeps the tensor's dtype. But int64 has
# no place for a fraction. Write ``counts = counts / 2``, which makes a new tensor, or
# convert first. ``counts[0] = 2.7`` raises nothing, and writes 2. The mean of integers
# is refused, because it would have the dtype of ``counts``.
#
# An index is the reverse: it must be an integer, so convert with ``.long()``. A mask of
# 0.0 and 1.0 needs ``.bool()``: with ``.long()``, it picks rows 0 and 1, without a
# message. Integer labels in ``BCEWithLogitsLoss`` give the first message, too: use
# ``labels.float()``, see
# :ref:`sphx_glr_recipes_recipes_binary_and_multi_label_loss.py`.

counts = torch.tensor([3, 1, 4])
ids = torch.tensor([2.0, 0.0])
embedding = nn.Embedding(3, 2)
assert refused("counts.add_(0.5)", counts.add_, 0.5)
assert refused("counts.mean()", counts.mean)
assert refused("counts[ids]", counts.__getitem__, ids)
assert refused("embedding(ids)", embedding, ids)
print(counts / 2, f"mean {counts.float().mean():.2f}", counts[ids.long()])
assert torch.equal(counts / 2, torch.tensor([1.5, 0.5, 2.0]))
assert torch.equal(embedding(ids.long()), embedding.weight[[2, 0]])
mask = torch.tensor([0.0, 1.0, 1.0])
print("mask:", counts[mask.bool()], "as an index:", counts[mask.long()])
assert counts[mask.long()].tolist() == [3, 1, 1]
counts[0] = 2.7
assert counts[0] == 2

# %%
# When nothing is raised: promotion
# ---------------------------------
#
# In sums and products, floats win over integers, and float64 over float32. A plain
# number does not raise float32 to float64. Nor does a float64 tensor without
# dimensions. But if both tensors have none, as two losses do, the result is float64.
#
# A loss such as ``mse_loss`` with float64 targets becomes float64, without a message:
# convert the targets, too. ``BCELoss``, and ``HuberLoss`` in ``backward()``, refuse
# them: "Found dtype Double but expected Float". In older versions, more losses did.

single, double = torch.ones(2), torch.ones(2, dtype=torch.float64)
pairs = {
    "int64 and float32": (counts, single),
    "int64 and 0.5": (counts, 0.5),
    "float32 and float64": (single, double),
    "float32 and one float64": (single, double[0]),
    "one float32, one float64": (single[0], double[0]),
}
for pair, (a, b) in pairs.items():
    print(f"{pair:24} -> {torch.result_type(a, b)}")
loss = nn.functional.mse_loss(single.requires_grad_(), double)
loss.backward()
print("loss:", loss.dtype, "gradient:", single.grad.dtype)
assert torch.result_type(single, double[0]) == torch.float32
assert torch.result_type(single[0], double[0]) == loss.dtype == torch.float64

# %%
# In your project
# ---------------
#
# Convert where the data set is made. Class numbers and token ids are int64, all else is
# float32. A table of pandas first becomes an array: ``df.to_numpy(dtype="float32")``.
# Convert before the move: Apple's GPU (``mps``) refuses float64. To train in half
# precision, keep float32 and use ``torch.autocast``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
features = torch.tensor(table, dtype=torch.float32)  # new: from float64, once
classes = torch.tensor(table.argmax(axis=1), dtype=torch.int64)  # new
data = torch.utils.data.TensorDataset(features, classes)
model = nn.Linear(3, 3).to(device)
optimizer = torch.optim.AdamW(model.parameters())
for x, y in torch.utils.data.DataLoader(data, batch_size=4):
    assert x.dtype == next(model.parameters()).dtype and y.dtype == torch.int64  # new
    loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Learn more
# ----------
#
# - Targets of the wrong dtype: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - float16 and bfloat16, on purpose: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
# - The other half of the message family:
#   :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
