# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "numpy"]
# [tool.recipe]
# tags = ["Saving and loading", "Errors"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 60
# searched_as = [
#   "UnpicklingError", "is weights_only=False safe", "new default of torch.load",
#   "torch.load fails since 2.6", "add_safe_globals", "unsafe pickle", "malicious file",
#   "load a checkpoint from the internet", "downloaded weights do not load",
#   "corrupted checkpoint", "git lfs pointer", "numpy scalar in a checkpoint",
# ]
# errors = [
#   "Weights only load failed. This file can still be loaded",
#   "WeightsUnpickler error: Unsupported global: GLOBAL",
#   "Unsupported operand",
#   "PytorchStreamReader failed reading zip archive: failed finding central directory",
# ]
# older_errors = [
#   '''Weights only load failed. Re-running `torch.load` with `weights_only` set to
#   `False` will likely succeed''',
#   "_pickle.UnpicklingError: invalid load key, 'v'",
#   "_pickle.UnpicklingError: invalid load key, '<'",
#   "GLOBAL numpy.core.multiarray.scalar was not an allowed global by default",
#   "GLOBAL numpy.core.multiarray._reconstruct was not an allowed global by default",
# ]
# ///
"""
Weights only load failed: open an old checkpoint without its code
=================================================================

Find out what a refused checkpoint asks for, allow that alone, and run no other code.

A checkpoint is a pickle, and a pickle is a small program: it may call any function of
your Python. The first remedy in the message, ``weights_only=False``, lets the file do
that. Use it only for files that you wrote yourself. Often the file wants only a
harmless class, or a number of NumPy.
"""

# %%
# Three files
# -----------
#
# ``scores.pt`` holds a tensor, a number and an array of NumPy, and the settings of the
# command line. ``whole.pt`` holds a model object. ``trap.pt`` stands for a file with
# bad intentions. Here its one call only makes a folder.

import argparse
import io
import os
import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

# %%

folder = tempfile.TemporaryDirectory()
home = Path(folder.name)
made = home / "made_by_the_file"


class Trap:
    def __reduce__(self):  # what to call in order to load this object
        return os.mkdir, (str(made),)


torch.manual_seed(0)
weight = torch.randn(3, 2)
settings = argparse.Namespace(rate=0.1, depth=4)
scores = {"weight": weight, "best": np.mean([0.875, 1.0]), "settings": settings}
scores["losses"] = np.array([0.5, 0.25], dtype=np.float32)
torch.save(scores, home / "scores.pt")
torch.save(torch.nn.Linear(2, 3), home / "whole.pt")
torch.save({"weight": weight, "extra": Trap()}, home / "trap.pt")

# %%
# The message
# -----------
#
# Read the line with ``GLOBAL``. The name after this word is a function or a class that
# the file asks for, and that :func:`torch.load` does not allow. More such names may
# follow. Before PyTorch 2.6 the default was ``weights_only=False``: the same file
# loaded.

try:
    torch.load(home / "scores.pt")
except Exception as error:  # pickle.UnpicklingError
    refused = str(error)
    print(error)
assert "GLOBAL numpy._core.multiarray.scalar" in refused

# %%
# What else the file wants
# ------------------------
#
# ``get_unsafe_globals_in_checkpoint`` lists the names and calls nothing. The names
# tell your case:
#
# - The four names of NumPy below, ``argparse.Namespace``, paths of ``pathlib``, your
#   class of settings: values. Allow only these: another name,
#   ``numpy.testing.runstring``, would run any code.
# - Classes of layers: somebody saved a model object. Ask for its ``state_dict``.
# - ``os``, ``posix``, ``nt``, ``subprocess``, ``exec``, ``eval``: delete the file.
#   Any function that you do not know can lead there: do not allow it.
#
# Files from before PyTorch 1.6 give a ``ValueError`` here: read the names from the
# messages, in turn. A TorchScript file needs ``torch.jit.load``.

for name in ("scores.pt", "whole.pt", "trap.pt"):
    wanted = sorted(get_unsafe_globals_in_checkpoint(home / name))
    print(f"{name:9}", *wanted)
assert not made.exists()

# %%
# See the problem: weights_only=False
# -----------------------------------
#
# By default the trap is refused. With ``weights_only=False`` it loads without a word
# and makes the folder.

for weights_only in (True, False):
    try:
        loaded = torch.load(home / "trap.pt", weights_only=weights_only)
    except Exception as error:
        print(*[line for line in str(error).splitlines() if "GLOBAL" in line])
        assert "mkdir whose module" in str(error)
    print(f"weights_only={weights_only}: folder made: {made.exists()}")
    assert made.exists() == (not weights_only)

# %%
# The mend: allow the names that you have read
# --------------------------------------------
#
# Inside ``safe_globals`` the listed names are allowed, too. These names are not enough:
# NumPy's numbers and arrays also need the class of their dtype, which the list above
# does not show. A second message asks for this class. (With NumPy 1, write
# ``np.core``.)

