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
multiply them faster. But with everything in 16 bits, small updates are lost without an
error, in float16 small gradients too. Mixed precision chooses a type per operation.
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

moved = {}
for dtype in (torch.float32, torch.bfloat16):
    weight = torch.ones(1, dtype=dtype, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.001)
    for _ in range(100):
        optimizer.zero_grad()
        weight.sum().backward()  # the gradient is 1
        optimizer.step()
    moved[dtype] = 1 - weight.item()
    print(f"{dtype}: {weight.item():.4f} after 100 updates")
assert moved[torch.bfloat16] == 0 and abs(moved[torch.float32] - 0.1) < 1e-4

# %%
# Mixed precision
# ---------------
#
# The model stays in float32. Within :class:`torch.autocast`, matrix products cast their
# inputs to bfloat16, and losses cast them to float32. ReLU keeps the type. The backward
# pass goes outside. Weights, their gradients and so the updates are float32.

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
# kept for the backward pass. Here these tensors are half as large in 16 bits, plus a
# copy of the last layer's weight in 16 bits. The weights themselves are not counted.
# On a GPU, layer norm and softmax stay in float32 and save nothing, and
# ``torch.cuda.max_memory_allocated()`` tells you the peak of everything.


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
# bfloat16 has the range of float32, with fewer digits. float16 has more digits than
# bfloat16, but its numbers go from about 6e-8 to 65504 only. A larger activation
# becomes ``inf``, and soon the loss is ``nan``: no scaler helps there, bfloat16 does.
#
# The gradient of each output is 2 * error / number of outputs. Here the errors are at
# most 0.006, and there are a million outputs, so each gradient is at most 1.1e-8. In
# float16 it becomes zero, and so do the gradients of the last layer's 256 biases. With
# errors near 1, hardly any gradient would become zero: float16 can fail late in
# training, when errors are small.
#
# ``torch.amp.GradScaler`` multiplies the loss by a large factor before the backward
# pass. ``unscale_`` divides the gradients by it, in float32. Compare with float64:

double = copy.deepcopy(model).double()
loss_fn(double(inputs.double()), targets.double()).backward()
exact, errors = double[2].bias.grad, {}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for dtype, scale in [(torch.bfloat16, 1), (torch.float16, 1), (torch.float16, 2**16)]:
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=dtype):
        loss = loss_fn(model(inputs), targets)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    grad = model[2].bias.grad
    errors[dtype, scale] = ((grad - exact).norm() / exact.norm()).item()
    print(f"{dtype!s:14} scale {scale:5}: {(grad == 0).sum():3} of 256 zero,", end=" ")
    print(f"error {errors[dtype, scale]:.0%}")

# %%
# With the scaler, float16 is more exact than bfloat16 here. But bfloat16 needs no
# scaler, so it is the usual choice where the hardware has it.

scaled = errors[torch.float16, 2**16]
assert scaled < 0.05 < errors[torch.bfloat16, 1] < 0.2 < errors[torch.float16, 1]

# %%
# The figure shows the outputs' gradients. In float16, what is below half of the
# smallest number rounds to zero.

outputs = model(inputs).detach().requires_grad_()
loss_fn(outputs, targets).backward()
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
looks = [(0, "unscaled", "tab:orange", "//"), (16, "times $2^{16}$", "tab:blue", "")]
for exponent, name, color, hatch in looks:
    logs = (outputs.grad.abs().flatten() * 2**exponent).log2().numpy()
    label = f"loss {name}"
    ax.hist(logs, bins=range(-44, -9), color=color, hatch=hatch, label=label)
ax.axvline(-24, color="black", linestyle="--", label="smallest float16, $2^{-24}$")
ax.set(title="float16 loses these gradients unless the loss is scaled")
ax.set(xlabel="log2 of the gradient's magnitude", ylabel="number of outputs")
ax.legend(loc="upper left")
plt.show()

# %%
# Pitfall: a scaler made in the loop
# ----------------------------------
#
# The default scale, 65536, is often too large at first. ``step`` then finds inf, skips
# the optimizer, and ``update`` halves the scale. A scaler that is made anew in each
# step forgets this. If 65536 is too large for the model, it skips every step.


