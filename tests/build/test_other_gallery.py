"""A site that knows only Sphinx-Gallery lists the run stage in its place, and gains by it.

Nothing else changes in its conf.py. The pages are those of Sphinx-Gallery; see
``tests/sites/foreign``.
"""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from mini_site import SITES, Site

pytestmark = pytest.mark.build
EXECUTED = ["plot_cosine", "plot_fails", "plot_over_all", "plot_two_figures", "plot_zz_sees"]
GALLERY = "auto_examples"


class Foreign(Site):
    """A copy of the foreign site, as it is or with the run stage."""

    def __init__(self, root: Path, with_run_stage: bool) -> None:
        shutil.copytree(SITES / "foreign", root)
        super().__init__(root)
        self.sources = root / "examples"
        if with_run_stage:
            self.conf(
                'extensions = ["sphinx_gallery.gen_gallery"]',
                "import os\nimport sys\n\nsys.path.insert(0, os.environ['RECIPE_PACKAGES'])\n"
                'extensions = ["recipe_gallery"]',
            )

    def conf(self, old: str, new: str) -> None:
        """Edit conf.py."""
        path = self.root / "conf.py"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def page(self, slug: str) -> Path:
        return self.root / "_build" / "html" / GALLERY / f"{slug}.html"

    def rst(self, slug: str) -> str:
        """The source of a page, without times and what the run stage says of itself."""
        text = (self.root / GALLERY / f"{slug}.rst").read_text("utf-8")
        text = re.sub(r"\(\d+ minutes [\d.]+ seconds\)", "(time)", text)
        text = re.sub(r"\n\.\. rst-class:: recipe-provenance\n\n.*\n\n", "", text)
        # Sphinx-Gallery shows its own folder, we that of the source.
        return re.sub(r'File ".*?/?examples/', 'File "examples/', text)

    def html(self, slug: str) -> BeautifulSoup:
        """What a page shows, without the same and what white space that leaves."""
        found = BeautifulSoup(self.page(slug).read_text("utf-8"), "html.parser")
        main = found.select_one("[role=main]")
        for tag in main.select(".sphx-glr-timing, .recipe-provenance"):
            tag.decompose()
        for line in main.find_all(string=re.compile("/examples/")):
            line.replace_with(re.sub(r'"[^"]*?examples/', '"examples/', line))
        return BeautifulSoup(re.sub(r"\n\s*\n", "\n", str(main)), "html.parser")

    def files(self, pattern: str) -> dict[str, bytes]:
        """The files of the gallery and the lists of names that fit a pattern."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for folder in (GALLERY, "generated")
            for path in sorted((self.root / folder).rglob(pattern))
        }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Foreign:
    """Built by Sphinx-Gallery alone."""
    site = Foreign(tmp_path_factory.mktemp("theirs") / "site", with_run_stage=False)
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    return site


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Foreign, subprocess.CompletedProcess]:
    """Built with the run stage, and what that printed."""
    site = Foreign(tmp_path_factory.mktemp("ours") / "site", with_run_stage=True)
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    return site, result


@pytest.fixture(scope="module")
def ours(built) -> Foreign:
    return built[0]


def pages(site: Foreign) -> list[str]:
    """The gallery's pages, by name; those of running times are Sphinx-Gallery's own."""
    found = (site.root / GALLERY).rglob("*.rst")
    names = [path.relative_to(site.root / GALLERY).with_suffix("").as_posix() for path in found]
    return sorted(name for name in names if "sg_execution_times" not in name)


# -- The same --------------------------------------------------------------------------


def test_each_example_was_executed_for_the_first_time(built) -> None:
    """But the one whose name is not among those to execute."""
    site, result = built
    assert site.executed(result) == [f"{slug}: start (never run)" for slug in EXECUTED]
    assert "successfully executed 4 out of 5" in result.stdout
    assert "Examples failing as expected (1)" in result.stdout


def test_the_same_pages(ours, theirs) -> None:
    """Text, outputs, figures, links; as source and as HTML."""
    assert pages(ours) == pages(theirs) and len(pages(ours)) == 9
    for name in pages(ours):
        assert ours.rst(name) == theirs.rst(name), name
        assert str(ours.html(name)) == str(theirs.html(name)), name
    assert "ZeroDivisionError" in ours.rst("second/plot_fails")
    assert "<td>17</td>" in ours.page("second/plot_two_figures").read_text("utf-8")


def test_the_same_pictures(ours, theirs) -> None:
    """Figures, larger copies and thumbnails, to the byte; also in the built site."""
    found = theirs.files("*.png")
    assert len(found) == 6 + 2 * 3  # thumbnails, and figures in two sizes
    assert ours.files("*.png") == found
    for name in ("_images/sphx_glr_plot_two_figures_002_2_00x.png", "_images/sphx_glr_plot_zz"):
        for site in (ours, theirs):
            assert list((site.root / "_build/html").glob(f"{name}*")), name


def test_the_same_lists_of_names(ours, theirs) -> None:
    """For minigalleries."""
    assert ours.files("*.examples") == theirs.files("*.examples") != {}
    mine, other = (
        site.files("backreferences_all.json")["generated/backreferences_all.json"]
        for site in (ours, theirs)
    )
    assert mine.replace(str(ours.root).encode(), str(theirs.root).encode()) == other


def test_the_same_front_page(ours, theirs) -> None:
    """With the minigallery of a name."""
    fronts = []
    for site in (ours, theirs):
        text = (site.root / "_build/html/index.html").read_text("utf-8")
        fronts.append(BeautifulSoup(text, "html.parser").select_one("[role=main]"))
    assert str(fronts[0]) == str(fronts[1])
    assert "A cosine with emphasis" in fronts[0].select_one(".sphx-glr-thumbcontainer").get_text()


def test_the_same_links_in_code(ours, theirs) -> None:
    """To what is documented in the site."""
    links = []
    for site in (ours, theirs):
        found = site.html("first/plot_cosine").select("a[class*=sphx-glr-backref]")
        links.append([(tag["href"], tag.get_text(), tag["class"]) for tag in found])
    assert links[0] == links[1]
    assert ("../../index.html#fractions.Fraction", "Fraction") in [pair[:2] for pair in links[0]]


def test_the_same_downloads(ours, theirs) -> None:
    """Sources to the byte, and archives of the same names; notebooks are better, see below."""
    downloads = [
        {
            path.relative_to(site.root / "_build/html/_downloads").as_posix(): path
            for path in (site.root / "_build/html/_downloads").rglob("*.*")
        }
        for site in (ours, theirs)
    ]
    assert sorted(downloads[0]) == sorted(downloads[1])
    for name, path in downloads[0].items():
        if name.endswith(".py"):
            assert path.read_bytes() == downloads[1][name].read_bytes(), name


# -- Better ----------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["first/plot_cosine", "second/plot_two_figures"])
def test_notebooks_have_outputs(ours, slug) -> None:
    """They are valid, with what the page shows and Markdown that Jupyter can show."""
    notebook = nbformat.read(ours.root / GALLERY / f"{slug}.ipynb", nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    kinds = [out.output_type for out in outputs]
    assert "display_data" in kinds and "execute_result" in kinds
    if slug == "first/plot_cosine":
        assert kinds == ["display_data", "stream", "execute_result"]
        assert outputs[0].data["text/plain"] == "A <cosine> & more"
        assert outputs[1].text == "sum: 6.0\n"
        assert outputs[2].data["text/plain"] == "Fraction(1, 2)"
        assert notebook.cells[0].source.startswith("# A cosine with *emphasis*")


def test_page_says_what_it_was_made_with(ours) -> None:
    """In one sentence."""
    text = ours.page("first/plot_cosine").read_text("utf-8")
    assert re.search(r"Executed on \d{4}-\d\d-\d\d with Python 3\.\d+\.\d+ on ", text)


def test_examples_do_not_see_each_other(ours) -> None:
    """Whatever the order in which they were executed."""
    shown = ours.html("second/plot_zz_sees").select_one(".sphx-glr-script-out").get_text()
    assert shown.split() == ["width:", "1.5", "variable:", "None", "file:", "False"]
    assert not list(ours.sources.rglob("left_behind.txt"))


def test_no_op_executes_nothing(ours) -> None:
    """And writes nothing."""
    before = {**ours.files("*.*"), "index": ours.page("index").read_bytes()}
    result = ours.build("-W")
    assert result.returncode == 0 and ours.executed(result) == []
    assert {**ours.files("*.*"), "index": ours.page("index").read_bytes()} == before


@pytest.fixture
def edited(ours):
    """Edit a file for one test."""
    kept = {}

    def edit(path: Path, old: str, new: str) -> None:
        text = kept.setdefault(path, path.read_text("utf-8"))
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    yield edit
    for path, text in kept.items():
        path.write_text(text, "utf-8")
    assert ours.build("-W").returncode == 0


def test_changes_have_reasons(ours, edited) -> None:
    """Code, and a file beside an example; prose is none."""
    edited(ours.sources / "second" / "plot_zz_sees.py", '"width:"', '"the width:"')
    edited(ours.sources / "first" / "values.txt", "1 2 3", "1 2 4")
    edited(ours.sources / "plot_over_all.py", "It leads to", "It still leads to")
    result = ours.build("-W")
    assert ours.executed(result) == [
        "plot_cosine: start (file values.txt changed)",
        "plot_zz_sees: start (code changed)",
    ]
    assert "the width:" in ours.page("second/plot_zz_sees").read_text("utf-8")
    assert "sum: 7.0" in ours.page("first/plot_cosine").read_text("utf-8")
    assert "It still leads to" in ours.page("plot_over_all").read_text("utf-8")


def test_example_that_hangs_ends_at_the_sites_limit(ours, edited) -> None:
    """It has no header; the site sets a limit for all. Its old page stays."""
    good = ours.page("plot_over_all").read_bytes()
    project = 'project = "foreign"\n'
    edited(ours.root / "conf.py", project, f'{project}recipe_gallery_conf = {{"timeout": 3}}\n')
    edited(ours.sources / "plot_over_all.py", "np.arange(3)", "import time\n\ntime.sleep(600)")
    result = ours.build()
    assert result.returncode == 1
    report = result.stdout[result.stdout.index("1 recipe failed:") :]
    reason = "examples/plot_over_all.py was still running after its time limit of 3 s"
    assert reason in report and 'plot_over_all.py", line' in report
    assert "np.arange" in ours.rst("plot_over_all")
    assert ours.page("plot_over_all").read_bytes() == good


def test_failure_that_is_expected_no_more(ours, edited) -> None:
    """Is one; and one that is expected and does not come."""
    edited(ours.sources / "second" / "plot_fails.py", "1 / 0", "1 / 1")
    result = ours.build()
    assert result.returncode != 0
    assert "plot_fails.py ran to its end, though conf.py expects it to fail" in result.stdout
    edited(ours.root / "conf.py", "examples/second/plot_fails.py", "examples/first/none.py")
    edited(ours.sources / "second" / "plot_fails.py", "1 / 0", "1 / (0)")
    result = ours.build()
    assert result.returncode != 0
    assert "second/plot_fails.py raised ZeroDivisionError" in result.stdout
