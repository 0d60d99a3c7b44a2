# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics", "Training"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "weight init", "init weights", "kaiming_normal_", "kaiming_uniform_", "He init",
#   "xavier_uniform_", "Glorot", "orthogonal_", "model.apply", "vanishing gradients",
#   "exploding activations", "custom initialization", "set weights by hand",
#   "symmetry breaking", "default initialization",
# ]
# errors = [
#   "a leaf Variable that requires grad is being used in an in-place operation.",
#   "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
# ]
# ///
"""
Initialize weights so that signals keep their size
==================================================

Initialize every layer by one function, and see that signals neither vanish nor explode.

Why it matters: a deep network multiplies its input by one weight matrix after another.
With weights of a quarter of the right size, the signal is lost after some layers, and
the gradient with it. With weights eleven times too large, the signal overflows.
"""

# %%
# See the problem: fifty layers
# -----------------------------
#
# Fifty linear layers of 256 numbers, each followed by a ReLU. ``measure`` sends random
# inputs through. It notes the root mean square of the signal after each ReLU, and how
# much the outputs of different inputs differ, relative to their size.

import matplotlib.pyplot as plt
import torch
from torch import nn

width, depth = 256, 50


def make(init=None):
    torch.manual_seed(0)
    pairs = [(nn.Linear(width, width), nn.ReLU()) for _ in range(depth)]
    model = nn.Sequential(*[layer for pair in pairs for layer in pair])
    return model.apply(init) if init else model


# %%
@torch.no_grad()
def measure(model):
    x, sizes = torch.randn(256, width), []
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            sizes.append(x.square().mean().sqrt().item())
    return sizes, (x.std(dim=0).mean() / x.square().mean().sqrt()).item()


sizes, spread = measure(make())
print(f"default: size {sizes[0]:.2f} after layer 1, {sizes[-1]:.2f} after layer 50")
assert spread < 1e-4
print("default: outputs differ by less than 1e-4 of their size")

# %%
# What is left after fifty layers comes from the biases. The network gives the same
# answer to every input. PyTorch's default draws the weights evenly from
# :math:`-1/\sqrt{n}` to :math:`1/\sqrt{n}`, where n is the number of inputs. Their
# variance is :math:`1/(3n)`: without normalization, too small for fifty layers.
#
# The idea: a variance of 2 / n
# -----------------------------
#
# A sum of n products has n times the variance of one, and a ReLU keeps half of the mean
# square. So weights with the variance :math:`2/n` keep the signal's size, if n is the
# number of inputs. :func:`torch.nn.init.kaiming_normal_` draws them.
# :meth:`torch.nn.Module.apply` calls a function with every module, also nested ones.


def initializer(fill):
    def init(module):
        if isinstance(module, nn.Linear):
            fill(module.weight)
            nn.init.zeros_(module.bias)

    return init


fills = {
    "std 1": nn.init.normal_,
    "std 0.02": lambda w: nn.init.normal_(w, std=0.02),
    "Xavier": nn.init.xavier_normal_,  # variance 1 / n here: made for tanh
    "Kaiming": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
}

# %%
# Proof
# -----
#
# Of these five, Kaiming's weights keep the size between 0.1 and 10 through all fifty
# layers. How close the size stays to 1 depends on the seed and the width. All fifty
# layers have the variance of the formula, so ``apply`` has reached every layer.

curves, spreads = {"default": sizes}, {"default": spread}
for name, fill in fills.items():
    model = make(initializer(fill))
    curves[name], spreads[name] = measure(model)
    low, high = min(curves[name]), max(curves[name])
    print(f"{name:8} " + (f"{low:.2f} to {high:.2f}" if high < 9 else "overflows"))
kept = [n for n, curve in curves.items() if all(0.1 < size < 10 for size in curve)]
assert kept == ["Kaiming"] and spreads["Kaiming"] > 0.05
linears = [layer for layer in model if isinstance(layer, nn.Linear)]
right = [abs(layer.weight.var() * width / 2 - 1) < 0.1 for layer in linears]
print(f"layers with the variance 2 / {width}: {sum(right)} of {len(right)}")
assert sum(right) == depth

# %%
# A straight line on this axis means that every layer multiplies by the same factor.
# Values below 1e-12 and above 1e12 are left out.

fig, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
styles = {"std 1": "C3:", "std 0.02": "k:", "Xavier": "C2-.", "default": "C1--"}
for name, style in {**styles, "Kaiming": "C0-"}.items():
    shown = [size if 1e-12 < size < 1e12 else float("nan") for size in curves[name]]
    axis.plot(range(1, depth + 1), shown, style, label=name)
axis.set(xlabel="layer", ylabel="root mean square", yscale="log")
axis.set_title("Of five, Kaiming's weights keep the signal's size")
fig.legend(loc="outside right center")
plt.show()

# %%
# The gradient goes the same way back. Its norm in the first layer tells whether that
# layer can learn:

grads = {}
for name, init in [("default", None), ("Kaiming", initializer(fills["Kaiming"]))]:
    model = make(init)
    targets = torch.randint(width, (256,))
    nn.functional.cross_entropy(model(torch.randn(256, width)), targets).backward()
    grads[name] = model[0].weight.grad.norm().item()
    size = "below 1e-6" if grads[name] < 1e-6 else "above 0.1"
    print(f"{name}: the norm of the gradient is {size}")
assert grads["default"] < 1e-6 and grads["Kaiming"] > 0.1

# %%
# Two messages, and a silent mistake
# ----------------------------------
#
# To write to a weight yourself, use ``torch.nn.init`` or ``torch.no_grad()``.
# Biases have one dimension, and no number of inputs: set them to 0. And do not give
# *every* layer equal weights. Units with the same weights before and behind them get
# the same gradient, and stay equal. (One layer may have equal weights: a last layer can
# start at 0.)

layer = nn.Linear(4, 3)
for write in (lambda: layer.weight.fill_(0.1), lambda: fills["Kaiming"](layer.bias)):
    try:
        write()
        raise AssertionError
    except (RuntimeError, ValueError) as error:
        print(error)

# %%
apart = {}
for equal in ("every layer", "the first layer"):
    two = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    chosen = two if equal == "every layer" else two[0]
    with torch.no_grad():
        for parameter in chosen.parameters():
            parameter.fill_(0.1)
    two(torch.randn(16, 4)).square().sum().backward()
    grad = two[0].weight.grad
    apart[equal] = ((grad - grad.mean(dim=0)).norm() / grad.norm()).item()
    differ = "equal" if apart[equal] < 1e-5 else "different"
    print(f"equal weights in {equal}: the units get {differ} gradients")
assert apart["every layer"] < 1e-5 and apart["the first layer"] > 1e-3

# %%
# When it does not matter
# -----------------------
#
# A normalization after each layer brings the signal back to its size, even if the
# weights are too large. The default will do then. A standard deviation of 1 keeps the
# signal, too. But relative to such large weights, the gradient is hundreds of times
# smaller: with the same learning rate, SGD hardly changes them.

speeds = {}
for name, init in [("default", None), ("std 1", initializer(nn.init.normal_))]:
    layers = []
    for layer in make(init):
        layers.append(layer)
        if isinstance(layer, nn.Linear):
            layers.append(nn.LayerNorm(width))
    sizes, spread = measure(model := nn.Sequential(*layers))
    assert 0.3 < min(sizes) and max(sizes) < 3 and spread > 0.05
    nn.functional.cross_entropy(model(torch.randn(256, width)), targets).backward()
    speeds[name] = (model[0].weight.grad.norm() / model[0].weight.norm()).item()
    print(f"{name}, LayerNorm: from {min(sizes):.1f} to {max(sizes):.1f},", end=" ")
    print(f"gradient / weight {speeds[name]:.0e}")
assert speeds["std 1"] < speeds["default"] / 100

# %%
# In your project
# ---------------
#
# Call ``apply`` once, on a new model, before you load weights: on a pretrained model,
# ``init`` erases what was learned. The factor 2 is for ReLU. GELU and SiLU still shrink
# the signal of a deep network without normalization. For ``tanh``, use
# ``xavier_normal_`` with ``gain=5 / 3``. Other layers, such as ``Conv1d`` or
# ``Embedding``, keep their default unless you name them. ``isinstance`` also finds
# subclasses: of :class:`torch.nn.MultiheadAttention`, only ``out_proj`` is changed. No
# ReLU follows the last layer: give this layer small weights.


def init(module):
    if isinstance(module, nn.Linear | nn.Conv2d):  # new
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
blocks = [nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 36, 10)]
model = nn.Sequential(*blocks).apply(init)  # new
nn.init.normal_(model[-1].weight, std=1e-3)  # new: the last layer
model = model.to(device)

# %%
# Check
# -----
#
# An output of a convolution sums over channels times the area of its kernel: here n is
# 3 * 3 * 3. With a small last layer, the first
# loss is log 10, as for a guess among ten classes.

ratio = (model[0].weight.var() * 27 / 2).item()
images = torch.randn(64, 3, 8, 8, device=device)
labels = torch.randint(10, (64,), device=device)
first = nn.functional.cross_entropy(model(images), labels).item()
print(f"variance of the convolution, times n / 2: {ratio:.1f}")
print(f"first loss {first:.1f}, log 10 is {torch.tensor(10.0).log():.1f}")
assert abs(ratio - 1) < 0.2 and abs(first - 2.3) < 0.05

# %%
# Learn more
# ----------
#
# - A weight in an in-place operation:
#   :ref:`sphx_glr_recipes_recipes_error_modified_by_an_inplace_operation.py`
# - Leave the initialization out: :ref:`sphx_glr_recipes_recipes_skip_param_init.py`
# - Gradients that are too large: :ref:`sphx_glr_recipes_recipes_gradient_clipping.py`
# - Look at the signals of your model:
#   :ref:`sphx_glr_recipes_recipes_hooks_capture_activations.py`
# - API: :func:`torch.nn.init.kaiming_normal_`, :meth:`torch.nn.Module.apply`
