# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Saving and loading"]
# after = ["saving_and_loading_models_for_inference", "changing_default_device"]
# timeout = 60
# searched_as = [
#   "map_location", "load a GPU model on a CPU", "cuda to cpu", "CPU-only machine",
#   "move a model to the GPU", "model.to('cuda')",
#   "input and weight on different devices",
# ]
# older_errors = [
#   "Expected all tensors to be on the same device, but found at least two devices",
#   '''Attempting to deserialize object on a CUDA device but
#   torch.cuda.is_available() is False''',
#   '''Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should
#   be the same''',
# ]
# ///
"""
Saving and loading models across devices in PyTorch
===================================================

Load a model saved on one device on any other, including a machine that has no GPU.

Why it matters: a file remembers the device of every tensor in it, and loading wants
that device back. On a laptop, it fails. On a server, all processes put their copies on
the same GPU, the one with the number in the file.
"""

# %%
# A model, and the device to run it on
# ------------------------------------
#
# ``device`` is the accelerator if this machine has one, else the CPU. What this page
# prints is the same for both.

import tempfile
import zipfile
from pathlib import Path

import torch
from torch import nn

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")


def build(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "from_a_gpu.pt")

# %%
# The file of another machine
# ---------------------------
#
# :func:`torch.save` writes a location tag such as ``cuda:0`` next to each storage, the
# block of memory behind a tensor. To have a file from elsewhere, let
# :func:`torch.serialization.register_package` write the tag of the first GPU that this
# machine lacks. (It takes a priority, a function that tags storages when saving, and
# one that places them when loading; only this demonstration needs it.)
# :func:`torch.load` looks for that GPU and gives up.

absent = f"cuda:{torch.cuda.device_count()}"
tag = {"now": absent}
torch.serialization.register_package(0, lambda _: tag["now"], lambda *_: None)
torch.save(build(0).state_dict(), path)
tag["now"] = None  # back to the true tags
try:
    _ = torch.load(path, weights_only=True)
except RuntimeError as error:
    print("without map_location:", type(error).__name__)

# %%
# map_location says where to
# --------------------------
#
# It can be a device, a dictionary from old to new locations, or a function that gets
# each storage, already read to the CPU, together with its tag; here it notes the tags.
# With ``"meta"``, you get names, shapes and types without the values, a way to see what
# a file holds.

tags = []


def note(storage, tag):
    tags.append(tag)
    return storage  # leaves it on the CPU


for target in ("cpu", {absent: "cpu"}, note, "meta"):
    state = torch.load(path, map_location=target, weights_only=True)
    places = {tensor.device.type for tensor in state.values()}
    print(f"{type(target).__name__:8} puts all {len(state)} tensors on:", *places)
print("tags of the absent GPU:", tags.count(absent), "of", len(tags))

# %%
# Proof
# -----
#
# Load for ``device`` and run there. Compare with a way around :func:`torch.load`: the
# file is a zip archive, so take the bytes of its four storages, give them the shapes
# seen on the meta device, and compute in float64 on the CPU.

model = build(1).to(device)
model.load_state_dict(torch.load(path, map_location=device, weights_only=True))
inputs = torch.randn(5, 8)
with torch.no_grad():
    outputs = model(inputs.to(device)).cpu()

with zipfile.ZipFile(path) as archive:
    names = [name for name in sorted(archive.namelist()) if "/data/" in name]
    blocks = [bytearray(archive.read(name)) for name in names]
values = [torch.frombuffer(block, dtype=torch.float32).double() for block in blocks]
w1, b1, w2, b2 = (v.view(t.shape) for v, t in zip(values, state.values(), strict=True))
expected = (inputs.double() @ w1.T + b1).clamp(min=0) @ w2.T + b2
gap = (outputs - expected).abs().max().item()
print("on the device:", all(p.device.type == device.type for p in model.parameters()))
print("within 1e-5 of the bytes in the file:", gap < 1e-5)
assert gap < 1e-5, "not the model in the file"

# %%
# Better still: save from the CPU
# -------------------------------
#
# The tag is that of the tensor being saved. Copies on the CPU open anywhere.

torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, path)
state = torch.load(path, weights_only=True)
folder.cleanup()
places = {tensor.device.type for tensor in state.values()}
print("saved from the CPU, opens without map_location on:", *places)
assert places == {"cpu"}

# %%
# Pitfall: a tensor does not move in place
# ----------------------------------------
#
# ``model.to(device)`` moves the model itself; ``inputs.to(device)`` returns a copy and
# leaves ``inputs`` where it is. Here the meta device plays the other device.

model.to("meta")
inputs.to("meta")  # the moved copy is lost
print("weight on:", model[0].weight.device, "| inputs on:", inputs.device)
try:
    model(inputs)
except RuntimeError as error:
    print("model(inputs):", type(error).__name__)
print("model(inputs.to('meta')) is on:", model(inputs.to("meta")).device)

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
