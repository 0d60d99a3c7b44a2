# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training"]
# after = ["lr_schedulers"]
# timeout = 60
# searched_as = [
#   "reduce learning rate on plateau", "change learning rate during training",
#   "set learning rate manually", "get current learning rate", "adaptive learning rate",
# ]
# errors = ["step() missing 1 required positional argument: 'metrics'"]
# ///
"""
Lower the learning rate on a plateau, or by hand
================================================

Lower the rate when the loss stops falling, or set it where the optimizer reads it.

Often you see only during a training that the loss no longer falls. The obvious line,
``optimizer.lr = 0.01``, raises nothing and changes nothing.
"""

# %%
# See the problem: a line without effect
# --------------------------------------
#
# Plain gradient descent moves a weight by rate times gradient. Here the gradient is 1.

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim.lr_scheduler import ReduceLROnPlateau

weight = nn.Parameter(torch.zeros(1))
optimizer = torch.optim.SGD([weight], lr=0.1)


def move():
    before = weight.item()
    weight.grad = torch.ones(1)
    optimizer.step()
    return round(before - weight.item(), 4)


optimizer.lr = 0.01  # a new attribute, which nobody reads
print("optimizer.lr = 0.01 moves by", naive := move())

# %%
# The rate stands in ``optimizer.param_groups``, once for each group. Read it and set it
# there. Schedulers such as ``LambdaLR`` or ``OneCycleLR`` overwrite it in their next
# step. A new optimizer would lose what the old one remembers, such as momentum. If the
# rate is a tensor, as for a CUDA graph, fill the tensor: ``group["lr"].fill_(0.01)``.

for group in optimizer.param_groups:
    group["lr"] = 0.01
print('group["lr"] = 0.01 moves by', move())
assert naive == 0.1 and move() == 0.01

# %%
# The idea: let the loss decide
# -----------------------------
#
# :class:`~torch.optim.lr_scheduler.ReduceLROnPlateau` gets the validation loss once per
# epoch. After more than ``patience`` epochs in a row without a new lowest loss, it
# multiplies the rate by ``factor``. The defaults are a patience of 10 and a factor of
# 0.1. ``patience`` counts calls of ``step``: if you validate every fifth epoch, a
# patience of 10 lasts 50 epochs.

torch.manual_seed(0)
x = torch.randn(1500, 20)
y = x @ torch.randn(20, 1) + torch.randn(1500, 1)
train_x, train_y, valid_x, valid_y = x[:1000], y[:1000], x[1000:], y[1000:]
exact = torch.linalg.lstsq(train_x, train_y).solution


@torch.no_grad()
def validate(model):
    model.eval()  # the loop must call train() again
    return mse_loss(model(valid_x.to(device)), valid_y.to(device)).item()


# %%


def train(patience):
    model = nn.Linear(20, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    scheduler = ReduceLROnPlateau(optimizer, patience=patience, min_lr=1e-5)
    rates, losses = [], []
    for _epoch in range(30):
        for rows in torch.randperm(1000).split(10):
            optimizer.zero_grad()
            mse_loss(model(train_x[rows]), train_y[rows]).backward()
            optimizer.step()
        losses.append(validate(model))
        scheduler.step(losses[-1])  # after the epoch, with its loss
        rates.append(optimizer.param_groups[0]["lr"])
    return (model.weight.T - exact).norm().item(), rates, losses


# %%
# Proof
# -----
#
# With a patience of 99, the rate is constant. Then the batches keep pushing the weights
# around the exact solution. With larger batches or a lower rate, they push less, and
# there is less to gain. The second half of the cell computes the rates by hand.

device = "cpu"
constant, _, _ = train(patience=99)
plateau, rates, losses = train(patience=2)
print(f"distance from the solution: constant {constant:.2f}, plateau {plateau:.3f}")
assert plateau < constant / 3

rate, best, bad, expected = 0.03, float("inf"), 0, []
for loss in losses:
    best, bad = (loss, 0) if loss < best * (1 - 1e-4) else (best, bad + 1)
    if bad > 2:
        rate, bad = max(rate * 0.1, 1e-5), 0
    expected.append(rate)
torch.testing.assert_close(rates, expected)

# %%
# What counts as lower
# --------------------
#
# With a patience of 2, the rate falls with the third bad epoch in a row. By default, a
# loss is good if it is lower than the best one by more than a ten-thousandth of it.
# ``nan`` is bad.


def rates_for(losses, **options):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, patience=2, **options)
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(round(scheduler.get_last_lr()[0], 6))
    return rates


