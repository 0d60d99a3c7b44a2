# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Sequences", "Losses"]
# after = ["collate_variable_length"]
# timeout = 60
# searched_as = [
#   "attn_mask", "difference between src_mask and key_padding_mask",
#   "pad token", "ignore padding in cross entropy", "masked loss", "look-ahead mask",
#   "how to mask padding in the loss", "generate_square_subsequent_mask",
#   "nn.TransformerEncoder mask", "transformer returns NaN", "language model",
# ]
# ///
"""
Mask padding in attention and in the loss
=========================================

Set ``src_key_padding_mask``, ``src_mask`` and ``ignore_index``: padding has no effect.

Why it matters: padding makes sequences of different lengths one batch. A transformer
looks at padding as at any other token, and the loss counts it as a word to learn.
Neither raises an error.
"""

# %%
# See the problem
# ---------------
#
# Two sentences of token ids, where 0 means padding, and a small transformer. Read the
# short sentence alone, then in the batch: its three tokens should get the same logits
# both times.

import math

import torch
from torch import nn

PAD = 0
tokens = torch.tensor([[5, 2, 7, 4, 3, 6], [4, 6, 3, PAD, PAD, PAD]])

# %%


class Model(nn.Module):
    def __init__(self, words=10, width=32):
        super().__init__()
        self.embed, self.place = nn.Embedding(words, width), nn.Embedding(64, width)
        layer = nn.TransformerEncoderLayer(width, nhead=4, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, words)

    def forward(self, tokens, future=None, padding=None):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embed(tokens) + self.place(places)
        return self.head(self.encoder(x, future, src_key_padding_mask=padding))


# %%
torch.manual_seed(0)
model = Model().eval()
alone = model(tokens[1:, :3])
naive = (model(tokens)[1:, :3] - alone).abs().max().item()
print(f"padding changes the logits of real tokens by up to {naive:.1f}")

# %%
# The idea: two masks
# -------------------
#
# - ``src_key_padding_mask``, shape ``(batch, length)``: which tokens are padding. It
#   differs from sentence to sentence.
# - ``src_mask``, shape ``(length, length)``: which pairs of places are forbidden. It is
#   the same for the whole batch. A causal mask hides the future: row ``i`` is ``True``
#   after column ``i``.
#
# In both, ``True`` means *hide*, as in ``key_padding_mask`` and ``attn_mask`` of
# ``MultiheadAttention``. In
# :func:`~torch.nn.functional.scaled_dot_product_attention`, ``True`` means *look here*.
# Make both masks of type bool: a bool mask beside a float mask is deprecated.
# ``generate_square_subsequent_mask`` gives float: use ``triu`` instead.
# (``enable_nested_tensor=False`` avoids a warning about a prototype.)

padding = tokens == PAD
future = torch.ones(6, 6, dtype=torch.bool).triu(1)
print(padding.int(), future.int(), sep="\n")

# %%
# Proof
# -----
#
# With the padding mask, the short sentence gets the logits that it gets alone. With the
# causal mask, another last word leaves the earlier logits as they were.

masked = (model(tokens, padding=padding)[1:, :3] - alone).abs().max().item()
print(f"padding changes the logits by: no mask {naive:.1f}, mask {masked:.3f}")
changed = tokens.clone()
changed[0, 5] = 1
moved = {}
for name, mask in {"no src_mask": None, "src_mask": future}.items():
    difference = model(tokens, mask, padding) - model(changed, mask, padding)
    moved[name] = difference[0, :5].abs().max().item()
    print(f"{name}: the last word moves earlier logits: {moved[name] > 1e-4}")
assert naive > 0.01 and masked < 1e-4
assert moved["no src_mask"] > 0.01 and moved["src_mask"] < 1e-4

# %%
# The loss: ignore_index
# ----------------------
#
# Each token is to predict the next one. The masks of attention do not reach the loss:
# padding is still a target, and an easy one. Take a model that answers "padding"
# everywhere, with a logit of 5 against nine zeros: it looks better than it is.
# ``ignore_index`` leaves padding out of the sum *and* out of the count that divides it.

