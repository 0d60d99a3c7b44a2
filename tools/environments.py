"""Environments with other versions of Python and torch, made for one use outside the checkout.

Problem: to know whether a recipe runs on another version, that version has to be installed, in
gigabytes, and must neither reach the project's own environment nor stay.
Usage: ``listed(root)`` reads ``layout.VERSIONS``; ``with made(wanted, ...) as installed`` has one
of them, for as long as the block lasts.
Result: a folder with a Python that has the pins of the environment, and what recipes import, as
in constraints.txt. uv makes it, with its own settings: ``UV_TORCH_BACKEND=cpu`` takes small wheels.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from packaging.requirements import Requirement

from recipe_gallery.files import digest
from recipe_site import layout
from recipe_site.tried import Environment

# What torch itself chooses; a pin of another torch's would be in its way.
OF_TORCH = re.compile(r"(torch|torchvision|triton|setuptools|sympy|nvidia-.*|cuda-.*)==")
READER = ("wrapt",)  # what tools/reader imports beside the recipes
WHAT_IS_THERE = """
import json, platform
from importlib.metadata import version
names = ("torch", "torchvision", "numpy", "matplotlib")
versions = {"python": platform.python_version(), **{name: version(name) for name in names}}
print(json.dumps({"platform": f"{platform.system()} {platform.machine()}", "versions": versions}))
"""


class CannotMake(Exception):
    """An environment cannot be had here; the text says why."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment as the list has it."""

    python: str  # its version
    pins: tuple[str, ...]  # torch and torchvision
    options: tuple[str, ...] = ()  # for uv when it installs the pins
    name: str = ""

    @property
    def recorded(self) -> bool:
        """Whether it is the same each time it is made."""
        return all("==" in pin for pin in self.pins)


@dataclass(frozen=True)
class Installed:
    """An environment that is there."""

    folder: Path
    python: Path
    found: Environment


def listed(root: Path) -> dict[str, Wanted]:
    """All environments of the list, by their names.

    Raises:
        SystemExit: with a sentence, if the list is missing or cannot be read.
    """
    try:
        table = tomllib.loads((root / layout.VERSIONS).read_text("utf-8"))
        named = {name: {**values, "name": name} for name, values in table.items()}
        return msgspec.convert(named, dict[str, Wanted])
    except (OSError, ValueError, TypeError, msgspec.ValidationError) as error:
        raise SystemExit(f"{layout.VERSIONS} cannot be read: {error}") from None


def uv(*arguments: str | Path) -> None:
    """Run uv.

    Raises:
        CannotMake: with what it says, on one line.
    """
    command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode:
        error = done.stderr.partition("error: ")[2] or done.stderr  # warnings stand before it
        raise CannotMake(" ".join(error.split()) or "uv failed")


def constraints(root: Path) -> str:
    """The content of constraints.txt without what depends on the torch that is installed."""
    lines = (root / "constraints.txt").read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not OF_TORCH.match(line))


@contextmanager
def made(
    wanted: Wanted, root: Path, folder: Path, needs: Iterable[str], keep: bool = False
) -> Iterator[Installed]:
    """Make an environment, or take one that was kept, and remove it at the end.

    Args:
        wanted: what it has.
        root: of the project, with constraints.txt.
        folder: where environments are made.
        needs: what the recipes depend on, as their headers name it.
        keep: whether it stays.

    Raises:
        CannotMake: with a sentence, if it cannot be made; nothing is left of it.
    """
    place = folder / wanted.name.replace(" ", "-")
    names = sorted({without_version(need) for need in needs} | set(READER))
    complete = False
    try:
        installed = install(wanted, place, names, constraints(root))
        complete = True
        yield installed
    finally:
        if not (keep and complete):
            shutil.rmtree(place, ignore_errors=True)


def install(wanted: Wanted, place: Path, names: Sequence[str], pins: str) -> Installed:
    """Install an environment in a folder, unless it is there; raises as ``made``.

    Args:
        wanted: what it has.
        place: its folder.
        names: the packages that it has beside ``wanted.pins``.
        pins: the content of constraints.txt for these.
    """
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    mark, of = place / "made-of", digest(repr((wanted, names, pins)))
    try:
        if not mark.is_file() or mark.read_text() != of:
            print(f"making {wanted.name}", flush=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            uv("venv", "--clear", "--no-project", "--python", wanted.python, place)
            uv("pip", "install", "--python", python, *wanted.options, *wanted.pins)
            (place / "constraints.txt").write_text(pins)
            options = ("--python", python, "--constraints", place / "constraints.txt")
            uv("pip", "install", *options, *names)
            mark.write_text(of)
        asked = subprocess.run([python, "-c", WHAT_IS_THERE], capture_output=True, text=True)
    except OSError as error:
        raise CannotMake(str(error)) from None
    if asked.returncode:
        raise CannotMake((asked.stderr.splitlines() or ["its Python does not start"])[-1])
    return Installed(place, python, Environment(wanted.name, **json.loads(asked.stdout)))


def without_version(text: str) -> str:
    """The name of a dependency with its extras; which version, the environment decides."""
    need = Requirement(text)
    return need.name + (f"[{','.join(sorted(need.extras))}]" if need.extras else "")
