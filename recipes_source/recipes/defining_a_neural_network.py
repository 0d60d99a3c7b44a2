# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# timeout = 60
# searched_as = [
#   "nn.Module subclass", "forward method", "__init__ and super", "ModuleList",
#   "ModuleDict", "register a parameter", "register_parameter", "register_buffer",
#   "parameters not updating", "optimizer got an empty parameter list",
#   "layer not trained", "nn.Sequential", "build a model",
#   "functional or module layers", "custom layer",
# ]
# ///
"""
Defining a neural network in PyTorch
====================================

Write a model as a class, and prove that the optimizer will see every layer of it.

A model is a Python object, and PyTorch finds its weights by looking at the object's
attributes. A layer that is kept where PyTorch does not look still computes, but this
layer is not trained, saved or moved to the GPU. On a CPU, no error tells you. On a GPU,
the message names two devices, and not the cause.
"""

# %%
# The two methods
# ---------------
#
# Derive from :class:`torch.nn.Module`. ``__init__`` makes the layers and assigns them
# to ``self``; ``forward`` says how a batch goes through them. Call the model itself,
# not ``forward``: the call also runs hooks, functions that tools attach to a model.

from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

# %%
# The comments say what goes out of each line: N images, their channels and pixels.


class Net(nn.Module):
    def __init__(self):
        super().__init__()  # first: it prepares the registration
        self.conv = nn.Conv2d(1, 8, kernel_size=3)
        self.hidden = nn.Linear(8 * 13 * 13, 32)
        self.output = nn.Linear(32, 10)

    def forward(self, x):  # N, 1, 28, 28
        x = F.max_pool2d(F.relu(self.conv(x)), 2)  # N, 8, 13, 13
        x = F.relu(self.hidden(x.flatten(1)))  # N, 32
        return self.output(x)  # N, 10


torch.manual_seed(0)
model = Net()
inputs = torch.randn(4, 1, 28, 28)
print("inputs:", tuple(inputs.shape), "outputs:", tuple(model(inputs).shape))

# %%
# Assigning is registering
# ------------------------
#
# ``self.conv = nn.Conv2d(...)`` did more than keep a reference: ``Module`` noticed that
# the value is a layer and put the layer into a register. This register is what
# :meth:`~torch.nn.Module.parameters`, :meth:`~torch.nn.Module.state_dict` and
# :meth:`~torch.nn.Module.to` go through. ReLU and pooling have no weights, so they may
# stay functions. Dropout has none either, but ``F.dropout(x)`` also drops after
# ``model.eval()``: assign an ``nn.Dropout``, or pass ``training=self.training``.

for name, parameter in model.named_parameters():
    print(f"{name:14} {tuple(parameter.shape)!s:15} {parameter.numel():6}")
total = sum(parameter.numel() for parameter in model.parameters())
print(f"{'in all':30} {total:6}")
assert total == 8 * (9 + 1) + 32 * (8 * 13 * 13 + 1) + 10 * (32 + 1)

# %%
# See the problem: layers in a plain list
# ---------------------------------------
#
# Three equal layers ask for a loop, and a loop asks for a list. This model computes
# without complaint:


