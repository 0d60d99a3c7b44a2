# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Performance", "Errors"]
# after = ["zeroing_out_gradients"]
# timeout = 120
# searched_as = [
#   "OOM", "CUDA OOM", "empty_cache", "clear gpu memory", "free GPU memory",
#   "reduce memory usage", "GPU memory leak", "memory grows every epoch",
#   "how to avoid cuda out of memory", "batch size too large", "delete a tensor",
#   "PYTORCH_CUDA_ALLOC_CONF", "expandable_segments", "max_memory_allocated",
# ]
# errors = ["DefaultCPUAllocator: can't allocate memory: you tried to allocate"]
# older_errors = [
#   "CUDA out of memory. Tried to allocate",
#   "torch.OutOfMemoryError: CUDA out of memory.",
#   "torch.cuda.OutOfMemoryError: CUDA out of memory.",
#   '''RuntimeError: cuda runtime error (2) : out of memory at
#   /pytorch/aten/src/THC/generic/THCStorage.cu:58''',
#   "DefaultCPUAllocator: not enough memory: you tried to allocate",
# ]
# ///
"""
Mend "out of memory": name what fills the memory
================================================

Measure what fills the memory, and choose the remedy that frees it.

Why it matters: the message names the last request, which is often small. The memory was
full before. What filled it decides which remedy helps, and clearing a cache is none of
them. First try a smaller batch, then bfloat16, then checkpoints.
"""

# %%
# A step that does not fit
# ------------------------
#
# A child process may take 48 MiB more than it holds. Only Linux enforces this limit:
# elsewhere nothing is printed. A batch of 4,096 asks for more. Sixteen pieces do not.

import subprocess
import sys
import weakref

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

# %%
START = """
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(256, 2048), nn.GELU(), nn.Linear(2048, 256))
data = torch.randn(4096, 256)
"""
STEP = """
def step(pieces):
    model.zero_grad()
    for x in data.chunk(pieces):
        (model(x).square().mean() / pieces).backward()
"""

# %%

LIMIT = """
import resource
step(64)  # all that is loaded once
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 48 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for pieces in (1, 16):
    try:
        step(pieces)
        print(pieces, "piece(s): fits")
    except RuntimeError as error:
        print(pieces, "piece(s):", error)
"""
# %%
command = [sys.executable, "-c", START + STEP + LIMIT]
if sys.platform == "linux":
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    print(child.stdout)
    assert "can't allocate" in child.stdout and "16 piece(s): fits" in child.stdout

# %%
# How to read it
# --------------
#
# The number is what was asked for last: one result of the wide layer, 4,096 times 2,048
# times 4 bytes. Windows says ``not enough memory``, and Linux may end the process:
# ``Killed``. A GPU's message, not raised here, has this form:
#
# .. code-block:: text
#
#     CUDA out of memory. Tried to allocate A. GPU 0 has a total capacity of B of which
#     C is free. Including non-PyTorch memory, this process has D memory in use. Of the
#     allocated memory E is allocated by PyTorch, and F is reserved by PyTorch but
#     unallocated. If reserved but unallocated memory is large try setting
#     PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.
#
# E is your tensors: read on. If B is far above C and D together, another process holds
# the rest, and ``nvidia-smi`` shows it. If F is large, the free memory is in pieces: on
# Linux, set the variable before the program starts.
#
# What fills it: four kinds
# -------------------------
#
# Weights, gradients and the optimizer's state have a fixed size. What the forward pass
# keeps grows with the batch, and ``saved_tensors_hooks`` counts it. On a GPU,
# ``torch.cuda.memory_allocated()`` before a step is what stays, and
# ``torch.cuda.max_memory_allocated()`` after it is the peak. To see which line made
# each block, call ``torch.cuda.memory._record_memory_history()`` at the start. After
# the failure, call ``torch.cuda.memory._dump_snapshot("memory.pickle")``, and open the
# file at https://pytorch.org/memory_viz.


def kept(run):
    held = {p.data_ptr(): 0 for p in model.parameters()}

    def note(x):
        held.setdefault(x.data_ptr(), x.nbytes)
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        run()
    return sum(held.values()) / 2**20


# %%

torch.manual_seed(0)
wide = nn.Sequential(nn.Linear(256, 2048), nn.GELU(), nn.Linear(2048, 256))
model, data = nn.Sequential(wide), torch.randn(512, 256)
optimizer = torch.optim.AdamW(model.parameters())
model(data[:8]).square().mean().backward()
optimizer.step()
# %%
states = [x for s in optimizer.state.values() for x in s.values() if x.dim()]
fixed = {"weights": list(model.parameters()), "optimizer": states}
fixed["gradients"] = [p.grad for p in model.parameters()]
sizes = {name: sum(x.nbytes for x in xs) / 2**20 for name, xs in fixed.items()}
for part in (data, data[:32]):
    size = kept(lambda part=part: model(part).square().mean())
    sizes[f"kept, batch {len(part)}"] = size
