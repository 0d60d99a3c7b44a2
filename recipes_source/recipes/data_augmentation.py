# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision"]
# [tool.recipe]
# tags = ["Data"]
# after = ["custom_dataset_transforms_loader"]
# timeout = 60
# searched_as = [
#   "augment images", "image augmentation", "torchvision.transforms", "albumentations",
#   "random crop", "does augmentation increase the size of the data set", "more data",
#   "same transform for image and mask", "segmentation mask", "paired transforms",
#   "transform for training and validation", "overfitting", "imgaug",
# ]
# ///
"""
Augment pictures and masks in training
======================================

Give training pictures and their masks the same new random change in each epoch.

Why it matters: a mask says which pixels are the object. If the picture is turned and
the mask is not, the model learns from wrong pixels. Nothing raises an error.
"""

# %%
# Pictures with masks
# -------------------
#
# Forty drawn pictures of 48 by 48 pixels have a bright bar. The mask has 2, the number
# of its class, on the bar, and 0 elsewhere. So a program can compare the mask with the
# pixels: ``overlap`` is 1 where they agree, and 0 where they do not touch.

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from torchvision.tv_tensors import Image, Mask

torch.manual_seed(2)
pictures = torch.randint(0, 100, (40, 3, 48, 48), dtype=torch.uint8)
masks = torch.zeros(40, 48, 48, dtype=torch.int64)
for picture, mask in zip(pictures, masks, strict=True):
    x, y = torch.randint(14, 20, (2,)).tolist()
    picture[:, y : y + 6, x : x + 14], mask[y : y + 6, x : x + 14] = 255, 2


def overlap(picture, mask):
    seen, said = picture[0] > 180, mask > 0
    return ((seen & said).sum() / (seen | said).sum()).item()


# %%
# See the problem: the mask stays behind
# --------------------------------------
#
# The transforms of ``torchvision.transforms.v2`` take picture and mask together. But of
# several plain tensors they change the first only. If the picture is a PIL image, they
# change no plain tensor. A mask that is a PIL image is treated as a second picture.

augment = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(45)])
pairs = list(zip(pictures, masks, strict=True))
plain = [overlap(*augment(picture, mask)) for picture, mask in pairs]
print(f"plain tensors: overlap {sum(plain) / 40:.1f} on average")
assert sum(plain) / 40 < 0.8

# %%
# The idea: say what is a mask
# ----------------------------
#
# :class:`torchvision.tv_tensors.Image` and :class:`torchvision.tv_tensors.Mask` are
# tensors with a name for what they hold. One call draws one angle for both.

wrapped = [overlap(*augment(Image(picture), Mask(mask))) for picture, mask in pairs]
print(f"Image and Mask: overlap {min(wrapped):.2f} at worst")
assert min(wrapped) > 0.99

# %%
# Why not two calls with one seed? The second call would treat the mask as a picture. A
# turn with ``BILINEAR`` then mixes 0 and 2, and some pixels get 1, another class. A
# ``Mask`` keeps its numbers, and changes of color leave it alone.
#
# But the empty corners of a turned mask get 0. If 0 is a class to learn, give the
# rotation ``fill={Image: 0, Mask: 255}``, and the loss ``ignore_index=255``.

turn = v2.RandomRotation((30, 30), interpolation=v2.InterpolationMode.BILINEAR)
as_picture = turn(masks[:, None])
as_mask = turn(Image(pictures), Mask(masks))[1]
print("treated as pictures:", as_picture.unique().tolist())
print("treated as masks:   ", as_mask.unique().tolist())
assert as_picture.unique().tolist() == [0, 1, 2] and as_mask.unique().tolist() == [0, 2]

# %%
# Anew in each epoch, and in training only
# ----------------------------------------
#
# Call the transform in ``__getitem__``, which runs each time that a sample is read. The
# data set keeps its length: each epoch shows other versions of as many pictures. Make
# two data sets, one for each part.