class Stack(nn.Module):
    def __init__(self, container):
        super().__init__()
        torch.manual_seed(0)  # the same weights for every container
        self.layers = container(nn.Linear(16, 16) for _ in range(3))
        self.output = nn.Linear(16, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.output(x)


# %%

plain, registered = Stack(list), Stack(nn.ModuleList)
inputs = torch.randn(64, 16)
torch.testing.assert_close(plain(inputs), registered(inputs))  # same function
for name, model in (("list", plain), ("ModuleList", registered)):
    print(f"{name:10} holds {len(list(model.parameters()))} parameters")
assert len(list(plain.parameters())) == 2 < len(list(registered.parameters())) == 8

# %%
# The list hid the weights and biases of three layers. :class:`torch.nn.ModuleList` is
# a list that registers what is put into it; :class:`torch.nn.ModuleDict` does the same
# for a dictionary. A plain dictionary or a tuple hides layers as a list does.
#
# Proof by training
# -----------------
#
# The two models start from the same weights. Train both alike, and measure how far the
# first layer moves. The targets, +1 or -1, are the sign of the product of the inputs: a
# task beyond the reach of a single linear layer.

targets = inputs.prod(dim=1, keepdim=True).sign()


def train(model):
    start = model.layers[0].weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, (model.layers[0].weight - start).norm().item()


# %%
# Always answering 0 has an error of 1.

curves = {}
for name, model in (("list", plain), ("ModuleList", registered)):
    curves[name], moved = train(model)
    print(f"{name:10} first layer moved by {moved:.2f}, error {curves[name][-1]:.2f}")
    assert (moved > 0) == (curves[name][-1] < 0.1) == (name == "ModuleList")

# %%
# Of the model with the list, only the last layer learns. Its inputs come from layers
# that stay as they were drawn.

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for (name, losses), style in zip(curves.items(), ("--", "-"), strict=True):
    color = {"--": "tab:orange", "-": "tab:blue"}[style]
    ax.plot(losses, style, color=color, label=f"layers in a {name}")
ax.set(title="A list hides layers from the optimizer, a ModuleList does not")
ax.set(xlabel="step", ylabel="mean squared error")
ax.legend()
plt.show()

# %%
# When it is not so: a tensor
# ---------------------------
#
# A tensor assigned to ``self`` is not a parameter. Wrap the tensor in
# :class:`torch.nn.Parameter` if it is to be trained. Pass it to
# :meth:`~torch.nn.Module.register_buffer` if it is to be saved and moved, but not
# trained. The plain tensor stays on the CPU when the model moves to a GPU.


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = torch.ones(1)
        self.trained = nn.Parameter(torch.ones(1))
        self.register_buffer("kept", torch.ones(1))


print("parameters:", [name for name, _ in Scale().named_parameters()])
print("state_dict:", list(Scale().state_dict()))

assert "plain" not in Scale().state_dict() and "kept" in Scale().state_dict()

# %%
# In your project
# ---------------
#
# Move the model to its device first, then give its parameters to the optimizer, as in
# the check below. Layers that ``forward`` makes come too late for the optimizer. To
# load the model again, you need its ``state_dict`` and the four arguments: save both.


class MLP(nn.Module):
    def __init__(self, features, hidden, classes, depth):
        super().__init__()
        sizes = [features] + [hidden] * depth
        pairs = pairwise(sizes)  # (features, hidden), (hidden, hidden), ...
        self.layers = nn.ModuleList(nn.Linear(m, n) for m, n in pairs)  # no plain list
        self.output = nn.Linear(sizes[-1], classes)

    def forward(self, x):
        for layer in self.layers:
            x = F.gelu(layer(x))
        return self.output(x)  # logits: cross_entropy applies the softmax


model = MLP(16, 64, 10, depth=3)

# %%
# Check
# -----
#
# Two questions for every new model. Are all layers registered? Count their parameters
# by hand, or look for each layer in ``print(model)``. Does every registered layer take
# part? After one backward pass, each parameter that is to be trained has a gradient.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model.to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
expected = sum(m * n + n for m, n in pairwise([16, 64, 64, 64, 10]))
found = sum(p.numel() for p in model.parameters())
print(f"parameters by hand: {expected}, registered: {found}")
assert found == expected  # fails for layers in a plain list
labels = torch.arange(64, device=device) % 10
F.cross_entropy(model(inputs.to(device)), labels).backward()
idle = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
print("without gradient:", idle)
assert idle == [] and MLP(16, 64, 10, depth=0)(inputs).shape == (64, 10)

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`: what is saved of a model.
# - :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`: where the 13 in
#   ``8 * 13 * 13`` comes from, without arithmetic.
# - :ref:`sphx_glr_recipes_recipes_error_empty_parameter_list.py`: the messages.
# - :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py` trains such a model;
#   :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py` feeds it.
