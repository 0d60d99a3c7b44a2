# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training"]
# after = ["zeroing_out_gradients"]
# timeout = 60
# searched_as = [
#   "different learning rate per layer", "layer-wise learning rate",
#   "discriminative learning rates", "param_groups", "no weight decay on bias",
#   "exclude LayerNorm from weight decay", "L2 regularization", "Adam or AdamW",
#   "lr of one layer", "optimizer options", "add_param_group",
#   "multiple learning rates",
# ]
# errors = [
#   "some parameters appear in more than one parameter group",
#   "optimizer can only optimize Tensors, but one of the params is",
# ]
# ///
"""
Give layers their own learning rate and weight decay
====================================================

Sort parameters into groups with options for each, and check that each got its own.

Why it matters: a pretrained backbone usually gets a smaller rate than a new head, and
weight decay usually leaves biases and normalization alone. In groups written by hand, a
parameter is easily forgotten. This parameter then never moves, and no error tells you.
"""

# %%
# A model of three parts
# ----------------------
#
# A backbone, a head, and a single parameter that scales the outputs.

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU())
        self.head = nn.Linear(16, 3)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.head(self.backbone(x))


torch.manual_seed(0)
model = Net()
x, y = torch.randn(32, 8), torch.randint(3, (32,))

# %%
# See the problem: who is missing?
# --------------------------------
#
# A group is a dict: its parameters, and options that differ from the defaults. This
# optimizer looks complete. After a step, one parameter has not moved.


def moved(model, optimizer):
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    return {n: p.detach() - before[n] for n, p in model.named_parameters()}, before


by_hand = [
    {"params": model.backbone.parameters(), "lr": 0.001},
    {"params": model.head.parameters()},
]
moves, before = moved(model, torch.optim.SGD(by_hand, lr=0.1))
still = [name for name, move in moves.items() if not move.any()]
print("not moved:", still)
assert still == ["scale"]

# %%
# The idea: sort all names
# ------------------------
#
# Go through :meth:`~torch.nn.Module.named_parameters` once, and let two questions
# choose the group. Is the parameter in the backbone? Does it have two dimensions or
# more? Weights of layers do; biases and the weights of normalization do not. (An
# embedding has two as well, and so has a ``LayerNorm`` over two dimensions: both decay
# here.) No parameter is left out, unless it is frozen. Since PyTorch 2.6 the optimizer
# keeps the names that stand beside the parameters.


def groups(model, lr, weight_decay, backbone_factor=0.01):
    found, parameters = {}, dict(model.named_parameters())
    assert any(n.startswith("backbone.") for n in parameters), "no name has backbone."
    for name, p in parameters.items():
        if not p.requires_grad:
            continue
        rate = lr * backbone_factor if name.startswith("backbone.") else lr
        decay = weight_decay if p.ndim >= 2 else 0.0
        group = {"params": [], "lr": rate, "weight_decay": decay}
        found.setdefault((rate, decay), group)["params"].append((name, p))
    return list(found.values())


optimizer = torch.optim.SGD(groups(model, lr=0.1, weight_decay=0.05), lr=0.1)
for group in optimizer.param_groups:
    options = f"lr {group['lr']:.3f}, decay {group['weight_decay']:.2f}:"
    print(options, *group["param_names"])

# %%
# Proof: count, and compare each move with the formula
# ----------------------------------------------------
#
# The groups hold as many numbers as the model. Plain SGD moves a parameter by the rate
# times the gradient, after weight decay has added ``decay * parameter`` to the
# gradient. Every parameter must have moved by the options of its group.

decayed = [group["params"] for group in optimizer.param_groups if group["weight_decay"]]
assert decayed == [[model.backbone[0].weight], [model.head.weight]]
held = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
total = sum(p.numel() for p in model.parameters())
print(f"{held} of {total} numbers are in a group")
assert held == total

moves, before = moved(model, optimizer)
for group in optimizer.param_groups:
    for name, p in zip(group["param_names"], group["params"], strict=True):
        expected = -group["lr"] * (p.grad + group["weight_decay"] * before[name])
        torch.testing.assert_close(moves[name], expected, atol=1e-6, rtol=1e-4)
assert all(move.any() for move in moves.values())
print("every parameter moved by the formula of its group")

# %%
# Weight decay is not the same in Adam and AdamW
# ----------------------------------------------
#
# A weight of 2 has a gradient of 0, so only weight decay moves it. ``AdamW`` multiplies
# the weight by ``1 - lr * decay``. ``Adam`` adds the decay to the gradient, and then
# divides by the gradient's size. Its first step is as long as the rate for both decays.

