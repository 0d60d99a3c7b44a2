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
random number generator, which changes what comes after. ``skip_init`` draws no random
numbers. For a whole model, build on the meta device, and load with ``assign=True``:
see *In your project*.
"""

# %%
# A model and its checkpoint
# --------------------------
#
# The model takes a ``device`` and passes it on, as the layers of PyTorch do:
# ``skip_init`` refuses a model without this argument. ``ramp`` is a constant. It is not
# saved, because the constructor makes it.

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
# memory for them: on the CPU, unless you pass a ``device``. Nothing is written there.
# To show this, deterministic mode fills such memory with NaN.

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
# The median of repeated runs, without deterministic mode. ``skip_init`` pays for large
# layers. For a small layer, it takes longer than the random numbers.

# Output differs from run to run.
ratios = []
skips = {"Model()": "skip_init(Model)", "nn.Linear(8, 8)": "skip_init(nn.Linear, 8, 8)"}
for plain, skipping in skips.items():
    timers = [Timer(make, globals=globals()) for make in (plain, skipping)]
    usual, skip = [timer.blocked_autorange(min_run_time=0.2).median for timer in timers]
    print(f"{plain}: {usual * 1e3:.2f} ms, with skip_init: {skip * 1e3:.2f} ms")
    ratios.append(usual / skip)
assert ratios[0] > 5 and ratios[1] < 1

# %%
# When it is not so: what the checkpoint does not hold
# ----------------------------------------------------
#
# Loading reported nothing missing, but ``ramp`` is not in the checkpoint: this buffer
# was made on the meta device, and its values were lost. Usually the memory holds
# whatever was there before, which can look right. Here, NaN gives it away. The measure
# is the output of the model that was built the usual way.

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
# Build the whole model on the meta device, and load with ``assign=True``. No ``device``
# argument and no second set of weights is needed: the model takes over the tensors of
# the checkpoint, with their dtype.
#
# - On a CPU, the model and ``checkpoint`` then share memory: training changes both.
# - A buffer that you forget is an error, not a wrong answer. A tensor that is no buffer
#   is not in the list ``left``, and ``to`` does not move it.
# - A constructor that calls ``.item()`` raises on the meta device: build such a model
#   as usual.
# - Make the optimizer after loading. An optimizer made before would keep the parameters
#   without data, and no step would move the model. No error tells you.

# checkpoint = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
with torch.device("meta"):  # the new line
    assigned = Model()
assigned.load_state_dict(checkpoint, assign=True)  # raises if a weight is missing
left = [name for name, buffer in assigned.named_buffers() if buffer.is_meta]
print("still without data:", left)
assigned.ramp = torch.linspace(0, 1, 2000)  # write what is left
assert not any(buffer.is_meta for buffer in assigned.buffers())
assigned = assigned.to(device).eval()

# %%
# Check
# -----
#
# The answers are equal to the first model's. An optimizer made too early holds no data.
# With ``ramp`` left out, you get an error.

torch.testing.assert_close(assigned(inputs.to(device)).cpu(), expected)
with torch.device("meta"):
    forgotten = Model()
early = torch.optim.AdamW(forgotten.parameters())
forgotten.load_state_dict(checkpoint, assign=True)
held = {p.device.type for p in early.param_groups[0]["params"]}
print("an optimizer made before loading holds parameters on:", *held)
assert left == ["ramp"] and held == {"meta"}
assert forgotten.linear.weight.data_ptr() == weight.data_ptr()  # the same memory
try:
    refused = forgotten(inputs) is None
except RuntimeError as error:
    refused = True
    print(error)
assert refused

# %%
# A pitfall: tied weights come apart
# ----------------------------------
#
# Language models often use one weight in two layers. When such a model leaves the meta
# device, the shared weight becomes two parameters, without an error. ``skip_init`` does
# the same. Tie the layers again after loading, and before you make the optimizer.


def tie(model):
    model["head"].weight = model["embed"].weight
    return model


embed, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
usual = tie(nn.ModuleDict({"embed": embed, "head": head}))
with torch.device("meta"):
    embed, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
tied = tie(nn.ModuleDict({"embed": embed, "head": head}))

# %%

tied.load_state_dict(usual.state_dict(), assign=True)
counts = [len(list(usual.parameters())), len(list(tied.parameters()))]
counts.append(len(list(tie(tied).parameters())))
print("weights: {}, after loading {}, tied again {}".format(*counts))
assert counts == [1, 2, 1]

# %%
# Learn more
# ----------
#
# - ``assign=True``: :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - ... and the optimizer: :ref:`sphx_glr_recipes_recipes_swap_tensors.py`
# - Choose it: :ref:`sphx_glr_recipes_recipes_weight_initialization.py`
# - The meta device: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
