"""What several test files share: where things are, and a recipe's page as it was built."""

import functools
import inspect
import json
import os
import pickle
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from docutils import nodes

from recipe_gallery import Header, Run
from recipe_gallery.gallery import code_cells
from recipe_gallery.header import read_header

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
STATE = ROOT / "_build" / "recipe_runs" / "recipes" / "recipes"
SOURCES = ROOT / "recipes_source" / "recipes"
# What a page shows around the recipe itself.
AROUND = (
    ".recipe-facts, .recipe-after, .recipe-related, .recipe-cards, .output-varies, .page-contents, "
    ".recipe-fetches"
)
LEAD = "zeroing_out_gradients"


def recipe_slugs() -> list[str]:
    """All recipes, by their sources."""
    return sorted(p.stem for p in SOURCES.glob("*.py") if not p.name.startswith(("_", ".")))


class Page:
    """A recipe's page: its source, its document tree and its HTML; each is parsed once."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.source = SOURCES / f"{slug}.py"
        self.path = SITE / "recipes" / "recipes" / f"{slug}.html"
        if not self.path.is_file():
            pytest.fail(f"{slug} is not built: run make html", pytrace=False)
        record = json.loads((STATE / f"{slug}.published.json").read_bytes())
        self.skipped: str = record["skipped"]
        published = ROOT / "recipes" / "recipes" / f"{slug}.py"
        if published.read_bytes() != self.source.read_bytes():
            pytest.fail(f"{slug} was edited after the build: run make html", pytrace=False)

    @cached_property
    def html(self) -> BeautifulSoup:
        return parse(self.path)

    @cached_property
    def main(self) -> Tag:
        """What is between the menu and the end."""
        return self.html.select_one("[role=main]")

    @cached_property
    def doctree(self) -> nodes.document:
        path = (
            ROOT / "_build" / "doctrees" / "html" / "recipes" / "recipes" / f"{self.slug}.doctree"
        )
        return pickle.loads(path.read_bytes())

    @cached_property
    def code(self) -> list[str]:
        """The code cells of the source."""
        return code_cells(self.source)

    @cached_property
    def header(self) -> Header:
        """What the recipe says of itself to tools."""
        return read_header(self.source.read_text("utf-8"))

    @cached_property
    def run(self) -> Run:
        """The execution that the page shows."""
        return Run.from_json((STATE / f"{self.slug}.run.json").read_bytes())

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """The notebook that the page offers."""
        return nbformat.read(self.download(".ipynb"), nbformat.NO_CONVERT)

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


page_of = functools.cache(Page)


@functools.cache
def parse(path: Path) -> BeautifulSoup:
    """Any page of the site, which nobody changes."""
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def every_page(rule: Callable) -> Callable:
    """Make one test of a rule that all pages keep, which names each page that does not.

    The rule's first argument is a page that was executed; others are fixtures. The variable
    RECIPE has it look at one page, for ``make check``.
    """

    @functools.wraps(rule)
    def test(**fixtures: object) -> None:
        wrong, looked_at = [], 0
        only = os.environ.get("RECIPE")
        for slug in [only] if only else recipe_slugs():
            page = page_of(slug)
            if page.skipped:
                continue
            looked_at += 1
            try:
                rule(page, **fixtures)
            except Exception as error:  # whatever it is, the others are looked at
                wrong.append(f"{slug}: {type(error).__name__}: {error}")
        assert looked_at, "no page was looked at"
        assert not wrong, f"{len(wrong)} of {looked_at} pages:\n\n" + "\n\n".join(wrong)

    test.pytestmark = [pytest.mark.every_page]
    parameters = list(inspect.signature(rule).parameters.values())[1:]
    test.__signature__ = inspect.Signature(parameters)
    return test


@pytest.fixture(scope="session")
def get_page() -> Callable[[str], Page]:
    """The page of a recipe that a test chooses itself."""
    return page_of


@pytest.fixture(scope="session")
def lead() -> Page:
    return page_of(LEAD)


@pytest.fixture
def reader_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for running what readers download, with the data of the build."""
    from recipe_site.drawn_cifar10 import has_real_data
    from tools.downloads import READER

    data = ROOT / "data"
    if not has_real_data(data):
        data = tmp_path_factory.mktemp("no_data")
    return {
        **os.environ,
        "PYTHONPATH": str(READER),
        "RECIPE_DATA": str(data),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(ROOT / "_build" / "compiled"),
    }
