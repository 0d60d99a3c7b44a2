# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export"]
# timeout = 240
# requires = ["c++"]
# searched_as = [
#   "torch.compile tutorial", "torch.compile slow", "torch.compile no faster",
#   "torch.compile slower than eager", "no speedup", "first call is slow", "warm-up",
#   "kernel fusion", "operator fusion", "reduce-overhead", "max-autotune", "inductor",
#   "fullgraph", "make a model faster", "memory bandwidth",
# ]
# errors = ["Failed to trace builtin operator"]
# ///
"""
Speed up a model with torch.compile
===================================

Compile a model with one line, check its outputs, and see where the gain comes from.

Why it matters: :func:`torch.compile` fuses small operations. It makes some models
several times as fast, and others no faster. If you know what it saves, you know in
advance which model is yours, and what to look at when nothing is gained.
"""

# %%
# See the problem: each operation goes through memory
# ---------------------------------------------------
#
# The model is a normalization and a gate, written in plain operations, as language
# models have them.

import math
import re
import time

import torch
from torch import nn
from torch._dynamo.utils import counters
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer
from torch.utils.data import DataLoader, TensorDataset

# %%


class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        mean_square = x.square().mean(dim=-1, keepdim=True)
        y = x * torch.rsqrt(mean_square + 1e-6) * self.weight
        return x + y * torch.sigmoid(y)


# %%
# The profiler knows which operators run, the sizes of their inputs, and what they
# allocate for outputs. One setting makes it name the loops that the compiler writes for
# a CPU, too.

torch._inductor.config.cpp.enable_kernel_profile = True  # for this page only


def is_call(event):  # a generated loop, or an operator that no other operator called
    inner = "aten::" in getattr(event.cpu_parent, "name", "")
    return "cpp_fused" in event.name or ("aten::" in event.name and not inner)


# %%


@torch.no_grad()
def watch(function, x):
    function(x)  # a warm-up
    settings = {"profile_memory": True, "record_shapes": True}
    with profile(activities=[ProfilerActivity.CPU], **settings) as profiler:
        function(x)
    events = profiler.events()
    calls = [event for event in events if is_call(event)]
    read = 4 * sum(math.prod(s) for e in calls for s in e.input_shapes if s)  # float32
    written = sum(max(0, event.self_cpu_memory_usage) for event in events)
    names = [re.sub(r"^(aten::|graph_\d+_)", "", event.name) for event in calls]
    return names, read, written


# %%
# Each operator reads its inputs from memory, and writes its output for the next one.
# The system also has to provide new memory for each large output:

torch.manual_seed(0)
model, x = Gate(512).eval(), torch.randn(8192, 512)
operators, read, written = watch(model, x)
moved = read + written
print(len(operators), "operators:", *operators)
print(f"read {read / 1e6:.0f} MB, written {written / 1e6:.0f} MB")

# %%
# The idea: compile the model
# ---------------------------
#
# :func:`torch.compile` returns at once. The first call compiles, and takes seconds. So
# leave it out when you time the calls, and count it when you ask whether it pays. A
# second process finds the code in a cache on disk, and waits less.

# Output differs from run to run.
compiled = torch.compile(model)  # the new line
with torch.no_grad():
    start = time.perf_counter()
    outputs = compiled(x)
    first = time.perf_counter() - start
    medians = []
    for function in (model, compiled):
        same = {"num_threads": torch.get_num_threads()}  # other threads: compiled again
        timer = Timer("f(x)", globals={"f": function, "x": x}, **same)
        medians.append(timer.blocked_autorange(min_run_time=0.3).median)
plain, fast = medians
print(f"not compiled {1e3 * plain:.1f} ms, compiled {1e3 * fast:.1f} ms")
if fast < plain:
    print(f"first call {first:.0f} s, won back in {first / (plain - fast):.0f} calls")

# %%
# Proof: the same outputs, from one loop
# --------------------------------------
#
# A fused loop can round differently, so compare with a tolerance. Here are both against
# the model in float64:

with torch.no_grad():
    expected, exact = model(x), Gate(512).double()(x.double())
for name, result in {"not compiled": expected, "compiled": outputs}.items():
    print(f"{name:12} error below 1e-5: {(result - exact).abs().max().item() < 1e-5}")
    torch.testing.assert_close(result.double(), exact, atol=1e-5, rtol=0)
torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=0)

# %%
# The loop does the arithmetic of all the operators. It allocates the output and nothing
# else: no tensor is made for the results in between. It has to read ``x`` and the
# weight at least once, which is counted here.

loops, _, written = watch(compiled, x)
needed = x.nbytes + model.weight.nbytes
print(len(loops), "loop:", *loops)
print(f"read {needed / 1e6:.0f} MB, written {written / 1e6:.0f} MB")
print(f"moved through memory: {moved / (needed + written):.1f} times less")
assert len(operators) == 9 and len(loops) == 1 and "cpp_fused" in loops[0]
assert written == outputs.nbytes and moved > 7 * (needed + written)

# %%
# Modes
# -----
#
# A mode is a set of options. ``torch.compile(model, mode=...)`` takes one of these:

for mode in ("default", "reduce-overhead", "max-autotune"):
    print(f"{mode}: {torch._inductor.list_mode_options(mode)}")

