# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Compile and export"]
# after = ["torch_logs"]
# timeout = 120
# searched_as = [
#   "disable torch.compile", "avoid recompilation", "turn the compiler off",
#   "force eager", "fail on recompile", "dynamic input sizes",
# ]
# errors = [
#   "size mismatch at index 0. expected",
#   "Detected recompile when torch.compile stance is 'fail_on_recompile'",
# ]
# ///
"""
Dynamic Compilation Control with torch.compiler.set_stance
==========================================================

Decide at run time whether compiled code may compile again, runs eagerly, or fails.

Why it matters: :func:`torch.compile` compiles whenever an input does not fit what it
has compiled so far. In a service, this means that some request waits for a compiler. A
stance changes that from outside, for a block of code, without touching the model.
"""

# %%
# See the problem: requests that compile
# --------------------------------------
#
# Six requests: three have 8 rows in float32, and three are of other kinds. The backend
# notes when it is handed a graph to compile, and when a graph that it compiled runs.

import re
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
kinds = [(8, "float32"), (8, "float32"), (5, "float32")]
kinds += [(8, "float64"), (7, "float32"), (8, "float32")]
requests = [torch.randn(n, 4, dtype=getattr(torch, dtype)) for n, dtype in kinds]
notes = []

# %%


def score(x):  # (rows, 4) to (rows,)
    return torch.tanh(x).sum(dim=1)


def backend(graph, example_inputs):
    notes.append("compiles")

    def run_graph(*inputs):
        notes.append("reuses")
        return graph(*inputs)

    return run_graph


# %%
# The first note of a request says what happened to it. If there is no note, ``score``
# ran eagerly, as plain Python. Every output that comes back is checked against
# ``score``.


def serve(stance, warm_up):
    torch.compiler.reset()
    compiled, outcomes, messages = torch.compile(score, backend=backend), [], []
    for x in warm_up:
        compiled(x)
    with torch.compiler.set_stance(stance):
        for x in requests:
            notes.clear()
            try:
                torch.testing.assert_close(compiled(x), score(x))
                outcomes.append(notes[0] if notes else "eager")
            except RuntimeError as error:
                outcomes.append("refuses")
                messages.append(error)
    return outcomes, messages


# %%
# By default, the service compiles while serving, although it was warmed up with the
# most common request.

table = {}
table["default"], _ = serve("default", requests[:1])
print("default:", *table["default"])
print("compiles while serving:", table["default"].count("compiles"))
assert table["default"].count("compiles") == 2

# %%
# Take a stance
# -------------
#
# Service, warm-up and requests stay as they were, and only the argument of
# :func:`torch.compiler.set_stance` changes:
#
# - ``eager_on_recompile`` reuses what fits and runs the rest eagerly, so nobody waits
#   for the compiler;
# - ``fail_on_recompile`` refuses and gives the reason, which is what a test wants;
# - ``force_eager`` acts as if :func:`torch.compile` were not there, for debugging. From
#   outside, ``TORCHDYNAMO_DISABLE=1 python serve.py`` does the same. For one function,
#   there is the decorator ``@torch.compiler.disable``.

messages = {}
for stance in ["eager_on_recompile", "fail_on_recompile", "force_eager"]:
    table[stance], messages[stance] = serve(stance, requests[:1])
    print(f"{stance}:", *table[stance])

# %%
# The message of a refusal names the function and the assumption that does not hold:

# Output differs from run to run.
message = str(messages["fail_on_recompile"][0])
print(re.sub(r"[\w/.-]*/(?=\w+\.py)", "", message))  # without folders

# %%
# Use the reasons
# ---------------
#
# The messages name what the warm-up lacks: another number of rows, and float64. With
# one request of each kind, the strict stance finds nothing to refuse. Seven rows were
# not in the warm-up, and pass: at the second size the compiler made the size a
# variable.

