# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Distributed"]
# after = ["fully_sharded_data_parallel"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = ["TP", "Megatron", "model parallelism", "multi-GPU", "split a layer"]
# errors = [
#   "is invalid for input of size",
#   "got mixed torch.Tensor and DTensor",
# ]
# ///
"""
Tensor parallelism: divide an attention layer over two processes
================================================================

Let each process compute half of the heads, and get the output of the whole layer.

Why it matters: ``fully_shard`` divides what is stored, and every process still computes
whole layers. Tensor parallelism also divides the computation of one layer. Give the
processes different samples, as you would elsewhere, and the result is silently wrong.
"""

# %%
# An attention layer
# ------------------
#
# Its four linear layers are all that will be divided. ``forward`` cuts the features
# into heads of 16 features. With -1, the number of heads follows from the features.

import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel
from torch.distributed.tensor.parallel import parallelize_module as parallelize

# %%


def make(heads=-1, size=16):
    class Attention(nn.Module):
        def forward(self, x):
            parts = [self.query(x), self.key(x), self.value(x)]
            parts = [p.view(*p.shape[:2], heads, size).transpose(1, 2) for p in parts]
            mixed = nn.functional.scaled_dot_product_attention(*parts)
            return self.out(mixed.transpose(1, 2).flatten(2))

    torch.manual_seed(0)
    model = Attention()
    for name in ("query", "key", "value", "out"):
        model.add_module(name, nn.Linear(64, 64))
    return model.double()  # to tell mistakes from rounding


# %%


def train(model, samples, device="cpu"):
    torch.manual_seed(1)
    inputs, targets = torch.randn(2, 5, 8, 10, 64, dtype=torch.float64).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for batch, target in zip(inputs[:, samples], targets[:, samples], strict=True):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(batch), target).backward()
        optimizer.step()


# %%
# Columns, then rows
# ------------------
#
# ``ColwiseParallel`` gives each *rank* (the number of a process) half of the outputs of
# a layer: here, two of four heads. No rank needs the other heads, until ``out`` mixes
# them. ``RowwiseParallel`` gives each rank half of the inputs of ``out``. Its results
# are added up over all ranks: one message in ``forward`` for the whole layer.
#
# A divided weight is a ``DTensor``. Its ``to_local()`` is the part of this rank, and
# ``full_tensor()`` collects the whole, which all ranks must call.


def divide(model, mesh):
    plan = {name: ColwiseParallel() for name in ("query", "key", "value")}
    return parallelize(model, mesh, plan | {"out": RowwiseParallel()})


# %%
# In your project
# ---------------
#
# Every rank gets the *same* batch, so use no ``DistributedSampler``. Seed all ranks
# alike before you make the model. Otherwise the layers that stay whole, the loader and
# dropout differ from rank to rank. Load a checkpoint before ``divide``, and make the
# optimizer after it. An optimizer made earlier holds the old weights: the divided
# layers do not learn, and nothing is raised.
#
# In a transformer, the plan has names such as ``"layers.*.attention.query"``. A name
# that fits no layer gives only a warning.
#
# Put ``main()`` and ``dist.destroy_process_group()`` last in ``train.py``, and start
# with ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL.


def main():
    gpus = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    device = "cuda" if gpus else "cpu"
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
    mesh = init_device_mesh(device, (dist.get_world_size(),))  # and picks the GPU
    model = divide(make().to(device), mesh)  # new
    train(model, slice(None), device)
    options = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = states.get_model_state_dict(model, options=options)  # all ranks call it
    if dist.get_rank() == 0:
        torch.save(weights, "model.pt")


# %%
# The study
# ---------
#
# The rest of this page tests these functions. ``study`` trains on the same samples,
# then on other samples on each rank. ``CommDebugMode`` counts the messages of one
# ``forward``. Last, ``forward`` insists on four heads, of 16 features or of any size.


def study(way):
    mesh = init_device_mesh("cpu", (2,))
    shapes = {"four heads": (4, 16), "any size": (4, -1)}
    model = divide(make(*shapes.get(way, (-1, 16))), mesh)
    try:
        with CommDebugMode() as messages:
            model(torch.ones(2, 10, 64, dtype=torch.float64))
    except RuntimeError as error:
        return str(error)
    other = way == "other samples"
    train(model, slice(mesh.get_rank(), None, 2) if other else slice(None))
    parts = [model.query.weight, model.out.weight]
    parts = [(str(part.placements), list(part.to_local().shape)) for part in parts]
    weights = {name: w.full_tensor() for name, w in model.state_dict().items()}
    return weights, parts, messages.get_total_counts()


# %%
# A model may keep plain tensors beside the divided ones, here the weights of a norm.
# Then ``clip_grad_norm_`` fails, and ``clip`` does its work: see the end of this page.


