# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "loss is NaN", "nan gradients", "inf in the loss", "detect_anomaly",
#   "set_detect_anomaly", "numerical instability", "division by zero", "log of zero",
#   "sqrt of zero", "isnan",
# ]
# errors = ["Function 'SqrtBackward0' returned nan values in its 0th output."]
# older_errors = ["Function 'SqrtBackward' returned nan values in its 0th output."]
# ///
"""
Find where a NaN gradient comes from
====================================

Trace a NaN gradient to the line that made it, and make ``torch.where`` safe.

Why it matters: NaN, "not a number", spreads through every sum and product. A NaN in a
gradient makes the weights NaN while the loss you watch is still finite. By the time it
shows, its origin is gone.
"""

# %%
# Setting
# -------
#
# ``compress`` damps large scores: a square root above zero, a straight line below. The
# root does not exist below -1/2, but there :func:`torch.where` picks the line.

import functools
import math
import warnings

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
inputs = torch.randn(64, 4)
targets = inputs @ torch.tensor([[1.0], [-2.0], [1.5], [0.5]])
loss_fn = nn.MSELoss()


def compress(scores):
    return torch.where(scores > 0, (1 + 2 * scores).sqrt() - 1, scores)


# %%
# A finite loss, then nothing
# ---------------------------
#
# The first loss is finite. Its gradient is not, so the first step writes NaN into the
# weights, and every later loss is NaN.


