# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export", "Deployment"]
# after = ["torch_export"]
# timeout = 180
# requires = ["c++"]
# searched_as = [
#   "AOTInductor", "ahead-of-time compilation", "deploy without Python", "pt2 package",
#   "aoti_compile_and_package", "shared library", "C++ inference",
# ]
# errors = [
#   "unmatched dim value at", "dim value is too small at",
#   "unmatched dtype, expected",
# ]
# ///
"""
torch.export AOTInductor Tutorial for Python runtime
====================================================

Compile a model into one file, load it without a compiler, and have its inputs checked.

Why it matters: with :func:`torch.compile`, the first call on each new machine waits for
a compiler, until a cache is filled. A package is compiled once, where you build it, and
your service only loads it. But by default it trusts its inputs: a wrong size or layout
can give a wrong answer and no error.
"""

# %%
# A model that takes any size
# ---------------------------
#
# The model turns each sequence of vectors into four numbers.

import copy
import inspect
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

# %%


class Model(nn.Sequential):
    def forward(self, x):  # (batch, length, 16) to (batch, 4)
        return super().forward(x).mean(dim=1)


torch.manual_seed(0)
model = Model(nn.LayerNorm(16), nn.Linear(16, 4), nn.Tanh())
model = model.eval().requires_grad_(False)

# %%
# Compile once, load often
# ------------------------
#
# The program is exported for batches of 1 to 32, and for the length of the example, 6.
# The package holds machine code for this kind of CPU. For a GPU, move the model and the
# example there before you export. Build with the same release of PyTorch, and on the
# same kind of machine, as your service has. Loading needs neither a compiler nor
# ``Model``. Loading runs the code in the file, so load only packages that you trust.

example = torch.randn(4, 6, 16)


def build(model, example, path):  # where there is a compiler
    rows = torch.export.Dim("batch", min=1, max=32)
    program = torch.export.export(model, (example,), dynamic_shapes=({0: rows},))
    torch._inductor.aoti_compile_and_package(program, package_path=path)
    return program


# %%

# Output differs from run to run.
folder = tempfile.TemporaryDirectory()
path = str(Path(folder.name, "model.pt2"))
start = time.perf_counter()
program = build(model, example, path)
compiling, start = time.perf_counter() - start, time.perf_counter()
package = torch._inductor.aoti_load_package(path)
torch.testing.assert_close(package(example), model(example))
loading = time.perf_counter() - start
print(f"compile {compiling:.1f} s, load and first call {loading:.2f} s")
assert compiling > 5 * loading

# %%
# See the problem: a wrong input gets an answer
# ---------------------------------------------
#
# Nine vectors instead of six. The exported program refuses them. The package answers,
# and wrongly: it reads the start of the same memory as sequences of 6. (From a
# shorter input, it would read past the end.)

nine = torch.randn(4, 9, 16)
try:
    program.module()(nine)
except AssertionError as error:
    print("program:", error)
print(f"package: error {(package(nine) - model(nine)).abs().max():.2f}")
assert (package(nine) - model(nine)).abs().max() > 0.1
misread = nine.flatten()[: 4 * 6 * 16].view(4, 6, 16)
torch.testing.assert_close(package(nine), model(misread))

# %%
# Switch the checks on
# --------------------
#
# A process with ``AOTI_RUNTIME_CHECK_INPUTS=1`` in its environment checks sizes,
# strides and types before a package runs. ``serve`` is a small service: it gets the
# package and the requests, and not ``Model``. The request ``transposed`` has the right
# size, but another order in memory.


def serve(path):
    import torch

    answers, package = {}, torch._inductor.aoti_load_package(path)
    for name, x in torch.load("requests.pt").items():
        try:
            answers[name] = package(x)
        except RuntimeError as error:
            answers[name] = str(error).strip()
    torch.save(answers, "answers.pt")


requests = {f"batch of {size}": torch.randn(size, 6, 16) for size in (1, 7, 32)}
requests["1, doubled"] = requests["batch of 1"].repeat(2, 1, 1)
requests |= {"batch of 33": torch.randn(33, 6, 16), "length 9": nine}
requests["float64"] = torch.randn(4, 6, 16, dtype=torch.float64)
requests["transposed"] = torch.randn(4, 16, 6).transpose(1, 2)

# %%
# It runs in a new process, from a file with its source, as your service would:

torch.save(requests, Path(folder.name, "requests.pt"))
start = f"\n\nserve({path!r})\n"
Path(folder.name, "service.py").write_text(inspect.getsource(serve) + start)
done = subprocess.run(
    [sys.executable, "service.py"],
    cwd=folder.name,
    env={**os.environ, "AOTI_RUNTIME_CHECK_INPUTS": "1"},
    capture_output=True,
    text=True,
)
assert done.returncode == 0, done.stderr
checked = torch.load(Path(folder.name, "answers.pt"))
for name in ("length 9", "float64", "transposed"):
    print(f"{name}: {checked[name]}")

# %%
# The same requests, with and without the checks. An answer is right if it is within
# 1e-5 of the model in float64. Unchecked, a batch of 33 passes the limit of 32 unseen.

exact = copy.deepcopy(model).double()


def verdict(name, answer):
    if isinstance(answer, str):
        return "refuses"
    error = (answer.double() - exact(requests[name].double())).abs().max()
    return "right" if error < 1e-5 else "wrong"


table = {"default": {}, "checked": {}}
for name, x in requests.items():
    table["default"][name] = verdict(name, package(x))
    table["checked"][name] = verdict(name, checked[name])
    print(f"{name:11}", *[f" {kind}: {row[name]}" for kind, row in table.items()])
assert "wrong" not in table["checked"].values()
assert table["default"]["transposed"] == "wrong"
assert list(table["checked"].values()).count("right") == 3

# %%
fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
styles = {"right": ("tab:blue", "o"), "wrong": ("tab:orange", "^")}
styles["refuses"] = ("black", "x")
for outcome, (color, marker) in styles.items():
    found = [[answer == outcome for answer in row.values()] for row in table.values()]
    row, column = torch.tensor(found).nonzero().T
    ax.scatter(column, row, s=90, color=color, marker=marker, label=outcome)
ax.set_xticks(range(len(requests)), [n.replace(" ", "\n", 1) for n in requests])
ax.set_yticks(range(2), table)
ax.set(title="With checks, a package gives no wrong answer", ylim=(1.5, -0.5))
ax.set(xlabel="input", ylabel="package")
fig.legend(loc="outside right upper")
plt.show()

# %%
# When it is not so: the checks refuse a batch of 1
# -------------------------------------------------
#
# Without checks, this package is right for a batch of 1, and the range was declared
# from 1. But the compiler takes a size that varies to be 2 or more, and the check
# enforces this rule. Send a single input twice, and keep the first answer. (This needs
# a model that treats each row alone.)

print("batch of 1:", checked["batch of 1"])
torch.testing.assert_close(checked["1, doubled"][:1], package(requests["batch of 1"]))
del package  # and with it the files that it has unpacked

# %%
# In your project
# ---------------
#
# Two programs: one calls ``build``, the other serves. The service switches the checks
# on itself, before it loads the package. ``contiguous()`` puts a transposed or sliced
# request into the order of your example, which the package expects. (If the example is
# in ``torch.channels_last``, pass this as ``memory_format``.) If your model returns a
# tuple, apply ``[: len(rows)]`` to each tensor in it, not to the tuple. A C++ program
# runs the same file by ``torch::inductor::AOTIModelPackageLoader(path).run(inputs)``.

os.environ["AOTI_RUNTIME_CHECK_INPUTS"] = "1"  # new: wrong inputs raise
package = torch._inductor.aoti_load_package(path)  # new: no model, no compiler


def answer(rows):  # 1 to 32 rows, on the device that the package was built for
    padded = torch.cat([rows, rows]) if len(rows) == 1 else rows
    return package(padded.contiguous())[: len(rows)]


# %%
# Check
# -----
#
# ``answer`` agrees with the model, for one row and for a transposed request, too. A
# wrong length is refused, and so is a request without rows. The package itself writes
# each refusal to stderr, which goes to a file here.

for request in (example, example[:1], requests["transposed"]):
    torch.testing.assert_close(answer(request), model(request))

# %%

refused, stderr = [], os.dup(2)
with Path(folder.name, "stderr.txt").open("w") as file:
    os.dup2(file.fileno(), 2)
    for request in (nine, example[:0]):
        try:
            answer(request)
        except RuntimeError:
            refused.append(tuple(request.shape))
    os.dup2(stderr, 2)
os.close(stderr)
print("refused:", *refused)
assert len(refused) == 2
package = None  # its files are closed
folder.cleanup()

# %%
# Learn more
# ----------
#
# - What the exported program is: :ref:`sphx_glr_recipes_recipes_torch_export.py`
# - Without PyTorch at all: :ref:`sphx_glr_recipes_recipes_onnx_export.py`
# - Behind a web server: :ref:`sphx_glr_recipes_recipes_deployment_with_flask.py`
