# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Basics"]
# after = ["zeroing_out_gradients", "train_and_eval_modes"]
# timeout = 60
# searched_as = [
#   "training loop", "train loop", "fit function", "model.fit", "validation loop",
#   "evaluation loop", "loss per epoch", "running_loss", "average loss", "log the loss",
#   "how to train a network", "save the best model", "boilerplate",
# ]
# ///
"""
Train and validate: a loop to copy
==================================

Write a loop that trains, validates after each epoch and keeps the best weights.

A line in the wrong place raises nothing. But then dropout can be off from the second
epoch on, or the printed loss is no mean over all samples. Then you choose the wrong
model. The loop to copy has two functions, under *The idea*, and the lines of *In your
project*.
"""

# %%
# See the problem
# ---------------
#
# There are 330 points to train on, and 97 to validate with. In batches of 32, the last
# batch of validation has one point. A hook notes the model's mode in each batch.

import os

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(3)
targets = torch.randint(3, (427,))
inputs = torch.randn(3, 10)[targets] + torch.randn(427, 10)
train_set, valid_set = random_split(TensorDataset(inputs, targets), [330, 97])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=32)
points, labels = valid_set[:]
loss_fn = nn.CrossEntropyLoss()

# %%


def build():
    torch.manual_seed(1)
    first = [nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5)]
    model = nn.Sequential(*first, nn.Linear(64, 3))
    modes = []
    model.register_forward_pre_hook(lambda module, args: modes.append(module.training))
    return model, torch.optim.AdamW(model.parameters(), lr=0.01), modes


# %%
# The naive loop sets the mode once, and averages the losses of the batches.

model, optimizer, modes = build()
model.train()
for epoch in range(2):
    modes.clear()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
    print(f"epoch {epoch}: {sum(modes)} of {len(modes)} batches in training mode")
    model.eval()
    losses = [loss_fn(model(x), y).item() for x, y in valid_loader]
assert sum(modes) == 0

# %%
# ``model.eval()`` stays in force, so the second epoch trains without dropout. The mean
# of the batches is wrong, too: the point in the last batch counts as much as the 32
# points of another batch together.

whole = loss_fn(model(points), labels).item()
naive = sum(losses) / len(losses)
print(f"mean of the batches {naive:.3f}, loss of all 97 points {whole:.3f}")
assert abs(naive - whole) > 0.003

# %%
# The idea: two functions, each of which sets its mode
# ----------------------------------------------------
#
# Each sets the mode in its first line, so their order does not matter. Each multiplies
# a mean by the size of its batch, adds up, and divides once by the number of samples.


def train_one_epoch(model, loader, optimizer):
    model.train()  # dropout on, batch normalization learns
    total = count = 0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach().float() * len(y)  # stays on the device: no waiting
        count += len(y)
    return (total / count).item()


# %%


@torch.no_grad()  # no graph: less memory
def evaluate(model, loader):
    model.eval()  # dropout off, running averages used and left alone
    total = right = count = 0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        outputs = model(x)
        total += loss_fn(outputs, y).float() * len(y)  # a sum in bfloat16 stops growing
        right += (outputs.argmax(dim=1) == y).sum()
        count += len(y)
    return (total / count).item(), (right / count).item()


# %%
# Proof
# -----
#
# The modes are right in both epochs. Validation leaves weights and buffers as they
# were. The validation loss is the loss of all points at once, computed in float64.

device = "cpu"
model, optimizer, modes = build()
for epoch in range(2):
    modes.clear()
    train_one_epoch(model, train_loader, optimizer)
    print(f"epoch {epoch}: {sum(modes)} of {len(modes)} batches in training mode")
    assert all(modes)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    valid_loss, _ = evaluate(model, valid_loader)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
exact = loss_fn(model.double()(points.double()), labels).item()
print(f"evaluate is off by {abs(valid_loss - exact):.4f}")
assert abs(valid_loss - exact) < 1e-5

# %%
# When it is not so: the training loss is another number
# ------------------------------------------------------
#
# The training loss averages over an epoch in which weights change, with dropout on. It
# can lie above the validation loss. To compare the two, evaluate the training set, too.

model, optimizer, _ = build()
during = train_one_epoch(model, train_loader, optimizer)
after, _ = evaluate(model, train_loader)
print(f"training set: {during:.1f} during the first epoch, {after:.1f} after it")
assert during > after + 0.1

# %%
# ``len(y)`` undoes the mean over samples. A loss with class weights divides by
# ``weight[y].sum()``, and one with ``ignore_index`` by the number of other targets.
# Multiply by this number, and divide by its sum over the batches. For pixels or words,
# write ``y.numel()`` in place of ``len(y)``, or the accuracy can exceed 100%.
#
# With several processes, these are the numbers of one rank. Add up ``total``, ``right``
# and ``count`` over all ranks by ``all_reduce`` before you divide. Save on rank 0 only.
#
# In your project
# ---------------
#
# The weights with the lowest validation loss are kept in a file. The validation set
# has chosen the epoch, so report the score of a third part, the test set.
#
# - The accuracy needs a model with one output per class. For a regression, leave
#   ``right`` out.
# - Mixed precision: in both functions, put the model and the loss in
#   ``torch.autocast(torch.device(device).type, torch.bfloat16)``. Leave ``backward()``
#   outside.
# - Clip gradients between ``backward()`` and ``optimizer.step()``.
# - A scheduler that counts epochs steps after ``train_one_epoch``, and
#   ``ReduceLROnPlateau`` steps after ``evaluate``, with ``valid_loss``.
# - Name the file by the run: if each loss is NaN, nothing is saved, and the ``best.pt``
#   of an earlier run is loaded.
# - On a machine without this device, load with ``map_location="cpu"``.
# - In training, ``BatchNorm1d`` refuses a batch of one sample. If the last training
#   batch has one sample, give the training loader ``drop_last=True``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = build()[0].to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
best = float("inf")
for epoch in range(5):
    train_loss = train_one_epoch(model, train_loader, optimizer)
    valid_loss, accuracy = evaluate(model, valid_loader)  # new: once per epoch
    print(f"{epoch}: train {train_loss:.2f}, valid {valid_loss:.2f}, {accuracy:.0%}")
    if valid_loss < best:  # new: keep the best, not the last
        best = valid_loss
        torch.save(model.state_dict(), "best.pt")
print(model.load_state_dict(torch.load("best.pt", weights_only=True)))

# %%
# Check
# -----

restored, _ = evaluate(model, valid_loader)
print(f"last epoch {valid_loss:.2f}, restored {restored:.2f}")
assert abs(restored - best) < 1e-5
os.remove("best.pt")  # this page leaves nothing behind

# %%
# Learn more
# ----------
#
# - Stop when nothing improves: :ref:`sphx_glr_recipes_recipes_early_stopping.py`
# - High loss: :ref:`sphx_glr_recipes_recipes_model_that_does_not_learn.py`
# - To go on after a stop, save the optimizer, too:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - float16 and its scaler: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
# - Beyond accuracy: :ref:`sphx_glr_recipes_recipes_accuracy_and_confusion_matrix.py`
