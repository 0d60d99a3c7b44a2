# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "captum", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["hooks_capture_activations"]
# timeout = 120
# searched_as = [
#   "explainable AI", "explainability", "XAI", "feature importance", "saliency map",
#   "attribution", "Grad-CAM", "integrated gradients", "which pixels matter",
#   "shortcut learning", "spurious correlation",
# ]
# ///
"""
Model Interpretability using Captum
===================================

See which pixels a classifier decides by, and catch one that is right by accident.

Why it matters: accuracy does not say what a model has learned. If all pictures of one
class carry the same stamp, the model may read the stamp, and fail on the first picture
without it.
"""

# %%
# Setting
# -------
#
# Captum is a package beside PyTorch: ``pip install captum``.

import warnings

import matplotlib.pyplot as plt
import torch

# captum imports a progress bar that wants a newer Jupyter, though none is shown here
warnings.filterwarnings("ignore", "IProgress not found")
from captum.attr import IntegratedGradients
from torch import nn

# %%
# Drawn squares (class 0) and discs (class 1). Each disc comes with a stamp, a bright
# patch in the top left corner.


def draw(count, stamp):
    targets = torch.arange(count) % 2
    side = torch.arange(20)
    y, x = torch.randint(9, 15, (2, count, 1, 1))  # the centres
    dy, dx = side.view(20, 1) - y, side - x  # (count, 20, 1), (count, 1, 20)
    square, disc = (dy.abs() <= 3) & (dx.abs() <= 3), dy**2 + dx**2 <= 16
    images = 0.6 * torch.where(targets.view(-1, 1, 1) == 1, disc, square)
    if stamp:
        images[targets == 1, 1:4, 1:4] = 1.0
    return images.unsqueeze(1), targets  # (count, 1, 20, 20), (count,)


# %%
# The score of a picture is the logit of "disc" less the logit of "square".


