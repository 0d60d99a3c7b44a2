# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Saving and loading", "Errors"]
# after = ["what_is_state_dict"]
# timeout = 60
# searched_as = [
#   "strict=False", "state dict keys do not match", "remove module. from state_dict",
#   "rename keys of a checkpoint", "model saved with DataParallel, loaded without",
#   "checkpoint does not load", "pytorch lightning checkpoint keys",
#   "multi-GPU model on one GPU", "different number of classes", "IncompatibleKeys",
# ]
# errors = [
#   "Error(s) in loading state_dict for",
#   "Missing key(s) in state_dict",
#   "Unexpected key(s) in state_dict",
#   "copying a param with shape",
#   "Expected state_dict to be dict-like, got",
# ]
# older_errors = [
#   'unexpected key "module.features.0.weight" in state_dict',
#   'KeyError: "unexpected key "module.conv1.weight" in state_dict"',
#   "While copying the parameter named",
# ]
# ///
"""
Error(s) in loading state_dict: read missing and unexpected keys
================================================================

Tell from the names in the message why weights do not load, and load all of them.

The message can fill a screen with names, and ``strict=False`` makes it go away. But
then the model may have loaded nothing at all. Often every weight is in the file,
under a name that is a few letters longer.
"""

# %%
# Four files
# ----------
#
# ``trained`` is a small model with three answers. Three files hold its weights, each
# saved in another way. The fourth file, ``ten classes``, comes from a model whose last
# layer is larger.

import re

import torch
from torch import nn


