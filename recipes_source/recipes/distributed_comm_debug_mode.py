# /// script
# requires-python = ">=3.11"
# dependencies = ["torch>=2.13"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["tensor_parallel", "fully_sharded_data_parallel"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "count collectives", "communication overhead", "all_reduce count", "all_gather",
#   "reduce_scatter", "trace collectives", "debug tensor parallel", "DTensor debug",
#   "fake process group", "communication volume", "too much communication",
# ]
# errors = ["returned a view tensor. An in-place op on this view"]
# ///
"""
Getting Started with CommDebugMode
==================================

Count the messages of a training step, find who sends them, and test it without a GPU.

Why it matters: a plan for tensor parallelism can be right and send twice as many
messages as it must. And a line that should ask the other ranks, and does not, returns a
number that looks good. Results tell neither. Counts do.
"""

# %%
# Two plans for one model
# -----------------------
#
# Both divide the layers over two *ranks*, as processes are called. The first plan
# collects the whole output of each layer. The second lets ``up`` and ``down`` work as a
# pair: see :ref:`sphx_glr_recipes_recipes_tensor_parallel.py`.

import inspect
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, parallel
from torch.distributed.tensor.debug import CommDebugMode

# %%


def make():
    torch.manual_seed(0)
    model = nn.Sequential()
    for name in ("first", "second"):
        block = nn.Sequential()
        block.add_module("up", nn.Linear(16, 64))
        block.add_module("act", nn.ReLU())
        block.add_module("down", nn.Linear(64, 16))
        model.add_module(name, block)
    return model, torch.randn(8, 16)


# %%


def divide(model, mesh, plan="pairs"):
    up = down = parallel.ColwiseParallel(output_layouts=Replicate())
    if plan == "pairs":
        up, down = parallel.ColwiseParallel(), parallel.RowwiseParallel()
    return parallel.parallelize_module(model, mesh, {"*.up": up, "*.down": down})


# %%
# The idea: count inside a ``with``
# ---------------------------------
#
# ``CommDebugMode`` counts *collectives*, the messages in which all ranks take part.


def count(line):
    with CommDebugMode() as messages:  # new
        result = line()
    found = messages.get_comm_counts().items()
    return result, {str(kind).split(".")[-1]: n for kind, n in found}


def compare_plans(mesh):
    found = {}
    for plan in ("each layer", "pairs"):
        model, inputs = make()
        divide(model, mesh, plan)
        output, forward = count(lambda model=model, inputs=inputs: model(inputs))
        _, backward = count(output.sum().backward)
        found[plan] = forward, backward, output.clone().detach()
    return found


# %%
# Without other processes
# -----------------------
#
# In a group of the backend ``"fake"``, the other ranks do not exist. Only the messages
# of rank 0 are counted. Nothing is sent, so the model's numbers are wrong. The counts
# are right, as the proof below shows.

dist.init_process_group("fake", rank=0, world_size=2)
mesh = init_device_mesh("cpu", (2,))
fake_plans = compare_plans(mesh)
for plan, (forward, backward, _) in fake_plans.items():
    print(f"{plan}: forward {forward}, backward {backward}")
gathers = {"all_gather_into_tensor": 4}
assert fake_plans["each layer"][:2] == (gathers, {"all_reduce": 3})
assert fake_plans["pairs"][:2] == ({"all_reduce": 2}, {"all_reduce": 1})

# %%
# By hand: each layer collects its output once, and a pair adds up its output once. In
# ``backward``, each layer or pair adds up the gradient of its input once. The first
# input needs no gradient.
#
# Who sends?
# ----------
#
# The trace shows, for each module, the messages inside it. A higher ``noise_level``
# adds how parameters are divided, then every operation.
# (``generate_comm_debug_tracing_table`` returns the same text, with codes for colours
# in a terminal.)

model, inputs = make()
divide(model, mesh, "each layer")
with CommDebugMode() as messages, tempfile.TemporaryDirectory() as folder:
    model(inputs).sum()
    path = Path(folder, "trace.txt")
    messages.log_comm_debug_tracing_table_to_file(str(path), noise_level=0)
    trace = path.read_text()
print(trace)
senders = [f"Sequential.{block}.up" for block in ("first", "second")]
assert all(f"{name}\n" in trace for name in senders)
assert trace.count("all_gather_into_tensor: 1\n") == 4  # in each layer
detailed = messages.generate_comm_debug_tracing_table(noise_level=1)
assert "\033[" in detailed and "*weight: (Shard(dim=0),)" in detailed

# %%
# Line by line: zero messages can be too few
# ------------------------------------------
#
# With ``fully_shard``, each rank holds a part of each gradient. Which of these lines
# ask the other ranks?


def lines(mesh):
    model, inputs = make()
    for part in (model.first, model.second, model):
        fully_shard(part, mesh=mesh)
    loss, forward = count(lambda: model(inputs).square().mean())
    found = {"forward": (0, forward), "backward": (0, count(loss.backward)[1])}
    gradients = [p.grad for p in model.parameters()]
    total = nn.utils.get_total_norm
    return found | {
        "norm().item()": count(lambda: gradients[0].norm().item()),
        "full_tensor()": count(lambda: gradients[0].norm().full_tensor().item()),
        "8 norms": count(lambda: [g.norm().full_tensor().item() for g in gradients]),
        "total norm": count(lambda: total(gradients).full_tensor().item()),
    }


