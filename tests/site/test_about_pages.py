"""The pages on the site itself say what is so."""

import ast
import re

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

pytestmark = pytest.mark.site
DOCS = ROOT / "_build" / "html" / "docs"


def read(page: str) -> BeautifulSoup:
    return BeautifulSoup((DOCS / f"{page}.html").read_text("utf-8"), "html.parser")


def test_all_modules_are_listed_with_their_purpose() -> None:
    """As their docstrings say it, in the order of their names."""
    page = read("how_it_works").select_one("#the-files")
    shown = [tag.get_text() for tag in page.select("dt")]
    paths = sorted((ROOT / "extensions").glob("*.py"))
    assert shown == [path.stem for path in paths]
    for tag, path in zip(page.select("dd"), paths, strict=True):
        first = ast.get_docstring(ast.parse(path.read_text("utf-8"))).partition("\n")[0]
        assert re.sub(r"\W+", " ", tag.get_text()).strip() == re.sub(r"\W+", " ", first).strip()


def test_the_diagram_is_drawn_and_told() -> None:
    """Who uses whom, as a picture and in words."""
    picture = read("how_it_works").select_one("#the-files img")
    assert (DOCS / picture["src"]).stat().st_size > 10_000
    assert "recipe_runner uses " in picture["alt"]
    assert "recipe_executors uses recipe_imports and recipe_process" in picture["alt"]


def test_the_guide_shows_what_make_new_writes() -> None:
    code = read("writing_a_recipe").select_one(".highlight-python pre").get_text()
    template = (ROOT / "recipes_source" / "template.py").read_text("utf-8")
    assert code.strip() == template.strip()
