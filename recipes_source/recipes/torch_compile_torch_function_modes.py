# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 120
# requires = ["c++"]
# searched_as = [
#   "monkey patch a torch function", "override torch operators", "intercept calls",
#   "modify torch operations", "monkeypatch",
# ]
# ///
"""
Utilizing Torch Function modes with torch.compile
=================================================

Swap an operation wherever a model calls it, compiled or not, and leave its code alone.

Why it matters: your weights were trained with another activation than the model's code
has, or you try a cheaper formula. The calls stand deep in a library that you do not
want to edit. A patched name does not reach all of them, and no error says so.
"""

# %%
# A model and its weights disagree
# --------------------------------
#
# The model calls GELU. Say that its weights were trained with *quick GELU*, which
# multiplies x by the sigmoid of 1.702 x. The model's file imports the function by name.

from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.functional import gelu
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 4)

    def forward(self, x):
        return self.down(gelu(self.up(x)))


# %%
# ``wanted`` holds the outputs that suit the weights, by hand and in float64:

torch.manual_seed(0)
model, inputs = Network().requires_grad_(False), 3 * torch.randn(8, 16)
hidden = inputs.double() @ model.up.weight.T.double() + model.up.bias
hidden = hidden / (1 + torch.exp(-1.702 * hidden))
wanted = (hidden @ model.down.weight.T.double() + model.down.bias).float()

# %%
# See the problem: the patch misses
# ---------------------------------
#
# Replacing ``F.gelu`` changes the module's attribute. The model's own name ``gelu``
# is still the old function, and the outputs stay wrong.


def quick_gelu(x, approximate="none"):  # called as F.gelu is called
    return x * torch.sigmoid(1.702 * x)


with patch.object(F, "gelu", quick_gelu):
    patched = model(inputs)
print("patched, right:", torch.allclose(patched, wanted, atol=1e-5))
assert torch.equal(patched, model(inputs)) and (patched - wanted).abs().max() > 1e-3

# %%
# A mode sees the call itself
# ---------------------------
#
# Within ``with``, a PyTorch function that Python code calls goes first to
# ``__torch_function__``, whatever name the caller used. Print ``func`` there to find
# the key for your table.
#
# While ``__torch_function__`` runs, the mode is off. So the mode does not see the calls
# inside a larger function, as in ``F.multi_head_attention_forward``. Other threads do
# not have the mode.


class Swap(TorchFunctionMode):
    def __init__(self, table):  # {function: the one to call instead}
        super().__init__()
        self.table = table

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.table.get(func, func)(*args, **(kwargs or {}))


with Swap({F.gelu: quick_gelu}):
    swapped = model(inputs)
print("swapped, right:", torch.allclose(swapped, wanted, atol=1e-5))
assert torch.allclose(swapped, wanted, atol=1e-5)

# %%
# The compiler sees it, too
# -------------------------
#
# :func:`torch.compile` traces through the mode. The backend ``note`` keeps the
# operations of each graph that it is given, and runs the graph as it is. The graph
# holds the new operations, and compiled and eager agree.
#
# A replacement may call the old function, as ``2 * F.gelu(x)`` does. With the default
# backend, the replacement is applied once. With ``note`` or ``"eager"`` and the mode
# outside of the compiled function, it is applied twice: the mode also sees the calls of
# the graph.

graphs = []


def note(graph, example_inputs):
    graphs.append([node.name for node in graph.graph.nodes if "call" in node.op])
    return graph


compiled = torch.compile(model, backend=note, fullgraph=True)
with Swap({F.gelu: quick_gelu}):
    assert torch.equal(compiled(inputs), swapped)
print("with the mode:", *graphs[0])
assert "gelu" not in graphs[0] and "sigmoid" in graphs[0]

# %%
# A call without the mode compiles a second graph, with the old operation. Nothing
# warns. A later call with the mode finds the first graph again.

assert torch.equal(compiled(inputs), model(inputs))
with Swap({F.gelu: quick_gelu}):
    assert torch.equal(compiled(inputs), swapped)
print("without it:   ", *graphs[1])
assert "gelu" in graphs[1] and len(graphs) == 2

