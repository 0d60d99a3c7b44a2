# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics", "Saving and loading"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "model weights", "inspect parameters", "save weights", "named_parameters",
#   "buffers", "difference between a buffer and a parameter", "register_buffer",
#   "best model is overwritten", "copy.deepcopy", "optimizer state",
# ]
# ///
"""
What is a state_dict in PyTorch
===============================

Read what a model and its optimizer remember, and take a snapshot that stays put.

Why it matters: what a model has learned is saved and moved as its ``state_dict``. Put
this dictionary aside without copying it, and your "best model" goes on training with
the rest. Nothing warns you, and the weights you reload are the last ones.
"""

# %%
# What is inside
# --------------
#
# :meth:`torch.nn.Module.state_dict` returns a dictionary from names to tensors. A name
# is the layer's path, a dot, and the tensor's name in that layer: ``0.weight`` for the
# first one below. The tensors are the *parameters*, which the optimizer trains, and the
# *buffers*, which are saved and moved, but not trained: here the running statistics of
# :class:`torch.nn.BatchNorm1d`. ``self.register_buffer("mean", tensor)`` makes one. A
# plain ``self.mean = tensor`` is not saved, and ``model.to(device)`` does not move it.
# With ``persistent=False``, a buffer is moved, but not saved.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(9, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 2))


model = make_model()
for name, layer in model.named_children():
    print(f"{name} {type(layer).__name__}:", *layer.state_dict())
print(len(list(model.parameters())), "parameters,", len(model.state_dict()), "entries")

# %%
# A task that needs a snapshot
# ----------------------------
#
# ``train`` fits 50 noisy points, measures the loss on 1,000 others after every step,
# and has ``snapshot`` taken whenever that loss is the lowest so far. The model it
# returns is a fresh one, loaded with the last snapshot.

inputs = torch.randn(1050, 9)
targets = (inputs[:, :3].sum(dim=1) + 1.5 * torch.randn(1050) > 0).long()
loss_fn = nn.CrossEntropyLoss()


@torch.no_grad()
def evaluate(model):
    model.eval()
    device = next(model.parameters()).device
    outputs = model(inputs[50:].to(device))
    return loss_fn(outputs, targets[50:].to(device)).item()


# %%


def train(snapshot, steps=60):
    model, curve = make_model(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        loss_fn(model(inputs[:50]), targets[:50]).backward()
        optimizer.step()
        curve.append(evaluate(model))
        if curve[-1] == min(curve):
            kept = snapshot(model)
    fresh = make_model()
    fresh.load_state_dict(kept)
    return fresh, curve, optimizer


# %%
# See the problem: the snapshot moves
# -----------------------------------
#
# ``model.state_dict()`` copies nothing. Its tensors share their memory with the
# model's, so every later step writes into the snapshot as well.

entry = model.state_dict()["0.weight"]
print("same memory as the model:", entry.data_ptr() == model[0].weight.data_ptr())
naive, curve, optimizer = train(lambda model: model.state_dict())
print(f"held-out loss: {min(curve):.2f} when taken, {evaluate(naive):.2f} reloaded")
print(f"at the last step: {curve[-1]:.2f}")
assert evaluate(naive) > 1.1 * min(curve)

# %%
# The idea: copy the tensors too
# ------------------------------
#
# The one change is ``copy.deepcopy``. A shallow copy such as ``dict(state)`` is not
# enough: it shares the tensors. A file is a copy, too: ``torch.save`` at the best step
# works as well.
#
# The check is a third run that stops at the best step: its nine tensors, never trained
# further, must equal the reloaded ones.

best = curve.index(min(curve))
copied, _, _ = train(lambda model: copy.deepcopy(model.state_dict()))
stopped, _, _ = train(lambda model: model.state_dict(), steps=best + 1)
print(f"held-out loss: {min(curve):.2f} when taken, {evaluate(copied):.2f} reloaded")
truth = stopped.state_dict()
same = [torch.equal(truth[name], entry) for name, entry in copied.state_dict().items()]
print(sum(same), "of", len(same), "tensors equal those of the run that stopped")
assert all(same) and abs(evaluate(copied) - min(curve)) < 1e-6

# %%
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.plot(curve, "C0", label="during training")
level = [evaluate(naive)] * 2
ax.plot([best, len(curve) - 1], level, "C1X:", ms=12, label="reloaded, no copy")
ax.plot(best, evaluate(copied), "ko", ms=9, label="reloaded, deep copy")
ax.set(xlabel="training step", ylabel="held-out cross-entropy")
ax.set_title("Reloading the best step: without a copy you get the last step")
ax.legend(loc="lower right")
plt.show()

# %%
# When it is not so: names decide what loads
# ------------------------------------------
#
# A copy fits only a model with the same names and shapes. ``torch.compile(model)``
# wraps the model and prefixes every name. :meth:`torch.nn.Module.compile` keeps the
# names. (The ``"eager"`` backend compiles nothing: only the names are looked at here.)

wrapped = torch.compile(model, backend="eager").state_dict()
print("wrapped: ", *list(wrapped)[:2], len(wrapped.keys() & truth.keys()), "in common")
model.compile(backend="eager")
print("in place:", *list(model.state_dict())[:2])
assert not wrapped.keys() & truth.keys() and model.state_dict().keys() == truth.keys()

# %%
# An optimizer's ``state_dict`` is loaded by position, so build the parameters in the
# same order. With Adam, ``state`` holds running averages of the gradients and their
# squares, and ``param_groups`` holds the settings. This dictionary shares its tensors,
# too. And an optimizer writes on into the tensors that it has loaded: give
# ``load_state_dict`` a deep copy if you need the snapshot again.

saved = optimizer.state_dict()
print("state:", list(saved["state"]), "each with", *saved["state"][0])
first = optimizer.param_groups[0]["params"][0]
assert saved["state"][0]["exp_avg"] is optimizer.state[first]["exp_avg"]  # no copy
group = saved["param_groups"][0]
print("param_groups: lr", group["lr"], "betas", group["betas"], "for", group["params"])

# %%
# In your project
# ---------------
#
# A copy on the CPU costs no memory of the GPU: ``deepcopy`` would leave the copy on the
# GPU. ``update`` keeps the layers' versions, ``_metadata``, which a new dictionary
# loses. The last line changes the model only. To train on from the best step, copy and
# load the states of the optimizer and the scheduler as well.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model, best = make_model().to(device), float("inf")
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for x, y in zip(inputs[:50].split(10) * 20, targets[:50].split(10) * 20, strict=True):
    model.train()
    loss_fn(model(x.to(device)), y.to(device)).backward()
    optimizer.step()
    optimizer.zero_grad()
    if (loss := evaluate(model)) < best:
        best, kept = loss, model.state_dict()
        kept.update({name: t.to("cpu", copy=True) for name, t in kept.items()})  # new
result = model.load_state_dict(kept)  # the best, not the last

# %%
# Check
# -----
#
# The model has the loss of the best step again.

again = evaluate(model)
print(f"held-out loss: {best:.2f} best, {loss:.2f} last, {again:.2f} reloaded")
assert abs(again - best) < 1e-5 < loss - best and kept._metadata

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_saving_and_loading_models_for_inference.py`
# - :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - Keep the weights of now: :ref:`sphx_glr_recipes_recipes_copying_tensors.py`
# - Store it in 8 bits: :ref:`sphx_glr_recipes_recipes_quantize_a_model.py`