for name, size in sizes.items():
    print(f"{name:16} {size:5.1f} MiB")
assert sizes["kept, batch 512"] == 16 * sizes["kept, batch 32"]

# %%
# The remedies
# ------------
#
# For what the forward pass keeps, in this order:
#
# 1. *Smaller pieces* of the batch: the same gradient if they are equal, unless batch
#    normalization mixes samples.
# 2. *bfloat16*: up to half of what is kept. The weights stay float32, and autocast
#    keeps copies of them. With few rows, the copies take more than is saved.
# 3. *Checkpoints*: keep a block's input, compute the rest again. Use many blocks: one
#    around the whole model, as in this small example, leaves the peak as high.
#
# Evaluation needs no graph: use ``inference_mode``. If weights, gradients and
# optimizer fill the memory, these do not help. Train fewer parameters, take an
# optimizer with less state (plain SGD), or share the state among GPUs.


def loss_of(forward, x=data):
    return forward(x).float().square().mean()


def in_bfloat16(x):
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        return model(x)


def checkpointed(x):
    return checkpoint(wide, x, use_reentrant=False)


# %%

runs = {
    "naive": lambda: loss_of(model),
    "inference_mode": lambda: torch.inference_mode()(loss_of)(model),
    "a 16th of it": lambda: loss_of(model, data[:32]),
    "bfloat16": lambda: loss_of(in_bfloat16),
    "checkpoint": lambda: loss_of(checkpointed),
}
table = {name: kept(run) for name, run in runs.items()}
for name, size in table.items():
    print(f"{name:15} keeps {size:5.1f} MiB")
assert all(table[name] < 0.8 * table["naive"] for name in runs if name != "naive")

# %%
# Proof: the same gradient
# ------------------------
#
# Pieces and checkpoints must give the gradient of the whole batch; bfloat16 is close.


def gradient(*losses):
    model.zero_grad()
    for loss in losses:
        loss().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


whole = gradient(runs["naive"])
pieces = [lambda x=x: loss_of(model, x) / 16 for x in data.chunk(16)]
others = {"pieces": gradient(*pieces), "checkpoint": gradient(runs["checkpoint"])}
others["bfloat16"] = gradient(runs["bfloat16"])
for name, other in others.items():
    gap = ((other - whole).norm() / whole.norm()).item()
    print(f"{name:10} relative difference below {0.03 if gap > 1e-4 else 1e-4}")
    assert gap < (0.03 if name == "bfloat16" else 1e-4)
expected = gradient(lambda: loss_of(model, data[:256]))  # for the last check

# %%
# When it is not so: ``del`` and ``empty_cache``
# ----------------------------------------------
#
# ``del x`` removes a name only. The memory is free when nothing refers to it. A loss
# refers to what its graph keeps, until ``backward()`` frees it. So memory grows if
# you collect losses in an evaluation: write ``loss.item()``.
# ``torch.cuda.empty_cache()`` gives unused memory to *other* programs: it frees no
# tensor of yours. An error that you caught holds the tensors of the failed step: try
# again after the ``except`` block. In a notebook, restart the kernel.

array = np.ones((512, 256), dtype=np.float32)  # its memory is the tensor's
alive, x = weakref.ref(array), torch.from_numpy(array)
loss = loss_of(model, x)
del x, array
held = alive() is not None
del loss
print("memory held after del x:", held, "- after del loss:", alive() is not None)
assert held and alive() is None

# %%
# In your project
# ---------------
#
# If fewer than ``pieces`` batches are left at the end, they make no step.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model, total, pieces = model.to(device), 0.0, 4
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loader = torch.utils.data.DataLoader(data[:256], batch_size=64)
optimizer.zero_grad()
for i, x in enumerate(loader, 1):
    loss = loss_of(in_bfloat16, x.to(device)) / pieces  # new: autocast
    loss.backward()
    total += loss.item()  # new: a number, not the graph
    if i % pieces == 0:  # new: four small batches make a step
        optimizer.step()
        optimizer.zero_grad()

# %%
# Check
# -----
#
# After one step, AdamW's ``exp_avg`` is a tenth of the gradient of all 256 rows.

kept_part = [optimizer.state[p]["exp_avg"].flatten() for p in model.parameters()]
gap = (10 * torch.cat(kept_part).cpu() - expected).norm() / expected.norm()
print(f"mean loss {total * pieces / len(loader):.2f}, gradient: at most 3 % off")
assert gap < 0.03

# %%
# Learn more
# ----------
#
# - Unequal pieces: :ref:`sphx_glr_recipes_recipes_gradient_accumulation.py`
# - Where to set checkpoints:
#   :ref:`sphx_glr_recipes_recipes_activation_checkpointing.py`
# - bfloat16 and float16: :ref:`sphx_glr_recipes_recipes_amp_recipe.py`
# - Fewer parameters: :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - State shared among GPUs:
#   :ref:`sphx_glr_recipes_recipes_zero_redundancy_optimizer.py`
# - Evaluation: :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
