"""What several test files share: where things are, and a recipe's page as it was built."""

import json
import os
import pickle
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from docutils import nodes

import gallery_adapter
from recipe_header import Header, read_header

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
STATE = ROOT / "_build" / "recipe_runs"
SOURCES = ROOT / "recipes_source" / "recipes"
# What a page shows around the recipe itself.
AROUND = ".recipe-facts, .recipe-after, .recipe-related, .recipe-cards"
LEAD = "zeroing_out_gradients"


def recipe_slugs() -> list[str]:
    """All recipes, by their sources."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with an argument ``slug`` for every recipe."""
    if "slug" in metafunc.fixturenames:
        metafunc.parametrize("slug", recipe_slugs(), scope="session")


class Page:
    """A recipe's page: its source, its document tree and its HTML."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.source = SOURCES / f"{slug}.py"
        self.path = SITE / "recipes" / "recipes" / f"{slug}.html"
        if not self.path.is_file():
            pytest.fail(f"{slug} is not built: run make html", pytrace=False)
        record = json.loads((STATE / f"{slug}.published.json").read_bytes())
        if record.get("skipped"):
            pytest.skip(f"{slug} was not executed: {record['skipped']}")
        published = ROOT / "_build" / "published_sources" / "recipes" / f"{slug}.py"
        if published.read_bytes() != self.source.read_bytes():
            pytest.fail(f"{slug} was edited after the build: run make html", pytrace=False)
        self.html = BeautifulSoup(self.path.read_text("utf-8"), "html.parser")
        self.main: Tag = self.html.select_one("[role=main]")

    @cached_property
    def doctree(self) -> nodes.document:
        path = ROOT / "_build" / "doctrees" / "recipes" / "recipes" / f"{self.slug}.doctree"
        return pickle.loads(path.read_bytes())

    @cached_property
    def code(self) -> list[str]:
        """The code cells of the source."""
        return gallery_adapter.code_cells(self.source)

    @cached_property
    def header(self) -> Header:
        """What the recipe says of itself to tools."""
        return read_header(self.source.read_text("utf-8"))

    @cached_property
    def run(self) -> dict:
        """The execution that the page shows."""
        return json.loads((STATE / f"{self.slug}.run.json").read_bytes())

    def cells(self) -> list[dict]:
        """Per code cell of the HTML its ``code``, ``outputs`` (text) and ``figures``."""
        found: list[dict] = []
        for tag in self.main.select(
            ".highlight-Python, .sphx-glr-script-out, .sphx-glr-single-img, .sphx-glr-multi-img"
        ):
            if "highlight-Python" in tag["class"]:
                found.append({"code": tag.get_text().strip(), "outputs": [], "figures": []})
            elif tag.name == "img":
                found[-1]["figures"].append(self.path.parent / tag["src"])
            else:
                found[-1]["outputs"].append(tag.get_text())
        return found

    def download(self, suffix: str) -> Path:
        """The file that the page's own download link leads to."""
        links = self.main.select(f'.sphx-glr-download a[href$="/{self.slug}{suffix}"]')
        assert len(links) == 1, f"{len(links)} links to {self.slug}{suffix}"
        path = (self.path.parent / links[0]["href"]).resolve()
        assert path.is_file(), f"the link to {self.slug}{suffix} leads nowhere"
        return path


@pytest.fixture(scope="session")
def page(slug: str) -> Page:
    return Page(slug)


@pytest.fixture(scope="session")
def get_page() -> Callable[[str], Page]:
    """The page of a recipe that a test chooses itself."""
    return Page


@pytest.fixture(scope="session")
def lead() -> Page:
    return Page(LEAD)


@pytest.fixture
def reader_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for running what readers download, with the data of the build."""
    from standin_data import has_real_data

    data = ROOT / "data"
    if not has_real_data(data):
        data = tmp_path_factory.mktemp("no_data")
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "extensions"),
        "RECIPE_DATA": str(data),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(ROOT / "_build" / "compiled"),
    }
