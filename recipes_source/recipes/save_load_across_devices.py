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
# errors = [
#   '''Attempting to deserialize object on a CUDA device but
#   torch.cuda.is_available() is False''',
#   "Expected all tensors to be on the same device, but found at least two devices",
# ]
# older_errors = [
#   '''Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should
#   be the same''',
#   '''Attempting to deserialize object on CUDA device 1 but
#   torch.cuda.device_count() is 1''',
# ]
# ///
"""
Saving and loading models across devices in PyTorch
===================================================

Load a model saved on one device on any other, including a machine that has no GPU.

Why it matters: a file remembers the device of every tensor in it, and by default
loading wants that device back. On a laptop without such a GPU, loading fails. On a
server, all processes put their copies on the same GPU, the GPU whose number is in the
file. The mend is one argument: ``torch.load(path, map_location="cpu")``.
"""

# %%
# A model, and the device to run it on
# ------------------------------------
#
# ``device`` is the accelerator if this machine has one, else the CPU. Move the model
# before you make its optimizer and load the optimizer's state: that state is put on the
# device where the parameters are.

import os
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"


def build(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


folder = tempfile.TemporaryDirectory()
path, cpu_path = Path(folder.name, "from_a_gpu.pt"), Path(folder.name, "cpu.pt")

# %%
# The file of another machine
# ---------------------------
#
# :func:`torch.save` writes a location tag such as ``cuda:0`` next to each storage, the
# block of memory behind a tensor. The build of this page has no GPU, so
# :func:`torch.serialization.register_package` writes the tag instead: the first GPU
# that this machine lacks. Only this demonstration needs it.

absent = f"cuda:{torch.cuda.device_count()}"
tag = {"now": absent}
torch.serialization.register_package(0, lambda _: tag["now"], lambda *_: None)
trained = build(0)
torch.save(trained.state_dict(), path)
tag["now"] = None  # back to the true tags

# %%
# :func:`torch.load` looks for that GPU and gives up. Where the machine has GPUs, but
# fewer, the message is ``Attempting to deserialize object on CUDA device 1 but
# torch.cuda.device_count() is 1``. The mend is the same.

refused = False
try:
    torch.load(path, weights_only=True)
except RuntimeError as error:
    refused = True
    print(error)
assert refused

# %%
# ``map_location`` says where to
# ------------------------------
#
# ``map_location`` is a device, its name, a dictionary from old to new locations, or a
# function. The function gets each storage, already read to the CPU, and its tag. Here
# the function notes the tags. With ``"meta"``, you get names, shapes and types without
# the values: a way to see what a file holds.

tags = []


def note(storage, tag):
    tags.append(tag)
    return storage  # leaves it on the CPU


for target in ("cpu", {absent: "cpu"}, note, "meta"):
    state = torch.load(path, map_location=target, weights_only=True)
    places = {tensor.device.type for tensor in state.values()}
    print(f"{type(target).__name__:8} puts all {len(state)} tensors on:", *places)
assert tags == [absent] * 4

# %%
# Proof
# -----
#
# Load for ``device`` and run there. The measure is the model that was saved, in float64
# on the CPU.

loaded = build(1).to(device)
state = torch.load(path, map_location=device, weights_only=True)
loaded.load_state_dict(state)
inputs = torch.randn(5, 8)
expected = build(0).double()(inputs.double())
for name, model in {"not loaded": build(1).to(device), "loaded": loaded}.items():
    gap = (model(inputs.to(device)).cpu() - expected).abs().max().item()
    print(f"{name:10} largest difference {gap:.5f}")
    assert (gap < 1e-5) == (name == "loaded")

# %%
# A file that opens anywhere
# --------------------------
#
# Before you publish a file, rewrite it once: load it to the CPU, and save it again.
# Rebuilding the dictionary as ``{name: tensor.cpu() ...}`` is no substitute. A new
# dictionary has no ``_metadata``: the versions of the layers, from which a newer
# PyTorch sees what it has to convert.

torch.save(torch.load(path, map_location="cpu", weights_only=True), cpu_path)
state = torch.load(cpu_path, weights_only=True)
rebuilt = {name: tensor.cpu() for name, tensor in trained.state_dict().items()}
print("rewritten:", {tensor.device.type for tensor in state.values()})
for name, entries in {"rewritten": state, "rebuilt": rebuilt}.items():
    print(f"{name}: keeps _metadata: {hasattr(entries, '_metadata')}")
assert state._metadata == trained.state_dict()._metadata
assert not hasattr(rebuilt, "_metadata")

# %%
# When it is not so: the data stay behind
# ---------------------------------------
#
# ``model.to(device)`` moves the model itself. ``inputs.to(device)`` returns a copy, and
# ``inputs`` stays where it is. :class:`!FakeTensorMode` computes shapes and devices
# only, so the error can be shown on any machine. On a real GPU, newer versions write
# ``Expected all tensors to be on the same device, but got mat1 is on cpu, different
# from other tensors on cuda:0``.

with FakeTensorMode(), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the GPU that is not there
    layer, batch = nn.Linear(8, 3, device="cuda"), torch.randn(5, 8)
    batch.to("cuda")  # the copy is lost
    try:
        layer(batch)
    except RuntimeError as error:
        print(error)
    outputs = layer(batch.to("cuda"))
print("with the copy:", outputs.device)
assert outputs.device.type == "cuda" and batch.device.type == "cpu"

# %%
# In your project
# ---------------
#
# Load to the CPU and move the model: this works on every machine, and the GPU never
# holds the weights twice. With several processes, save ``model.module.state_dict()`` on
# rank 0: :class:`~torch.nn.parallel.DistributedDataParallel` puts ``module.`` before
# all names. ``torchrun`` gives each process a number, ``LOCAL_RANK``, and each process
# moves its model to the GPU of this number.
#
# To go on training, call ``model.train()`` in place of ``eval()``, and load the
# optimizer, too: see the first link below.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
if device != "cpu":  # new: without an index, every process takes the first GPU
    device = torch.device(device.type, int(os.environ.get("LOCAL_RANK", 0)))
model = build(1)
state = torch.load(path, map_location="cpu", weights_only=True)  # the new line
model.load_state_dict(state)
model = model.to(device).eval()
loader = torch.utils.data.DataLoader(inputs, batch_size=2)
with torch.inference_mode():
    outputs = torch.cat([model(batch.to(device)).cpu() for batch in loader])

# %%
# Check
# -----
#
# The loaded model answers as the saved model did, now in batches of two.

gap = (outputs - expected).abs().max().item()
print(f"loaded for {device}: largest difference {gap:.5f}")
assert gap < 1e-5
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Optimizer and epoch:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - :ref:`sphx_glr_recipes_recipes_module_load_state_dict_tips.py`
# - :ref:`sphx_glr_recipes_recipes_changing_default_device.py`
# - Tensors on two devices: :ref:`sphx_glr_recipes_recipes_error_device_mismatch.py`
# - Names with a prefix:
#   :ref:`sphx_glr_recipes_recipes_warmstarting_model_using_parameters_from_a_different_model.py`
