# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Inspection"]
# after = ["training_and_validation_loop"]
# timeout = 60
# searched_as = [
#   "compute accuracy", "accuracy over an epoch", "accuracy above 100%", "metrics",
#   "F1 score", "f1_score", "macro average", "micro average", "true positives",
#   "false positives", "sensitivity", "specificity", "classification report",
#   "torchmetrics", "confusion_matrix of scikit-learn",
# ]
# ///
"""
Confusion matrix: accuracy, precision, recall and F1
====================================================

Count once over an epoch, and read accuracy, precision, recall and F1 from one table.

An average over batches of unequal size is not the accuracy of the data. For precision,
recall and F1, not even batches of equal size help. And a high accuracy can hide a rare
class that is hardly found. So count first, and divide at the end, class by class.
"""

# %%
# Answers whose table is known
# ----------------------------
#
# A model told 803 photographs apart. The table is made up, so the right scores are
# known before anything is computed. Rows are the true class, columns the answer. The
# samples are shuffled, and come with logits as from a network.

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
names = ["cat", "dog", "fox"]
truth = torch.tensor([[560, 37, 1], [25, 146, 2], [14, 12, 6]])
cells = torch.arange(9).repeat_interleave(truth.flatten())
cells = cells[torch.randperm(len(cells))]
targets, answers = cells // 3, cells % 3
logits = nn.functional.one_hot(answers, 3) + torch.rand(len(cells), 3) / 2

# %%
# See the problem: the mean of the batches
# ----------------------------------------
#
# In batches of 100, the last batch has 3 samples. In the mean, these 3 samples count as
# much as 100 others.

batches = list(zip(logits.split(100), targets.split(100), strict=True))
parts = [(x.argmax(dim=1) == y).float().mean() for x, y in batches]
mean = sum(parts).item() / len(parts)
accuracy = truth.diag().sum().item() / truth.sum().item()
print(f"mean of the batches {mean:.3f}, right {accuracy:.3f}")
assert abs(mean - accuracy) > 0.005

# %%
# The idea: one table, filled batch by batch
# ------------------------------------------
#
# Give each pair of true class and answer a number, ``true * classes + answer``, and
# count the numbers with :func:`torch.bincount`. Tables of batches add up. Without
# ``minlength``, a batch in which no fox is found has a shorter count, and ``view``
# fails. ``classes`` is the number of outputs of the model: too small a number can put
# answers into wrong cells.


def confusion(predicted, targets, classes):
    pairs = targets.flatten().long() * classes + predicted.flatten()
    return pairs.bincount(minlength=classes**2).view(classes, classes)


def scores(table):
    hits = table.diag()
    recall = hits / table.sum(dim=1).clamp(min=1)  # of those that are there
    precision = hits / table.sum(dim=0).clamp(min=1)  # of those that were named
    f1 = 2 * hits / (table.sum(dim=0) + table.sum(dim=1)).clamp(min=1)
    return recall, precision, f1


# %%

table = sum(confusion(x.argmax(dim=1), y, 3) for x, y in batches)
recall, precision, f1 = scores(table)
print(" true   " + "".join(f"{name:>5}" for name in names), "  recall  precision  f1")
for c, name in enumerate(names):
    counts = "".join(f"{n:5}" for n in table[c].tolist())
    print(f" {name}    {counts}   {recall[c]:.3f}   {precision[c]:.3f}     {f1[c]:.3f}")
print(f"accuracy {table.diag().sum() / 803:.3f}, mean recall {recall.mean():.3f}")

# %%
# Read a row for recall: of 32 foxes, 6 were found. Read a column for precision: of 9
# answers "fox", 6 were right. The accuracy hides this, because foxes are rare. The mean
# of the recalls, also called balanced accuracy, shows it: each class counts the same.
#
# Proof
# -----
#
# The table is the one that was made up. A loop that asks one question at a time gives
# the same three scores.

