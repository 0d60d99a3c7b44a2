# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Losses", "Errors"]
# after = ["cross_entropy_inputs"]
# timeout = 60
# searched_as = [
#   "binary classification", "binary cross entropy", "BCE loss", "log loss",
#   "multilabel classification", "several classes per image", "sigmoid or softmax",
#   "sigmoid twice", "decision threshold", "float labels", "negative loss",
#   "BCELoss under autocast",
# ]
# errors = [
#   "all elements of input should be between 0 and 1",
#   "all elements of target should be between 0 and 1",
#   "result type Float can't be cast to the desired output type Long",
#   "Found dtype Long but expected Float",
#   "must be the same as input size",
#   "is deprecated. Please ensure they have the same size.",
# ]
# older_errors = [
#   "Assertion `input_val >= zero && input_val <= one` failed",
#   "torch.nn.BCELoss are unsafe to autocast",
#   '''Expected object of scalar type Float but got scalar type Long for argument #2
#   'target'''',
#   '''Assertion `x >= 0. && x <= 1.' failed. input value should be between
#   0~1''',
# ]
# ///
"""
Train yes/no answers with BCEWithLogitsLoss, and mend its errors
================================================================

Train one or many yes/no answers from scores, and read six errors of the BCE losses.

Why it matters: a photo can show a dog, a cat, both or neither. Each label is a yes/no
question, and :class:`torch.nn.BCEWithLogitsLoss` asks all of them at once. Its sister
``BCELoss`` takes other inputs, and both refuse the labels that most files hold.
"""

# %%
# Six messages
# ------------
#
# Four photos, one score and one label for each. A score may be any number, and a model
# without a last sigmoid returns scores. The labels are integers, as in a file.

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
scores = torch.tensor([[2.5], [-1.0], [0.3], [-3.0]])  # (4, 1): like nn.Linear(8, 1)
labels = torch.tensor([1, 0, 1, 0])  # (4,), int64
column = labels.unsqueeze(1)  # (4, 1)
bce, bce_logits = nn.BCELoss(), nn.BCEWithLogitsLoss()

# %%

calls = {
    "scores into BCELoss": (bce, scores, column.float()),
    "labels of 1 and 2": (bce, scores.sigmoid(), 1.0 + column),
    "int64 labels, BCELoss": (bce, scores.sigmoid(), column),
    "int64 labels, BCEWithLogitsLoss": (bce_logits, scores, column),
    "one dimension less, BCELoss": (bce, scores.sigmoid(), labels.float()),
    "one dimension less": (bce_logits, scores, labels.float()),
}

# %%
raised = 0
for name, (loss_fn, outputs, targets) in calls.items():
    try:
        loss_fn(outputs, targets)
    except (RuntimeError, ValueError) as error:
        print(f"{name}\n  {type(error).__name__}: {error}")
        raised += 1
assert raised == len(calls) == 6

# %%
# How to read them
# ----------------
#
# - ``all elements of input`` speaks of the model's outputs. ``BCELoss`` takes
#   probabilities, and it got scores. An output of ``nan`` gives the same message.
# - ``all elements of target`` speaks of the labels, which must lie from 0 to 1.
# - ``Float`` and ``Long`` are dtypes: float32 and int64. The loss computes with the
#   labels as numbers, so they must be floating point, even if they are only 0 and 1.
#   Boolean labels can give a message about ``Subtraction``, with the same mend.
# - ``Target size`` has the labels' shape first and the outputs' shape last. Outputs of
#   ``[4, 2]`` for a single yes/no question: the model has one output too many. End the
#   model with ``nn.Linear(8, 1)``, or keep two outputs and use ``CrossEntropyLoss``.
#
# Three lines before the loss tell these causes apart. On a CUDA GPU, the first message
# is ``Assertion `input_val >= zero && input_val <= one` failed``: run one batch on the
# CPU. Mixed precision on a GPU refuses ``BCELoss`` as "unsafe to autocast".


def report(outputs, targets):
    low, high = (round(x.item(), 2) for x in outputs.aminmax())
    print("outputs", tuple(outputs.shape), outputs.dtype, "from", low, "to", high)
    print("targets", tuple(targets.shape), targets.dtype, targets.unique().tolist())
    print("nan in the outputs:", outputs.isnan().any().item())


report(scores, labels)

# %%
# The mend: scores, and float labels of the same shape
# ----------------------------------------------------
#
# Leave the model without a sigmoid: ``BCEWithLogitsLoss`` contains it. ``.float()``
# mends the dtype, ``.unsqueeze(1)`` the shape. As a check, take the logarithm of each
# photo's probability for the right answer, in Python's own float64.