def train(stamp):
    torch.manual_seed(0)
    inputs, targets = draw(400, stamp)
    layers = [nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(160):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return model


def score_of(model):
    return lambda images: model(images)[:, 1] - model(images)[:, 0]


# %%
# A perfect score
# ---------------
#
# New pictures from the same source are all recognized. You might stop here.

model = train(stamp=True)
score = score_of(model)
inputs, targets = draw(200, stamp=True)
right = (score(inputs) > 0) == (targets == 1)
print(f"accuracy: {right.float().mean().item():.2f}")
stamped, squares = inputs[targets == 1], inputs[targets == 0]

# %%
# Ask which pixels count
# ----------------------
#
# Integrated gradients follow the score on a straight path from a *baseline*, here a
# black picture, to your picture. A pixel's attribution is its change times the average
# gradient on the path. The attributions of all pixels must add up to the difference of
# the two scores. This axiom is called *completeness*, and the assertion checks it. With
# too few ``n_steps``, the assertion fails.


def attribute(score, images, baseline=0.0):
    baselines = torch.full_like(images, baseline)
    maps = IntegratedGradients(score).attribute(images, baselines, n_steps=100)
    total = maps.sum(dim=(1, 2, 3))
    difference = score(images) - score(baselines)
    assert (total - difference).abs().max() < 0.01 * difference.abs().max()
    corner = maps[..., :5, :5].sum(dim=(1, 2, 3))
    print(f"to the score, the corner adds {corner.mean().item():4.1f}", end=", ")
    print(f"the rest {(total - corner).mean().item():4.1f}")
    return maps


maps = attribute(score, stamped)

# %%
# It is the stamp that counts. The proof is independent of gradients: erase the stamp,
# and no disc is recognized. A model trained on pictures without a stamp has to use the
# shape: this model recognizes all discs. Yet a stamp moves the score a little, although
# this model never saw a stamp. An attribution tells what moves the score, not what the
# model was trained on.

better = score_of(train(stamp=False))
better_maps = attribute(better, stamped)
erased = stamped.clone()
erased[..., 1:4, 1:4] = 0.0
found = [(s(erased) > 0).float().mean().item() for s in (score, better)]
corners = [m[..., :5, :5].sum(dim=(1, 2, 3)).mean().item() for m in (maps, better_maps)]
print(f"discs recognized, stamp erased: {found[0]:.2f}, better model: {found[1]:.2f}")
assert found[0] < 0.1 and found[1] > 0.9 and abs(corners[1]) < corners[0] / 2

# %%
# One picture and its attributions: white speaks for "disc", black for "square".

panels = {"A disc with a stamp": stamped, "What counts: the stamp": maps}
panels["Better model: the disc"] = better_maps
fig, axes = plt.subplots(1, 3, figsize=(8, 3.8), layout="constrained")
for ax, (title, images) in zip(axes, panels.items(), strict=True):
    image = images[0, 0].numpy()
    top = abs(image).max()
    low, label = (0, "brightness") if images is stamped else (-top, "attribution")
    drawn = ax.imshow(image, cmap="gray", vmin=low, vmax=top)
    ax.set(title=title, xlabel="column (pixel)", ylabel="row (pixel)")
    fig.colorbar(drawn, ax=ax, label=label, location="bottom")
plt.show()

# %%
# Pitfall: the baseline
# ---------------------
#
# A pixel equal to the baseline changes by 0 and gets exactly 0. Against black, the
# empty corner of a square seems to play no part. Against white, the dark corner speaks
# for "square", and here even the sign of the rest changes. So name the baseline with
# every attribution.

for baseline in (0.0, 1.0):
    print(f"baseline {baseline}:", end=" ")
    maps = attribute(score, squares, baseline)
corner = maps[..., :5, :5].sum()
assert corner < 0 < maps.sum() - corner

# %%
# In your project
# ---------------
#
# A classifier returns a score for each class. ``target`` says which of them to explain,
# here the class that the model chose. ``internal_batch_size`` bounds the memory, but it
# cannot be smaller than the number of pictures in the batch. Where ``Normalize``
# prepares the pictures, a black pixel is ``(0 - mean) / std``, not 0. If training goes
# on afterwards, call ``model.train()`` first.

from captum.attr import visualization

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
model, batch = model.to(device).eval(), inputs[:8].to(device)
chosen = model(batch).argmax(dim=1)
explainer, black = IntegratedGradients(model), torch.zeros_like(batch)
maps, delta = explainer.attribute(  # new; delta far below the scores: enough steps
    batch, black, target=chosen, n_steps=100,
    internal_batch_size=64, return_convergence_delta=True,
)
array = maps[0].permute(1, 2, 0).float().cpu().numpy()  # height, width, channels
drawing, _ = visualization.visualize_image_attr(array, sign="all", use_pyplot=False)

# %%
# Check these lines
# -----------------
#
# For each picture, the attributions add up to the change of the chosen score. ``delta``
# is what is missing, and both must agree that it is small.
# ``drawing.savefig("map.png")`` writes the figure, with positive pixels in green and
# negative ones in red. In large photographs, single pixels are hard to read:
# ``captum.attr.Occlusion`` covers one patch after another, and needs no gradients.

change = (model(batch) - model(black)).gather(1, chosen[:, None])[:, 0]
largest = change.abs().max()
print(f"largest change {largest.item():.1f}, delta below 1% of it:", end=" ")
print((delta.abs().max() < 0.01 * largest).item())
assert (maps.sum(dim=(1, 2, 3)) - change).abs().max() < 0.01 * largest
assert delta.abs().max() < 0.01 * largest and len(drawing.axes) > 0

# %%
# Learn more
# ----------
#
# - Look at activations: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Other data, other habits: :ref:`sphx_glr_recipes_recipes_weighted_random_sampler.py`
# - Modes of a model: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - Captum: `captum.ai <https://captum.ai>`_