# %%
# - ``default`` fuses, as above.
# - ``reduce-overhead`` also records the starts of all kernels on an NVIDIA GPU as one
#   CUDA graph. It helps if kernels are so short that starting them takes longer. It
#   needs more memory, and the next call may overwrite an output: clone what you keep.
# - ``max-autotune`` also tries several kernels for matrix products, keeps the fastest,
#   and takes much longer to compile. ``max-autotune-no-cudagraphs`` leaves out the
#   CUDA graphs.
#
# On a CPU, there are no CUDA graphs: the same loop runs.

skipped = counters["inductor"]["cudagraph_skips"]
cpu_loops, _, _ = watch(torch.compile(model, mode="reduce-overhead"), x)
skipped = counters["inductor"]["cudagraph_skips"] - skipped
print("reduce-overhead on a CPU:", *cpu_loops, "and CUDA graphs skipped:", skipped)
assert cpu_loops == loops and skipped

# %%
# When it is not so: library calls
# --------------------------------
#
# A matrix product is one call of a library that is already fast. In the default mode,
# it stays such a call. What lies between the products can gain, but products do not.

layer = nn.Linear(512, 512)
products = {"not compiled": layer, "compiled": torch.compile(layer)}
products = {name: watch(function, x)[0] for name, function in products.items()}
print(products)
assert len(products["compiled"]) == 1 and "fused" not in products["compiled"][0]

# %%
# When it is not so: small or changing sizes
# ------------------------------------------
#
# The first new size is compiled again. This second code takes other sizes, too, except
# a single row, which is compiled on its own. With 8 rows, little is moved, and on a CPU
# there is little to gain. Each call of compiled code first checks whether the code
# fits, which costs the same for any size.

# Output differs from run to run.
graphs, few = [], x[:8]
with torch.no_grad():
    for inputs in (x, few, x[:100]):
        before = counters["stats"]["unique_graphs"]
        torch.testing.assert_close(compiled(inputs), model(inputs), atol=1e-5, rtol=0)
        graphs.append(counters["stats"]["unique_graphs"] - before)
    for name, function in {"not compiled": model, "compiled": compiled}.items():
        timer = Timer("f(x)", globals={"f": function, "x": few}, **same)
        median = timer.blocked_autorange(min_run_time=0.2).median
        print(f"8 rows, {name:12} {1e6 * median:.0f} us")
print("new graphs for 8192, 8 and 100 rows:", graphs)
assert graphs == [0, 1, 0]

# %%
# When it is not so: a graph break
# --------------------------------
#
# Where the compiler cannot follow, it silently cuts the graph in two, and fuses nothing
# across the cut. With ``fullgraph=True`` it raises instead, here for a ``print``:


class Debugged(Gate):
    def forward(self, x):
        y = super().forward(x)
        print("shape:", y.shape)
        return 2 * y


# %%

# Output differs from run to run.
try:
    torch.compile(Debugged(512), fullgraph=True)(x)
except RuntimeError as error:
    print(re.sub(r"[\w/.:\\-]*[/\\](?=\w+\.py\b)", "", str(error)))  # without folders
    assert "print" in str(error)
else:
    raise AssertionError("the graph is not cut")

# %%
# A model and data for the lines below:


class Network(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(8, 32), Gate(32), nn.Linear(32, 1))


features = torch.randn(300, 8)
dataset = TensorDataset(features, features.sum(dim=1, keepdim=True))
torch.manual_seed(1)
before = counters["stats"]["unique_graphs"]

# %%
# In your project
# ---------------
#
# ``model.compile()`` compiles in place, for training, too.
# ``model.compile(fullgraph=True)`` shows a graph break. Compiling needs a C++ compiler
# for a CPU, and a C compiler for a GPU, where Triton builds its driver. Validation
# without gradients compiles once more.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Network().to(device)
model.compile()  # new: the first step of the training compiles
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
loader = DataLoader(dataset, batch_size=64, shuffle=True, drop_last=True)  # one size
for batch, target in loader:
    loss = nn.functional.mse_loss(model(batch.to(device)), target.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
checkpoint = model.state_dict()  # the same names as without compile

# %%
# Check
# -----
#
# One graph was compiled. A model that is not compiled comes to the same weights, within
# 1e-4.

graphs = counters["stats"]["unique_graphs"] - before
torch.manual_seed(1)
plain = Network().to(device)
start = plain[0].weight.detach().clone()
optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01)
for batch, target in loader:
    loss = nn.functional.mse_loss(plain(batch.to(device)), target.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
moved = (plain[0].weight - start).abs().max().item()
print(f"graphs: {graphs}, weights moved by {moved:.2f}")
torch.testing.assert_close(checkpoint, plain.state_dict(), atol=1e-4, rtol=0)
assert graphs == 1 and moved > 0.02

# %%
# Learn more
# ----------
#
# - Compile time: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
# - Graph breaks, in the log: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - Too many sizes: :ref:`sphx_glr_recipes_recipes_error_recompile_limit.py`
# - Forbid new graphs:
#   :ref:`sphx_glr_recipes_recipes_torch_compiler_set_stance_tutorial.py`
# - Judge a small gain: :ref:`sphx_glr_recipes_recipes_timer_quick_start.py`, and over
#   several sizes: :ref:`sphx_glr_recipes_recipes_benchmark.py`
