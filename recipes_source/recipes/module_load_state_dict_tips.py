# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 60
# searched_as = [
#   "load a large model", "LLM weights", "low CPU memory", "big checkpoint",
#   "RAM when loading", "memory mapping", "faster load_state_dict",
# ]
# errors = [
#   '''copying from a non-meta parameter in the checkpoint to a meta parameter in the
#   current model, which is a no-op''',
# ]
# ///
"""
Tips for Loading an nn.Module from a Checkpoint
===============================================

Load a checkpoint without holding its weights twice: mmap, meta device, assign=True.

Why it matters: the usual three lines fill a model with random weights, read the file
into memory, and copy one over the other. For a moment you hold everything twice, and a
model that would fit may not load.
"""

# %%
# Setting
# -------
#
# A model of a few MiB and its checkpoint. ``raw`` is what is in the file.

import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn


def make_model():
    return nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))


torch.manual_seed(0)
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
path = Path(folder.name) / "model.pt"
torch.save(make_model().state_dict(), path)
raw = path.read_bytes()
inputs = torch.randn(4, 1024)

# %%
# ``held`` counts the memory of all tensors, shared memory once. A checkpoint is
# *mapped* if its tensors lie in memory as they lie in the file: all are shifted by the
# same number of bytes.


def held(model, checkpoint):
    loaded, own = checkpoint.values(), model.state_dict().values()
    shifts = {t.data_ptr() - raw.index(t.numpy().tobytes()) for t in loaded}
    sizes = {t.data_ptr(): t.nbytes / 2**20 for t in loaded}
    mapped = sum(sizes.values()) if len(shifts) == 1 else 0.0
    sizes.update({t.data_ptr(): t.nbytes / 2**20 for t in own if not t.is_meta})
    return sum(sizes.values()) - mapped, mapped  # in MiB: allocated, mapped


# %%
# The plain way, and ``mmap``
# ---------------------------
#
# The plain way holds two full sets of weights. With ``mmap=True``, :func:`torch.load`
# maps the file instead of reading it: the second set is the file itself, and the system
# reads from it what is used.


def load(device, mmap, assign):
    with torch.device(device):
        model = make_model()
    checkpoint = torch.load(path, mmap=mmap)
    model.load_state_dict(checkpoint, assign=assign)
    return model, checkpoint


plain, checkpoint = load("cpu", mmap=False, assign=False)
ways = {"plain": held(plain, checkpoint)}
ways["mmap"] = held(*load("cpu", mmap=True, assign=False))
print(f"plain: {ways['plain'][0]:.2f} MiB allocated, file {len(raw) / 2**20:.2f} MiB")
print(f"mmap:  {ways['mmap'][0]:.2f} MiB allocated, {ways['mmap'][1]:.2f} MiB mapped")

# %%
# A model without memory, then ``assign=True``
# --------------------------------------------
#
# The other set is the model's own. On the meta device its parameters have a shape and a
# dtype, but no memory to copy into: loading as usual does nothing, with a warning.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model, checkpoint = load("meta", mmap=True, assign=False)
print(str(caught[0].message).split(" (")[0])
print(f"still on meta: {all(p.is_meta for p in model.parameters())}")

# %%
# With ``assign=True`` the checkpoint's tensors become the parameters. If they are
# mapped, no weight is allocated. The output equals that of the plain way bit for bit.

ways["meta, assign"] = held(*load("meta", mmap=False, assign=True))
model, checkpoint = load("meta", mmap=True, assign=True)
ways["meta, assign, mmap"] = held(model, checkpoint)
for name, (allocated, mapped) in ways.items():
    print(f"{name:18} {allocated:5.2f} MiB allocated, {mapped:.2f} MiB mapped")
assert torch.equal(model(inputs), plain(inputs))
assert ways["meta, assign, mmap"][0] == 0 < ways["meta, assign"][0]

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
allocated, mapped = zip(*ways.values(), strict=True)
ax.barh(list(ways), allocated, color="tab:orange", hatch="//", label="allocated")
ax.barh(list(ways), mapped, left=allocated, color="tab:blue", label="mapped from file")
ax.set(title="Weights held after loading", xlabel="memory (MiB)", ylim=(3.5, -0.5))
ax.set_ylabel("way of loading")
ax.legend()
plt.show()

# %%
# Pitfall: an optimizer made too early
# ------------------------------------
#
# ``assign=True`` replaces the parameters. An optimizer made before keeps the old ones,
# and its steps do nothing for the model, without an error. Make it after loading. Its
# step then changes the weights in memory, and the file stays as it is.

model = make_model()
before = torch.optim.SGD(model.parameters(), lr=1.0)
model.load_state_dict(checkpoint, assign=True)
after = torch.optim.SGD(model.parameters(), lr=1.0)
model(inputs).square().mean().backward()
for name, optimizer in (("before", before), ("after", after)):
    optimizer.step()
    change = (model(inputs) - plain(inputs)).abs().max().item()
    print(f"optimizer made {name} loading: the output moves by {change:.2f}")
assert path.read_bytes() == raw
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What is in the file: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - Another device: :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
