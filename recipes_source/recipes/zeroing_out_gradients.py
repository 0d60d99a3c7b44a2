# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "matplotlib"]
# [tool.recipe]
# tags = ["Basics", "Training"]
# after = ["defining_a_neural_network"]
# timeout = 120
# datasets = ["CIFAR10"]
# searched_as = [
#   "optimizer.zero_grad", "training loop", "loss does not decrease",
#   "gradients accumulate", "set_to_none", "model is not learning", "backward and step",
#   "train a classifier", "subset of a data set", "reset gradients",
# ]
# ///
"""
Zeroing out gradients in PyTorch
================================

See what one missing line does to training, and know when leaving it out is right.

PyTorch never overwrites a gradient, it adds to it. Forget to clear the sum and nothing
complains: no error, no warning. Every step follows all gradients since the start.
Training may blow up, or it may look as if it worked.

Introduction
------------

Gradient descent improves a model in small steps. A gradient says how the loss changes
if each weight changes a little. Each step moves every weight against its gradient.

A :class:`torch.Tensor` made with ``requires_grad=True``, as every parameter is,
records the operations that it takes part in. When you call
:meth:`torch.Tensor.backward` on the loss, PyTorch walks that record from the end to
the start and leaves each parameter's gradient in its ``.grad``.

If a gradient is already there, the new one is **added**: ``backward()`` forms the sum,
and nothing but you resets it.
"""

# %%
# Setup
# -----
#
# You need ``torch`` and ``torchvision``, and ``matplotlib`` for the figure:
#
# .. code-block:: sh
#
#    pip install torch torchvision matplotlib
#
# The lesson runs on a CPU. If there is an accelerator, the code uses it.
#
# Steps
# -----
#
# If you have a model and data, go to step 5, which is the point.
#
# 1. Import necessary libraries for loading our data
# 2. Load and normalize the dataset
# 3. Build the neural network
# 4. Define a Loss function and optimizer
# 5. Zero the gradients while training the network
#
# 1. Import necessary libraries for loading our data
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

import math

import matplotlib.pyplot as plt
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Subset
from torchvision import datasets
from torchvision.transforms import v2

device = torch.device("cpu")
if torch.accelerator.is_available():
    device = torch.accelerator.current_accelerator()

# %%
# 2. Load and normalize the dataset
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# CIFAR10 is one of the data sets that torchvision knows: colour images of 32 by 32
# pixels in ten classes. The transforms make each image a tensor, scale its values to
# 0...1, and move them to -1...1. The first 2,048 images are enough here. The first run
# fetches all of them, 170 MB from www.cs.toronto.edu; without that server, see
# :doc:`/docs/data`. :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py` takes this
# step apart. (The output says where drawn images stood in.)

to_tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
transform = v2.Compose([*to_tensor, v2.Normalize(mean=[0.5] * 3, std=[0.5] * 3)])
trainset = datasets.CIFAR10("data", train=True, download=True, transform=transform)
trainset = Subset(trainset, range(2048))
# Every run below reads the same images, so they are decoded once.
images, labels = next(iter(DataLoader(trainset, batch_size=len(trainset))))
images, labels = images.to(device), labels.to(device)
print("images:", tuple(images.shape), "labels:", tuple(labels.shape))

# %%
# 3. Build the neural network
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# Two convolutions, each of which halves the image, and one linear layer.
# How such a class works is the subject of
# :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`.


class SmallNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        edges = nn.Conv2d(3, width, kernel_size=5, stride=2)
        shapes = nn.Conv2d(width, 2 * width, kernel_size=3, stride=2)
        self.features = nn.Sequential(edges, nn.ReLU(), shapes, nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(2 * width * 6 * 6, 10)

    def forward(self, batch):
        return self.head(self.features(batch))


# %%
# 4. Define a Loss function and optimizer
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# Cross-entropy for the ten classes, and three optimizers to try. A model that knows
# nothing gives each class one tenth, and its loss is ln 10: training has to get below.

loss_fn = nn.CrossEntropyLoss()
guessing = math.log(10)
optimizers = {
    "SGD, lr=0.05": lambda weights: optim.SGD(weights, lr=0.05),
    "SGD, lr=0.003": lambda weights: optim.SGD(weights, lr=0.003),
    "AdamW, lr=3e-4": lambda weights: optim.AdamW(weights, lr=3e-4),
}


def make_model(seed=0):
    torch.manual_seed(seed)  # the same first weights for every run
    return SmallNet().to(device)


# %%
# 5. Zero the gradients while training the network
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# First the sum alone. Take one batch, call ``backward()`` on it again and again
# without a step, and compare ``.grad`` with what the first call left there.

model = make_model()
optimizer = optim.SGD(model.parameters(), lr=0.05)
weight = model.head.weight
print("before any backward:", weight.grad)
for call in (1, 2, 3):
    loss_fn(model(images[:64]), labels[:64]).backward()
    if call == 1:
        once = weight.grad.clone()
    ratio = weight.grad.norm() / once.norm()
    print(f"after backward {call}: {ratio:.3f} times the gradient")

torch.testing.assert_close(weight.grad, 3 * once)
optimizer.zero_grad()
print("after zero_grad:", weight.grad)
assert weight.grad is None

# %%
# The same batch, the same weights, and yet the second call doubled ``.grad`` and the
# third tripled it. In training the batches differ: each step follows the sum of
# all gradients since the start.
#
# Training with and without
# ^^^^^^^^^^^^^^^^^^^^^^^^^
#
# In this loop, a switch turns the line in question on or off. The loop also compares
# ``.grad`` with the gradient of the current batch alone. A cosine of 1 means the same
# direction; near 0, ``.grad`` says nothing about this batch.


def flat_grad(model):
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])


