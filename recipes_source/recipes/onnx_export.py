# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib", "onnxruntime", "onnx", "onnxscript"]
# [tool.recipe]
# tags = ["Compile and export", "Deployment"]
# after = ["torch_export"]
# timeout = 120
# searched_as = [
#   "onnxruntime", "dynamic axes", "dynamic batch size", "TensorRT", "convert a model",
#   "run a model in C++ or a browser", "opset", "netron",
# ]
# errors = [
#   "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input",
# ]
# ///
"""
Export a model to ONNX and check it with ONNX Runtime
=====================================================

Write a model to a file that runs without PyTorch, for any batch size, and check it.

Why it matters: an ONNX file runs where PyTorch is not installed, such as in a browser
or on a phone. The file is fixed to the batch size of your example, unless you name
this dimension in ``dynamic_shapes``. Other code than PyTorch's runs the file, so check
what comes out.

Install with ``pip install torch onnx onnxscript onnxruntime``. The export needs
``onnxscript``.
"""

# %%
# A model that has seen data
# --------------------------
#
# Some batches in training mode fill the running statistics of the batch normalization.

import copy
import shutil
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn

torch.manual_seed(0)
features = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
model = nn.Sequential(features, head)
for _step in range(20):
    model(3 * torch.randn(32, 1, 8, 8) + 1)
model.eval()
images = torch.randn(8, 1, 8, 8) * torch.arange(1, 9).view(8, 1, 1, 1)

# %%
# The naive export: one batch size
# --------------------------------
#
# :func:`torch.onnx.export` writes what the model, after :meth:`torch.nn.Module.eval`,
# does with an example: here, a batch of 2.

folder = tempfile.TemporaryDirectory()
fixed = Path(folder.name) / "fixed.onnx"
example = (images[:2],)
options = {"input_names": ["images"], "output_names": ["logits"], "verbose": False}
torch.onnx.export(model, example, fixed, dynamo=True, **options)
print("written:", *sorted(file.name for file in Path(folder.name).iterdir()))

# %%
# The next cell gives the file to ONNX Runtime, and tries batches of 1 to 8. For an
# NVIDIA GPU, install ``onnxruntime-gpu`` in place of ``onnxruntime``, and put
# ``CUDAExecutionProvider`` first in ``providers``. The file stays as it is.

providers = ["CPUExecutionProvider"]


def run_all(file):  # logits by batch size, and the errors
    logits, errors = {}, []
    for size in range(1, 9):
        try:
            session = onnxruntime.InferenceSession(file, providers=providers)
            results = session.run(None, {"images": images[:size].numpy()})
            logits[size] = torch.from_numpy(results[0])
        except Exception as error:  # ONNX Runtime has several classes of errors
            errors.append(str(error))
    return logits, errors


fixed_logits, errors = run_all(fixed)
print("batch sizes accepted:", list(fixed_logits))
print("first error:", errors[0])
assert list(fixed_logits) == [2]

# %%
# Name the dimension that varies
# ------------------------------
#
# ``dynamic_shapes`` gives, for each input, its dynamic dimensions and a name for each.
# The file keeps the name.
#
# If the code of a model fixes the size, as in ``x.view(2, -1)``, the export raises
# ``tracing inferred a static shape of 2``. Write ``x.flatten(1)`` there.

dynamic = Path(folder.name) / "dynamic.onnx"
options["dynamic_shapes"] = ({0: "batch"},)
program = torch.onnx.export(model, example, dynamic, dynamo=True, **options)
for file in (fixed, dynamic):
    session = onnxruntime.InferenceSession(file, providers=providers)
    print(f"{file.name:12} takes {session.get_inputs()[0].shape}")
print("operators:", *[node.op_type for node in program.model_proto.graph.node])

# %%
# The same test again, and equal outputs
# --------------------------------------
#
# The operators have no batch normalization: the export put this step into the weights
# of the convolution. So the file does not repeat the model step by step, and its
# outputs need a check. The cell compares PyTorch and ONNX Runtime with the model in
# float64.

