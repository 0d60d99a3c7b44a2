# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Distributed", "Errors"]
# after = ["ddp_two_processes"]
# timeout = 120
# cpus = 2
# requires = ["torchrun"]
# searched_as = [
#   "torchrun exits with code 1", "elastic agent", "multi-GPU training crashes",
#   "master_port", "out of memory killer", "segmentation fault", "Address in use",
# ]
# errors = [
#   "torch.distributed.elastic.multiprocessing.errors.ChildFailedError",
#   "traceback : To enable traceback see:",
#   "The server socket has failed to listen on any local network address",
# ]
# older_errors = ["RuntimeError: Address already in use"]
# ///
"""
ChildFailedError from torchrun: find the rank, the line and the cause
=====================================================================

Read which rank failed first, and have its traceback printed in the summary.

``torchrun`` starts your script several times, and only knows that one of them ended.
Its own traceback is about ``torchrun``. Your mistake is elsewhere: search the output
above the summary for the first ``Traceback``. Put ``@record`` above your main
function, and the next summary shows the traceback.
"""

# %%
# A mistake in one process
# ------------------------
#
# The *rank* is the number of a process. Each rank adds up the numbers of its file. The
# file of rank 1 has a comma where a point should be.

import inspect
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

# %%


def add_up():
    rank = int(os.environ["RANK"])
    words = Path(f"part{rank}.txt").read_text().split()
    total = torch.tensor(list(map(float, words))).sum()
    dist.init_process_group("gloo")
    dist.all_reduce(total)
    print(f"rank {rank}: {total.item()}")
    dist.destroy_process_group()


# %%
# The script is the source of such a function. In a terminal you type
# ``torchrun --standalone --nproc-per-node=2 train.py``, on Windows in WSL.

imports = """import os, torch, torch.distributed as dist
from pathlib import Path
from torch.distributed.elastic.multiprocessing.errors import record
"""
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
for rank, text in enumerate(["1.5 2.5", "3.5 4,5"]):
    (folder / f"part{rank}.txt").write_text(text)

# %%


def torchrun(function, *options):
    call = f"if __name__ == '__main__':\n    {function.__name__}()\n"
    source = "\n".join([imports, inspect.getsource(function), call])
    (folder / "train.py").write_text(source)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--local-addr=127.0.0.1", "--log-dir=logs"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # one core for each process
    pipe = {"capture_output": True, "text": True}
    done = subprocess.run([*command, *options, "train.py"], cwd=folder, env=env, **pipe)
    summary = done.stderr[done.stderr.rfind("torch.distributed.elastic.multiproc") :]
    return done, re.sub(r"(?m)^ +(time|host) .*\n", "", summary).strip()


# %%
# Read the summary
# ----------------
#
# The summary is the end of what ``torchrun`` prints, here without time and host. Read
# its last block first: the *root cause* is the rank that ``torchrun`` saw fail first.

# Output differs from run to run.
naive, summary = torchrun(add_up)
print(summary)

# %%
# - ``rank: 1`` failed first. Rank 0 waited for it, until ``torchrun`` ended rank 0 with
#   signal 15 (SIGTERM). The failure of rank 0 is only a consequence.
# - ``exitcode: 1`` means that Python raised an error, or that the script called
#   ``sys.exit(1)``.
# - ``traceback`` has a link only. The real traceback stands above, among the lines of
#   all ranks.

root = summary[summary.index("Root Cause") :]
assert naive.returncode == 1 and "ValueError" in naive.stderr
assert "rank      : 1" in root and "ValueError" not in summary

# %%
# In your project
# ---------------
#
# The decorator ``record`` writes the error of a rank to a file, and ``torchrun`` copies
# the error into the summary. Import ``record`` as this page does, put it on the
# outermost function, and call this function. An error outside of it, as in an import,
# is not recorded, and neither is ``sys.exit(1)``.


