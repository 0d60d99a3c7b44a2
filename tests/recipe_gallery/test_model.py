"""What is passed on between the steps comes back from JSON as it was."""

import json
import pickle
from pathlib import Path

import pytest

from recipe_gallery import Cell, Failure, Figure, Header, Recipe, Run, Task

pytestmark = pytest.mark.unit

FIGURES = (
    Figure("sphx_glr_a_001.png", "A title", b"\x89PNG\x00\xff"),
    Figure("sphx_glr_a_001_2_00x.png", "", b"larger"),
)
RUN = Run(
    cells=(
        Cell("ä\r\n \x1b[31m\t\n", " rst\n", FIGURES, {"text/html": "<b>1</b>"}),
        Cell("", "", (), {}),
        Cell("the end", "    the end"),
    ),
    names={"np.sin": [{"name": "sin", "module": "numpy", "is_explicit": False}]},
    wall=1.5,
    cpu=2.25,
    peak=100.0,
    made_with={"python": "3.11.0"},
    key={"code": "abc"},
    raised="Traceback",
    failure=Failure("raised ValueError: x", "line 1"),
)


@pytest.mark.parametrize("run", [RUN, Run()])
def test_run_comes_back_from_json(run) -> None:
    """Equal in everything, types included."""
    again = Run.from_json(run.to_json())
    assert again == run
    assert all(isinstance(cell, Cell) for cell in again.cells)
    assert again.to_json() == run.to_json()


def test_equal_runs_are_equal_bytes() -> None:
    """Whatever the order in which their dictionaries were filled."""
    one, other = Run(made_with={"a": "1", "b": "2"}), Run(made_with={"b": "2", "a": "1"})
    assert one.to_json() == other.to_json()


@pytest.mark.parametrize("damage", ["", "[]", '{"cells": 1}', "null", '{"wall": "long"}'])
def test_damaged_json_is_an_error(damage) -> None:
    """The one that readers of a record expect."""
    with pytest.raises(ValueError):
        Run.from_json(damage.encode())


def test_json_of_another_form_is_an_error() -> None:
    """A figure without its content, or a file that ends in the middle."""
    values = json.loads(RUN.to_json())
    del values["cells"][0]["figures"][0]["content"]
    with pytest.raises(ValueError):
        Run.from_json(json.dumps(values).encode())
    with pytest.raises(ValueError):
        Run.from_json(RUN.to_json()[:-20])


def test_text_and_figures_of_a_run() -> None:
    """All that was printed as one; larger copies are no figures of their own."""
    assert RUN.text == "ä\r\n \x1b[31m\t\nthe end"
    assert RUN.figures == [FIGURES[0]]


def test_slugs() -> None:
    """The name of the file, in whichever folder."""
    assert Task("a/b/c_d", "", {}, {}, Header(), {}).slug == "c_d"
    assert Task("c_d", "", {}, {}, Header(), {}).slug == "c_d"
    assert Recipe(Path("x/c_d.py"), "", "", b"").slug == "c_d"


def test_tasks_and_runs_can_be_sent() -> None:
    """To another process, or another machine."""
    task = Task("a/b", "x/b.py", {"b.py": b"1"}, {"capture_repr": ()}, Header(cpus=2), {"k": "v"})
    assert pickle.loads(pickle.dumps(task)) == task
    assert pickle.loads(pickle.dumps(RUN)) == RUN


def test_recipes_share_nothing() -> None:
    """Two of them have dictionaries of their own."""
    one, other = (Recipe(Path("a.py"), "", "", b"") for _ in range(2))
    one.key["code"] = "1"
    one.beside["a"] = b""
    assert other.key == {} and other.beside == {}
