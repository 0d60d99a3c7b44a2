# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs", "lr_schedulers"]
# timeout = 120
# searched_as = [
#   "compile the optimizer step", "torch.compile optimizer", "fused optimizer",
#   "learning rate as a tensor", "recompilation in every epoch",
# ]
# ///
"""
Compiling the optimizer with a learning-rate scheduler
======================================================

Compile an optimizer's step once, although a scheduler changes its learning rate.

Why it matters: a compiled optimizer updates all parameters in one graph. If the
learning rate is a Python number, its value becomes part of that graph. The first change
by the scheduler then compiles the step once more. In many cases each change does, until
the compiler gives up. The mend is a tensor as the learning rate.
"""

# %%
# See the problem: a loop that counts graphs
# ------------------------------------------
#
# Eight steps on one batch. Forward and backward run eagerly, the optimizer's step is
# compiled. This backend stores every graph it receives and hands it to ``"aot_eager"``.
# That backend works as the default one does, but writes no code, so you need no C++
# compiler.

import copy
import logging
import shutil

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR

# Adam.step opens a profiler range, and the compiler warns that it leaves it out.
torch._logging.set_logs(dynamo=logging.ERROR)

torch.manual_seed(0)
inputs, targets = torch.randn(32, 8), torch.randn(32, 1)
initial_model, loss_fn, graphs = nn.Linear(8, 1), nn.MSELoss(), []

# %%

aot_eager = torch._dynamo.lookup_backend("aot_eager")


def backend(graph, example_inputs):
    graphs.append(graph)
    return aot_eager(graph, example_inputs)


# %%
# ``make_change`` returns what to call after each step, such as a scheduler's ``step``.
# A scheduler wraps the optimizer's step, so make the scheduler before you compile.


def train(lr, make_change, compiled=True, optimizer_class=torch.optim.AdamW):
    torch.compiler.reset()
    graphs.clear()
    model, counts, rates = copy.deepcopy(initial_model), [], []
    optimizer = optimizer_class(model.parameters(), lr=lr)
    change = make_change(optimizer)
    step = torch.compile(optimizer.step, backend=backend, disable=not compiled)
    for _ in range(8):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        rates.append(float(optimizer.param_groups[0]["lr"]))
        step()
        change()
        counts.append(len(graphs))
    return counts, rates, model.weight.detach()


# %%
# A float: two graphs, or one at each step
# ----------------------------------------
#
# The learning rate is halved after each step. At the second step, the compiler finds
# another value than the one it compiled for. It compiles once more, with a variable in
# place of the number. For AdamW on the CPU, this graph serves from then on.
#
# SGD needs the number itself. At the second step, the compiler makes a graph with a
# variable, and then one more with the number. Each new rate is then compiled, until
# ``recompile_limit`` (8) is reached and the step runs eagerly. AdamW does the same with
# ``foreach=True``, its default on CUDA.


def halve(optimizer):
    return ExponentialLR(optimizer, gamma=0.5).step


float_counts, float_rates, _ = train(0.1, halve)
sgd_counts, _, _ = train(0.1, halve, optimizer_class=torch.optim.SGD)
print("float lr, graphs after each step:", float_counts)
print("float lr and SGD:                ", sgd_counts)
assert 1 < float_counts[-1] < sgd_counts[-1]

# %%
# A tensor: one graph
# -------------------
#
# Wrap the number in a tensor. A tensor is an input of the graph from the start, and the
# scheduler fills it in place. The rates must follow the formula, and the weights must
# equal what an optimizer without compilation gives.

tensor_counts, tensor_rates, weight = train(torch.tensor(0.1), halve)
_, _, eager_weight = train(0.1, halve, compiled=False)
sgd_tensor, _, _ = train(torch.tensor(0.1), halve, optimizer_class=torch.optim.SGD)
print("tensor lr, graphs after each step:", tensor_counts)
print("tensor lr and SGD:                ", sgd_tensor)
print("rates:", *[f"{rate:.5f}" for rate in tensor_rates])
torch.testing.assert_close(weight, eager_weight)
torch.testing.assert_close(tensor_rates, [0.1 * 0.5**k for k in range(8)])
assert tensor_counts == sgd_tensor == [1] * 8

# %%

fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
steps = range(1, 9)
curves = [(float_rates, tensor_rates), (float_counts, tensor_counts)]
for ax, (of_float, of_tensor) in zip(axes, curves, strict=True):
    ax.plot(steps, of_float, "--o", color="tab:orange", label="float lr", markersize=9)
    ax.plot(steps, of_tensor, "-s", color="tab:blue", label="tensor lr", markersize=4)
    ax.set(xlabel="step", ylim=(0, None))
