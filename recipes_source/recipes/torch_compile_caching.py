# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["regional_compilation"]
# timeout = 300
# requires = ["c++"]
# searched_as = [
#   "compile cache", "mega-cache", "warm start", "cold start", "cache miss",
#   "TORCHINDUCTOR_CACHE_DIR", "torchinductor_root in tmp", "cache in docker", "redis",
#   "save compiled model", "disable torch.compile cache", "recompiles after restart",
#   "FX graph cache", "AOTAutograd cache", "torch.compiler.save_cache_artifacts",
# ]
# ///
"""
torch.compile caching: start the next process from compiled code
================================================================

Keep what torch.compile has made, take it to a new machine, and see whether it is used.

Why it matters: the first call of a compiled model takes seconds, and for a large model
minutes. PyTorch keeps the result in a folder for temporary files. A new container has
an empty one, and compiles everything again. For a CPU, keep the folder
(``TORCHINDUCTOR_CACHE_DIR``). For a GPU, a file is enough.
"""

# %%
# A process that compiles
# -----------------------
#
# ``first_step`` compiles a model for training: one graph for ``forward``, one for
# ``backward``. Counters inside of PyTorch say how many graphs were found in the cache,
# and how many were compiled.

import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor.utils import fresh_cache

# %%


def first_step():
    import time

    import torch
    from torch import nn
    from torch._dynamo.utils import counters

    counters.clear()
    torch.compiler.reset()  # forget what this process has compiled before
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    compiled = torch.compile(model)
    start = time.perf_counter()
    compiled(torch.randn(4, 8)).sum().backward()
    seconds, found = time.perf_counter() - start, counters["inductor"]
    hits, misses = found["fxgraph_cache_hit"], found["fxgraph_cache_miss"]
    print(f"graphs found: {hits}, compiled: {misses}, first step: {seconds:.1f} s")
    return hits, misses


# %%


def first_process():
    import torch

    first_step()
    artifacts, info = torch.compiler.save_cache_artifacts()
    with open("compiled.bin", "wb") as file:
        file.write(artifacts)


# %%
# ``TORCHINDUCTOR_CACHE_DIR`` names the folder of the cache. Here it is empty at first.
# (Otherwise it is ``torchinductor_`` and your user name, in the temporary files.)

# Output differs from run to run.
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder.name, "cache"))
source = f"{inspect.getsource(first_step)}\n\n{inspect.getsource(first_process)}"
Path(folder.name, "first.py").write_text(f"{source}\n\nfirst_process()\n")
command = [sys.executable, "first.py"]
done = subprocess.run(command, cwd=folder.name, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
print(done.stdout.strip())
assert "found: 0, compiled: 2" in done.stdout

# %%
# The next process
# ----------------
#
# This process has compiled nothing yet, and uses the same folder:

# Output differs from run to run.
assert first_step() == (2, 0)

# %%
# It is not free: Python code is traced again, and the graph is looked up. A new process
# also imports the compiler.
#
# A new machine
# -------------
#
# :func:`torch.compiler.save_cache_artifacts` has put all entries of the first process
# into one file. ``load_cache_artifacts`` writes them into an empty folder, before the
# first call of the model. The entries are pickled: load only files that you trust.
# ``fresh_cache`` gives an empty folder, as a new machine has.

store = Path(folder.name, "compiled.bin")


def libraries():  # machine code in the folder, on Linux, macOS and Windows
    files = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).rglob("*")
    return sum(file.suffix in {".so", ".pyd", ".dll"} for file in files)


# %%

# Output differs from run to run.
with fresh_cache():
    info = torch.compiler.load_cache_artifacts(store.read_bytes())
    print({kind: len(keys) for kind, keys in info.artifacts.items()})
    before = libraries()
    assert first_step() == (2, 0)
    print(f"libraries loaded: {before}, compiled: {libraries() - before}")
    assert before == 0 < libraries()

# %%
# Both graphs were found. But for a CPU, an entry holds C++ code and no machine code. So
# the new machine needs a C++ compiler, and time for it. A new process also builds
# libraries that test the CPU.
#
# So for a CPU, the file saves little time, and the folder saves most: it has the
# machine code, too. Copy it, or keep it on a disk that outlives the container.
#
# Give each model of CPU a file and a folder: the key does not name the CPU. With AVX2
# in place of AVX-512, the entries are found, and results can be wrong, silently.

# Output differs from run to run.
original = os.environ["TORCHINDUCTOR_CACHE_DIR"]
with fresh_cache():
    copy = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    shutil.copytree(original, copy, dirs_exist_ok=True)
    before = libraries()
    assert first_step() == (2, 0)
    print(f"libraries copied: {before}, compiled: {libraries() - before}")
    assert before == libraries() > 0

# %%
# What makes a miss
# -----------------
#
# The key of an entry is made from the graph, the sizes and types of its inputs, and the
# settings. Weights are inputs: new values change nothing.


