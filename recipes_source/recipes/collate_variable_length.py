# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Data", "Sequences"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "pad_sequence", "pack_padded_sequence", "padding", "variable length sequences",
#   "ragged batches", "custom collate function", "RNN batches", "LSTM with padding",
#   "unequal sizes in a batch",
# ]
# errors = ["stack expects each tensor to be equal size, but got"]
# older_errors = [
#   "invalid argument 0: Sizes of tensors must match except in dimension 0",
# ]
# ///
"""
Batch sequences of different lengths
====================================

Write a ``collate_fn`` that pads, and keep the padding out of the model's answer.

Why it matters: sentences, recordings and box lists differ in length, and a batch is a
rectangle. Padding fills it, but a model that reads the padding gives each sequence an
answer that depends on which other sequences share its batch.
"""

# %%
# Ragged data
# -----------
#
# 64 sequences of token ids from 1 to 49, mostly short, a few long. A list of tensors
# will do as a dataset. ``0`` is kept free: it will mean padding.

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

torch.manual_seed(0)
lengths = (3 + 37 * torch.rand(64) ** 2).long().tolist()
data = [torch.randint(1, 50, (n,)) for n in lengths]
print("lengths of the first eight:", lengths[:8], " longest:", max(lengths))

try:
    next(iter(DataLoader(data, batch_size=16)))
except RuntimeError as error:
    print("RuntimeError:", error)

# %%
# Padding alone
# -------------
#
# The loader hands the list of samples to its ``collate_fn``, whose result is the batch.
# The default one stacks, hence the error. (Pictures of unequal sizes raise it too:
# resize them.) :func:`torch.nn.utils.rnn.pad_sequence` fills up to the longest, and the
# error is gone. But a :class:`torch.nn.GRU` reads token by token, padding too, even
# where ``padding_idx`` makes it zeros. ``gru(x)[1][-1]`` is the last layer's state
# after the last position, padding included. (For ``nn.LSTM`` it is
# ``lstm(x)[1][0][-1]``. With two directions, join ``[-2]`` and ``[-1]``.) The right
# state comes from reading a sequence alone, without padding. "Mean error" below is the
# distance of the two states, divided by the norm of the right state.

embed = nn.Embedding(50, 16, padding_idx=0)
gru = nn.GRU(16, 32, batch_first=True)


def pad(samples):
    return pad_sequence(samples, batch_first=True)  # (batch, longest)


with torch.no_grad():
    alone = torch.cat([gru(embed(tokens[None]))[1][-1] for tokens in data])
    loader = DataLoader(data, batch_size=16, collate_fn=pad)
    padded = torch.cat([gru(embed(inputs))[1][-1] for inputs in loader])
padded_error = (padded - alone).norm(dim=1) / alone.norm(dim=1)
print(f"mean error {padded_error.mean():.0%}, largest {padded_error.max():.0%}")
print("sequences off by more than 1%:", (padded_error > 0.01).sum().item(), "of 64")

# %%
# Return the lengths too
# ----------------------
#
# If 0 can also be data, the padded batch no longer shows where a sequence ends: only
# the collate function knows. So let it return the lengths beside the batch.
# :func:`torch.nn.utils.rnn.pack_padded_sequence` then makes the GRU stop there.
# ``enforce_sorted=False`` accepts the sequences in any order. An empty sequence is
# refused: leave it out of the data.


def pad_with_lengths(samples):
    lengths = torch.tensor([len(tokens) for tokens in samples])
    return pad_sequence(samples, batch_first=True), lengths


def last_state(inputs, lengths):
    x = embed(inputs)
    x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return gru(x)[1][-1]


loader = DataLoader(data, batch_size=16, collate_fn=pad_with_lengths)
with torch.no_grad():
    packed = torch.cat([last_state(*batch) for batch in loader])
packed_error = (packed - alone).norm(dim=1) / alone.norm(dim=1)
print(f"padded:            mean error {padded_error.mean():.0%}")
print(f"padded and packed: mean error {packed_error.mean():.0%}")
torch.testing.assert_close(packed, alone)
assert padded_error.mean() > 0.1

# %%
# A pitfall: most of a batch can be padding
# -----------------------------------------
#
# One long sequence widens its whole batch. Batches of similar lengths waste less: give
# the loader lists of indices as ``batch_sampler``, without ``batch_size`` and
# ``shuffle``. In training, make new lists for each epoch, as ``ByLength`` does below.