for decay in (0.1, 0.001):
    ends = {}
    for optimizer_class in (torch.optim.Adam, torch.optim.AdamW):
        weight = nn.Parameter(torch.tensor(2.0))
        weight.grad = torch.zeros(())
        optimizer_class([weight], lr=0.01, weight_decay=decay).step()
        ends[optimizer_class] = weight.item()
    adam, adamw = ends.values()
    print(f"decay {decay}: Adam {adam:.5f}, AdamW {adamw:.5f}")
    assert abs(adam - (2 - 0.01)) < 1e-5
    assert abs(adamw - 2 * (1 - 0.01 * decay)) < 1e-5

# %%
# What is refused, and what is not
# --------------------------------
#
# A parameter in two groups is refused, and so is a list of generators without dicts. A
# misspelt option is accepted and has no effect: look for keys that are new.

mistakes = {
    "twice": [{"params": model.head.parameters()}, {"params": model.parameters()}],
    "no dict": [model.backbone.parameters(), model.head.parameters()],
    "misspelt": [{"params": model.parameters(), "learning_rate": 0.001}],
}
refused = []
for name, wrong in mistakes.items():
    try:
        group = torch.optim.SGD(wrong, lr=0.1).param_groups[0]
        print(f"{name}: accepted, with lr {group['lr']}")
        unknown = set(group) - set(torch.optim.SGD([torch.zeros(1)]).param_groups[0])
    except (TypeError, ValueError) as error:
        print(f"{name}: {error}")
        refused.append(name)
assert refused == ["twice", "no dict"] and unknown == {"learning_rate"}

# %%
# ``torch.compile(model)`` and ``DistributedDataParallel`` put a prefix before each
# name. No name begins with ``backbone.`` then, and all would get the head's rate. The
# assertion in ``groups`` refuses such a model: make the groups before you wrap it.
# ``fully_shard`` keeps the names and replaces the parameters: make the groups after it.

wrapped = nn.ModuleDict({"module": model})  # the names that wrapping gives
message = ""
try:
    groups(wrapped, lr=0.1, weight_decay=0.05)
except AssertionError as error:
    message = str(error)
    print(next(iter(wrapped.state_dict())), "-", message)
assert message

# %%
# In your project
# ---------------
#
# - ``CosineAnnealingLR`` and most schedulers multiply the rate of each group, so the
#   ratio of the rates stays. ``OneCycleLR`` with one number for ``max_lr`` gives all
#   groups that rate: pass a list. A floor such as ``eta_min`` is also the same for all.
# - To change rates by hand, write to ``group["lr"]`` for each group of
#   ``optimizer.param_groups``.
# - To unfreeze a layer later, make the groups first, then freeze it: the optimizer
#   holds the layer, and skips it while it has no gradient.
# - To add a group later, use :meth:`~torch.optim.Optimizer.add_param_group` with
#   ``{"params": layer.named_parameters()}``: a group without names is refused. Then
#   make a new scheduler. The old one may raise an error, as ``OneCycleLR`` does. A
#   warm-up by ``LinearLR`` raises none, and lifts the new group's rate too high.
# - ``optimizer.load_state_dict`` matches parameters by their order, not by their names,
#   and brings back the saved rates. Make the groups by the same function, and change
#   rates after loading.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = Net().to(device)  # first move the model, then make the optimizer
optimizer = torch.optim.AdamW(groups(model, lr=1e-3, weight_decay=0.05))  # new
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
for _ in range(50):
    loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()

# %%
# Check
# -----
#
# Half way along the cosine, each rate is half of its first value. Then the same
# optimizer with ``OneCycleLR``: only a list keeps the ratio of 100.

rates = sorted({group["lr"] for group in optimizer.param_groups})
print("rates:", [f"{rate:.6f}" for rate in rates])
assert [round(rate, 9) for rate in rates] == [5e-6, 5e-4]
peaks = [group["initial_lr"] for group in optimizer.param_groups]
ratios = {}
for name, max_lr in {"one number": 1e-3, "a list": peaks}.items():
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=100)
    now = [group["lr"] for group in optimizer.param_groups]
    ratios[name] = round(max(now) / min(now))
    print(f"OneCycleLR, {name}: head's rate / backbone's rate = {ratios[name]}")
assert ratios == {"one number": 1, "a list": 100}

# %%
# Learn more
# ----------
#
# - No move at all: :ref:`sphx_glr_recipes_recipes_freezing_layers.py`
# - Schedules: :ref:`sphx_glr_recipes_recipes_lr_schedulers.py`
# - Keep the optimizer's state:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_a_general_checkpoint.py`
# - API: :class:`torch.optim.AdamW`, :meth:`torch.optim.Optimizer.add_param_group`
