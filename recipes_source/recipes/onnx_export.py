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
# older_errors = [
#   "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input",
# ]
# ///
"""
Export a model to ONNX and check it with ONNX Runtime
=====================================================

Write a model to a file that runs without PyTorch, for any batch size, and check it.

Why it matters: an ONNX file runs where PyTorch is not installed, such as in a browser
or on a phone. It is fixed to the batch size of your example unless you say otherwise,
and it is read by other code than PyTorch's, so check what comes out.
"""

# %%
# A model that has seen data
# --------------------------
#
# Some batches in training mode give the batch normalization statistics of its own.

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
for _ in range(20):
    _ = model(3 * torch.randn(32, 1, 8, 8) + 1)
_ = model.eval()
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
_ = torch.onnx.export(model, example, fixed, dynamo=True, **options)

# %%
# ONNX Runtime reads the file and runs it, with batches of 1 to 8. Its build for a GPU
# has a provider that goes first in the list ``providers``. The file stays as it is.

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
print("first error:", errors[0].splitlines()[1].strip())

# %%
# Name the dimension that varies
# ------------------------------
#
# ``dynamic_shapes`` gives, for each input, its dynamic dimensions and a name for each.
# The file keeps the name. It has no operator for the batch normalization: that went
# into the weights of the convolution. So the file does not repeat the model step by
# step, and its outputs need a check.

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
# The judge of both is the model in float64.

dynamic_logits, _ = run_all(dynamic)
with torch.no_grad():
    exact = copy.deepcopy(model).double()(images.double())
    torch_error = (model(images) - exact).abs().max().item()
onnx_errors = [v - exact[:size] for size, v in dynamic_logits.items()]
onnx_error = max(error.abs().max().item() for error in onnx_errors)
print("batch sizes accepted, fixed:  ", list(fixed_logits))
print("batch sizes accepted, dynamic:", list(dynamic_logits))
print(f"PyTorch      within 1e-5 of float64: {torch_error < 1e-5}")
print(f"ONNX Runtime within 1e-5 of float64: {onnx_error < 1e-5}")
assert onnx_error < 1e-5 and list(dynamic_logits) == list(range(1, 9))

# %%
import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
refused = sorted(dynamic_logits.keys() - fixed_logits.keys())
axes[0].scatter(list(fixed_logits), ["fixed"], 60, "tab:blue", label="accepted")
axes[0].scatter(list(dynamic_logits), ["dynamic"] * 8, 60, "tab:blue")
axes[0].scatter(refused, ["fixed"] * 7, 60, "tab:orange", marker="x", label="refused")
axes[0].set(title="A named dimension takes every size", xlabel="batch size")
axes[0].set(ylabel="file", ylim=(-0.5, 2))
x, y = exact.flatten().round(decimals=2), dynamic_logits[8].flatten().round(decimals=2)
axes[1].axline((0, 0), slope=1, color="0.6", label="equal")
axes[1].scatter(x, y, 20, "tab:blue", label="8 images, 4 logits each")
axes[1].set(title="Same logits", xlabel="PyTorch, float64", ylabel="ONNX Runtime")
axes[0].legend(ncols=2)
axes[1].legend()
plt.show()

# %%
# Pitfall: the weights lie in a second file
# -----------------------------------------
#
# Beside ``dynamic.onnx`` lies ``dynamic.onnx.data``. Copy the first alone, and it does
# not load. Take both, or write one file with ``external_data=False``.

single = Path(folder.name) / "single.onnx"
program.save(single, external_data=False)
print(*sorted(file.name for file in Path(folder.name).iterdir()))
for file in (dynamic, single):
    with tempfile.TemporaryDirectory() as elsewhere:
        copied = run_all(shutil.copy(file, elsewhere))[0]
    print(f"{file.name} alone: {len(copied)} of 8 batch sizes")
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What happens to sizes: :ref:`sphx_glr_recipes_recipes_torch_export.py`
# - :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - Serve a model: :ref:`sphx_glr_recipes_recipes_deployment_with_flask.py`
