# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["what_is_state_dict", "train_and_eval_modes"]
# timeout = 60
# searched_as = [
#   "save a model", "load a model", "torch.save", "torch.load", "weights_only",
#   "pickle", ".pt or .pth file", "model export", "load a trained model",
#   "unsafe globals",
# ]
# errors = [
#   "Weights only load failed",
#   "WeightsUnpickler error: Unsupported global",
# ]
# older_errors = [
#   "Can't get attribute 'Net' on <module '__main__'>",
# ]
# ///
"""
Saving and loading models for inference in PyTorch
==================================================

Save a trained model so that another program can load it and get the same predictions.

Why it matters: a file holding the whole model object stops loading as soon as you
rename the class. It is also loaded with ``weights_only=False``, which lets a file run
any code. A model that did load, but was left in training mode, may answer wrongly,
mostly without an error.
"""

# %%
# A trained model
# ---------------
#
# Three clouds of points, far apart, and a small network with batch normalization: a
# layer whose running mean and variance must be in the file, too.

import sys
import tempfile
import types
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, hidden):
        norm = nn.BatchNorm1d(hidden)
        super().__init__(nn.Linear(2, hidden), norm, nn.ReLU(), nn.Linear(hidden, 3))


# %%
# Trained on all points, the model gets every one right.

torch.manual_seed(0)
targets = torch.arange(3).repeat_interleave(100)
centers = torch.tensor([[0.0, 4.0], [-4.0, -3.0], [4.0, -3.0]])
inputs = centers[targets] + 0.6 * torch.randn(300, 2)
config = {"hidden": 16}
model, loss_fn = Net(**config), nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for _step in range(100):
    optimizer.zero_grad()
    loss_fn(model(inputs), targets).backward()
    optimizer.step()
correct = (model.eval()(inputs).argmax(1) == targets).float().mean().item()
print(f"trained model: {correct:.0%} of the answers right")

# %%
# Saving the whole model fails later
# ----------------------------------
#
# :func:`torch.save` accepts the model itself. The file then holds the tensors and the
# *names* of the classes to import. By default, :func:`torch.load` runs with
# ``weights_only=True`` and refuses names that it does not know to be safe. With
# ``weights_only=False``, a file may run any code, and this file still fails after the
# class has a new name. The module ``nets`` stands for your file ``nets.py``.
#
# A class of the script that you start is stored as ``__main__.Net``. Another script
# finds this name only if it defines or imports ``Net``. If you trust the file, import
# ``Net`` in that script, load the file once with ``weights_only=False``, and save the
# model's ``state_dict``.

folder = tempfile.TemporaryDirectory()
whole, path = Path(folder.name, "whole.pt"), Path(folder.name, "model.pt")
nets = sys.modules["nets"] = types.ModuleType("nets")
nets.Net, Net.__module__ = Net, "nets"
torch.save(model, whole)
nets.Classifier = nets.Net  # the new name of the class,
del nets.Net  # and the old one is gone
failed = []
for weights_only in (True, False):
    try:
        torch.load(whole, weights_only=weights_only)
    except Exception as error:  # UnpicklingError, AttributeError
        failed.append(weights_only)
        print(f"weights_only={weights_only}: {error}\n")
assert failed == [True, False]

# %%
# Save the state, rebuild the model from code
# -------------------------------------------
#
# Save :meth:`model.state_dict() <torch.nn.Module.state_dict>` instead: as a rule,
# tensors under names and nothing else, which the default accepts. The loading side
# builds the model from code, fills it with :meth:`~torch.nn.Module.load_state_dict` and
# calls :meth:`~torch.nn.Module.eval`. Below, one model gets ``eval()`` and one does
# not. The points arrive one cloud at a time.

torch.save(model.state_dict(), path)
state = torch.load(path, weights_only=True)
forgotten, loaded = Net(**config), Net(**config).eval()
for fresh in (forgotten, loaded):
    fresh.load_state_dict(state)
with torch.no_grad():
    answers = {"eval() forgotten": torch.cat([forgotten(x) for x in inputs.split(100)])}
    answers["After eval()"] = torch.cat([loaded(x) for x in inputs.split(100)])

