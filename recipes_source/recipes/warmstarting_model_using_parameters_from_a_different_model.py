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
# older_errors = [
#   "Error(s) in loading state_dict",
#   "size mismatch for fc.weight: copying a param with shape",
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


_ = torch.manual_seed(5)
old = build(8)
print(f"old model: {learn(old, draw(2000, 8), draw(400, 8), 300)[-1]:.1f} right")

# %%
# strict=False is not enough
# --------------------------
#
# By default, :meth:`~torch.nn.Module.load_state_dict` wants the same names on both
# sides. ``strict=False`` forgives names that are missing or left over. It does not
# forgive a tensor of another size under the same name.

state = old.state_dict()  # or torch.load() of the file it was saved to
for strict in (True, False):
    try:
        build(5).load_state_dict(state, strict=strict)
    except RuntimeError as error:
        print(f"strict={strict}: {str(error).count('size mismatch')} size mismatches")

# %%
# So keep only the entries whose name and shape occur in the new model. This loads, and
# the return value names the tensors that keep their random start: the last layer.

own = build(5).state_dict()
fits = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
missing = build(5).load_state_dict(fits, strict=False).missing_keys
print("fits:", *fits, "| missing:", *missing)

# %%
# Cold start against warm start
# -----------------------------
#
# Five runs each on 20 images, tested on 500. With the same seed, both starts get the
# same last layer and batches. Lines are means; bands reach from worst to best run.

train_set, test_set = draw(20, 5), draw(500, 5)
curves = {"cold": torch.zeros(5, 7), "warm": torch.zeros(5, 7)}
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for (start, runs), style in zip(curves.items(), ["s--", "o-"], strict=True):
    for seed in range(5):
        torch.manual_seed(seed)
        new = build(5)
        if start == "warm":
            new.load_state_dict(fits, strict=False)
        runs[seed] = learn(new, train_set, test_set, 60)
    ax.plot(range(0, 61, 10), runs.mean(dim=0), style, label=f"{start} start")
    ax.fill_between(range(0, 61, 10), runs.amin(dim=0), runs.amax(dim=0), alpha=0.2)
ax.set(title="Warm start ahead of cold start", xlabel="step", ylabel="test accuracy")
ax.legend()
plt.show()

# %%
# Proof, and a pitfall
# --------------------
#
# The worst warm run must be ahead of the best cold one. Now the pitfall: the wrapper
# :class:`torch.nn.parallel.DistributedDataParallel` puts ``module.`` before every name.
# Then nothing fits, and ``strict=False`` accepts that: no error, and a cold start. Call
# ``name.removeprefix("module.")`` on the names, and check what is missing.

cold, warm = curves["cold"][:, -1], curves["warm"][:, -1]
print(f"right after 60 steps: cold {cold.mean():.1f}, warm {warm.mean():.1f}")
assert warm.min() > cold.max(), "the old features do not help"
for prefix in ("module.", ""):
    new = build(5)
    entries = {prefix + name: tensor for name, tensor in fits.items()}
    missing = new.load_state_dict(entries, strict=False).missing_keys
    same = torch.equal(new[:4](test_set[0]), old[:4](test_set[0]))
    print(f"prefix {prefix!r}: {len(missing)} of 4 missing, same features: {same}")
assert same, "the features were not loaded"

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