@record  # new
def main():
    rank = int(os.environ["RANK"])
    words = Path(f"part{rank}.txt").read_text().split()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if torch.cuda.device_count() < int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cpu")  # too few GPUs for all processes
    total = torch.tensor(list(map(float, words))).sum().to(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    dist.all_reduce(total)
    print(f"rank {rank}: {total.item()}")
    dist.destroy_process_group()


# %%
# Proof: the same mistake, named
# ------------------------------
#
# ``--redirects=3`` writes what a rank prints into files of this rank, and no longer on
# the screen. ``--tee=3`` writes them, too, and prints ``[default1]:`` before the lines
# of local rank 1. You type
# ``torchrun --standalone --nproc-per-node=2 --tee=3 --log-dir=logs train.py``. Without
# ``--log-dir``, the files are in a temporary folder, ``torchelastic_...``.

# Output differs from run to run.
failed, summary = torchrun(main, "--redirects=3")
root = summary[summary.index("Root Cause") :]
folders = r'(?<=logs/)[^/]+/|(?<=File ")[^"]+/'  # other ones in each run
print(re.sub(folders, ".../", root))
assert "ValueError: could not convert string to float: '4,5'" in root

# %%

log = next(folder.glob("logs/*/attempt_0/1/stderr.log"))
print(f"the file of rank 1: {log.read_text().strip().splitlines()[-1]}")
assert "ValueError" in log.read_text()
(folder / "part1.txt").write_text("3.5 4.5")
mended, _ = torchrun(main, "--redirects=3")
texts = [file.read_text() for file in folder.glob("logs/*/attempt_0/*/stdout.log")]
print(*sorted(texts), sep="", end="")
assert mended.returncode == 0 and "".join(texts).count(": 12.0") == 2

# %%
# What the exit code says
# -----------------------
#
# A negative code is a signal. Usually no Python error is behind it: then ``record`` has
# none to write, and the summary shows no traceback.
#
# - ``-9``: killed from outside, often because the memory of the machine or container
#   was full. ``torchrun`` also kills ranks, 30 seconds after SIGTERM. These are not the
#   root cause.
# - ``-11`` and ``-6``: a crash in compiled code. With ``record``, or with
#   ``PYTHONFAULTHANDLER=1``, that rank prints ``Fatal Python error`` and the line of
#   Python. On GPUs, ``-6`` is often NCCL after a timeout: search for ``Watchdog`` in
#   the output of all ranks.
# - ``-6`` after all work was done: with ``terminate called without an active
#   exception``, a thread, often one of gloo, still needed Python while Python ended.
#   What was saved is whole.
# - ``2``: the script refused its arguments, or Python did not find the script.

for name in ("SIGKILL", "SIGSEGV", "SIGABRT"):
    number = getattr(signal, name)
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True)
    print(ended.returncode, "is", signal.Signals(-ended.returncode).name)
    assert ended.returncode == -number

# %%
# When it is not so
# -----------------
#
# The first failure that ``torchrun`` sees need not be the cause. If that rank reports a
# closed connection or a timeout, read the files of the other ranks, too. On several
# machines, each summary has the ranks of one machine only: read all summaries.
#
# If no summary names a rank, the port may be in use. On several machines, ``torchrun``
# wants port 29500, or 29400 with ``--rdzv-backend=c10d``. A second training may have
# the port already. Older releases want port 29500 on one machine, too, without
# ``--standalone``.

# Output differs from run to run.
with socket.create_server(("127.0.0.1", 0)) as other:
    port = other.getsockname()[1]
    try:
        dist.TCPStore("127.0.0.1", port, is_master=True)
        refused = False
    except RuntimeError as error:
        refused = "EADDRINUSE" in str(error)
        print(error)
    free = dist.TCPStore("127.0.0.1", 0, is_master=True).port  # 0: any free port
assert refused and free not in (0, port)
temporary.cleanup()

# %%
# ``--standalone`` takes a free port. On several machines, choose another port with
# ``--rdzv-endpoint=HOST:29501``, or with ``--master-port`` beside ``--master-addr``.
# Without ``torchrun``, set ``MASTER_PORT``.
#
# Learn more
# ----------
#
# - Train in two processes: :ref:`sphx_glr_recipes_recipes_ddp_two_processes.py`
# - A worker of a ``DataLoader`` that was killed:
#   :ref:`sphx_glr_recipes_recipes_error_dataloader_worker_killed.py`