targets = tokens[:, 1:].flatten()
lazy = torch.zeros(len(targets), 10)
lazy[:, PAD] = 5.0
counted = nn.functional.cross_entropy(lazy, targets).item()
ignored = nn.functional.cross_entropy(lazy, targets, ignore_index=PAD).item()
by_hand = math.log(math.exp(5) + 9)  # for each real target
print(f"{(targets != PAD).sum()} of {len(targets)} targets are real")
print(f"padding counted {counted:.2f}, ignored {ignored:.2f}, by hand {by_hand:.2f}")
assert math.isclose(ignored, by_hand, rel_tol=1e-5) and counted < 0.8 * by_hand

# %%
# If 0 is also a word, set the targets of padding to -100, the default of
# ``ignore_index``. If padding has the id of the end token, compare no ids: make the
# mask from lengths, ``torch.arange(n) >= lengths[:, None]``. For a loss that has no
# ``ignore_index``, take ``reduction="none"``, then
# ``(losses * real).sum() / real.sum()``, where ``real`` is 1 for real targets.
#
# Each loss is a mean over the real targets of one batch. To average the losses of
# several batches, weight each loss by its number of real targets.
#
# When it is not so: nothing is left to look at
# ---------------------------------------------
#
# With padding on the *left* and a causal mask, the first token may see only itself, and
# it is padding. The softmax over nothing is undefined. One kernel gives 0. Another
# gives NaN, which spreads to the real tokens. Here, one model does the first with
# gradients, the second without. A sentence without a real token is the same case: leave
# it out. A batch whose targets are all padding has a loss of 0 / 0.

left = torch.tensor([[PAD, PAD, PAD, 4, 6, 3]])
training = model(left, future, left == PAD)
with torch.no_grad():
    evaluation = model(left, future, left == PAD)
empty = torch.full_like(targets, PAD)
nothing = nn.functional.cross_entropy(lazy, empty, ignore_index=PAD)
print("NaN with gradients:", bool(training.isnan().any()))
print("NaN without gradients:", bool(evaluation[:, 3:].isnan().any()))
print(f"loss without a real target: {nothing:.0f}")
assert evaluation.isnan().any() and nothing.isnan()

# %%
# In your project
# ---------------
#
# Pad on the right: then each token has a real token to look at. (The causal mask alone
# then hides padding from the real tokens. Without it, the padding mask is needed.)
#
# Your ``DataLoader`` takes the place of ``loader``. ``Model`` has places for 64 tokens
# and a table of 10 words: set both to yours. Put an end token after each sentence, or
# the model never learns to stop. The loss wants the words in dimension 1: ``.mT``
# exchanges the last two.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model, loader = Model().to(device), [tokens] * 20
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss(ignore_index=PAD)  # new: padding is no target
for batch in loader:
    batch = batch.to(device)
    inputs, targets, n = batch[:, :-1], batch[:, 1:], batch.shape[1] - 1
    future = torch.ones(n, n, dtype=torch.bool, device=device).triu(1)  # new
    loss = loss_fn(model(inputs, future, inputs == PAD).mT, targets)  # new
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check
# -----
#
# Three more columns of padding change no loss, in evaluation mode.

losses = []
for more in (0, 3):
    batch = nn.functional.pad(tokens, (0, more), value=PAD).to(device)
    inputs, targets, n = batch[:, :-1], batch[:, 1:], batch.shape[1] - 1
    future = torch.ones(n, n, dtype=torch.bool, device=device).triu(1)
    logits = model.eval()(inputs, future, inputs == PAD)
    losses.append(loss_fn(logits.mT, targets).item())
print(f"three columns of padding change the loss by {abs(losses[1] - losses[0]):.4f}")
assert abs(losses[1] - losses[0]) < 1e-4

# %%
# Learn more
# ----------
#
# - Masks in one call: :ref:`sphx_glr_recipes_recipes_scaled_dot_product_attention.py`
# - Where padding is from: :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - Targets that are no words: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
