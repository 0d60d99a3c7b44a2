# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "matplotlib"]
# [tool.recipe]
# tags = ["Data"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "custom dataset", "subclass Dataset", "__getitem__ and __len__",
#   "data augmentation", "image annotations", "bounding boxes", "object detection",
#   "own images and labels", "read data from CSV",
# ]
# ///
"""
Developing Custom PyTorch Dataloaders
=====================================

Batch your own images and boxes, with random transforms that keep the two together.

Why it matters: augmentation moves pixels. If the target says where something is and
does not move with them, you train on wrong labels, and nothing raises an error.
"""

# %%
# Some data of your own
# ---------------------
#
# ``read`` stands for "open image number ``index`` and its annotation". It returns a
# noisy image with a bright triangle, and the box around the triangle as ``x1, y1, x2,
# y2``. All triangles lie in the middle, where the crop below does not cut them.

import matplotlib.pyplot as plt
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_iou
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes


def read(index):
    g = torch.Generator().manual_seed(index)
    image = torch.randint(0, 100, (3, 64, 64), dtype=torch.uint8, generator=g)
    x, y = torch.randint(16, 32, (2,), generator=g).tolist()
    size = torch.randint(8, 17, (), generator=g).item()
    triangle = torch.ones(size, size).tril() > 0
    image[:, y : y + size, x : x + size][:, triangle] = 255
    return image, torch.tensor([[x, y, x + size, y + size]])


# %%
# A Dataset is a length and an index
# ----------------------------------
#
# Subclass :class:`torch.utils.data.Dataset`: ``__len__`` says how many samples there
# are; ``__getitem__`` makes one when it is asked for, so the set need not fit in
# memory. Transforms of ``torchvision.transforms.v2`` take image and box together.


class Triangles(Dataset):
    def __init__(self, read, transform):
        self.read, self.transform = read, transform

    def __len__(self):
        return 200

    def __getitem__(self, index):
        return self.transform(*self.read(index))


as_float = v2.ToDtype(torch.float32, scale=True)
augment = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(48), as_float])

# %%
# The box stays behind
# --------------------
#
# Check the target against the picture: compare the box around the bright pixels with
# the returned one by their intersection over union, :func:`torchvision.ops.box_iou`.
# It is 1 where they agree and 0 where they do not touch.


def overlap(image, box):
    ys, xs = (image.amin(0) > 0.9).nonzero().unbind(1)
    seen = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    return box_iou(seen[None], box)


for name, transform in [("no augmentation", as_float), ("flip and crop", augment)]:
    torch.manual_seed(0)
    data = Triangles(read, transform)
    iou = torch.cat([overlap(*data[i]) for i in range(len(data))])
    print(f"{name:15}  mean IoU {iou.mean():.2f}, lowest {iou.min():.2f}")

# %%
# Say that it is a box
# --------------------
#
# The first plain tensor is taken for the image, any other passes through untouched:
# four integers could mean anything. Wrap the box in
# :class:`torchvision.tv_tensors.BoundingBoxes`, with its format and its image's size,
# and the flip and the crop move it too.


def read_boxed(index):
    image, box = read(index)
    return image, BoundingBoxes(box, format="XYXY", canvas_size=image.shape[-2:])


torch.manual_seed(0)
data = Triangles(read_boxed, augment)
fixed = torch.cat([overlap(*data[i]) for i in range(len(data))])
print(f"plain tensor   mean IoU {iou.mean():.2f}, lowest {iou.min():.2f}")
print(f"BoundingBoxes  mean IoU {fixed.mean():.2f}, lowest {fixed.min():.2f}")
assert torch.equal(fixed, torch.ones(200, 1))

# %%
# The same sample, with the same random flip and crop:

fig, axes = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
panels = [("Plain: box left behind", read), ("BoundingBoxes: box moved", read_boxed)]
for ax, (title, reader) in zip(axes, panels, strict=True):
    torch.manual_seed(3)
    image, box = Triangles(reader, augment)[7]
    x1, y1, x2, y2 = (box[0] - 0.5).tolist()  # imshow puts pixel centres on integers
    ax.imshow(image.permute(1, 2, 0).numpy())
    ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color="tab:orange", lw=3)
    ax.set(title=title, xlabel="column (px)", ylabel="row (px)")
plt.show()

# %%
# Batches, and a pitfall
# ----------------------
#
# :class:`torch.utils.data.DataLoader` shuffles and stacks samples. Transform before it
# stacks, in ``__getitem__``: a batch of boxes is a plain tensor again, and a transform
# would leave it behind.

g = torch.Generator().manual_seed(0)
loader = DataLoader(data, batch_size=16, shuffle=True, generator=g)
inputs, targets = next(iter(loader))
print("one sample's box:", type(data[0][1]).__name__, tuple(data[0][1].shape))
print("batch of boxes:", type(targets).__name__, tuple(targets.shape))

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - :ref:`sphx_glr_recipes_recipes_weighted_random_sampler.py`
