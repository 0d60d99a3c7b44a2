# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Training"]
# after = ["leaf_tensors_and_grad"]
# timeout = 60
# searched_as = [
#   "second order gradient", "double backward", "higher-order", "WGAN-GP", "STE",
#   "custom gradient", "extend autograd", "quantization-aware training",
#   "legacy autograd function with non-static forward method",
# ]
# errors = ["Jacobian mismatch for output 0 with respect to input 0"]
# ///
"""
Write a backward of your own, and prove it
==========================================

Give a function the gradient you choose, and check its first and second derivatives.

Why it matters: some formulas have a gradient of ``nan``, or of zero nearly everywhere.
You may write the backward pass yourself. But a mistake in it raises no error.
"""

# %%
# A slope of nan
# --------------
#
# The slope of log(1 + exp(x)) lies between 0 and 1. In float32, the exponential of 100
# is infinite. The chain rule multiplies it by 1 / infinity: 0 * infinity is ``nan``.

import torch
from torch import nn
from torch.autograd import Function, grad, gradcheck, gradgradcheck
from torch.nn import functional as F

torch.manual_seed(0)
x = torch.tensor([-1.0, 2.0, 100.0], requires_grad=True)
(naive,) = grad((1 + x.exp()).log().sum(), x)
print("naive slope:", [round(s, 3) for s in naive.tolist()])
assert naive.isnan().tolist() == [False, False, True]

# %%
# The idea: a Function
# --------------------
#
# Autograd does not look inside ``forward``. ``setup_context`` saves what ``backward``
# will need. ``backward`` gets the gradient that arrives, and multiplies it by the
# slope. It returns one result for each argument of ``forward``: ``None`` for what is no
# tensor.


class Softplus(Function):
    generate_vmap_rule = True  # for torch.func.vmap, and jacrev, which calls it

    @staticmethod
    def forward(x):
        return x.clamp(min=0) + (-x.abs()).exp().log1p()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, arriving):
        (x,) = ctx.saved_tensors
        return arriving * x.sigmoid()


# %%
# Call ``apply``, here in a layer: ``Softplus()(x)`` raises "Legacy autograd function".
# PyTorch has this function ready: :class:`torch.nn.Softplus` must give the same value
# and slope.


class Act(nn.Module):
    def forward(self, x):
        return Softplus.apply(x)


(slope,) = grad(Act()(x).sum(), x)
print("own slope:", [round(s, 3) for s in slope.tolist()])
torch.testing.assert_close(Act()(x), nn.Softplus()(x))
torch.testing.assert_close(slope, grad(nn.Softplus()(x).sum(), x)[0])

# %%
# Proof: gradcheck and gradgradcheck
# ----------------------------------
#
# :func:`torch.autograd.gradcheck` measures slopes by small steps of each input,
# :func:`torch.autograd.gradgradcheck` second derivatives. Give both float64. Save only
# inputs and outputs: autograd can differentiate through them. ``Kept`` saves the slope,
# which is neither, so autograd takes the slope for a constant. ``gradcheck`` accepts
# ``Kept``, and ``gradgradcheck`` refuses it. The message shows what was measured
# (*numerical*) and what is yours (*analytical*).


class Kept(Softplus):
    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0].sigmoid())

    @staticmethod
    def backward(ctx, arriving):
        return arriving * ctx.saved_tensors[0]


# %%

mine, kept = Softplus.apply, Kept.apply
points = torch.tensor([0.7, 1.6], dtype=torch.float64, requires_grad=True)
print("Softplus:", gradcheck(mine, points), gradgradcheck(mine, points))
print("Kept, gradcheck:", gradcheck(kept, points))
try:
    found = not gradgradcheck(kept, points)
except RuntimeError as error:
    print(error)
    found = True
assert found

# %%
# All second derivatives: the Hessian
# -----------------------------------
#
# Apply :func:`torch.func.jacrev` twice. (:func:`torch.func.hessian` asks your class for
# a method ``jvp``, too.) The Hessian of this sum is known:
# :math:`X^T \mathrm{diag}(s(1 - s)) X`, where s is the sigmoid of Xw.

X, w = torch.randn(6, 2).double(), torch.randn(2).double()
s = (X @ w).sigmoid()
hessian = torch.func.jacrev(torch.func.jacrev(lambda w: mine(X @ w).sum()))(w)
print("Hessian:", [[round(h, 2) for h in row] for row in hessian.tolist()])
torch.testing.assert_close(hessian, X.T @ torch.diag(s * (1 - s)) @ X)

# %%
# When it is not so: no class is needed
# -------------------------------------
#
# ``round`` has a slope of 0 almost everywhere, so weights before it never learn. The
# *straight-through* gradient acts as if nothing were rounded: what is detached counts
# in the value only. ``gradcheck`` refuses this gradient, as it is not the slope.

ways = {"round": torch.round}
ways["straight-through"] = lambda x: x + (x.round() - x).detach()
for name, f in ways.items():
    (slope,) = grad((f(points) ** 2).sum(), points)
    right = gradcheck(f, points, raise_exception=False)
    print(f"{name}: {slope.tolist()}, gradcheck {right}")
    assert torch.equal(slope, 0 * points if right else 2 * points.round())
assert not right

# %%
# In your project
# ---------------
#
# A gradient penalty asks for slopes of norm 1, so training needs second derivatives of
# ``Act``, too. ``create_graph=True`` records the slope for them. The sum gives a slope
# for each sample, unless a layer mixes samples, as batch normalization does.
#
# ``torch.compile`` and fused attention have no second derivatives, and raise. For
# attention, choose ``SDPBackend.MATH`` by ``sdpa_kernel``. DDP averages the gradients
# of this loss, but not with ``static_graph=True``: each process then trains alone, and
# no message says so.


def penalty(model, x):
    (slope,) = grad(model(x).sum(), x, create_graph=True)  # new: recorded
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = nn.Sequential(nn.Linear(3, 16), Act(), nn.Linear(16, 1)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for x in torch.randn(200, 32, 3):  # your data
    x = x.to(device).requires_grad_()
    loss = F.mse_loss(model(x), x.sum(1, keepdim=True)) + 5 * penalty(model, x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# Check
# -----
#
# The target, a sum of three numbers, has a slope of norm √3. The penalty held the model
# back. Without ``create_graph=True``, the slope is not connected. Then the penalty is a
# constant beside the other loss, and ``backward()`` raises nothing.

(slope,) = grad(model(x).sum(), x)
norm = slope.norm(dim=1).mean().item()
print(f"norm of the slope: target {3**0.5:.1f}, model {norm:.1f}")
print("without create_graph, requires_grad:", slope.requires_grad)
assert abs(norm - 1) < 0.3 and not slope.requires_grad

# %%
# Learn more
# ----------
#
# - A gradient is missing: :ref:`sphx_glr_recipes_recipes_leaf_tensors_and_grad.py`
# - More of ``nan``: :ref:`sphx_glr_recipes_recipes_finding_nans.py`
