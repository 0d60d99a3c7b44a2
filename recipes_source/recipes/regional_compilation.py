# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 120
# searched_as = [
#   "torch.compile is slow to start", "compile time", "warm-up time",
#   "speed up torch.compile", "compile transformer blocks", "long first iteration",
# ]
# ///
"""
Reducing torch.compile cold start time with regional compilation
================================================================

Compile the block that your model repeats once, instead of once for each repetition.

Why it matters: :func:`torch.compile` unrolls the loop over a model's blocks, so 16
equal blocks are traced, optimized and turned into code 16 times. You wait for that
before the first output, each time that a process starts with a cold cache.
"""

# %%
# A model of equal blocks
# -----------------------
#
# Sixteen blocks, as in a transformer: the same code, each with weights of its own.

import copy
import logging
import time

import matplotlib.pyplot as plt
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        return x + nn.functional.gelu(self.linear(self.norm(x)))


torch.manual_seed(0)
model = nn.Sequential(*[Block() for _ in range(16)]).eval()
inputs = torch.randn(4, 8)

# %%
# The whole model: one large graph
# --------------------------------
#
# :meth:`torch.nn.Module.compile` compiles a module in place, at its next call. The
# backend ``note``, below, is handed each graph, notes how many operations it holds, and
# runs it as it is. The more operations, the more work for a real backend.


@torch.no_grad()
def cold_start(model, regional, backend):
    torch.compiler.reset()
    model = copy.deepcopy(model)
    modules = list(model) if regional else [model]
    for module in modules:
        module.compile(backend=backend)
    start = time.process_time()  # CPU seconds, whatever else the machine does
    outputs = model(inputs)
    return outputs, time.process_time() - start


# %%
# ``graph_sizes`` also checks the outputs against the model without any compilation.


def graph_sizes(model, regional):
    sizes = []

    def note(graph, example_inputs):
        operations = [node for node in graph.graph.nodes if "call" in node.op]
        sizes.append(len(operations))
        return graph

    outputs, _ = cold_start(model, regional, note)
    torch.testing.assert_close(outputs, model(inputs))
    return sizes


whole = graph_sizes(model, regional=False)
print(f"whole model: {len(whole)} graph, {sum(whole)} operations to compile")

# %%
# One region: one small graph
# ---------------------------
#
# Call ``compile`` on each block instead. The first block is compiled. The others find
# code that fits them, since weights are inputs of the graph.

regional = graph_sizes(model, regional=True)
print(f"whole model: {len(whole)} graph, {sum(whole)} operations to compile")
print(f"regional:    {len(regional)} graph, {sum(regional)} operations to compile")
assert len(regional) == 1 and regional[0] * 16 == sum(whole)

# %%
# The first call, timed
# ---------------------
#
# The backend ``aot_eager`` captures and lowers graphs as the default backend does, but
# generates no code: it needs no C++ compiler, and finds nothing in a cache. The default
# backend also generates code for all these operations, on a CPU or on a GPU. What
# regions cost you is what it could have fused across the border of two blocks.

torch.set_num_threads(1)  # the CPU time of threads that wait would count as well
whole_seconds, regional_seconds = [], []
for _ in range(3):
    whole_seconds.append(cold_start(model, regional=False, backend="aot_eager")[1])
    regional_seconds.append(cold_start(model, regional=True, backend="aot_eager")[1])
ratio = min(whole_seconds) / min(regional_seconds)
print("first call more than 1.5 times faster:", ratio > 1.5)
assert ratio > 1.5

# %%
depths = [1, 2, 4, 8, 16]
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
counts = [sum(graph_sizes(model[:depth], regional=False)) for depth in depths]
ax.plot(depths, counts, "--o", color="tab:orange", label="whole model")
counts = [sum(graph_sizes(model[:depth], regional=True)) for depth in depths]
ax.plot(depths, counts, "-s", color="tab:blue", label="regional")
ax.set(title="By region, work does not grow with depth", xlabel="blocks in the model")
ax.set(ylabel="operations to compile", ylim=(0, None), xticks=depths)
ax.legend()
plt.show()

# %%
# Pitfall: blocks that only look equal
# ------------------------------------
#
# A Python integer in a module, such as the block's own number, becomes a constant of
# the graph, so that each block needs a graph of its own. Past a limit the compiler
# gives up, with a warning, and the last blocks run eagerly.


class Numbered(Block):
    number = 0

    def forward(self, x):
        return super().forward(x) / (self.number + 1)


numbered = nn.Sequential(*[Numbered() for _ in range(10)]).eval()
for number, block in enumerate(numbered):
    block.number = number
torch._logging.set_logs(dynamo=logging.ERROR)  # hides that warning, for this page
sizes = graph_sizes(numbered, regional=True)
print(f"{len(numbered)} blocks: {len(sizes)} graphs, of sizes {sizes}")

# %%
# Learn more
# ----------
#
# - Why a graph is compiled again: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - Forbid it: :ref:`sphx_glr_recipes_recipes_torch_compiler_set_stance_tutorial.py`
# - :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py`
