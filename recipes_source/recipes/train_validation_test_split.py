# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Data", "Training"]
# after = ["custom_dataset_transforms_loader"]
# timeout = 60
# searched_as = [
#   "train test split", "split a dataset", "split dataset into training and test",
#   "random_split", "Subset", "take a subset of a dataset", "hold-out set",
#   "cross validation", "k-fold", "data leakage", "validation accuracy too good",
#   "different transforms for train and test", "train_test_split of scikit-learn",
# ]
# ///
"""
Split data for training, validation and test
============================================

Split once, by a seed and by groups, and give each part its transform.

A split that changes from run to run puts yesterday's test samples into today's
training. A split by sample puts one scan of a patient into training and the next one
into the test. Both give a score that is too good, and neither raises an error.
"""

# %%
# Scans that nothing can be learned from
# --------------------------------------
#
# Two hundred patients have five scans each. The scans of one patient look alike. Half
# of the patients are called ill, drawn by lot. So a new patient can only be guessed,
# and the honest accuracy is one half.

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset, random_split

torch.manual_seed(0)
patients = torch.arange(200).repeat_interleave(5)
scans = torch.randn(200, 20)[patients] + 0.1 * torch.randn(1000, 20)
labels = (torch.randperm(200) < 100).long()[patients]

# %%


class Scans(Dataset):
    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return len(scans)

    def __getitem__(self, index):
        x = scans[index]
        return (self.transform(x) if self.transform else x), labels[index]


# %%
# One split, the same in every run
# --------------------------------
#
# :func:`torch.utils.data.random_split` takes shares that add up to 1, or counts that
# add up to the length of the data. It draws from the global generator. If an earlier
# line draws one number more, as in the second run here, the split is another one. A
# generator that only the split uses keeps the split while the data stay the same.

shares = (0.7, 0.15, 0.15)


def overlap(make_generator):
    runs = []
    for extra in (0, 1):
        torch.manual_seed(0)
        torch.rand(extra)  # a new layer, say
        runs.append(random_split(Scans(), shares, generator=make_generator()))
    (_, _, old_test), (new_train, _, _) = runs
    return len(set(old_test.indices) & set(new_train.indices))


# %%

moving = overlap(lambda: torch.default_generator)
fixed = overlap(lambda: torch.Generator().manual_seed(42))
print(f"test samples that the next run trains on: {moving} of 150")
print(f"with a generator for the split: {fixed} of 150")
assert moving > 75 and fixed == 0

# %%
# A transform for each part
# -------------------------
#
# The three parts are :class:`~torch.utils.data.Subset`, which is a data set and a list
# of indices. All three hold the *same* data set. Its transform is used by all, so
# noise meant for training reaches the test. Make the data set twice, and take the
# indices from the split.


def jitter(x):
    return x + 0.1 * torch.randn_like(x)


g = torch.Generator().manual_seed(42)
train, valid, test = random_split(Scans(jitter), shares, generator=g)
calm = Subset(Scans(), test.indices)
for name, part in (("one data set", test), ("two data sets", calm)):
    change = (part[0][0] - part[0][0]).abs().max().item()
    print(f"{name}: a test sample read twice differs: {change > 0}")
assert train.dataset is test.dataset and not torch.equal(test[0][0], test[0][0])
assert torch.equal(calm[0][0], calm[0][0])

# %%
# See the problem: a score that is too good
# -----------------------------------------
#
# The model answers with the label of the nearest scan in the training set. After the
# split by sample, the nearest scan is another one of the same patient.


def accuracy(train, test):
    nearest = torch.cdist(scans[test], scans[train]).argmin(dim=1)
    return (labels[train][nearest] == labels[test]).float().mean().item()


by_sample = []
for seed in range(10):
    g = torch.Generator().manual_seed(seed)
    train, valid, test = random_split(range(1000), shares, generator=g)
    by_sample.append(accuracy(train.indices, test.indices))
print(f"by sample: {sum(by_sample) / 10:.2f} right, over ten splits")

# %%
# The mend: split the patients
# ----------------------------
#
# Shuffle and cut the list of patients instead of the list of scans. The accuracy falls
# to what a guess reaches, and this is the truth about these data. The shares count
# patients. The groups may be numbers or strings. With few groups, rounding can leave a
# part empty, so ``split`` refuses that.


def split(groups, shares, seed):
    assert abs(sum(shares) - 1) < 1e-6, "shares, not counts"
    g = torch.Generator().manual_seed(seed)
    groups = torch.from_numpy(np.unique(groups, return_inverse=True)[1])  # 0, 1, ...
    names = torch.randperm(int(groups.max()) + 1, generator=g)
    ends = [round(len(names) * sum(shares[:i])) for i in range(1, len(shares))]
    parts = names.tensor_split(ends)
    assert all(map(len, parts)), "a part without a group"
    return [torch.isin(groups, part).nonzero().flatten().tolist() for part in parts]


