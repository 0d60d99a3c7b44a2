"""The pages on the site itself say what is so."""

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

pytestmark = pytest.mark.site
DOCS = ROOT / "_build" / "html" / "docs"


def read(page: str) -> BeautifulSoup:
    return BeautifulSoup((DOCS / f"{page}.html").read_text("utf-8"), "html.parser")


def test_the_drawing_names_all_of_the_run_stage() -> None:
    """Each module of it, and none that is not there; and the three packages."""
    street, way = read("how_it_works").select("#the-files pre")
    for package in ("recipe_gallery", "recipe_site", "tools"):
        assert package in street.get_text() and (ROOT / package).is_dir()
    shown = {line.split()[0] for line in way.get_text().splitlines() if line.strip()}
    modules = {path.stem for path in (ROOT / "recipe_gallery").glob("*.py")}
    assert shown == modules - {"__init__", "cluster"}
    assert "cluster" in way.get_text()


def test_the_guide_shows_what_make_new_writes() -> None:
    code = read("writing_a_recipe").select_one(".highlight-python pre").get_text()
    template = (ROOT / "recipes_source" / "template.py").read_text("utf-8")
    assert code.strip() == template.strip()
