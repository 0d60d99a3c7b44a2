# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Basics", "Errors"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "grad is None", "gradient is None", "grad of an intermediate variable",
#   "retain_grad",
#   "backward gradient argument", "vector-Jacobian product", "gradient of a vector",
#   "weights not updating after optimizer.step", "parameters not updating",
#   "loss.requires_grad = True", "is_leaf", "non-leaf tensor",
#   "argmax not differentiable",
#   "grad_fn is None", "loss has no gradient",
#   "you can only change requires_grad flags of leaf variables",
# ]
# errors = [
#   "element 0 of tensors does not require grad and does not have a grad_fn",
#   "grad can be implicitly created only for scalar outputs",
#   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed",
#   "can't optimize a non-leaf Tensor",
# ]
# older_errors = [
#   "element 0 of variables does not require grad and does not have a grad_fn",
# ]
# ///
"""
Mend "does not require grad" and a .grad that is None
=====================================================

Know which tensors get a gradient, and find the step that cut the loss off.

Why it matters: one line between the weights and the loss can cut the connection. Then
``backward()`` raises an error that names no line. Or nothing is raised, ``.grad`` stays
``None``, and a weight never moves.
"""

# %%
# Three words to read: requires_grad, grad_fn, is_leaf
# ----------------------------------------------------
#
# ``requires_grad`` says that a gradient passes through a tensor. ``grad_fn`` is the
# operation that made the tensor. A *leaf* was made by no recorded operation: you made
# it. ``backward()`` fills ``.grad`` of the leaves that require a gradient, here of
# ``weight`` alone.

import warnings

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
inputs, targets = torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 1, 0])
weight = torch.randn(3, requires_grad=True)
scores = inputs @ weight
loss = (scores**2).mean()
path = {"inputs": inputs, "weight": weight, "scores": scores, "loss": loss}
for name, x in path.items():
    maker = x.grad_fn.name() if x.grad_fn else None
    print(f"{name}: requires_grad={x.requires_grad}, is_leaf={x.is_leaf}, {maker}")

# %%
# "Element 0 of tensors does not require grad"
# --------------------------------------------
#
# The element is the loss. This training step counts wrong answers, which sounds like a
# good loss. To find the cut, print ``requires_grad`` along the path: the first
# ``False`` after a ``True`` names the step, :func:`torch.argmax`.

model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
logits = model(inputs)
answers = logits.argmax(dim=1)
wrong = (answers != targets).float().mean()
try:
    wrong.backward()
except RuntimeError as error:
    print(error)
for name, x in {"logits": logits, "answers": answers, "wrong": wrong}.items():
    print(f"{name:8} requires_grad={x.requires_grad}")
assert logits.requires_grad and not answers.requires_grad

# %%
# These steps cut as well.
#
# - ``detach``, ``.data``, ``torch.tensor(...)``: leave them out, compute with tensors.
# - Comparisons, ``long``: booleans and whole numbers have no gradient. Take a smooth
#   loss.
# - Checkpointing with ``use_reentrant=True``, when its inputs need no gradient: pass
#   ``use_reentrant=False``. This is a usual cause with LoRA. In Transformers, call
#   ``model.enable_input_require_grads()``, or pass ``{"use_reentrant": False}`` as
#   ``gradient_checkpointing_kwargs``.

cuts = {
    "scores.detach()": lambda: scores.detach(),
    "scores.data": lambda: scores.data,
    "torch.tensor(scores.tolist())": lambda: torch.tensor(scores.tolist()),
    "scores > 0": lambda: scores > 0,
    "scores.long()": lambda: scores.long(),
    "use_reentrant=True": lambda: checkpoint(model, inputs, use_reentrant=True),
}
for name, cut in cuts.items():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # checkpoint warns of it, too
        result = cut()
    print(f"{name:30} requires_grad={result.requires_grad}")
    assert not result.requires_grad
assert checkpoint(model, inputs, use_reentrant=False).requires_grad

# %%
# Three causes, three checks
# --------------------------
#
# Not only a step can cut. Gradients can be off (``no_grad``, ``inference_mode``), or
# every parameter can be frozen. Ask these three questions where the loss is computed:
# the first ``False`` names the cause.
#
# If only the third answer is ``False``, ``forward`` has a cut, or does not use the
# parameter that trains. Print ``requires_grad`` after each line of ``forward``. If all
# three answers are ``True``, the cut is in what follows the model.


def ask(model):
    enabled = torch.is_grad_enabled()
    trainable = any(p.requires_grad for p in model.parameters())
    connected = model(inputs).requires_grad
    print(f"gradients on: {enabled}, a parameter trains: {trainable},", end=" ")
    print(f"output connected: {connected}")
    return enabled, trainable, connected


# %%


class Cut(nn.Sequential):
    def forward(self, x):
        return super().forward(x).detach()


