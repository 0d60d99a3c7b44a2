# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Data"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "imbalanced data", "class imbalance", "unbalanced classes", "oversampling",
#   "undersampling", "rare class", "class weights", "minority class",
# ]
# ///
"""
Balance rare classes with a weighted sampler
============================================

Draw every class equally often from an unbalanced data set, and know what that costs.

Why it matters: let one sample in ten belong to the class that you look for. A model
that never names this class is right nine times in ten, and finds nothing. Give
``WeightedRandomSampler`` a weight for each sample, 1 / the size of its class. Then the
classes come equally often.
"""

# %%
# Nine to one
# -----------
#
# Two round clouds of points whose centres lie 2 standard deviations apart. In training
# the second class is rare. The test set has many points of both, to measure how much
# of each class is recognised: its *recall*.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler


def points(common, rare):
    targets = torch.cat([torch.zeros(common), torch.ones(rare)]).long()
    return torch.randn(common + rare, 2) + 2**0.5 * targets[:, None], targets


torch.manual_seed(0)
train_inputs, train_targets = points(common=5400, rare=600)
test_inputs, test_targets = points(common=20000, rare=20000)
data = TensorDataset(train_inputs, train_targets)
print("training samples of each class:", train_targets.bincount().tolist())

# %%
# Shuffled batches
# ----------------
#
# Train a linear classifier on the batches that a shuffle gives. It finds less than half
# of the rare class.