class Reader(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.vision_module = nn.Linear(12, 6)
        self.head = nn.Linear(6, classes)

    def forward(self, x):
        return self.head(self.vision_module(x).relu())


# %%

torch.manual_seed(0)
inputs, trained = torch.randn(5, 12), Reader(3)
files = {
    "wrapped": nn.DataParallel(trained).state_dict(),
    "checkpoint": {"epoch": 7, "model": trained.state_dict()},
    "ten classes": Reader(10).state_dict(),
    "object": trained,
}

# %%
# The messages
# ------------
#
# :meth:`~torch.nn.Module.load_state_dict` compares two lists of names. *Missing* names
# are in the model and not in the file. *Unexpected* names are in the file and not in
# the model. A *size mismatch* is a name in both, with two shapes: first the shape in
# the file ("from checkpoint"), then the shape in your model.

messages = {}
for name, state in files.items():
    try:
        Reader(3).load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        messages[name] = str(error)
        print(f"[{name}] {error}\n")
assert messages.keys() == files.keys()

# %%
# Which cause is yours
# --------------------
#
# Print the first name on both sides, and the type of what it stands for.
#
# - The same ending, behind a prefix in the file: the model was wrapped when it was
#   saved. ``DataParallel`` and ``DistributedDataParallel`` put ``module.`` in front,
#   :func:`torch.compile` puts ``_orig_mod.`` there. A class that keeps your network
#   as ``self.net`` puts ``net.`` there.
# - The prefix is in your model's names, not in the file's: your model is wrapped now.
# - A value that is no tensor: the file is a checkpoint, and the weights are one entry.
# - Equal first names: later names or shapes differ. A block that was compiled alone has
#   ``_orig_mod.`` in the middle: ``layers.0._orig_mod.weight``. Otherwise, the file is
#   from another architecture.
# - ``got <class 'str'>``: you passed a path. Pass ``torch.load(path)``. Do not write
#   ``model = model.load_state_dict(...)``: it returns ``_IncompatibleKeys``, no model.

own = Reader(3).state_dict()
print(f"{'your model':12}", next(iter(own)))
for name in ("wrapped", "checkpoint", "ten classes"):
    first, value = next(iter(files[name].items()))
    print(f"{name:12} {first:29} {type(value).__name__}")

# %%
# See the problem: strict=False
# -----------------------------
#
# ``strict=False`` allows missing and unexpected names. Given the wrapped file, it
# raises nothing and loads nothing: the answers do not change. The value that
# it returns lists the names that it left out.

naive = Reader(3)
before = naive(inputs)
skipped = naive.load_state_dict(files["wrapped"], strict=False)
print("missing:   ", *skipped.missing_keys)
print("unexpected:", *skipped.unexpected_keys)
print("answers changed by loading:", not torch.equal(naive(inputs), before))
assert len(skipped.missing_keys) == len(own) and torch.equal(naive(inputs), before)

# %%
# The mend: rename, then load strictly
# ------------------------------------
#
# Cut the prefix at the start of each name only. ``replace("module.", "")`` cuts in the
# middle of a name, too: here it spoils the name of the layer ``vision_module``.
# In ``torch.nn.modules.utils``, ``consume_prefix_in_state_dict_if_present`` cuts a
# prefix at the start as well, and changes the dictionary in place.

wrapped = files["wrapped"]
spoiled = [name.replace("module.", "") for name in wrapped]
renamed = {name.removeprefix("module."): value for name, value in wrapped.items()}
print("replace:     ", *spoiled)
print("removeprefix:", *renamed)
assert set(spoiled) != set(own) and list(renamed) == list(own)

# %%
# The proof is the trained model: after a strict load, the answers are equal, bit for
# bit. The object has a ``state_dict()`` to give. From a file, ``torch.load(path,
# weights_only=False)`` reads an object. It can run code that is in the file: use it
# only if you trust the file.

mended = {"wrapped": renamed, "checkpoint": files["checkpoint"]["model"]}
mended["object"] = files["object"].state_dict()
for name, state in mended.items():
    model = Reader(3)
    print(f"{name:10}", model.load_state_dict(state))
    assert torch.equal(model(inputs), trained(inputs))

# %%
# When it is not so: another architecture
# ---------------------------------------
#
# No new name helps the file with ten classes: its last layer has another size, and
# ``strict=False`` does not forgive this. Either build the model with the numbers of the
# file, as here, or load only what fits:
# :ref:`sphx_glr_recipes_recipes_warmstarting_model_using_parameters_from_a_different_model.py`.

classes = files["ten classes"]["head.weight"].shape[0]
same = Reader(classes)
print(f"{classes} classes:", same.load_state_dict(files["ten classes"]))
assert torch.equal(same.head.weight, files["ten classes"]["head.weight"])

# %%
# In your project
# ---------------
#
# The function takes any of these files. Its load is strict, so a difference that the
# function does not know still raises an error. Add the prefix of your own class to the
# pattern. The pattern cuts ``module.`` at the start only, as a layer's own name can end
# so. If your *model* is wrapped, pass what is inside: ``model.module``, or
# ``model._orig_mod`` after :func:`torch.compile`. Compile a block alone only after
# loading. Without ``map_location="cpu"``, a file that was saved on a GPU does not load
# on a machine without one.


def load_weights(model, state):  # state: torch.load(path, map_location="cpu")
    for entry in ("model_state_dict", "state_dict", "model"):  # a checkpoint: weights
        state = state.get(entry, state) if isinstance(state, dict) else state
    if isinstance(state, nn.Module):  # the file, or its entry, is a whole model
        state = state.state_dict()
    prefix = re.compile(r"^((module|_orig_mod)\.)+|(?<=\.)_orig_mod\.")  # new
    state = {prefix.sub("", name): value for name, value in state.items()}
    return model.load_state_dict(state)


parallel = nn.DataParallel(Reader(3))
print(load_weights(parallel.module, {"state_dict": wrapped}))

# %%
# Check
# -----
#
# One file more comes from a model with a compiled block.

block = Reader(3)
load_weights(block, trained)
block.vision_module = torch.compile(block.vision_module)
print("a compiled block:", next(iter(block.state_dict())))
compiled = block.state_dict()
for state in (wrapped, files["checkpoint"], trained, {"state_dict": wrapped}, compiled):
    load_weights(model := Reader(3), state)
    assert torch.equal(model(inputs), trained(inputs))
print("five files, the same answers")

# %%
# Learn more
# ----------
#
# - Where the names come from: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - What belongs into a checkpoint:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - API: :meth:`torch.nn.Module.load_state_dict`
