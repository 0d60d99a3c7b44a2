# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision"]
# [tool.recipe]
# tags = ["Inspection"]
# after = ["reasoning_about_shapes", "counting_parameters_and_flops"]
# timeout = 60
# searched_as = [
#   "torchinfo", "torchsummary", "model.summary() as in Keras", "print architecture",
#   "parameters per layer", "number of parameters of each layer", "largest layer",
#   "output size of every layer", "tied weights counted twice", "layer called twice",
# ]
# errors = ["is not on the expected device meta"]
# ///
"""
Print a model summary: shapes, parameters, shares
=================================================

Print each layer's output shape, parameters and share in one table, without data.

Why it matters: ``print(model)`` shows no output shapes and no totals. A table made with
hooks shows both, but its sum is often wrong: some weights are counted twice, and others
are missing.
"""

# %%
# A model with four surprises
# ---------------------------
#
# The model gives each of 20 tokens a score for every word. Two layers share one weight,
# and one layer is called twice. One parameter belongs to no layer, and the attention
# holds a layer that it never calls.

import copy
from collections import Counter, defaultdict

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._pytree import tree_leaves, tree_map_only
from torchvision.models import ResNet18_Weights, resnet18

# %%


class Model(nn.Module):
    def __init__(self, words=1000, width=32):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(20, width))  # belongs to no layer
        self.embed = nn.Embedding(words, width)
        self.conv = nn.Conv1d(width, width, kernel_size=3, padding="same")
        self.mix = nn.MultiheadAttention(width, 4, batch_first=True)
        self.head = nn.Linear(width, words)
        self.head.weight = self.embed.weight  # shared

    def forward(self, tokens):
        x = (self.embed(tokens) + self.place).mT
        x = self.conv(self.conv(x).relu()).mT  # called twice
        return self.head(x + self.mix(x, x, x)[0])


# %%
# See the problem: a sum that is wrong
# ------------------------------------
#
# The usual table: each layer without children adds a row when it is called. The true
# numbers are worked out by hand.

torch.manual_seed(0)
model, tokens, rows = Model(), torch.randint(1000, (2, 20)), []
true = {"place": 20 * 32, "embed": 1000 * 32, "conv": 3 * 32 * 32 + 32}
true |= {"mix": 3 * (32 * 32 + 32), "out_proj": 32 * 32 + 32, "head bias": 1000}


def row(layer, args, output):
    if not [*layer.children()]:
        rows.append(sum(parameter.numel() for parameter in layer.parameters()))
        print(f"{type(layer).__name__:10} {tuple(output.shape)!s:15} {rows[-1]:6,}")


with register_module_forward_hook(row):
    model(tokens)

# %%
twice = true["embed"] + true["conv"]
missing = true["place"] + true["mix"] + true["out_proj"]
print(f"sum {sum(rows):,}, true {sum(true.values()):,}")
print(f"counted twice {twice:,}, missing {missing:,}")
assert sum(rows) == sum(true.values()) + twice - missing != sum(true.values())
assert "(2, 20" not in str(model)

# %%
# The shared weight and the convolution are counted twice. The model's parameter and the
# whole attention are missing. A module with children gets no row, so what
# ``nn.MultiheadAttention`` holds itself is lost. Its child ``out_proj`` gets no
# row, either: the attention uses its weights without calling it.
#
# The idea: count by name, not by call
# ------------------------------------
#
# :meth:`~torch.nn.Module.named_parameters` lists each parameter once, a shared one
# under its first name. The name without its last part is the module that holds it.
# ``depth`` cuts the name shorter, and so adds up whole blocks.


def count(model, depth=99):
    numbers = Counter()
    for name, parameter in model.named_parameters():  # a shared one comes once
        module = name.split(".")[:-1]
        numbers[".".join(module[:depth])] += parameter.numel()
    return numbers


assert list(count(model).values()) == list(true.values())

# %%
# The shapes come from the meta device, where tensors have no values. ``deepcopy`` takes
# a dict that says what to put in the place of an object: here, for each parameter and
# buffer, a tensor on meta. So the copy needs no memory, and the model stays as it is.


def shape(output):  # some modules return a tuple or a dict, some return nothing
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    return tuple(tensors[0].shape) if tensors else None


def shapes(model, *inputs, **options):
    tensors = [*model.parameters(), *model.buffers()]
    empty = copy.deepcopy(model, {id(t): t.detach().to("meta") for t in tensors})
    names, found = {m: name for name, m in empty.named_modules()}, defaultdict(list)

    def note(module, args, output):
        found[names.get(module)].append(shape(output))

    given = tree_map_only(torch.Tensor, lambda t: t.to("meta"), [inputs, options])
    with torch.device("meta"), torch.no_grad(), register_module_forward_hook(note):
        empty(*given[0], **given[1])
    return found


