# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "numpy", "pillow"]
# [tool.recipe]
# tags = ["Data", "Errors"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "predict single image", "predict one image", "inference on one picture",
#   "grayscale image", "greyscale to RGB", "grey image in a network for colour",
#   "RGBA", "alpha channel", "PNG with 4 channels", "HWC to CHW", "channels first",
#   "channels last image", "add a batch dimension", "unsqueeze(0)", "OpenCV image",
#   "PIL image to tensor", "MNIST in ResNet", "in_channels", "permute an image",
# ]
# errors = [
#   "to have 3 channels, but got 1 channels instead",
#   "to have 3 channels, but got 4 channels instead",
#   "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size",
#   "expected 4D input (got 3D input)",
#   "Input type (unsigned char) and bias type (float) should be the same",
# ]
# older_errors = [
#   '''Expected 4-dimensional input for 4-dimensional weight [64, 3, 7, 7], but got
#   3-dimensional input of size''',
#   "Expected 3-dimensional input for 3-dimensional weight",
#   "Need input.size[1] == 3 but got 1 instead",
#   '''Input type (torch.ByteTensor) and weight type (torch.FloatTensor) should be the
#   same''',
#   "to have 1 channels, but got 3 channels instead",
# ]
# ///
"""
Expected 3 channels but got 1: feed one picture to a network
============================================================

Give a network one picture: channels first, three of them, in a batch of one.

Why it matters: a picture from a file has one channel, three or four, often as the last
dimension. It has no batch. The network was trained on batches with three channels
first. The message names sizes, and does not say which number is which.
"""

# %%
# See the problem: six pictures, six refusals
# -------------------------------------------
#
# A network for colour pictures, with batch normalization as most have it. It should get
# float32 of shape ``(batch, 3, height, width)``.

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

