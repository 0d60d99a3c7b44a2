"""The drawn stand-in looks and behaves like CIFAR-10, and says what it is."""

import hashlib
import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from recipe_site import drawn_cifar10
from recipe_site.drawn_cifar10 import (
    CLASSES,
    DRAWN_VERSION,
    LENGTH,
    REAL_FOLDER,
    draw_images,
    install,
)
from recipe_site.torch_plugin import data_version
from tools.downloads import READER

pytestmark = pytest.mark.unit


@pytest.fixture
def real(monkeypatch):
    """torchvision's own class, which stands there again when the test is over."""
    monkeypatch.setattr(datasets, "CIFAR10", datasets.CIFAR10)
    return datasets.CIFAR10


@pytest.fixture
def standin(real, tmp_path):
    """The class that takes its place in a build without real data."""
    install(tmp_path)
    return datasets.CIFAR10


# -- The images ------------------------------------------------------------------------


@pytest.mark.parametrize("train", [True, False])
def test_images_have_the_real_format(standin, train) -> None:
    """Bytes of 32 by 32 pixels in three colours; as many images of each class."""
    made = standin("data", train=train)
    assert type(made.data) is np.ndarray and made.data.dtype == np.uint8
    assert made.data.shape == (LENGTH[train], 32, 32, 3)
    assert type(made.targets) is list and type(made.targets[0]) is int
    assert np.bincount(made.targets).tolist() == [LENGTH[train] // 10] * 10
    contrast = np.ptp(made.data.astype(int), axis=(1, 2)).max(1)
    assert contrast.min() > 50, "an image without a shape"


def test_classes_are_different_shapes() -> None:
    """With everything else equal, no two classes cover the same pixels."""
    y, x = np.mgrid[:32, :32].astype(np.float32)[:, None]
    where = [np.full((1, 1, 1), value, np.float32) for value in (16, 16, 9, 7, 2)]
    masks = [drawn_cifar10.draw_class(i, x, y, *where)[0] for i in range(10)]
    assert len(CLASSES) == 10
    assert all(50 < mask.sum() < 974 for mask in masks)
    for i, mask in enumerate(masks):
        assert all((mask != other).sum() > 40 for other in masks[:i])


def test_images_are_the_same_every_time() -> None:
    """Equal seeds draw equal images, whatever else draws random numbers."""
    first, first_targets = draw_images(100, seed=1)
    np.random.seed(3)
    second, second_targets = draw_images(100, seed=1)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first_targets, second_targets)


def test_training_and_test_images_differ(standin) -> None:
    """No image is in both, and none is there twice."""
    train, test = (standin("data", train=t).data for t in (True, False))
    assert len({image.tobytes() for image in (*train, *test)}) == len(train) + len(test)


# -- The interface ---------------------------------------------------------------------


def test_signature_is_torchvisions(standin, real) -> None:
    """The same parameters, in the same order, with the same defaults."""
    ours, theirs = (inspect.signature(c).parameters.values() for c in (standin, real))
    assert standin is not real and issubclass(standin, real)
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in theirs
    ]


def test_attributes_and_items(standin) -> None:
    """What a recipe may use of torchvision's class."""
    made = standin("data", train=False, download=True)
    assert made.train is False and made.root == "data"
    assert made.classes == CLASSES
    assert made.class_to_idx == {name: i for i, name in enumerate(CLASSES)}
    image, target = made[7]
    assert isinstance(image, Image.Image) and image.size == (32, 32) and image.mode == "RGB"
    np.testing.assert_array_equal(np.array(image), made.data[7])
    assert target == made.targets[7]
    assert len(made) == len(made.data) == len(made.targets)
    for part in ("Dataset CIFAR10", f"datapoints: {len(made)}", "location: data", "Split: Test"):
        assert part in repr(made)


