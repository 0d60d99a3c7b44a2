# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Sequences", "Errors"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "difference between hidden and output in PyTorch LSTM", "h_n and c_n",
#   "hidden state", "cell state", "batch_first", "bidirectional LSTM", "last time step",
#   "many to one", "RNN input shape", "sequence classification",
#   "initial hidden state", "num_layers", "how to use an LSTM", "time series",
# ]
# errors = [
#   "Expected hidden[0] size",
#   "For batched 3-D input, hx and cx should also be 3-D but got",
#   "argument 'input' (position 1) must be Tensor, not tuple",
# ]
# older_errors = [
#   "Expected hidden size",
# ]
# ///
"""
Know what an LSTM returns, and mend "Expected hidden[0] size"
=============================================================

Tell an LSTM's outputs from its states, in every shape, and classify by the right one.

Why it matters: :class:`torch.nn.LSTM` returns three tensors in two layouts. Take the
wrong part or layout, and the model still trains. Half of a classifier's features may
come from one step, or a sequence may see its neighbours in the batch. To mend the
message, set ``batch_first=True`` or pass no state.
"""

# %%
# Three tensors
# -------------
#
# A batch of 5 sequences, each with 7 steps of 4 numbers. With ``batch_first=True``,
# ``x`` has the shape ``(batch, steps, features)``.

import torch
from torch import nn

torch.manual_seed(0)
batch, steps, features, hidden = 5, 7, 4, 8
x = torch.randn(batch, steps, features)
lstm = nn.LSTM(features, hidden, num_layers=2, batch_first=True)
output, (h_n, c_n) = lstm(x)
for name, tensor in {"x": x, "output": output, "h_n": h_n, "c_n": c_n}.items():
    print(f"{name:6}", tuple(tensor.shape))

# %%
# ``output`` has the hidden state of the *last layer* at *every step*. ``h_n`` has the
# hidden state of *every layer* at the *last step*, and ``c_n`` the cell state. In an
# LSTM of one direction, ``output`` and ``h_n`` share one entry: the last layer at the
# last step. (After packing, rows end at different steps: take ``h_n``.) ``batch_first``
# moves only ``x`` and ``output``: the states keep the batch in the middle.

difference = (output[:, -1] - h_n[-1]).abs().max().item()
print(f"output[:, -1] and h_n[-1] differ by {difference:.1f}")
assert difference < 1e-6
assert h_n.shape == (2, batch, hidden)

# %%
# The steps by hand
# -----------------
#
# Four gates come from the input and the last hidden state. The *cell* state adds up,
# and the *hidden* state shows a part of the cell state.

layer = nn.LSTM(features, hidden, batch_first=True).double()
wide = x.double()
h = c = torch.zeros(batch, hidden, dtype=torch.float64)
for t in range(steps):
    gates = wide[:, t] @ layer.weight_ih_l0.T + layer.bias_ih_l0
    gates = gates + h @ layer.weight_hh_l0.T + layer.bias_hh_l0
    let_in, keep, new, show = gates.chunk(4, dim=1)
    c = keep.sigmoid() * c + let_in.sigmoid() * new.tanh()
    h = show.sigmoid() * c.tanh()
last_output, (last_h, last_c) = layer(wide)
torch.testing.assert_close(h, last_h[0])
torch.testing.assert_close(c, last_c[0])
print(f"by hand and by nn.LSTM: difference {(h - last_h[0]).abs().max():.12f}")

# %%
# See the problem: the backward reader starts at the last step
# ------------------------------------------------------------
#
# A bidirectional LSTM reads each sequence twice, and joins both hidden states at every
# step. At the last step, the backward reader has read one step only. Change every
# sequence's *first* step, and see which parts notice.

both = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
changed = x.clone()
changed[:, 0] += 1.0
(out, (h_n, _)), (other_out, (other_h, _)) = both(x), both(changed)
print("output", tuple(out.shape), "h_n", tuple(h_n.shape))
moves = {
    "output[:, -1, :8], forward": (out - other_out)[:, -1, :hidden],
    "output[:, -1, 8:], backward": (out - other_out)[:, -1, hidden:],
    "h_n[-2], forward": h_n[-2] - other_h[-2],
    "h_n[-1], backward": h_n[-1] - other_h[-1],
}
for name, move in moves.items():
    print(f"{name:28} moved: {bool(move.any())}")
assert [bool(move.any()) for move in moves.values()] == [True, False, True, True]

# %%
# The idea: classify by ``h_n``, both directions of the last layer. ``h_n`` has the
# layers in its first dimension, and both directions of a layer stand side by side. As a
# check, an LSTM with the backward weights reads the reversed sequences.

summary = torch.cat([h_n[-2], h_n[-1]], dim=1)  # (batch, 2 * hidden)
reader = nn.LSTM(features, hidden, batch_first=True)
weights = both.state_dict().items()
ending = "_reverse"
reversed_weights = {n.removesuffix(ending): w for n, w in weights if ending in n}
reader.load_state_dict(reversed_weights)
_, (expected, _) = reader(x.flip(1))
torch.testing.assert_close(summary[:, hidden:], expected[-1])
print("summary", tuple(summary.shape))

