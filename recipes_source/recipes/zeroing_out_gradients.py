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
complains: no error, no warning, only a model that does not learn.

Introduction
------------

Gradient descent improves a model in small steps. Each step asks how the loss would
change if each weight changed a little (that is the gradient) and moves every weight
a little way against the answer.

A :class:`torch.Tensor` made with ``requires_grad=True``, as every parameter of a model
is, records the operations that it takes part in. When you call
:meth:`torch.Tensor.backward` on the loss, PyTorch walks that record from the end to
the start and leaves each parameter's gradient in its ``.grad``.

If a gradient is already there, the new one is **added**: the sum is formed inside
``backward()``, and nothing but you resets it. This page measures what follows.
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
# The lesson runs on a CPU. If there is an accelerator, the code uses it, and only the
# speed changes.
#
# Steps
# -----
#
# Steps 1 to 4 set the scene. If you have a model and data, go to step 5, which is
# the point.
#
# 1. Import necessary libraries for loading our data
# 2. Load and normalize the dataset
# 3. Build the neural network
# 4. Define a Loss function and optimizer
# 5. Zero the gradients while training the network
#
# 1. Import necessary libraries for loading our data
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# One seed fixes the first weights, so that every run below starts from the same model.

import math

import matplotlib.pyplot as plt
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

device = torch.device("cpu")
if torch.accelerator.is_available():
    device = torch.accelerator.current_accelerator()

# %%
# 2. Load and normalize the dataset
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# CIFAR10 is one of the data sets that torchvision knows: colour images of 32 by 32
# pixels in ten classes. :class:`~torchvision.transforms.ToTensor` scales the pixels to
# 0...1, :class:`~torchvision.transforms.Normalize` moves them to -1...1. The first
# 4,000 images are enough here. :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# takes this step apart. (If this page was built without the data set, its output says
# that drawn images stood in.)

transform = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
)
trainset = datasets.CIFAR10("data", train=True, download=True, transform=transform)
trainset = Subset(trainset, range(4000))


def make_loader():
    generator = torch.Generator().manual_seed(0)  # the same batches for every run
    return DataLoader(trainset, batch_size=32, shuffle=True, generator=generator)


inputs, targets = next(iter(make_loader()))
print("one batch:", tuple(inputs.shape), "targets:", tuple(targets.shape))

# %%
# 3. Build the neural network
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# Two convolutions and three linear layers; the comments give the shape of one image.
# How such a class works is the subject of
# :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`.


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):  # 3, 32, 32
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 6, 14, 14
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 16, 5, 5
        x = F.relu(self.fc1(x.flatten(1)))  # 120
        return self.fc3(F.relu(self.fc2(x)))  # 10


# %%
# 4. Define a Loss function and optimizer
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# Cross-entropy for the ten classes, and stochastic gradient descent with momentum.
# A model that knows nothing gives each class one tenth, a loss of ln 10: the bar that
# training has to get under.

loss_fn = nn.CrossEntropyLoss()
guessing = math.log(10)


def make_model():
    torch.manual_seed(0)
    model = Net().to(device)
    return model, optim.SGD(model.parameters(), lr=0.015, momentum=0.9)


model, optimizer = make_model()
first_loss = loss_fn(model(inputs.to(device)), targets.to(device)).item()
print(f"loss of guessing: {guessing:.3f}, of the untrained model: {first_loss:.1f}")

# %%
# 5. Zero the gradients while training the network
# ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
#
# First the sum itself. Take one batch, call ``backward()`` on it again and again
# without ever stepping, and compare ``.grad`` with what the first call left there.

weight = model.conv1.weight
print("before any backward:", weight.grad)
for call in (1, 2, 3):
    loss_fn(model(inputs.to(device)), targets.to(device)).backward()
    if call == 1:
        once = weight.grad.clone()
    ratio = weight.grad.norm() / once.norm()
    print(f"after backward {call}: {ratio:.3f} times the gradient")

torch.testing.assert_close(weight.grad, 3 * once)
optimizer.zero_grad()
print("after zero_grad:", weight.grad)

# %%
# The same batch, the same weights, and yet the second call doubled ``.grad`` and the
# third tripled it. In a training loop the batches differ, so each step is taken
# along the sum of all gradients since the start, old ones included.
#
# Training it twice
# ^^^^^^^^^^^^^^^^^
#
# Here is the loop, with the one line that this page is about behind a switch. The
# line may stand anywhere except between ``backward()`` and ``step()``, where it would
# erase what the step needs.


def train(zero, epochs=3):
    model, optimizer = make_model()
    losses, norms = [], []
    for inputs, targets in (batch for _ in range(epochs) for batch in make_loader()):
        if zero:
            optimizer.zero_grad()  # forget the previous batch
        loss = loss_fn(model(inputs.to(device)), targets.to(device))
        loss.backward()  # add this batch's gradient to .grad
        optimizer.step()
        losses.append(loss.item())
        grads = [parameter.grad for parameter in model.parameters()]
        norms.append(nn.utils.get_total_norm(grads).item())
    return torch.tensor(losses), torch.tensor(norms)