assert torch.equal(table, truth)
pairs = list(zip(targets.tolist(), answers.tolist(), strict=True))
for c in range(3):
    hits = sum(true == c and answer == c for true, answer in pairs)
    missed = sum(true == c and answer != c for true, answer in pairs)
    wrong = sum(true != c and answer == c for true, answer in pairs)
    loop = [hits / (hits + missed), hits / (hits + wrong)]
    loop.append(2 / (1 / loop[0] + 1 / loop[1]))  # the harmonic mean
    ours = [score[c].item() for score in (recall, precision, f1)]
    torch.testing.assert_close(ours, loop, rtol=1e-6, atol=0)
assert accuracy > 0.85 and recall[2] < 0.2 and recall.mean() < 0.7

# %%
# When it is not so: one output
# -----------------------------
#
# A network with one logit per sample says yes where the logit is above 0. If the
# network ends in a sigmoid, compare with 0.5, because all its answers are above 0.
# ``argmax`` over one column always gives 0.
#
# And a column of answers compared with a row of targets is a table of all pairs. The
# sum of this table gives an accuracy that can exceed 100%. Its mean is wrong, and looks
# right.

column, fox = logits[:, 2:] - 0.75, targets == 2  # shapes (803, 1), (803,)
all_pairs = (column > 0) == fox  # shape (803, 803)
wrong = {
    "argmax": (column.argmax(dim=1) == fox).float().mean(),
    "shape (803, 1), sum": all_pairs.sum() / len(fox),
    "shape (803, 1), mean": all_pairs.float().mean(),
}
right = ((column[:, 0] > 0) == fox).float().mean()
for name, value in wrong.items():
    print(f"{name}: accuracy {value:.1%}, right {right:.1%}")
two = confusion(column[:, 0] > 0, fox, 2)
print(f"foxes found {scores(two)[0][1]:.3f}, as above {recall[2]:.3f}")
assert scores(two)[0][1] == recall[2] and wrong["shape (803, 1), sum"] > 1
assert wrong["argmax"] == 1 - fox.float().mean()

# %%
# In a table of two classes, the recall of yes is also called sensitivity, and the
# recall of no is called specificity.
#
# ``clamp`` gives 0 to a class that was never named, where 0 / 0 would be ``nan``. A
# class without samples gets 0, too: leave it out of the mean. If a label such as -100
# marks padding, remove these labels, and the answers to them, before you count.
#
# In your project
# ---------------
#
# Write your number of classes for each 3. The table lies on the device of the model,
# and is copied at the end. On a GPU, Python waits in each batch, because ``bincount``
# looks for the largest number. Before the next epoch of training, call
# ``model.train()``.
#
# With several processes, call ``torch.distributed.all_reduce(table)`` on each of them
# before you divide. A ``DistributedSampler`` repeats samples to make the shares equal:
# these count twice.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
loader = DataLoader(TensorDataset(logits, targets), batch_size=64)
model = nn.Linear(3, 3, bias=False).to(device)
nn.init.eye_(model.weight)  # stands for your trained model
table = torch.zeros(3, 3, dtype=torch.long, device=device)  # new
model.eval()
with torch.inference_mode():
    for x, y in loader:
        predicted = model(x.to(device)).argmax(dim=1)
        table += confusion(predicted, y.to(device), 3)  # new
recall, precision, f1 = scores(table.cpu())  # new: divide once, at the end
accuracy = (table.diag().sum() / table.sum()).item()

# %%
# Check
# -----

print(f"accuracy {accuracy:.3f}, mean F1 {f1.mean():.3f}")
assert torch.equal(table.cpu(), truth)

# %%
# Learn more
# ----------
#
# - The loop around it: :ref:`sphx_glr_recipes_recipes_training_and_validation_loop.py`
# - Make rare classes count: :ref:`sphx_glr_recipes_recipes_class_weights.py`
# - Several labels for each sample:
#   :ref:`sphx_glr_recipes_recipes_binary_and_multi_label_loss.py`
# - API: :func:`torch.bincount`
