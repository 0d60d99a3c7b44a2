# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Losses"]
# after = ["cross_entropy_inputs"]
# timeout = 60
# searched_as = [
#   "weighted cross entropy", "weighted loss", "pos_weight", "imbalanced data set",
#   "class imbalance", "unbalanced classes", "cost-sensitive learning", "rare class",
#   "weight argument of CrossEntropyLoss", "balanced class weight", "inverse frequency",
#   "model predicts only the majority class",
# ]
# errors = ["weight tensor should be defined either for all"]
# older_errors = ["weight tensor should be defined either for all or no classes"]
# ///
"""
Weigh rare classes in the loss
==============================

Give a rare class its weight in the loss, and know what it does to probabilities.

Why it matters: of twenty readings of a machine, one comes before a fault. The loss adds
up all readings, and nineteen of its twenty terms come from readings without a fault. A
model that hardly ever says "fault" has a low loss and is of no use.
"""

# %%
# Setting: one number, two classes
# --------------------------------
#
# Readings without a fault scatter around 0, those with a fault around 2, both with a
# standard deviation of 1. ``border`` trains a logistic regression to its end, with
# :class:`torch.optim.LBFGS`, and returns the reading at which the answer changes.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
counts = torch.tensor([19000, 1000])
labels = torch.arange(2).repeat_interleave(counts)
readings = torch.randn(len(labels), 1, dtype=torch.float64) + 2.0 * labels[:, None]

# %%


