"""What ``make new`` writes runs, and keeps the rules as far as a template can."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from tools import house_rules
from tools.new_recipe import create, main

pytestmark = pytest.mark.unit
ENVIRONMENT = {"MPLBACKEND": "agg", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(ROOT / "recipes_source", tmp_path / "recipes_source")
    return tmp_path


def test_new_recipe_keeps_the_rules(root) -> None:
    """But two: only its writer knows which recipe should link to it, and what to say."""
    path = create(root, "my_recipe")
    link, prose = house_rules.problems(path)
    assert "no other recipe links here" in link and "the template's prose" in prose
    assert "\nMy recipe\n=========\n" in path.read_text("utf-8")


def test_new_recipe_runs(root) -> None:
    """As a script, in an empty folder."""
    path = create(root, "my_recipe")
    empty = root / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-W", "error", path], cwd=empty, check=True, env=ENVIRONMENT)


@pytest.mark.parametrize("name", ["", "My_recipe", "my-recipe", "../mine", "1st"])
def test_bad_name_is_refused(root, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        create(root, name)


@pytest.mark.parametrize("name", ["copy", "onnx", "lambda", "index", "genindex", "search"])
def test_name_of_a_module_is_refused(root, name: str) -> None:
    """Recipes that import it would get the recipe."""
    with pytest.raises(ValueError, match="has a module or word|is a page of the site"):
        create(root, name)


def test_nothing_is_overwritten(root) -> None:
    with pytest.raises(ValueError, match="is there already"):
        create(root, "zeroing_out_gradients")


@pytest.mark.parametrize("name", ["mine.PY", "mine.ipynb"])
def test_what_stands_for_it_already_is_told(root, name: str) -> None:
    """In the words of the build and of lint."""
    (root / "recipes_source/recipes" / name).write_text("")
    with pytest.raises(ValueError, match=f"^recipes_source/recipes/{name}: .*: (rename|move) it"):
        create(root, "mine")


@pytest.mark.parametrize("arguments", [[], ["1st"]])
def test_command_is_one_sentence(monkeypatch, arguments: list[str]) -> None:
    """It says how to call it, and why not so."""
    monkeypatch.setattr(sys, "argv", ["new_recipe", *arguments])
    with pytest.raises(SystemExit, match="^make new RECIPE=slug: '(1st)?' is no name"):
        main()
