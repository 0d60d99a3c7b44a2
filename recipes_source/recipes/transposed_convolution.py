# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Basics"]
# after = ["reasoning_about_shapes"]
# timeout = 60
# searched_as = [
#   "transposed convolution output size", "deconvolution", "upsampling", "upconv",
#   "fractionally strided convolution", "conv_transpose2d", "U-Net decoder",
#   "autoencoder", "generator", "super-resolution", "checkerboard artifacts",
# ]
# errors = [
#   "Sizes of tensors must match except in dimension",
#   "requested an output size of", "output padding must be smaller than either stride",
# ]
# ///
"""
Transposed convolution: double the size of a feature map
========================================================

Double height and width with ``nn.ConvTranspose2d``: get the size right, know its grid.

Why it matters: a feature map that was halved often comes back one pixel too small, and
does not fit the larger one. Or its size is right, and it shows a grid of pixels.
"""

# %%
# See the problem: one pixel is missing
# -------------------------------------
#
# A convolution with stride 2 halves a feature map. The transposed convolution with the
# same numbers should bring back its size, to be joined with the larger map.

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

torch.manual_seed(0)
large = torch.randn(1, 3, 16, 16)
small = nn.Conv2d(3, 5, kernel_size=3, stride=2, padding=1)(large)
up = nn.ConvTranspose2d(5, 3, kernel_size=3, stride=2, padding=1)
print(f"{large.shape[-1]} -> {small.shape[-1]} -> {up(small).shape[-1]}")
try:
    torch.cat([large, up(small)], dim=1)
    raise AssertionError("16 and 15 fit")
except RuntimeError as error:
    print(error)

# %%
# The size
# --------
#
# The convolution makes 8 pixels out of 15, and also 8 out of 16. The transposed
# convolution cannot know whether there were 15 or 16, and makes 15. ``output_padding``
# adds pixels at the bottom and on the right. With ``dilation=1``, a side of ``n``
# becomes
#
# .. code-block:: python
#
#    (n - 1) * stride - 2 * padding + kernel_size + output_padding
#
# With stride 2, this is ``2 * n`` if ``kernel_size + output_padding`` is
# ``2 * padding + 2``. Or name the size at each call, as ``output_size``: then the layer
# works out ``output_padding``. Not every size is possible, as both messages say.

for kernel in (2, 3, 4, 5):
    padding, extra = (kernel - 1) // 2, kernel % 2
    layer = nn.ConvTranspose2d(5, 3, kernel, 2, padding, output_padding=extra)
    side = layer(small).shape[-1]
    print(f"{kernel=}, {padding=}, output_padding={extra}: 8 -> {side}")
    assert side == (8 - 1) * 2 - 2 * padding + kernel + extra == 16
print([tuple(up(small, output_size=(n, n)).shape) for n in (15, 16)])
wrong = nn.ConvTranspose2d(5, 3, 3, stride=2, padding=1, output_padding=2)
for call in (lambda: up(small, output_size=(17, 17)), lambda: wrong(small)):
    try:
        call()
        raise AssertionError("it has a size")
    except (RuntimeError, ValueError) as error:
        print(error)

# %%
# A transpose, not an inverse
# ---------------------------
#
# Without its bias, a convolution is a product with a matrix. Here, 80 numbers come from
# 192. The transposed convolution with the same weight is the product with the
# transposed matrix, as in the gradient of the convolution. This product does not lead
# back to ``x``.

down = nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False).double()
up = nn.ConvTranspose2d(5, 3, 3, 2, 1, output_padding=1, bias=False).double()
up.load_state_dict(down.state_dict())  # the shapes are the same, too
x = torch.randn(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
signal = torch.randn(1, 5, 4, 4, dtype=torch.float64)
(gradient,) = torch.autograd.grad(down(x), x, signal)
units = torch.eye(192, dtype=torch.float64).view(192, 3, 8, 8)
matrix = down(units).flatten(1).T  # a column for each pixel and channel
torch.testing.assert_close(up(signal), gradient)
torch.testing.assert_close(up(signal).flatten(), matrix.T @ signal.flatten())
lost = ((up(down(x)) - x).norm() / x.norm()).item()
print(f"matrix {tuple(matrix.shape)}, off from x by {lost:.0%} of its length")
assert lost > 0.5

# %%
# See the checkerboard
# --------------------
#
# How many inputs reach a pixel? Let all inputs and weights be 1, and look away from the
# edges. With stride 2, kernel 3 gives a checkerboard, kernel 4 does not. The counts are
# equal if the kernel size is a multiple of the stride (with ``dilation=1``).


def counts(kernel, stride):
    layer = nn.ConvTranspose2d(1, 1, kernel, stride, bias=False)
    nn.init.ones_(layer.weight)
    pixels = layer(torch.ones(1, 1, 12, 12))[0, 0].detach()
    assert pixels.shape[-1] == (12 - 1) * stride + kernel
    return pixels[kernel:-kernel, kernel:-kernel].int()


for kernel in (3, 4):
    print(f"kernel {kernel}:", *counts(kernel, 2)[:4, :4].tolist(), sep="\n")
for stride in (1, 2, 3, 4):
    for kernel in range(1, 10):
        equal = counts(kernel, stride).unique().numel() == 1
        assert equal == (kernel % stride == 0)

# %%
# When it is not so: the weights differ
# -------------------------------------
#
# Equal counts are not enough. Neighbours are made with different weights, so a new
# layer with kernel 4 draws a grid on a flat map, too. There is another way:
# :class:`~torch.nn.Upsample` repeats each pixel, then a convolution makes all pixels
# with the same weights. A flat map stays flat, but for the edges. ``Upsample`` and
# ``Conv2d`` cost more here, as the convolution works on the large map.

flat = torch.ones(1, 8, 16, 16)
conv = nn.Conv2d(8, 8, kernel_size=3, padding=1)
ways = {
    "kernel 3": nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1),
    "kernel 4": nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1),
    "Upsample, Conv2d": nn.Sequential(nn.Upsample(scale_factor=2), conv),
}
for name, layer in ways.items():
    with FlopCounterMode(display=False) as counter:
        inner = layer(flat)[..., 2:-2, 2:-2]
    spread, work = inner.std(dim=(2, 3)).mean().item(), counter.get_total_flops() / 1e6
    print(f"{name:16} spread {spread:.2f}, {work:.1f} million operations")
    assert inner.shape[-1] == 28 and (spread < 1e-5) == (name == "Upsample, Conv2d")

# %%
# In your project
# ---------------
#
# A block of a decoder. ``MaxPool2d(2)`` rounds down: 33 pixels become 16. Kernel 4 with
# padding 1 leads from 16 to 32 or 33. ``output_size`` goes to the layer itself:
# ``nn.Sequential`` does not pass it on.
#
# If a ``Conv2d`` did the halving, give its kernel size, stride and padding to
# ``self.up``. With kernel 3 and padding 1, 33 pixels become 17, which kernel 4 cannot
# turn into 33. But kernel 3 brings the grid back. To avoid the grid,
# ``nn.functional.interpolate(x, size=skip.shape[-2:])`` and a ``Conv2d`` are better.


class Up(nn.Module):
    def __init__(self, channels, skip, out):
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1)  # new
        self.conv = nn.Conv2d(out + skip, out, kernel_size=3, padding=1)

    def forward(self, x, skip):
        x = self.up(x, output_size=skip.shape[-2:])  # new: odd sides, too
        return self.conv(torch.cat([skip, x], dim=1)).relu()


device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
block = Up(channels=32, skip=32, out=16).to(device)

# %%
# Check
# -----

for sides in ((32, 48), (33, 47)):
    skip = torch.randn(2, 32, *sides, device=device)
    x = nn.functional.max_pool2d(skip, 2)
    result = block(x, skip)
    print(f"{tuple(x.shape[-2:])} -> {tuple(result.shape[-2:])}")
    assert result.shape == (2, 16, *sides)

# %%
# Learn more
# ----------
#
# - A loss for each pixel: :ref:`sphx_glr_recipes_recipes_segmentation_loss.py`
# - Sizes without arithmetic: :ref:`sphx_glr_recipes_recipes_reasoning_about_shapes.py`
# - Other shape errors: :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