# %%
# The table
# ---------
#
# A row for each module, with the parameters that no other row has. So the shares add up
# to 100%. A module that is called twice shows its last shape. The first row, without a
# name, is the model itself. The head has only its bias here, because its weight stands
# at ``embed``.


def summary(model, *inputs, depth=99, **options):
    numbers, found = count(model, depth), shapes(model, *inputs, **options)
    rows = [row for row in model.named_modules() if row[0].count(".") < depth]
    total = sum(numbers[name] for name, _ in rows)
    wide = max(4, *(len(name) for name, _ in rows))
    print(f"{'name':{wide}} {'module':18} {'output shape':18} calls parameters  share")
    for name, module in rows:
        size = found[name][-1] if name in found else "not called"
        print(f"{name:{wide}} {type(module).__name__[:18]:18} {size!s:18}", end=" ")
        share = numbers[name] / max(total, 1)
        print(f"{len(found[name]):5} {numbers[name]:10,} {share:6.1%}")
    return total


total = summary(model, tokens)
print(f"sum {total:,}")
assert total == sum(true.values())

# %%
# Proof: against the model itself
# -------------------------------
#
# The real model, run on real tokens, must give the same shapes. Its weights must take
# four bytes for each number in the sum. ``padding="same"`` must keep the 20 tokens.

found, real = shapes(model, tokens), defaultdict(list)
names = {module: name for name, module in model.named_modules()}
with register_module_forward_hook(lambda m, _, out: real[names[m]].append(out)):
    model(tokens)
for name, outputs in real.items():
    assert found[name] == list(map(shape, outputs))
storages = [tensor.untyped_storage() for tensor in model.state_dict().values()]
sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
print(f"{len(real)} modules called, {sum(sizes.values()):,} bytes of weights")
assert found["conv"] == [(2, 32, 20)] * 2 and found.keys() == real.keys()
assert sum(sizes.values()) == 4 * total

# %%
# When it is not so
# -----------------
#
# ``to("meta")`` breaks the link between shared weights. So never count in a copy that
# was moved there.

moved = copy.deepcopy(model).to("meta")
print(f"model {total:,}, moved {sum(count(moved).values()):,}")
assert sum(count(moved).values()) == total + true["embed"]

# %%
# And a tensor that is a plain attribute stays on the CPU, so ``shapes`` raises. As a
# buffer, it also follows ``to(device)`` and is saved.

plain = copy.deepcopy(model)
del plain.place
plain.place = torch.zeros(20, 32)
try:
    shapes(plain, tokens)
    raise AssertionError("it has shapes")
except RuntimeError as error:
    print(error)
del plain.place
plain.place = nn.Buffer(torch.zeros(20, 32))
print("as a buffer, the same shapes:", shapes(plain, tokens) == found)
assert shapes(plain, tokens) == found

# %%
# A ``forward`` that needs values, as for ``.item()``, fails too: see
# :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`.
#
# In your project
# ---------------
#
# Take ``count``, ``shape``, ``shapes`` and ``summary`` from above, with the imports.
# Call ``summary`` on a new model, before ``torch.compile`` or a wrapper such as DDP.
# Give ``summary`` the arguments of the model, also those by name. The values of tensors
# do not matter, only shape and dtype. A model with lazy layers must see a batch before.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = resnet18().to(device)
images = torch.empty(8, 3, 224, 224, device="meta")  # or a batch of your loader
total = summary(model, images, depth=1)  # new: before the training
trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
print(f"{total:,} parameters, {trainable:,} to train")

# %%
# Check
# -----
#
# torchvision states the same sum for this model. A million images take no memory. The
# summary leaves the running statistics alone, in training mode, too. A real batch, only
# to see shapes, moves them.

many = shapes(model, torch.empty(10**6, 3, 224, 224, device="meta"))
print(f"a million images: {many['conv1'][0]}")
assert many["conv1"] == [(10**6, 64, 112, 112)]
assert total == trainable == ResNet18_Weights.IMAGENET1K_V1.meta["num_params"]
print("batches seen after the summary: ", model.bn1.num_batches_tracked.item())
assert model.training and model.bn1.num_batches_tracked == 0
model(torch.rand(2, 3, 64, 64, device=device))
print("batches seen after a real batch:", model.bn1.num_batches_tracked.item())
assert model.bn1.num_batches_tracked == 1

# %%
# Learn more
# ----------
#
# - And the work: :ref:`sphx_glr_recipes_recipes_counting_parameters_and_flops.py`
# - Values, not shapes: :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - Shared weights in a file: :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - Then train, and see who waits: :ref:`sphx_glr_recipes_recipes_dataloader_speed.py`