torch.manual_seed(0)
features = [nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
model = nn.Sequential(*features, nn.Flatten(), nn.Linear(8, 5)).eval()
photo = np.zeros((32, 48, 3), dtype=np.uint8)  # height, width, channels
photo[..., 0] = np.linspace(100, 255, 48)  # red grows from left to right
photo[:10, :, 1] = 150  # some green above
photo[20:, 10:20, 2] = 80  # a little blue

# %%
# ``photo`` has the layout that NumPy and matplotlib use, with the channels last. Six
# versions of it go to the network:

hwc = torch.from_numpy(photo / np.float32(255))
flat, chw = hwc.mean(dim=2), hwc.permute(2, 0, 1)
wrong = {
    "grey, one channel": flat.view(1, 1, 32, 48),
    "alpha as a fourth channel": torch.cat([chw, torch.ones(1, 32, 48)])[None],
    "channels last": hwc[None],
    "no channels, no batch": flat,
    "no batch": chw,
    "bytes": torch.from_numpy(photo).permute(2, 0, 1)[None],
}

# %%

for name, x in wrong.items():
    try:
        model(x)
        raise AssertionError(name)
    except (RuntimeError, ValueError) as error:
        print(f"{name}, {tuple(x.shape)}\n  {error}")

# %%
# Read the message
# ----------------
#
# - ``weight of size [8, 3, 5, 5]`` is the layer: it gives 8 channels, takes 3 (6, with
#   ``groups=2``), and its window has 5 by 5 pixels. If this is a layer inside the
#   network, the layer before it gives another number of channels: change
#   ``in_channels`` to that number.
# - ``expected input[1, 32, 48, 3]`` is your picture: batch, channels, height, width.
#   The second number must be 3. Here the 3 stands last, so the channels are last.
#   (``memory_format=torch.channels_last`` does not change the shape.)
# - ``expected 4D input (got 3D input)`` comes from batch normalization. The convolution
#   before it accepts a picture without a batch. A network without batch normalization
#   often fails only at its linear layer, as below.
# - ``Input type`` and ``bias type``: the dtype is wrong. A convolution without a bias
#   says ``expected scalar type Byte but found Float``. On a GPU, it names a
#   ``weight type``.

plain = nn.Sequential(model[0], *model[2:])  # no batch normalization
try:
    plain(chw)
    raise AssertionError("no batch")
except RuntimeError as error:
    print(error)

# %%
# The mend: one step for each cause
# ---------------------------------
#
# ``permute`` puts the channels first. ``expand`` repeats the grey channel without a
# copy. ``[:, :3]`` drops the alpha channel, ``unsqueeze(0)`` makes a batch of one, and
# bytes become fractions of 255.

mended = {
    "grey, one channel": flat.view(1, 1, 32, 48).expand(-1, 3, -1, -1),
    "alpha as a fourth channel": wrong["alpha as a fourth channel"][:, :3],
    "channels last": hwc[None].permute(0, 3, 1, 2),
    "no channels, no batch": flat.expand(3, -1, -1).unsqueeze(0),
    "no batch": chw.unsqueeze(0),
    "bytes": wrong["bytes"] / 255,
}

# %%

outputs = {name: model(x).detach() for name, x in mended.items()}
for name, x in mended.items():
    print(f"{name:26} {tuple(x.shape)}, first score {outputs[name][0, 0]:.2f}")

# %%
# Proof: the same scores as in a batch
# ------------------------------------
#
# Four of the six are the same photograph. So they must get the scores that it has in a
# batch, loaded another way: by :class:`torchvision.transforms.v2.ToImage`. For the grey
# picture the reference is a convolution for one channel, whose weights are the sums
# over the three.

to_image = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
batch = torch.stack([to_image(photo), to_image(photo[:, ::-1].copy())])
reference = model(batch).detach()[:1]
for name in ("alpha as a fourth channel", "channels last", "no batch", "bytes"):
    torch.testing.assert_close(outputs[name], reference)

# %%

one = nn.Conv2d(1, 8, 5)
one.weight.data, one.bias.data = model[0].weight.data.sum(1, True), model[0].bias.data
scores = nn.Sequential(one, *model[1:])(flat.view(1, 1, 32, 48)).detach()
for name in ("grey, one channel", "no channels, no batch"):
    print(f"{name}: {(outputs[name] - scores).abs().max():.4f} from the reference")
    torch.testing.assert_close(outputs[name], scores)

# %%
# The reverse message, "to have 1 channels, but got 3", is a network for grey pictures.
# Convert the picture with :class:`torchvision.transforms.v2.Grayscale`. Or give the
# network a first layer for three channels, and train it.
#
# When it is not so: reshape silences the message
# -----------------------------------------------
#
# ``reshape(3, 32, 48)`` has the right sizes and the wrong pixels: it cuts the row of
# numbers elsewhere and moves nothing. No layer refuses that. The means of the channels
# show it: this photograph has almost no blue. OpenCV gives blue first, and no layer
# refuses that either: ``cv2.cvtColor(image, cv2.COLOR_BGR2RGB)`` puts red first.

scrambled = hwc.reshape(3, 32, 48)
for name, x in {"permute": chw, "reshape": scrambled}.items():
    red, green, blue = x.mean(dim=(1, 2)).tolist()
    print(f"{name}: red {red:.2f}, green {green:.2f}, blue {blue:.2f}")
off = (model(scrambled[None]) - reference).abs().max().item()
print(f"scores differ by up to {off:.2f}")
assert off > 0.01 and scrambled[2].mean() > 5 * chw[2].mean()

# %%
# In your project
# ---------------
#
# ``convert("RGB")`` gives three channels. But it spoils two kinds of file without an
# error. With 16 bits (mode ``I;16``), each value above 255 becomes white, so begin with
# ``Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))``. Transparent pixels
# show a colour that was hidden. ``prepare`` must have the steps of the training,
# ``v2.Normalize`` too, or the answers are worse, without an error. With weights of
# torchvision, write ``prepare = weights.transforms()``.

device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
model = model.to(device).eval()
to_float = v2.ToDtype(torch.float32, scale=True)
prepare = v2.Compose([v2.ToImage(), v2.Resize((32, 48)), to_float])


def predict(path):
    picture = Image.open(path).convert("RGB")  # new: three channels
    batch = prepare(picture).unsqueeze(0).to(device)  # new: a batch of one
    with torch.inference_mode():
        return model(batch).softmax(dim=1)[0].cpu()


# %%
# Check these lines
# -----------------
#
# A grey file and a colour file of the same grey must get the same answer. With 16 bits
# for each pixel, most of a ramp from black to white is lost:

with tempfile.TemporaryDirectory() as folder:
    files = {"grey": Image.fromarray(photo).convert("L")}
    files["colour"] = files["grey"].convert("RGB")
    for name, picture in files.items():
        picture.save(f"{folder}/{name}.png")
        print(f"{name}: channels {picture.getbands()}")
    answers = [predict(Path(folder, f"{name}.png")) for name in files]
print("probabilities add up to", round(answers[0].sum().item(), 4))
torch.testing.assert_close(*answers)
ramp = np.linspace(0, 65535, 1536).astype(np.uint16).reshape(32, 48)
white = (np.asarray(Image.fromarray(ramp).convert("RGB")) == 255).mean()
print(f"16 bits: {white:.1%} of the picture is white")
assert white > 0.9

# %%
# Learn more
# ----------
#
# - Why ``eval()`` matters, for a batch of one most of all:
#   :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py`
# - Other sizes that do not fit:
#   :ref:`sphx_glr_recipes_recipes_error_shapes_do_not_match.py`
# - Serve such a network: :ref:`sphx_glr_recipes_recipes_deployment_with_flask.py`
