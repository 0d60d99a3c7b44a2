# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Losses", "Tensors"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "MSELoss shape warning", "target size different to input size",
#   "loss does not decrease", "model predicts the mean", "model predicts a constant",
#   "regression target shape", "squeeze or unsqueeze the target",
#   "unsqueeze adds a dimension", "how broadcasting works", "broadcast semantics",
#   "custom loss function",
# ]
# errors = [
#   "Using a target size", "Target size (torch.Size([16])) must be the same",
# ]
# ///
"""
Avoid broadcasting pitfalls in the loss
=======================================

Spot the shape mistake that raises no error and teaches the model the mean of the data.

Why it matters: a layer returns outputs of shape ``(n, 1)``, a data set holds targets of
shape ``(n,)``. Subtract them, and broadcasting turns n errors into an n by n table. The
loss is a single number either way, and it falls during training either way. Give
outputs and targets the same shape, and put an ``assert`` before the loss.
"""

# %%
# Setting: a line to fit
# ----------------------
#
# Sixteen noisy points, a linear model, and a squared error written by hand. Targets
# without a second dimension are what a column of a table gives you.

import warnings

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.linspace(-1, 1, 16).unsqueeze(1)
targets = 2 * inputs[:, 0] + 1 + 0.3 * torch.randn(16)
print("inputs", tuple(inputs.shape), "targets", tuple(targets.shape))


def loss_fn(outputs, targets):
    return ((outputs - targets) ** 2).mean()


# %%
# See the problem: it trains, and learns the mean
# -----------------------------------------------
#
# The loss falls, as it should. But the slope that generated the data is 2,
# and the fitted one is 0: the model answers every input with the mean of the targets.


def train(targets):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(500):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if step in (0, 499):
            print(f"step {step:3}: loss {loss:.2f}")
    slope, intercept = model.weight.item(), model.bias.item()
    print(f"slope {slope:z.2f}, intercept {intercept:.2f}")  # z: no minus before 0.00
    return model


naive = train(targets)

# %%
# The cause is one shape. Broadcasting aligns shapes from the right: ``(16, 1)`` with
# ``(16,)`` becomes ``(16, 16)``, every output minus every target. Only the diagonal of
# that table was meant.

print(f"mean of the targets: {targets.mean():.2f}")
print("shape of outputs - targets:", tuple((naive(inputs) - targets).shape))

# %%
# The idea: give both the same shape
# ----------------------------------
#
# ``targets.unsqueeze(1)`` is the one change. The answer to compare with comes from
# :func:`torch.linalg.lstsq`, which solves for slope and intercept directly.

column = targets.unsqueeze(1)
fixed = train(column)
design = torch.cat([inputs, torch.ones_like(inputs)], dim=1)
slope, intercept = torch.linalg.lstsq(design, column).solution.flatten().tolist()
print(f"least squares: slope {slope:.2f}, intercept {intercept:.2f}")
assert abs(fixed.weight.item() - slope) < 1e-3
assert abs(fixed.bias.item() - intercept) < 1e-3
assert abs(naive.weight.item()) < 1e-2  # the flat line
assert abs(naive.bias.item() - targets.mean().item()) < 1e-2

# %%
outputs = fixed(inputs).detach()
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
image = axes[0].imshow((outputs - targets).numpy() ** 2, cmap="cividis")
axes[0].plot(range(16), range(16), "wo", mfc="none")
axes[0].set(xlabel="number of the target", ylabel="number of the output")
axes[0].set_title(f"{len(targets) ** 2} errors, only the circles meant")
fig.colorbar(image, ax=axes[0], label="squared error")
axes[1].plot(inputs, targets, "k.", label="data")
axes[1].plot(inputs, naive(inputs).detach(), "C1--", label="(16, 1) with (16,)")
axes[1].plot(inputs, outputs, "C0-", label="(16, 1) with (16, 1)")
axes[1].set(xlabel="input", ylabel="output", title="Broadcast, the fit is flat")
axes[1].legend()
plt.show()

# %%
# Why the mean
# ------------
#
# Averaged over the table, the loss is the mean squared error *plus* twice the
# covariance of outputs and targets. Outputs that follow the targets are punished. (With
# an absolute error, the model learns the median.)

wrong, right = loss_fn(outputs, targets), loss_fn(outputs, column)
covariance = ((outputs - outputs.mean()) * (column - column.mean())).mean()
print(f"broadcast {wrong:.3f} = error {right:.3f} + 2 * covariance {covariance:.3f}")
assert torch.allclose(wrong, right + 2 * covariance)

# %%
# Pitfall: who tells you
# ----------------------
#
# ``MSELoss``, ``L1Loss``, ``SmoothL1Loss`` and ``HuberLoss`` only warn, by default once
# for each pair of sizes. ``BCELoss`` and ``BCEWithLogitsLoss`` raise.
# ``PoissonNLLLoss`` and ``GaussianNLLLoss`` do neither. A comparison does neither: here
# perfect predictions for two balanced classes score one half. Check the shapes
# yourself, with an ``assert``, before such a loss and wherever you write the formula.

labels = torch.arange(16) % 2
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for loss_class in (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss):
        loss_class()(outputs, targets)
print("MSELoss:", caught[0].category.__name__, caught[0].message)
print(len(caught), "of 4 losses warn")
try:
    nn.BCEWithLogitsLoss()(outputs, labels.float())
except ValueError as error:
    print("BCEWithLogitsLoss:", type(error).__name__, error)
predictions = labels.unsqueeze(1)
accuracy = (predictions == labels).float().mean().item()
print("accuracy of perfect predictions:", accuracy)
assert accuracy == 0.5 and len(caught) == 4

# %%
# In your project
# ---------------
#
# One ``assert`` before the loss finds the mistake at the first batch. ``squeeze(-1)``
# drops the last dimension of the outputs if its size is 1. Plain ``squeeze()`` would
# drop the batch too, when the batch has one sample. If your targets have shape
# ``(n, 1)``, leave ``squeeze(-1)`` out.

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
model = nn.Linear(1, 1).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
for x, y in zip(inputs.split(5), targets.split(5), strict=True):
    outputs, y = model(x.to(device)).squeeze(-1), y.to(device)  # new
    assert outputs.shape == y.shape, (outputs.shape, y.shape)  # new
    loss = ((outputs - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - The shapes of yes/no answers:
#   :ref:`sphx_glr_recipes_recipes_binary_and_multi_label_loss.py`
# - Pick one output per sample: :ref:`sphx_glr_recipes_recipes_gather_and_indexing.py`
# - Write a loss yourself: :ref:`sphx_glr_recipes_recipes_custom_loss.py`
