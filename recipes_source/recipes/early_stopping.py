# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["train_and_eval_modes", "what_is_state_dict"]
# timeout = 60
# searched_as = [
#   "overfitting", "EarlyStopping callback", "patience", "min_delta", "how many epochs",
#   "validation loss goes up", "when to stop training", "restore_best_weights",
#   "save the best model", "keep the best checkpoint",
#   "training loss falls, validation loss rises",
# ]
# ///
"""
Stop early and keep the best weights
====================================

Stop when the validation loss no longer improves, and leave with the best weights.

After some epochs, a model with many weights and little data often learns the noise in
the data. Then its training loss goes on falling and its validation loss rises. If you
train for a fixed number of epochs, you keep the last weights, where this loss is high.
"""

# %%
# A model that overfits
# ---------------------
#
# There are eighty noisy samples to train on and a validation part to decide by. A test
# part of a thousand decides nothing: it is the independent judge.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(1380, 10)
y = (x[:, :1] * 2).sin() + x[:, 1:2] + 0.7 * torch.randn(1380, 1)
parts = {"train": slice(80), "valid": slice(80, 380), "test": slice(380, 1380)}
loss_fn = nn.MSELoss()


@torch.no_grad()
def loss_on(part, model):
    model.eval()
    return loss_fn(model(x[parts[part]]), y[parts[part]]).item()


# %%
# ``train`` ends after ``epochs``, or when ``stop`` says so. All runs share the batches.


def build():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 1))


# %%


def train(epochs, stop=lambda epoch, loss, model: False):
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    curve = []
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(80).split(8):
            optimizer.zero_grad()
            loss_fn(model(x[rows]), y[rows]).backward()
            optimizer.step()
        curve.append(loss_on("valid", model))
        if stop(epoch, curve[-1], model):
            break
    return model, curve


# %%
# See the problem
# ---------------
#
# The naive way takes the weights of the last epoch. The training loss is nearly zero
# there, which tells nothing about new data.

full, curve = train(80)
print("validation loss:", *(f"{curve[i]:.2f}" for i in (0, 10, 20, 40, 60, 79)))
print(f"last epoch: train {loss_on('train', full):.2f},", end=" ")
print(f"test {loss_on('test', full):.2f}")

# %%
# The idea: patience, and a copy
# ------------------------------
#
# Remember the lowest validation loss and a *copy* of its weights. Stop after
# ``patience`` epochs in a row without a lower loss. The copy lies in the memory of the
# CPU, and in a file if you give a ``path``. For an accuracy, where higher is better,
# pass ``-accuracy``. A loss that is lower by ``min_delta`` or less does not count, and
# its weights are not kept. Nor does ``nan`` count, which is not lower than any number.
# If all losses are ``nan``, ``weights`` stays ``None``.


class EarlyStopping:
    def __init__(self, patience, min_delta=0.0, path=None):
        self.patience, self.min_delta = patience, min_delta
        self.path = path and str(path)  # torch.load refuses a Path in a checkpoint
        self.best, self.epoch, self.weights = float("inf"), -1, None

    def __call__(self, epoch, loss, model):
        if loss < self.best - self.min_delta:
            self.best, self.epoch = float(loss), epoch  # torch.load refuses np.float64
            self.weights = state = model.state_dict()  # with the layers' versions
            state.update({name: t.to("cpu", copy=True) for name, t in state.items()})
            if self.path:  # for a run that dies, even while it writes
                torch.save(self.weights, f"{self.path}.new")
                os.replace(f"{self.path}.new", self.path)
        return epoch - self.epoch >= self.patience


# %%
# Proof
# -----
#
# The kept weights must equal, bit for bit, the weights of a run that ends in the best
# epoch. On the test part, which decided nothing, they beat the last epoch.

stopping = EarlyStopping(patience=15)
model, short = train(80, stopping)
model.load_state_dict(stopping.weights)  # back to the best
truth, _ = train(stopping.epoch + 1)
assert all(map(torch.equal, model.parameters(), truth.parameters()))
best, last = loss_on("test", model), loss_on("test", full)
print(f"best epoch {stopping.epoch}, stopped after {len(short)} of 80 epochs")
print(f"test loss: best weights {best:.2f}, last epoch {last:.2f}")
assert best < 0.95 * last and len(short) == stopping.epoch + 16 < 80

