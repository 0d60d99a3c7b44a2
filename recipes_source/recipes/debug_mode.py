# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["hooks_capture_activations"]
# timeout = 60
# searched_as = [
#   "DebugMode", "torch.utils._debug_mode", "log every operation", "TorchDispatchMode",
#   "compare two models layer by layer", "first layer that differs", "tensor hash",
#   "numerical divergence", "ported model gives other results", "log_tensor_hashes",
#   "check_hash_mismatches", "dispatched operators",
# ]
# errors = ["Log lengths don't match", "Operators don't match at index"]
# ///
"""
Find the first operation that differs between two runs
======================================================

Record each operation of two runs with ``DebugMode``, and name the first that differs.

Why it matters: you rewrite a model, its weights load, nothing is raised, and the
results are a little different. What comes after the faulty line differs, too, so a look
at the results does not tell where it began.
"""

# %%
# A model that was ported
# -----------------------
#
# The second model is to do what the first does, with the same weights. Its author took
# another form of GELU.

import re
from itertools import zip_longest
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._debug_mode import DebugMode

# %%


class Model(nn.Module):
    def __init__(self, gelu="none", channels=(2, 1, 0)):
        super().__init__()
        self.conv, self.head, self.gelu = nn.Conv2d(3, 8, 3), nn.Linear(8, 3), gelu
        self.register_buffer("channels", torch.tensor(channels), persistent=False)

    def forward(self, images):
        x = images[:, self.channels]  # BGR to RGB
        x = self.conv(x / 255)
        x = F.gelu(x, approximate=self.gelu)
        return self.head(x.mean(dim=(2, 3)))


# %%
# See the problem: a module without fault is named
# ------------------------------------------------
#
# Hooks compare what the modules return. The first that differs is ``head``.

torch.manual_seed(0)
images = torch.randint(256, (16, 3, 8, 8)).float()
labels = torch.randint(3, (16,))
old = Model()


def port(**options):
    model = Model(**options)
    model.load_state_dict(old.state_dict())  # strict: all weights are there
    return model


# %%

seen = {}


def keep_as(name):
    return lambda module, args, output: seen.setdefault(name, []).append(output)


ported = port(gelu="tanh")
for model in (old, ported):
    children = model.named_children()
    handles = [m.register_forward_hook(keep_as(name)) for name, m in children]
    model(images)
    for handle in handles:
        handle.remove()
differing = [name for name, (a, b) in seen.items() if not torch.equal(a, b)]
difference = (seen["head"][0] - seen["head"][1]).abs().max().item()
print(f"outputs differ by {difference:.0e}, modules that differ: {differing}")
assert differing == ["head"] and difference > 1e-6

# %%
# The idea: a log of all operations
# ---------------------------------
#
# ``DebugMode`` logs each operation that PyTorch carries out. In a model that
# ``torch.compile`` has compiled, a CPU's fused loops are missing: record it without.
# With ``log_tensor_hashes``, the log has a number for each result, too: by default the
# sum of its absolute values. The underscore in ``torch.utils._debug_mode`` says that
# names can change in a later release.


def record(step, hash_fn="norm"):
    log_hashes = DebugMode.log_tensor_hashes(hash_fn=hash_fn)
    with DebugMode(record_stack_trace=True) as debug, log_hashes:
        step()
    return debug.logs


# %%

# Output differs from run to run.
reference = record(lambda: old(images))
for log in reference:
    print(log)
assert reference[0].log["hash"] == images.sum().item()

# %%
# The first entry that differs
# ----------------------------
#
# The text of an entry holds the operation, the shapes, the numbers among its arguments,
# and the hash. So compare texts. The entry also knows the lines of code that led to it.
# The last one outside installed packages is yours, unless a module of Python itself
# called PyTorch.


def code_of(log):
    trace = getattr(log, "fwd_stack_trace", None) or log.stack_trace
    frames = re.findall(r'File "(.*)", line .*\n +(.*)', trace)
    return ["?", *(code for file, code in frames if "-packages" not in file)][-1]


def first_difference(old_logs, new_logs):
    for a, b in zip_longest(old_logs, new_logs):
        if str(a) != str(b):
            return a, b
    return None, None


# %%

found = first_difference(reference, record(lambda: ported(images)))
for log in found:
    print(str(log).partition("  ->")[0])
print("line of code:", code_of(found[0]))
assert "gelu" in str(found[0]) and code_of(found[0]).startswith("x = F.gelu(")

# %%
# Proof
# -----
#
# The mended model has the same log and the same outputs, to the bit. The loss of a
# training step has a log of its backward, too. There, ``code_of`` names the line of the
# forward.


def training_step(model):
    F.cross_entropy(model(images), labels).backward()


mended = port(gelu="none")
found = first_difference(reference, record(lambda: mended(images)))
print("mended:", found)
assert found == (None, None) and torch.equal(mended(images), old(images))
logs = record(lambda: training_step(mended))
backward = next(log for log in logs if "gelu_backward" in str(log))
print("gelu_backward:", code_of(backward))
assert code_of(backward).startswith("x = F.gelu(")