# %%

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    fake_lines = {name: counts for name, (_, counts) in lines(mesh).items()}
for name, counts in fake_lines.items():
    print(f"{name:13}", counts or "no message")
gathered = {"_allgather_base_": 2}
assert fake_lines["forward"] == gathered
assert fake_lines["backward"] == gathered | {"_reduce_scatter_base_": 2}
logs = [fake_lines[name].get("all_reduce", 0) for name in list(fake_lines)[2:]]
assert logs == [0, 1, 8, 1]

# %%
# ``item()`` asks nobody, so it returns the norm of this rank's part. For a log, one
# total norm is cheaper than eight.
#
# ``fully_shard`` may warn about a view. The hooks of ``CommDebugMode`` are the cause:
# without them, it is quiet.

views = [str(w.message) for w in caught if "view tensor" in str(w.message)]
print(*views[:1])
with warnings.catch_warnings(record=True) as quiet:
    warnings.simplefilter("always")
    model, inputs = make()
    fully_shard(model, mesh=mesh)(inputs)
assert views and not quiet

# %%
# Proof: two real processes
# -------------------------
#
# ``torchrun`` starts the same functions twice, with real messages.

start = """import gc, time, torch, torch.distributed as dist
import torch.distributed.nn  # before there is a group
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, parallel
from torch.distributed.tensor.debug import CommDebugMode
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))"""
end = """torch.save((compare_plans(mesh), lines(mesh)), f"rank{dist.get_rank()}.pt")
gc.collect()
dist.destroy_process_group()
time.sleep(1)  # gloo's threads let go of their tensors"""
functions = map(inspect.getsource, (make, divide, count, compare_plans, lines))

# %%

command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += "--nproc-per-node=2 --local-addr=127.0.0.1 --log-dir=logs train.py".split()
env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "train.py").write_text("\n\n".join([start, *functions, end]))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plans, by_line = torch.load(Path(folder, "rank0.pt"))
same = {name: counts for name, (_, counts) in by_line.items()} == fake_lines
same &= all(plans[plan][:2] == fake_plans[plan][:2] for plan in plans)
print("counts as in the fake group:", same)
assert same

# %%
# One undivided model is the oracle for the numbers.

model, inputs = make()
truth = model(inputs)
truth.square().mean().backward()
for plan in plans:
    far = (plans[plan][2] - truth).abs().max().item()
    print(f"{plan}: off by {far:.3f}")
    assert far < 1e-5
far = (fake_plans["pairs"][2] - truth).abs().max().item()
print(f"pairs, in the fake group: off by {far:.1f}")
assert far > 0.1
norm = model.first.up.weight.grad.norm().item()
alone, asked = by_line["norm().item()"][0], by_line["full_tensor()"][0]
print(f"norm {norm:.4f}, with full_tensor() {asked:.4f}, item() alone {alone:.4f}")
assert abs(asked - norm) < 1e-5 and alone < 0.9 * norm

# %%
# When it is not so
# -----------------
#
# - A count tells no size: eight times the batch is the same number of messages.
# - ``barrier`` and ``send`` are not counted.
# - Names differ: what ``dist.all_reduce`` sends is called ``allreduce_``. A wrong name
#   reads as 0, without an error. So print the whole dictionary first.
# - On a CPU mesh, DTensor replaces an all-to-all by an all-gather: on a GPU, the
#   message can have another name.
# - Where messages depend on values, a fake group's wrong numbers can give wrong counts.
# - The ``backward`` of DistributedDataParallel fails in a fake group: count it with
#   ``gloo`` in a group of one.

model, inputs = make()
divide(model, mesh)
_, counts = count(lambda: model(inputs.repeat(8, 1)).sum())
print("eight times the batch:", counts)
assert counts == fake_plans["pairs"][0]
with CommDebugMode() as messages:
    dist.barrier()
    dist.send(inputs, dst=1)
    dist.all_reduce(inputs)
found = messages.get_comm_counts()
print("counted:", *found)
print("under another name:", found[torch.ops.c10d_functional.all_reduce])
assert messages.get_total_counts() == found[torch.ops.c10d.allreduce_] == 1
dist.destroy_process_group()

# %%
# In your project
# ---------------
#
# A test for pytest, on any machine, for as many ranks as you will have.


def test_messages(plan="pairs", ranks=8):
    dist.init_process_group("fake", rank=0, world_size=ranks)
    try:
        model, inputs = make()
        divide(model, init_device_mesh("cpu", (ranks,)), plan)
        with CommDebugMode() as messages:  # new
            model(inputs).sum().backward()
    finally:
        dist.destroy_process_group()  # or the tests after it have no group
    found = dict(messages.get_comm_counts())
    assert found == {torch.ops.c10d_functional.all_reduce: 3}, found


test_messages()

# %%
# Check
# -----
#
# The test must fail for the other plan.

try:
    test_messages("each layer")
    passed = True
except AssertionError as error:
    print(error)
    passed = False
assert not passed

# %%
# Learn more
# ----------
#
# - Why a pair sends once: :ref:`sphx_glr_recipes_recipes_tensor_parallel.py`
# - What is gathered, and when:
#   :ref:`sphx_glr_recipes_recipes_fully_sharded_data_parallel.py`
# - Which operation takes the time: :ref:`sphx_glr_recipes_recipes_profiler_recipe.py`
