"""Environments have what they should, are removed after use, and say in a sentence why not."""

import sys
from pathlib import Path

import pytest

from tools import environments
from tools.environments import CannotMake, Wanted, constraints, made, without_version

pytestmark = pytest.mark.unit
WANTED = Wanted("3.11", ("torch==2.0",), name="torch 2.0")
NEEDS = ("torch>=2.4", "matplotlib", "fsspec[s3]>=1")


@pytest.fixture
def calls(monkeypatch) -> list[list[str]]:
    """What uv was asked for; an environment's Python is a link to this one."""
    asked = []

    def uv(*arguments: object) -> None:
        asked.append([str(argument) for argument in arguments])
        if arguments[0] == "venv":
            folder = Path(arguments[-1], "bin")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
            (folder / "python").chmod(0o755)

    monkeypatch.setattr(environments, "uv", uv)
    return asked


@pytest.fixture
def root(tmp_path) -> Path:
    """A project with pins."""
    text = "numpy==2.1\ntorch==2.4\nnvidia-nccl-cu13==2.3 ; sys_platform == 'linux'\nsympy==1\n"
    (tmp_path / "constraints.txt").write_text(text)
    return tmp_path


def test_it_is_there_in_the_block_alone(root, calls, tmp_path) -> None:
    """First the pins, then what recipes import, as pinned but for what torch chooses."""
    with made(WANTED, root, tmp_path / "there", NEEDS) as installed:
        assert installed.found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
        assert (installed.folder / "constraints.txt").read_text() == "numpy==2.1\n"
    assert not installed.folder.exists()
    assert [call[:2] for call in calls] == [
        ["venv", "--clear"],
        ["pip", "install"],
        ["pip", "install"],
    ]
    assert calls[1][-1] == "torch==2.0"
    assert calls[2][-4:] == ["fsspec[s3]", "matplotlib", "torch", "wrapt"]


def test_it_is_removed_after_an_exception(root, calls, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt), made(WANTED, root, tmp_path / "there", ()):
        raise KeyboardInterrupt
    assert list((tmp_path / "there").iterdir()) == []


def test_kept_one_is_used_again_while_it_is_the_same(root, calls, tmp_path) -> None:
    """Not after a change of its pins."""
    for _ in range(2):
        with made(WANTED, root, tmp_path / "there", NEEDS, keep=True) as installed:
            pass
    assert len(calls) == 3 and installed.folder.is_dir()
    (root / "constraints.txt").write_text("numpy==2.2\n")
    with made(WANTED, root, tmp_path / "there", NEEDS, keep=True):
        assert len(calls) == 6


def test_half_made_one_is_removed(root, calls, tmp_path, monkeypatch) -> None:
    """Also if it should stay."""

    def uv(*arguments: object) -> None:
        (tmp_path / "there" / "torch-2.0" / "lib").mkdir(parents=True)
        raise CannotMake("no torch==2.0")

    monkeypatch.setattr(environments, "uv", uv)
    block = made(WANTED, root, tmp_path / "there", NEEDS, keep=True)
    with pytest.raises(CannotMake, match="no torch==2.0"), block:
        pass
    assert list((tmp_path / "there").iterdir()) == []


def test_what_uv_says_is_one_sentence() -> None:
    """Without its other lines."""
    with pytest.raises(CannotMake) as caught:
        environments.uv("pip", "install", "--offline", "--no-index", "no-such-package-of-a-test")
    assert "no-such-package-of-a-test" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [("torch>=2", "torch"), ("a[c,b]<3", "a[b,c]"), ("x; python_version>'3'", "x")],
)
def test_names_of_dependencies(text, name) -> None:
    assert without_version(text) == name


def test_pins_of_the_project_leave_torch_free() -> None:
    """But numpy and matplotlib, which draw and print, are as on the pages."""
    names = {
        line.partition("==")[0] for line in constraints(Path(__file__).parents[2]).splitlines()
    }
    assert {"numpy", "matplotlib", "captum"} <= names
    assert not names & {"torch", "torchvision", "triton", "setuptools", "nvidia-nccl-cu13"}
