# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training", "Inspection"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "loss not decreasing", "loss does not go down", "loss is stuck",
#   "loss stays the same", "why is my model not learning", "network does not train",
#   "accuracy does not improve", "weights do not update", "not converging",
#   "parameters not updating after optimizer.step", "check the gradient flow",
#   "grad is None", "debug training",
#   "overfit a single batch", "sanity check",
# ]
# ///
"""
Find out why a model does not learn
===================================

Let it learn one batch by heart, look at one step, and read the cause from a table.

Why it matters: a broken training often raises no error. It prints a loss for each
epoch, and from outside a forgotten line looks like a hard problem. One batch and a few
lines tell the causes apart in seconds.
"""

# %%
# Setting: one sound training, seven broken ones
# ----------------------------------------------
#
# A small network sorts points around five centres. ``build`` makes its training, with
# one mistake if asked:
#
# - *no zero_grad*: the gradients of all steps add up.
# - *two softmaxes*: the model ends in one, and the loss has another.
# - *detach*: the features are cut off from the layer before them.
# - *another model*: the optimizer has the parameters of a copy.
# - *rate too low*, *rate too high*: the learning rate.
# - *labels mixed*: they belong to other inputs.

import torch
from torch import nn

torch.manual_seed(0)
centres = torch.randn(5, 20)
targets = torch.randint(5, (2600,))
inputs = centres[targets] + torch.randn(2600, 20)
train, valid = slice(0, 1600), slice(1600, 2600)
mixed = targets.clone()
mixed[train] = targets[train][torch.randperm(1600)]  # labels in another order
loss_fn = nn.CrossEntropyLoss()

# %%