# %%
# In training mode, batch normalization subtracts each batch's own mean, so that the
# three clouds look alike. Every tensor was loaded and nothing has warned. Only a batch
# of one point raises an error here: ``Expected more than 1 value per channel when
# training``.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained", sharey=True)
looks = [("o", "tab:blue"), ("^", "tab:orange"), ("s", "black")]
for ax, (title, logits) in zip(axes, answers.items(), strict=True):
    right = (logits.argmax(1) == targets).float().mean().item()
    print(f"{title}: {right:.0%} of the answers right")
    for c, (marker, color) in enumerate(looks):
        x, y = inputs[logits.argmax(1) == c].T
        ax.scatter(x, y, s=16, marker=marker, color=color, label=f"predicted {c}")
    ax.set(title=f"{title}: {right:.0%} right", xlabel="feature 1", ylabel="feature 2")
axes[1].legend(loc="upper right")
plt.show()

# %%
# Proof
# -----
#
# The reference is the formula of evaluation mode, in float64, from the tensors in the
# file. A forward pass in training mode also *writes* the running mean and variance,
# even under :class:`torch.no_grad`. Calling ``eval()`` later does not repair them: load
# the file again.

s = {name: value.double() for name, value in state.items()}
hidden = inputs.double() @ s["0.weight"].T + s["0.bias"]
centered = (hidden - s["1.running_mean"]) / (s["1.running_var"] + 1e-5).sqrt()
hidden = (centered * s["1.weight"] + s["1.bias"]).clamp(min=0)
expected = hidden @ s["3.weight"].T + s["3.bias"]
answers["eval() too late"] = forgotten.eval()(inputs).detach()
for title, logits in answers.items():
    gap = (logits - expected).abs().max().item()
    print(f"{title:16} largest difference from the formula {gap:7.4f}")
    assert (gap < 1e-4) == (title == "After eval()"), "not what was saved"

# %%
# When it is not so
# -----------------
#
# Most layers other than dropout and batch normalization give the same answers in both
# modes. Some do not, such as :class:`torch.nn.RReLU`. Call ``eval()`` anyway.
#
# A ``state_dict`` does not hold the arguments of the constructor. A model of another
# size refuses the file. An argument that changes no shape is worse: with another
# ``stride``, the file loads and the answers are wrong. So save the arguments beside the
# tensors.

other = Net(hidden=32)
try:
    other.load_state_dict(state)
except RuntimeError as error:
    print(error)
else:
    raise AssertionError("another size has loaded")
strided = nn.Conv1d(1, 1, 3, stride=2)
print("another stride:", nn.Conv1d(1, 1, 3).load_state_dict(strided.state_dict()))
relu = nn.RReLU()
negative = torch.full((1000,), -1.0)
assert len(relu(negative).unique()) > 1 and len(relu.eval()(negative).unique()) == 1

# %%
# In your project
# ---------------
#
# The class is imported, or copied, where the model is used. Keep to numbers, strings,
# lists and dictionaries in ``config``: the default refuses most classes. The mean that
# you subtract from the inputs, and the names of the classes, belong in the file, too.
#
# Take the ``state_dict`` of the bare model, not of a wrapper: of ``model.module`` under
# :class:`~torch.nn.parallel.DistributedDataParallel`, and of the model that you gave to
# :func:`torch.compile`. Of several processes, let only the one of rank 0 save.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
torch.save({"config": config, "state": model.state_dict()}, path)  # where you train

checkpoint = torch.load(path, map_location="cpu", weights_only=True)
served = Net(**checkpoint["config"])  # new: built with the saved arguments
served.load_state_dict(checkpoint["state"])
served = served.to(device).eval()  # eval() before the first answer
with torch.inference_mode():
    parts = [served(x.to(device)).argmax(dim=1) for x in inputs.split(100)]
    predicted = torch.cat(parts).cpu()

# %%
# Check
# -----
#
# The loaded model gives the right answers, one cloud at a time.

print(f"served model: {(predicted == targets).float().mean():.0%} of the answers right")
assert torch.equal(predicted, targets)
folder.cleanup()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
# - A file that is refused:
#   :ref:`sphx_glr_recipes_recipes_error_weights_only_load_failed.py`
# - :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
