# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Performance"]
# after = ["zeroing_out_gradients"]
# timeout = 120
# searched_as = [
#   "AMP", "fp16", "bf16", "half precision", "float16 training", "GradScaler",
#   "autocast", "tensor cores", "CUDA out of memory", "loss becomes NaN with half",
# ]
# ///
"""
Automatic Mixed Precision
=========================

Run the expensive layers in 16 bits without losing small updates and small gradients.

Why it matters: numbers of 16 bits take half the memory of float32, and many processors
multiply them faster. But convert everything, and small updates and small gradients
round to zero without an error. Mixed precision chooses a type per operation.
"""

# %%
# Everything in 16 bits
# ---------------------
#
# A weight of 1 gets a hundred updates of -0.001. In bfloat16 the numbers next to 1 are
# too far away: each update rounds back to 1, and the weight never moves.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn

for dtype in (torch.float32, torch.bfloat16):
    weight = torch.ones(1, dtype=dtype, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.001)
    for _ in range(100):
        optimizer.zero_grad()
        weight.sum().backward()  # the gradient is 1
        optimizer.step()
    print(f"{dtype}: {weight.item():.4f} after 100 updates")

# %%
# Mixed precision
# ---------------
#
# The model stays in float32. Within :class:`torch.autocast`, each operation casts its
# inputs to the type that suits it: matrix products to bfloat16, losses to float32. The
# backward pass goes outside. Weights, their gradients and so the updates are float32.

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 256))
inputs, loss_fn = torch.rand(4096, 16), nn.MSELoss()
targets = model(inputs).detach() - 0.006 * torch.rand(4096, 256)
with torch.autocast("cpu", dtype=torch.bfloat16):
    hidden = inputs
    for layer in model:
        hidden = layer(hidden)
        print(f"{type(layer).__name__}: {hidden.dtype}")
    loss = loss_fn(hidden, targets)
loss.backward()
print(f"loss: {loss.dtype}, weight and gradient: {model[0].weight.grad.dtype}")

# %%
# What it saves
# -------------
#
# :class:`torch.autograd.graph.saved_tensors_hooks` shows ``note`` every tensor that is
# kept for the backward pass. They are half as large in 16 bits, plus a copy of the
# last layer's weight in 16 bits. The weights themselves are not counted.


def kept_bytes(dtype):
    kept = {parameter.data_ptr(): 0 for parameter in model.parameters()}

    def note(tensor):
        kept.setdefault(tensor.data_ptr(), tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            model(inputs)
    return sum(kept.values())


kept = {dtype: kept_bytes(dtype) for dtype in (torch.float32, torch.bfloat16)}
print({str(dtype): f"{size / 1024:.0f} KiB" for dtype, size in kept.items()})
assert kept[torch.bfloat16] == kept[torch.float32] / 2 + model[2].weight.nbytes / 2

# %%
# float16 needs a scaler
# ----------------------
#
# The measure is the gradient of the last layer's 256 biases in float64.

double = copy.deepcopy(model).double()
loss_fn(double(inputs.double()), targets.double()).backward()
exact = double[2].bias.grad

# %%
# bfloat16 reaches about as far down as float32 does, and needs none; float16 does not.
# In a mean over a million outputs, the gradient of each is too small for it and becomes
# zero, and so do those of the biases. ``torch.amp.GradScaler`` multiplies the loss by a
# large factor before the backward pass, and ``unscale_`` divides the gradients by it,
# in float32. "Close" is a relative error below 20%.

cases = [(torch.bfloat16, 1.0), (torch.float16, 1.0), (torch.float16, 2.0**16)]
for dtype, scale in cases:
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=dtype):
        loss = loss_fn(model(inputs), targets)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    grad = model[2].bias.grad
    error = ((grad - exact).norm() / exact.norm()).item()
    zeros = (grad == 0).sum()
    print(f"{dtype!s:14} scale {scale:5.0f}: {zeros:3} zeros, close: {error < 0.2}")
assert error < 0.2

# %%
# The gradients of the outputs, and the smallest number above zero in float16. Less
# than half of that rounds to zero.

outputs = model(inputs).detach().requires_grad_()
loss_fn(outputs, targets).backward()
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for exponent, color, hatch in [(0, "tab:orange", "//"), (16, "tab:blue", "")]:
    logs = (outputs.grad.abs().flatten() * 2**exponent).log2().numpy()
    label = f"loss times $2^{{{exponent}}}$"
    ax.hist(logs, bins=range(-44, -9), color=color, hatch=hatch, label=label)
ax.axvline(-24, color="black", linestyle="--", label="smallest float16, $2^{-24}$")
ax.set(title="float16 loses these gradients unless the loss is scaled", yscale="log")
ax.set(xlabel="log2 of the gradient's magnitude", ylabel="number of outputs")
ax.legend()
plt.show()

# %%
# Pitfall: clipping scaled gradients
# ----------------------------------
#
# Between ``backward`` and ``unscale_``, gradients are too large by the scale: clipped
# there, they shrink to almost nothing. Clip after ``unscale_``. Without clipping,
# leave ``unscale_`` out: ``step`` does it. The whole step:

optimizer.zero_grad()
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
with torch.autocast("cpu", dtype=torch.float16):
    loss = loss_fn(model(inputs), targets)
scaler.scale(loss).backward()
before = nn.utils.get_total_norm([p.grad for p in model.parameters()])
scaler.unscale_(optimizer)
after = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1)
scaler.step(optimizer)  # leaves out the step if a gradient is inf or nan ...
scaler.update()  # ... and halves the scale in that case
print(f"norm before unscale_ / norm after: {(before / after).item():.0f}")

# %%
# On a GPU
# --------
#
# Move model and data there, and write ``"cuda"`` for ``"cpu"``. On CUDA, float16 is the
# default of ``autocast``, more operations stay in float32, such as softmax and exp, and
# matrix products run on units built for 16 bits.
#
# Learn more
# ----------
#
# - Save more memory: :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py`
# - Bound the norm: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Where inf and nan start: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