axes[1].plot(steps, sgd_counts, ":^", color="tab:orange", label="float lr, SGD")
axes[0].set(title="Same learning rates", ylabel="learning rate")
axes[1].set(title="A tensor lr compiles once", ylabel="graphs received so far")
axes[1].set(ylim=(0, 10))
fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# When it is not so: other numbers that move
# ------------------------------------------
#
# The tensor helps as long as it stays in place, and as long as nothing else changes. To
# set a rate by hand, fill the tensor; assigning a number replaces it. SGD with momentum
# compiles twice even with a tensor: at the first step, its momentum buffers are
# missing. :class:`~torch.optim.lr_scheduler.OneCycleLR` moves AdamW's betas as well,
# unless you give it ``cycle_momentum=False``.


def assign_a_float(optimizer):
    return lambda: optimizer.param_groups[0].update(lr=0.01)


def fill_the_tensor(optimizer):
    return lambda: optimizer.param_groups[0]["lr"].fill_(0.01)


def one_cycle(optimizer, cycle_momentum=True):
    options = {"total_steps": 9, "cycle_momentum": cycle_momentum}
    return OneCycleLR(optimizer, max_lr=0.1, **options).step


def one_cycle_lr_only(optimizer):
    return one_cycle(optimizer, cycle_momentum=False)


# %%

counted = {}
for make_change in [assign_a_float, fill_the_tensor, one_cycle, one_cycle_lr_only]:
    counts, _, _ = train(torch.tensor(0.1), make_change)
    counted[make_change.__name__] = counts[-1]
    print(f"{make_change.__name__:18} graphs: {counts[-1]}")
assert counted["fill_the_tensor"] == counted["one_cycle_lr_only"] == 1
assert counted["assign_a_float"] > 1 and counted["one_cycle"] > 1

# %%
# A checkpoint brings its learning rate along. If it was saved with a float, the tensor
# is gone after loading. Wrap the number again, on the device of the parameters:

old = torch.optim.AdamW(initial_model.parameters(), lr=0.05)
resumed = torch.optim.AdamW(initial_model.parameters(), lr=torch.tensor(0.05))
resumed.load_state_dict(old.state_dict())
print("after loading:", resumed.param_groups[0]["lr"])
assert isinstance(resumed.param_groups[0]["lr"], float)
for group in resumed.param_groups:
    group["lr"] = torch.as_tensor(group["lr"])  # the mend
print("wrapped again:", resumed.param_groups[0]["lr"])

# %%
# The backend for the lines below, and a model whose start they share with the check.

default = "inductor" if shutil.which("c++") else "eager"
large_model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))

# %%
# In your project
# ---------------
#
# First try ``AdamW(..., fused=True)`` without a compiler: a new rate compiles nothing.
# If you compile, the default backend, ``"inductor"``, is the one that makes a step
# faster. On the CPU it needs a C++ compiler; without one this page takes ``"eager"``,
# which gains nothing. On a CUDA GPU, add ``capturable=True``: without it,
# ``foreach=True`` refuses a tensor.
#
# Give each parameter group a tensor, as here. With ``AdamW(groups, lr=tensor)``, groups
# without an ``lr`` share one tensor, and ``ReduceLROnPlateau`` lowers it once for each
# group. Run the loop over the groups again after ``optimizer.load_state_dict``.
#
# ``GradScaler.step`` calls ``optimizer.step``, which is not compiled. With a scaler,
# write ``optimizer.step = torch.compile(optimizer.step)``, after the scheduler.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = copy.deepcopy(large_model).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
for group in optimizer.param_groups:
    group["lr"] = torch.tensor(float(group["lr"]), device=device)  # new: a tensor
scheduler = ExponentialLR(optimizer, gamma=0.9)  # before the step is compiled
compiled_step = torch.compile(optimizer.step, backend=default)  # new
for _ in range(3):
    optimizer.zero_grad()
    loss_fn(model(inputs.to(device)), targets.to(device)).backward()
    compiled_step()
    scheduler.step()

# %%
# Check these lines
# -----------------
#
# The same steps without a compiler, with a number as the learning rate, give the same
# weights.

assert isinstance(group["lr"], torch.Tensor)
eager = copy.deepcopy(large_model).to(device)
eager_optimizer = torch.optim.AdamW(eager.parameters(), lr=1e-3, weight_decay=0.01)
schedule = ExponentialLR(eager_optimizer, gamma=0.9)
for _ in range(3):
    eager_optimizer.zero_grad()
    loss_fn(eager(inputs.to(device)), targets.to(device)).backward()
    eager_optimizer.step()
    schedule.step()
torch.testing.assert_close(list(model.parameters()), list(eager.parameters()))
print("compiled and eager weights agree, rate", f"{group['lr']:.6f}")

# %%
# Learn more
# ----------
#
# - Schedules and their order: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - Find what makes it compile again: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - What compiling the step gains:
#   :ref:`sphx_glr_recipes_recipes_compiling_optimizer.py`
# - Compile the model: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