def clip(parameters, most):  # in place of clip_grad_norm_; all ranks must call it
    parameters = list(parameters)
    norms = [p.grad.norm() for p in parameters if p.grad is not None]
    norms = [n.full_tensor() if isinstance(n, DTensor) else n for n in norms]
    norm = torch.stack(norms).norm()
    nn.utils.clip_grads_with_norm_(parameters, most, norm, foreach=False)
    return norm


# %%


def clipped(how, mesh=None):
    attention = divide(make(), mesh) if mesh else make()
    model = nn.Sequential(nn.LayerNorm(64), attention).double()
    torch.manual_seed(2)
    model(torch.randn(2, 10, 64, dtype=torch.float64)).square().sum().backward()
    try:
        norm = how(model.parameters(), 0.1)
    except RuntimeError as error:
        return str(error)
    return norm, how(model.parameters(), 0.1)  # the norm before and after


# %%
# ``torchrun`` starts a file, made of these functions, once for each process. The pause
# at the end: Python can abort if a thread of gloo frees a tensor while Python ends.

start = """import gc, os, time, torch, torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel
from torch.distributed.tensor.parallel import parallelize_module as parallelize"""

# %%

end = """main()
ways = "same samples", "other samples", "four heads", "any size"
found, mesh = {way: study(way) for way in ways}, init_device_mesh("cpu", (2,))
found |= {how.__name__: clipped(how, mesh) for how in (clip, nn.utils.clip_grad_norm_)}
torch.save(found, f"rank{dist.get_rank()}.pt")
gc.collect()
dist.destroy_process_group()
time.sleep(1)  # gloo's threads let go of their tensors"""

# %%

functions = map(inspect.getsource, (make, train, divide, main, study, clip, clipped))
command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
command += "--nproc-per-node=2 --local-addr=127.0.0.1 --log-dir=logs train.py".split()
env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "train.py").write_text("\n\n".join([start, *functions, end]))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = torch.load(Path(folder, "rank0.pt"))
    project = torch.load(Path(folder, "model.pt"))

# %%
# Proof: as one process would train
# ---------------------------------
#
# One process trains the whole layer on all samples.

alone = make()
train(alone, slice(None))
truth = alone.state_dict()
weights, parts, messages = found["same samples"]
print("rank 0 has of query.weight", *parts[0], "and of out.weight", *parts[1])
print("messages in forward:", messages)
assert (parts[0][1], parts[1][1], messages) == ([32, 64], [64, 32], 1)
trained = {way: found[way][0] for way in ("other samples", "same samples")}
for way, weights in (trained | {"in your project": project}).items():
    far = max((weights[name] - truth[name]).abs().max().item() for name in truth)
    print(f"{way}: {far:.3f} from one process")
    assert (far > 1e-3) if way == "other samples" else (far < 1e-6)

# %%
# With other samples on each rank, nothing is raised, and the sums mix the samples. To
# divide the data, too, use a mesh with two dimensions. Each layer waits for messages,
# so keep the ranks that share a layer on one machine.
#
# When it is not so
# -----------------
#
# The number of heads must be a multiple of the number of ranks. So must the number of
# key and value heads, if there are fewer. One ``qkv`` layer, with all queries before
# all keys and values, gives each rank a wrong mix of the three: make three layers.
#
# A rank sees only its part of the features. If the number and the size of the heads are
# written down, ``forward`` fails. If only the number is, nothing is raised: each rank
# makes four heads of half the size, and learns something else.

print(found["four heads"])
assert "is invalid for input of size" in found["four heads"]
weights = found["any size"][0]
far = max((weights[name] - truth[name]).abs().max().item() for name in truth)
print(f"four heads of any size: {far:.3f} from one process")
assert far > 1e-4

# %%
# In a transformer, norms and embeddings often stay plain tensors. Then
# :func:`~torch.nn.utils.clip_grad_norm_` fails. ``clip`` finds the norm that one
# process finds. ``GradScaler`` fails in the same way: train in bfloat16, which needs no
# scaler.

print(found["clip_grad_norm_"])
assert "got mixed torch.Tensor and DTensor" in found["clip_grad_norm_"]
expected = clipped(nn.utils.clip_grad_norm_)
for name, norms in [("clip", found["clip"]), ("one process", expected)]:
    print(f"{name}: norm {norms[0]:.3f}, then {norms[1]:.3f}")
torch.testing.assert_close(found["clip"], expected)
assert expected[0] > 1

# %%
# Learn more
# ----------
#
# - A mesh with two dimensions:
#   :ref:`sphx_glr_recipes_recipes_distributed_device_mesh.py`
# - Count the messages:
#   :ref:`sphx_glr_recipes_recipes_distributed_comm_debug_mode.py`
# - Divide what is stored:
#   :ref:`sphx_glr_recipes_recipes_fully_sharded_data_parallel.py`