def border(loss_of, x=readings, y=labels):
    model = nn.Linear(1, 2, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    (slope,), offset = model.weight[1] - model.weight[0], model.bias[1] - model.bias[0]
    return (-offset / slope).item(), model


# %%
# See the problem
# ---------------
#
# A reading of 1, in the middle between 0 and 2, is equally likely in both classes. But
# faults are rare, so the most accurate border lies
# :math:`\tfrac12 \log 19` above the middle. Most faults stay below it.


def recalls(at):
    said = readings[:, 0] > at
    return [(said == c)[labels == c].double().mean().item() for c in (0, 1)]


def show(name, at):
    print(f"{name:10} border {at:5.2f}, found: no fault {recalls(at)[0]:.0%}", end="")
    print(f", fault {recalls(at)[1]:.0%}")


plain, plain_model = border(nn.CrossEntropyLoss())
show("no weights", plain)
print(f"closed form {1 + math.log(19) / 2:.2f}")
assert abs(plain - (1 + math.log(19) / 2)) < 0.15 and recalls(plain)[1] < 0.5

# %%
# The idea: one weight for each class
# -----------------------------------
#
# :class:`torch.nn.CrossEntropyLoss` multiplies the loss of each sample by the weight of
# its class. With weights of one over the size of the class, both classes count the
# same. With ``reduction="mean"``, the default, only their ratio matters: the loss
# divides by the sum of the batch's weights.

weight = len(labels) / (len(counts) * counts.double())  # (2,), one for each class
weighted_loss = nn.CrossEntropyLoss(weight=weight)
weighted, weighted_model = border(weighted_loss)
print("weights", [round(w, 2) for w in weight.tolist()])
show("no weights", plain)
show("weights", weighted)
assert abs(weighted - 1) < 0.1 and recalls(weighted)[1] > 0.8

# %%
# Proof: the same as repeating, and as a sampler on average
# ---------------------------------------------------------
#
# Repeat each fault 19 times, without weights: loss and border are the same. A sampler
# that draws both classes equally often gives this loss on average. Weights take one
# line and use each sample once. Take the sampler if many batches would hold no fault.

copies = torch.tensor([1, 19])[labels]
x, y = readings.repeat_interleave(copies, 0), labels.repeat_interleave(copies)
repeated, _ = border(nn.CrossEntropyLoss(), x, y)
with torch.no_grad():
    loss = weighted_loss(plain_model(readings), labels)
    same = nn.functional.cross_entropy(plain_model(x), y)
    rows = torch.multinomial(1 / counts[labels].double(), 200_000, replacement=True)
    drawn = nn.functional.cross_entropy(plain_model(readings[rows]), labels[rows])
print(f"loss: weights {loss:.4f}, repeated {same:.4f}, sampler {drawn:.2f}")
print(f"border: weights {weighted:.4f}, repeated {repeated:.4f}")
torch.testing.assert_close(loss, same)
assert abs(weighted - repeated) < 1e-3 and abs(loss - drawn) < 0.03

# %%
# One output: ``pos_weight``
# --------------------------
#
# :class:`torch.nn.BCEWithLogitsLoss` takes the weight of a yes relative to a no: the
# count of no over the count of yes. Its mean divides by the number of samples, so the
# loss is larger. The border is the same. For several labels, ``pos_weight`` has one
# entry for each. Divide by ``yes.clamp(min=1)``: a label without any yes would have the
# weight ``inf``, and the loss would be ``nan``.

pos_weight = counts[0] / counts[1].double()
bce = nn.BCEWithLogitsLoss(pos_weight=pos_weight)
binary, _ = border(lambda z, y: bce(z[:, 1] - z[:, 0], y.double()))
logit = (plain_model(readings) @ torch.tensor([-1.0, 1.0]).double()).detach()
factor = (bce(logit, labels.double()) / loss).item()
print(f"pos_weight {pos_weight:.0f}, border {binary:.4f}, loss times {factor:.2f}")
assert abs(binary - weighted) < 1e-3
assert math.isclose(factor, 2 * counts[0] / len(labels), rel_tol=1e-6)

# %%
# When it is not so: probabilities, and both cures at once
# --------------------------------------------------------
#
# The weighted model's probabilities fit a world where half are faults: here, they are
# about five times too high. Subtract the logarithm of the weights from the logits, and
# the probabilities are right again. With ``pos_weight``, subtract its logarithm from
# the score. Weights *and* a balanced sampler count the rarity twice.

logits = weighted_model(readings).detach()
shares = {
    "really": labels.double().mean(),
    "weights": logits.softmax(1)[:, 1].mean(),
    "weights, corrected": (logits - weight.log()).softmax(1)[:, 1].mean(),
}
for name, share in shares.items():
    print(f"share of faults, {name}: {share:.2f}")
assert shares["weights"] > 0.15
assert abs(shares["weights, corrected"] - shares["really"]) < 0.01
twice, _ = border(weighted_loss, x, y)
show("both", twice)
assert abs(twice - (1 - math.log(19) / 2)) < 0.2

# %%
# When it is not so: small batches
# --------------------------------
#
# The loss divides by the weights of *this batch*. In a batch of one sample, or of one
# class, they cancel without a message, and in small batches they lose force. The same
# holds for accumulated gradients. The mend: divide by the number of samples.


def mended_loss(logits, y):
    losses = nn.functional.cross_entropy(logits, y, reduction="none")
    return (weight[y] * losses).mean()  # new


# %%
# Balanced weights are 1 on average. So, over batches of equal size, the mean of the
# mended loss is the loss of the whole data.

order, logits = torch.randperm(len(labels)), plain_model(readings).detach()
one, full = labels[-1:], weighted_loss(logits, labels)  # one: a fault
gone = weighted_loss(logits[-1:], one), nn.CrossEntropyLoss()(logits[-1:], one)
print(f"batch of one: with weights {gone[0]:.3f}, without {gone[1]:.3f}")
torch.testing.assert_close(*gone)
for size in (10, 100):
    batches = [(logits[rows], labels[rows]) for rows in order.split(size)]
    usual = sum(weighted_loss(*batch) for batch in batches) / len(batches)
    ours = sum(mended_loss(*batch) for batch in batches) / len(batches)
    print(f"batches of {size}: loss {usual:.2f}, mended {ours:.2f}, wanted {full:.2f}")
    torch.testing.assert_close(ours, full)
    assert size == 100 or usual < 0.8 * full

# %%
grid = torch.linspace(-3, 5, 200)
fig, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, mean, style, share in (("no fault", 0, "k-", 0.95), ("fault", 2, "k:", 0.05)):
    density = share * torch.exp(-((grid - mean) ** 2) / 2) / math.sqrt(2 * math.pi)
    axis.plot(grid, density, style, label=name)
axis.axvline(plain, color="C1", linestyle="--", label="border without weights")
axis.axvline(weighted, color="C0", label="border with weights")
axis.set(xlabel="reading", ylabel="density", ylim=(0, None))
axis.set_title("Weights move the border to the middle")
axis.legend(loc="upper right", fontsize="small")
plt.show()

# %%
# In your project
# ---------------
#
# Count the training labels only. The weights belong on the device, in the dtype of the
# logits. There must be one for each class, also for a class without samples. With
# ``label_smoothing``, set the weight of such a class to 0, or the model may learn to
# name it. Weights as far apart as 1 and 1000 can make training unsteady: take their
# square root. For small batches, take ``mended_loss``. In validation, report each
# class's recall: the loss without weights punishes the changed probabilities.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
counts = labels.bincount(minlength=2).clamp(min=1)  # 2 classes
weight = (len(labels) / (len(counts) * counts)).to(device)  # new
loss_fn = nn.CrossEntropyLoss(weight=weight)  # new
model = nn.Linear(1, len(counts)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
for rows in torch.randperm(len(labels)).split(100):
    loss = loss_fn(model(readings[rows].float().to(device)), labels[rows].to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check
# -----
#
# The border is near the middle. This message comes if a class has no weight:

slope, offset = model.weight[1] - model.weight[0], model.bias[1] - model.bias[0]
print(f"border {(-offset / slope).item():.1f}")
assert abs((-offset / slope).item() - 1) < 0.25
try:
    loss_fn(torch.randn(4, 3, device=device), torch.tensor([0, 1, 2, 0], device=device))
except RuntimeError as error:
    print(error)

# %%
# Learn more
# ----------
#
# - Draw instead of weigh: :ref:`sphx_glr_recipes_recipes_weighted_random_sampler.py`
# - Few pixels of an object: :ref:`sphx_glr_recipes_recipes_segmentation_loss.py`
# - Several yes/no labels:
#   :ref:`sphx_glr_recipes_recipes_binary_and_multi_label_loss.py`
# - Logits and targets: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - API: :class:`torch.nn.CrossEntropyLoss`, :class:`torch.nn.BCEWithLogitsLoss`
