# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# timeout = 120
# searched_as = [
#   "torch.compile", "graph break", "recompilation", "why does it recompile",
#   "debug torch.compile", "dynamo", "speed up a model with torch.compile", "fullgraph",
#   "torch.compile not faster",
# ]
# errors = [
#   "Detected data-dependent branching",
# ]
# ///
"""
Using TORCH_LOGS python API with torch.compile
==============================================

Find the lines that split or recompile your compiled model, and bring it to one graph.

Why it matters: where :func:`torch.compile` cannot follow your code it cuts the graph in
two, and where an assumption no longer holds it compiles again. The results stay right
and, up to a limit, nothing is reported: you pay without knowing which line costs it.
"""

# %%
# A model with two faults
# -----------------------
#
# It counts its calls in a Python integer, and it branches on the value of a tensor.

import logging
import re

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch.utils.data import DataLoader


class Naive(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        total = x.sum()
        return torch.tanh(x / total if total > 0 else x)


# %%
# See the problem: too many graphs
# --------------------------------
#
# A backend is a function that is handed each captured graph. This one keeps them in a
# list and returns them to run as they are, so that no C++ compiler is needed.

torch.manual_seed(0)
batches = [torch.randn(8, 4) + shift for shift in (1, -1, 1, -1, 1, 1)]


def run(model):
    torch.compiler.reset()  # forget what was compiled before
    graphs, counts, outputs = [], [], []

    def backend(graph, example_inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(model, backend=backend)
    for x in batches:
        outputs.append(compiled(x))
        counts.append(len(graphs))
    return outputs, counts


naive_outputs, naive_counts = run(Naive())
print("naive, graphs after each call:", naive_counts)

# %%
# Ask for the reasons
# -------------------
#
# In a shell, an environment variable switches the logs on, without a change of the
# code:
#
# .. code-block:: sh
#
#    TORCH_LOGS="graph_breaks,recompiles" python train.py
#
# (In PowerShell: ``$env:TORCH_LOGS="graph_breaks,recompiles"``, on a line before.)
# ``torch._logging.set_logs`` does the same from Python, but it does nothing where
# ``TORCH_LOGS`` is set. The messages go to stderr. For this page only, a handler keeps
# them instead, to print them below.

messages = []


class Keep(logging.Handler):
    def emit(self, record):
        text = re.sub(r"[\w/.-]*/(?=\w+\.py)", "", record.getMessage())  # no folders
        messages.append(text.partition("\nStack variable")[0].rstrip())


torch._logging.set_logs(graph_breaks=True, recompiles=True)
log = logging.getLogger("torch._dynamo")
log.handlers[:] = [Keep()]
run(Naive())
breaks = [message for message in messages if message.startswith("Graph break")]
recompiles = [message for message in messages if message.startswith("Recompiling")]
print(len(breaks), "graph breaks,", len(recompiles), "recompilations")

# %%
# A graph break names the line, the reason, and what else to write. (A traceback
# follows, which is left out here.)

# Output differs from run to run.
print(breaks[0])

# %%
# A recompilation names the assumption that no longer holds, and its remedies:

# Output differs from run to run.
print(recompiles[0])

# %%
# Mend both lines
# ---------------
#
# Of the remedies, take the ones that need no setting. As a buffer, the integer is a
# tensor, and an input of the graph. The branch on a tensor's value becomes
# :func:`torch.where`. Let it choose the divisor, not the quotient: a division by
# zero would give NaN as gradient, even where its result is not chosen. Then the same
# measurement again.


class Mended(nn.Module):
    def __init__(self):
        super().__init__()
        # Not persistent: the checkpoints that you have still load.
        self.register_buffer("calls", torch.tensor(0), persistent=False)

    def forward(self, x):
        self.calls += 1
        total = x.sum()
        return torch.tanh(x / torch.where(total > 0, total, 1))


# %%
messages.clear()
counters.clear()  # PyTorch's count, to compare with ours
mended = Mended()
mended_outputs, mended_counts = run(mended)
print("naive, graphs after each call: ", naive_counts)
print("mended, graphs after each call:", mended_counts)
print(f"messages: {len(messages)}, calls counted: {mended.calls.item()}")
print("weights of the naive model:", mended.load_state_dict(Naive().state_dict()))
torch.testing.assert_close(mended_outputs, naive_outputs)
assert counters["stats"]["unique_graphs"] == mended_counts[-1] == 1 and not messages
assert naive_counts[-1] > len(batches) and breaks and recompiles

# %%
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
calls = range(1, len(batches) + 1)
ax.plot(calls, naive_counts, "--o", color="tab:orange", label="int counter and if")
ax.plot(calls, mended_counts, "-s", color="tab:blue", label="buffer and torch.where")
ax.set(title="Naive: every call compiles again. Mended: one graph", xlabel="call")
ax.set(ylabel="graphs compiled so far", ylim=(0, None))
ax.legend()
plt.show()

# %%
# When it is not so: too late to listen
# -------------------------------------
#
# Messages are written while compiling. What is compiled already stays silent, broken or
# not. Switch the logs on before the first call, or call :func:`torch.compiler.reset`.

halve = torch.compile(lambda x: x / 2 if x.sum() > 0 else x, backend="eager")
halve(batches[0])
messages.clear()  # as if you had switched the logs on here
halve(batches[0])
silent = len(messages)
print("second call:  ", silent, "messages")
torch.compiler.reset()
halve(batches[0])
print("after a reset:", len(messages), "message")
assert silent == 0 and messages

# %%
# In your project
# ---------------
#
# Once the model is one graph, keep it so. ``fullgraph=True`` makes a graph break an
# error. ``set_stance("fail_on_recompile")`` makes a recompilation an error. The stance
# also refuses a first compilation. So call each compiled function once before the
# block, under the same ``torch.autocast`` as in the block. A smaller last batch would
# be a second graph, so drop it. Validate outside the ``with`` block: without gradients,
# the model compiles again.
#
# Leave out ``backend="eager"``: it captures graphs and makes nothing faster. The
# default backend needs a C++ compiler for a CPU, and a C compiler for a GPU. Leave the
# first calls out of your timing, too: they compile.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Mended().to(device)
model.compile(backend="eager", fullgraph=True)  # new: a graph break raises
loader = DataLoader(torch.cat(batches)[:-3], batch_size=8, drop_last=True)
model(next(iter(loader)).to(device))  # compiles
with torch.compiler.set_stance("fail_on_recompile"):  # new: a second graph raises
    for batch in loader:
        outputs = model(batch.to(device))
with torch.no_grad():  # validation, outside
    outputs = model(batches[-1].to(device))

# %%
# Learn more
# ----------
#
# - What compiling gains: :ref:`sphx_glr_recipes_recipes_speed_up_with_torch_compile.py`
# - :ref:`sphx_glr_recipes_recipes_torch_compiler_set_stance_tutorial.py`
# - :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py`
# - What belongs in a buffer: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - ``TORCH_LOGS=help`` lists all logs: ``dynamic``, ``output_code``, ``fusion`` and
#   more.