def train(function, steps=30):
    torch.manual_seed(1)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    losses = []
    for _step in range(steps):
        loss = loss_fn(function(model(inputs)), function(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


naive = train(compress)
print(f"losses: {naive[0]:.3f}, {naive[1]:.3f} ... {naive[-1]:.3f}")
assert math.isfinite(naive[0]) and math.isnan(naive[1]) and math.isnan(naive[-1])

# %%
# Ask autograd
# ------------
#
# Under :class:`torch.autograd.set_detect_anomaly` the result of every backward function
# is checked for NaN (not for infinity). The first NaN raises an error with the
# function's name. A warning shows the stack of the forward call that belongs to this
# function, with file and line. ``blame`` prints the warning's first line and the
# innermost function of the stack.


def blame(function, inputs):
    scores = inputs.clone().requires_grad_()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with torch.autograd.set_detect_anomaly(True):
                loss_fn(function(scores), torch.zeros_like(scores)).backward()
        except RuntimeError as error:
            print(error)
    stack = str(caught[0].message)  # lines like: File "x.py", line 3, in compress
    print(stack.splitlines()[0])
    innermost = stack.split(", in ")[-1].split()[0]
    print("called in:", innermost)
    return innermost


assert blame(compress, torch.tensor([-2.0, 3.0])) == "compress"

# %%
# Zero times NaN
# --------------
#
# ``torch.where`` computes both branches, and sends a gradient back through both: 0 to
# the branch not chosen. The chain rule multiplies this 0 by the slope of the root, NaN
# below -1/2, and 0 times NaN is NaN. The cure is a second ``where``, *before* the root,
# which computes the branch not chosen at a harmless point. Now 0 times its slope is 0.
# (At a root of 0, 0 times infinity is NaN, too: where ``x`` is 0, ``x.norm()`` has a
# gradient, and ``x.square().sum().sqrt()`` has NaN.)


def safe_compress(scores):
    harmless = torch.where(scores > 0, scores, 0.0)
    return torch.where(scores > 0, (1 + 2 * harmless).sqrt() - 1, scores)


# %%
# Same values, and gradients equal to the slope by hand: :math:`1 / \sqrt{1 + 2s}` above
# zero, 1 below. Now training works.

scores = torch.linspace(-3, 3, 60, requires_grad=True)
slopes = {}
for function in (compress, safe_compress):
    slopes[function] = torch.autograd.grad(function(scores).sum(), scores)[0]
    print(f"{function.__name__}: {slopes[function].isnan().sum()} of 60 slopes are NaN")
cured = train(safe_compress)
print(f"losses: {cured[0]:.3f}, {cured[1]:.3f} ... {cured[-1]:.3f}")
by_hand = (1 + 2 * scores.detach().clamp(min=0)).rsqrt()
torch.testing.assert_close(slopes[safe_compress], by_hand)
assert torch.equal(compress(scores), safe_compress(scores))
assert cured[-1] < cured[0] / 100

# %%
# A plot leaves NaN out: the squares are missing where "one where" gives NaN.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
x = scores.detach()
axes[0].plot(x, slopes[safe_compress], color="tab:blue", label="two where")
axes[0].plot(x, slopes[compress], "s", ms=4, color="tab:orange", label="one where")
axes[0].set(title="One where: NaN below -1/2", xlabel="score", ylabel="gradient")
axes[1].plot(cured, color="tab:blue", label="two where")
axes[1].plot(naive, "s", color="tab:orange", label="one where, then NaN")
axes[1].set(title="One where: all NaN after a step", yscale="log")
axes[1].set(xlabel="step", ylabel="mean squared error")
for ax in axes:
    ax.legend()
plt.show()

# %%
# When it is not so: NaN before the backward pass
# -----------------------------------------------
#
# Anomaly mode checks the backward pass alone. If the data or a layer made the NaN, it
# blames an early function of the backward pass, here the loss, or none. Test the batch
# and the weights first. If a weight is NaN already, load the last good checkpoint.

batch = torch.tensor([float("nan"), 3.0])
assert blame(safe_compress, batch) == "mse_loss"
print("batch is finite:", batch.isfinite().all().item())
assert not batch.isfinite().all()

# %%
# Then test the output of each layer with a forward hook. This batch is finite, and the
# second layer takes the logarithm of negative scores. The first name is the layer that
# made the NaN. Or a function called just before this layer made it: functions have no
# hook. ``note`` looks into tuples, as of an LSTM, not into dicts. Remove the hooks: on
# a GPU, each test waits.


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, scores):
        return self.function(scores)


model = nn.Sequential(nn.Linear(4, 8), Apply(torch.log), nn.Linear(8, 4))
assert blame(model, inputs) == "mse_loss"

# %%
bad = []


def note(name, module, args, output):
    parts = output if isinstance(output, tuple) else (output,)
    if not all(part.isfinite().all() for part in parts if torch.is_tensor(part)):
        bad.append(name)


layers = [(name, layer) for name, layer in model.named_modules() if name]
hooks = [m.register_forward_hook(functools.partial(note, n)) for n, m in layers]
model(inputs)
for hook in hooks:
    hook.remove()
print("not finite: the outputs of the layers", *bad)
assert bad == ["1", "2"] and not any(m._forward_hooks for m in model.modules())

# %%
# In your project
# ---------------
#
# ``error_if_nonfinite`` stops before the step, while the weights are still good. Then
# the same batch runs again in anomaly mode, which is too slow for every batch: it
# records a stack for each operation. With dropout, the second run can differ. Leave out
# ``torch.compile`` while you search: else the name is ``CompiledFunctionBackward``. The
# 1 also clips every longer gradient: write ``math.inf`` if you only test. Do not use
# this with a ``GradScaler``, which skips a step with infinite gradients itself.


def train_step(model, optimizer, x, y, device):
    x, y = x.to(device), y.to(device)
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    try:
        nn.utils.clip_grad_norm_(model.parameters(), 1, error_if_nonfinite=True)  # new
    except RuntimeError:
        with torch.autograd.set_detect_anomaly(True):  # new: says where
            loss_fn(model(x), y).backward()
        raise  # only infinity: anomaly mode has nothing to say
    optimizer.step()


# %%
# Check
# -----
#
# NaN stops the step and names the root; the weights stay finite. The safe step runs.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
stopped = {}
for function in (compress, safe_compress):
    model = nn.Sequential(nn.Linear(4, 1), Apply(function)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    try:
        with warnings.catch_warnings(action="ignore"):  # the stack, which has paths
            train_step(model, optimizer, inputs, function(targets), device)
    except RuntimeError as error:
        stopped[function] = str(error)
        print(error)
    assert model[0].weight.isfinite().all()  # nothing is lost
assert list(stopped) == [compress] and "SqrtBackward0" in stopped[compress]

# %%
# Learn more
# ----------
#
# - Forward hooks: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Large gradients: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - A loss that is a number and stays:
#   :ref:`sphx_glr_recipes_recipes_model_that_does_not_learn.py`
# - Two runs, compared operation by operation:
#   :ref:`sphx_glr_recipes_recipes_debug_mode.py`
