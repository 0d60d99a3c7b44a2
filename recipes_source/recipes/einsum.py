# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Tensors"]
# after = ["views_and_contiguity"]
# timeout = 60
# searched_as = [
#   "einstein summation", "torch.einsum explained", "batch matmul", "bmm explained",
#   "tensordot", "einops", "matmul with more than two dimensions",
# ]
# errors = [
#   "does not broadcast with previously seen size",
#   "the number of subscripts in the equation", "fewer operands were provided than",
#   "does not appear in the equation for any input operand",
# ]
# older_errors = ["einsum(): operands do not broadcast with remapped shapes"]
# ///
"""
Write sums of products with einsum
==================================

Write batched, outer and attention products and a trace by letters, and prove each one.

Why it matters: with ``@``, ``transpose`` and ``unsqueeze`` you must keep in mind which
dimension stands where. :func:`torch.einsum` names each dimension by a letter. But a
wrong letter can leave the shape right and sum over too much, without an error.
"""

# %%
# See the problem
# ---------------
#
# Queries and keys of attention: 2 sentences, 4 tokens, 4 heads, 3 features, in this
# order. Wanted, for each head: the dot product of each query with each key.

import itertools
import math

import torch
from torch import nn

torch.manual_seed(0)
query, key = torch.randint(-3, 4, (2, 2, 4, 4, 3)).float()  # each (2, 4, 4, 3)
wanted = torch.zeros(2, 4, 4, 4)  # sentence, head, query, key
for b, h, q, k in itertools.product(range(2), range(4), range(4), range(4)):
    wanted[b, h, q, k] = sum(query[b, q, h, d] * key[b, k, h, d] for d in range(3))
naive = query @ key.transpose(-1, -2)
print(f"both {tuple(naive.shape)}, scores agree: {torch.equal(naive, wanted)}")
assert naive.shape == wanted.shape and not torch.equal(naive, wanted)

# %%
# ``@`` multiplies along the last two dimensions. Here these are head and feature, so
# each token compared its own heads. There are as many heads as tokens, so the shape
# does not show the mistake.
#
# The idea: one letter for each dimension
# ---------------------------------------
#
# Letters left of the arrow name the dimensions of the inputs, letters right of it the
# dimensions of the result. A letter that is missing on the right is summed over. All of
# this is loops: one for each letter, with one product in the middle.

scores = torch.einsum("bqhd,bkhd->bhqk", query, key)
print("scores agree:", torch.equal(scores, wanted))
assert torch.equal(scores, wanted)


def by_loops(equation, *tensors):
    inputs, output = equation.split("->")
    named = list(zip(inputs.split(","), tensors, strict=True))
    sizes = {x: n for xs, t in named for x, n in zip(xs, t.shape, strict=True)}
    result = torch.zeros([sizes[x] for x in output])
    for numbers in itertools.product(*map(range, sizes.values())):
        at = dict(zip(sizes, numbers, strict=True))  # such as {"i": 0, "j": 2}
        entries = [t[tuple(at[x] for x in xs)].item() for xs, t in named]
        result[tuple(at[x] for x in output)] += math.prod(entries)
    return result


# %%
# Proof: against loops, and against the named function
# ----------------------------------------------------
#
# The entries are small whole numbers, so that all ways must agree exactly. With other
# numbers, rounding differs: compare with :func:`torch.testing.assert_close`.

a, b = torch.randint(-3, 4, (2, 3, 4)).float(), torch.randint(-3, 4, (2, 4, 5)).float()
keys = b.mT  # (2, 5, 4)
rows = {
    "bij,bjk->bik": ("batched product", torch.bmm(a, b), a, b),
    "i,j->ij": ("outer product", torch.outer(a[0, 0], b[0, 0]), a[0, 0], b[0, 0]),
    "bqd,bkd->bqk": ("attention score", a @ keys.mT, a, keys),
    "ii->": ("trace", torch.trace(b[0, :, :4]), b[0, :, :4]),
}
for equation, (name, named, *tensors) in rows.items():
    result = torch.einsum(equation, *tensors)
    print(f"{equation:13} {name:16} {tuple(result.shape)}")
    assert torch.equal(result, by_loops(equation, *tensors))
    assert torch.equal(result, named)

