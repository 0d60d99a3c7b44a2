"""A page that is gone takes its files with it, and no other's."""

from pathlib import Path

import pytest

from recipe_gallery.outputs import remove_pages

pytestmark = pytest.mark.unit

GONE = [
    "auto/a.html",
    "auto/a.md",
    "_sources/auto/a.rst.txt",
    "_images/sphx_glr_a_001.png",
    "_images/sphx_glr_a_012_2_00x.png",
    "_images/sphx_glr_a_thumb.svg",
    "_downloads/123/a.py",
    "_downloads/456/a.ipynb",
]
STAYS = [
    "auto/b.html",
    "auto/index.html",
    "auto/sub/a.html",  # another section's, asked for on its own
    "a.html",
    "_sources/auto/b.rst.txt",
    "_images/sphx_glr_a_b_001.png",
    "_images/sphx_glr_a_b_thumb.png",
    "_images/sphx_glr_b_001.png",
    "_images/a.png",
    "_downloads/123/b.py",
    "_downloads/789/a_b.py",
]


def site(root: Path) -> set[str]:
    """Make an output folder; return what is in it."""
    for name in GONE + STAYS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return files(root)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_deleted_recipe_leaves_nothing(tmp_path) -> None:
    """Page, twin, source, figures, thumbnail and downloads; a longer name is another recipe."""
    before = site(tmp_path)
    remove_pages(tmp_path, "auto", {"auto/b", "auto/index", "auto/sub/a"}, with_files=True)
    assert before - files(tmp_path) == set(GONE)


def test_other_pages_have_no_files_of_their_own(tmp_path) -> None:
    """Downloads of the same name are somebody else's."""
    before = site(tmp_path)
    remove_pages(tmp_path, "auto", {"auto/b", "auto/index"}, with_files=False)
    assert before - files(tmp_path) == set(GONE[:3])


def test_pages_with_a_source_stay(tmp_path) -> None:
    """All of them, and a folder that is not there is none to look into."""
    before = site(tmp_path)
    remove_pages(tmp_path, "auto", ["auto/a", "auto/b", "auto/index"], with_files=True)
    remove_pages(tmp_path, "nowhere", [], with_files=True)
    assert files(tmp_path) == before
