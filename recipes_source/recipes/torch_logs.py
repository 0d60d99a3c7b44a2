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


class Naive(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        total = x.sum()
        return torch.tanh(x / total if total > 0 else x)


# %%
# Seen from outside: too many graphs
# ----------------------------------
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
# ``torch._logging.set_logs`` does what ``TORCH_LOGS="graph_breaks,recompiles"`` does in
# a shell. The messages are long and go to stderr. Here, a filter picks out of each the
# line that breaks the graph, or the assumption that no longer holds.


def collect(record):
    topic = record.name.split(".__")[-1]
    pattern = r"code: (.+)" if topic == "graph_breaks" else r"- \d+/\d+: (.+?)  +#"
    messages.append(f"{topic}: {re.search(pattern, record.getMessage())[1]}")
    return False  # not to stderr as well


messages = []
torch._logging.set_logs(graph_breaks=True, recompiles=True)
for handler in logging.getLogger("torch._dynamo").handlers:
    handler.addFilter(collect)
_ = run(Naive())
print(*dict.fromkeys(messages), sep="\n")  # each once

# %%
# Mend both lines
# ---------------
#
# The value of a Python integer attribute is compiled into the graph, so each new value
# asks for a new graph. As a buffer it is a tensor, and an input of the graph. A branch
# on a tensor's value becomes :func:`torch.where`. Then the same measurement again.


class Mended(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x):
        self.calls += 1
        total = x.sum()
        return torch.tanh(x / torch.where(total > 0, total, 1))


# %%
messages.clear()
counters.clear()  # PyTorch's own, to compare with ours
mended = Mended()
mended_outputs, mended_counts = run(mended)
print("naive, graphs after each call: ", naive_counts)
print("mended, graphs after each call:", mended_counts)
print(f"messages: {len(messages)}, calls counted: {mended.calls.item()}")
torch.testing.assert_close(mended_outputs, naive_outputs)
assert counters["stats"]["unique_graphs"] == mended_counts[-1] == 1 and not messages

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
# Pitfall: too late to listen
# ---------------------------
#
# Messages are written while compiling. What is compiled already stays silent, broken or
# not. Switch the logs on before the first call, or call :func:`torch.compiler.reset`.

halve = torch.compile(lambda x: x / 2 if x.sum() > 0 else x, backend="eager")
_ = halve(batches[0])
messages.clear()  # as if you had switched the logs on here
_ = halve(batches[0])
print("second call:  ", len(messages), "messages")
torch.compiler.reset()
_ = halve(batches[0])
print("after a reset:", len(messages), "message")

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_torch_compiler_set_stance_tutorial.py`
# - :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py`
# - What belongs in a buffer: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
