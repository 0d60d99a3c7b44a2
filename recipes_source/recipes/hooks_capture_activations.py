# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["defining_a_neural_network"]
# timeout = 120
# searched_as = [
#   "register_forward_hook", "feature maps", "visualize layers", "intermediate outputs",
#   "extract features", "get the output of a layer", "embedding of an image",
#   "backward hook",
# ]
# ///
"""
Capture activations with forward hooks
======================================

Look at the output of any layer without editing the model, and leave no hook behind.

Why it matters: a model returns its last result alone. A hook shows what happened in
between. But a careless hook shows wrong values, stays on the model for good, or cuts
off the gradient, all without an error.
"""

# %%
# Setting
# -------
#
# A picture of a square and a disc.

import contextlib
import functools

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
row, column = torch.arange(24).view(24, 1), torch.arange(24)
inputs = torch.zeros(1, 1, 24, 24)
inputs[..., 3:12, 3:12] = 1.0
inputs[..., (row - 17) ** 2 + (column - 17) ** 2 < 25] = 1.0

# %%
# The network's two filters compare each pixel's neighbours: right less left, and lower
# less upper. So you know what their maps must be.

conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
across = torch.tensor([[0.0, 0.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
conv.weight = nn.Parameter(torch.stack([across, across.T]).unsqueeze(1))
relu, pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
model = nn.Sequential(conv, relu, pool, nn.Flatten(), nn.Linear(2 * 12 * 12, 2))
print(f"what the model returns: {tuple(model(inputs).shape)}")

# %%
# A hook that keeps the output
# ----------------------------
#
# :meth:`~torch.nn.Module.register_forward_hook` has a layer call your function after
# each forward pass, with the layer, its arguments and its output. Register it three
# times, as a loop over epochs would. Where a bright shape ends on the right, the first
# filter must give -1.

kept, calls = {}, []


def keep(module, args, output):
    kept[module] = output
    calls.append(module)


handles = [conv.register_forward_hook(keep) for epoch in range(3)]
model(inputs)
print(f"least value of the maps: {kept[conv].min().item():.0f}")
print(f"calls in one forward pass: {len(calls)}")
assert kept[conv].min() == 0 and len(calls) == 3

# %%
# The value should be -1, and one call would do. The next layer, an in-place ReLU, has
# overwritten the tensor that you kept, and every registration has added one more hook.

for handle in handles:
    handle.remove()

# %%
# Copy the output, remove the hook
# --------------------------------
#
# ``clone`` makes a copy that no later layer touches, and ``detach`` lets go of the
# graph behind it. The handle that registration returns is a context manager: at the end
# of ``with`` the hook is removed, also after an error. ``ExitStack`` does so for all.


def capture(model, inputs):
    maps = {}

    def copy(module, args, output):
        calls.append(module)  # only to count the calls
        maps[module] = output.detach().clone()

    with contextlib.ExitStack() as hooks:
        for module in model.children():
            hooks.enter_context(module.register_forward_hook(copy))
        model(inputs)
    return maps


# %%
# The proof: the maps equal the differences of the neighbours, taken without a layer,
# and a pass after ``capture`` calls no hook.

calls.clear()
maps = capture(model, inputs)
print(f"least value of the maps: {maps[conv].min().item():.0f}")
print(f"calls in one forward pass: {len(calls)}, for {len(maps)} layers")
model(inputs)
print(f"calls after one more pass: {len(calls)}")
padded = nn.functional.pad(inputs[0, 0], (1, 1, 1, 1))
right_less_left = padded[1:-1, 2:] - padded[1:-1, :-2]
lower_less_upper = padded[2:, 1:-1] - padded[:-2, 1:-1]
assert torch.equal(maps[conv][0], torch.stack([right_less_left, lower_less_upper]))
assert len(calls) == len(maps) == 5

# %%
# The map of the first filter: ReLU drops the right edges, pooling halves the size.

titles = ["input", "conv: both edges", "ReLU: left edges", "pooling: 12 × 12"]
shown = [inputs, maps[conv], maps[relu], maps[pool]]
fig, axes = plt.subplots(1, 4, figsize=(8, 2.4), layout="constrained")
for ax, title, images in zip(axes, titles, shown, strict=True):
    drawn = ax.imshow(images[0, 0].numpy(), cmap="gray", vmin=-1, vmax=1)
    ax.set(title=title, xlabel="column (pixel)", ylabel="row (pixel)")
fig.colorbar(drawn, ax=axes, label="activation", shrink=0.7)
plt.show()

# %%
# When it is not so: a hook that returns something
# ------------------------------------------------
#
# What a hook returns, unless it is ``None``, *replaces* the layer's output.
# ``list.append`` returns ``None``. ``dict.setdefault`` returns the detached copy, and
# the layer gets no gradient. A ``lambda`` returns the value of its expression. So write
# hooks with ``def``, and without ``return``.

seen, named = [], {}


def keep_in_list(module, args, output):
    return seen.append(output.detach().clone())


def keep_in_dict(module, args, output):
    return named.setdefault("conv", output.detach().clone())


for hook in (keep_in_list, keep_in_dict):
    model.zero_grad()
    with conv.register_forward_hook(hook):
        model(inputs).sum().backward()
    trained = conv.weight.grad is not None
    print(f"{hook.__name__}: layer gets a gradient: {trained}")
    assert trained == (hook is keep_in_list)

# %%
# In your project
# ---------------
#
# In training mode the look itself would change the model: batch normalization would
# average what it sees. So the pass runs in evaluation mode. Before you train on, call
# ``train()``, then ``eval()`` on the parts that you keep frozen. The copies stay on the
# device: for many batches, append ``output.detach().cpu().clone()``.
#
# - ``[name for name, _ in model.named_modules()]`` lists the names.
# - A layer that is used twice gives two outputs, so keep a list for each name.
# - A recurrent layer returns a tuple, whose first part is the output. From a dict, take
#   the entry that you want.
# - A function such as ``F.relu`` is no module, so no hook sees its result. Take the
#   input of the next module, with ``register_forward_pre_hook``.
# - For gradients, use ``register_full_backward_hook``. If the hooked layer or the next
#   layer works in place, this raises an error.


def activations(model, names, inputs):
    outputs = {name: [] for name in names}

    def keep(name, module, args, output):
        output = output[0] if isinstance(output, tuple) else output
        outputs[name].append(output.detach().clone())  # never the output itself

    with contextlib.ExitStack() as hooks, torch.no_grad():
        for name in names:
            hook = functools.partial(keep, name)
            hooks.enter_context(model.get_submodule(name).register_forward_hook(hook))
        model.eval()(inputs.to(next(model.parameters()).device))
    assert all(outputs.values()), "a layer was not called: is the model compiled?"
    return outputs


# %%
# Check
# -----
#
# A recurrent layer gives a tuple, and an activation that runs twice gives two outputs.
# The running mean of the batch normalization, which nothing has moved yet, stays 0.


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.act = nn.LSTM(24, 8, batch_first=True), nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm1d(24)

    def forward(self, x):
        return self.act(self.act(self.norm(self.lstm(x)[0])) - 0.1)


net = Net()
outputs = activations(net, ["lstm", "act"], inputs[0])
for name, found in outputs.items():
    print(name, [tuple(output.shape) for output in found])
assert len(outputs["act"]) == 2 and not net.norm.running_mean.any()

# %%
# An attention uses the weight of ``out_proj`` without calling this layer, so its hook
# is never called. ``activations`` stops then.

layer = nn.TransformerEncoderLayer(24, 2, 8, batch_first=True)
try:
    activations(layer, ["self_attn.out_proj"], inputs[0])
    raise RuntimeError("the layer was called")
except AssertionError as error:
    print(error)

# %%
# The same happens in a compiled model. Since torch 2.14, code that was compiled before
# the hook came does not call the hook. torch 2.12 and 2.13 compile again. Under
# ``torch.compiler.set_stance("force_eager")`` the pass runs uncompiled.

model.eval().compile(backend="eager")
with torch.no_grad():
    model(inputs)
try:
    activations(model, ["0"], inputs)
    stopped = False
except AssertionError as error:
    stopped = True
    print(error)
assert stopped == (torch.__version__ >= (2, 14))
with torch.compiler.set_stance("force_eager"):
    print(f"uncompiled: {len(activations(model, ['0'], inputs)['0'])} call")

# %%
# Learn more
# ----------
#
# - Which layers feed a decision: :ref:`sphx_glr_recipes_recipes_Captum_Recipe.py`
# - Tensors that share memory: :ref:`sphx_glr_recipes_recipes_views_and_contiguity.py`
# - Values that turn NaN: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
