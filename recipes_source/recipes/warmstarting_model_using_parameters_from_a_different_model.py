# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 60
# searched_as = [
#   "transfer learning", "fine-tune", "strict=False", "missing keys", "unexpected keys",
#   "partial load", "load some of the weights", "pretrained weights",
#   "change the last layer", "other number of classes", "module. prefix",
# ]
# errors = [
#   "size mismatch for 4.weight: copying a param with shape",
# ]
# ///
"""
Warmstarting model using parameters from a different model in PyTorch
=====================================================================

Start a new model from the parts of an old one that fit, and know which parts did.

Why it matters: a new task often comes with little data, and an old model has already
learned useful features. But a new number of classes makes loading fail, even with
``strict=False``; and if the names differ, ``strict=False`` loads nothing, silently.
"""

# %%
# A large task and a small one
# ----------------------------
#
# Images of noisy stripes, to be sorted by their angle. The old model tells 8 angles
# apart, the new one 5, spaced differently. The models differ in the last layer only.

import re

import matplotlib.pyplot as plt
import torch
from torch import nn

loss_fn, r = nn.CrossEntropyLoss(), torch.arange(16.0)  # r: pixel positions


def draw(n, classes):
    targets = torch.arange(n) % classes
    angle, phase = (targets * torch.pi / classes)[:, None, None], torch.rand(n, 1, 1)
    waves = r * angle.cos() + r[:, None] * angle.sin()
    inputs = torch.sin(1.2 * waves + 2 * torch.pi * phase)
    return (inputs + 2 * torch.randn(n, 16, 16))[:, None], targets


def build(classes):
    features = [nn.Conv2d(1, 16, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*features, nn.Linear(16, classes))


# %%
# ``learn`` trains a model and returns its test accuracy at every 10th step.


def learn(model, train_set, test_set, steps):
    (inputs, targets), curve = train_set, []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps + 1):
        if step % 10 == 0:
            hits = model(test_set[0]).argmax(1) == test_set[1]
            curve.append(hits.float().mean().item())
        rows = torch.randint(len(targets), (32,))
        optimizer.zero_grad()
        loss_fn(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return torch.tensor(curve)


torch.manual_seed(5)
old = build(8)
print(f"old model: accuracy {learn(old, draw(2000, 8), draw(400, 8), 300)[-1]:.1f}")

# %%
# strict=False is not enough
# --------------------------
#
# By default, :meth:`~torch.nn.Module.load_state_dict` wants the same names on both
# sides. ``strict=False`` forgives names that are missing or left over. It does not
# forgive a tensor of another size under the same name.

state = old.state_dict()  # or torch.load() of the file it was saved to
refused = []
for strict in (True, False):
    try:
        build(5).load_state_dict(state, strict=strict)
    except RuntimeError as error:
        refused.append(strict)
        print(f"strict={strict}: {error}")
assert refused == [True, False]

# %%
# So keep only the entries whose name and shape occur in the new model. This loads. The
# return value names the tensors that keep their random start: the last layer. If the
# new task has as many classes as the old one, the old last layer fits, too, and is
# loaded. Then leave its entries out by name.

own = build(5).state_dict()
fits = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
missing = build(5).load_state_dict(fits, strict=False).missing_keys
print("fits:", *fits, "| missing:", *missing)
assert missing == ["4.weight", "4.bias"]

# %%
# Cold start against warm start
# -----------------------------
#
# Five runs each on 20 images, tested on 500. With the same seed, both starts get the
# same last layer and batches.

train_set, test_set = draw(20, 5), draw(500, 5)
print("examples:", len(train_set[1]), "to train on,", len(test_set[1]), "to test on")

# %%
# Lines are means. Bands reach from the worst to the best run.

curves = {"cold": torch.zeros(5, 7), "warm": torch.zeros(5, 7)}
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for (start, runs), style in zip(curves.items(), ["C1s--", "C0o-"], strict=True):
    for seed in range(5):
        torch.manual_seed(seed)
        new = build(5)
        if start == "warm":
            new.load_state_dict(fits, strict=False)
        runs[seed] = learn(new, train_set, test_set, 60)
    ax.plot(range(0, 61, 10), runs.mean(dim=0), style, label=f"{start} start")
    band = runs.amin(dim=0), runs.amax(dim=0)
    ax.fill_between(range(0, 61, 10), *band, color=style[:2], alpha=0.2)
ax.set(title="20 images: warm start is ahead", xlabel="step", ylabel="test accuracy")
ax.legend()
plt.show()

# %%
# After 60 steps, the worst warm run is ahead of the best cold run. With many images the
# gain shrinks, as a cold start can then learn the features, too. The old model did so,
# from 2,000 images in 300 steps.

cold, warm = curves["cold"][:, -1], curves["warm"][:, -1]
print(f"accuracy after 60 steps: cold {cold.mean():.2f}, warm {warm.mean():.2f}")
assert warm.min() > cold.max(), "the old features do not help"

# %%
# When it is not so: other names
# ------------------------------
#
# A start is warm only if something was loaded.
# :class:`~torch.nn.parallel.DistributedDataParallel` puts ``module.`` before every
# name, and :func:`torch.compile` puts ``_orig_mod.`` there. Then nothing fits, and
# ``strict=False`` accepts that: no error, and a cold start.
# Remove the prefixes in whatever order they stand.


def same_features(entries):
    new = build(5)
    missing = new.load_state_dict(entries, strict=False).missing_keys
    same = torch.equal(new[:4](test_set[0]), old[:4](test_set[0]))
    print(f"{list(entries)[0]:25} {len(missing)} of 4 missing, same features: {same}")
    return same


def plain(entries):
    return {re.sub(r"^(module\.|_orig_mod\.)+", "", k): v for k, v in entries.items()}


for prefix in ("module._orig_mod.", "_orig_mod.module."):
    wrapped = {prefix + name: tensor for name, tensor in fits.items()}
    assert not same_features(wrapped)
    assert same_features(plain(wrapped))

# %%
# In your project
# ---------------
#
# Name the part that may start cold, and let everything else raise an error. ``left``
# holds the entries that the new model has no place for: with an unknown prefix, all of
# them. The error then shows both sets of names. If a name is ``epoch``, the file holds
# more than a model: take its ``["state_dict"]`` or ``["model_state_dict"]``. Lightning
# often adds the prefix ``model.``: add it to ``plain``.
#
# If both sets are empty, the old head was loaded, too: take its entries out of
# ``state``. If the new head has another name than the old one, compare ``missing`` and
# ``left`` with a set each.
#
# Load before you wrap the new model with ``DistributedDataParallel`` or
# ``torch.compile``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
# state = torch.load(path, map_location="cpu", weights_only=True)
model = build(5)
own, state = model.state_dict(), plain(state)
fits = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
missing, left = model.load_state_dict(fits, strict=False)[0], set(state) - set(fits)
assert set(missing) == left == {"4.weight", "4.bias"}, (missing, left)  # new head
model.to(device)
old_rate, new_rate = 1e-4, 1e-3  # often smaller for the loaded layers
old_part = [p for name, p in model.named_parameters() if name not in missing]
new_part = [p for name, p in model.named_parameters() if name in missing]
groups = [{"params": old_part, "lr": old_rate}, {"params": new_part, "lr": new_rate}]
optimizer = torch.optim.AdamW(groups)

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - All weights are there, under other names:
#   :ref:`sphx_glr_recipes_recipes_error_loading_state_dict.py`
