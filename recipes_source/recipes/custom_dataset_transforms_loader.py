# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "matplotlib", "pillow"]
# [tool.recipe]
# tags = ["Data"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "custom dataset", "subclass Dataset", "__getitem__ and __len__",
#   "data augmentation", "image annotations", "bounding boxes", "object detection",
#   "own images and labels", "read data from CSV", "create a custom dataset",
# ]
# ///
"""
Developing Custom PyTorch Dataloaders
=====================================

Batch your own images and boxes, with random transforms that keep the two together.

Why it matters: augmentation moves pixels. If the target says where something is and
does not move with them, you train on wrong labels, and nothing raises an error. Wrap
boxes in ``BoundingBoxes``, and transforms of ``torchvision.transforms.v2`` move them.
"""

# %%
# A folder of images and a table
# ------------------------------
#
# Your data are files. This cell writes some: 60 images, and ``boxes.csv`` with a line
# for each object: image, class, and the box ``x1, y1, x2, y2``. Images have one to
# three objects, at any place. An object of class 1 is red, 2 is green, 3 is blue, so
# that a program can see where it is. Class 0 stays free: for Faster R-CNN and SSD of
# torchvision it means background, and they lose such objects without an error.

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL.Image import open as open_image
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.ops import box_iou
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Image

torch.manual_seed(0)
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%

rows = []
for number in range(60):
    image = torch.randint(0, 100, (3, 64, 64), dtype=torch.uint8)
    for label in (1 + torch.randperm(3))[: number % 3 + 1].tolist():
        x, y = torch.randint(0, 48, (2,)).tolist()
        width, height = torch.randint(8, 17, (2,)).tolist()
        image[label - 1, y : y + height, x : x + width] = 255
        rows.append([f"{number:02}.png", label, x, y, x + width, y + height])
    v2.functional.to_pil_image(image).save(folder / f"{number:02}.png")
with open(folder / "boxes.csv", "w", newline="") as file:
    csv.writer(file).writerows(rows)
print("first lines:", *rows[:3], sep="\n")

# %%
# A Dataset is a length and an index
# ----------------------------------
#
# Subclass :class:`torch.utils.data.Dataset`. ``__len__`` says how many samples there
# are. ``__getitem__`` reads one when it is asked for, so the images need not fit in
# memory. ``convert("RGB")`` is for grey and transparent images. Transforms of
# ``torchvision.transforms.v2`` take image and target together.


def read_table(folder):
    found = {}
    with open(folder / "boxes.csv", newline="") as file:
        for name, *numbers in csv.reader(file):
            found.setdefault(name, []).append([int(n) for n in numbers])
    return sorted(found.items())  # images without a line are left out


# %%


class Boxes(Dataset):
    def __init__(self, folder, transform):
        self.folder, self.samples = folder, read_table(folder)
        self.transform = transform

    def __len__(self):
        return len(self.samples)

    def read(self, index):
        name, lines = self.samples[index]
        image = open_image(self.folder / name).convert("RGB")
        labels, boxes = torch.tensor(lines).split([1, 4], dim=1)
        target = {"labels": labels[:, 0], "boxes": boxes.float()}
        return v2.functional.pil_to_tensor(image), target

    def __getitem__(self, index):
        return self.transform(*self.read(index))


# %%
# See the problem: the boxes stay behind
# --------------------------------------
#
# Check the targets against the pictures: compare the box around the bright pixels of an
# object with the returned box by :func:`torchvision.ops.box_iou`, intersection over
# union. It is 1 where the two agree and 0 where they do not touch.


def overlaps(data):
    found = []
    for image, target in data:
        for label, box in zip(target["labels"], target["boxes"], strict=True):
            ys, xs = (image[label - 1] > 0.9).nonzero().unbind(1)
            if len(xs) == 0:  # no pixel of the object is left
                found.append(0.0)
                continue
            seen = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            found.append(box_iou(seen[None].float(), box[None]).item())
    return torch.tensor(found)


# %%

as_float = v2.ToDtype(torch.float32, scale=True)
augment = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(40), as_float])
ious = {"no augmentation": overlaps(Boxes(folder, as_float))}
ious["flip and crop"] = overlaps(Boxes(folder, augment))
for name, iou in ious.items():
    print(f"{name:15}  {len(iou)} boxes, IoU mean {iou.mean():.2f}")
assert ious["no augmentation"].min() == 1 and ious["flip and crop"].mean() < 0.5

# %%
# Say that they are boxes
# -----------------------
#
# The first plain tensor is taken for the image, unless an image is marked as such. All
# other tensors pass through untouched: four numbers could mean anything. Wrap the boxes
# in :class:`torchvision.tv_tensors.BoundingBoxes` as you read them, with their format
# and the image's size. Flip and crop then move them too. An object outside the crop
# keeps a box without area. ``SanitizeBoundingBoxes`` removes such boxes, with their
# labels. For other values of a box, such as ``area``, give it a ``labels_getter``.


