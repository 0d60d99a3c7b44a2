# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["train_and_eval_modes", "what_is_state_dict"]
# timeout = 120
# searched_as = [
#   "EMA", "exponential moving average", "SWA", "stochastic weight averaging",
#   "AveragedModel", "Polyak averaging", "update_bn", "teacher weights",
# ]
# ///
"""
Average the weights during training
===================================

Keep a running average of the weights beside the model, and evaluate that instead.

Why it matters: with small batches and a constant learning rate, the weights never come
to rest. They jump around a good place, and which of the jumps your last checkpoint
caught is luck. An average over the last steps takes most of the noise out, for one
more copy of the weights.
"""

# %%
# A noisy problem
# ---------------
#
# The targets for training carry noise of variance 1, those for testing none. float64
# keeps differences in rounding between machines out of the curves.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

torch.manual_seed(0)
data = torch.randn(1024, 8).double()
clean = torch.tanh(data[:, :1] * data[:, 1:2])
inputs, test_inputs = data.split([768, 256])
targets, test_targets = clean.split([768, 256])
targets = targets + torch.randn(768, 1)
loss_fn, hidden = nn.MSELoss(), [nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU()]
model = nn.Sequential(*hidden, nn.Linear(32, 1)).double()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

# %%
# The loss that counts is the one in evaluation mode.


def test_loss(model):
    model.eval()
    with torch.no_grad():
        loss = loss_fn(model(test_inputs), test_targets).item()
    model.train()
    return loss


# %%
# An average beside the model
# ---------------------------
#
# :class:`torch.optim.swa_utils.AveragedModel` copies the model. After each step,
# ``update_parameters`` moves the copy one percent of the way to the model, because the
# decay is 0.99: an exponential moving average (EMA), of about the last 100 steps.
# ``recent`` leaves ``use_buffers`` out, for the pitfall below. ``history`` keeps a bias
# of every step, to check the average.

average = get_ema_multi_avg_fn(0.99)
ema = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
recent = AveragedModel(model, multi_avg_fn=average)
losses, ema_losses, history = [], [], []
for step in range(1000):
    index = torch.randint(768, (16,))
    optimizer.zero_grad()
    loss_fn(model(inputs[index]), targets[index]).backward()
    optimizer.step()
    ema.update_parameters(model)
    recent.update_parameters(model)
    history.append(model[-1].bias.item())
    if step % 5 == 0:
        losses.append(test_loss(model))
        ema_losses.append(test_loss(ema))

# %%
# The last 200 steps
# ------------------
#
# The loss was measured at every fifth step. The worst one of the model is more than
# 1.5 times the best one. For the average it is not, and in more than 8 of 10
# measurements the average is the better one at the same step.

for name, values in [("model", losses), ("average", ema_losses)]:
    swing = max(values[-40:]) / min(values[-40:])
    print(f"{name:7} worst loss more than 1.5 times the best: {swing > 1.5}")
pairs = zip(losses[-40:], ema_losses[-40:], strict=True)
share = sum(e < m for m, e in pairs) / 40
print(f"average better in more than 8 of 10 measurements: {share > 0.8}")
assert share > 0.8

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
steps = range(0, 1000, 5)
ax.plot(steps, losses, color="tab:orange", linewidth=1, label="weights of the step")
ax.plot(steps, ema_losses, color="tab:blue", linewidth=2.5, label="averaged weights")
ax.set(title="Averaged weights do not jump", ylim=(0, 0.6))
ax.set(xlabel="step", ylabel="loss on clean test data")
ax.legend()
plt.show()

# %%
# Check the average
# -----------------
#
# By its definition, the first update copies, and each later one adds 0.01 of the model
# to 0.99 of the average.

expected = history[0]
for value in history[1:]:
    expected = 0.99 * expected + 0.01 * value
found = ema.module[-1].bias
print(f"bias of the model {history[-1]:.4f}, averaged {found.item():.4f}")
print(f"difference from the definition < 1e-12: {abs(found.item() - expected) < 1e-12}")
assert abs(found.item() - expected) < 1e-12 < abs(history[-1] - expected)

# %%
# Pitfall: buffers are not parameters
# -----------------------------------
#
# The running variance of the batch normalization is a buffer. By default the average
# takes over the buffers of the last step, which belong to other weights.
# ``use_buffers=True`` averages them as well.
# :func:`torch.optim.swa_utils.update_bn` computes them from data for the weights at
# hand. The measure is the variance of the first layer's outputs over all the data.


def error_of_variance(averaged):
    hidden = averaged.module[0](inputs).detach()
    ratio = averaged.module[1].running_var / hidden.var(dim=0)
    return (ratio - 1).abs().max().item()


errors = {"default": error_of_variance(recent), "use_buffers": error_of_variance(ema)}
update_bn([inputs], recent)
errors["update_bn"] = error_of_variance(recent)
for name, error in errors.items():
    print(f"{name:11} off by more than 10%: {error > 0.1}, 0.1%: {error > 0.001}")
assert errors["update_bn"] < 1e-4 < errors["use_buffers"] < errors["default"]

# %%
# For evaluation call ``ema.eval()``, as for any module. Save ``ema.state_dict()`` in
# the checkpoint together with the model, or the average starts anew after a restart.
#
# Learn more
# ----------
#
# - Lower the noise instead: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - Buffers and modes: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - Noise of single examples: :ref:`sphx_glr_recipes_recipes_per_sample_gradients.py`
