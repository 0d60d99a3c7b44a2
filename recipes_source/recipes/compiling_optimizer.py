# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 240
# requires = ["c++"]
# searched_as = [
#   "torch.compile optimizer.step", "fused optimizer", "speed up Adam", "foreach",
#   "foreach_map", "horizontal fusion", "optimizer step is slow", "fused=True",
#   "many small kernels",
# ]
# ///
"""
Compile the optimizer's step
============================

Turn the many small operations of an optimizer's step into a few loops, and count them.

Why it matters: on a CPU, a step of Adam with its defaults does nine small operations
for each parameter, one after another. Each one is started alone, reads its tensors from
memory and writes them back. On a GPU, the default ``foreach=True`` starts fewer, but
each still reads and writes memory.
"""

# %%
# See the problem: nine operations for each parameter
# ---------------------------------------------------
#
# ``DebugMode`` logs each operation that PyTorch carries out. The first step also makes
# the optimizer's state, so look at the second.

import inspect
import logging

import torch
from torch import nn
from torch._inductor import metrics
from torch.optim import SGD, Adafactor, Adagrad, Adam, AdamW, NAdam, RMSprop
from torch.utils._debug_mode import DebugMode
from torch.utils.benchmark import Timer

# %%

# Adam.step opens a profiler range, and the compiler warns that it leaves it out.
torch._logging.set_logs(dynamo=logging.ERROR)
torch.manual_seed(0)
values, gradients = torch.randn(2, 4, 32, 32)


def make(kind=Adam, count=4, **options):
    parameters = [nn.Parameter(value.clone()) for value in values[:count]]
    for parameter, gradient in zip(parameters, gradients, strict=False):
        parameter.grad = gradient.clone()
    return parameters, kind(parameters, lr=0.01, **options)


# %%

eager_counts = {}
for count in (1, 2, 4):
    _, optimizer = make(count=count, foreach=False)
    optimizer.step()
    with DebugMode(record_profiler_context=False) as debug:
        optimizer.step()
    eager_counts[count] = len(debug.logs)
    if count == 1:
        names = [str(log).partition("(")[0] for log in debug.logs]
        print(*[name.removeprefix("aten::") for name in names])
    print(f"{count} parameters: {len(debug.logs)} operations")
assert eager_counts[4] == 4 * eager_counts[1] and eager_counts[1] == 9

# %%
# The idea: compile the bound method
# ----------------------------------
#
# ``torch.compile(optimizer.step)`` traces the step for all parameters of this
# optimizer. A backend that stores what it receives sees one graph. With
# ``foreach=True``, the default on a GPU, the step works on lists of tensors, and the
# graph is smaller.


