# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "torch.no_grad", "disable gradients", "validation loop", "GPU memory in evaluation",
#   "CUDA out of memory during validation", "difference between no_grad and eval",
#   "set_grad_enabled", "detach", "inference",
# ]
# errors = ["Inference tensors cannot be saved for backward"]
# ///
"""
Evaluate with no_grad and inference_mode
========================================

Evaluate without the memory that gradients need, and pick the mode your tensors allow.

Why it matters: every forward pass prepares for a backward pass: it keeps the tensors
that the gradients need. An evaluation has no backward pass, so this memory is wasted.
It grows with every batch as long as something, such as a sum of losses, refers to it.
"""

# %%
# Setting: see what is kept
# -------------------------
#
# Autograd is the part of PyTorch that computes gradients. With
# :class:`torch.autograd.graph.saved_tensors_hooks`, it calls ``note``, below, with each
# tensor that it keeps. ``evaluate`` adds up their bytes after every batch. It counts
# shared memory once and leaves out the weights.

import contextlib

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1)
)
loss_fn = nn.MSELoss()
batches = [(torch.randn(128, 64), torch.randn(128, 1)) for _ in range(20)]

# %%


def evaluate(mode):
    kept, curve, total = {}, [], 0.0
    weights = {parameter.data_ptr() for parameter in model.parameters()}

    def note(tensor):
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in weights:
            kept[memory.data_ptr()] = memory.nbytes()
        return tensor

    with mode, torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        for inputs, targets in batches:
            total += loss_fn(model(inputs), targets)
            curve.append(sum(kept.values()))
    return total, curve


# %%
# See the problem: the sum holds every batch
# ------------------------------------------
#
# ``total`` is a tensor computed from all the losses, so it holds on to what each loss
# needs for its gradient. That is the 64, 512 and 512 features that enter the linear
# layers, and the output and target that enter the loss, 4 bytes each.
# :meth:`torch.nn.Module.eval` is no help: it changes what layers do, and autograd goes
# on keeping tensors.

model.eval()
total, curve = evaluate(contextlib.nullcontext())
print(f"after  1 batch:   {curve[0] / 2**20:5.2f} MiB kept")
print(f"after 20 batches: {curve[-1] / 2**20:5.2f} MiB kept")
expected = 20 * 128 * (64 + 512 + 512 + 1 + 1) * 4
print(f"by the formula:   {expected / 2**20:5.2f} MiB")
assert curve[-1] == expected

# %%
# The idea: say that nothing goes back
# ------------------------------------
#
# Under :class:`torch.no_grad` or :class:`~torch.autograd.grad_mode.inference_mode`,
# results do not know how they were computed, and nothing is kept. The losses must come
# out the same.

curves = {"default": curve}
print(f"default: {curve[-1]} bytes kept, loss {total / 20:.3f}")
for mode in (torch.no_grad, torch.inference_mode):
    mode_total, mode_curve = evaluate(mode())
    curves[mode.__name__] = mode_curve
    print(f"{mode.__name__}: {mode_curve[-1]} bytes kept, loss {mode_total / 20:.3f}")
    assert mode_curve[-1] == 0 and torch.equal(mode_total, total)

# %%
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
styles = {"default": "C1-o", "no_grad": "C0-s", "inference_mode": "kx"}
for name, style in styles.items():
    mebibytes = [size / 2**20 for size in curves[name]]
    ax.plot(range(1, 21), mebibytes, style, label=name)
ax.set(xlabel="batches", xticks=range(0, 21, 4), ylabel="kept for gradients (MiB)")
ax.set_title("Summing losses keeps every batch, unless a mode says not to")
ax.legend()
plt.show()

# %%
# When it is not so: an inference tensor cannot come back
# -------------------------------------------------------
#
# ``inference_mode`` drops more bookkeeping than ``no_grad`` does. Autograd cannot keep
# its results for a later backward pass, and outside nothing may change them in place.
# Try it on features computed once by the first layers, from which the last layer is to
# learn.

inputs, targets = batches[0]
head = model[-1]
for mode in (torch.no_grad, torch.inference_mode):
    with mode():
        features = model[:-1](inputs)
    try:
        loss_fn(head(features), targets).backward()
        print(f"{mode.__name__}: gradient for the last layer")
        allowed = mode
    except RuntimeError as error:
        print(f"{mode.__name__}: {error}")
assert allowed is torch.no_grad

# %%
# So take ``inference_mode`` where results are final, and ``no_grad`` where they return
# to training. They can also return unseen: if a layer keeps a tensor from an
# evaluation, as a cache of masks or positions, training stops with the same message.
#
# A model built inside the mode cannot be trained. If it has several layers, the forward
# pass raises the same message. If it has one, ``optimizer.step()`` changes its weights
# in place, which raises ``Inplace update to inference tensor outside InferenceMode is
# not allowed``.
#
# A clone made outside the mode is an ordinary tensor again. The gradient that the last
# layer gets from the clone must match the formula for the mean squared error.

head.zero_grad()
features = features.clone()
loss_fn(head(features), targets).backward()
with torch.no_grad():
    formula = 2 / len(inputs) * (head(features) - targets).T @ features
gap = (head.weight.grad - formula).abs().max().item()
print(f"clone: gradient for the last layer, {gap:.5f} from the formula")
assert gap < 1e-6

# %%
# A layer with a cache, evaluated before it is trained:


class Scale(nn.Module):
    cache = None

    def forward(self, inputs):
        if self.cache is None:
            self.cache = torch.linspace(1, 2, inputs.shape[-1])
        return inputs * self.cache


# %%

for mode in (torch.no_grad, torch.inference_mode):
    cached = nn.Sequential(nn.Linear(64, 8), Scale())
    with mode():
        cached(inputs)
    try:
        cached(inputs).sum().backward()
        print(f"{mode.__name__}: trains")
        assert mode is torch.no_grad
    except RuntimeError as error:
        print(f"{mode.__name__}: {error}")
        assert mode is torch.inference_mode

# %%
# In your project
# ---------------
#
# ``loss.item()`` is a number, so it holds on to nothing, even if the mode is forgotten.
# On a GPU, ``item()`` waits for the result: add up tensors, and call ``item()`` once.
# Multiply each mean by its number of samples, as the last batch is often smaller. With
# ``ignore_index`` the loss is a mean over the other targets: count these instead. With
# class weights, add up their weights. If you catch errors of this function, put the
# last ``for`` into a ``finally``.


@torch.inference_mode()  # new; no_grad() if a layer keeps tensors
def mean_loss(model, loader, device):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    total, count = torch.zeros((), device=device), 0
    for inputs, targets in loader:
        inputs, targets = inputs.to(device), targets.to(device)
        total += loss_fn(model(inputs), targets) * len(inputs)
        count += len(inputs)
    for module, training in modes.items():
        module.training = training  # as before: a frozen layer stays in eval mode
    return (total / count).item()


# %%
# Check
# -----
#
# With a last batch of 60, the mean equals one pass over all samples at once. Each layer
# is in the mode in which it was: ``model.train()`` would wake the first one, which is
# frozen.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
batches[-1] = tuple(tensor[:60] for tensor in batches[-1])
inputs, targets = (torch.cat(parts).to(device) for parts in zip(*batches, strict=True))
model.to(device).train()
model[0].eval()
loss, expected = mean_loss(model, batches, device), loss_fn(model(inputs), targets)
print(f"mean loss {loss:.4f}, one pass over all samples {expected.item():.4f}")
modes = [module.training for module in model.modules()]  # the model, then its layers
assert abs(loss - expected.item()) < 1e-5 and modes == [True, False, *[True] * 4]

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
