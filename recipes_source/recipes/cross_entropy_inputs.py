# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Losses"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "CrossEntropyLoss", "NLLLoss", "log_softmax", "softmax twice", "one-hot labels",
#   "class probabilities", "soft labels", "semantic segmentation loss",
#   "pixel-wise loss", "target shape", "multi-class classification",
#   "loss does not decrease", "label format",
# ]
# errors = [
#   "expected target dtype to be Long or Byte, but got Float",
#   "0D or 1D target tensor expected, multi-target not supported",
#   "Expected floating point type for target with class probabilities, got Long",
# ]
# older_errors = [
#   '''Expected object of scalar type Long but got scalar type Float for argument #2
#   'target'''',
#   "expected scalar type Long but found Float",
#   "1D target tensor expected, multi-target not supported",
#   "multi-target not supported at ClassNLLCriterion.c",
# ]
# ///
"""
Pass logits and class indices to cross-entropy
==============================================

Give the cross-entropy loss the scores, targets and shapes it expects, and check them.

Why it matters: :class:`torch.nn.CrossEntropyLoss` contains a softmax, which turns
scores into probabilities. A model that ends in another softmax still runs, without an
error or a warning. But its loss stays above a floor, and it learns more slowly here.
Swapped dimensions can pass unnoticed as well.
"""

# %%
# A small problem with a clean answer
# -----------------------------------
#
# Ten clusters of points in eight dimensions, one cluster per class.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
targets = torch.arange(600) % 10  # (600,) class indices, int64
centres = 2 * torch.randn(10, 8)
inputs = centres[targets] + torch.randn(600, 8)  # (600, 8)
loss_fn = nn.CrossEntropyLoss()

# %%
# This function trains the same network from the same seed; only its last layer differs.