class Pictures(Dataset):
    def __init__(self, indices, transform):
        self.indices, self.transform = indices, transform

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, number):
        index = self.indices[number]
        return self.transform(Image(pictures[index]), Mask(masks[index]))


# %%
to_float = v2.ToDtype(torch.float32, scale=True)  # of an Image; a Mask stays int64
parts = {"training": Pictures(range(30), v2.Compose([augment, to_float]))}
parts["validation"] = Pictures(range(30, 40), to_float)
versions = {}
for name, part in parts.items():
    epochs = [torch.stack([picture for picture, _ in part]) for _ in range(5)]
    versions[name] = len({epoch[0].numpy().tobytes() for epoch in epochs})
    print(f"{name}: {len(part)} pictures, first one in {versions[name]} versions")
assert versions == {"training": 5, "validation": 1}

# %%
# When it is not so: whole batches
# --------------------------------
#
# A transform that gets a batch draws once for all of it. Each batch is then flipped
# whole, or not at all. So transform single samples, or expect less variety.

flip = v2.RandomHorizontalFlip()
batches = [flip(pictures) for _ in range(20)]
flipped = [(batch != pictures).flatten(1).any(1) for batch in batches]
shares = {share.float().mean().item() for share in flipped}
print("share of flipped pictures in a batch:", sorted(shares))
assert shares == {0.0, 1.0}

# %%
# When it is not so: the label changes
# ------------------------------------
#
# Class 0 has its bright side on the left, and class 1 on the right. After a flip, the
# picture is one of the other class and keeps its label: half of the labels are wrong.
# An arrow to the left, or a ``b`` that becomes a ``d``, is such a case. Choose changes
# that you would label the same.

labels = torch.arange(1000) % 2
sides = torch.zeros(1000, 1, 4, 4)
sides[labels == 0, ..., :2] = sides[labels == 1, ..., 2:] = 1
flipped = torch.stack([flip(picture) for picture in sides])
right = ((flipped[:, 0, 0, 3] > 0).long() == labels).float().mean().item()
print(f"right labels after random flips: {right:.1f}")
assert 0.4 < right < 0.6

# %%
# In your project
# ---------------
#
# ``Normalize`` and ``ColorJitter`` change the picture only. Random numbers come from
# PyTorch, so the workers of a loader draw different ones.
#
# For files, open both in ``__getitem__``: the picture with
# ``PIL.Image.open(path).convert("RGB")``. The mask needs int64 and no channel:
# ``Mask(v2.functional.pil_to_tensor(PIL.Image.open(mask_path))[0].long())``. The file
# of the mask must hold class numbers (mode ``L`` or ``P``): of an ``RGB`` file, ``[0]``
# takes the amount of red.

scale = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]  # ToImage: if from PIL
scale.append(v2.Normalize([0.5] * 3, [0.25] * 3))
shape = [v2.RandomResizedCrop(48, scale=(0.5, 1)), v2.RandomHorizontalFlip()]
train_transform = v2.Compose([*shape, v2.ColorJitter(0.2, 0.2), *scale])  # new
valid_transform = v2.Compose([v2.Resize((48, 48)), *scale])  # new: nothing random
train_set = Pictures(range(30), train_transform)
valid_set = Pictures(range(30, 40), valid_transform)
train_loader = DataLoader(train_set, batch_size=8, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=8)

# %%
# Check
# -----
#
# In each picture, the pixels that the mask calls the object are brighter.

for images, targets in [*train_loader, *valid_loader]:
    assert images.dtype == torch.float32 and targets.dtype == torch.int64
    for picture, mask in zip(images, targets, strict=True):
        inside, outside = picture[:, mask == 2].mean(), picture[:, mask == 0].mean()
        assert inside > outside + 1
print("last batch:", tuple(images.shape), tuple(targets.shape), targets.dtype)

# %%
# Learn more
# ----------
#
# - Boxes: :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`
# - Transforms for each part of a split:
#   :ref:`sphx_glr_recipes_recipes_train_validation_test_split.py`
# - Random numbers in workers:
#   :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