dynamic_logits, _ = run_all(dynamic)
with torch.no_grad():
    exact = copy.deepcopy(model).double()(images.double())
    torch_error = (model(images) - exact).abs().max().item()
onnx_errors = [v - exact[:size] for size, v in dynamic_logits.items()]
onnx_error = max(error.abs().max().item() for error in onnx_errors)
print("batch sizes accepted, fixed:  ", list(fixed_logits))
print("batch sizes accepted, dynamic:", list(dynamic_logits))
print(f"logits up to {exact.abs().max():.1f}")
print("PyTorch differs from float64 by less than 1e-5:", torch_error < 1e-5)
print("ONNX Runtime differs from float64 by less than 1e-5:", onnx_error < 1e-5)
assert onnx_error < 1e-5 and list(dynamic_logits) == list(range(1, 9))

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
refused = sorted(dynamic_logits.keys() - fixed_logits.keys())
ax.scatter(list(fixed_logits), ["fixed"], 60, "tab:blue", label="accepted")
ax.scatter(list(dynamic_logits), ["dynamic"] * 8, 60, "tab:blue")
ax.scatter(refused, ["fixed"] * 7, 60, "tab:orange", marker="x", label="refused")
ax.set(title="A named dimension takes every size", xlabel="batch size (images)")
ax.set(ylabel="file", ylim=(-0.5, 2))
ax.legend(ncols=2, loc="upper right")
plt.show()

# %%
# When it is not so: training mode, and a second file
# ---------------------------------------------------
#
# Call ``eval()`` before you export, and before you compare. In training mode, dropout
# is random and the batch normalization uses the statistics of each batch, so PyTorch's
# outputs differ from the file's.
#
# Beside ``dynamic.onnx`` lies ``dynamic.onnx.data`` with the weights. Copy
# ``dynamic.onnx`` alone, and it does not load. Take both, or write one file with
# ``external_data=False``.

assert (copy.deepcopy(model).train()(images) - exact).abs().max() > 0.1
single = Path(folder.name) / "single.onnx"
program.save(single, external_data=False)
for file in (dynamic, single):
    with tempfile.TemporaryDirectory() as elsewhere:
        copied, errors = run_all(shutil.copy(file, elsewhere))
    print(f"{file.name} alone: {len(copied)} of 8 batch sizes")
    assert len(copied) == (8 if file == single else 0)

# %%
# In your project
# ---------------
#
# Export a copy, with an example on the CPU: ``cpu()`` and ``eval()`` change a model in
# place, which would disturb a training that goes on. ``dynamic_shapes`` has one entry
# for each input. ``opset_version`` fixes the version of ONNX's operators: take what the
# runtime on your target knows. The default rises with PyTorch's own version.
#
# On a GPU, where float32 products may have fewer digits, compare with a tolerance. If
# CUDA does not load, ONNX Runtime can go on with the CPU and only log this:
# ``session.get_providers()`` lists what is in use.

path = Path(folder.name) / "model.onnx"
exported = copy.deepcopy(model).cpu().eval()
options = {"dynamic_shapes": ({0: "batch"},), "opset_version": 20, "verbose": False}
program = torch.onnx.export(exported, (images[:2],), dynamo=True, **options)
program.save(path, external_data=False)  # one file, up to 2 GB
wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]  # in this order
available = [p for p in wanted if p in onnxruntime.get_available_providers()]
session = onnxruntime.InferenceSession(path, providers=available)
(logits,) = session.run(None, {session.get_inputs()[0].name: images[:5].numpy()})
with torch.inference_mode():
    expected = exported(images[:5])
torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-3, rtol=1e-3)

# %%
# Check
# -----
#
# The exported program has the version of the operators that ``opset_version`` asks for.

print("opset:", program.model_proto.opset_import[0].version)
assert program.model_proto.opset_import[0].version == 20
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What happens to sizes: :ref:`sphx_glr_recipes_recipes_torch_export.py`
# - :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - Serve a model: :ref:`sphx_glr_recipes_recipes_deployment_with_flask.py`
