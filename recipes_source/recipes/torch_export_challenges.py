# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export", "Errors"]
# after = ["torch_export"]
# timeout = 60
# searched_as = [
#   "torch.export challenges", "common challenges and solutions", "export fails",
#   "data-dependent control flow", "data dependent if", "unbacked symint", "u0",
#   "export .item()", "GuardOnDataDependentSymNode", "draft_export",
#   "ConstraintViolationError", "side effect in forward",
# ]
# errors = [
#   "Could not guard on data-dependent expression Eq(u0, 1)",
#   "Could not guard on data-dependent expression u0 > 6",
#   "was assigned during export. Such attributes must be registered as buffers",
#   "Guard failed: x.size()[0] == 5", "must always be equal",
#   "export 0/1 specialized due to hint of 1 for dimension",
# ]
# ///
"""
Mend a model that torch.export refuses
======================================

Find what stops an export: an if on data, a size from data, state, or a fixed shape.

Why it matters: :func:`torch.export.export` runs your Python code once and records the
operations on tensors. What Python itself decides or remembers is not in the program.
Often the export stops and says so. Sometimes it succeeds and the program is wrong.
"""

# %%
# Two helpers
# -----------
#
# ``refusal`` returns the message of an export that stops. ``gap`` calls a model and a
# program with the same batches and returns their largest difference.

import contextlib
import copy
import io
import re
import warnings

import torch
from torch import nn
from torch.export import Dim, export


def refusal(model, batch, **options):
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the graph up to the error
            export(model, batch, **options)
    except (RuntimeError, ValueError) as error:  # without file names:
        return re.sub(r'(?<=[("])[^("\n]*(?=:\d+ in |", line)', "...", str(error))
    raise AssertionError("the export did not stop")


# %%


def gap(model, run, batches):
    with torch.no_grad():
        pairs = [(model(*batch), run(*batch)) for batch in batches]
    return round(max((a - b).abs().max().item() for a, b in pairs), 4)


def make_batch(rows=5, length=6, scale=10.0):
    x = torch.linspace(-scale, scale, rows * length * 4).reshape(rows, length, 4)
    return x, torch.arange(rows) % length + 1  # the number of valid steps in each row


# %%
# An if on the values of a tensor
# -------------------------------
#
# The export runs without data, so nobody knows which branch to record.


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.loud, self.calm = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        if x.abs().max() > 3:
            return self.loud(x)
        return self.calm(x)


torch.manual_seed(0)
heads = Heads().eval()
loud, calm = (torch.linspace(-top, top, 20).reshape(5, 4) for top in (10.0, 1.0))

# %%

# Output differs from run to run.
message = refusal(heads, (loud,))
print(message)
assert "data-dependent expression Eq(u0, 1)" in message

# %%
# How to read it: ``u0`` is a number that comes from data. ``Eq(u0, 1)`` asks whether it
# is 1, that is, whether the condition is true. Your line stands below "The following
# call raised this error".
#
# The mend: :func:`torch.cond` records both branches, and the program chooses at each
# call. Each branch must return a new tensor, not its input. Both need the same dtype.
# :func:`torch.where` computes both branches each time, and can choose for each
# row. If the caller knows the answer, move the ``if`` out and export each branch.


class CondHeads(Heads):
    def forward(self, x):
        return torch.cond(x.abs().max() > 3, self.loud, self.calm, (x,))  # new


mended = CondHeads().eval()
mended.load_state_dict(heads.state_dict())
run = export(mended, (loud,)).module()
print("largest difference, both branches:", gap(heads, run, [(loud,), (calm,)]))
torch.testing.assert_close(run(loud), heads.loud(loud))
torch.testing.assert_close(run(calm), heads.calm(calm))

# %%
# A size that comes from data
# ---------------------------
#
# ``item()`` makes a number of Python from a tensor. To slice by this number is allowed.
# To compare it stops the export, unless an earlier check decides the answer. Here the
# comparison protects the slice.


class Pool(nn.Module):
    def forward(self, x, lengths):
        longest = lengths.max().item()
        if longest > x.shape[1]:
            raise ValueError("a length is larger than its row")
        return x[:, :longest].sum(dim=1) / lengths[:, None]


# %%

# Output differs from run to run.
message = refusal(Pool(), make_batch())
print(message)
assert "data-dependent expression u0 > 6" in message

# %%
# ``u0`` is the longest length and 6 is ``x.shape[1]``. "Caused by" names your line. The
# mend: ``torch._check`` promises that its condition is true, and the program
# asserts this at each call. Your own text is shown in eager mode only.


class CheckedPool(nn.Module):
    def forward(self, x, lengths):
        longest = lengths.max().item()
        torch._check(longest <= x.shape[1], lambda: "a length is larger than its row")
        return x[:, :longest].sum(dim=1) / lengths[:, None]


# %%

run = export(CheckedPool(), make_batch()).module()
x, lengths = make_batch()
batches = [(x, lengths), (x, lengths.clamp(max=2)), (x, lengths + 1)]
print("largest difference, three batches:", gap(Pool(), run, batches))
assert gap(Pool(), run, batches) == 0
for pool in CheckedPool(), run:
    try:
        pool(x, lengths + 2)  # the longest is 7
    except RuntimeError as error:
        print(error)
    else:
        raise AssertionError("7 steps of 6")

