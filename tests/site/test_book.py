"""The site as a book, as ``make epub`` writes it."""

import shutil
import subprocess
import sys
from zipfile import ZIP_STORED, ZipFile

import pytest
from conftest import ROOT, recipe_slugs

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> ZipFile:
    """Made of what the last build has read, without a change of what is there."""
    folder = tmp_path_factory.mktemp("book")
    doctrees = shutil.copytree(ROOT / "_build" / "doctrees" / "html", folder / "doctrees")
    options = ["-q", "-W", "--keep-going", "-b", "epub", "-d", doctrees, ".", folder / "epub"]
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *options], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (file,) = (folder / "epub").glob("*.epub")
    return ZipFile(file)


def test_each_recipe_is_a_chapter(book) -> None:
    """With its text and its figures."""
    names = set(book.namelist())
    for slug in recipe_slugs():
        chapter = f"recipes/recipes/{slug}.xhtml"
        assert chapter in names
        assert f'href="{chapter}"' in book.read("content.opf").decode()
    assert any(name.startswith("_images/sphx_glr_") for name in names)


def test_readers_know_what_it_is(book) -> None:
    """The first entry says so, uncompressed, and only what belongs to a book is in it."""
    first = book.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", ZIP_STORED)
    assert book.read("mimetype") == b"application/epub+zip"
    assert not [name for name in book.namelist() if "unfinished" in name or "doctree" in name]
