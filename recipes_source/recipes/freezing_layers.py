# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Training"]
# after = ["train_and_eval_modes"]
# timeout = 60
# searched_as = [
#   "transfer learning", "fine-tuning", "fine-tune", "feature extraction",
#   "requires_grad = False", "freeze the backbone", "freeze batch norm",
#   "train only the last layer", "pretrained model",
# ]
# ///
"""
Freeze layers, batch normalization included
===========================================

Train a new head on a frozen backbone that stays, bit for bit, what it was.

Why it matters: ``requires_grad = False`` holds parameters still, not buffers, the other
tensors of a module. Batch normalization goes on averaging what it sees, and the
features you meant to keep change without a single weight moving.
"""

# %%
# A backbone that knows one task
# ------------------------------
#
# The old task has points of ten classes, the new one points of two. The new points lie
# farther apart and off centre. A *backbone* turns points into features, a *head* turns
# features into classes. Each task has its own head; the backbone is shared, and the new
# task should use it and not change it.

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn


def task(classes, scale, offset):
    targets = torch.randint(classes, (2000,))
    inputs = torch.randn(classes, 20)[targets] + torch.randn(2000, 20)
    return scale * inputs + offset, targets


torch.manual_seed(0)
old_inputs, old_targets = task(classes=10, scale=1, offset=0)
new_inputs, new_targets = task(classes=2, scale=3, offset=2)
linear = nn.Linear(20, 32, bias=False)
backbone = nn.Sequential(linear, nn.BatchNorm1d(32), nn.ReLU())
old_head, new_head = nn.Linear(32, 10), nn.Linear(32, 2)

# %%
# Train backbone and old head. ``keep``, for later, lists parts to hold in eval mode.


def fit(model, inputs, targets, keep=()):
    g = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for rows in torch.randperm(len(inputs), generator=g).repeat(5).split(50):
        model.train()
        for module in keep:
            module.eval()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return model.eval()


# %%


def old_accuracy(backbone):
    return (old_head(backbone(old_inputs)).argmax(1) == old_targets).float().mean()


fit(nn.Sequential(backbone, old_head), old_inputs, old_targets)
before = old_accuracy(backbone)
print(f"old task, before: accuracy {before:.2f}")

# %%
# No parameter moves, yet the old task suffers
# --------------------------------------------
#
# Take a copy of the backbone, switch its gradients off with
# :meth:`torch.nn.Module.requires_grad_` and train the new head on it. All gradients of
# the backbone stay ``None``, so even AdamW's weight decay skips it.

leaky = copy.deepcopy(backbone).requires_grad_(False)
fit(nn.Sequential(leaky, copy.deepcopy(new_head)), new_inputs, new_targets)
pairs = zip(backbone.parameters(), leaky.parameters(), strict=True)
moved = sum(not torch.equal(p, q) for p, q in pairs)
print("parameters moved:", moved, "of 3")
print(f"old task, after: accuracy {old_accuracy(leaky):.2f}")
assert moved == 0 and old_accuracy(leaky) < before - 0.1

# %%
# Set the frozen part to evaluation mode
# --------------------------------------
#
# The running mean and variance of :class:`torch.nn.BatchNorm1d` are buffers. In
# training mode every forward pass updates them, with or without gradients. Call
# ``eval()`` on the frozen part, after each ``model.train()``, which would undo it. As a
# check, compute the features once, beforehand. A head trained on these features comes
# out equal, but for rounding.

frozen, head = copy.deepcopy(backbone).requires_grad_(False), copy.deepcopy(new_head)
fit(nn.Sequential(frozen, head), new_inputs, new_targets, keep=[frozen])
print(f"old task, gradients off:          accuracy {old_accuracy(leaky):.2f}")
print(f"old task, gradients off and eval: accuracy {old_accuracy(frozen):.2f}")
for name, value in backbone.state_dict().items():
    assert torch.equal(frozen.state_dict()[name], value), name

features = backbone(new_inputs).detach()
expected = fit(copy.deepcopy(new_head), features, new_targets)
torch.testing.assert_close(head.weight, expected.weight, atol=1e-3, rtol=0)