# %%
# The messages
# ------------
#
# In ``Expected hidden[0] size``, the first triple is what ``x`` needs: layers times
# directions, batch, hidden size. The second is the state you passed. ``hidden[0]`` is
# the hidden state, ``hidden[1]`` the cell state. A GRU writes ``Expected hidden size``.

one = nn.LSTM(features, hidden, batch_first=True)
no_batch_first = nn.LSTM(features, hidden)
state = (torch.zeros(1, batch, hidden), torch.zeros(1, batch, hidden))
flat = (torch.zeros(batch, hidden), torch.zeros(batch, hidden))
causes = {
    "a last batch of 3": lambda: one(x[:3], state),
    "no batch_first": lambda: no_batch_first(x, state),
    "two layers": lambda: lstm(x, state),
    "a state without layers": lambda: one(x, flat),
    "x is one sequence": lambda: one(x[0], state),
    "x has other features": lambda: one(torch.cat([x, x], dim=2)),
    "x is a batch of images": lambda: one(x.unsqueeze(1)),
    "LSTM in nn.Sequential": lambda: nn.Sequential(one, nn.Linear(hidden, 2))(x),
}

# %%
texts = {}
for name, call in causes.items():
    try:
        call()
    except (RuntimeError, TypeError, ValueError) as error:
        texts[name] = str(error)
        print(f"{name}\n  {error}")
assert len(texts) == len(causes)
assert "(1, 3, 8), got [1, 5, 8]" in texts["a last batch of 3"]
assert "(1, 7, 8), got [1, 5, 8]" in texts["no batch_first"]  # 7 is steps
assert "(2, 5, 8), got [1, 5, 8]" in texts["two layers"]

# %%
# The mend
# --------
#
# - The first triple has your number of steps in the middle: set ``batch_first=True``,
#   or take it out if it is set. Do this first: the next mend would hide the message.
# - Any other message about a state: pass none, and the LSTM starts from zeros. If you
#   carry a state on, make the first one from ``x``, as below.
# - ``input_size`` must be the last dimension of ``x``.
# - 4D: drop a dimension. ``images.squeeze(1)`` makes each row of a grey image a step.
# - The tuple in ``nn.Sequential``: write a ``forward`` that picks one tensor.


def zero_state(lstm, x):  # x: (batch, steps, features); no proj_size
    directions = 2 if lstm.bidirectional else 1
    h = x.new_zeros(directions * lstm.num_layers, x.size(0), lstm.hidden_size)
    return h, torch.zeros_like(h)


for name, model in {"one layer": one, "two layers": lstm, "both ways": both}.items():
    zeros = zero_state(model, x[:3])
    torch.testing.assert_close(model(x[:3])[0], model(x[:3], zeros)[0])
    print(f"{name:10} state {tuple(zeros[0].shape)}: the same output as without")

# %%
# To carry a state on, cut it from the last batch, or ``backward()`` goes through the
# graph a second time: ``state = tuple(s.detach() for s in state)``. Each row must
# continue its sequence of the last batch. So do not shuffle: a state of another
# sequence raises no error. Give the loader ``drop_last=True``, because a smaller batch
# doesn't fit.

# %%
# When no error comes
# -------------------
#
# Without a state, a forgotten ``batch_first`` raises nothing. The LSTM takes the batch
# for time, and a sequence sees the sequences before it. A 2D ``x`` is one sequence: its
# rows are steps. The cell changes the first sequence only.

changed = x.clone()
changed[0] += 1.0
mixing = {}
for name, model in {"batch_first": one, "no batch_first": no_batch_first}.items():
    others = (model(x)[0] - model(changed)[0])[1:]
    mixing[name] = others.abs().max().item()
    print(f"{name:14} other sequences moved: {mixing[name] > 0}")
assert mixing["batch_first"] == 0 and mixing["no batch_first"] > 1e-3

# %%
# In your project
# ---------------
#
# A classifier of token sequences of equal lengths. With padding, pack what ``embed``
# returns (first link below), or ``h_n`` depends on the padding.


class Classifier(nn.Module):
    def __init__(self, vocabulary=1000, hidden=64, classes=4):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 32)
        self.lstm = nn.LSTM(32, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens):
        _, (h_n, _) = self.lstm(self.embed(tokens))  # no state: it starts at zero
        return self.head(torch.cat([h_n[-2], h_n[-1]], dim=1))  # new: both directions


device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Classifier().to(device)
logits = model(tokens := torch.randint(1000, (16, 20), device=device))

# %%
# Check
# -----
#
# A sequence has the same logits alone as in the batch, up to rounding. Other first
# tokens change all logits.

with torch.no_grad():
    alone = torch.cat([model(row) for row in tokens.split(1)])
    torch.testing.assert_close(alone, logits, atol=2e-3, rtol=0)  # TF32 on a GPU
    other = tokens.clone()
    other[:, 0] = (other[:, 0] + 1) % 1000
    assert (model(other) != logits).all()
print("logits", tuple(logits.shape), "each from its own sequence")

# %%
# Learn more
# ----------
#
# - Padding: :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - Shapes, layer by layer: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - A state carried on, and its error:
#   :ref:`sphx_glr_recipes_recipes_error_backward_a_second_time.py`
# - What the loss takes: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - API: :class:`torch.nn.LSTM`