class WrappedBoxes(Boxes):
    def read(self, index):
        image, target = super().read(index)
        options = {"format": "XYXY", "canvas_size": image.shape[-2:]}
        boxes = BoundingBoxes(target["boxes"], **options)  # new
        return Image(image), target | {"boxes": boxes}


# %%

ious["wrapped"] = overlaps(WrappedBoxes(folder, augment))
steps = [v2.RandomHorizontalFlip(), v2.RandomCrop(40)]
clean = v2.Compose([*steps, v2.SanitizeBoundingBoxes(min_size=2), as_float])
ious["and sanitized"] = overlaps(WrappedBoxes(folder, clean))
for name, iou in ious.items():
    print(f"{name:15}  {len(iou)} boxes, IoU mean {iou.mean():.2f},", end=" ")
    print(f"least {iou.min():.2f}")
assert ious["wrapped"].min() == 0 and ious["and sanitized"].min() == 1
assert len(ious["and sanitized"]) < len(ious["wrapped"])

# %%
# One image, with the same random flip and crop:

fig, axes = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
panels = {"Plain tensor: boxes left behind": Boxes(folder, augment)}
panels["Boxes moved and cut"] = WrappedBoxes(folder, clean)
for ax, (title, data) in zip(axes, panels.items(), strict=True):
    torch.manual_seed(4)
    image, target = data[11]
    ax.imshow(image.permute(1, 2, 0).numpy())
    for box in target["boxes"]:
        x1, y1, x2, y2 = (box - 0.5).tolist()  # imshow puts pixel centres on integers
        color = "tab:orange" if data.transform is augment else "tab:blue"
        ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=color, lw=3)
    ax.set(title=title, xlabel="column (px)", ylabel="row (px)")
plt.show()

# %%
# Batches of unequal targets
# --------------------------
#
# :class:`torch.utils.data.DataLoader` stacks samples, which fails as soon as two images
# have different numbers of boxes:

data = WrappedBoxes(folder, clean)
try:
    next(iter(DataLoader(data, batch_size=16)))
    raise AssertionError("the boxes were stacked")
except RuntimeError as error:
    print(f"RuntimeError: {error}")

# %%
# Give the loader a ``collate_fn`` that stacks the images and keeps the targets in a
# list, as the detection models of torchvision expect them. The list may hold targets
# without boxes. Transform before, in ``__getitem__``: a transform of the whole batch
# would flip all its images or none.


def collate(samples):
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), list(targets)


# %%
# In your project
# ---------------
#
# Augment the training set only, and test on other images. In a script, give the loader
# ``num_workers=4``, and loop under ``if __name__ == "__main__":``. For images smaller
# than the crop, write ``RandomCrop(40, pad_if_needed=True)``. Test images of unequal
# sizes cannot be stacked: let ``collate`` return ``list(images)``, and move each image.

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
train_set = Subset(WrappedBoxes(folder, clean), range(48))
test_set = Subset(WrappedBoxes(folder, as_float), range(48, 60))  # other images
options = {"batch_size": 16, "collate_fn": collate, "pin_memory": gpu}  # new
for images, targets in DataLoader(train_set, shuffle=True, **options):
    images = images.to(device, non_blocking=True)
    targets = [{k: v.to(device) for k, v in target.items()} for target in targets]
    # loss = sum(model(images, targets).values()); the model has num_classes=4
print(f"{len(train_set)} images, the last batch has shape {tuple(images.shape)}")

# %%
# Check these lines
# -----------------
#
# The types and labels are the ones that a detection model expects, and each box of the
# test set lies on its object.

for target in targets:
    assert target["boxes"].dtype == torch.float32 and target["boxes"].shape[1:] == (4,)
    assert target["labels"].dtype == torch.int64 and (target["labels"] > 0).all()
iou = overlaps(test_set)
print(f"test set: {len(iou)} boxes, least IoU {iou.min():.2f}")
assert iou.min() == 1 and len(iou) == sum(row[0] >= "48.png" for row in rows)
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - :ref:`sphx_glr_recipes_recipes_loading_data_recipe.py`
# - Load in several processes:
#   :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - Other unequal samples: :ref:`sphx_glr_recipes_recipes_collate_variable_length.py`
# - Classes instead of boxes:
#   :ref:`sphx_glr_recipes_recipes_images_from_folders.py`
# - Other transforms for the test:
#   :ref:`sphx_glr_recipes_recipes_train_validation_test_split.py`