def recalls(loader):
    torch.manual_seed(0)
    model, loss_fn = nn.Linear(2, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for inputs, targets in (batch for _ in range(12) for batch in loader):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
    hits = (model(test_inputs).argmax(1) == test_targets).float()
    return torch.stack([hits[test_targets == 0].mean(), hits[test_targets == 1].mean()])


g = torch.Generator().manual_seed(0)
shuffled = DataLoader(data, batch_size=100, shuffle=True, generator=g)
plain = recalls(shuffled)
print(f"shuffle: recall common {plain[0]:.2f}, rare {plain[1]:.2f}")

# %%
# One weight for every sample
# ---------------------------
#
# :class:`torch.utils.data.WeightedRandomSampler` draws indices with replacement, each
# with a probability proportional to its weight. Give every *sample* one over the size
# of its class, and the two classes weigh the same. The sampler takes the place of
# ``shuffle=True``.

weights = (1 / train_targets.bincount())[train_targets]  # shape (6000,)
sampler = WeightedRandomSampler(weights, num_samples=len(weights), generator=g)
weighted = DataLoader(data, batch_size=100, sampler=sampler)
even = recalls(weighted)
print(f"shuffle: recall common {plain[0]:.2f}, rare {plain[1]:.2f}")
print(f"sampler: recall common {even[0]:.2f}, rare {even[1]:.2f}")

# %%
# Is that right, and what does it cost?
# -------------------------------------
#
# For these clouds the most accurate classifier is known. Let the common class be
# :math:`r` times as frequent. Then the border lies :math:`\tfrac12 \ln r` from the
# middle, towards the rare class. The recalls of this classifier are values of the
# normal distribution function. Both models come close to these recalls for the mixture
# they saw.
#
# The price is paid where the world stays nine to one. ``accuracy``, below, is for such
# a world. There the balanced model names the rare class too often, and is right less
# often. Its probabilities fit an even mixture, too. To correct the probabilities,
# subtract the logarithm of the class weights from the logits, as in
# :ref:`sphx_glr_recipes_recipes_class_weights.py`.

for name, r, recall in [("shuffle", 9, plain), ("sampler", 1, even)]:
    shift = 0.5 * torch.tensor(r).log()
    best = torch.special.ndtr(torch.stack([1 + shift, 1 - shift]))
    accuracy = 0.9 * recall[0] + 0.1 * recall[1]
    print(f"{name}: accuracy {accuracy:.2f}", end="; ")
    print(f"recalls of the most accurate: {best[0]:.2f}, {best[1]:.2f}")
    assert (recall - best).abs().max() < 0.05

# %%
# Every batch of one epoch, and the recalls:

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
runs = [
    ("shuffle", shuffled, plain, "o-", ""),
    ("sampler", weighted, even, "s--", "//"),
]
for i, (name, loader, found, line, hatch) in enumerate(runs):
    share = [100 * targets.float().mean().item() for _, targets in loader]
    left.plot(share, line, markersize=4, label=name)
    right.bar([0.4 * i, 1 + 0.4 * i], 100 * found.numpy(), 0.4, hatch=hatch, label=name)
left.set(title="Rare class in each batch", xlabel="batch", ylabel="share (%)")
right.set(title="Recall on the test set", xlabel="class", ylabel="recall (%)")
right.set(xticks=[0.2, 1.2], xticklabels=["common", "rare"], ylim=(0, 119))
left.legend()
right.legend(loc="upper right")
plt.show()

# %%
# A pitfall: one weight per class
# -------------------------------
#
# The loss takes a weight per class. Two weights tell the sampler that there are two
# samples, and no error is raised. The cell also tries three other things:
#
# - The right sampler does not reach all 6000 in an epoch, either: drawing with
#   replacement, it repeats rare samples and misses common ones.
# - With ``replacement=False``, 6000 draws from 6000 take each sample once. This is nine
#   to one again, without an error. To undersample, keep the replacement and lower
#   ``num_samples``.
# - More than 16.8 million samples are refused. Then weigh the loss.

wrong = WeightedRandomSampler([1 / 5400, 1 / 600], num_samples=6000, generator=g)
drawn = len(set(sampler))
print("different samples drawn:", len(set(wrong)), "instead of", drawn)
assert len(set(wrong)) == 2 < drawn < 6000
assert len(set(WeightedRandomSampler(weights, 6000, replacement=False))) == 6000
assert plain[1] < 0.5 < even[1]
huge, refused = WeightedRandomSampler(torch.ones(2**24 + 1), num_samples=1), False
try:
    list(huge)
except RuntimeError as error:
    refused = True
    print(error)
assert refused

# %%
# A pitfall: several processes
# ----------------------------
#
# Under DistributedDataParallel this sampler does not divide the data. Give each process
# its share of the draws, and a generator whose seed is the rank. With one seed for all,
# the processes would draw the same samples. ``torch.manual_seed(0)`` without a
# generator is one seed for all, too. A resumed run needs new seeds, or it draws its
# first epoch again.

for seeds in ((0, 0), (0, 1)):
    draws = []
    for seed in seeds:  # one process each: seed=rank, and 2 is the world size
        generator = torch.Generator().manual_seed(seed)
        share = WeightedRandomSampler(weights, len(weights) // 2, generator=generator)
        draws.append(list(share))
    print(f"seeds {seeds}: same draws: {draws[0] == draws[1]}", end=", ")
    rare = train_targets[draws[0]].float().mean()
    print(f"share of the rare class: {rare:.1f}")
    assert (draws[0] == draws[1]) == (seeds == (0, 0)) and abs(rare - 0.5) < 0.05

# %%
# In your project
# ---------------
#
# Use the sampler for the training set only: the test set keeps the world's mixture.
# Many data sets of torchvision have their labels as ``targets``. For a ``Subset``, take
# the labels at its ``indices``.
#
# The alternative is ``nn.CrossEntropyLoss(weight=...)``, which weighs classes. There, a
# shuffled loader gives each sample once in an epoch. With both, rarity counts twice.

pin = torch.cuda.is_available()
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
# train_targets = torch.as_tensor(dataset.targets)
weights = 1 / train_targets.bincount()[train_targets]  # new: one for each sample
sampler = WeightedRandomSampler(weights, num_samples=len(weights))  # new
loader = DataLoader(data, batch_size=100, sampler=sampler, pin_memory=pin)  # no shuffle
model, loss_fn = nn.Linear(2, 2).to(device), nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for inputs, targets in loader:
    loss = loss_fn(model(inputs.to(device)), targets.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check
# -----
#
# Half of the samples of an epoch are rare, so each rare sample comes about five times.
# Random augmentation makes these repeats differ.

classes = torch.cat([targets for _, targets in loader])
share, times = classes.float().mean().item(), classes.sum().item() / 600
print(f"share of the rare class {share:.1f}, a rare sample comes {times:.0f} times")
assert abs(share - 0.5) < 0.05 and len(classes) == len(data)

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - The other way, in full: :ref:`sphx_glr_recipes_recipes_class_weights.py`