def test_transforms_are_applied(standin) -> None:
    """Both of them, to the image and to the target."""
    made = standin("data", False, transforms.ToTensor(), lambda target: target + 100)
    image, target = made[0]
    assert image.shape == (3, 32, 32) and target == made.targets[0] + 100
    torch.testing.assert_close(image, torch.tensor(made.data[0]).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_makes_batches(standin, workers) -> None:
    """Each sample once, in this process or in others."""
    made = standin("data", train=False, transform=transforms.ToTensor())
    batches = list(DataLoader(made, batch_size=300, num_workers=workers))
    assert [tuple(images.shape) for images, _ in batches] == [(300, 3, 32, 32)] * 3 + [
        (100, 3, 32, 32)
    ]
    assert torch.cat([targets for _, targets in batches]).tolist() == made.targets


def test_it_can_be_pickled(standin) -> None:
    """A loader whose workers are spawned sends it through a pipe."""
    made = standin("data", train=False)
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is standin
    np.testing.assert_array_equal(again.data, made.data)


def test_it_says_what_it_is(standin, capsys) -> None:
    """In the printed output, hence on the page, with the number of images."""
    standin("data")
    assert capsys.readouterr().out == (
        "Stand-in for CIFAR10: 5000 drawn images of shapes and textures, no photographs.\n"
    )


def test_nothing_is_downloaded(standin, monkeypatch, tmp_path) -> None:
    """``download=True`` asks no host and makes no folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", None)
    standin("data", download=True).download()
    assert not Path("data").exists()


# -- What it refuses -------------------------------------------------------------------


def test_undeclared_data_set_is_an_error(real, tmp_path) -> None:
    """It says what to add, and where."""
    install(tmp_path, declared=())
    with pytest.raises(RuntimeError, match=r'not declared: add datasets = \["CIFAR10"\]'):
        datasets.CIFAR10("data")


def test_declared_data_set_is_loaded(real, tmp_path) -> None:
    """The declaration is enough."""
    install(tmp_path, declared=("CIFAR10",))
    assert len(datasets.CIFAR10("data", train=False)) == LENGTH[False]


@pytest.mark.parametrize("train", [True, False])
def test_truncated_real_data_is_an_error(real, tmp_path, train, capsys) -> None:
    """Half of the real data is never silently replaced by the stand-in."""
    folder = tmp_path / REAL_FOLDER
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"short")
    install(tmp_path)
    with pytest.raises(RuntimeError, match=re.escape(str(folder)) + ".*'make data'"):
        datasets.CIFAR10("data", train=train, download=True)
    assert capsys.readouterr().out == ""


# -- Its version -----------------------------------------------------------------------


def test_version_stands_for_the_images() -> None:
    """Other images, another version: recipes that show them must run again."""
    code = [inspect.getsource(f) for f in (drawn_cifar10.draw_class, draw_images)]
    drawn = hashlib.sha256("".join([*code, str(CLASSES), str(LENGTH)]).encode()).hexdigest()[:16]
    known = ("drawn 1", "fb5d2570ef5659ab")
    assert (DRAWN_VERSION, drawn) == known, "do they draw other images? then raise DRAWN_VERSION"


def test_version_follows_the_data(tmp_path) -> None:
    """It changes between stand-in and real data, and with the real files."""
    seen = [data_version("CIFAR10", tmp_path)]
    assert data_version("CIFAR10", tmp_path) == seen[0]
    file = tmp_path / REAL_FOLDER / "data_batch_1"
    file.parent.mkdir()
    for size in (1, 2):
        file.write_bytes(b"x" * size)
        seen.append(data_version("CIFAR10", tmp_path))
    assert len(set(seen)) == 3
    assert [name.split()[0] for name in seen] == ["drawn", "real", "real"]


def test_unknown_data_set_has_no_version(tmp_path) -> None:
    """A wrong name in a header is an error that lists the right ones."""
    with pytest.raises(ValueError, match="'MNIST'.*known: CIFAR10"):
        data_version("MNIST", tmp_path)


# -- sitecustomize ---------------------------------------------------------------------

PROBE = """
import sys
print(sorted({"torch", "torchvision"} & set(sys.modules)))
from torchvision.datasets import CIFAR10
print(hasattr(CIFAR10, "standin_for"))
"""


@pytest.mark.parametrize(("data", "patched"), [(None, False), ("", False), ("here", True)])
def test_a_fresh_process_is_patched_when_asked(tmp_path, data, patched) -> None:
    """Only with RECIPE_DATA, and without importing torch before the process does."""
    env = {**os.environ, "PYTHONPATH": str(READER)}
    env.pop("RECIPE_DATA", None)
    if data is not None:
        env["RECIPE_DATA"] = data and str(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", PROBE], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert run.stdout.split() == ["[]", str(patched)], run.stderr
