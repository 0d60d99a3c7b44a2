# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 120
# searched_as = [
#   "ExportedProgram", "dynamic shapes", "Dim", "dynamic batch", "TorchScript",
#   "torch.jit.script", "torch.jit.trace", "trace a model",
#   "data-dependent control flow", "GuardOnDataDependentSymNode",
# ]
# errors = [
#   "Guard failed: tokens.size()[0] == 4", "your code specialized it to be a constant",
# ]
# ///
"""
Export a model for any input size with torch.export
===================================================

Turn a model into one graph without Python, and make it accept more than one input size.

Why it matters: :func:`torch.export.export` runs your model on an example, and what it
sees becomes the program. Every size that you do not declare as dynamic is a constant.
The program then refuses the first batch of another size.
"""

# %%
# A model that uses a size
# ------------------------
#
# The model averages the embeddings of the tokens, so it divides by their number.

import io
import itertools

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.export import Dim

# %%


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, tokens):  # (batch, length)
        return self.head(self.embed(tokens).sum(dim=1) / tokens.shape[1])


torch.manual_seed(0)
model = Classifier().eval()
example = torch.randint(10, (4, 6))

# %%
# See the problem: one example, one size
# --------------------------------------
#
# ``try_sizes`` calls a program with inputs of 64 sizes. Where the program accepts them,
# its outputs are checked against the model.


def try_sizes(program):
    run, refusals = program.module(), []
    accepted = torch.zeros(9, 9, dtype=torch.bool)  # [batch, length], from 1 to 8
    for batch, length in itertools.product(range(1, 9), repeat=2):
        tokens = torch.randint(10, (batch, length))
        try:
            outputs = run(tokens)
        except AssertionError as error:
            refusals.append(str(error))
        else:
            torch.testing.assert_close(outputs, model(tokens))
            accepted[batch, length] = True
    return accepted, refusals


# %%

static = torch.export.export(model, (example,))
static_accepted, refusals = try_sizes(static)
print(f"static: {static_accepted.sum()} of 64 sizes accepted")
print("first refusal:", refusals[0])
assert static_accepted.sum() == 1

# %%
# The graph shows what a constant means here. Beside each operation stand the constants
# in its arguments: ``sum`` has the dimension to sum over, as it should, but ``div`` has
# the length of the example. Without a check, other lengths would get wrong averages.

operations = [node for node in static.graph.nodes if node.op == "call_function"]
for node in operations:
    print(f"{node.target!s:22}", [a for a in node.args if isinstance(a, int | list)])

# %%
# Declare what varies
# -------------------
#
# ``dynamic_shapes`` names, for each argument, the dimensions that vary. ``Dim.DYNAMIC``
# allows any size, ``Dim("batch", max=6)`` gives a name and a range. (A rule that
# follows from the code stays, and is checked: after ``x + y``, the two sizes must be
# equal.)
#
# The graph now asks the input for its length, with ``sym_size``. The program with the
# range is saved and loaded before it is tried: the loaded program does not use the
# class ``Classifier``.

shapes = {"tokens": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}}
dynamic = torch.export.export(model, (example,), dynamic_shapes=shapes)
shapes = {"tokens": {0: Dim("batch", max=6), 1: Dim.DYNAMIC}}
ranged = torch.export.export(model, (example,), dynamic_shapes=shapes)
file = io.BytesIO()
torch.export.save(ranged, file)
file.seek(0)
dynamic_accepted, _ = try_sizes(dynamic)
ranged_accepted, refusals = try_sizes(torch.export.load(file))
operations = [node for node in dynamic.graph.nodes if node.op == "call_function"]
print(*[str(node.target).split(".")[1] for node in operations])
print(f"static:        {static_accepted.sum():2} of 64 sizes accepted")
print(f"Dim.DYNAMIC:   {dynamic_accepted.sum():2} of 64 sizes accepted")
print(f"batch up to 6: {ranged_accepted.sum():2} of 64, refusal: {refusals[0]}")
assert dynamic_accepted.sum() == 64 and ranged_accepted.sum() == 6 * 8

# %%

