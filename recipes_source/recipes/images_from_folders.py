# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision"]
# [tool.recipe]
# tags = ["Data"]
# after = ["loading_data_recipe"]
# timeout = 60
# searched_as = [
#   "load images from folder", "own images", "DatasetFolder", "corrupt image",
#   "PIL.UnidentifiedImageError", "Couldn't find any class folder", "pandas",
# ]
# errors = ["image file is truncated"]
# older_errors = ["cannot identify image file"]
# ///
"""
Read images from class folders or a CSV table
=============================================

Load pictures by folder or by table, with the same class numbers in training and test.

Why it matters: folder names become numbers by their alphabetical order. If the
validation folder lacks one class, the numbers of all later classes shift, and no error
is raised. One file that was cut off does raise an error, in the middle of an epoch.
"""

# %%
# Folders of drawn pictures
# -------------------------
#
# The names of the classes are 1, 2 and 10. A picture of class 10 is red, 1 is green,
# and 2 is blue. The sizes differ, as in photos. The validation folder lacks class 1.

import csv
import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader
from torchvision.transforms import v2

torch.manual_seed(0)
temporary = tempfile.TemporaryDirectory()
root, colors = Path(temporary.name), ["10", "1", "2"]  # red, green, blue

# %%
for name in ("train/1", "train/2", "train/10", "valid/2", "valid/10"):
    (root / name).mkdir(parents=True)
    for number in range(4):
        image = torch.randint(0, 100, (3, 30 + number, 40), dtype=torch.uint8)
        image[colors.index(name[6:])] += 150
        v2.functional.to_pil_image(image).save(root / name / f"{number}.png")

# %%
# See the problem: the numbers shift
# ----------------------------------
#
# :class:`torchvision.datasets.ImageFolder` reads such folders in one line. ``perfect``
# stands for a trained model: it sees the color, and answers with the number that the
# class has in the training set. In alphabetical order, "10" comes before "2".

train = ImageFolder(root / "train")
valid = ImageFolder(root / "valid")


def perfect(image):
    channels = v2.functional.pil_to_tensor(image).float().mean(dim=(1, 2))
    return train.class_to_idx[colors[int(channels.argmax())]]


def accuracy(data):
    return sum(perfect(image) == target for image, target in data) / len(data)


print("training:  ", train.class_to_idx, f"accuracy {accuracy(train):.2f}")
print("validation:", valid.class_to_idx, f"accuracy {accuracy(valid):.2f}")
assert accuracy(train) == 1 and accuracy(valid) == 0

# %%
# The idea: say which classes there are
# -------------------------------------
#
# ``find_classes`` makes the numbers. Override it, and give training, validation and
# test the same list. The number of a class is its place in this list: choose any order,
# and keep it. A folder that is not in the list raises an error. ``allow_empty=True``
# lets a listed class have no pictures (since torchvision 0.18). In training this
# is a mistake, and no error is raised: count ``train_set.targets``.


class Folders(ImageFolder):
    def __init__(self, root, classes, **options):
        self.wanted = classes
        super().__init__(root, allow_empty=True, **options)

    def find_classes(self, directory):  # new
        if unknown := set(super().find_classes(directory)[0]) - set(self.wanted):
            raise ValueError(f"not in the list of classes: {sorted(unknown)}")
        return self.wanted, {name: i for i, name in enumerate(self.wanted)}


# %%
mended = Folders(root / "valid", train.classes)
print("validation:", mended.class_to_idx, f"accuracy {accuracy(mended):.2f}")
assert accuracy(mended) == 1
try:
    Folders(root / "train", ["1", "2"])
except ValueError as error:
    print(error)

# %%
# A damaged file
# --------------
#
# A copy was interrupted. The file is opened when its turn comes, and the message does
# not name it. (An empty file says ``cannot identify image file``, with its name.)

path = root / "train" / "2" / "3.png"
path.write_bytes(path.read_bytes()[:2000])
try:
    list(train)
except OSError as error:
    print(error)

# %%
# ``is_valid_file`` is asked for each file when the data set is made. The function below
# decodes each picture, so each start of the program reads all data. With many files,
# run the function once, mend or delete what is left out, and train without
# ``is_valid_file``. Damage in the middle of a JPEG file often raises nothing: the
# picture is spoiled, and the function keeps it.
#
# Without ``is_valid_file``, only the endings ``.jpg``, ``.jpeg``, ``.png``, ``.ppm``,
# ``.bmp``, ``.pgm``, ``.tif``, ``.tiff`` and ``.webp`` are read. Other files are left
# out without a message. A PNG file with 16 bits in one channel becomes nearly white:
# pass a ``loader`` that scales it. Photos of a phone can lie on their side: in a
# ``loader``, PIL's ``ImageOps.exif_transpose`` turns them.


def is_whole(path):
    try:
        return bool(default_loader(path))  # decodes all, which PIL's verify() does not
    except Exception:  # PIL raises several
        return False


kept = Folders(root / "train", train.classes, is_valid_file=is_whole)
lost = [Path(path) for path, _ in sorted(set(train.samples) - set(kept.samples))]
print("left out:", [path.relative_to(root).as_posix() for path in lost])
assert lost == [path] and len(kept) == 11 and accuracy(kept) == 1
path.unlink()  # or mend it

# %%
# Names and labels in a table
# ---------------------------
#
# A CSV file can hold the labels. They are text: look up the number in the same list.
# For a ``DataLoader``, also apply the transform of the last cells to the picture. If
# the file has a heading, start at ``rows[1:]``. ``utf-8-sig`` also reads what Excel
# saves as "CSV UTF-8".

(root / "labels.csv").write_text("train/2/0.png,2\ntrain/10/1.png,10\n")
rows = list(csv.reader((root / "labels.csv").read_text("utf-8-sig").splitlines()))


class Table(Dataset):
    def __len__(self):
        return len(rows)

    def __getitem__(self, index):
        name, label = rows[index]
        return default_loader(root / name), train.classes.index(label)


print("targets by table:", [target for _, target in Table()])
assert accuracy(Table()) == 1

# %%
# In your project
# ---------------
#
# A batch needs pictures of one size. ``Resize(64)`` sets only the shorter side. Give
# both sides, which squeezes the picture, or put ``v2.CenterCrop(64)`` after
# ``Resize(64)``. With pretrained weights of torchvision, take ``weights.transforms()``,
# which also normalizes.
#
# For speed, give the loaders ``num_workers``. On Windows and macOS, and on Linux since
# Python 3.14, the program then needs ``if __name__ == "__main__":``. The damaged file
# is gone, so no start of the program needs to read all files.

classes = ["1", "2", "10"]  # new: save the list with the weights
steps = [v2.Resize((64, 64)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
transform = v2.Compose(steps)
train_set = Folders(root / "train", classes, transform=transform)  # new
valid_set = Folders(root / "valid", classes, transform=transform)  # new
train_loader = DataLoader(train_set, batch_size=8, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=8)

# %%
# Check: in the batches, too, the color tells the class.

for images, targets in [*train_loader, *valid_loader]:
    print(tuple(images.shape), end=" ")
    seen = images.mean(dim=(2, 3)).argmax(dim=1).tolist()
    assert [colors[c] for c in seen] == [classes[t] for t in targets.tolist()]
temporary.cleanup()

# %%
# Learn more
# ----------
#
# - Several workers: :ref:`sphx_glr_recipes_recipes_dataloader_workers_and_seeds.py`
# - Boxes: :ref:`sphx_glr_recipes_recipes_custom_dataset_transforms_loader.py`
# - Parts: :ref:`sphx_glr_recipes_recipes_train_validation_test_split.py`
