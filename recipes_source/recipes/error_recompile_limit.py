# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Compile and export", "Errors"]
# after = ["torch_logs"]
# timeout = 60
# searched_as = [
#   "recompile_limit", "cache_size_limit", "recompilation", "too many recompilations",
#   "recompiles every step", "torch.compile dynamic shapes", "variable input size",
#   "FailOnRecompileLimitHit", "silently falls back to eager",
# ]
# errors = ["torch._dynamo hit config.recompile_limit (8)", "failure due to fullgraph"]
# older_errors = ["torch._dynamo hit config.cache_size_limit (8)"]
# ///
"""
Hit config.recompile_limit: find what changes between calls
===========================================================

Read the warning, find the value that changes, and bring the model back to one graph.

Why it matters: the warning comes once and the training goes on. From then on,
:func:`torch.compile` compiles nothing new for this function. All calls that fit none of
the old graphs run as plain Python, as slowly as before.
"""

# %%
# The warning
# -----------
#
# The model has an integer that the loop changes. The backend notes each graph that
# it gets and each run of a graph, and needs no C++ compiler. A call without such a run
# was not compiled. Each output must equal the output of the plain model.

import logging
import re

import torch
from torch import nn

notes, messages = [], []
log = logging.getLogger("torch._dynamo.convert_frame")
log.addFilter(lambda record: messages.append(record.getMessage()))  # to print it below


def backend(graph, example_inputs):
    notes.append("graph")
    return lambda *inputs: (notes.append("run"), graph(*inputs))[1]


# %%


def count(model, calls, **options):
    torch.compiler.reset()  # forget what was compiled before
    notes.clear()
    messages.clear()
    compiled = torch.compile(model, backend=backend, **options)
    for arguments in calls:
        notes.append("call")
        torch.testing.assert_close(compiled(*arguments), model(*arguments))
    number, graphs, runs = (notes.count(note) for note in ("call", "graph", "run"))
    print(f"calls: {number}, graphs: {graphs}, calls not compiled: {number - runs}")
    return graphs, number - runs


# %%


class Warmup(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.step = nn.Linear(4, 2), 0

    def forward(self, x):
        return self.layer(x) * self.step / 10


def steps(make, number=12):
    for step in range(number):
        model.step = make(step)
        yield (x,)


torch.manual_seed(0)
x, layer, model = torch.randn(8, 4), nn.Linear(4, 2), Warmup()
assert count(model, steps(int)) == (8, 4)

# %%
# The log has this message:

# Output differs from run to run.
print(re.sub(r"[\w/.:\\-]*[/\\](?=\w+\.py\b)", "", messages[0]))  # without folders
assert "recompile_limit (8)" in messages[0] and "self.step == 7" in messages[0]

# %%
# How to read it
# --------------
#
# - ``function`` is what has too many graphs. Its limit is 8 graphs, for all compiled
#   models of the same class together. (In older releases, the limit is named
#   ``cache_size_limit``.)
# - ``last reason`` is what the graph that ran last assumes, and what this call does not
#   fulfil: ``self.step == 7``. The eighth graph was made for step 7 only. Other graphs
#   can have other reasons: ``TORCH_LOGS="recompiles"`` prints all.
#
# With ``fullgraph=True``, the ninth graph is an error:

try:
    count(model, steps(int), fullgraph=True)
except Exception as error:
    print(error)
    assert "Hard failure" in str(error)
else:
    raise AssertionError("the ninth graph is no error")

# %%
# Three causes, told apart by their reason
# ----------------------------------------
#
# The first cause was an integer of the model. Two others follow: a size, and a text. By
# default, one graph can serve many sizes. With ``dynamic=False``, or if Python loops
# over a size, each size makes a graph. So does each text that the code reads, here the
# name of a head.

heads = nn.ModuleDict({f"task{n}": nn.Linear(4, 2) for n in range(12)})


def head(x, task):
    return heads[task](x)


sizes = [(torch.randn(rows, 4),) for rows in range(5, 17)]
texts = [(x, task) for task in heads]
for function, calls, options in (layer, sizes, {"dynamic": False}), (head, texts, {}):
    assert count(function, calls, **options) == (8, 4)
    print(re.search("last reason: .*?(?= {3}|\n)", messages[0])[0])

# %%
# Three mends
# -----------
#
# 1. Make the integer a tensor. A tensor is an input of the graph, and not a constant.
#    An ``if`` on a tensor's value breaks the graph. The setting in the hint,
#    ``allow_unspec_int_on_nn_module``, keeps the integer, and makes two graphs.
# 2. Leave ``dynamic`` alone. The first two sizes give two graphs, and the second takes
#    any size from 2 on. ``mark_dynamic`` says so at the first call already, and raises
#    if the code needs one fixed size.
# 3. Where each value needs other code and there are few values, raise the limit. For
#    one function alone, write ``torch.compile(head, recompile_limit=16)``.

assert count(model, steps(torch.tensor)) == (1, 0)
assert count(layer, sizes) == (2, 0)
torch._dynamo.mark_dynamic(sizes[0][0], 0)
assert count(layer, sizes) == (1, 0)
torch._dynamo.config.recompile_limit = 16  # for all functions of the program
assert count(head, texts) == (12, 0)

# %%
# When it is not so: a limit for endless values
# ---------------------------------------------
#
# For a number that grows without end, a higher limit means more graphs to wait for. A
# single row is a case apart: a graph for any size from 2 on does not take it.

assert count(model, steps(int, 40)) == (16, 24)
assert count(layer, [*sizes, (torch.randn(1, 4),)]) == (2, 0)

# %%
# In your project
# ---------------
#
# A limit of 1 with ``fullgraph=True`` turns a second graph into an error. Set it in a
# test only: a last batch of one row, or a validation without gradients, makes another
# graph and would stop the training. (Leave out ``backend`` where the default backend
# works: on a CPU, it needs a C++ compiler.)

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
torch._dynamo.config.recompile_limit = 1  # new, in a test: a second graph raises
model = Warmup().to(device)
model.compile(backend="eager", fullgraph=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step, rows in enumerate([32, 32, 17, 32, 9]):
    model.step = torch.tensor(step, device=device)  # new
    batch = torch.randn(rows, 4, device=device)
    torch._dynamo.mark_dynamic(batch, 0)  # new: any size from 2 on
    model(batch).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()

# %%
# Learn more
# ----------
#
# - Log every recompilation: :ref:`sphx_glr_recipes_recipes_torch_logs.py`
# - Many equal blocks: :ref:`sphx_glr_recipes_recipes_regional_compilation.py`
# - :ref:`sphx_glr_recipes_recipes_compiling_optimizer_lr_scheduler.py`