# %%

by_patient = []
for seed in range(10):
    train, valid, test = split(patients, shares, seed)
    assert sorted(train + valid + test) == list(range(1000))  # all, and none twice
    assert not set(patients[train].tolist()) & set(patients[test].tolist())
    by_patient.append(accuracy(train, test))
print(f"by patient: {sum(by_patient) / 10:.2f} right, over ten splits")
assert min(by_sample) > 0.9 and 0.3 < sum(by_patient) / 10 < 0.7

# %%
# When it is not so: few groups
# -----------------------------
#
# With few groups, one test set says little: the ten accuracies are far apart. Then let
# ``split`` cut k equal parts, and let each part be the test once.
#
# A series in time is not shuffled: train on the past, test on the future. To keep the
# shares of the classes as well, take ``StratifiedGroupKFold`` of scikit-learn.

print(f"by patient, from {min(by_patient):.2f} to {max(by_patient):.2f}")
folds = split(patients, [1 / 5] * 5, seed=0)
scores = []
for fold in folds:
    rest = [index for other in folds if other is not fold for index in other]
    scores.append(accuracy(rest, fold))
print("five folds:", *(f"{score:.2f}" for score in scores), end=", ")
print(f"mean {sum(scores) / 5:.2f}")
assert sorted(sum(folds, [])) == list(range(1000))
assert max(by_patient) - min(by_patient) > 0.1

# %%
# In your project
# ---------------
#
# Copy ``split`` from above. If no samples belong together, ``patients`` is
# ``torch.arange(len(data))``. Run the first two lines once. Later runs read
# ``torch.load("split.pt")``: when data are added, the same seed gives another split. An
# index stands for a sample only while the order of the samples stays, so sort the file
# names. A new file can shift the indices of old ones. So also save the patients of each
# part, ``patients[train]`` and so on, and add each new patient to one part.
#
# Take from the training part alone whatever is computed from data, such as the mean and
# deviation for the normalization. Choose settings by the validation part, and use the
# test part once, at the end. On Windows and macOS (and Linux since Python 3.14), a
# worker does not see variables that are set below ``if __name__ == "__main__":``. So
# ``partial`` takes the numbers along.

train, valid, test = split(patients, (0.7, 0.15, 0.15), seed=42)  # new: by group
torch.save({"train": train, "valid": valid, "test": test}, "split.pt")  # new
mean, std = scans[train].mean(dim=0), scans[train].std(dim=0)  # of training only


def prepare(x, mean, std, noise=0.0):
    x = x + noise * torch.randn_like(x)
    return (x - mean) / (std + 1e-6)  # a feature that never changes has std 0


normalize = partial(prepare, mean=mean, std=std)  # no lambda: workers cannot get one
augment = partial(prepare, mean=mean, std=std, noise=0.1)
train_set = Subset(Scans(augment), train)  # new: two data sets
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
valid_loader = DataLoader(Subset(Scans(normalize), valid), batch_size=256)
test_loader = DataLoader(Subset(Scans(normalize), test), batch_size=256)

# %%
# Check
# -----
#
# The training part is centred, and the other parts read the same twice. The saved
# indices are in the loaders. With names for the patients, nobody is in two parts.

centred = torch.stack([normalize(scans[index]) for index in train]).mean(dim=0)
assert centred.abs().max() < 1e-4
for loader in (valid_loader, test_loader):
    first, again = (torch.cat([x for x, _ in loader]) for _ in range(2))
    assert torch.equal(first, again)
first, again = (train_set[0][0] for _ in range(2))
assert not torch.equal(first, again)  # jitter
assert torch.load("split.pt")["test"] == test_loader.dataset.indices
print("samples:", *(len(part) for part in torch.load("split.pt").values()))
names = [f"patient {number}" for number in patients.tolist()]
parts = [{names[index] for index in part} for part in split(names, shares, seed=1)]
print("named patients:", *map(len, parts))
assert len(set.union(*parts)) == sum(map(len, parts)) == 200
Path("split.pt").unlink()

# %%
# Learn more
# ----------
#
# - Write the data set:
#   :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`
# - Seeds for the whole training:
#   :ref:`sphx_glr_recipes_recipes_reproducible_runs.py`
# - Batches and shuffling: :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - Rare classes: :ref:`sphx_glr_recipes_recipes_weighted_random_sampler.py`
# - Other transforms for training: :ref:`sphx_glr_recipes_recipes_data_augmentation.py`
# - API: :func:`torch.utils.data.random_split`, :class:`torch.utils.data.Subset`