multi = np._core.multiarray
names = [multi.scalar, multi._reconstruct, np.ndarray, np.dtype, argparse.Namespace]
with safe_globals(names):
    try:
        torch.load(home / "scores.pt")
    except Exception as error:
        second = str(error)
        print(*[line for line in second.splitlines() if "Can only build" in line])
assert "numpy.dtypes.Float64DType" in second

# %%
# So allow the class of each dtype, here of float64 and float32. The pairs are for files
# that NumPy 1 wrote: there the module had another name. A class that has moved needs a
# pair, too.

names += [type(np.dtype(np.float64)), type(np.dtype(np.float32))]
for function in (multi.scalar, multi._reconstruct):
    names += [(function, f"numpy.core.multiarray.{function.__name__}")]
with safe_globals(names):
    old = torch.load(home / "scores.pt")
    try:
        torch.load(home / "trap.pt")
    except Exception as error:
        still_refused = "mkdir" in str(error)
print("best", float(old["best"]), old["settings"], "trap refused:", still_refused)
assert torch.equal(old["weight"], weight) and old["best"] == 0.9375 and still_refused

# %%
# Does a library call ``torch.load``? Update the library first. If that does not help,
# put the library's call inside ``with safe_globals(names):``, or write
# ``torch.serialization.add_safe_globals(names)`` once at the top of the script. The
# variable ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` instead trusts every file, as
# ``weights_only=False`` does, unless the call passes ``weights_only``.

# %%
# When it is not so: no file of torch.save
# ----------------------------------------
#
# ``Unsupported operand 118`` or ``60``: the file is no pickle, and the number is its
# first byte. 118 is the letter ``v``, from ``version``: a pointer of Git LFS, so run
# ``git lfs pull``. 60 is ``<``, a web page. With ``weights_only=False`` both say
# ``invalid load key``. A ``.safetensors`` file needs ``safetensors.torch.load_file``.
# ``failed finding central directory``: the download stopped, or your run died while it
# saved. Take another file.
#
# ``149``: a pickle in a newer protocol, made by ``pickle.dump`` or with
# ``pickle_protocol=4``. ``weights_only=True`` cannot read it: ask for a file that
# ``torch.save`` wrote with its defaults.

pointer = b"version https://git-lfs.github.com/spec/v1\nsize 19332096\n"
stopped = (home / "scores.pt").read_bytes()[:-100]
dumped = pickle.dumps({"rate": 0.1}, protocol=4)
last = {}
warnings.filterwarnings("ignore", "Detected pickle protocol 4")  # for the third
for name, content in {"LFS": pointer, "stopped": stopped, "pickle": dumped}.items():
    try:
        torch.load(io.BytesIO(content))
    except Exception as error:  # UnpicklingError, RuntimeError
        last[name] = str(error)
        print(f"[{name}] first byte {content[0]}: {error}\n")
assert f"operand {ord('v')}" in last["LFS"] and "central" in last["stopped"]
assert "operand 149" in last["pickle"] and dumped[0] == 128

# %%
# In your project
# ---------------
#
# Convert the file once, into values that load by default. ``names`` is the list above,
# with the names of your file. For a class that you cannot allow, use
# ``weights_only=False`` in a container with this file alone and no network.

with safe_globals(names):  # only names that you have read
    old = torch.load(home / "scores.pt", map_location="cpu", weights_only=True)
plain = {  # new: what the messages named, without their classes
    "best": float(old["best"]),
    "losses": torch.from_numpy(old["losses"]),
    "settings": vars(old["settings"]),
}
torch.save(old | plain, home / "plain.pt")  # all other keys stay
checkpoint = torch.load(home / "plain.pt", map_location="cpu", weights_only=True)

# %%
# Check
# -----
#
# A file with the module's old name loads.

print("asks for:", get_unsafe_globals_in_checkpoint(home / "plain.pt"))
assert torch.equal(checkpoint["weight"], weight) and checkpoint["best"] == 0.9375
assert checkpoint["settings"] == {"rate": 0.1, "depth": 4}
assert checkpoint["losses"].tolist() == [0.5, 0.25]
values = {name: scores[name] for name in ("best", "losses")}
torch.save(values, file := io.BytesIO(), _use_new_zipfile_serialization=False)
numpy1 = io.BytesIO(file.getvalue().replace(b"numpy._core", b"numpy.core"))
with safe_globals(names):
    assert torch.load(numpy1)["best"] == 0.9375
folder.cleanup()

# %%
# Learn more
# ----------
#
# - Save the state, not the object:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_models_for_inference.py`
# - It loads, and the names differ:
#   :ref:`sphx_glr_recipes_recipes_error_loading_state_dict.py`
# - What to put into a checkpoint:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