fig, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained", sharey=True)
titles = ["Static: one size", "Dim.DYNAMIC: every size", "max=6: batch up to 6"]
grids = [static_accepted, dynamic_accepted, ranged_accepted]
for ax, title, accepted in zip(axes, titles, grids, strict=True):
    batch, length = accepted[1:, 1:].nonzero().T + 1
    ax.scatter(length, batch, color="tab:blue", label="accepted")
    batch, length = (~accepted[1:, 1:]).nonzero().T + 1
    ax.scatter(length, batch, color="tab:orange", marker="x", label="refused")
    ax.set(title=title, xlabel="sequence length (tokens)", ylabel="batch size")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# When it is not so: an example of size 1
# ---------------------------------------
#
# A size of 0 or 1 in the example becomes a constant, whatever you declare: such sizes
# have special rules, as for broadcasting. Under ``Dim.DYNAMIC`` or a named ``Dim`` the
# export then fails. The message names the dimension. The remedy is an example with a
# size of 2 or more.

single = torch.randint(10, (1, 6))
shapes = {"tokens": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}}
try:
    torch.export.export(model, (single,), dynamic_shapes=shapes)
except ValueError as error:
    print(error)
else:
    raise AssertionError("an example of size 1 is no longer special")
assert dynamic_accepted[1, 6]  # the program made from four rows accepts one

# %%
# Dim.AUTO gives in without an error
# ----------------------------------
#
# This model has its author's batch size in the code. Under ``Dim.DYNAMIC`` the export
# fails and says why. ``Dim.AUTO`` means "dynamic if possible": the export succeeds, and
# the batch size is fixed.


class Fixed(Classifier):
    def forward(self, tokens):
        return super().forward(tokens.reshape(4, -1))


fixed = Fixed()
fixed.load_state_dict(model.state_dict())  # so that try_sizes can compare
fixed.eval()
try:
    torch.export.export(fixed, (example,), dynamic_shapes=shapes)
except (RuntimeError, ValueError) as error:
    print("Dim.DYNAMIC:", error)
shapes = {"tokens": {0: Dim.AUTO, 1: Dim.AUTO}}
accepted, _ = try_sizes(torch.export.export(fixed, (example,), dynamic_shapes=shapes))
print(f"Dim.AUTO: {accepted.sum()} of 64 sizes accepted")
assert accepted.sum() == 8

# %%
# In your project
# ---------------
#
# Call ``eval()`` before the export: a loaded program has no modes to switch. Its
# weights still require gradients, so call it under ``torch.no_grad()``.
# ``torch.export.load`` uses pickle: load only files that you trust. Another release of
# PyTorch may refuse the file, so keep the code of the model, too. A program exported on
# a GPU needs a GPU to load, unless ``torch.export.passes.move_to_device_pass`` moves
# it before you save it.
#
# An ``if`` on a tensor's value stops the export with
# ``GuardOnDataDependentSymNode``, "Could not guard on data-dependent expression":
# write ``torch.where`` or ``torch.cond``. (``torch.jit.script`` is deprecated.)

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Classifier().to(device).eval()
tokens = torch.randint(10, (2, 16), device=device)  # two rows, not one
batch = Dim("batch", max=64)
shapes = {"tokens": {0: batch, 1: Dim.DYNAMIC}}  # what varies
program = torch.export.export(model, (tokens,), dynamic_shapes=shapes)
file = io.BytesIO()  # or a path like "classifier.pt2", without the seek
torch.export.save(program, file)
file.seek(0)
loaded = torch.export.load(file).module()
with torch.no_grad():
    print(tuple(loaded(tokens[:1]).shape))

# %%
# Check
# -----
#
# The loaded program agrees with the model, for one row and for 64. It has no
# ``eval()``, and outside of ``no_grad`` its outputs require gradients:

for rows in (1, 64):
    tokens = torch.randint(10, (rows, 9), device=device)
    torch.testing.assert_close(loaded(tokens), model(tokens))
assert loaded(tokens).requires_grad
try:
    loaded.eval()
except NotImplementedError as error:
    print(error)
else:
    raise AssertionError("a loaded program can switch its mode")

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - If an export stops: :ref:`sphx_glr_recipes_recipes_torch_export_challenges.py`
# - Run it without PyTorch: :ref:`sphx_glr_recipes_recipes_onnx_export.py`
# - Shapes, without data: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
