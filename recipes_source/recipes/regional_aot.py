# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export", "Deployment"]
# after = ["torch_export_aoti_python", "regional_compilation"]
# timeout = 180
# requires = ["c++"]
# searched_as = [
#   "AOTInductor", "compile one layer ahead of time", "swap weights of a package",
#   "update constants", "compile transformer blocks", "reduce compile time",
# ]
# ///
"""
Reducing AoT cold start compilation time with regional compilation
==================================================================

Compile a repeated block into one file, and run each layer from it with its own weights.

Why it matters: ahead-of-time compilation of a whole model unrolls its layers, so a deep
model is much to compile. One block is less. But its package also contains the weights
of the block that you exported. If you use the package for the other layers as it is,
they silently compute with the wrong weights. Load the package once for each layer,
with the layer's weights: ``load_constants``.
"""

# %%
# A model of equal blocks
# -----------------------

import copy
import tempfile
from pathlib import Path

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.norm, self.up = nn.LayerNorm(width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


torch.manual_seed(0)
model = nn.Sequential(*[Block() for _ in range(6)]).eval().requires_grad_(False)
inputs = torch.randn(4, 16)

# %%
# The whole model is work for every layer
# ---------------------------------------
#
# Export both, and count the operations that there would be to compile.


def export(module):
    rows = torch.export.Dim("batch", min=1, max=32)
    return torch.export.export(module, (inputs,), dynamic_shapes=({0: rows},))


def operations(program):
    return sum(node.op == "call_function" for node in program.graph.nodes)


program, whole = export(model[0]), operations(export(model))
single = operations(program)
print(f"operations to compile: {whole} in the model, {single} in a block")
assert whole == len(model) * single

# %%
# See the problem: all layers have the weights of the first
# ---------------------------------------------------------
#
# Compile the first block, and call its package once for each layer. The error against
# float64 is large, and nothing warns. The first block has worked six times.

folder = tempfile.TemporaryDirectory()
path = str(Path(folder.name, "block.pt2"))
torch._inductor.aoti_compile_and_package(program, package_path=path)

wanted = copy.deepcopy(model).double()(inputs.double()).float()
package, outputs, repeated = torch._inductor.aoti_load_package(path), inputs, inputs
for _ in model:
    outputs, repeated = package(outputs), model[0](repeated)
print(f"one package, as it is: largest error {(outputs - wanted).abs().max():.1f}")
torch.testing.assert_close(outputs, repeated, atol=1e-5, rtol=1e-4)
assert (outputs - wanted).abs().max() > 0.1

# %%
# Load the file once for each layer, with the layer's weights
# -----------------------------------------------------------
#
# ``load_constants`` takes a ``state_dict``: the names in the package are the names in
# the block. With ``check_full_update=True`` a missing parameter raises an error. A
# missing buffer gives only a warning on stderr, and the package keeps the old values.
# So add buffers with ``persistent=False`` to the dictionary. Loading runs the code in
# the file, so load only packages that you trust.

layers = []
for block in model:
    package = torch._inductor.aoti_load_package(path)
    package.load_constants(block.state_dict(), check_full_update=True)  # the mend
    layers.append(package)

outputs = inputs
for layer in layers:
    outputs = layer(outputs)
print("names:", *sorted(package.get_constant_fqns()))
assert set(package.get_constant_fqns()) == set(model[0].state_dict())
print(f"own weights: largest error {(outputs - wanted).abs().max():.1f}")
torch.testing.assert_close(outputs, wanted, atol=1e-5, rtol=1e-5)

# %%
# When it is not so: blocks that only look equal
# ----------------------------------------------
#
# A Python number in a block is compiled into the code: ``load_constants`` cannot change
# it. ``load_constants`` checks neither the number nor the shapes, types and strides of
# tensors. A weight with other strides can give wrong numbers, silently. Compare before
# you compile: the exported code, and the shape, type and strides of each weight.


class Scaled(Block):
    def __init__(self, number, width=16):
        super().__init__(width)
        self.scale = 1 / number  # a Python number

    def forward(self, x):
        return super().forward(x) * self.scale


def kind(block):
    tensors = block.state_dict().items()
    weights = {name: (x.shape, x.dtype, x.stride()) for name, x in tensors}
    return export(block).graph_module.code, str(weights)


# %%

turned = copy.deepcopy(model[0])
turned.up.weight.data = turned.up.weight.t().contiguous().t()  # equal numbers
equal, scaled = set(map(kind, model)), {kind(Scaled(1)), kind(Scaled(2))}
print(f"packages needed: model {len(equal)}, two scaled blocks {len(scaled)}")
print("block with other strides fits:", kind(turned) in equal)
assert len(equal) == 1 and len(scaled) == 2 and kind(turned) not in equal
assert torch.equal(turned.up.weight, model[0].up.weight)

# %%
# ``load_constants`` copies the whole storage of each tensor. If a weight is a view of a
# larger storage, such as a slice of stacked weights, the copy damages other memory.
# Give ``load_constants`` a ``clone()`` of this weight.
#
# A small tensor (without dimensions, or with one dimension and at most eight numbers)
# becomes part of the code, too. ``load_constants`` then raises ``Constant not found``.
# If you compile with ``inductor_configs={"always_keep_tensor_constants": True}``, the
# package keeps such tensors. The same error comes from a name that the code does not
# use, such as ``num_batches_tracked`` of batch norm: leave it out of the dictionary.
#
# A package is for inference. It gives no gradients, even if its input requires one:

tracked = inputs.clone().requires_grad_()
eager, packaged = model[0](tracked), layer(tracked)
print("requires a gradient:", eager.requires_grad, packaged.requires_grad)
assert eager.requires_grad and not packaged.requires_grad

# %%
# In your project
# ---------------
#
# One program compiles ``model[0]``, as above, and saves the checkpoint. The lines after
# the first one serve it. ``block.forward`` becomes the package, and the names in the
# ``state_dict`` stay. For a GPU, move model and inputs there before you export. In the
# server, move ``served`` before the loop, and each request. A package has a copy of the
# weights: after another ``load_state_dict``, call ``load_constants`` again.
#
# By default, a package does not check its inputs either. Each block must get inputs
# with the layout and the type of the example, and with its sizes where they do not
# vary.

torch.save(model.state_dict(), Path(folder.name, "model.pt"))  # the first program

served = nn.Sequential(*[Block() for _ in range(6)]).eval()
served.load_state_dict(torch.load(Path(folder.name, "model.pt"), weights_only=True))
for block in served:
    package = torch._inductor.aoti_load_package(path)
    package.load_constants(block.state_dict(), check_full_update=True)
    block.forward = package  # new
requests = [torch.randn(rows, 16) for rows in (1, 4, 32)]
with torch.no_grad():
    answers = [served(request) for request in requests]

# %%
# Check
# -----
#
# The answers agree with the model that was not compiled, for each number of rows.

for request, answer in zip(requests, answers, strict=True):
    torch.testing.assert_close(answer, model(request), atol=1e-5, rtol=1e-5)
assert served.state_dict().keys() == model.state_dict().keys()
print("rows:", *map(len, answers))
del served, block, package, layers, layer  # and with them the files that they unpacked
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Checks for inputs of packages:
#   :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - By region, while you train: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
# - Sizes that vary: :ref:`sphx_glr_recipes_recipes_torch_export.py`
