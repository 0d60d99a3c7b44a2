# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["module_load_state_dict_tips"]
# timeout = 60
# searched_as = [
#   "skip_init", "meta device", "to_empty", "fast model construction", "large model",
#   "no random initialization", "torch.nn.utils.skip_init",
# ]
# errors = ["Tensor on device meta is not on the expected device cpu!"]
# ///
"""
Skipping Module Parameter Initialization
========================================

Build a model without filling its weights with random numbers that you overwrite anyway.

Why it matters: before you load a checkpoint, the layers have already filled their
weights with random numbers. For a large model that takes a while, and it moves the
random number generator, which changes what comes after.
"""

# %%
# A model and its checkpoint
# --------------------------
#
# The model takes a ``device`` and passes it on, as the layers of PyTorch do; the call
# shown below needs that. ``ramp`` is a constant. It is not saved, because the
# constructor makes it.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.utils import skip_init
from torch.utils.benchmark import Timer


class Model(nn.Module):
    def __init__(self, device=None):
        super().__init__()
        self.linear = nn.Linear(2000, 2000, device=device)
        steps = torch.linspace(0, 1, 2000, device=device)
        self.register_buffer("ramp", steps, persistent=False)

    def forward(self, inputs):
        return self.linear(inputs) + self.ramp


# %%
# The usual way
# -------------
#
# Build, then load; waves stand for trained weights. The state of the generator tells
# whether random numbers were drawn.

rows = torch.arange(2000.0)
weight = torch.sin(rows / 4) * torch.cos(rows / 3).unsqueeze(1)
checkpoint = {"linear.weight": weight, "linear.bias": rows / 2000}


def build(make):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = make()
    drawn = not torch.equal(before, torch.get_rng_state())
    return model, drawn


model, usual_drawn = build(Model)
print(f"random numbers drawn: {usual_drawn}")
initial = model.linear.weight.detach().clone()
model.load_state_dict(checkpoint)
expected = model(torch.ones(1, 2000))

# %%
# Skip it
# -------
#
# :func:`torch.nn.utils.skip_init` builds the module on the meta device, where tensors
# have a shape and no data. Then it calls :meth:`torch.nn.Module.to_empty`, which gets
# memory for them. Nothing is written there. To show this, deterministic mode fills such
# memory with NaN.

torch.use_deterministic_algorithms(True)
skipped, drawn = build(lambda: skip_init(Model))
torch.use_deterministic_algorithms(False)
empty = skipped.linear.weight.detach().clone()
print(f"random numbers drawn: {drawn}")
print(f"weights never written: {empty.isnan().float().mean().item():.0%}")
missing, unexpected = skipped.load_state_dict(checkpoint)
print(f"missing in the checkpoint: {missing}, unexpected: {unexpected}")
assert usual_drawn and not drawn and empty.isnan().all()
assert torch.equal(skipped.linear.weight, model.linear.weight)

# %%
# A corner of the weight. Where nothing was written, there is nothing to draw.

fig, axes = plt.subplots(1, 3, figsize=(8, 3.2), layout="constrained")
titles = ["Usual: random numbers", "skip_init: not written", "Loaded: the checkpoint"]
for ax, image, title in zip(axes, [initial, empty, weight], titles, strict=True):
    ax.imshow(image[:40, :40].numpy(), cmap="cividis")
    ax.patch.set(facecolor="white", hatch="xx", edgecolor="0.6")
    ax.set(title=title, xlabel="input", ylabel="output", xticks=[], yticks=[])
plt.show()

# %%
# Time
# ----
#
# The median of repeated runs, without deterministic mode.

# Output differs from run to run.
timers = [Timer(make, globals=globals()) for make in ("Model()", "skip_init(Model)")]
usual, skip = [timer.blocked_autorange(min_run_time=0.2).median for timer in timers]
print(f"usual: {usual * 1e3:.2f} ms, skip_init: {skip * 1e3:.2f} ms")
assert usual / skip > 1.3

# %%
# When it is not so: what the checkpoint does not hold
# ----------------------------------------------------
#
# Loading reported nothing missing, but ``ramp`` is not in the checkpoint: it was made
# on the meta device, and its values were lost. Usually the memory holds whatever was
# there before, which can look right. Here, NaN gives it away. The measure is the output
# of the model that was built the usual way.

inputs = torch.ones(1, 2000)
tensors = [*skipped.named_parameters(), *skipped.named_buffers()]
unwritten = [name for name, tensor in tensors if tensor.isnan().any()]
print("never written:", unwritten)
print(f"outputs that are NaN: {skipped(inputs).isnan().float().mean():.0%}")
skipped.ramp.copy_(torch.linspace(0, 1, 2000))  # write such tensors yourself
torch.testing.assert_close(skipped(inputs), expected)
assert unwritten == ["ramp"]

# %%
# In your project
# ---------------
#
# Without ``to_empty`` the mistake is an error, not a wrong answer: build the whole
# model on the meta device, and load with ``assign=True``. No ``device`` argument and no
# second set of weights is needed. ``torch.load(path, mmap=True)`` gives a checkpoint.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
with torch.device("meta"):  # the new line
    assigned = Model()
assigned.load_state_dict(checkpoint, assign=True)
left = [name for name, buffer in assigned.named_buffers() if buffer.is_meta]
print("still without data:", left)
try:
    assigned(inputs)
except RuntimeError as error:
    print(error)
assigned.ramp = torch.linspace(0, 1, 2000)  # write what is left
assigned = assigned.to(device).eval()

# %%
# Check
# -----
#
# The answers are equal to the first model's. Only ``ramp`` was left to write.

torch.testing.assert_close(assigned(inputs.to(device)).cpu(), expected)
assert left == ["ramp"]

# %%
# Learn more
# ----------
#
# - ``assign=True``: :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - ... and the optimizer: :ref:`sphx_glr_recipes_recipes_swap_tensors.py`
# - Choose it: :ref:`sphx_glr_recipes_recipes_weight_initialization.py`
# - The meta device: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