def steps_taken(once):
    layer = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.001)
    scaler, seen = torch.amp.GradScaler("cpu"), [layer.weight.item()]
    for _ in range(8):
        if not once:
            scaler = torch.amp.GradScaler("cpu")
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = layer(torch.full((64, 1), 4.0)).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append(layer.weight.item())
    return sum(now != before for before, now in zip(seen, seen[1:], strict=False))


# %%

print(f"made in the loop: {steps_taken(once=False)} of 8 steps taken")
print(f"made once:        {steps_taken(once=True)} of 8 steps taken")
assert steps_taken(once=False) == 0 and steps_taken(once=True) == 5

# %%
# Clip after ``unscale_``
# -----------------------
#
# Before ``unscale_``, gradients are too large by the scale: clipped there, they shrink
# to almost nothing. Without clipping, leave ``unscale_`` out: ``step`` does it.

norms, parameters = {}, list(model.parameters())
for when in ("before", "after"):
    optimizer.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = loss_fn(model(inputs), targets)
    scaler.scale(loss).backward()
    if when == "after":
        scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(parameters, max_norm=1)
    if when == "before":
        scaler.unscale_(optimizer)  # what step would do
    norms[when] = nn.utils.get_total_norm([p.grad for p in parameters]).item()
    print(f"clipped {when} unscale_: norm of the gradients {norms[when]:.6f}")

# %%
# The norm in float64 is below 1, so a right clipping changes nothing.

exact_norm = nn.utils.get_total_norm([p.grad for p in double.parameters()]).item()
print(f"float64: norm {exact_norm:.6f}")
assert 10 * norms["before"] < exact_norm
assert abs(norms["after"] - exact_norm) < 0.05 * exact_norm

# %%
# In your project
# ---------------
#
# With bfloat16 the scaler is off, and its calls change nothing. NVIDIA's GPUs before
# the A100, such as T4 and V100, only emulate bfloat16: it runs slowly, and no error
# says so. There, ``torch.cuda.is_bf16_supported(including_emulation=False)`` is
# ``False``. Then write ``torch.float16`` and ``enabled=True``, and keep
# ``scaler.state_dict()`` in the checkpoint. Never train ``model.half()``: the scaler
# refuses float16 weights. If ``scaler.update()`` lowered ``scaler.get_scale()``, the
# optimizer was skipped: then leave out ``scheduler.step()``, too. For evaluation, use
# ``autocast`` too, and ``outputs.float()`` before NumPy.

device = str(torch.accelerator.current_accelerator(check_available=True) or "cpu")
optimizer = torch.optim.AdamW(model.to(device).parameters(), lr=1e-4)
scaler = torch.amp.GradScaler(device, enabled=False)  # new: made once
for x, y in zip(inputs.split(256), targets.split(256), strict=True):
    with torch.autocast(device, dtype=torch.bfloat16):  # new
        loss = loss_fn(model(x.to(device)), y.to(device))
    optimizer.zero_grad()
    scaler.scale(loss).backward()  # new
    scaler.unscale_(optimizer)  # new: before clipping
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)  # new
    scaler.update()  # new

# %%
# Check these lines
# -----------------
#
# The weights and the optimizer's numbers are float32. The scaler goes into the
# checkpoint too.

checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
checkpoint["scaler"] = scaler.state_dict()  # empty while the scaler is off
moments = {state["exp_avg"].dtype for state in optimizer.state.values()}
print("weights:", model[0].weight.dtype, "moments:", *moments)
assert {p.dtype for p in model.parameters()} == moments == {torch.float32}
assert bool(checkpoint["scaler"]) == scaler.is_enabled()
assert all(value.isfinite().all() for value in model.state_dict().values())

# %%
# Learn more
# ----------
#
# - Save more memory: :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py`
# - Bound the norm: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Where inf and nan start: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
# - Two dtypes by mistake: :ref:`sphx_glr_recipes_recipes_error_dtype_mismatch.py`