full = [requests[0], requests[2], requests[3]]
table["fail, full warm-up"], refused = serve("fail_on_recompile", full)
print("before:", *table["fail_on_recompile"])
print("after: ", *table["fail, full warm-up"])
assert table["fail, full warm-up"] == ["reuses"] * 6 and not refused
assert "compiles" not in table["eager_on_recompile"] + table["force_eager"]
assert len(messages["fail_on_recompile"]) == 3

# %%

fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
styles = {"reuses": ("tab:blue", "o"), "compiles": ("tab:orange", "^")}
styles |= {"eager": ("tab:gray", "s"), "refuses": ("black", "x")}
for outcome, (color, marker) in styles.items():
    found = [[o == outcome for o in outcomes] for outcomes in table.values()]
    row, column = torch.tensor(found).nonzero().T
    ax.scatter(column, row, s=90, color=color, marker=marker, label=outcome)
ax.set(title="Each request under each stance", xlabel="request", ylabel="stance")
ax.set_xticks(range(6), [f"{n} rows\n{dtype}" for n, dtype in kinds])
ax.set_yticks(range(len(table)), table)
ax.set(ylim=(4.5, -0.5))
fig.legend(loc="outside right upper")
plt.show()

# %%
# When it is not so: a stance taken too early
# -------------------------------------------
#
# Without any warm-up there is nothing to reuse, and ``eager_on_recompile`` does not
# compile the first graph either. The service then runs eagerly for ever, and nothing
# says so. ``fail_on_recompile`` shows it at the first request.

early = {stance: serve(stance, [])[0] for stance in messages}
print("eager_on_recompile:", *early["eager_on_recompile"])
print("fail_on_recompile: ", *early["fail_on_recompile"])
assert set(early["eager_on_recompile"]) == {"eager"}
assert set(early["fail_on_recompile"]) == {"refuses"}

# %%
# In your project
# ---------------
#
# Warm up in the mode in which you serve. Gradients and autocast, on or off, are
# assumptions, too. So are the strides of the input, and ``inference_mode`` instead of
# ``no_grad``.
#
# Then take a stance. It holds in all threads of the program, also inside ``with``.
# Without ``with``, the stance holds until the next call of ``set_stance``.
#
# ``mark_dynamic`` makes the number of rows a variable, from 2 on. One row is a case
# apart, so warm it up as well, and zero rows if they can come. (``backend="eager"`` is
# for this page: leave it out.)
#
# The backward pass is often compiled only at its first call. Of these stances, only
# ``force_eager`` prevents this. If you train, warm up with ``backward()``, too.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
compiled = torch.compile(score, backend="eager")
warm_up = torch.randn(8, 4, device=device)
torch._dynamo.mark_dynamic(warm_up, 0)  # 2 rows or more
with torch.no_grad():  # new: as in the service
    compiled(warm_up)
    compiled(torch.randn(1, 4, device=device))  # new: a single row
torch.compiler.set_stance("fail_on_recompile")  # in a test; "eager_on_recompile" live
with torch.no_grad():
    answers = [compiled(torch.randn(n, 4, device=device)) for n in (8, 5, 100, 1)]

# %%
# Check
# -----
#
# Each number of rows has its answer. The stance holds in another thread, too, which
# serves, and refuses a request with gradients on.


def ask():
    with torch.no_grad():
        return len(compiled(torch.randn(3, 4, device=device)))


with ThreadPoolExecutor() as threads:
    rows = [len(answer) for answer in answers] + [threads.submit(ask).result()]
    wrong = threads.submit(compiled, torch.randn(8, 4, device=device)).exception()
torch.compiler.set_stance("default")
print("rows:", rows, "with gradients:", type(wrong).__name__)
assert rows == [8, 5, 100, 1, 3] and "grad_mode" in str(wrong)

# %%
# Learn more
# ----------
#
# - All reasons, as messages: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - ``recompile_limit``: :ref:`sphx_glr_recipes_recipes_error_recompile_limit.py`
# - A program for every size: :ref:`sphx_glr_recipes_recipes_torch_export.py`
# - :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
