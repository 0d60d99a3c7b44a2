"""A page that is gone takes its files with it, and no other's."""

from pathlib import Path

import pytest

from recipe_gallery.outputs import remove_files, remove_pages

pytestmark = pytest.mark.unit

PAGES = ["auto/a.html", "auto/a.md", "_sources/auto/a.rst.txt", "auto/c.xhtml"]
FIGURES = [
    "_images/sphx_glr_a_001.png",
    "_images/sphx_glr_a_012_2_00x.webp",
    "_images/sphx_glr_a_thumb.svg",
    "_images/sphx_glr_b_002.png",  # which b draws no more
]
DOWNLOADS = ["_downloads/123/a.py", "_downloads/456/a.ipynb"]
STAYS = [
    "auto/b.html",
    "auto/index.html",
    "auto/sub/a.html",  # another folder's, asked for on its own
    "a.html",
    "_sources/auto/b.rst.txt",
    "_images/sphx_glr_a_b_001.png",
    "_images/sphx_glr_b_001.png",
    "_images/a.png",
    "_downloads/123/b.py",
    "_downloads/789/a_b.py",
]


def site(root: Path) -> set[str]:
    """Make an output folder; return what is in it."""
    for name in PAGES + FIGURES + DOWNLOADS + STAYS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return files(root)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_pages_without_a_source_are_removed(tmp_path) -> None:
    """With their twins and sources, in this folder; also those of a book."""
    before = site(tmp_path)
    kept = {tmp_path / "auto" / name for name in ("b.html", "index.html")}
    remove_pages(tmp_path, tmp_path / "auto", kept)
    assert before - files(tmp_path) == set(PAGES)
    remove_pages(tmp_path, tmp_path / "nowhere", set())


def test_figures_and_downloads_that_no_page_has_are_removed(tmp_path) -> None:
    """Of deleted recipes and of those that stay; a longer name is another recipe."""
    before = site(tmp_path)
    figures = {"sphx_glr_a_b_001.png", "sphx_glr_b_001.png"}
    remove_files(tmp_path, figures, {"123/b.py", "789/a_b.py"})
    assert before - files(tmp_path) == {*FIGURES, *DOWNLOADS}
    assert not (tmp_path / "_downloads/456").exists()
