# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Basics", "Errors"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "model has no parameters", "model.parameters() is empty", "layers in a list",
#   "forgot super().__init__()", "super(Net, self).__init__()", "forward is missing",
#   "NotImplementedError in forward", "set the weights of a layer by hand",
#   "assign a tensor to a weight", "custom weights", "number of parameters is zero",
# ]
# errors = [
#   "optimizer got an empty parameter list",
#   "cannot assign module before Module.__init__() call",
#   'is missing the required "forward" function',
#   "cannot assign 'torch.FloatTensor' as parameter 'weight'",
# ]
# older_errors = [
#   "'Net' object has no attribute '_modules'",
#   "cannot assign parameter before Module.__init__() call",
#   "cannot assign 'torch.cuda.FloatTensor' as parameter 'weight'",
# ]
# ///
"""
Optimizer got an empty parameter list: find the hidden layers
=============================================================

Find with one call which layers PyTorch does not see, and register them.

A model knows only the layers that were assigned directly to its attributes. A list, a
comma or a product is enough to hide a layer or a weight. The model often still
computes, and the optimizer complains. If another layer is registered, the optimizer
notices nothing. And a hidden layer stays on the CPU when the model moves to a GPU.
"""

# %%
# Three models without parameters
# -------------------------------
#
# Each of these models has a layer or a weight, and none of them can be trained.

import torch
from torch import nn


class InList(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = [nn.Linear(5, 5), nn.Linear(5, 2)]


class InTuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(5, 2),


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = 0.1 * nn.Parameter(torch.ones(5))


# %%
# The message
# -----------
#
# ``model.parameters()`` was empty. The message does not say why, but ``vars`` of each
# module does. PyTorch keeps what is registered under names with an underscore, such as
# ``_modules``. So a layer or a weight under a plain name is hidden, unless it is also
# registered elsewhere in the model. Plain settings, such as a width, may stand there.
#
# Two false alarms: a constant tensor, which should be a buffer, and the ``weight`` of
# ``prune``, or of the older ``weight_norm`` and ``spectral_norm``. This ``weight`` is
# computed from parameters.


def holds(value, known):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(holds(part, known) for part in value)
    return isinstance(value, (nn.Module, torch.Tensor)) and id(value) not in known


def hidden(model):
    known, found = {*map(id, model.modules()), *map(id, model.parameters())}, []
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name[0] != "_" and holds(value, known):
                found.append(f"{path}.{name}".lstrip("."))
    return found


# %%

messages = []
for model in (InList(), InTuple(), Product()):
    try:
        torch.optim.AdamW(model.parameters())
    except ValueError as error:
        messages.append(error)
        print(f"{type(model).__name__}: {error}\n    hidden: {hidden(model)}")
assert len(messages) == 3
optimizer = torch.optim.AdamW([{"params": InList().parameters()}])  # no message

# %%
# An empty list in a *parameter group*, the last line above, raises nothing.
#
# The mend
# --------
#
# - A list: :class:`torch.nn.ModuleList` registers its layers, and for a dict there is
#   :class:`torch.nn.ModuleDict`.
# - A tuple: remove the comma at the end of the line, and ``score`` is a layer.
# - A product: a number times a parameter is a plain tensor, and so is
#   ``nn.Parameter(x).to("cuda")``. On the CPU, ``.to("cpu")`` returns the parameter
#   itself, so only the GPU shows this mistake. Multiply or move first, and make the
#   result a :class:`torch.nn.Parameter`.
#
# The shapes below give the count.


class Mended(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 2)])
        self.score = nn.Linear(5, 2)
        self.gain = nn.Parameter(0.1 * torch.ones(5))


mended = Mended()
optimizer = torch.optim.AdamW(mended.parameters())
for name, tensor in mended.named_parameters():
    print(f"{name:15} {tuple(tensor.shape)}")
count = sum(tensor.numel() for tensor in mended.parameters())
print("in all", count, "| hidden:", hidden(mended))
assert count == (25 + 5) + (10 + 2) + (10 + 2) + 5 and not hidden(mended)

# %%
# Before Module.__init__()
# ------------------------
#
# The place to register layers is made by ``super().__init__()``. Without this line, or
# with this line below the first layer, the first assignment of a layer fails. If
# nothing is assigned, the message comes later: ``'Net' object has no attribute
# '_parameters'``, or ``'_modules'``.


