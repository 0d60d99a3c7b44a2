# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Performance"]
# after = ["no_grad_and_inference_mode"]
# timeout = 60
# searched_as = [
#   "gradient checkpointing", "torch.utils.checkpoint", "CUDA out of memory",
#   "OOM in training", "reduce GPU memory", "recompute the forward pass",
#   "train larger models",
# ]
# ///
"""
Trade compute for memory with activation checkpointing
======================================================

Keep fewer activations for the backward pass, and get the same gradients.

Why it matters: the forward pass keeps the results of layers, the activations, for the
backward pass. They grow with the batch and with the depth, and when they no longer
fit in memory, training stops with an out-of-memory error. Computing some of them twice
costs time, but leaves batch, depth and gradients as they are.
"""

# %%
# Eight blocks
# ------------
#
# Each block widens its input fourfold and narrows it again. It contains dropout, whose
# random mask a second computation has to hit again.

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

torch.manual_seed(0)
wide = [nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Dropout(0.1)) for _ in range(8)]
model = nn.ModuleList(nn.Sequential(*w, nn.Linear(256, 64)) for w in wide)
inputs, targets = torch.randn(128, 64), torch.randn(128, 64)
loss_fn = nn.MSELoss()

# %%
# The one changed line
# --------------------
#
# ``checkpoint(block, hidden)`` stands for ``block(hidden)``:
# :func:`torch.utils.checkpoint.checkpoint` keeps the input of the block and nothing
# from inside. When the backward pass arrives at the block, ``checkpoint`` runs the
# block again, up to the last tensor that the gradients need. ``use_reentrant=False``
# chooses the variant that PyTorch recommends. Here the first ``count`` blocks are
# checkpointed, to compare.


def forward(count):
    torch.manual_seed(1)  # the same dropout masks in every comparison
    hidden = inputs
    for number, block in enumerate(model):
        if number < count:
            hidden = checkpoint(block, hidden, use_reentrant=False)
        else:
            hidden = block(hidden)
    return loss_fn(hidden, targets)


# %%
# Count what is kept
# ------------------
#
# :class:`torch.autograd.graph.saved_tensors_hooks` calls ``note`` with every tensor
# that is kept for the backward pass. Weights exist anyway and are not counted.
# ``FlopCounterMode`` counts floating-point operations of the matrix products.


def measure(count):
    kept = {parameter.data_ptr(): 0 for parameter in model.parameters()}

    def note(tensor):
        kept.setdefault(tensor.data_ptr(), tensor.nbytes)
        return tensor

    model.zero_grad()
    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            loss = forward(count)
        loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    return sum(kept.values()) / 1024, counter.get_total_flops() / 1e6, gradient


naive_kept, naive_flops, naive_gradient = measure(0)
print(f"no checkpoints: {naive_kept:.0f} KiB kept, {naive_flops:.0f} MFLOP")

# %%
# The same gradients
# ------------------
#
# With all eight blocks checkpointed, ten tensors of 128 times 64 floats remain: the
# inputs of the blocks, the output, and the targets for the loss. No gradient changes,
# dropout included, because ``checkpoint`` restores PyTorch's global random state before
# it runs a block again. ``checkpoint`` restores autocast, and the random state of the
# CPU and of each device that holds a positional argument. It does not restore
# ``random``, NumPy or a ``torch.Generator``. A block that draws from these can get
# wrong gradients without an error. The added compute is the first product of each
# block: the second gives the block's output, which is not needed again.

kept, flops, gradient = measure(8)
print(f"8 checkpoints:  {kept:.0f} KiB kept, {flops:.0f} MFLOP")
print(f"kept for backward x {kept / naive_kept:.2f}", end=", ")
print(f"compute x {flops / naive_flops:.2f}")
difference = (gradient - naive_gradient).abs().max().item()
print(f"largest difference of a gradient: {difference:.0e}")
assert kept == 10 * inputs.nbytes / 1024
again = 8 * 2 * 128 * 64 * 256 / 1e6  # eight products, a multiplication and an addition
assert abs(flops - naive_flops - again) < 1e-6
torch.testing.assert_close(gradient, naive_gradient)

# %%
# You choose how many blocks to checkpoint. Each of these equal blocks saves the same
# and costs the same. The count of memory stops where the backward pass starts. From
# there on, one block at a time holds its activations again, so the peak is about what
# is kept and one block.

