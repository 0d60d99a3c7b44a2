# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "model.eval()", "model.train()", "dropout", "batch norm at inference",
#   "different results at test time", "evaluation mode", "F.dropout",
#   "functional dropout", "random predictions", "nn.functional or nn.Module layers",
# ]
# ///
"""
Switch between train and eval modes
===================================

Get one answer per input, by telling a model whether it is being trained or used.

Why it matters: in training mode, dropout zeroes values at random and batch
normalization looks at the other samples of the batch. A model tested or deployed that
way gives answers that change with the call and the batch, and mostly worse ones.
"""

# %%
# A model with dropout and batch normalization
# --------------------------------------------
#
# Points of five classes in 20 dimensions, 1000 to train on and 2000 for the test. A new
# module is in training mode, and stays in it until you switch.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
targets = torch.randint(5, (3000,))
inputs = torch.randn(5, 20)[targets] + 1.5 * torch.randn(3000, 20)
test_inputs, test_targets = inputs[1000:], targets[1000:]
first, norm, last = nn.Linear(20, 64, bias=False), nn.BatchNorm1d(64), nn.Linear(64, 5)
model = nn.Sequential(first, norm, nn.ReLU(), nn.Dropout(0.5), last)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for rows in torch.arange(1000).repeat(5).split(50):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
    optimizer.step()

# %%
# Tested in training mode
# -----------------------
#
# Score one test sample, by the probability of its class, in five batches, each time
# with three other samples. Then test on the whole set, in batches of 4.
# :class:`torch.no_grad` is on, and rightly so, but it only stops gradients: the layers
# go on as in training. The running averages of :class:`torch.nn.BatchNorm1d` even learn
# from the test data.


@torch.no_grad()
def scores(model):
    others = torch.randint(1, 2000, (5, 3)).tolist()
    logits = torch.stack([model(test_inputs[[0, *three]])[0] for three in others])
    return [round(p, 2) for p in logits.softmax(1)[:, test_targets[0]].tolist()]


# %%


@torch.no_grad()
def accuracy(model, batch_size):
    device = next(model.parameters()).device
    batches = test_inputs.to(device).split(batch_size)
    logits = torch.cat([model(batch) for batch in batches]).cpu()
    return (logits.argmax(1) == test_targets).float().mean().item()


used = copy.deepcopy(model)
train_scores, train_accuracy = scores(used), accuracy(used, 4)
print("one sample's score:", train_scores, f" test accuracy {train_accuracy:.2f}")
unchanged = torch.equal(used[1].running_mean, model[1].running_mean)
print("averages unchanged:", unchanged)
assert len(set(train_scores)) > 1 and not unchanged

# %%
# Tested in evaluation mode
# -------------------------
#
# :meth:`torch.nn.Module.eval` sets ``training`` to ``False`` in the model and in all
# modules within. Dropout then passes everything on and batch normalization uses its
# running averages. The model is then a fixed formula, up to rounding, and the second
# half of the cell computes the formula by hand. Go back with
# :meth:`torch.nn.Module.train` before you train on.

model.eval()
eval_scores, eval_accuracy = scores(model), accuracy(model, 4)
print("train mode:", train_scores, f" test accuracy {train_accuracy:.2f}")
print("eval mode: ", eval_scores, f" test accuracy {eval_accuracy:.2f}")
assert len(set(eval_scores)) == 1 and eval_accuracy > train_accuracy + 0.1

hidden = (first(test_inputs) - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
by_hand = last((hidden * norm.weight + norm.bias).relu())
in_fours = torch.cat([model(batch) for batch in test_inputs.split(4)])
torch.testing.assert_close(in_fours, by_hand, atol=1e-4, rtol=1e-4)

# %%
# In training mode, the batch size changes the result of a test: the mean and variance
# of two samples say little about the data. The mean and variance of 256 say more.

sizes = [2, 4, 8, 16, 32, 64, 128, 256]
train_mode = [100 * accuracy(copy.deepcopy(model).train(), n) for n in sizes]
eval_mode = [100 * accuracy(model, n) for n in sizes]
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.semilogx(sizes, eval_mode, "o-", base=2, color="tab:blue", label="model.eval()")
ax.semilogx(sizes, train_mode, "s--", base=2, color="tab:orange", label="model.train()")
ax.set(xlabel="test batch size (samples)", ylabel="test accuracy (%)")
ax.set_title("One model: in training mode, small test batches ruin the accuracy")
ax.set_xticks(sizes, sizes)
ax.legend()
plt.show()

# %%
# When it is not so: functions do not know the mode
# -------------------------------------------------
#
# :func:`torch.nn.functional.dropout` drops by default, whatever the mode of the module
# that calls it. Use :class:`torch.nn.Dropout`, or pass ``training=self.training`` in
# your ``forward``. ``scaled_dot_product_attention`` has no ``training``: pass
# ``dropout_p=self.p if self.training else 0.0``.

ones = torch.ones(10000)
dropped = nn.functional.dropout(ones)
passed = nn.functional.dropout(ones, training=model.training)
print("model.training:", model.training)
print(f"dropout(x):                          {(dropped == 0).float().mean():.0%} zeros")
print(f"dropout(x, training=model.training): {(passed == 0).float().mean():.0%} zeros")

assert (dropped == 0).any() and not (passed == 0).any()

# %%
# Two more layers do not follow ``eval()``. A layer in a plain Python list keeps its
# mode: use :class:`torch.nn.ModuleList`. Batch normalization that was built with
# ``track_running_stats=False`` has no running averages, and looks at the batch in both
# modes.

holder = nn.Module()
holder.layers = [nn.Dropout()]
holder.eval()
print("after eval(), dropout in a list is in training mode:", holder.layers[0].training)
untracked = nn.BatchNorm1d(20, track_running_stats=False).eval()
change = (untracked(test_inputs[:4])[0] - untracked(test_inputs)[0]).abs().max().item()
print(f"track_running_stats=False: another batch changes a value by {change:.2f}")
assert holder.layers[0].training and change > 0.1

# %%
# In your project
# ---------------
#
# Each phase sets its own mode, so that the order of the phases does not matter.
#
# Three things can go wrong with batch normalization:
#
# - In training, :class:`~torch.nn.BatchNorm1d` raises for a batch of a single vector.
#   If your last batch can be so small, use ``drop_last=True`` in the ``DataLoader`` for
#   training.
# - If a model is worse in evaluation mode, its running averages may not fit the test
#   data: too few steps, tiny batches, or other scaling.
# - ``model.train()`` switches frozen layers, too, and their averages change. So call
#   ``eval()`` on frozen layers after each ``model.train()``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model.to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _epoch in range(2):
    model.train()  # before the first batch of training
    for rows in torch.randperm(1000).split(50):
        outputs, y = model(inputs[rows].to(device)), targets[rows].to(device)
        optimizer.zero_grad()
        nn.functional.cross_entropy(outputs, y).backward()
        optimizer.step()
    model.eval()  # before the first batch of the test
    tested = accuracy(model, 256)

# %%
# Check
# -----
#
# The model beats the accuracy of training mode, and ends in evaluation mode.

print(f"test accuracy {tested:.2f}, left in training mode: {model.training}")
assert tested > train_accuracy + 0.1 and not model.training

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_error_batch_norm_needs_two_values.py`
# - :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
# - :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - :ref:`sphx_glr_recipes_recipes_saving_and_loading_models_for_inference.py`