def graphs_of(step, before=lambda call: None):
    torch.compiler.reset()  # forget what was compiled before
    graphs, counts = [], []

    def backend(graph, example_inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(step, backend=backend)
    for call in range(3):
        before(call)
        compiled()
        counts.append(len(graphs))
    return graphs, counts


# %%

sizes = {}
for foreach in (False, True):
    _, optimizer = make(foreach=foreach)
    (graph,), counts = graphs_of(optimizer.step)
    sizes[foreach] = sum("call" in node.op for node in graph.graph.nodes)
    print(f"foreach={foreach!s:5} graphs after each step: {counts},", end=" ")
    print(f"nodes: {sizes[foreach]}")
    assert counts == [1, 1, 1]
assert sizes[True] < sizes[False]

# %%
# Proof: two loops for each parameter
# -----------------------------------
#
# The default backend, ``"inductor"``, fuses the operations of a parameter: on a CPU,
# into a C++ loop, and a tiny one that counts the step. Both graphs end as equally many
# loops: here, ``foreach`` only makes the graph smaller. The values are compared with an
# optimizer that is not compiled.

kernels = {}
for foreach in (False, True):
    torch.compiler.reset()
    metrics.reset()
    parameters, optimizer = make(foreach=foreach)
    reference, eager = make(foreach=False)
    compiled_step = torch.compile(optimizer.step)
    for _ in range(5):
        compiled_step()
        eager.step()
    torch.testing.assert_close(parameters, reference)
    assert not torch.equal(parameters[0], values[0])
    kernels[foreach] = metrics.generated_kernel_count
    print(f"foreach={foreach!s:5} loops: {kernels[foreach]}")
assert kernels[False] == kernels[True] == 8

# %%
# The time of one step
# --------------------
#
# ``fused=True`` is one operation that PyTorch's authors wrote by hand. It needs no
# compiler, so try it first, where it exists.


def microseconds(step):
    timer = Timer("step()", globals={"step": step})
    return 1e6 * timer.blocked_autorange(min_run_time=0.2).median


known = [Adafactor, Adagrad, Adam, AdamW, NAdam, RMSprop, SGD]
fused = [kind for kind in known if "fused" in inspect.signature(kind).parameters]
print("fused exists for:", *[kind.__name__ for kind in fused])
assert Adam in fused and NAdam not in fused

# %%

# Output differs from run to run.
steps = {"one by one": make(foreach=False)[1].step, "fused": make(fused=True)[1].step}
times = {name: microseconds(step) for name, step in steps.items()}
times["compiled"] = microseconds(compiled_step)
for name, time in times.items():
    print(f"{name:10} {time:6.0f} us")
assert times["compiled"] < times["one by one"]

# %%
# When it is not so: nothing is compiled
# --------------------------------------
#
# Some steps cannot be compiled, and run as before. With ``fused=True`` nothing is said;
# Adafactor's warning is among those that this page has switched off. So look once,
# after the first step: ``torch._dynamo.utils.counters["stats"]["unique_graphs"]`` must
# have grown.

kinds = [(Adam, {}), (NAdam, {}), (RMSprop, {}), (Adagrad, {})]
for kind, options in [*kinds, (Adafactor, {}), (Adam, {"fused": True})]:
    _, optimizer = make(kind, **options)
    graphs, _ = graphs_of(optimizer.step)
    print(f"{kind.__name__} {options or ''} graphs: {len(graphs)}")
    assert len(graphs) == ((kind, options) in kinds)

# %%
# When it is not so: a parameter without a gradient
# -------------------------------------------------
#
# Which gradients are ``None`` is part of the graph. Each new set of them costs a graph:
# a layer that is used in some steps only, or unfrozen later. After eight graphs, a new
# set runs uncompiled. A learning rate that changes costs a second graph:
# :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py` keeps it at one.

parameters, optimizer = make()


def drop_one(call):
    parameters[0].grad = None if call == 1 else gradients[0].clone()


_, counts = graphs_of(optimizer.step, drop_one)
print("graphs after each step:", counts)
assert counts == [1, 2, 2]

# %%
# In your project
# ---------------
#
# NAdam has no ``fused``, so there is something to gain. The first step compiles, and
# takes longer for it: compile for a long training. Make a scheduler before compiling.
#
# With a ``GradScaler``, keep ``scaler.step(optimizer)``, although it takes the step
# that is not compiled: ``compiled_step()`` would neither unscale the gradients nor
# check them. With bfloat16 you need no scaler.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
inputs, targets = torch.randn(64, 8, device=device), torch.randn(64, 1, device=device)
torch.manual_seed(1)
model = nn.Linear(8, 1).to(device)  # yours
options = {"lr": 0.01, "capturable": str(device) in ("cuda", "xpu")}
optimizer = NAdam(model.parameters(), **options)
compiled_step = torch.compile(optimizer.step)  # new: after the model is on its device
for _ in range(20):
    loss = nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    compiled_step()  # new: instead of optimizer.step()

# %%
# Check
# -----
#
# The same training, not compiled, gives the same weights, up to rounding. With equal
# options, a checkpoint fits both. Load it before the first compiled step, or it costs a
# second graph. On a GPU, the first compiled step of a new optimizer sets
# ``capturable=True``: its step counters stay on the GPU. Loading a checkpoint sets what
# was saved.

checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
torch.manual_seed(1)
plain = nn.Linear(8, 1).to(device)
optimizer = NAdam(plain.parameters(), **options)
before = plain.weight.detach().clone()
for _ in range(20):
    optimizer.zero_grad()
    nn.functional.mse_loss(plain(inputs), targets).backward()
    optimizer.step()
difference = (plain.weight - model.weight).abs().max().item()
moved = (plain.weight - before).abs().max().item()
print(f"weights moved by {moved:.2f}, compiled and not differ by {difference:.4f}")
expected = {"model": plain.state_dict(), "optimizer": optimizer.state_dict()}
torch.testing.assert_close(checkpoint, expected, rtol=1e-4, atol=1e-5)
assert moved > 0.1

# %%
# Learn more
# ----------
#
# - A rate that changes:
#   :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py`
# - The log of operations: :ref:`sphx_glr_recipes_recipes_debug_mode.py`
# - Compile the model: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
