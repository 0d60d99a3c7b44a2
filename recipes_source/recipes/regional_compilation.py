# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 300
# requires = ["c++"]
# searched_as = [
#   "torch.compile is slow to start", "compile time", "warm-up time",
#   "speed up torch.compile", "compile transformer blocks", "long first iteration",
# ]
# errors = ["torch._dynamo hit config.recompile_limit (8)"]
# older_errors = ["torch._dynamo hit config.cache_size_limit (8)"]
# ///
"""
Reducing torch.compile cold start time with regional compilation
================================================================

Compile a repeated block of your model one time, not one time for each repetition.

Why it matters: :func:`torch.compile` unrolls the loop over a model's blocks. Eight
equal blocks are traced and optimized eight times. You wait for this before the first
output, each time that a process starts and the code is not yet in the compiler's cache
on disk. Call ``block.compile()`` on each block instead: the work is done for one block.
"""

# %%
# A model of equal blocks
# -----------------------
#
# Eight blocks, as in a transformer: the same code, each with its own weights.

import copy
import logging
import os
import time

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch._inductor.utils import fresh_cache
from torch.utils.benchmark import Timer

# %%


class Block(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.norm, self.up = nn.LayerNorm(width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


torch.manual_seed(0)
model = nn.Sequential(*[Block() for _ in range(8)]).eval()
inputs = torch.randn(4, 64)

# %%
# See the problem: one large graph
# --------------------------------
#
# :func:`torch.compile` wraps a whole model. :meth:`torch.nn.Module.compile` compiles a
# module in place. Both start to compile at the next call. The backend ``note`` receives
# each graph, counts its operations, and runs it as it is. More operations are more work
# for a real backend.


def compiled(model, regional, **options):
    torch.compiler.reset()  # forget what was compiled before
    model = copy.deepcopy(model)
    for block in model if regional else []:
        block.compile(**options)
    return model if regional else torch.compile(model, **options)


# %%


def graph_sizes(model, regional, gradients=False):
    sizes = []

    def note(graph, example_inputs):
        sizes.append(sum("call" in node.op for node in graph.graph.nodes))
        return graph

    with torch.set_grad_enabled(gradients):
        outputs = compiled(model, regional, backend=note)(inputs)
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
assert len(whole) == len(regional) == 1 and regional[0] * 8 == sum(whole)

# %%
# The first call, with the default backend
# ----------------------------------------
#
# The default backend, Inductor, turns graphs into C++ on a CPU and into Triton kernels
# on a GPU. For a CPU, a C++ compiler must be installed. ``fresh_cache`` gives it an
# empty cache, as a new machine has.


def median(module):
    timer = Timer("module(inputs)", globals={"module": module, "inputs": inputs})
    return timer.blocked_autorange(min_run_time=0.2).median


@torch.no_grad()
def first_call(regional):
    with fresh_cache():
        module = compiled(model, regional)
        start, before = time.perf_counter(), sum(os.times()[:4])
        torch.testing.assert_close(module(inputs), model(inputs))
        # With the compilers that it started, in seconds of CPU time.
        cpu = sum(os.times()[:4]) - before
        return time.perf_counter() - start, cpu, median(module)


# %%
# A first small function pays for what happens once in a process. Then the calls after
# the first one are timed, too:

# Output differs from run to run.
torch.compile(torch.sin)(inputs)
names = {"whole model": False, "regional": True}
runs = {name: first_call(regional) for name, regional in names.items()}
for name, (seconds, _, later) in runs.items():
    print(f"{name:11} first call {seconds:.1f} s, later calls {1e6 * later:.0f} us")
with torch.no_grad():
    print(f"not compiled                    calls {1e6 * median(model):.0f} us")
assert runs["whole model"][1] > 1.3 * runs["regional"][1]

# %%
# Regions can make the later calls slower than one whole graph does. The compiler fuses
# nothing across the border of two blocks, and Python runs between them. With blocks as
# small as these, the calls can even be slower than without compiling.

# %%
# The deeper the model, the more a region saves:

depths = [1, 2, 4, 8]
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
# When it is not so: blocks that only look equal
# ----------------------------------------------
#
# A Python integer that ``forward`` reads from its module, such as the block's number,
# becomes a constant of the graph. Each block then needs its own graph. After eight of
# them the compiler warns, and runs the rest uncompiled. A buffer is a tensor, and
# tensors are inputs of the graph:


class Numbered(Block):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return super().forward(x) / (self.number + 1)


class Buffered(Numbered):
    def __init__(self, number):
        super().__init__(number)
        del self.number
        # The mend. Not persistent: the checkpoints that you have still load.
        self.register_buffer("number", torch.tensor(number), persistent=False)


# %%
# The warning is long. It begins so:


def first_line(record):
    print("warning:", record.getMessage().splitlines()[0])


log = logging.getLogger("torch._dynamo.convert_frame")
log.addFilter(first_line)
for kind in (Numbered, Buffered):
    blocks = nn.Sequential(*[kind(number) for number in range(10)]).eval()
    sizes = graph_sizes(blocks, regional=True)
    print(f"{kind.__name__}: {len(blocks)} blocks, {len(sizes)} graphs")
    assert len(sizes) == (8 if kind is Numbered else 1)
log.removeFilter(first_line)

# %%
# All this was for inference. With gradients on, the input of the first block requires
# none, and the inputs of the others do. These are two graphs:

training = graph_sizes(model, regional=True, gradients=True)
print(f"with gradients: {len(model)} blocks, {len(training)} graphs")
assert len(training) == 2


# %%
# After an embedding that learns, all inputs of blocks require a gradient:


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 64), nn.Linear(64, 10)
        self.blocks = nn.ModuleList([Block() for _ in range(8)])

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


# %%
# In your project
# ---------------
#
# Compile the blocks, and leave the embedding and the head as they are.
#
# - In a model that somebody else wrote, look for the ``ModuleList`` of its blocks. In
#   ``nn.TransformerEncoder``, its name is ``layers``.
# - The second batch size compiles the block once more, and most further sizes reuse
#   that code. Validation under ``torch.no_grad()`` compiles the block, too.
# - A copy made by ``copy.deepcopy``, such as the model of an ``AveragedModel``, is not
#   compiled: compile the blocks of the copy, too.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Network().to(device)
for block in model.blocks:
    block.compile()  # new: instead of model.compile()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for tokens in torch.randint(10, (3, 4, 17), device=device):
    logits = model(tokens[:, :-1]).flatten(0, 1)  # predicts the next token
    loss = nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check
# -----
#
# The names in the ``state_dict`` have not changed, so a model that is not compiled
# loads it. Both have the same gradients. In training, all blocks share one graph.

plain = Network().to(device)
plain.load_state_dict(model.state_dict())
for network in (model, plain):
    network.zero_grad()
    network(tokens[:, :-1]).logsumexp(dim=-1).mean().backward()
for p, q in zip(model.parameters(), plain.parameters(), strict=True):
    torch.testing.assert_close(p.grad, q.grad, atol=1e-5, rtol=1e-3)
graphs, note = [], lambda graph, _: graphs.append(graph) or graph
torch.compiler.reset()
for block in plain.blocks:
    block.compile(backend=note)
plain(tokens)
print(f"in training: {len(plain.blocks)} blocks, {len(graphs)} graph")
assert len(graphs) == 1

# %%
# Learn more
# ----------
#
# - Why a graph is compiled again: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - The warning, and its other causes:
#   :ref:`sphx_glr_recipes_recipes_error_recompile_limit.py`
# - Forbid it: :ref:`sphx_glr_recipes_recipes_torch_compiler_set_stance_tutorial.py`
# - Keep the compiled code: :ref:`sphx_glr_recipes_recipes_torch_compile_caching.py`
# - One block, compiled ahead of time: :ref:`sphx_glr_recipes_recipes_regional_aot.py`
# - ``torch.compiler.nested_compile_region`` marks a region inside one large graph.