counts = range(9)
memory, compute, _ = zip(*[measure(count) for count in counts], strict=True)
peak = memory[8] + (memory[0] - memory[1])  # what is kept, and one block
print(f"peak, about: {peak:.0f} of {memory[0]:.0f} KiB, x {peak / memory[0]:.2f}")
assert 0.15 < peak / memory[0] < 0.25
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
axes[0].bar(counts, memory, color="tab:blue")
axes[0].set(title="Each checkpoint: less memory kept", ylabel="kept (KiB)")
axes[1].bar(counts, compute, color="tab:blue", hatch="//")
axes[1].set(title="... and some more compute")
axes[1].set(ylabel="forward and backward (MFLOP)")
for ax in axes:
    ax.set(xlabel="blocks with a checkpoint (of 8)", xticks=counts)
plt.show()

# %%
# Pitfall: a block that changes something does so twice
# -----------------------------------------------------
#
# A second forward pass is a second update of the running statistics of
# :class:`torch.nn.BatchNorm1d`. They move too fast: after two updates with momentum
# 0.1, the share of the old value is 0.9 squared. The gradients are right all the same.
# The momentum :math:`1 - \sqrt{0.9}` makes two updates as large as one, as long as each
# step in training mode has its backward pass. In a step without a backward pass, the
# block runs once, and the mended momentum moves the statistics too slowly. With
# ``torch.compile`` around the whole model, they are updated once: keep 0.1.

means = {}
for name, momentum in [("plain", 0.1), ("twice", 0.1), ("cured", 1 - 0.9**0.5)]:
    block = nn.Sequential(nn.BatchNorm1d(64, momentum=momentum), nn.GELU())
    if name == "plain":
        output = block(inputs + 3)
    else:
        output = checkpoint(block, inputs + 3, use_reentrant=False)
    output.sum().backward()
    means[name] = block[0].running_mean.mean().item()
    print(f"{name}: updates {block[0].num_batches_tracked}, mean {means[name]:.3f}")
assert abs(means["cured"] - means["plain"]) < 1e-5 < means["twice"] - means["plain"]

# %%
# In your project
# ---------------
#
# Checkpoint the blocks that repeat, and only while training. The keys of ``state_dict``
# stay the same. Further arguments of a block go through ``checkpoint``, also by
# keyword. A block must not change its input in place: ``nn.ReLU(inplace=True)`` as its
# first layer makes ``backward`` fail. If you train a model in ``eval`` mode, test
# ``torch.is_grad_enabled()`` instead of ``self.training``.
#
# A transformer of Hugging Face has ``model.gradient_checkpointing_enable()``. Older
# releases need ``gradient_checkpointing_kwargs={"use_reentrant": False}`` there. On an
# NVIDIA GPU, run one step with and one without checkpoints. Compare
# ``torch.cuda.max_memory_allocated()``, and call
# ``torch.cuda.reset_peak_memory_stats()`` before each step.


class Model(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, hidden):
        for block in self.blocks:
            if self.training:
                hidden = checkpoint(block, hidden, use_reentrant=False)  # new
            else:
                hidden = block(hidden)
        return hidden


# %%
# Check these lines
# -----------------
#
# In training the gradients are the gradients of plain blocks, after the same seed. In
# evaluation no block runs twice.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
runs, gradients = {}, []
project = Model(model).to(device)
handle = model[0].register_forward_pre_hook(lambda *_: calls.append(1))
for mode in (True, False):
    calls = []
    outputs = project.train(mode)(inputs.to(device))
    loss_fn(outputs, targets.to(device)).backward()
    runs["training" if mode else "evaluation"] = len(calls)
handle.remove()
print("runs of the first block:", runs)
assert runs == {"training": 2, "evaluation": 1}

# %%

for blocks in (project.train(), nn.Sequential(*model)):
    torch.manual_seed(1)
    project.zero_grad()
    loss_fn(blocks(inputs.to(device)), targets.to(device)).backward()
    gradients.append([p.grad.clone() for p in project.parameters()])
torch.testing.assert_close(*gradients)
print("gradients as without checkpoints:", len(gradients[0]))

# %%
# Learn more
# ----------
#
# - Less memory by pieces: :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - ... and by smaller numbers: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
# - What else fills the memory: :ref:`sphx_glr_recipes_recipes_out_of_memory.py`
# - More costs to remove: :ref:`sphx_glr_recipes_recipes_tuning_guide.py`