class Net(nn.Sequential):
    def __init__(self, fault):
        super().__init__(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
        self.fault = fault

    def forward(self, x):
        features = self[1](self[0](x))
        if self.fault == "detach":
            features = features.detach()
        outputs = self[2](features)
        return outputs.softmax(dim=1) if self.fault == "two softmaxes" else outputs


# %%
rates = {"rate too low": 1e-6, "rate too high": 100.0}


def build(fault, optimizer_class=torch.optim.SGD, lr=0.2):
    model = Net(fault)
    trained = Net(fault) if fault == "another model" else model
    optimizer = optimizer_class(trained.parameters(), lr=rates.get(fault, lr))

    def step(x, y):
        if fault != "no zero_grad":
            optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, optimizer, step


# %%
# See the problem
# ---------------
#
# Train each for one epoch. A guess among five classes has a loss of
# :math:`\log 5`, about 1.6. The losses name one cause at most, the rate that is too
# high, and ``detach`` looks almost sound.

faults = ["(sound)", "no zero_grad", "two softmaxes", "detach", "another model"]
faults += [*rates, "labels mixed"]
epoch = {}
for fault in faults:
    step = build(fault)[2]
    labels = (mixed if fault == "labels mixed" else targets)[train]
    pairs = zip(inputs[train].split(32), labels.split(32), strict=True)
    epoch[fault] = sum([step(x, y) for x, y in pairs][-10:]) / 10
    print(f"{fault:14} loss {epoch[fault]:.1f}")
assert all(not epoch[fault] < 1.5 * epoch["(sound)"] for fault in faults[1:])

# %%
# Check 1: learn one batch by heart
# ---------------------------------
#
# Give the training the same 16 samples 200 times. This network can learn any 16 samples
# by heart. If yours can, a loss that stays up comes from the code or the rate.

one_batch = {}
for fault in faults:
    step = build(fault)[2]
    labels = (mixed if fault == "labels mixed" else targets)[:16]
    one_batch[fault] = [step(inputs[:16], labels) for _ in range(200)][-1]
    print(f"{fault:14} loss {one_batch[fault]:.1f}")
found = [fault for fault in faults if not one_batch[fault] < 0.3]
assert found == ["two softmaxes", "another model", *rates]

# %%
# Check 2: look at one step
# -------------------------
#
# The first check found four of the seven mistakes, and no names. ``probe`` makes your
# step twice, both times from the same weights. A hook reads the gradients when
# ``optimizer.step()`` begins, so it does not matter where ``zero_grad`` stands. Frozen
# parameters are left out. Make model and optimizer again before you train.


def probe(model, optimizer, step, x, y):
    weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
    start = {n: t.clone() for n, t in model.state_dict().items()}
    grads = {n: [] for n in weights}

    def note(*_):
        for n, p in weights.items():
            grads[n] += [] if p.grad is None else [p.grad.norm().item()]

    hook = optimizer.register_step_pre_hook(note)
    model.zero_grad()
    for _ in range(2):
        model.load_state_dict(start)
        step(x, y)
    hook.remove()
    moves = {n: (p - start[n]).norm() / start[n].norm() for n, p in weights.items()}
    return {n: (grads[n], moves[n].item()) for n in weights}


# %%
# Proof: each mistake leaves a trace
# ----------------------------------
#
# A move is relative to the size of the parameter. Each mistake in the code or in the
# rate differs from the sound training in one column at least.

table = {}
print(f"{'':14} sum 1  no gradient  not moved  largest move  2nd / 1st gradient")
for fault in faults:
    model, optimizer, step = build(fault)
    sums = model(inputs[:16]).sum(dim=1)
    labels = (mixed if fault == "labels mixed" else targets)[:16]
    answers = probe(model, optimizer, step, inputs[:16], labels).values()
    one = (sums - 1).abs().max().item() < 1e-3
    none, still = sum(not g for g, _ in answers), sum(m == 0 for _, m in answers)
    move, ratio = max(m for _, m in answers), max(g[1] / g[0] for g, _ in answers if g)
    print(f"{fault:14} {one!s:5} {none:12} {still:10} {move:13.0e} {ratio:12.1f}")
    size = "low" if move < 1e-5 else "high" if move > 1 else ""
    table[fault] = one, none, still, size, round(ratio)

# %%
# Read the table
# --------------
#
# - The outputs of each sample sum to 1: *two softmaxes*. Leave out the model's.
# - Some parameters have no gradient: they took no part, or something like *detach* cut
#   them off. If none has one, ``optimizer.step()`` is missing, or ``zero_grad()``
#   stands right before it. A float16 ``GradScaler`` often skips its first steps, too:
#   make ten steps before you call ``probe``.
# - A gradient, but no move: the optimizer does not have the parameter, as with *another
#   model*. Or its rate is 0, as in the first step of a warm-up. Or every ReLU is
#   off, or bfloat16 rounds the move away.
# - A move, and the second gradient is twice the first: *no zero_grad*. Gradient
#   clipping hides this.
# - A largest move above 1: *rate too high*. Below 1e-5: *rate too low*, or a warm-up.
#   These limits are rough. A parameter that starts at 0 moves by ``inf``: no mistake.
#   With ``nan``, it did not move, unless the gradient is ``nan``, too.

sound = (False, 0, 0, "", 1)
assert table["(sound)"] == table["labels mixed"] == sound
assert table["two softmaxes"][0] and table["detach"][1:3] == (2, 2)
assert table["another model"][1:3] == (0, 4) and table["no zero_grad"][4] == 2
assert table["rate too low"][3] == "low" and table["rate too high"][3] == "high"

# %%
# When it is not so: the labels are wrong
# ---------------------------------------
#
# The training with mixed labels passes both checks. A network learns wrong labels by
# heart, too. Samples that it has not seen tell: on them it only guesses. Print samples
# beside their labels, from the loader.

accuracy = {}
for fault, labels in [("(sound)", targets), ("labels mixed", mixed)]:
    model, optimizer, step = build(fault)
    for x, y in zip(inputs[train].split(32), labels[train].split(32), strict=True):
        step(x, y)
    hits = model(inputs[valid]).argmax(dim=1) == targets[valid]
    accuracy[fault] = hits.float().mean().item()
    print(f"{fault:14} accuracy on other samples {accuracy[fault]:.1f}")
assert accuracy["(sound)"] > 0.9 and accuracy["labels mixed"] < 0.5

# %%
# In your project
# ---------------
#
# Copy ``probe``, and put your own step into ``step``, without clipping. Set dropout and
# label smoothing to 0 for the batch that is learned by heart: else its loss stays up.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Net(fault=None).to(device)  # yours
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
x, y = inputs[:16].to(device), targets[:16].to(device)


def step(x, y):  # yours
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


# %%
# Check
# -----
#
# The last loss is close to 0.

print("sums of outputs", [f"{s:.1f}" for s in model(x[:4]).sum(dim=1)])
answers = probe(model, optimizer, step, x, y)  # new: one step
for name, (grads, move) in answers.items():
    print(f"{name:9} gradients {[f'{g:.0e}' for g in grads]}, move {move:.0e}")
losses = [step(x, y) for _ in range(200)]  # new: one batch
print(f"loss of one batch {losses[0]:.2f} to {losses[-1]:.2f}")
assert losses[-1] < 0.1 and all(0 < move < 1 for _, move in answers.values())
assert all(len(g) == 2 and g[1] < 1.5 * g[0] for g, _ in answers.values())

# %%
# Learn more
# ----------
#
# - no ``zero_grad``: :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - two softmaxes: :ref:`sphx_glr_recipes_recipes_cross_entropy_inputs.py`
# - ``detach``, a gradient of ``None``:
#   :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`
# - layers that the optimizer does not have:
#   :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
# - shapes that broadcast: :ref:`sphx_glr_recipes_recipes_broadcasting_pitfalls.py`
# - a loss of ``nan``: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
