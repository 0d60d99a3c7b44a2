"""Runs a recipe cell by cell and says what a script alone would not show.

Problem: a figure without a title, or a value that only a notebook shows, raises no error.
Usage: ``python run_cells.py <recipe>``, its cells as JSON (``[[line, code], ...]``) on stdin.
Result: a line per problem on stderr, and exit status 1 if there are any.
"""

import ast
import json
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

found: dict[str, None] = {}  # problems, in order and each once
cells = json.load(sys.stdin)
path = Path(sys.argv[1])
where = ""


def has_label(axes: Axes, letter: str) -> bool:
    """Whether an axis has a label: its own, that of one it shares with, or the figure's."""
    shared = getattr(axes, f"get_shared_{letter}_axes")().get_siblings(axes)
    labels = [getattr(other, f"get_{letter}label")() for other in shared]
    return any([*labels, getattr(axes.figure, f"get_sup{letter}label")()])


def check_figures(*args, **kwargs) -> None:
    """Takes the place of ``plt.show``, and is called after every cell."""
    for figure in map(plt.figure, plt.get_fignums()):
        plots = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        titled = [any(map(axes.get_title, ("left", "center", "right"))) for axes in plots]
        if not figure.get_suptitle() and not (titled and all(titled)):
            found[f"{where}: a figure without a title: give it one"] = None
        for axes in plots:
            for letter in "xy":
                if axes.axison and not has_label(axes, letter):
                    found[f"{where}: an axis without a label: call set_{letter}label"] = None


plt.show = check_figures
recipe = sys.modules["__main__"] = types.ModuleType("__main__")  # where pickle looks
sys.argv, sys.path[0] = [str(path)], str(path.parent)
for line, code in cells:
    where = f"{path.name}:{line}"
    tree = ast.parse("\n" * (line - 1) + code, path.name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = ast.Expression(last.value if last else ast.parse("None", mode="eval").body)
    try:
        exec(compile(tree, str(path), "exec"), vars(recipe))
        if eval(compile(value, str(path), "eval"), vars(recipe)) is not None:
            found[f"{path.name}:{last.lineno}: the cell ends with a value: print it"] = None
    except SystemExit:
        found[f"{where}: it exits, and the rest does not run: use if or raise"] = None
    check_figures()
    plt.close("all")
print(*found, sep="\n", end="", file=sys.stderr)
sys.exit(bool(found))