loss = bce_logits(scores, column.float())
pairs = zip(scores[:, 0].tolist(), labels.tolist(), strict=True)
signed = [z if y else -z for z, y in pairs]
expected = sum(-math.log(1 / (1 + math.exp(-z))) for z in signed) / 4
print(f"loss {loss:.6f}, by the formula {expected:.6f}")
assert math.isclose(loss, expected, rel_tol=1e-6)

# %%
# Why not a sigmoid and BCELoss
# -----------------------------
#
# It is the same formula until a score is large. In float32, the sigmoid of 20 is 1; in
# bfloat16, the sigmoid of 7 is 1 as well. If the label is 0, the loss needs the
# logarithm of 0. ``BCELoss`` limits the loss to 100, and the score's gradient is 0: the
# worst mistake teaches nothing. The true loss is :math:`\log(1 + e^{20})`.

gradients = {}
score = 20.0
lasts = {"BCELoss": (bce, nn.Sigmoid()), "logits": (bce_logits, nn.Identity())}
for name, (loss_fn, last) in lasts.items():
    z = torch.tensor([score], requires_grad=True)
    loss = loss_fn(last(z), torch.tensor([0.0]))
    loss.backward()
    gradients[name] = z.grad.item()
    print(f"{name:7} loss {loss.item():6.2f}, gradient {z.grad.item():.2f}")
print(f"true    loss {math.log1p(math.exp(score)):6.2f}")
assert gradients["BCELoss"] == 0 and abs(gradients["logits"] - 1) < 1e-6
assert math.isclose(loss.item(), math.log1p(math.exp(score)), rel_tol=1e-6)
assert torch.tensor(7.0, dtype=torch.bfloat16).sigmoid() == 1

# %%
# When no error comes
# -------------------
#
# ``BCEWithLogitsLoss`` does not check the range of the labels. With labels of 1 and 2,
# training pushes every score up. The loss falls below zero, and goes on falling. Here
# the scores are large already. Assert the range where you load the data.

wrong = bce_logits(10 * scores.abs(), 1.0 + column).item()
print(f"loss with labels of 1 and 2: {wrong:.1f}")
assert wrong < 0

# %%
# Data with three labels
# ----------------------
#
# Here the numbers are drawn, and the last of three labels is rare.

inputs = torch.randn(3000, 8)
truth = 1.2 * nn.functional.normalize(torch.randn(8, 3), dim=0)
chances = (inputs @ truth + torch.tensor([1.0, 0.0, -3.0])).sigmoid()
answers = torch.bernoulli(chances).long()  # (3000, 3), int64

# %%
# In your project
# ---------------
#
# Several labels for a photo: one output for each, and a row of zeros and ones as its
# label. For one question, the last layer is ``nn.Linear(8, 1)`` and the target is
# ``y.float().unsqueeze(1)``. An unknown label is not a 0: with ``reduction="none"``,
# you can leave its loss out of the mean. For a rare yes there is ``pos_weight``: follow
# the link "A rare yes" at the end of this page.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
loader = DataLoader(TensorDataset(inputs, answers), batch_size=10, shuffle=True)
model, loss_fn = nn.Linear(8, 3).to(device), nn.BCEWithLogitsLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
for x, y in loader:
    loss = loss_fn(model(x.to(device)), y.float().to(device))  # new: scores, floats
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# From scores to answers
# ----------------------
#
# ``sigmoid`` makes a score a probability. Here the true chances are known, and the
# model comes close to them. A threshold makes a probability an answer. The usual 0.5
# seldom says yes to the rare label: choose a lower threshold for it, on validation
# data.

with torch.no_grad():
    probabilities = model(inputs.to(device)).sigmoid().cpu()
shares = {"true": answers.float().mean(0)}
for threshold in (0.5, 0.2):
    shares[f"> {threshold}"] = (probabilities > threshold).float().mean(0)
for name, share in shares.items():
    print(f"share of yes, {name:5}", [round(s, 2) for s in share.tolist()])
assert shares["> 0.5"][2] < shares["true"][2] / 2 < shares["> 0.2"][2]
difference = (probabilities - chances).abs().mean().item()
print(f"mean distance from the true chances: {difference:.3f}")
assert difference < 0.08

# %%
# Learn more
# ----------
#
# - One right class of many: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - The same shapes in other losses:
#   :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - A rare yes: :ref:`sphx_glr_recipes_recipes_class_weights.py`
# - A source of ``nan``: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
# - API: :class:`torch.nn.BCEWithLogitsLoss`, :class:`torch.nn.BCELoss`
