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
# errors = [
#   'Unexpected key(s) in state_dict: "n_averaged"',
# ]
# ///
"""
Average the weights during training
===================================

Keep a running average of the weights beside the model, and evaluate the average.

Why it matters: with small batches and a constant learning rate, the weights never come
to rest. They jump around a good place, and which of the jumps your last checkpoint
caught is luck. An average over the last steps takes most of the noise out, for one
more copy of the weights. While the loss still falls, a careless average lags behind.
"""

# %%
# A noisy problem
# ---------------
#
# The targets for training carry noise of variance 1, those for testing none. float64
# keeps differences in rounding between machines out of the curves.

from pathlib import Path

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
# decay is 0.99. The result is an exponential moving average (EMA), of about the last
# 100 steps. ``recent`` leaves ``use_buffers`` out, for the comparison below.
# ``history`` keeps a bias of every step, to check the average.

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
# The loss was measured at every fifth step. The model's loss swings, depending on the
# step. The loss of the average swings less, and is nearly always lower.

swings = {}
for name, values in [("model", losses[-40:]), ("average", ema_losses[-40:])]:
    swings[name] = max(values) / min(values)
    print(f"{name:7} loss from {min(values):.3f} to {max(values):.3f}")
pairs = zip(losses[-40:], ema_losses[-40:], strict=True)
share = sum(e < m for m, e in pairs) / 40
print(f"average better in {share:.0%} of the measurements")
assert share > 0.8 and swings["model"] > 1.5 > swings["average"]

# %%

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
steps = range(0, 1000, 5)
ax.plot(steps, losses, color="tab:orange", linewidth=1, label="weights of the step")
ax.plot(steps, ema_losses, color="tab:blue", linewidth=2.5, label="averaged weights")
ax.set(title="Constant learning rate: averaged weights do not jump", ylim=(0, 0.6))
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
print(f"bias of the model {history[-1]:.4f}, averaged {found.item():.4f}", end=", ")
print(f"by the definition {expected:.4f}")
assert abs(found.item() - expected) < 1e-12 < abs(history[-1] - expected)

# %%
# When it is not so: the loss still falls
# ---------------------------------------
#
# The average helps when the weights jump around one place. While the weights are on
# their way there, the average lags behind. Train a fresh model with a small learning
# rate and a decay of 0.999. After 240 steps, most of the average is still the weights
# of the first step. The cure is a decay that grows with the number of updates ``n``.
# Such an average covers about the last tenth of the steps.


def warm(averaged, current, n):  # two lists, of tensors of one dtype
    decay = ((1 + n) / (10 + n)).clamp(max=0.999)  # a tensor, as n is
    for old, new in zip(averaged, current, strict=True):
        if old.is_floating_point():
            old.lerp_(new, (1 - decay).to(old.dtype))
        else:  # a counter, or a table of indices
            old.copy_(new)


def fresh():
    layers = [nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1)]
    model = nn.Sequential(*layers).double()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


# %%

young, optimizer = fresh()
fixed = AveragedModel(young, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
grown = AveragedModel(young, multi_avg_fn=warm, use_buffers=True)
for _ in range(240):
    index = torch.randint(768, (16,))
    optimizer.zero_grad()
    loss_fn(young(inputs[index]), targets[index]).backward()
    optimizer.step()
    fixed.update_parameters(young)
    grown.update_parameters(young)
lags = {"model": young, "fixed decay": fixed, "growing decay": grown}
lags = {name: test_loss(part) for name, part in lags.items()}
print(*[f"{name} {loss:.3f}" for name, loss in lags.items()], sep=", ")
share = (lags["growing decay"] - lags["model"]) / (lags["fixed decay"] - lags["model"])
assert lags["model"] < 0.95 * lags["fixed decay"] and share < 0.4

# %%
# Another exception: buffers are not parameters
# ---------------------------------------------
#
# The running variance of the batch normalization is a buffer. By default the average
# takes over the buffers of the last step, which belong to other weights.
# ``use_buffers=True`` averages the buffers. :func:`torch.optim.swa_utils.update_bn`
# computes them anew, from data and the averaged weights. The measure is the variance of
# the first layer's outputs over all the data.


def error_of_variance(averaged):
    hidden = averaged.module[0](inputs).detach()
    ratio = averaged.module[1].running_var / hidden.var(dim=0)
    return (ratio - 1).abs().max().item()


errors = {"default": error_of_variance(recent), "use_buffers": error_of_variance(ema)}
update_bn([inputs], recent)
errors["update_bn"] = error_of_variance(recent)
for name, error in errors.items():
    print(f"{name:11} off by up to {error:.2%}")
assert errors["update_bn"] < 1e-4 < errors["use_buffers"] < errors["default"]

# %%
# The names differ as well: the average wraps the model. Deploy ``ema.module``.

refused = False
try:
    model.load_state_dict(ema.state_dict())
except RuntimeError as error:
    refused = True
    print(error)
assert refused

# %%
# In your project
# ---------------
#
# - Copy ``warm``. Validate with ``ema.module.eval()``, and train on with ``model``.
# - Save the average and load it again, or it starts anew after a restart.
# - With DDP, average ``model.module``.
# - A decay of 0.999 averages about the last 1,000 steps. ``warm`` reaches it after
#   9,000; until then, ``warm`` averages about the last tenth of the steps.
# - In bfloat16, rounding swallows steps of one thousandth: keep the model's weights in
#   float32.
# - ``warm`` copies integers: ``get_ema_multi_avg_fn`` can round a table of indices
#   down.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = fresh()[0].float().to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
ema = AveragedModel(model, multi_avg_fn=warm, use_buffers=True)  # new
for x, y in zip(inputs.float().split(16), targets.float().split(16), strict=True):
    loss_fn(model(x.to(device)), y.to(device)).backward()
    optimizer.step()
    optimizer.zero_grad()
    ema.update_parameters(model)  # new
checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
checkpoint["ema"] = ema.state_dict()  # new
torch.save(checkpoint, "checkpoint.pt")

# %%
# Check these lines
# -----------------
#
# After a restart the average goes on with its counter, and keeps up with its model.

loaded = torch.load("checkpoint.pt", weights_only=True)
young = fresh()[0].float().to(device)
resumed = AveragedModel(young, multi_avg_fn=warm, use_buffers=True)
resumed.load_state_dict(loaded["ema"])
deployed = resumed.module.eval()
x, y = test_inputs.float().to(device), test_targets.float().to(device)
with torch.no_grad():
    ema_loss, loss = (loss_fn(m(x), y).item() for m in (deployed, model.eval()))
print(f"updates: {resumed.n_averaged}, loss {ema_loss:.2f}, of the model {loss:.2f}")
assert resumed.n_averaged == deployed[1].num_batches_tracked == 48
assert ema_loss < 1.1 * loss
Path("checkpoint.pt").unlink()

# %%
# Learn more
# ----------
#
# - Lower the noise instead: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - Buffers and modes: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - End at the best epoch: :ref:`sphx_glr_recipes_recipes_early_stopping.py`
# - Noise of single examples: :ref:`sphx_glr_recipes_recipes_per_sample_gradients.py`
