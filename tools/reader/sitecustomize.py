"""Gives any Python process the build's data sets, and looks at the figures that it shows.

Problem: downloaded scripts and notebooks are checked offline and as they are; that a figure has
no title or label raises no error.
Usage: run them with ``PYTHONPATH=tools/reader RECIPE_DATA=<the data folder>``, and with
``RECIPE_FIGURES=<a folder>`` to keep the figures that a script shows.
Result: Python imports this file at its start; torch is not loaded until the process itself
imports torchvision. What the process can import stays as it is: no folder of ours is on its path
but this one, in which nothing else lies. In the folder of figures are the figures by number, and
``problems`` with a line for each title and label that they lack.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

DRAWN = Path(__file__).parents[2] / "recipe_site" / "drawn_cifar10.py"


def give_data(folder: Path) -> None:
    """Install the data sets of the build; its file is executed, no module of it stays."""
    spec = importlib.util.spec_from_file_location("drawn_cifar10", DRAWN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install(folder)


def keep_figures(pyplot: ModuleType) -> None:
    """Have ``show`` without a window write each figure as the gallery does, and look at it."""
    folder = Path(os.environ["RECIPE_FIGURES"])
    folder.mkdir(parents=True, exist_ok=True)

    def show(*args: Any, **kwargs: Any) -> None:
        found = {}  # in order, each once
        for figure in map(pyplot.figure, pyplot.get_fignums()):
            figure.savefig(folder / f"{len(list(folder.glob('*.png'))):03}.png")
            found |= dict.fromkeys(f"{line_of_script()}: {what}\n" for what in lacks(figure))
        pyplot.close("all")
        with open(folder / "problems", "a", encoding="utf-8") as file:
            file.writelines(found)

    if os.environ.get("MPLBACKEND") == "agg":
        pyplot.show = show


def lacks(figure: Any) -> Iterator[str]:
    """What a matplotlib figure lacks: a title, labels of axes; a sentence each."""
    plots = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    titled = [any(map(axes.get_title, ("left", "center", "right"))) for axes in plots]
    if not figure.get_suptitle() and not (titled and all(titled)):
        yield "a figure without a title: give it one"
    for axes in plots:
        for letter in "xy":
            if axes.axison and not has_label(axes, letter):
                yield f"an axis without a label: call set_{letter}label"


def has_label(axes: Any, letter: str) -> bool:
    """Whether an axis has a label: its own, that of one it shares with, or the figure's."""
    shared = getattr(axes, f"get_shared_{letter}_axes")().get_siblings(axes)
    labels = [getattr(other, f"get_{letter}label")() for other in shared]
    return any([*labels, getattr(axes.figure, f"get_sup{letter}label")()])


def line_of_script() -> str:
    """The line that the script itself has come to, as ``name.py:12``."""
    frame = sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


if data := os.environ.get("RECIPE_DATA"):
    give_data(Path(data))
if os.environ.get("RECIPE_FIGURES"):
    from wrapt.importer import register_post_import_hook

    register_post_import_hook(keep_figures, "matplotlib.pyplot")