# %%
# When the operations differ
# --------------------------
#
# ``DebugMode.check_hash_mismatches`` also compares two logs. It wants the same
# operations in both, and raises otherwise. Comparing texts still names the place. A
# harmless change of operations stops the search, too: write it as in the old version,
# and record again.


def not_divided():
    return mended.head(F.gelu(mended.conv(images[:, channels])).mean(dim=(2, 3)))


def maximum():
    x = F.gelu(mended.conv(images[:, channels] / 255))
    return mended.head(x.amax(dim=(2, 3)))


# %%

channels, places = mended.channels, []
for step in (not_divided, maximum):
    logs = record(step)
    try:
        DebugMode.check_hash_mismatches(reference, logs)
        raise AssertionError("nothing was raised")
    except ValueError as error:
        print(error)
    found = first_difference(reference, logs)
    places.append([str(log).partition("(")[0] for log in found])
    print("    first:", *places[-1])
assert places[0] == ["aten::div.Tensor", "aten::convolution"]
assert places[1] == ["aten::mean.dim", "aten::amax"]

# %%
# When it is not so: a hash that is blind to order
# ------------------------------------------------
#
# Here the channels stay BGR. The sum does not depend on the order of what is added, so
# the wrong channels have the right hash, and ``conv`` is named. The other built-in
# hash, ``"hash_tensor"``, is blind to order, too. A hash of yours is not:


def by_position(tensor):
    values = tensor.detach().cpu().double().flatten()
    return (values * torch.arange(1, values.numel() + 1).double().cos()).sum().item()


bgr = port(channels=(0, 1, 2))
for hash_fn in ("norm", "hash_tensor", by_position):
    runs = [record(lambda m=m: m(images), hash_fn) for m in (old, bgr)]
    found, _ = first_difference(*runs)
    print(getattr(hash_fn, "__name__", hash_fn), "->", code_of(found))
    assert ("self.conv" in code_of(found)) == (hash_fn is not by_position)
assert "BGR" in code_of(found)

# %%
# When it is not so: other rounding
# ---------------------------------
#
# Another device, release or number of threads can round otherwise: most hashes then
# differ a little. Here, float64 stands for such a run. ``check_hash_mismatches`` knows
# the relative size of each difference. Look for the first large one. In torch 2.14,
# ``DebugMode.save_logs(logs, file)`` and ``DebugMode.load_logs(file)`` carry the
# entries from one process to the other.

single, exact = record(lambda: old(images), by_position), images.double()
doubles = {"right": port().double(), "BGR": port(channels=(0, 1, 2)).double()}
for name, model in doubles.items():
    logs = record(lambda m=model: m(exact), by_position)
    mismatches = DebugMode.check_hash_mismatches(single, logs)
    large = [m["call"] for m in mismatches if m["rel_diff"] > 1e-3][:1]
    print(f"{name:5} {len(mismatches)} of {len(logs)} differ, first large: {large}")
    assert mismatches and large == (["aten::index.Tensor"] if name == "BGR" else [])

# %%
# The training that two versions of the code run, for the lines below.


def train(weight_decay):
    torch.manual_seed(0)
    model = Model().to(device)
    options = {"lr": 1e-3, "weight_decay": weight_decay}
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    for _ in range(2):
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


# %%
# In your project
# ---------------
#
# Two versions seldom run in one process. Let each write a file, and compare the lines
# without the code, which may differ. Copy ``record``, ``code_of`` and ``by_position``,
# too. Seed what is random, and record only two or three steps: each hash takes time.
#
# On a GPU, most optimizers change lists of tensors. The entries of such operations have
# no hash: a wrong change shows in the next step. Some operations of a GPU add in a
# random order. So record the old version twice: what differs there is chance.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"


def save_log(step, file):
    logs = record(step, by_position)  # new
    Path(file).write_text("\n".join(f"{log}  at {code_of(log)}" for log in logs))


save_log(lambda: train(weight_decay=0.01), "old.txt")  # in the old version
save_log(lambda: train(weight_decay=0.1), "new.txt")  # in the new one
lines = [Path(file).read_text().splitlines() for file in ("old.txt", "new.txt")]
pairs = zip_longest(*lines, fillvalue="")
differing = [p for p in pairs if len({line.split("  at ")[0] for line in p}) > 1]

# %%
# Check
# -----
#
# The two trainings differ in the weight decay. Forward, loss, backward and the
# gradients of the first step agree. The first entry that differs is the decay:
# 1 - 0.001 * 0.01 is 0.99999.

for line in differing[0]:
    print(re.sub(r" -> .*  at ", "... at ", line))
first = lines[0].index(differing[0][0])
assert any("convolution_backward" in line for line in lines[0][:first])
assert "], 0.99999)" in differing[0][0] and "], 0.9999)" in differing[0][1]
assert all(line.endswith("at optimizer.step()") for line in differing[0])
for file in ("old.txt", "new.txt"):
    Path(file).unlink()

# %%
# Learn more
# ----------
#
# - Look at the values: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Seed and forbid chance: :ref:`sphx_glr_recipes_recipes_reproducible_runs.py`
# - Where a NaN begins: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