def train(make_optimizer, zero, epochs=6):
    model, losses, cosines = make_model(), [], []
    optimizer, shuffle = make_optimizer(model.parameters()), torch.Generator()
    total = 0
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=shuffle.manual_seed(epoch))
        for batch in order.to(device).split(64):
            if zero:
                optimizer.zero_grad()  # the line in question
                total = 0
            loss = loss_fn(model(images[batch]), labels[batch])
            loss.backward()
            fresh, total = flat_grad(model) - total, flat_grad(model)
            optimizer.step()
            losses.append(loss.item())
            cosines.append(torch.cosine_similarity(fresh, total, dim=0).item())
    return losses, cosines, model


# %%
# Six runs, same first weights, same batches. The loss, rounded to quarters, and the
# cosine are means over the last epoch. ``active`` is the share of features that are
# not 0.

last, curves = {}, {}
for name, make_optimizer in optimizers.items():
    for zero in (True, False):
        losses, cosines, model = train(make_optimizer, zero)
        curves[name, zero] = losses
        loss, cosine = sum(losses[-32:]) / 32, sum(cosines[-32:]) / 32
        active = (model.features(images[:256]) > 0).float().mean().item()
        last[name, zero] = loss
        word = "zeroed" if zero else "never zeroed"
        rounded = round(4 * loss) / 4  # its second digit differs between machines
        level = f"loss near {rounded}" if loss < guessing else "worse than guessing"
        near = "1" if cosine > 0.999 else "below 0.5"
        print(f"{name:14} {word:12} {level}, cosine {near}, active {active:.0%}")
        assert cosine > 0.999 if zero else cosine < 0.5
blows_up, slow, adamw = optimizers
assert last[blows_up, True] < guessing < last[blows_up, False]
assert last[adamw, True] < last[adamw, False] < guessing
assert last[slow, False] < last[slow, True]

# %%
# Without zeroing, no run follows its batches. The optimizer and its rate decide what
# comes of it:
#
# - SGD at a rate that suits the model **blows up**. Nearly all features end at 0. Such
#   a network gives every image the same answer.
# - AdamW **looks as if it worked**. It divides by the size of the gradient, so a sum
#   that grows makes no larger steps. The loss falls below guessing, but at this rate
#   stays far above what zeroing reaches.
# - SGD at a rate that is too small is even **faster** without zeroing, and AdamW can
#   be, too. Steps along the sum add up. The cure is a larger rate.
#
# A falling loss is therefore no sign that you zero.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
findings = {blows_up: "blows up without zeroing", adamw: "learns, but worse"}
for ax, (name, finding) in zip(axes, findings.items(), strict=True):
    for zero, label, style in ((True, "zeroed", "-"), (False, "never zeroed", "--")):
        smooth = torch.tensor(curves[name, zero]).unfold(0, 10, 1).mean(dim=1)
        color = "tab:blue" if zero else "tab:orange"
        steps = range(10, len(smooth) + 10)
        ax.plot(steps, smooth, style, color=color, label=label)
    ax.axhline(guessing, color="black", linestyle=":", label="guessing")
    ax.set(title=f"{name}: {finding}", xlabel="step", ylim=(0, 8))
    ax.set_ylabel("cross-entropy, mean of ten steps")
fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# Why the sum swings
# ^^^^^^^^^^^^^^^^^^
#
# For plain SGD, the sum of all gradients is momentum with a factor of 1: a ball that
# rolls without friction. Let both look for the minimum of ``x**2 / 2``, at 0:


def descend(zero, momentum):
    x = torch.tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1, momentum=momentum)
    path = []
    for _ in range(40):
        if zero:
            optimizer.zero_grad()
        (x**2 / 2).backward()
        optimizer.step()
        path.append(x.item())
    return path


never, frictionless = descend(False, 0), descend(True, 1)
print(f"zeroed:       ends {abs(descend(True, 0)[-1]):.3f} from the minimum")
print(f"never zeroed: still swings between {min(never):.1f} and {max(never):.1f}")
assert never == frictionless and abs(descend(True, 0)[-1]) < 0.02 < max(never[20:])

# %%
# ``optimizer.zero_grad()`` or ``model.zero_grad()``?
# ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#
# :meth:`torch.optim.Optimizer.zero_grad` clears the parameters that the optimizer was
# given, :meth:`torch.nn.Module.zero_grad` those in the model. They differ when you
# train a part of the model, or a parameter outside it:

model, left_over = make_model(), {}
head_only = optim.SGD(model.head.parameters(), lr=0.05)
for owner, holder in {"optimizer": head_only, "model": model}.items():
    loss_fn(model(images[:64]), labels[:64]).backward()
    holder.zero_grad()
    left_over[owner] = sum(p.grad is not None for p in model.parameters())
    print(f"{owner}.zero_grad() leaves gradients in {left_over[owner]} of 6 parameters")
assert left_over == {"optimizer": 4, "model": 0}

# %%
# ``None`` or zeros?
# ^^^^^^^^^^^^^^^^^^
#
# ``zero_grad()`` sets ``.grad`` to ``None``; ``zero_grad(set_to_none=False)`` fills it
# with zeros. An optimizer skips ``None``. Zeros are a gradient like any other: momentum
# and weight decay go on moving a layer that no longer takes part in the loss.

drift = {}
for set_to_none in (True, False):
    weight = torch.ones(100, dtype=torch.float64, requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()  # one real step
    before = weight.detach().clone()
    for _ in range(20):  # and then it no longer takes part
        optimizer.zero_grad(set_to_none=set_to_none)
        optimizer.step()
    drift[set_to_none] = (weight - before).abs().max().item()
    print(f"set_to_none={set_to_none!s:5}: moved by {drift[set_to_none]:.3f}")
expected = 0.1 * sum(0.9**k for k in range(1, 21))
assert drift[True] == 0 and math.isclose(drift[False], expected)

# %%
# When not zeroing is what you want
# ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#
# A batch that does not fit into memory can be fed in pieces: the sum then adds up the
# pieces of one batch. Divide each loss by the number of pieces, if they are equal, and
# zero once per step. The check is on the CPU and in float64.

model = make_model().cpu().double()
x, y = images[:64].cpu().double(), labels[:64].cpu()


def gradient(pieces, divisor):
    model.zero_grad()
    for inputs, targets in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
        (loss_fn(model(inputs), targets) / divisor).backward()
    return flat_grad(model)


whole, undivided = gradient(pieces=1, divisor=1), gradient(pieces=4, divisor=1)
print(f"four pieces, loss / 4:  {gradient(4, 4).norm() / whole.norm():.3f} x the batch")
print(f"four pieces, undivided: {undivided.norm() / whole.norm():.3f} x the batch")
torch.testing.assert_close(gradient(pieces=4, divisor=4), whole)
torch.testing.assert_close(undivided, 4 * whole)

# %%
# In your project
# ^^^^^^^^^^^^^^^
#
# Clear right before ``backward()``. Clearing right after ``step()`` frees memory
# earlier, but a ``continue`` after ``backward()`` then leaves a gradient for the next
# batch. Clearing between ``backward()`` and ``step()`` erases what the step needs.

model = make_model()
optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
pin = device.type == "cuda"
loader = DataLoader(trainset, batch_size=64, shuffle=True, pin_memory=pin)

model.train()
for inputs, targets in loader:
    inputs, targets = inputs.to(device), targets.to(device)
    loss = loss_fn(model(inputs), targets)
    optimizer.zero_grad()  # forget the previous batch
    loss.backward()
    optimizer.step()

# %%

assert loss.item() < guessing

# %%
# Learn More
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`: pieces of unequal size.
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py` and
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`: steps 2 and 3 in full.
# - :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`: why ``.grad`` is ``None``.
# - :func:`torch.autograd.grad` returns gradients and leaves ``.grad`` alone, so there
#   is nothing to zero.
# - `How autograd works <https://docs.pytorch.org/docs/stable/notes/autograd.html>`__,
#   in the PyTorch notes.