class Forgotten(nn.Module):
    def __init__(self):
        self.score = nn.Linear(5, 2)


try:
    Forgotten()
except AttributeError as error:
    messages.append(error)
    print(error)

# %%
# A ModuleList has no forward
# ---------------------------
#
# A ``ModuleList`` holds layers and does not say in which way to use them. Go through it
# in a loop, or use :class:`torch.nn.Sequential`, which calls one layer after the other.
# A class of yours gives the same message if its method ``forward`` is misspelt or
# indented too far.

inputs = torch.randn(3, 5)
try:
    mended.steps(inputs)
except NotImplementedError as error:
    messages.append(error)
    print(error)
x = inputs
for step in mended.steps:
    x = step(x)
assert torch.equal(nn.Sequential(*mended.steps)(inputs), x)

# %%
# Cannot assign a tensor as parameter
# -----------------------------------
#
# A name that belongs to a parameter accepts only a parameter or None. To set a weight
# by hand, copy the numbers into it. A new ``nn.Parameter`` is accepted, too. But an
# optimizer that was made before goes on with the old parameter, and the new one is not
# trained.

weight = torch.eye(2, 5)
try:
    mended.score.weight = weight
except TypeError as error:
    messages.append(error)
    print(error)
held = {id(tensor) for tensor in optimizer.param_groups[0]["params"]}
with torch.no_grad():
    mended.score.weight.copy_(weight)
print("after copy_, in the optimizer:", id(mended.score.weight) in held)
assert torch.equal(mended.score.weight, weight) and id(mended.score.weight) in held
mended.score.weight = nn.Parameter(weight)
print("after a new Parameter:", id(mended.score.weight) in held)
assert id(mended.score.weight) not in held and len(messages) == 6

# %%
# When it is not so: nothing is hidden
# ------------------------------------
#
# - ``__init__`` is misspelt, as below. Python never calls it, so no layer is made.
# - All parameters are frozen, and you filter by ``requires_grad``.
# - Layers that ``forward`` makes come after the optimizer: make them in ``__init__``.
# - ``parameters()`` returns a generator, which can be read once. Below, the sum has
#   read the generator, and the optimizer gets what is left. Ask again, or make a list.


class Misspelt(nn.Module):
    def _init_(self):
        super().__init__()
        self.score = nn.Linear(5, 2)


# %%

frozen = nn.Linear(5, 2).requires_grad_(False)
filtered = [tensor for tensor in frozen.parameters() if tensor.requires_grad]
parameters = mended.parameters()
print(sum(tensor.numel() for tensor in parameters), "numbers to train")
for empty in (Misspelt().parameters(), filtered, parameters):
    try:
        torch.optim.AdamW(empty)
    except ValueError as error:
        messages.append(error)
        print(error)
assert [str(m) for m in messages[-3:]] == [str(messages[0])] * 3
assert len(messages) == 9 and not hidden(Misspelt()) and not hidden(frozen)

# %%
# In your project
# ---------------
#
# Copy ``holds`` and ``hidden``, and call ``hidden`` after the model is built. It looks
# into each submodule. It does not see attributes that begin with ``_``, nor layers in
# an object whose class is no :class:`torch.nn.Module`.


class Tower(nn.Module):
    def __init__(self, width, depth):
        super().__init__()  # new: before the first layer
        self.width = width  # a plain setting
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x).relu()
        return x


model = Tower(width=8, depth=3)
print("hidden:", hidden(model))  # new

# %%
# Check
# -----

assert sum(tensor.numel() for tensor in model.parameters()) == 3 * (8 * 8 + 8)
model(torch.randn(2, 8)).sum().backward()
assert all(tensor.grad is not None for tensor in model.parameters())
whole = nn.Sequential(nn.Linear(8, 8), Tower(width=8, depth=3))
whole[1].extra = {"score": nn.Linear(8, 1)}
whole[1].first = [whole[1].blocks[0]]  # registered already, so not hidden
print("hidden in a submodule:", hidden(whole))
assert hidden(whole) == ["1.extra"] and len(list(whole.parameters())) == 8

# %%
# Learn more
# ----------
#
# - What a list costs: :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
# - Some parameters on purpose: :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - What is saved: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
