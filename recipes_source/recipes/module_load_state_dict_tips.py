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
into memory, and copy the file's weights over the random ones. For a moment you hold
everything twice, and a model that would fit may not load.
"""

# %%
# Setting
# -------
#
# A model of a few MiB and its checkpoint. ``scale`` is a buffer that is not saved,
# because the constructor makes it.

import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1024))
        self.register_buffer("scale", torch.tensor(2.0), persistent=False)

    def forward(self, inputs):
        return super().forward(inputs) * self.scale


# %%

torch.manual_seed(0)
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
path, inputs = Path(folder.name) / "model.pt", torch.randn(4, 1024)
torch.save(Net().state_dict(), path)
raw = path.read_bytes()

# %%
# The plain way, and ``mmap``
# ---------------------------
#
# The plain way holds two full sets of weights. With ``mmap=True``, :func:`torch.load`
# maps the file instead of reading it. The second set is then the file itself, and the
# system reads the parts that are used. These parts take memory, too, but the system can
# drop them and read them again. ``mmap=True`` needs a path, not an open file, and a
# file that PyTorch 1.6 or later saved. ``load`` returns the MiB of both kinds.


def load(device, mmap, assign):
    with torch.device(device):
        model = Net()
    checkpoint = torch.load(path, mmap=mmap)
    model.load_state_dict(checkpoint, assign=assign)
    own = {p.data_ptr(): p.nbytes for p in model.parameters() if not p.is_meta}
    loaded = {t.data_ptr(): t.nbytes for t in checkpoint.values()}
    from_file = loaded if mmap else {}  # the last cell shows that it is the file
    allocated = (own | loaded).keys() - from_file  # shared memory counts once
    sizes = sum((own | loaded)[key] for key in allocated), sum(from_file.values())
    return model, checkpoint, [size / 2**20 for size in sizes]


# %%

plain, _, size = load("cpu", mmap=False, assign=False)
ways = {"plain": size, "mmap": load("cpu", mmap=True, assign=False)[2]}
print("plain: {:.2f} MiB allocated, {:.2f} MiB mapped".format(*ways["plain"]))
print("mmap:  {:.2f} MiB allocated, {:.2f} MiB mapped".format(*ways["mmap"]))

# %%
# A model without memory, then ``assign=True``
# --------------------------------------------
#
# The other set is the model's own. On the meta device its parameters have a shape and a
# dtype, but no memory to copy into. Loading as usual does nothing, with a warning:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model, _, _ = load("meta", mmap=True, assign=False)
print(caught[0].message)
assert all(p.is_meta for p in model.parameters())

# %%
# With ``assign=True`` the checkpoint's tensors become the parameters. If they are
# mapped, no weight is allocated. Their values are those that the plain way loads, bit
# for bit.

ways["meta, assign"] = load("meta", mmap=False, assign=True)[2]
model, checkpoint, ways["meta, assign, mmap"] = load("meta", mmap=True, assign=True)
for name, (allocated, from_file) in ways.items():
    print(f"{name:18} {allocated:5.2f} MiB allocated, {from_file:.2f} MiB mapped")
one = sum(p.nbytes for p in plain.parameters()) / 2**20  # set of weights
assert list(ways.values()) == [[2 * one, 0], [one, one], [one, 0], [0, one]]
assert all(map(torch.equal, model.parameters(), plain.parameters()))

# %%

fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
allocated, from_file = zip(*ways.values(), strict=True)
ax.barh(list(ways), allocated, color="tab:orange", hatch="//", label="allocated")
ax.barh(list(ways), from_file, left=allocated, color="tab:blue", label="mapped")
ax.set(title="Weights held after loading", xlabel="memory (MiB)", ylim=(3.5, -0.5))
ax.set_ylabel("way of loading")
ax.legend()
plt.show()

# %%
# When it is not so
# -----------------
#
# No message came while loading, but the model does not run: ``scale`` is not in the
# file, so it is still on the meta device. Look for such buffers, and give them their
# values again. A tensor that is a plain attribute, ``self.mean = tensor``, is on the
# meta device as well, but ``named_buffers`` does not list it. Make such a tensor a
# buffer.

try:
    model(inputs)
except RuntimeError as error:
    print(error)
print("on meta:", [name for name, buffer in model.named_buffers() if buffer.is_meta])
model.scale = torch.tensor(2.0)
assert torch.equal(model(inputs), plain(inputs))

# %%
# ``assign=True`` also separates *tied* weights, as language models have in embedding
# and head. One parameter becomes two, and an optimizer moves each. Tie them again after
# loading.


def make_tied():
    tied = nn.Sequential(nn.Embedding(8, 4), nn.Linear(4, 8, bias=False))
    tied[1].weight = tied[0].weight
    return tied


with torch.device("meta"):
    tied = make_tied()
counts = [len([*tied.parameters()])]
tied.load_state_dict(make_tied().state_dict(), assign=True)
counts.append(len([*tied.parameters()]))
tied[1].weight = tied[0].weight  # tie them again
counts.append(len([*tied.parameters()]))
print("parameters: {} before, {} after loading, {} tied again".format(*counts))
assert counts == [1, 2, 1]

# %%
# ``assign=True`` also takes the checkpoint's dtype, where copying would convert. And
# ``assign=True`` replaces the parameters: an optimizer made before goes on with the old
# parameters, which the model no longer has. Neither raises an error.

model = Net()
early = torch.optim.SGD(model.parameters(), lr=1.0)
half = {name: tensor.bfloat16() for name, tensor in checkpoint.items()}
for assign in (False, True):
    model.load_state_dict(half, assign=assign)
    held = early.param_groups[0]["params"][0] is model[0].weight
    print(f"assign={assign!s:5} {model[0].weight.dtype}, in the optimizer: {held}")
assert model[0].weight.dtype == torch.bfloat16 and not held

# %%
# In your project
# ---------------
#
# Do not overwrite a mapped file: the model can change with the file, or the process
# ends with ``Bus error``. Save under another name and rename. Windows refuses to
# replace a mapped file: there, keep the other name. Processes of one machine that map
# the same file share its pages.
#
# To run a bfloat16 checkpoint without training, write ``torch.bfloat16`` in the line
# with ``to``: float32 takes twice the memory. In the ``assert``, name the buffers that
# your file does not hold: ``[]`` if it holds all.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
with torch.device("meta"):
    model = Net()  # no memory, no random numbers
state = torch.load(path, mmap=True, map_location="cpu", weights_only=True)
model.load_state_dict(state, assign=True)  # the new line
left = [name for name, buffer in model.named_buffers() if buffer.is_meta]
assert left == ["scale"], left  # what the file does not hold
model.scale = torch.tensor(2.0)  # also tie weights again here, if they were tied
model = model.to(device, torch.float32)  # the dtype that you want
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)  # after loading

# %%
# Check
# -----
#
# The optimizer's step changes the weights in memory. The file stays as it is.

model(inputs.to(device)).square().mean().backward()
optimizer.step()
assert not torch.equal(model[0].weight.cpu(), plain[0].weight)
assert path.read_bytes() == raw

# %%
# Whoever writes into the file can change the mapped weights, here in ``checkpoint``.

weight = checkpoint["2.weight"]
place, seen = raw.index(weight.numpy().tobytes()), []
for content in (b"\0\0\0\0", raw[place : place + 4]):  # a 0, then as it was
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)
    seen.append(weight[0, 0].item())
print(f"first weight: {seen[1]:.4f}, with a 0 in the file: {seen[0]:.4f}")
assert seen[0] == 0 != seen[1]
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What is in the file: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - Another device: :ref:`sphx_glr_recipes_recipes_save_load_across_devices.py`
# - Keep the optimizer's parameters: :ref:`sphx_glr_recipes_recipes_swap_tensors.py`
