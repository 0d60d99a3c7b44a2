"""A build without a word on its command line is that of make; builders do not disturb others."""

import subprocess
import sys

import pytest
from mini_site import Site

pytestmark = pytest.mark.build
EXTENSIONS = "extensions=recipe_gallery,recipe_site"
OUTPUTS = {"html": "html/index.html", "epub": "epub/index.xhtml"}


def bare(site: Site, builder: str, *options: str) -> subprocess.CompletedProcess:
    """Build with no folder for pickles and no word on warnings."""
    words = ["-m", "sphinx", "-q", "-b", builder, "-D", EXTENSIONS, "-D", "epub_show_urls=no"]
    return subprocess.run(
        [sys.executable, *words, *options, ".", f"_build/{builder}"], cwd=site.root,
        env=site.environ(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture
def site(tmp_path) -> Site:
    """Whose front page shows a file, which is not the front page's source."""
    site = Site(tmp_path / "site")
    index = site.root / "index.rst"
    index.write_text(index.read_text("utf-8") + "\n.. literalinclude:: shown.txt\n", "utf-8")
    (site.root / "shown.txt").write_text("former")
    return site


@pytest.mark.parametrize("first", ["html", "epub", "linkcheck"])
def test_no_builder_leaves_the_pages_of_another_stale(site, first) -> None:
    """Whichever is the first to see the change of a file that a page shows."""
    order = [first, *(builder for builder in OUTPUTS if builder != first)]
    for builder in order:
        bare(site, builder)
    (site.root / "shown.txt").write_text("latter")
    for builder in order:
        bare(site, builder)
    for file in OUTPUTS.values():
        assert "latter" in (site.root / "_build" / file).read_text("utf-8"), file


def test_site_has_no_pickles(site) -> None:
    """They lie beside it."""
    bare(site, "html")
    found = {path.suffix for path in (site.root / "_build" / "html").rglob("*")}
    assert ".html" in found and not found & {".doctree", ".pickle"}
    assert (site.root / "_build/doctrees/html/index.doctree").is_file()


def test_warning_is_an_error_until_it_is_mended(site) -> None:
    """Each build says it, and reads just the page that it is of."""
    index, text = site.root / "index.rst", (site.root / "index.rst").read_text("utf-8")
    strict = ("-D", "warnings_are_errors=1")
    assert bare(site, "html", *strict).returncode == 0
    index.write_text(text + "\n:ref:`nowhere`\n", "utf-8")
    for _ in range(2):
        done = bare(site, "html", *strict)
        assert done.returncode == 1 and "undefined label: 'nowhere'" in done.stdout
    assert bare(site, "html").returncode == 0
    index.write_text(text, "utf-8")
    assert bare(site, "html", *strict).returncode == 0


def test_page_of_a_failed_recipe_says_so(site) -> None:
    """Until a build is good again, whether its page changes or not."""
    path = site.add("fails", "print(1)")
    good = path.read_text("utf-8")
    assert bare(site, "html").returncode == 0
    for text in (f"{good}1 / 0\n", f"{good}1 / 0\n", good, good):
        path.write_text(text, "utf-8")
        bare(site, "html")
        html = site.page("fails").read_text("utf-8")
        assert ("recipe-failed" in html) == (text != good), text
        assert "ZeroDivisionError" in html or text == good


def test_page_of_a_recipe_that_was_left_says_so(site) -> None:
    """A file beside it has changed, and another recipe was asked for; until it is executed."""
    site.add("uses", "from _beside import value\n\nprint(value)")
    for value, asked, left in (("one", "", False), ("two", "uses_not", True), ("two", "", False)):
        site.add("uses_not", "print(1)")
        (site.sources / "_beside.py").write_text(f"value = '{value}'\n")
        done = bare(site, "html", "-D", f"recipe_only={asked}")
        html = site.page("uses").read_text("utf-8")
        assert ("recipe-failed" in html) == left
        assert ("had to be executed again (file _beside.py changed)" in html) == left
        assert ("not executed (file _beside.py changed): uses\n" in done.stdout) == left
    assert "two" in html
