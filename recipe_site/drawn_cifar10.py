"""The data set CIFAR10 for the build: the real one from ``data/``, or a drawn stand-in.

Problem: recipes load data the way readers do, ``torchvision.datasets.CIFAR10(...,
download=True)``, but the host is slow or down, and builds must work offline.
Usage: ``install(data_dir)`` before a recipe runs; nothing in the recipe changes.
Result: ``torchvision.datasets.CIFAR10`` reads the real files where ``data_dir`` has
them (checked by torchvision's own checksums, never downloaded); otherwise it draws
small images of ten shapes and textures, of the same format and with the same
interface, and prints that it did, so that nobody takes their numbers for CIFAR-10's.

This file imports nothing of ours: ``tools/reader`` executes it in the processes of readers.
"""

from pathlib import Path
from types import ModuleType

import numpy as np
from wrapt.importer import register_post_import_hook

CLASSES = [
    "disc", "square", "triangle", "ring", "cross",
    "horizontal stripes", "vertical stripes", "diagonal stripes", "checks", "dots",
]  # fmt: skip
LENGTH = {True: 5000, False: 1000}  # images for training and for testing
SIDE = 32  # pixels
DRAWN_VERSION = "drawn 1"  # part of each key; raise it when other images are drawn
REAL_FOLDER = "cifar-10-batches-py"  # what torchvision unpacks into the folder of the data


def draw_class(target, x, y, cx, cy, radius, period, phase) -> np.ndarray:
    """Which pixels belong to the shape: bool of shape (number of images, 32, 32)."""
    dx, dy = np.abs(x - cx), np.abs(y - cy)
    far, near = np.maximum(dx, dy), np.minimum(dx, dy)

    def stripes(coordinate: np.ndarray) -> np.ndarray:
        return (coordinate + phase) % period < period / 2

    match CLASSES[target]:
        case "disc":
            return np.hypot(dx, dy) < radius
        case "square":
            return far < 0.85 * radius
        case "triangle":
            return (y - cy < 0.8 * radius) & (2 * dx < y - cy + radius)
        case "ring":
            return np.abs(np.hypot(dx, dy) - 0.8 * radius) < 0.2 * radius
        case "cross":
            return (near < 0.3 * radius) & (far < radius)
        case "horizontal stripes":
            return stripes(y + 0 * x)
        case "vertical stripes":
            return stripes(x + 0 * y)
        case "diagonal stripes":
            return stripes(x + y)
        case "checks":
            return stripes(x + 0 * y) ^ stripes(y + 0 * x)
        case _:  # dots
            across, down = ((axis + phase) % period - period / 2 for axis in (x, y))
            return np.hypot(across, down) < 0.3 * period


def draw_images(length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``length`` images, the same ones for the same seed.

    Returns:
        images, uint8 of shape (length, 32, 32, 3), and targets, int64 of shape
        (length,), with as many images of each class (length divisible by ten).
    """
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(length) % len(CLASSES))
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)[:, None]  # each (1, 32, 32)
    shape = (length, 1, 1)
    cx, cy = rng.uniform(11, 21, (2, *shape)).astype(np.float32)
    radius = rng.uniform(5, 11, shape).astype(np.float32)
    period = rng.integers(5, 10, shape).astype(np.float32)
    phase = rng.uniform(0, 9, shape).astype(np.float32)
    mask = np.empty((length, SIDE, SIDE), dtype=bool)
    for target in range(len(CLASSES)):
        chosen = targets == target
        mask[chosen] = draw_class(
            target, x, y, *(a[chosen] for a in (cx, cy, radius, period, phase))
        )
    mask = mask[..., None]
    # A dark and a bright colour, either of them in front: the class is in the shape.
    dark, bright = rng.uniform(0, 100, (length, 3)), rng.uniform(130, 255, (length, 3))
    swap = rng.random((length, 1)) < 0.5
    front, back = np.where(swap, dark, bright), np.where(swap, bright, dark)
    front, back = (c[:, None, None].astype(np.float32) for c in (front, back))
    images = np.where(mask, front, back)
    images += 25 * rng.standard_normal(images.shape, dtype=np.float32)
    return images.clip(0, 255).astype(np.uint8), targets


def has_real_data(data_dir: Path | None) -> bool:
    """Whether the real CIFAR-10 has been put into this folder, whole or not."""
    return data_dir is not None and (data_dir / REAL_FOLDER).is_dir()


def install(data_dir: Path | None, declared: tuple[str, ...] | None = None) -> None:
    """Make ``torchvision.datasets.CIFAR10`` read ``data_dir`` or draw its images.

    Args:
        data_dir: the folder of the real data, None if there is none.
        declared: the data sets in the recipe's header. Another one is an error then: its
            page would not be made again when the data changes. None for readers' processes.
    """

    def replace(datasets: ModuleType) -> None:
        real = getattr(datasets.CIFAR10, "standin_for", datasets.CIFAR10)  # the last call counts

        class CIFAR10(real):  # type: ignore[misc, valid-type]
            """CIFAR-10 from the project's data folder, or its stand-in."""

            standin_for = real

            def __init__(
                self, root, train=True, transform=None, target_transform=None, download=False
            ):
                if declared is not None and "CIFAR10" not in declared:
                    raise RuntimeError(
                        'CIFAR10 is not declared: add datasets = ["CIFAR10"] to the '
                        "[tool.recipe] table at the top of the recipe"
                    )
                if has_real_data(data_dir):
                    try:
                        super().__init__(data_dir, train, transform, target_transform)
                    except RuntimeError:
                        raise RuntimeError(
                            f"{data_dir / REAL_FOLDER} is incomplete or damaged: run "
                            "'make data' to fetch it again, or delete it to build with "
                            "the drawn stand-in"
                        ) from None
                    return
                datasets.VisionDataset.__init__(
                    self, root, transform=transform, target_transform=target_transform
                )
                self.train = train
                self.data, targets = draw_images(LENGTH[train], seed=int(train))
                self.targets = targets.tolist()
                self.classes = list(CLASSES)
                self.class_to_idx = {name: i for i, name in enumerate(CLASSES)}
                print(
                    f"Stand-in for CIFAR10: {len(self.data)} drawn images of shapes "
                    "and textures, no photographs."
                )

            def _check_integrity(self) -> bool:
                return not has_real_data(data_dir) or super()._check_integrity()

        CIFAR10.__qualname__ = "CIFAR10"
        CIFAR10.__module__ = datasets.__name__  # where pickle finds it
        datasets.CIFAR10 = CIFAR10

    register_post_import_hook(replace, "torchvision.datasets")