# %%

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.plot(curve, "C1--", label="80 epochs")
ax.plot(short, "C0-", linewidth=2.5, label="with a patience of 15")
ax.plot(stopping.epoch, stopping.best, "ko", ms=8, label="weights that are kept")
ax.set(title="After its lowest point, the validation loss rises")
ax.set(xlabel="epoch", ylabel="validation loss")
ax.legend()
plt.show()

# %%
# When it is not so: too little patience
# --------------------------------------
#
# The validation loss is not smooth. With a patience of 1, its first rise ends the run.
# On one curve, more patience never ends with a higher loss. The price is time. Where a
# schedule lowers the learning rate late, the best epochs often come last: do not stop
# such a run. Report the test loss: the lowest of many validation losses is partly luck.
#
# With several processes, all must stop in the same epoch, or some wait until a timeout
# ends them. Average the validation loss over the processes first: then all decide the
# same. Give ``path`` in one process only: several can spoil the file that they write.

found = []
for patience in (1, 5, 15):
    rule = EarlyStopping(patience)
    ended = next(i for i, loss in enumerate(curve) if rule(i, loss, full))
    found.append(rule.best)
    print(f"patience {patience:2}: ends in epoch {ended}, lowest loss {rule.best:.2f}")
assert found == sorted(found, reverse=True)

# %%
# Loaders, and a function that validates
# --------------------------------------
#
# The same data, in the form that most projects have.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
sets = {name: TensorDataset(x[part], y[part]) for name, part in parts.items()}
loader = DataLoader(sets["train"], batch_size=8, shuffle=True)
valid_loader = DataLoader(sets["valid"], batch_size=100)


@torch.no_grad()
def validate(model, loader):
    model.eval()
    batches = ((model(a.to(device)), b.to(device)) for a, b in loader)
    total = sum(loss_fn(output, b).item() * len(b) for output, b in batches)
    return total / len(loader.dataset)


# %%
# In your project
# ---------------
#
# To resume a run, put ``vars(stopping)`` into the checkpoint, and later call
# ``vars(stopping).update(checkpoint["stopping"])``. This restores ``path``, too: with
# several processes, set ``stopping.path = None`` in all but one. Start the loop at the
# next epoch: if ``epoch`` begins at 0 again, the patience is longer.

model = build().to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
stopping = EarlyStopping(patience=15, path=Path("best.pt"))  # new
for epoch in range(1000):
    model.train()
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss_fn(model(inputs.to(device)), targets.to(device)).backward()
        optimizer.step()
    if stopping(epoch, validate(model, valid_loader), model):  # new
        break
print(model.load_state_dict(stopping.weights))  # new: the best, not the last

# %%
# Check
# -----
#
# Model and file have the best weights. A rule that goes on from a saved state agrees.

print(f"stopped {epoch - stopping.epoch} epochs after the best")
assert epoch - stopping.epoch == 15 and validate(model, valid_loader) == stopping.best
saved = torch.load("best.pt", weights_only=True)
assert all(torch.equal(saved[k], t.cpu()) for k, t in model.state_dict().items())
assert saved._metadata == model.state_dict()._metadata  # the layers' versions
again = EarlyStopping(patience=1)
torch.save({"stopping": vars(stopping)}, "checkpoint.pt")
vars(again).update(torch.load("checkpoint.pt", weights_only=True)["stopping"])
assert not again(epoch - 1, float("nan"), model) and again(epoch, float("nan"), model)
whole = loss_on("valid", model.cpu())
print(f"best loss {stopping.best:.2f}, on the whole part at once {whole:.2f}")
assert abs(whole - stopping.best) < 1e-5

# %%
# A run that is killed while it writes leaves the file as it was.

from contextlib import suppress
from unittest import mock


def killed(weights, path):
    Path(path).write_bytes(b"half a file")
    raise KeyboardInterrupt


with suppress(KeyboardInterrupt), mock.patch("torch.save", killed):
    again(epoch + 1, torch.tensor(0.0), model)  # the best loss so far, so it writes
kept = torch.load("best.pt", weights_only=True)
assert type(again.best) is float and all(torch.equal(kept[k], saved[k]) for k in saved)
print("best.pt after half a file:", len(kept), "tensors, as before")
for name in ("best.pt", "best.pt.new", "checkpoint.pt"):
    Path(name).unlink()

# %%
# Learn more
# ----------
#
# - Why the copy matters: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - Resume: :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - Less noise in the curve: :ref:`sphx_glr_recipes_recipes_ema_weights.py`
# - The loop around it: :ref:`sphx_glr_recipes_recipes_training_and_validation_loop.py`