with torch.no_grad():
    off = ask(model)
frozen = ask(nn.Linear(3, 2).requires_grad_(False))
cut = ask(Cut(nn.Linear(3, 2)))
sound = ask(model)
assert off == (False, True, False) and frozen == (True, False, False)
assert cut == (True, True, False) and sound == (True, True, True)

# %%
# ``loss.requires_grad = True`` silences the message and mends nothing: the loss itself
# gets a gradient, and no weight does. The mend is a loss without the cut.

wrong.requires_grad = True
wrong.backward()
silenced = model[0].weight.grad
nn.functional.cross_entropy(model(inputs), targets).backward()
mended = model[0].weight.grad
print("silenced:", silenced, "- mended: shape", tuple(mended.shape))
assert silenced is None and mended.norm() > 0

# %%
# "Only for scalar outputs"
# -------------------------
#
# Six losses have six gradients, and ``backward()`` needs to know how to add these up:
# take ``losses.mean()``, or pass one weight for each. ``backward(v)`` is the same as
# ``(v * losses).sum().backward()``.

losses = (inputs @ weight) ** 2
try:
    losses.backward()
except RuntimeError as error:
    print(error)
v = torch.tensor([1.0, 0, 0, 2, 0, 0])
losses.backward(v)
by_sum = torch.autograd.grad((v * (inputs @ weight) ** 2).sum(), weight)[0]
print("backward(v):", [round(x, 3) for x in weight.grad.tolist()])
torch.testing.assert_close(weight.grad, by_sum)

# %%
# ``.grad`` is None: not a leaf
# -----------------------------
#
# ``.grad`` is also ``None`` before the first ``backward()`` and after
# ``optimizer.zero_grad()``: look between ``backward()`` and ``step()``.
# ``torch.autograd.grad`` returns gradients, and does not fill ``.grad``.
#
# A tensor that is computed from a leaf with ``requires_grad=True`` is no leaf, be it by
# ``/ 10`` or by ``.to()`` another device. The optimizer refuses such a tensor, and its
# flag cannot be turned off. Compute first, then call ``requires_grad_()``. To see the
# gradient of a step in between, call ``retain_grad()`` before ``backward()``.


def look(tensor):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print("grad is None:", tensor.grad is None)
    for warning in caught:
        print(str(warning.message).split(" (Triggered")[0])


start = torch.randn(3, requires_grad=True) / 10
(start**2).sum().backward()
look(start)
try:
    torch.optim.SGD([start], lr=0.1)
except ValueError as error:
    print(error)

# %%

try:
    start.requires_grad = False
except RuntimeError as error:
    print(error)

# %%
# A retained gradient, beside the formula:

between = weight * 2
between.retain_grad()
(between**2).sum().backward()
look(between)
torch.testing.assert_close(between.grad, 4 * weight.detach())

# %%
# In a model, :class:`torch.nn.Parameter` makes a leaf from what you computed.


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.scale = nn.Parameter(torch.randn(2) / 10)  # new: computed first, a leaf

    def forward(self, x):
        return self.net(x) * self.scale


# %%
# When it is not so: connected, and still no use
# ----------------------------------------------
#
# :func:`torch.round` keeps the connection. Its slope is 0 between the steps, so the
# gradient arrives and is 0. No message tells you.

gradient = torch.autograd.grad((inputs @ weight).round().sum(), weight)[0]
print("gradient through round:", gradient.tolist())
assert not gradient.any()

# %%
# In your project
# ---------------
#
# After the first ``backward()``, list what trains and has no gradient. Such a parameter
# took no part in the loss, or a step such as ``detach`` cut it off. This is no mistake
# in a layer that only some batches use. If every parameter has a gradient and one
# parameter does not move, see
# :ref:`sphx_glr_recipes_recipes_model_that_does_not_learn.py`.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model, x, y = Scaled().to(device), inputs.to(device), targets.to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
optimizer.zero_grad()
nn.functional.cross_entropy(model(x), y).backward()
named = model.named_parameters()
missing = [name for name, p in named if p.requires_grad and p.grad is None]  # new
print("without a gradient:", missing)
optimizer.step()

# %%
# Check
# -----
#
# Nothing is missing, and the scale is a leaf. After ``zero_grad()`` all are ``None``.

assert not missing and model.scale.is_leaf
optimizer.zero_grad()
print("after zero_grad, all None:", all(p.grad is None for p in model.parameters()))
assert all(p.grad is None for p in model.parameters())

# %%
# Learn more
# ----------
#
# - Turn gradients off on purpose:
#   :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
# - Parameters that a model hides:
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
# - Layers that you froze: :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - A gradient in place of 0:
#   :ref:`sphx_glr_recipes_recipes_custom_autograd_function.py`
# - API: :meth:`torch.Tensor.backward`, :meth:`torch.Tensor.retain_grad`