def train(last_layer, steps=300):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 10), last_layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses, accuracies = [], []
    for _ in range(steps):
        outputs = model(inputs)  # (600, 10)
        loss = loss_fn(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append((outputs.argmax(dim=1) == targets).float().mean().item())
    return losses, accuracies


# %%
# A softmax too many
# ------------------
#
# The loss of perfect predictions should be 0. But even perfect probabilities, 1 for the
# right class and 0 for the other nine, do not give a loss of 0. The softmax inside the
# loss turns the 1 into :math:`e / (e + 9)`. That leaves a floor of
# :math:`\log(1 + 9/e)`. With enough steps, the accuracy can still get as high as
# without the extra softmax; the loss never falls below the floor.

soft_losses, soft_accuracies = train(nn.Softmax(dim=1))
floor = math.log(1 + 9 / math.e)
print(f"softmax, then loss: {soft_losses[-1]:.2f} after {len(soft_losses)} steps")
best = loss_fn(nn.functional.one_hot(targets, 10).float(), targets).item()
print(f"perfect probabilities: {best:.4f}, log(1 + 9/e): {floor:.4f}")
assert math.isclose(best, floor, rel_tol=1e-5)

# %%
# Logits instead
# --------------
#
# Drop the last softmax. The raw scores of the last :class:`~torch.nn.Linear` are called
# logits, and they are what the loss expects. As a check, compare the loss with its
# definition, computed in float64 from the logits: the logarithm of the summed
# exponentials less the score of the right class.

logit_losses, logit_accuracies = train(nn.Identity())
print(f"softmax: loss {soft_losses[-1]:.2f}, accuracy {soft_accuracies[-1]:.2f}")
print(f"logits:  loss {logit_losses[-1]:.2f}, accuracy {logit_accuracies[-1]:.2f}")
logits = 5 * torch.randn(600, 10)
exact = logits.double().logsumexp(dim=1) - logits.double()[torch.arange(600), targets]
torch.testing.assert_close(loss_fn(logits, targets).double(), exact.mean())
assert logit_losses[-1] < floor < soft_losses[-1]
assert all(logit_accuracies[k] > soft_accuracies[k] for k in (50, 100, 200))

# %%
# Both runs, side by side.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
axes[0].axhline(floor, color="0.3", linestyle=":", label="floor, log(1 + 9/e)")
curves = [(soft_losses, logit_losses), (soft_accuracies, logit_accuracies)]
for ax, (soft, logit) in zip(axes, curves, strict=True):
    ax.plot(soft, "--", color="tab:orange", label="softmax, then loss")
    ax.plot(logit, "-", color="tab:blue", label="logits")
    ax.set_xlabel("step")
    ax.legend()
axes[0].set(title="An extra softmax: loss above a floor", ylabel="cross-entropy loss")
axes[1].set(title="An extra softmax: slower learning", ylabel="accuracy (fraction)")
plt.show()

# %%
# Targets: what the loss refuses
# ------------------------------
#
# For a batch of N, targets are class indices or class probabilities.
#
# - Indices are int64 or uint8, of shape ``(N,)``. Below, float32 and int32 indices need
#   ``.long()``, and the shape ``(4, 1)`` needs ``.squeeze(1)``. Older versions wrote
#   "expected scalar type Long but found Float".
# - Probabilities are floating point, in the shape of the logits. One-hot targets need
#   only a cast to floating point, and then give the loss of the indices. With
#   ``weight=``, the two losses differ: for probabilities, the mean divides by N, not by
#   the sum of the weights.
# - For pixels, logits are ``(N, C, H, W)`` and indices ``(N, H, W)``. A uint8 mask
#   needs ``.long()`` there.

logits, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
one_hot = nn.functional.one_hot(targets, 3)
refused = 0
for wrong in (targets.float(), targets.int(), targets.unsqueeze(1), one_hot):
    try:
        loss_fn(logits, wrong)
    except RuntimeError as error:
        refused += 1
        print(f"{wrong.dtype} {tuple(wrong.shape)}: {error}")
torch.testing.assert_close(loss_fn(logits, one_hot.float()), loss_fn(logits, targets))
assert refused == 4 and loss_fn(logits, targets.byte()) == loss_fn(logits, targets)

# %%
# Pitfall: the class dimension comes second
# -----------------------------------------
#
# For N sequences of length L and C classes the loss wants ``(N, C, L)``, while a linear
# last layer returns ``(N, L, C)``. The loss notices only when the sizes differ
# ("Expected target size"). Here the length equals the number of classes, and correct,
# confident logits get a high loss without a complaint.

targets = torch.tensor([[1, 2, 0], [2, 2, 1]])  # (N=2, L=3)
logits = 10.0 * nn.functional.one_hot(targets, 3)  # (N=2, L=3, C=3), all correct
print(f"(N, L, C): {loss_fn(logits, targets).item():.4f}")
print(f"(N, C, L): {loss_fn(logits.transpose(1, 2), targets).item():.4f}")
assert loss_fn(logits, targets) > 1 > 1e-3 > loss_fn(logits.transpose(1, 2), targets)

# %%
# In your project
# ---------------
#
# A language model predicts the next token, so its targets are the tokens one place
# later. (Given ``labels``, the causal models of Hugging Face shift by themselves: do
# not shift twice.) Flatten the logits to ``(N * L, C)``, the targets to ``(N * L,)``.
# Apply ``softmax`` in prediction, not in the model.
#
# Targets of -100 are left out (``ignore_index=0`` would do the same here). If padding
# has the id of the end token, mask by length: the end must be learned. A batch with
# nothing but padding has the loss ``nan``, which spoils a mean in your log.

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
model = nn.Sequential(nn.Embedding(50, 32), nn.Linear(32, 50)).to(device)
tokens = torch.randint(1, 50, (4, 12), device=device)
tokens[0, 8:] = 0  # padding
later = tokens[:, 1:]  # new: the next token
targets = later.masked_fill(later == 0, -100)
logits = model(tokens[:, :-1])  # (4, 11, 50)
loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())  # new
loss.backward()
probabilities = logits.detach().softmax(dim=-1)  # new: after the model

# %%
# Check these lines
# -----------------
#
# The loss is the mean of minus the logarithm of the next token's probability, padding
# left out. For two classes with one output, or for several labels at once, the same
# mistake is a sigmoid before :class:`torch.nn.BCEWithLogitsLoss`, which contains a
# sigmoid.

by_hand = []
for row, after in zip(probabilities, tokens[:, 1:], strict=True):
    by_hand += [-p[t].log() for p, t in zip(row, after, strict=True) if t != 0]
torch.testing.assert_close(loss.detach(), torch.stack(by_hand).mean())
print(f"{len(by_hand)} of {targets.numel()} targets count, loss {loss.item():.2f}")
empty = nn.functional.cross_entropy(logits[0], torch.full_like(targets[0], -100))
print("nothing but padding:", empty.item())
assert empty.isnan() and len(by_hand) == 40

# %%
# Learn more
# ----------
#
# - Another silent mistake: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - ``Target 3 is out of bounds``, or a device-side assert:
#   :ref:`sphx_glr_recipes_recipes_error_index_out_of_range.py`
# - Follow the dimensions: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - API: :class:`torch.nn.CrossEntropyLoss`, :func:`torch.nn.functional.one_hot`