runs = {"zeroed": train(zero=True), "never zeroed": train(zero=False)}
for name, (losses, _) in runs.items():
    last = losses[-50:].mean().item()
    verdict = "learned" if last < guessing else "worse than guessing"
    print(f"{name:12}: {len(losses)} steps, {verdict}")
assert runs["zeroed"][0][-50:].mean() < guessing < runs["never zeroed"][0][-50:].mean()

# %%
# Same model, same batches, same optimizer. Watch both the loss and the length of the
# gradient that each step used:

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
styles = {"zeroed": ("tab:blue", "-"), "never zeroed": ("tab:orange", "--")}
for name, (losses, norms) in runs.items():
    color, style = styles[name]
    smooth = losses.unfold(0, 10, 1).mean(1)  # mean of ten steps
    left.semilogy(range(10, len(losses) + 1), smooth, style, color=color, label=name)
    right.semilogy(norms, style, color=color, label=name)
left.axhline(guessing, color="black", linestyle=":", label="guessing")
left.set(title="The loss falls only with zeroing", ylabel="cross-entropy, 10-step mean")
right.set(title="Never zeroed, .grad only adds up", ylabel="norm of all .grad")
left.set_xlabel("step")
right.set_xlabel("step")
left.legend()
right.legend()
plt.show()

# %%
# Without zeroing, the batch at hand is one of ever more terms in a sum, and nothing
# takes an old gradient out of it. For plain SGD this is momentum with a factor of 1, a
# ball rolling without friction. Let both look for the minimum of ``x**2 / 2``, at 0:


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
assert never == frictionless  # bit for bit
print(f"zeroed:       ends {abs(descend(True, 0)[-1]):.3f} from the minimum")
print(f"never zeroed: still swings between {min(never):.1f} and {max(never):.1f}")

# %%
# ``optimizer.zero_grad()`` or ``model.zero_grad()``?
# ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#
# :meth:`torch.optim.Optimizer.zero_grad` clears the parameters that the optimizer was
# given, :meth:`torch.nn.Module.zero_grad` those of the model. They are the same when
# the optimizer holds the whole model. They differ when you train a part of it:

model, _ = make_model()
head_only = optim.SGD(model.fc3.parameters(), lr=0.015)
for clear in (head_only.zero_grad, model.zero_grad):
    loss_fn(model(inputs.to(device)), targets.to(device)).backward()
    clear()
    left_over = sum(p.grad is not None for p in model.parameters())
    owner = "optimizer" if clear == head_only.zero_grad else "model"
    print(f"{owner}.zero_grad() leaves gradients in {left_over} of 10 parameters")

# %%
# With a parameter outside the model it is the other way round: then only the
# optimizer reaches it.
#
# ``None`` or zeros?
# ^^^^^^^^^^^^^^^^^^
#
# ``zero_grad()`` sets ``.grad`` to ``None``; ``zero_grad(set_to_none=False)`` fills it
# with zeros. An optimizer skips a ``None``. It takes zeros for a gradient, and then
# momentum goes on pushing a layer that has long stopped taking part in the loss:

for set_to_none in (True, False):
    weight = torch.ones(100, dtype=torch.float64, requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()  # one real step
    before = weight.detach().clone()
    for _ in range(20):  # and then it no longer takes part
        optimizer.zero_grad(set_to_none=set_to_none)
        optimizer.step()
    drift = (weight - before).abs().max().item()
    print(f"set_to_none={set_to_none!s:5}: moved by {drift:.3f} in 20 idle steps")
assert math.isclose(drift, 0.1 * sum(0.9**k for k in range(1, 21)))

# %%
# When not zeroing is what you want
# ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#
# A batch that does not fit into memory can be fed in pieces: the sum that hurt above
# now adds them up. Divide each loss by the number of pieces, and zero once per step.
# The check is on the CPU and in float64, which not every accelerator has.

model = make_model()[0].cpu().double()
x, y = inputs.double(), targets


def gradient(pieces, divisor):
    model.zero_grad()
    for inputs, targets in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
        (loss_fn(model(inputs), targets) / divisor).backward()
    return model.fc1.weight.grad.clone()


whole = gradient(pieces=1, divisor=1)
torch.testing.assert_close(gradient(pieces=4, divisor=4), whole)
undivided = gradient(pieces=4, divisor=1)
print(f"four pieces, loss / 4:  {gradient(4, 4).norm() / whole.norm():.3f} x the batch")
print(f"four pieces, undivided: {undivided.norm() / whole.norm():.3f} x the batch")

# %%
# Learn More
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`: pieces of unequal size,
#   and layers that notice them.
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py` and
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`: steps 2 and 3 in full.
# - :func:`torch.autograd.grad` returns gradients and leaves ``.grad`` alone, so there
#   is nothing to zero.
# - `How autograd works <https://docs.pytorch.org/docs/stable/notes/autograd.html>`__,
#   in the PyTorch notes.