# %%
# Every feature of 100 old points, before and after. On the dashed line nothing changed.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
panels = [("Gradients off: features drift", leaky), ("With eval(): no drift", frozen)]
for ax, (title, after) in zip(axes, panels, strict=True):
    x, y = (f(old_inputs[:100]).detach().flatten().numpy() for f in (backbone, after))
    ax.plot(x, y, ".", markersize=3)
    ax.plot([0, x.max()], [0, x.max()], "--", color="black")
    ax.set(title=title, xlabel="feature before", ylabel="feature after")
plt.show()

# %%
# When it is not so: freezing between ``backward`` and ``step``
# -------------------------------------------------------------
#
# The optimizer skips a parameter only if its gradient is ``None``. A gradient that is
# left from before the freeze still moves its parameter. With momentum or weight decay,
# a gradient of zeros moves it, too. So set the gradients to ``None``, as
# ``zero_grad()`` does.

optimizer = torch.optim.AdamW(new_head.parameters(), lr=0.1)
nn.functional.cross_entropy(new_head(features), new_targets).backward()
new_head.requires_grad_(False)
moves = []
for name in ["stale gradient", "gradient of zeros", "no gradient"]:
    start = new_head.weight.clone()
    optimizer.step()
    moves.append((new_head.weight - start).norm().item())
    print(f"{name}: moved by {moves[-1]:.3f}")
    optimizer.zero_grad(set_to_none=name == "gradient of zeros")
assert min(moves[:2]) > 0.01 and moves[2] == 0

# %%
# In your project
# ---------------
#
# A model that overrides ``train`` keeps its backbone in evaluation mode, whoever calls
# ``train``. A new module, and often a loaded backbone, starts in training mode. So the
# constructor calls ``train``, too. A torchvision ResNet is a backbone after
# ``resnet.fc = nn.Identity()``. Freeze first, then wrap in ``DistributedDataParallel``,
# which waits for a gradient of each parameter that is not frozen by then.
#
# LayerNorm does the same in both modes. Dropout has no buffers and still needs
# ``eval()``: in training mode it drops features of the frozen part at random.
#
# To train the backbone later, call ``requires_grad_(True)`` on it and give its
# parameters to ``optimizer.add_param_group``. Batch normalization stays in evaluation
# mode. If you use ``DistributedDataParallel``, wrap the model again: the old wrapper
# does not average the gradients of layers that were frozen, and no error says so.


class Classifier(nn.Sequential):
    def __init__(self, backbone, head):
        super().__init__(backbone.requires_grad_(False), head)
        self.train()  # new

    def train(self, mode=True):
        super().train(mode)
        self[0].eval()  # new: the backbone
        return self


device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
loaded = copy.deepcopy(backbone).train()  # a copy, as the model freezes it
model = Classifier(loaded, nn.Linear(32, 2)).to(device)
optimizer = torch.optim.AdamW(model[1].parameters(), lr=0.01)  # the head alone

# %%
# Check
# -----
#
# After an epoch with the new head, each tensor of the backbone is unchanged.

for x, y in zip(new_inputs.split(50), new_targets.split(50), strict=True):
    nn.functional.cross_entropy(model(x.to(device)), y.to(device)).backward()
    optimizer.step()
    optimizer.zero_grad()
for name, value in backbone.state_dict().items():
    assert torch.equal(model[0].state_dict()[name].cpu(), value), name
assert model.train()[1].training and not model[0].training

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - :ref:`sphx_glr_recipes_recipes_what_is_state_dict.py`
# - :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - A new head, in two stages:
#   :ref:`sphx_glr_recipes_recipes_fine_tune_a_pretrained_model.py`
# - A small rate instead: :ref:`sphx_glr_recipes_recipes_parameter_groups.py`
# - :ref:`sphx_glr_recipes_recipes_warmstarting_model_using_parameters_from_a_different_model.py`
# - Weights that stay zero: :ref:`sphx_glr_recipes_recipes_prune_a_model.py`
