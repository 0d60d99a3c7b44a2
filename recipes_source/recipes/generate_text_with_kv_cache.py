# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Sequences", "Performance"]
# after = ["mask_padding_in_attention_and_loss"]
# timeout = 60
# searched_as = [
#   "kv cache", "key-value cache", "past_key_values", "use_cache", "GPT", "prefill",
#   "autoregressive", "greedy decoding", "decoder-only transformer", "LLM inference",
# ]
# ///
"""
Generate text with a cache of keys and values
=============================================

Generate token by token, compute each position once, and get the same logits.

Why it matters: a plain loop runs the model on the whole text for each new token. With a
cache, it runs on the new token alone. But a wrong place or mask gives other logits, and
raises nothing.
"""

# %%
# A model that can go on
# ----------------------
#
# New tokens follow ``start`` earlier ones, whose keys and values are in a cache. New
# token ``i`` has place ``start + i``, and may look at the keys up to this place.

import torch
from torch import nn


def places_and_mask(start, n):
    mask = torch.ones(n, start + n, dtype=torch.bool).tril(start)  # True: look here
    return torch.arange(start, start + n), mask


# %%
# Each layer puts the keys and values of the new tokens after the earlier keys and
# values. ``cat`` copies the cache for each token: for long texts, or with
# ``torch.compile``, fill a tensor of full length instead.


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask, cache):  # x: (batch, new tokens, features)
        qkv = self.project(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (batch, heads, new tokens, ...)
        if cache is not None:
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return x + self.out(y.transpose(1, 2).flatten(2)), (k, v)


# %%


class Model(nn.Module):
    def __init__(self, words=50, width=32, limit=64):
        super().__init__()
        self.embed, self.place = nn.Embedding(words, width), nn.Embedding(limit, width)
        self.blocks = nn.ModuleList([Block(width, heads=4), Block(width, heads=4)])
        self.head = nn.Linear(width, words)

    def forward(self, tokens, caches=None):
        start, n = caches[0][0].shape[2] if caches else 0, tokens.shape[1]
        places, mask = (x.to(tokens.device) for x in places_and_mask(start, n))
        x, new = self.embed(tokens) + self.place(places), []
        for block, cache in zip(self.blocks, caches or [None, None], strict=True):
            x, cache = block(x, mask, cache)
            new.append(cache)
        return self.head(x), new


# %%
# See the problem, and the idea
# -----------------------------
#
# The loop takes the most probable token. Without a cache, the model runs on the whole
# text. With a cache, it runs on what the cache lacks: the prompt, then one token at a
# time. This is possible as the mask is causal: a new token changes nothing before it.


@torch.no_grad()
def generate(model, text, count, cached):
    caches, new, found, computed = None, text, [], 0
    for _ in range(count):
        logits, caches = model(new, caches) if cached else model(text)
        computed += logits.shape[1]
        found.append(logits[:, -1])
        new = found[-1].argmax(dim=-1, keepdim=True)
        text = torch.cat([text, new], dim=1)
    return text, torch.stack(found, dim=1), computed


# %%
# Proof: same logits, same tokens, less work
# ------------------------------------------
#
# The weights are random: the counts depend on lengths alone. Logits differ by rounding.
# Where two tokens are almost equally probable, rounding may change the choice, in
# bfloat16 more often. The price is memory: all keys and values stay.

torch.manual_seed(3)
model, prompt = Model().eval(), torch.randint(50, (1, 5))
plain, logits, naive = generate(model, prompt, 20, cached=False)
text, again, fewer = generate(model, prompt, 20, cached=True)
print("written:", text[0, 5:].tolist())
print(f"positions computed: {naive} without a cache, {fewer} with it")
print(f"logits differ by {(logits - again).abs().max():.4f}")
assert torch.equal(text, plain) and (logits - again).abs().max() < 1e-4
assert naive == sum(range(5, 25)) and fewer == 5 + 19
size = sum(tensor.nbytes for cache in model(text)[1] for tensor in cache)
print(f"cache for {text.numel()} tokens: {size:,} bytes")
assert size == 2 * 2 * 32 * 4 * text.numel()  # layers, keys and values, width, bytes

# %%
# When it is not so: a wrong place, a wrong mask
# ----------------------------------------------
#
# Three mistakes. After the prompt, each new token gets place 0. The mask is aligned at
# the top left, as with ``is_causal=True``: one query sees the first key only. No mask:
# right for one new token, but within the prompt, tokens see the future.

right = places_and_mask
wrong_ways = {
    "place 0": lambda s, n: (torch.arange(n), right(s, n)[1]),
    "top left": lambda s, n: (right(s, n)[0], torch.ones(n, s + n).tril() > 0),
    "no mask": lambda s, n: (right(s, n)[0], torch.ones(n, s + n) > 0),
}
for name, wrong in wrong_ways.items():
    places_and_mask = wrong  # the model calls what has this name
    other, found, _ = generate(model, prompt, 20, cached=True)
    same = (other == text)[0, 5:].sum().item()
    first, second = (found - logits).abs().amax(dim=-1)[0, :2].tolist()
    print(f"{name:8} {same:2} of 20 tokens, logits off by {first:.2f}, {second:.2f}")
    assert second > 1e-3 and (first > 1e-3) == (name == "no mask")
places_and_mask = right

# %%
# These are the first two new tokens. At the first, no cache is in use, so "place 0" and
# "top left" are right. "No mask" changes no token, by luck. So compare logits, at the
# first new token and at the second.
#
# In your project
# ---------------
#
# ``write`` calls ``model(tokens, caches)`` and wants logits and caches, as from
# ``Model`` above. Call ``model.eval()`` first: dropout would change the logits. The
# prompt and ``count`` together must not exceed the model's ``limit``. All prompts of a
# batch must have the same length, as no mask hides padding.
#
# ``write`` stops when every text of the batch has an ``end``. A text that ended earlier
# has grown, too: cut off what follows its first ``end`` after the prompt. A temperature
# of 0 divides by zero: for the most probable token, use ``argmax``, as above.


@torch.no_grad()
def write(model, text, count, temperature=0.8, end=0):
    caches, new, prompt_length = None, text, text.shape[1]
    for _ in range(count):
        logits, caches = model(new, caches)  # new: only what the cache lacks
        chances = (logits[:, -1].float() / temperature).softmax(dim=-1)
        new = torch.multinomial(chances, 1)
        text = torch.cat([text, new], dim=1)
        if (text[:, prompt_length:] == end).any(dim=1).all():
            break
    return text


# %%
# Check
# -----
#
# At a very low temperature, ``write`` draws the most probable token. Then feed the text
# in pieces of several tokens, as when a user asks again. No logit may change. To go on
# in this way, let ``write`` return ``caches``, too. The caches lack the last drawn
# token: feed this token before the new ones.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
drawn = write(model.to(device), prompt.to(device), 20, temperature=1e-4, end=-1)
caches, found = None, []
for piece in drawn.split([5, 1, 8, 11], dim=1):
    logits, caches = model(piece, caches)
    found.append(logits)
off = (torch.cat(found, dim=1) - model(drawn)[0]).abs().max().item()
print(f"same text: {torch.equal(drawn.cpu(), text)}, pieces differ by {off:.4f}")
assert torch.equal(drawn.cpu(), text) and off < 1e-4

# %%
# Learn more
# ----------
#
# - Masks: :ref:`sphx_glr_recipes_recipes_scaled_dot_product_attention.py`
# - A text beyond ``limit``: :ref:`sphx_glr_recipes_recipes_error_index_out_of_range.py`
# - Train it: :ref:`sphx_glr_recipes_recipes_mask_padding_in_attention_and_loss.py`
