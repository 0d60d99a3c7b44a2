"""What is kept is whole, and a build that ends anywhere leaves nothing false."""

import json
from pathlib import Path

import pytest

from recipe_gallery import Cell, Figure, Recipe, Run
from recipe_gallery import store as store_module
from recipe_gallery.store import Store

pytestmark = pytest.mark.unit
RECORD = {"made of": "abc", "title": "A"}


class Killed(BaseException):
    """The build ends here."""


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "docs", tmp_path / "state")


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    return Recipe(tmp_path / "examples" / "a.py", "examples/a.py", "auto/a", b"source")


def stage(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files, as if typeset."""
    for name, text in files.items():
        path = folder / "staged" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "staged"


def there(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


# -- Executions ------------------------------------------------------------------------


def test_run_comes_back(store, recipe) -> None:
    """And its checksum changes with it; before it was kept, there is none."""
    assert store.run("auto/a") is None and store.run_digest("auto/a") == ""
    run = Run((Cell("x", "", (Figure("sphx_glr_a_001.png", "x", b"\x89"),)),), key={"code": "1"})
    store.keep(recipe, run)
    assert store.run("auto/a") == run
    before = store.run_digest("auto/a")
    store.keep(recipe, Run())
    assert store.run_digest("auto/a") != before != ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 1}', b"\xff"])
def test_damaged_run_is_none(store, recipe, content) -> None:
    """And is executed again."""
    store.keep(recipe, Run())
    store.file("auto/a", ".run.json").write_bytes(content)
    assert store.run("auto/a") is None


@pytest.mark.parametrize(
    "name",
    ["../../conf.py", "sphx_glr_b_001.png", "sphx_glr_a_001.png/x", "sphx_glr_a_001.html", "a.png"],
)
def test_file_that_is_not_its_own_is_refused(store, recipe, name) -> None:
    """A cluster's node is another machine; what it sends is written into this one's pages."""
    run = Run((Cell(figures=(Figure(name, "x", b""),)),))
    with pytest.raises(ValueError, match="file that is not its own"):
        store.keep(recipe, run)
    assert store.run("auto/a") is None


ENDINGS = ("001.png", "012_2_00x.png", "001.svg", "001.gif", "001.jpg", "001.webp")


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_kinds_of_figures_are_its_own(store, recipe, ending) -> None:
    """Larger copies, drawings and animations."""
    store.keep(recipe, Run((Cell(figures=(Figure(f"sphx_glr_a_{ending}", "x", b""),)),)))


# -- Pages -----------------------------------------------------------------------------


def test_published_page_is_current(store, tmp_path) -> None:
    """Until it is made of something else, or one of its files is not what it was."""
    staged = stage(tmp_path, {"auto/a.rst": "page", "auto/images/x.png": "picture"})
    assert not store.is_current("auto/a", "abc")
    store.publish("auto/a", staged, RECORD)
    assert there(store.srcdir) == {"auto/a.rst": "page", "auto/images/x.png": "picture"}
    assert store.published("auto/a").items() >= RECORD.items()
    assert store.is_current("auto/a", "abc") and not store.is_current("auto/a", "other")
    (store.srcdir / "auto/images/x.png").write_text("damaged")
    assert not store.is_current("auto/a", "abc")
    (store.srcdir / "auto/images/x.png").unlink()
    assert not store.is_current("auto/a", "abc")


def test_new_page_replaces_the_old_one(store, tmp_path) -> None:
    """Files that it has no more are removed, equal ones are not touched."""
    store.publish("auto/a", stage(tmp_path / "1", {"auto/a.rst": "1", "auto/b": "b"}), RECORD)
    kept = (store.srcdir / "auto/b").stat().st_ino
    store.publish("auto/a", stage(tmp_path / "2", {"auto/b": "b", "auto/c": "c"}), RECORD)
    assert there(store.srcdir) == {"auto/b": "b", "auto/c": "c"}
    assert (store.srcdir / "auto/b").stat().st_ino == kept


@pytest.mark.parametrize("after", range(5))
def test_publishing_that_is_broken_off_leaves_nothing_false(
    store, tmp_path, monkeypatch, after
) -> None:
    """After any number of writes: not current, mended by the next, and removed without a rest."""
    old = {"auto/a.rst": "old", "auto/gone": "old"}
    new = {"auto/a.rst": "new", "auto/more.png": "new", "auto/z.ipynb": "new"}
    store.publish("auto/a", stage(tmp_path / "1", old), RECORD)
    staged, left = stage(tmp_path / "2", new), iter(range(after))

    def write(path, content, real=store_module.write):
        if next(left, None) is None:
            raise Killed
        real(path, content)

    monkeypatch.setattr(store_module, "write", write)
    monkeypatch.setattr("recipe_gallery.files.write", write)
    with pytest.raises(Killed):
        store.publish("auto/a", staged, {**RECORD, "made of": "new"})
    monkeypatch.undo()
    assert not store.is_current("auto/a", "new")
    assert store.is_current("auto/a", "abc") == (after == 0)
    assert set(there(store.srcdir)) <= set(store.published("auto/a")["files"])
    if after % 2:
        store.publish("auto/a", staged, {**RECORD, "made of": "new"})
        assert there(store.srcdir) == new and store.is_current("auto/a", "new")
    store.tidy([])
    assert there(store.srcdir) == {} and store.docnames() == []


def test_first_publishing_that_is_broken_off_is_no_page(store, tmp_path, monkeypatch) -> None:
    """The record names its files first; a recipe that is deleted then leaves none of them."""

    def write(path, content):
        raise Killed

    monkeypatch.setattr(store_module, "write", write)
    with pytest.raises(Killed):
        store.publish("auto/a", stage(tmp_path, {"auto/a.rst": "1"}), RECORD)
    (store.srcdir / "auto").mkdir(parents=True)
    (store.srcdir / "auto/a.rst").write_text("1")  # it was killed just after this
    assert store.published("auto/a") == {} and store.docnames() == ["auto/a"]
    store.tidy([])
    assert there(store.srcdir) == {}


def test_removal_that_is_broken_off_is_made_good(store, tmp_path, monkeypatch) -> None:
    """A file that the new page has no more is known until it is gone."""
    store.publish("auto/a", stage(tmp_path / "1", {"auto/a.rst": "1", "auto/gone": "1"}), RECORD)

    def unlink(path, missing_ok=False, real=Path.unlink):
        if path.name == "gone":
            raise Killed
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(Killed):
        store.publish("auto/a", stage(tmp_path / "2", {"auto/a.rst": "2"}), RECORD)
    monkeypatch.undo()
    store.tidy([])
    assert there(store.srcdir) == {}


def test_tidy_removes_what_belongs_to_no_recipe(store, recipe, tmp_path) -> None:
    """Page, record and execution; of the others nothing. And what a killed build left."""
    other = Recipe(tmp_path / "b.py", "b.py", "auto/sub/b", b"")
    store.publish("auto/a", stage(tmp_path / "1", {"auto/a.rst": "1"}), RECORD)
    store.publish("auto/sub/b", stage(tmp_path / "2", {"auto/sub/b.rst": "1"}), RECORD)
    for one in (recipe, other):
        store.keep(one, Run())
    (store.state / "typeset-abc" / "auto").mkdir(parents=True)
    store.tidy(["auto/sub/b"])
    assert there(store.srcdir) == {"auto/sub/b.rst": "1"}
    assert sorted(there(store.state)) == ["auto/sub/b.published.json", "auto/sub/b.run.json"]
    assert not list(store.state.glob("typeset-*"))


def test_half_written_record_is_no_page(store, tmp_path) -> None:
    """The name under which a record is written first is not that of a recipe."""
    store.publish("auto/a", stage(tmp_path, {"auto/a.rst": "1"}), RECORD)
    store.file("auto/.a", ".published.json.new").write_text("{")
    (store.state / "auto" / ".b.published.json").write_text("{}")
    assert store.docnames() == ["auto/a"]


def test_staged_source_is_what_was_read(store, recipe) -> None:
    """Though the file is another by now; the folder is gone afterwards."""
    recipe.path.parent.mkdir()
    recipe.path.write_bytes(b"edited")
    with store.staged(recipe) as root:
        assert (root / "auto/a.py").read_bytes() == b"source"
        assert root.parent == store.state
    assert not root.exists()


def test_summary_says_what_executions_cost(store, tmp_path) -> None:
    """Of published pages, by docname; nothing that is large or that nobody asks for."""
    costs = {"wall": 1.0, "cpu": 2.0, "peak": 3.0, "made with": {"python": "3"}, "timeout": 60}
    store.publish("auto/a", stage(tmp_path, {"auto/a.rst": "1"}), {**RECORD, **costs})
    assert store.summary(["auto/b", "auto/a"]) == {"auto/a": {**costs, "made of": "abc"}}
    assert json.dumps(store.summary([])) == "{}"