for fall in (0.0, 0.00001, 0.001, float("nan")):
    print(f"{fall:.5f} lower:", rates_for([1 - fall * i for i in range(7)]))
assert rates_for([1.0] * 7) == [1.0] * 3 + [0.1] * 3 + [0.01]
assert rates_for([1 - 0.001 * i for i in range(7)]) == [1.0] * 7

# %%
# When it is not so: negative losses, accuracies
# ----------------------------------------------
#
# - Below 0, a level loss looks better each time, and the rate never falls. Pass
#   ``threshold_mode="abs"``.
# - For an accuracy, pass ``mode="max"``, or a rise lowers the rate.
# - ``step()`` without a loss raises the error below: pass the validation loss.

rising = [0.5 + 0.05 * i for i in range(5)]
print("level at -1:", rates_for([-1.0] * 5), "accuracy:", rates_for(rising))
assert rates_for([-1.0] * 5)[-1] == 1.0 == rates_for(rising, mode="max")[-1]
assert rates_for([-1.0] * 5, threshold_mode="abs")[-1] == 0.1 == rates_for(rising)[-1]
try:
    ReduceLROnPlateau(optimizer).step()
except TypeError as error:
    print(error)

# %%
# In your project
# ---------------
#
# If you also stop early, give the stopping more patience than the scheduler. Choose
# ``min_lr`` far below your first rate: here, a rate of 1e-5 or less is never lowered,
# without a message. With several processes, average the loss over all of them first.
# Otherwise their rates can differ, and then the copies of the model drift apart.
#
# A checkpoint needs two entries. ``scheduler.state_dict()`` has the best loss and the
# number of bad epochs. ``optimizer.state_dict()`` has the rate: without it, a resumed
# run starts at the first rate again.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Linear(20, 1).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
scheduler = ReduceLROnPlateau(optimizer, patience=3, min_lr=1e-5)  # new
for _epoch in range(30):
    model.train()
    for rows in torch.randperm(1000).split(50):
        loss = mse_loss(model(train_x[rows].to(device)), train_y[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step(validate(model))  # new: once per epoch

# %%
# Check
# -----
#
# A run that resumes from both entries has the lowered rate. From the scheduler's entry
# alone, the run has the first rate.

print(f"best loss {scheduler.best:.1f}, rate {optimizer.param_groups[0]['lr']:.5f}")
assert optimizer.param_groups[0]["lr"] < 0.03 and scheduler.state_dict()["best"] < 1.5
resumed = type(optimizer)(model.parameters(), lr=0.03)
ReduceLROnPlateau(resumed).load_state_dict(scheduler.state_dict())
alone = resumed.param_groups[0]["lr"]
resumed.load_state_dict(optimizer.state_dict())
both = resumed.param_groups[0]["lr"]
print(f"resumed from both entries {both:.5f}, from the scheduler's alone {alone:.5f}")
assert both == optimizer.param_groups[0]["lr"] < alone == 0.03

# %%
# Learn more
# ----------
#
# - Planned rates: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - Stop instead: :ref:`sphx_glr_recipes_recipes_early_stopping.py`
# - One rate for each layer: :ref:`sphx_glr_recipes_recipes_parameter_groups.py`
