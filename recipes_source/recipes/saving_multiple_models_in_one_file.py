# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["saving_and_loading_a_general_checkpoint"]
# timeout = 60
# searched_as = [
#   "GAN", "encoder and decoder", "several models", "ensemble", "seq2seq",
#   "save two networks", "share weights between models",
# ]
# ///
"""
Saving and loading multiple models in one file using PyTorch
============================================================

Keep models that belong together in one file, and get every one of them back.

Why it matters: an encoder and its decoder, or the members of an ensemble, are used
together, so they belong in one file. But their tensors often have the same names. In a
flat file, models of one architecture replace one another, silently. Give each model one
entry: ``torch.save({"encoder": encoder.state_dict(), ...}, path)``.
"""

# %%
# An ensemble of three
# --------------------
#
# Three networks from three seeds learn 40 points with a gap in the middle. How much
# their answers spread in the gap (standard deviation) says how little to trust them.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn


def build(seed):
    torch.manual_seed(seed)
    hidden = [nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(32, 1))


inputs = torch.cat([torch.linspace(-2, -1, 20), torch.linspace(1, 2, 20)])[:, None]
targets, loss_fn = torch.sin(3 * inputs), nn.MSELoss()
grid = torch.linspace(-2, 2, 201)[:, None]
gap = grid.squeeze().abs() < 1

# %%
# ``curves`` returns the answers of all members along x, here and after each loading.


def curves(models):
    return torch.stack([model(grid).detach().squeeze() for model in models])


trained = [build(seed) for seed in range(3)]
for model in trained:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _step in range(300):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
print(f"spread in the gap: {curves(trained).std(dim=0)[gap].mean():.1f}")

# %%
# Merging the dictionaries loses models
# -------------------------------------
#
# A ``state_dict`` is a dictionary, so merging three looks natural, and with
# ``{**encoder.state_dict(), **decoder.state_dict()}`` it happens. Of the tensors with
# the same name, the last stays. Models of one architecture find all their names and
# shapes in the file, so no error is raised.

folder, merged_state = tempfile.TemporaryDirectory(), {}
path = Path(folder.name, "ensemble.pt")
for model in trained:
    merged_state |= model.state_dict()
torch.save(merged_state, path)
merged = [build(seed) for seed in (10, 11, 12)]
for model in merged:
    print(model.load_state_dict(torch.load(path, weights_only=True)))
print(f"tensors: {len(merged_state)} in the file, {len(model.state_dict())} in a model")
lost = curves(merged).std(dim=0)[gap].mean().item()
print(f"spread in the gap: {lost:.1f}")
assert lost == 0

# %%
# One entry for each model
# ------------------------
#
# Give each ``state_dict`` a name, and keep the dictionaries apart. A program that needs
# one model takes one entry. Now three curves come back.

torch.save({f"member {i}": model.state_dict() for i, model in enumerate(trained)}, path)
loaded = [build(seed) for seed in (10, 11, 12)]
states = torch.load(path, weights_only=True)
for i, model in enumerate(loaded):
    model.load_state_dict(states[f"member {i}"])
print(f"{len(states)} entries, spread: {curves(loaded).std(dim=0)[gap].mean():.1f}")
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained", sharey=True)
panels = {"Merged: one model, three times": merged, "One entry each: all three": loaded}
for ax, (title, models) in zip(axes, panels.items(), strict=True):
    for i, style in enumerate(["-", "--", ":"]):
        ax.plot(grid, curves(models)[i], style, lw=6 - 2 * i, label=f"member {i}")
    ax.plot(inputs, targets, "s", color="black", markersize=3, label="points")
    ax.set(title=title, xlabel="x", ylabel="prediction")
axes[1].legend()
plt.show()

# %%
# Proof
# -----
#
# Compare with one file for each model: the predictions must agree bit for bit.

separate = [build(seed) for seed in (20, 21, 22)]
for model, alone in zip(trained, separate, strict=True):
    torch.save(model.state_dict(), path)
    alone.load_state_dict(torch.load(path, weights_only=True))
for name, models in {"merged": merged, "one entry each": loaded}.items():
    same = sum(map(torch.equal, curves(models), curves(separate)))
    print(f"{name}: {same} of 3 members as from separate files")
    assert same == (1 if name == "merged" else 3)  # the last one wins

# %%
# When it is not so
# -----------------
#
# Models whose names do not collide lose nothing in a merged dictionary, but each model
# refuses the names of the others. ``strict=False`` ends the refusal. It also hides a
# missing name, for example after you renamed a layer.

encoder = nn.ModuleDict({"encoder": nn.Linear(1, 4)})
both = nn.ModuleDict({"decoder": nn.Linear(4, 1)}).state_dict() | encoder.state_dict()
strict = False
try:
    encoder.load_state_dict(both)
except RuntimeError as error:
    strict = True
    print(error)
renamed = nn.ModuleDict({"coder": nn.Linear(1, 4)})
missing, _ = renamed.load_state_dict(both, strict=False)
print("not loaded, without an error:", *missing)
assert strict and missing == ["coder.weight", "coder.bias"]

# %%
# A layer that two models share comes back as two layers, unless the code that builds
# the models shares the layer, too. One call of :func:`torch.save` keeps shared tensors
# shared, but :meth:`~torch.nn.Module.load_state_dict` copies *values*.

trained[1][0] = trained[0][0]  # two members share their first layer
torch.save([model.state_dict() for model in trained], path)
states = torch.load(path, weights_only=True)
for model, state in zip(loaded, states, strict=True):
    model.load_state_dict(state)
in_file = states[0]["0.weight"].is_set_to(states[1]["0.weight"])
print(f"shared in the file: {in_file}, loaded: {loaded[0][0] is loaded[1][0]}")
loaded[1][0] = loaded[0][0]  # the remedy
assert in_file and loaded[0][0].weight is loaded[1][0].weight

# %%
# In your project
# ---------------
#
# One entry for each part, the optimizers among them. ``make_parts`` gives the names,
# for the program that saves and for the program that loads. A scheduler, or a
# ``torch.amp.GradScaler``, is one more part: ``save`` and ``load`` stay as they
# are. The entry of an optimizer brings back its old learning rate as well.
#
# Under :class:`~torch.nn.parallel.DistributedDataParallel`, pass ``model.module`` as
# the part, and call ``save`` on rank 0 only.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"


def make_parts(seed):
    parts = {"encoder": build(seed).to(device), "decoder": build(seed + 1).to(device)}
    for name, model in list(parts.items()):
        parts[f"{name}_optimizer"] = torch.optim.AdamW(model.parameters(), lr=2e-4)
    return parts


def save(parts, path):
    torch.save({name: part.state_dict() for name, part in parts.items()}, path)  # new


def load(parts, path):
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(checkpoint[name])


# %%
# Check
# -----
#
# Parts with other first weights are loaded after one step of training. Then both sets
# of parts take the same next step, so the state of the optimizers has come back, too.


def step(parts):
    for name in ("encoder", "decoder"):
        parts[name](inputs.to(device)).square().mean().backward()
        parts[f"{name}_optimizer"].step()
        parts[f"{name}_optimizer"].zero_grad()
    models = nn.ModuleList([parts["encoder"], parts["decoder"]])
    return torch.cat([p.detach().flatten() for p in models.parameters()])


saved, fresh = make_parts(0), make_parts(5)
step(saved)
save(saved, path)
load(fresh, path)
torch.testing.assert_close(step(fresh), step(saved), atol=0, rtol=0)
print(*fresh, sep=", ")
folder.cleanup()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