# %%
# State that Python keeps
# -----------------------
#
# ``Center`` assigns a tensor in ``forward``, ``Count`` a number. The mend for both is a
# tensor in a buffer, written in place.


class Center(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(4)

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(dim=0)
        return x - self.mean


class Count(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x / self.calls


# %%


class AssignedBuffer(Center):
    def __init__(self):
        nn.Module.__init__(self)
        self.register_buffer("mean", torch.zeros(4))  # new


class InPlaceBuffer(AssignedBuffer):
    def forward(self, x):
        mean = 0.9 * self.mean + 0.1 * x.detach().mean(dim=0)
        self.mean.copy_(mean)  # new
        return x - self.mean


# %%

gaps = {}
for kind in Center, Count, AssignedBuffer, InPlaceBuffer:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = export(nn.Sequential(kind()), (loud,)).module()
    model = nn.Sequential(kind())
    gaps[kind] = [gap(model, run, [(loud,)]) for call in range(3)]
    print(f"{kind.__name__}: differences in three calls {gaps[kind]}")
    notes = [str(w.message) for w in caught if "was assigned" in str(w.message)]
    print(*notes, sep="\n", end="\n" * len(notes))
    assert len(notes) == (kind is Center)
for kind, (first, second, third) in gaps.items():
    assert first == 0 and (third > second > 0) == (kind is not InPlaceBuffer)

# %%
# All four agree at the first call, and only one has a warning. An assigned buffer is
# lost here, too, because it belongs to a part of the model. Therefore write in place.
#
# Shapes of the example
# ---------------------
#
# The mended parts make one model. Without ``dynamic_shapes`` the sizes of the example
# are fixed. The export succeeds, and the program refuses other sizes.


class Model(nn.Module):
    def __init__(self, pool, center, heads):
        super().__init__()
        self.pool, self.center, self.heads = pool, center, heads

    def forward(self, x, lengths):
        return self.heads(self.center(self.pool(x, lengths)))


model = Model(CheckedPool(), InPlaceBuffer(), mended)
try:
    export(model, make_batch()).module()(*make_batch(rows=3))
except AssertionError as error:
    print(error)
    assert "x.size()[0] == 5" in str(error)
else:
    raise AssertionError("the program takes another size")

# %%
# Give each size that varies a name. Where the names contradict the code, the export
# stops, and "Suggested fixes" are lines to follow: here both sizes are ``rows``.

rows, length, count = Dim("rows"), Dim("length"), Dim("count")
shapes = {"x": {0: rows, 1: length}, "lengths": {0: count}}
print(refusal(model, make_batch(), dynamic_shapes=shapes))

shapes = {"x": {0: rows, 1: length}, "lengths": {0: rows}}  # new: count = rows
run = export(model, make_batch(), dynamic_shapes=shapes).module()
batches = [make_batch(), make_batch(3, 9), make_batch(8, 2, 1.0), make_batch(1, 1)]
difference = gap(Model(Pool(), Center(), heads), run, batches)
print("largest difference, four shapes:", difference)
assert difference < 1e-3

# %%
# The program takes one row. The example must not have one: the export takes a size of 0
# or 1 in the example for a constant.

shapes = {"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, "lengths": {0: Dim.DYNAMIC}}
message = refusal(model, make_batch(rows=1), dynamic_shapes=shapes)
print(message)
assert "0/1 specialized due to hint of 1" in message
program = export(model, make_batch(rows=2), dynamic_shapes=shapes)

# %%
# The mend: an example with two rows.
#
# In your project
# ---------------
#
# ``Dim.DYNAMIC`` is a size without a name: the export finds which must be equal.
# Compare before you ship: other sizes, values that take each branch, and each batch
# twice. The second call finds lost state that no warning names. The program
# shares its buffers with the model, so the reference is a copy. The messages recommend
# ``torch.export.draft_export``: it goes on after a stop, and its report lists what it
# met.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Model(CheckedPool(), InPlaceBuffer(), CondHeads()).to(device).eval()
batches = [make_batch(5, 6, 10.0), make_batch(3, 9, 1.0)]
batches = [tuple(tensor.to(device) for tensor in batch) for batch in batches]
shapes = {"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, "lengths": {0: Dim.DYNAMIC}}
with warnings.catch_warnings():
    warnings.filterwarnings("error", "The tensor attribute")  # new: some lost state
    program = export(model, batches[0], dynamic_shapes=shapes)
run, reference = program.module(), copy.deepcopy(model)
for batch in batches * 2:  # new: twice
    torch.testing.assert_close(run(*batch), reference(*batch))

# %%
# Learn more
# ----------
#
# - Ranges for sizes: :ref:`sphx_glr_recipes_recipes_torch_export.py`
# - Compile a program: :ref:`sphx_glr_recipes_recipes_torch_export_aoti_python.py`
# - Branches under ``torch.compile``: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