def lookup(layer, rows=4, dtype=None, **options):
    counters.clear()
    torch.compiler.reset()
    with torch.no_grad():
        torch.compile(layer, **options)(torch.randn(rows, 8, dtype=dtype))
    found = counters["inductor"]
    names = {"fxgraph_cache_hit": "hit", "fxgraph_cache_miss": "miss"}
    return " and ".join(names[key] for key in names if found[key]) or "neither"


# %%

layer, flags = nn.Linear(8, 4), {"epilogue_fusion": False}
table = {
    "the first time": lookup(layer),
    "the same": lookup(layer),
    "other weights": lookup(nn.Linear(8, 4)),
    "5 rows": lookup(layer, rows=5),
    "float64": lookup(nn.Linear(8, 4, dtype=torch.float64), dtype=torch.float64),
    "no bias": lookup(nn.Linear(8, 4, bias=False)),
    "another option": lookup(layer, options=flags),
    "dynamic": lookup(layer, dynamic=True),
    "dynamic, 5 rows": lookup(layer, rows=5, dynamic=True),
}

# %%

torch.compiler.config.cache_key_tag = "experiment 2"
table["another tag"] = lookup(layer)
torch.compiler.config.cache_key_tag = ""
with torch._inductor.config.patch(fx_graph_cache=False):
    table["switched off"] = lookup(layer)
for change, outcome in table.items():
    print(f"{change:16} {outcome}")
hits = [change for change, outcome in table.items() if outcome == "hit"]
assert hits == ["the same", "other weights", "dynamic, 5 rows"]
assert list(table.values()).count("miss") == 7

# %%
# Another release of PyTorch makes other keys, and finds nothing. So do another number
# of threads, for CPU code, another model of GPU, and another CUDA or Triton. Set these
# environment variables before Python starts:
#
# - ``TORCHINDUCTOR_FX_GRAPH_CACHE=0``: switched off, as above.
# - ``TORCHINDUCTOR_FORCE_DISABLE_CACHES=1``: all caches off, to time a first call.
# - ``TORCH_COMPILE_CACHE_KEY_TAG``: the tag. A new one leaves the old entries aside.
# - ``TORCHINDUCTOR_FX_GRAPH_REMOTE_CACHE=1``: machines share a Redis server, at
#   ``TORCHINDUCTOR_REDIS_HOST`` and ``TORCHINDUCTOR_REDIS_PORT``, by the package
#   ``redis``. (Not tried here.)

# %%
# When it is not so: a second save
# --------------------------------
#
# Save once in a process. A second ``save_cache_artifacts`` names all entries, but
# ``load_cache_artifacts`` reads, of each kind, only the last part:


def count(info):
    return sum(len(keys) for keys in info.artifacts.values())


first, info = torch.compiler.save_cache_artifacts()
loaded = torch.compiler.load_cache_artifacts(first)
print(f"first:  {count(info)} entries saved, {count(loaded)} loaded")
assert count(info) == count(loaded)
lookup(nn.Linear(8, 2))
second, info = torch.compiler.save_cache_artifacts()
loaded = torch.compiler.load_cache_artifacts(second)
print(f"second: {count(info)} entries saved, {count(loaded)} loaded")
assert count(loaded) < count(info)

# %%
# For the lines that follow: new counters, and a folder with the libraries but without
# the entries.

without = Path(folder.name, "without")
entries = shutil.ignore_patterns("fxgraph", "aotautograd")
shutil.copytree(original, without, ignore=entries)
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(without)
torch.compiler.reset()
counters.clear()

# %%
# In your project
# ---------------
#
# For a CPU, or where machines share a disk, keep the folder instead:
# ``TORCHINDUCTOR_CACHE_DIR=/data/compiled python train.py``. For a GPU, the file holds
# machine code (untried here).
#
# - ``store`` is the path of your file. With ``torchrun``, give each rank a file.
# - Save when each graph has run: ``forward``, ``backward``, and validation, if any.
# - The file is written again only if a graph was missing.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
if store.exists():  # new: before the first call of the model
    torch.compiler.load_cache_artifacts(store.read_bytes())
model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4)).to(device)
compiled = torch.compile(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for x in torch.randn(3, 4, 8, device=device):
    compiled(x).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
if counters["inductor"]["fxgraph_cache_miss"]:  # new: once, when all graphs have run
    store.write_bytes(torch.compiler.save_cache_artifacts()[0])

# %%
# Check
# -----
#
# The folder had no entries, so both graphs came from the file. (It was made for a CPU.
# On a GPU, the lines compile both, and write the file.)

expected = {"fxgraph_cache_hit": 2} if device == "cpu" else {"fxgraph_cache_miss": 2}
found = {key: counters["inductor"][key] for key in expected}
print(f"graphs: {sum(found.values())}")
assert found == expected
del os.environ["TORCHINDUCTOR_CACHE_DIR"]
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Less to compile: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
# - Compile before you deploy, and load machine code:
#   :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - Why a running process compiles again: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