# %%
# When it is not so: another spelling is another function
# -------------------------------------------------------
#
# ``torch.sigmoid`` and the method ``Tensor.sigmoid`` are two keys. ``F.sigmoid`` calls
# the method. A table with one key misses the calls of the other, compiled or not. For
# a sigmoid, put both into the table.


def spellings(x):
    return torch.stack([torch.sigmoid(x), x.sigmoid(), F.sigmoid(x)])


zero = torch.zeros(2)  # its sigmoid is 0.5
for run in (spellings, torch.compile(spellings, backend="eager")):
    with Swap({torch.sigmoid: torch.zeros_like}):
        one = run(zero)[:, 0].tolist()
    with Swap({torch.Tensor.sigmoid: torch.zeros_like}):
        other = run(zero)[:, 0].tolist()
    print("key torch.sigmoid:", one, " key Tensor.sigmoid:", other)
    assert (one, other) == ([0, 0.5, 0.5], [0.5, 0, 0])

# %%
# When you do not train: the fast path of a transformer
# -----------------------------------------------------
#
# In evaluation without gradients, :class:`torch.nn.TransformerEncoderLayer` can become
# one large operation, its *fast path*. In eager code, a mode turns the fast path off.
# The compiler takes it in spite of the mode: the old GELU stays, without a warning. So
# turn the fast path off yourself.

layer = nn.TransformerEncoderLayer(16, 4, 64, activation="gelu", batch_first=True)
layer.eval()


def encode(x):
    with Swap({F.gelu: quick_gelu}):
        return layer(x)


for fast in (True, False):
    torch.backends.mha.set_fastpath_enabled(fast)
    with torch.no_grad():
        encoded = torch.compile(encode, backend="eager")(inputs[None])
        agree = torch.allclose(encoded, encode(inputs[None]), atol=1e-5)
    print(f"fast path allowed: {fast}, compiled and eager agree: {agree}")
assert agree

# %%
# When you train: a checkpointed block runs again without the mode
# ----------------------------------------------------------------
#
# In the backward pass, :func:`torch.utils.checkpoint.checkpoint` runs a block again,
# without your mode. ``backward`` inside ``with`` does not help, because the mode is
# off during ``backward``. The gradient can be wrong without an error, as here. Enter
# the mode inside the checkpointed function.


def mode_outside(x):
    return torch.sigmoid(x)


def mode_inside(x):
    with Swap({torch.sigmoid: torch.tanh}):
        return torch.sigmoid(x)


gradients, right = [], 1 - torch.tanh(torch.tensor(1.0)) ** 2  # its derivative at 1
for block in (mode_outside, mode_inside):
    point = torch.tensor(1.0, requires_grad=True)
    with Swap({torch.sigmoid: torch.tanh}):
        checkpoint(block, point, use_reentrant=False).backward()
    gradients.append(point.grad)
    print(f"{block.__name__}: gradient {point.grad:.2f}, right: {right:.2f}")
assert not torch.isclose(gradients[0], right) and torch.isclose(gradients[1], right)

# %%
# In your project
# ---------------
#
# Enter the mode inside the function that you compile. Then no caller and no thread can
# forget it. Compare outputs on one batch. If ``predict`` and ``model`` give the same,
# no call of the model is in your table. If ``predict_fast`` and ``predict`` differ
# much, the compiler missed a call.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Network().to(device).eval()  # here you load the weights
torch.backends.mha.set_fastpath_enabled(False)  # if it has TransformerEncoderLayer


def predict(x):
    with Swap({F.gelu: quick_gelu}):  # new
        return model(x)


predict_fast = torch.compile(predict, fullgraph=True)
with torch.no_grad():
    for batch in torch.randn(3, 8, 16, device=device):
        outputs = predict_fast(batch)

# %%
# Check
# -----
#
# The default backend agrees with the formula:

hidden = model.up(batch)
oracle = model.down(hidden * torch.special.expit(1.702 * hidden))
torch.testing.assert_close(outputs, oracle, atol=1e-4, rtol=1e-4)

# %%
# Learn more
# ----------
#
# - Why a graph is made again: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - A mode you may know: :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
# - Watch layers, change nothing:
#   :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
