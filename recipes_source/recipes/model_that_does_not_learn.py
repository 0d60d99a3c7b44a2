# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Inspection"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "loss not decreasing", "loss does not go down", "loss is stuck",
#   "loss stays the same", "why is my model not learning", "network does not train",
#   "accuracy does not improve", "weights do not update", "not converging",
#   "parameters not updating after optimizer.step", "check the gradient flow",
#   "plot gradients per layer", "grad is None", "debug training",
#   "overfit a single batch", "sanity check", "always predicts the same class",
# ]
# ///
"""
Find out why a model does not learn
===================================

Run five checks on a training whose loss does not fall, and read the cause from a table.

Why it matters: a broken training raises no error. It prints a loss for each epoch, and
from outside a forgotten line looks like a hard problem. More epochs cost hours and tell
nothing. One batch and a few lines tell the causes apart in seconds.
"""

# %%
# Setting: one sound training, seven broken ones
# ----------------------------------------------
#
# Points around five centres are easy to sort. ``build`` makes a training of a small
# network, with one mistake if asked. The step lacks ``zero_grad``, or the model ends in
# a softmax and the loss has another. ``detach`` cuts the features off from the layer
# before them. The optimizer has the parameters of another model, as after a copy. The
# learning rate is far too low, or far too high. The labels belong to other inputs.

import torch
from torch import nn

torch.manual_seed(0)
centres = torch.randn(5, 20)
targets = torch.randint(5, (2600,))
inputs = centres[targets] + torch.randn(2600, 20)
train, valid = slice(0, 1600), slice(1600, 2600)
mixed = targets.clone()
mixed[train] = targets[train][torch.randperm(1600)]  # labels in another order
loss_fn = nn.CrossEntropyLoss()

# %%