def cover(index_batches):
    picture = torch.zeros(64, max(lengths))  # 0 outside the batch, 1 token, 2 padding
    loader = DataLoader(data, batch_sampler=index_batches, collate_fn=pad)
    for i, inputs in enumerate(loader):
        picture[16 * i : 16 * i + 16, : inputs.shape[1]] = 1.0 + (inputs == 0)
    return picture


as_they_come = cover(torch.arange(64).view(4, 16).tolist())
by_length = cover(torch.tensor(lengths).argsort(stable=True).view(4, 16).tolist())
for name, picture in [("as they come", as_they_come), ("by length", by_length)]:
    tokens, padding = (picture == 1).sum(), (picture == 2).sum()
    print(f"{name:12}  {tokens} tokens, {padding} padding")
    assert tokens == sum(lengths)

# %%
# Every row is a sequence; four batches of 16 lie one above the other.

colours = ListedColormap(["white", "tab:blue", "moccasin"])
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
panels = [("Batches as they come", as_they_come), ("Batches by length", by_length)]
for ax, (title, picture) in zip(axes, panels, strict=True):
    share = (picture == 2).sum() / (picture > 0).sum()
    image = ax.imshow(picture.numpy(), cmap=colours, aspect="auto")
    ax.set(title=f"{title}: {share:.0%} padding", xlabel="time step", ylabel="sequence")
bar = fig.colorbar(image, ax=axes, ticks=[0.33, 1, 1.67], shrink=0.6)
bar.ax.set_yticklabels(["outside", "token", "padding"])
plt.show()

# %%
# For training
# ------------
#
# ``ByLength`` makes batches of similar lengths, in another order in each epoch. A
# random fraction below 1 shuffles equal lengths only. If all lengths differ, the same
# sequences share a batch in every epoch: ``5 * torch.rand(...)`` mixes lengths up to 5
# apart. ``ByLength`` needs all lengths at the start. With DDP, each rank would read all
# the data. For predictions, use no ``ByLength``: the answers would come in another
# order than the data. With targets, ``collate`` returns three tensors.


class ByLength:
    def __init__(self, lengths, size):
        self.lengths, self.size = torch.tensor(lengths), size

    def __len__(self):
        return -(-len(self.lengths) // self.size)  # rounded up

    def __iter__(self):
        order = (self.lengths + torch.rand(len(self.lengths))).argsort()
        batches = order.split(self.size)
        yield from (batches[i].tolist() for i in torch.randperm(len(batches)))


def collate(samples):
    sequences, targets = zip(*samples, strict=True)
    return *pad_with_lengths(sequences), torch.tensor(targets)


# %%
# In your project
# ---------------
#
# The lengths stay on the CPU: ``pack_padded_sequence`` wants them there.
# ``nn.TransformerEncoder`` takes a mask instead, ``src_key_padding_mask = x == 0``.
# (``attention_mask`` of Hugging Face is the opposite.)
#
# For a state per token, unpack the packed output:
# ``pad_packed_sequence(gru(x)[0], batch_first=True)[0]``. Without ``batch_first``, time
# comes first. Pad targets per token with ``padding_value=-100``, which
# ``cross_entropy`` ignores.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
head = nn.Linear(32, 2)
model = nn.ModuleList([embed, gru, head]).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
samples = [(tokens, int(tokens[0] > 24)) for tokens in data]
sampler = ByLength(lengths, 16)  # new
for x, n, y in DataLoader(samples, batch_sampler=sampler, collate_fn=collate):  # new
    logits = head(last_state(x.to(device), n))  # new: not n.to(device)
    loss = nn.functional.cross_entropy(logits, y.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check these lines
# -----------------
#
# Each epoch has every sequence once, in another order, and little padding.

epochs = [list(sampler) for _ in range(3)]
longest = [sum(16 * max(lengths[i] for i in batch) for batch in e) for e in epochs]
for batches in epochs:
    assert sorted(sum(batches, [])) == list(range(64))
padding = [total - sum(lengths) for total in longest]
unsorted = (as_they_come == 2).sum().item()
print("padding in three epochs:", *padding, " as they come:", unsorted)
assert max(padding) < unsorted / 2 and epochs[0] != epochs[1]

# %%
# Learn more
# ----------
#
# - ``stack`` and its relatives: :ref:`sphx_glr_recipes_recipes_cat_stack_squeeze.py`
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`
# - What a recurrent layer returns:
#   :ref:`sphx_glr_recipes_recipes_lstm_inputs_and_outputs.py`