# %%
# The trap: a wrong letter sums, silently
# ---------------------------------------
#
# Three slips:
#
# - ``e`` for ``d``: queries and keys are summed apart, then multiplied.
# - ``c`` for ``b``: each query meets the keys of all sentences.
# - No arrow: letters that occur more than once are summed over, here ``b``, too. The
#   other letters stand in the order of the alphabet.


def alone(equation):
    inputs, output = equation.split("->")
    return {x for x in inputs if x.isalpha() and inputs.count(x) == 1} - set(output)


right = torch.einsum("bqd,bkd->bqk", a, keys)
for equation in ("bqd,bke->bqk", "bqd,ckd->bqk", "bqd,bkd"):
    wrong = torch.einsum(equation, a, keys)
    found = sorted(alone(equation)) if "->" in equation else "no arrow"
    print(f"{equation:13} {tuple(wrong.shape)!s:10} alone: {found}")
    assert found and (wrong.shape != right.shape or not torch.equal(wrong, right))
assert not any(alone(equation) for equation in rows)
assert torch.equal(torch.einsum("bqd,ckd->bqk", a[:1], keys[:1]), right[:1])

# %%
# Always write the arrow, and look for a letter that stands alone: once on the left and
# never on the right. Such a letter is right only if you want to sum over it in one
# factor, as in ``ij->i``. Exchanged letters leave no letter alone, and a batch of one
# hides ``c``. So test with another size for each letter, and no size of 1.
#
# Read the messages
# -----------------
#
# *Operands* are tensors, counted from 0. *Subscripts* are the letters; an *ellipsis*
# (``...``) stands for the rest. Below: exchanged letters, too few letters, a missing
# tensor, an unknown letter.

for equation in ("bij,bkj->bik", "ij,bjk->bik", "bij,bjk,k->bi", "bij,bjk->bil"):
    try:
        torch.einsum(equation, a, b)
        raise AssertionError("nothing was raised")
    except RuntimeError as error:
        print(f"{equation}\n    {error}")

# %%
# When it is not so: a size of 1 fits every size
# ----------------------------------------------
#
# ``j`` is 1 in one factor and 4 in the other. No error: the column counts four times.

column = a[:, :, :1]
result = torch.einsum("bij,bjk->bik", column, b)
print("as if repeated:", torch.equal(result, column.expand(2, 3, 4) @ b))
assert torch.equal(result, column.expand(2, 3, 4) @ b)

# %%
# In your project
# ---------------
#
# Attention with heads, without a transpose. By default each token sees all tokens of
# its text, padding and later tokens included. ``bias`` hides tokens: it is 0 for a pair
# that may meet, and ``-inf`` for a pair that may not. Its dimensions are text, head,
# query and key, and some can have size 1. A boolean mask is no ``bias``: it would be
# added as 0 and 1, without an error. A query that may meet no key gives ``nan``.
#
# The scores take memory for each pair of tokens. For long texts, use
# ``scaled_dot_product_attention``. With three tensors or more, ``einsum`` multiplies
# from left to right, unless the package ``opt_einsum`` is installed. A bad order can
# take much memory.


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.out = heads, nn.Linear(width, width)
        self.project = nn.Linear(width, 3 * width)

    def forward(self, x, bias=0.0):  # (batch, tokens, features)
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5  # new
        weights = (scores + bias).softmax(dim=-1)
        return self.out(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(-2))  # new


# %%
# Check against PyTorch's own function
# ------------------------------------
#
# The last text has one token, and the rest is padding. Without and with a mask, both
# ways must agree.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
layer, x = SelfAttention(12, heads=2).to(device), torch.randn(3, 5, 12, device=device)
q, k, v = layer.project(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
bias = torch.zeros(len(x), 1, 1, x.shape[1], device=device)  # text, head, query, key
bias[-1, ..., 1:] = -torch.inf
for mask in (None, bias):
    y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    expected = layer.out(y.transpose(1, 2).flatten(-2))  # heads were before tokens
    found = layer(x) if mask is None else layer(x, mask)
    print(f"{tuple(found.shape)}, differs by {(found - expected).abs().max():.3f}")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

# %%
# Learn more
# ----------
#
# - Other sizes that fit: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - Masks, less memory: :ref:`sphx_glr_recipes_recipes_scaled_dot_product_attention.py`
