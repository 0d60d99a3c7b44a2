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
#   "You are using `torch.load` with `weights_only=False`",
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
that. Usually all that the file wants is one number of NumPy.
"""

# %%
# Three files
# -----------
#
# ``scores.pt`` holds a tensor, a score that NumPy computed, and the settings of the
# command line. ``whole.pt`` holds a model object. ``trap.pt`` stands for a file with
# bad intentions. Its one call makes a folder, where another would delete one.

import argparse
import io
import os
import tempfile
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
torch.save(scores, home / "scores.pt")
torch.save(torch.nn.Linear(2, 3), home / "whole.pt")
torch.save({"weight": weight, "extra": Trap()}, home / "trap.pt")

# %%
# The message
# -----------
#
# Of all these lines, read the one with ``Unsupported global: GLOBAL``. The name after
# it is a function or a class that the file asks for, and that is not on the list of
# :func:`torch.load`. It is the first such name, not the only one.

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
# tell which case is yours.
#
# - ``numpy`` and ``argparse``: plain values in another dress. Allow these names.
# - Classes of layers: somebody saved a model object. Ask for its ``state_dict``.
# - ``os``, ``posix``, ``nt``, ``subprocess``, ``exec``, ``eval``: delete the file.

for name in ("scores.pt", "whole.pt", "trap.pt"):
    wanted = sorted(get_unsafe_globals_in_checkpoint(home / name))
    print(f"{name:9}", *wanted)
assert not made.exists()

# %%
# See the problem: weights_only=False
# -----------------------------------
#
# By default the trap is refused. With the first remedy of the message it loads without
# a word, and the folder is there.

for weights_only in (True, False):
    try:
        loaded = torch.load(home / "trap.pt", weights_only=weights_only)
    except Exception as error:
        print("refused because of mkdir:", "mkdir" in str(error))
    print(f"weights_only={weights_only}: folder made: {made.exists()}")
    assert made.exists() == (not weights_only)

# %%
# The mend: allow the names that you have read
# --------------------------------------------
#
# Inside ``safe_globals`` the listed names are allowed, and no others. A number of NumPy
# needs three: the function ``scalar``, ``np.dtype``, and the class of the dtype, which
# the list above does not show. The pair is for files that NumPy 1 wrote: there the
# module had another name.

scalar = np._core.multiarray.scalar
numbers = [scalar, np.dtype, type(np.dtype(np.float64))]
numbers += [(scalar, "numpy.core.multiarray.scalar")]
with safe_globals([*numbers, argparse.Namespace]):
    old = torch.load(home / "scores.pt")
    try:
        torch.load(home / "trap.pt")
    except Exception as error:
        still_refused = "mkdir" in str(error)
print("best", float(old["best"]), old["settings"], "trap refused:", still_refused)
assert torch.equal(old["weight"], weight) and old["best"] == 0.9375 and still_refused

# %%
# When it is not so: no checkpoint at all
# ---------------------------------------
#
# ``Unsupported operand`` has another cause: the file is no pickle, and its first byte
# has this number. Below, 118 is the letter ``v``, from ``version``. Such a file is a
# pointer of Git LFS: run ``git lfs pull``. 60 would be ``<``, a web page saved in place
# of the weights. A file whose download stopped says ``failed finding central
# directory``. Do not allow anything: download the file again.

pointer = b"version https://git-lfs.github.com/spec/v1\nsize 19332096\n"
stopped = (home / "scores.pt").read_bytes()[:-100]
first = {}
for name, content in (("pointer", pointer), ("stopped", stopped)):
    try:
        torch.load(io.BytesIO(content))
    except Exception as error:  # UnpicklingError, RuntimeError
        first[name] = content[0]
        print(f"[{name}] first byte {content[0]}: {error}\n")
assert first == {"pointer": ord("v"), "stopped": ord("P")}

# %%
# In your project
# ---------------
#
# Convert the file once, into tensors, numbers, strings, lists and dictionaries. From
# then on it loads by default. For a class of yours that you cannot allow, do this step
# with ``weights_only=False``, on a machine that has nothing to lose, if you must.

with safe_globals([*numbers, argparse.Namespace]):  # only names that you have read
    old = torch.load(home / "scores.pt", map_location="cpu", weights_only=True)
new = {
    "weight": old["weight"],
    "best": float(old["best"]),  # new: no number of NumPy
    "settings": vars(old["settings"]),  # new: a dictionary
}
torch.save(new, home / "plain.pt")
checkpoint = torch.load(home / "plain.pt", map_location="cpu", weights_only=True)

# %%
# Check
# -----
#
# The converted file asks for nothing, and its tensor is the same bit for bit. A file
# with the old name of the module loads, too.

print("asks for:", get_unsafe_globals_in_checkpoint(home / "plain.pt"))
assert torch.equal(checkpoint["weight"], weight) and checkpoint["best"] == 0.9375
assert checkpoint["settings"] == {"rate": 0.1, "depth": 4}
torch.save(scores["best"], file := io.BytesIO(), _use_new_zipfile_serialization=False)
numpy1 = io.BytesIO(file.getvalue().replace(b"numpy._core", b"numpy.core"))
with safe_globals(numbers):
    assert torch.load(numpy1) == 0.9375
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
