# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Performance", "Sequences"]
# after = ["reasoning_about_shapes"]
# timeout = 60
# searched_as = [
#   "FlashAttention", "self-attention", "MultiheadAttention", "transformer",
#   "attention mask", "causal mask", "key_padding_mask", "is_causal",
#   "efficient attention", "softmax of QK",
# ]
# ///
"""
Compute attention with scaled_dot_product_attention
===================================================

Replace attention by hand with one call that need not store the attention matrix.

Why it matters: attention compares every position of a sequence with every other.
Written out, it keeps the matrix of all pairs for the backward pass, and a sequence
twice as long needs a matrix four times as large.
"""

# %%
# Attention by hand
# -----------------
#
# Queries, keys and values have one vector per position, for each head of each sequence.
# A mask says which keys a query may look at.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


def by_hand(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1) @ value


def qkv(length):  # 2 sequences, 4 heads, vectors of 32
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, length, 32)
    return [tensor.clone().requires_grad_() for tensor in (query, key, value)]


# %%
# Count what it keeps
# -------------------
#
# :class:`torch.autograd.graph.saved_tensors_hooks` calls ``note`` with each tensor that
# is kept for the backward pass. By hand, most of the memory is one matrix of 256 times
# 256 probabilities for each head of each sequence.


def kept_kib(attention, length):
    kept = {}

    def note(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        attention(*qkv(length))
    return sum(kept.values()) / 1024


naive = kept_kib(by_hand, 256)
matrix = 2 * 4 * 256 * 256 * 4 / 1024  # sequences, heads, queries, keys, bytes
print(f"kept by hand: {naive:.0f} KiB, of it probabilities: {matrix:.0f} KiB")

# %%
# One call
# --------
#
# :func:`torch.nn.functional.scaled_dot_product_attention` goes over keys and values
# block by block here, and never stores that matrix. It keeps the three inputs, the
# output, and one number per query, from which the backward pass computes the
# probabilities again.

fused = kept_kib(scaled_dot_product_attention, 256)
print(f"kept by hand: {naive:.0f} KiB, by one call: {fused:.0f} KiB")
vectors, numbers = 4 * 2 * 4 * 256 * 32, 2 * 4 * 256
assert fused == (vectors + numbers) * 4 / 1024

lengths = [64, 128, 256, 512, 1024]
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
sizes = [kept_kib(by_hand, length) / 1024 for length in lengths]
ax.plot(lengths, sizes, "o--", color="tab:orange", label="by hand")
sizes = [kept_kib(scaled_dot_product_attention, length) / 1024 for length in lengths]
ax.plot(lengths, sizes, "s-", color="tab:blue", label="scaled_dot_product_attention")
ax.set(title="Memory grows with the square of the length by hand, not in one call")
ax.set(xlabel="positions in the sequence", ylabel="kept for backward (MiB)")
ax.legend()
plt.show()

# %%
# The same results
# ----------------
#
# For equally many queries and keys, ``is_causal=True`` hides the keys that come after
# the query, without a mask. The measure is the version by hand in float64, for the
# output and the three gradients.

past = torch.ones(256, 256, dtype=torch.bool).tril()  # the key is not later


def results(attention, inputs, *args, **options):
    output = attention(*inputs, *args, **options)
    return [output, *torch.autograd.grad(output.square().sum(), inputs)]


for causal, mask in [(False, None), (True, past)]:
    inputs = qkv(256)
    found = results(scaled_dot_product_attention, inputs, is_causal=causal)
    exact = results(by_hand, [tensor.double() for tensor in inputs], mask)
    errors = [(f - e).abs().max().item() for f, e in zip(found, exact, strict=True)]
    print(f"causal {causal!s:5}: largest error {max(errors):.4f}")
    assert max(errors) < 1e-4

# %%
# Pitfall: what True means in a mask
# ----------------------------------
#
# The last two of six keys are padding. The value of padding is 1 and the value of all
# other keys is 0, so the output is the share of attention that the padding gets. In
# ``attn_mask``, ``True`` means *look here*. In the ``key_padding_mask`` of
# :class:`torch.nn.MultiheadAttention`, ``True`` means *ignore*. And a mask of floats is
# added to the scores: a 0 hides nothing, ``-inf`` hides the key.

padding = torch.arange(6) >= 4
value = padding.float().reshape(1, 6, 1)
query = key = torch.zeros(1, 6, 1)  # all scores are equal
masks = {"none": None, "padding": padding, "~padding": ~padding}
masks["(~padding).float()"] = (~padding).float()
shares = []
for name, mask in masks.items():
    mask = None if mask is None else mask.expand(6, 6)
    output = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    shares.append(output[0, 0, 0].item())
    print(f"{name:18} {shares[-1]:.3f} of the attention on padding")
expected = torch.tensor([2 / 6, 1.0, 0.0, 2 / (4 * math.e + 2)])
torch.testing.assert_close(torch.tensor(shares), expected)

# %%
# When it is not so: one query and a cache of keys
# ------------------------------------------------
#
# ``is_causal=True`` aligns the first query with the first key. A language model that
# writes has one new query and all keys so far: with ``is_causal=True``, the query sees
# the first key alone. Leave ``is_causal`` out: the last query may see every key. For
# several new queries, pass a mask that aligns the last query with the last key.

cached = torch.arange(6.0).reshape(1, 6, 1)  # values 0 to 5, their mean is 2.5
for causal in (True, False):
    last = scaled_dot_product_attention(query[:, -1:], key, cached, is_causal=causal)
    print(f"is_causal={causal!s:5} mean of the values seen: {last.item():.1f}")
    assert math.isclose(last.item(), 0.0 if causal else 2.5, abs_tol=1e-6)

mask = torch.ones(2, 6, dtype=torch.bool).tril(6 - 2)  # 2 new queries, 6 keys
two = scaled_dot_product_attention(query[:, -2:], key, cached, attn_mask=mask)
torch.testing.assert_close(two.flatten(), torch.tensor([2.0, 2.5]))

# %%
# When it is not so: dropout on the CPU
# -------------------------------------
#
# PyTorch takes a kernel that supports the inputs, and one kernel keeps the matrix as
# the version by hand does. On the CPU, dropout is enough to get this kernel, and so is
# a mask of floats that is learned.


def with_dropout(query, key, value):
    return scaled_dot_product_attention(query, key, value, dropout_p=0.1)


def with_learned_mask(query, key, value):
    bias = torch.zeros(256, 256, requires_grad=True)
    return scaled_dot_product_attention(query, key, value, attn_mask=bias)


dropped, learned = kept_kib(with_dropout, 256), kept_kib(with_learned_mask, 256)
print(f"with dropout, at least what is kept by hand: {dropped >= naive}")
print(f"with a learned mask, at least the probabilities: {learned >= matrix}")
assert fused < naive <= dropped and learned >= matrix

# %%
# On a GPU there are more kernels, and some want float16 or bfloat16. On NVIDIA's GPUs,
# FlashAttention takes no ``attn_mask``: ``SelfAttention`` below gets another kernel,
# usually slower. Without padding, pass no mask. A causal model needs only
# ``is_causal=True``, even with padding on the right: no real token sees a later key.
# :func:`torch.nn.attention.sdpa_kernel` restricts the choice, and the call fails if
# none of the kernels allowed supports the inputs.
#
# In your project
# ---------------
#
# A mask of shape (batch, length) needs two more dimensions, for heads and queries. It
# must be bool: if a tokenizer gives 0 and 1, write ``attention_mask.bool()``.
# ``attn_mask`` together with ``is_causal=True`` is refused. For a causal model, join
# the two masks. ``dropout_p`` is applied in ``eval()``, too, so set it to 0 there. Pad
# on the right: with padding on the left, a causal model's first queries see no key.


class SelfAttention(nn.Module):
    def __init__(self, width, heads, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, keep):  # (batch, length, features), True: a real token
        (b, n, width), mask = x.shape, keep[:, None, None, :]
        if self.causal:
            mask = mask & torch.ones(n, n, dtype=torch.bool, device=x.device).tril()
        q, k, v = self.project(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = scaled_dot_product_attention(q, k, v, mask, dropout_p=0.1 * self.training)
        return self.out(y.transpose(1, 2).reshape(b, n, width))


# %%
# Check
# -----
#
# In ``eval()``, padding at the end changes no real token, and in a causal model a later
# token changes no earlier one. In ``train()``, dropout makes two calls differ.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
x = torch.randn(2, 10, 128, device=device)
keep = torch.arange(10, device=device) < torch.tensor([[10], [6]], device=device)
for causal in (False, True):
    layer = SelfAttention(128, heads=4, causal=causal).to(device).eval()
    padded = layer(x, keep)[1, :6]
    alone = layer(x[1:, :6], keep[1:, :6])[0]
    far = (padded - alone).abs().max()
    print(f"a real token: {tuple(padded.shape)} changed: {far:.4f}")
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)

early = layer(x[:1, :3], keep[:1, :3])
torch.testing.assert_close(layer(x, keep)[:1, :3], early, atol=1e-5, rtol=1e-4)
layer.train()
assert not torch.equal(layer(x, keep), layer(x, keep))

# %%
# Learn more
# ----------
#
# - Run it in 16 bits: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
# - The same trade: :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py`
# - Such a cache, in a model that writes:
#   :ref:`sphx_glr_recipes_recipes_generate_text_with_kv_cache.py`
# - Padding in a transformer and in its loss:
#   :ref:`sphx_glr_recipes_recipes_mask_padding_in_attention_and_loss.py`