class Net(nn.Sequential):
    def __init__(self, fault):
        super().__init__(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
        self.fault = fault

    def forward(self, x):
        features = self[1](self[0](x))
        if self.fault == "detach":
            features = features.detach()
        outputs = self[2](features)
        return outputs.softmax(dim=1) if self.fault == "two softmaxes" else outputs


# %%
rates = {"rate too low": 1e-6, "rate too high": 100.0}


def build(fault, optimizer_class=torch.optim.SGD, lr=0.3):
    model = Net(fault)
    trained = Net(fault) if fault == "another model" else model
    optimizer = optimizer_class(trained.parameters(), lr=rates.get(fault, lr))

    def step(x, y):
        if fault != "no zero_grad":
            optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, optimizer, step


# %%
# See the problem
# ---------------
#
# Train each for one epoch. A guess among five classes has a loss of
# :math:`\log 5`, about 1.6. From the losses alone you can't name a single cause.

faults = ["(sound)", "no zero_grad", "two softmaxes", "detach", "another model"]
faults += [*rates, "labels mixed"]
epoch = {}
for fault in faults:
    step = build(fault)[2]
    labels = (mixed if fault == "labels mixed" else targets)[train]
    pairs = zip(inputs[train].split(32), labels.split(32), strict=True)
    epoch[fault] = sum([step(x, y) for x, y in pairs][-10:]) / 10
    print(f"{fault:14} loss {epoch[fault]:.1f}")
assert all(not epoch[fault] < 1.5 * epoch["(sound)"] for fault in faults[1:])

# %%
# Check 1: learn one batch by heart
# ---------------------------------
#
# Give the training the same 16 samples 200 times. This network can learn any 16 samples
# by heart. A loss that stays up has its cause in the code or in the learning rate.

one_batch = {}
for fault in faults:
    step = build(fault)[2]
    labels = (mixed if fault == "labels mixed" else targets)[:16]
    one_batch[fault] = [step(inputs[:16], labels) for _ in range(200)][-1]
    print(f"{fault:14} loss {one_batch[fault]:.1f}")
found = [fault for fault in faults if not one_batch[fault] < 0.3]
assert found == ["two softmaxes", "another model", *rates]

# %%
# Checks 2 to 5: outputs, gradients, moves, leftovers
# ---------------------------------------------------
#
# The check found four of the seven mistakes, and no names. Ask four more questions of
# one step. Do the outputs of each sample add up to 1, as after a softmax? Which
# parameters have no gradient? How far do the weights move, relative to their size? Is
# the gradient the same when nothing moves? For the last one, set the rate to 0.


def leftovers(model, optimizer, step, x, y):
    for group in optimizer.param_groups:
        group["lr"] = 0.0  # from here on, nothing moves
    model.zero_grad()
    norms = []
    for _ in range(2):
        step(x, y)
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        norms.append(nn.utils.get_total_norm(grads).item())
    return norms[1] / norms[0]


# %%


def checks(model, optimizer, step, x, y):
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(x, y)
    no_grad = [name for name, p in model.named_parameters() if p.grad is None]
    weights = [(before[n], p) for n, p in model.named_parameters() if p.ndim > 1]
    move = max(((p - old).norm() / old.norm()).item() for old, p in weights)
    softmax = (model(x).sum(dim=1) - 1).abs().max().item() < 1e-3
    return softmax, no_grad, move, leftovers(model, optimizer, step, x, y)


# %%
# Read the answers
# ----------------
#
# The order of the questions matters: an optimizer of another model also leaves the
# gradients behind. Judge the move by its power of ten, beside the sound training's.


def cause(softmax, no_grad, move, ratio):
    if softmax:
        return "two softmaxes"
    if no_grad:
        return "detach"
    if move == 0:
        return "another model"
    if ratio > 1.5:
        return "no zero_grad"
    if move > 10:
        return "rate too high"
    return "rate too low" if move < 1e-4 else "not in the code"


# %%
# Proof: each mistake gets its name
# ---------------------------------
#
# The sound training passes, and the six mistakes in the code are told apart.

print(f"{'':14} softmax  no gradient  largest move  2nd / 1st gradient")
named = {}
for fault in faults:
    labels = (mixed if fault == "labels mixed" else targets)[:16]
    answers = checks(*build(fault), inputs[:16], labels)
    softmax, no_grad, move, ratio = answers
    print(f"{fault:14} {softmax!s:7}  {len(no_grad)} of 4 {move:17.0e} {ratio:15.1f}")
    named[fault] = cause(*answers)
unclear = ["(sound)", "labels mixed"]
assert all(named[fault] == fault for fault in faults if fault not in unclear)
assert {named[fault] for fault in unclear} == {"not in the code"}

# %%
# When it is not so: the labels are wrong
# ---------------------------------------
#
# The training with mixed labels passes all five checks. A network learns wrong labels
# by heart as well. Samples that it has not seen tell: on them it only guesses. Print
# some samples beside their labels, as they come out of the loader.

accuracy = {}
for fault, labels in [("(sound)", targets), ("labels mixed", mixed)]:
    model, optimizer, step = build(fault)
    for x, y in zip(inputs[train].split(32), labels[train].split(32), strict=True):
        step(x, y)
    hits = model(inputs[valid]).argmax(dim=1) == targets[valid]
    accuracy[fault] = hits.float().mean().item()
    print(f"{fault:14} accuracy on other samples {accuracy[fault]:.1f}")
assert accuracy["(sound)"] > 0.9 and accuracy["labels mixed"] < 0.5

# %%
# In your project
# ---------------
#
# Put this before the loop over epochs, with your model and one batch of your loader.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Net(fault=None).to(device)  # yours
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
x, y = inputs[:16].to(device), targets[:16].to(device)
before = {name: p.detach().clone() for name, p in model.named_parameters()}
for _ in range(200):  # new: one batch, until it is learned
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
for name, p in model.named_parameters():  # new: a gradient and a move for each
    print(f"{name:9} grad: {p.grad is not None}, moved: {not p.equal(before[name])}")

# %%
# Check
# -----
#
# This loop is sound: the batch is learned, and all four parameters moved.

print(f"loss of one batch {loss.item():.2f}")
assert loss < 0.1 and not any(p.equal(before[n]) for n, p in model.named_parameters())

# %%
# Learn more
# ----------
#
# Each cause has a page:
#
# - no ``zero_grad``: :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - two softmaxes: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - layers that the optimizer does not know:
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
# - shapes that broadcast: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - a loss of ``nan``: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
# - gradients that are too large: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
