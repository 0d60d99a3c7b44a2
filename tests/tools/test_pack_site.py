"""Zip files are whole, and the same for the same site."""

import os
from zipfile import ZipFile

import pytest

from tools.pack_site import PACKS, pack

pytestmark = [pytest.mark.unit, pytest.mark.quick]

HIDDEN = ("_build/html/.buildinfo", "_build/html/.buildinfo.bak", "_build/html/.doctrees/a.doctree")


@pytest.fixture
def root(tmp_path):
    """A built site of one recipe."""
    for name in ("_build/html/index.html", "_build/html/a/b.html", *HIDDEN):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("recipes/recipes/r.py", "recipes/recipes/r.ipynb", "recipes/recipes/r.rst"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_packs_hold_what_their_names_say(root) -> None:
    """All pages, or all files of one kind, in a folder of their own."""
    found = {name: ZipFile(pack(root, name)).namelist() for name in PACKS}
    assert found["site"] == ["pytorch-recipes-site/a/b.html", "pytorch-recipes-site/index.html"]
    (root / "_build/html/pytorch-recipes-site.zip").write_text("a link on a page leads to it")
    assert ZipFile(pack(root, "site")).namelist() == found["site"]  # not to itself
    assert found["scripts"] == ["pytorch-recipes-scripts/r.py"]
    assert found["notebooks"] == ["pytorch-recipes-notebooks/r.ipynb"]


def test_packed_page_has_no_link_to_packs(root) -> None:
    """They are not in the pack."""
    page = root / "_build/html/docs/take_away.html"
    page.parent.mkdir()
    start = '<ul class="simple">\n'
    link = '<a class="reference download internal" href="../_downloads/a/b.zip">All</a>'
    line = f"<li><p>{link}, 1 MB</p></li>\n"
    page.write_text(f"{start}{line}{line.replace('.zip', '.epub')}</ul>")
    with ZipFile(pack(root, "site")) as archive:
        assert archive.read("pytorch-recipes-site/docs/take_away.html").decode() == f"{start}</ul>"


def test_same_site_same_bytes(root) -> None:
    """Whenever its files were written, and whoever may read them."""
    first = pack(root, "site").read_bytes()
    os.utime(root / "_build/html/index.html", (1, 1))
    (root / "_build/html/index.html").chmod(0o600)
    assert pack(root, "site").read_bytes() == first


def test_nothing_built_is_said(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="run 'make html' first"):
        pack(tmp_path, "scripts")
