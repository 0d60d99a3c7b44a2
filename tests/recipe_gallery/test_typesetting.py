"""A page is made again when anything that it shows has changed, and not otherwise."""

import json
import zipfile
from dataclasses import replace

import pytest
from small_gallery import FakeExecutor, printed

from recipe_gallery import Plugin, Recipe, Run
from recipe_gallery.typesetting import Typesetter, note, title_of

pytestmark = pytest.mark.unit
MADE_WITH = {"date": "2026-01-02", "python": "3.1", "platform": "Linux", "commit": "abc"}


@pytest.fixture
def built(small):
    """A gallery with two pages, one of which links to the other."""
    small.add("a", prose="See :ref:`sphx_glr_auto_b.py` and :class:`some.Name`.")
    small.add("b")
    small.build()
    return small


def made_again(small, **changes) -> list[str]:
    """The pages that a build makes, though it executes nothing."""
    executor, made = FakeExecutor(), []

    def publish(self, recipe, run, real=Typesetter.publish) -> None:
        made.append(recipe.slug)
        real(self, recipe, run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Typesetter, "publish", publish)
        small.build(executor, **changes)
    assert executor.tasks == []
    return made


def test_nothing_changed(built) -> None:
    """Nothing is typeset."""
    assert made_again(built) == []


def test_prose_is_typeset(built) -> None:
    """With the outputs of the last execution."""
    built.add("b", prose="New words.")
    assert made_again(built) == ["b"]
    page = built.page("b")
    assert "New words." in page and "this is b" in page


def test_title_is_shown_by_others(built) -> None:
    """In their notebooks, which have links of their own."""
    path = built.examples / "b.py"
    path.write_text(path.read_text().replace("\nb\n=", "\nAnother title\n=============\n"))
    assert made_again(built) == ["a", "b"]
    notebook = (built.root / "auto" / "a.ipynb").read_text()
    assert "[Another title](b.ipynb)" in notebook


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ({"show_signature": False}, ""),
        ({"line_numbers": True}, ":lineno-start:"),
        ({"show_memory": True}, "**Estimated memory usage:**  3 MB"),
        ({"min_reported_time": 100}, ""),
        ({"notebook_extensions": set()}, ""),
        ({"thumbnail_size": (40, 28)}, ""),
    ],
)
def test_looks_are_typeset(built, setting, shown) -> None:
    """Of all pages, which show it; nothing is executed."""
    before = built.page("b")
    assert made_again(built, gallery=setting) == ["a", "b"]
    assert shown in built.page("b")
    if not {"thumbnail_size", "notebook_extensions"} & set(setting):
        assert built.page("b") != before


def test_settings_that_pages_do_not_show(built) -> None:
    """Such as Sphinx's own style sheets."""
    assert made_again(built, gallery={"css": ["sg_gallery"], "junit": "x.xml"}) == []


@pytest.mark.parametrize(
    "change", [{"typeset_by": "x"}, {"base": "https://x.org/"}, {"links": {"some.Name": "x"}}]
)
def test_what_all_pages_are_made_from(built, change) -> None:
    """The code that makes them, the site's address, the names that can be linked to."""
    assert made_again(built, **change) == ["a", "b"]
    assert made_again(built, **change) == []


def test_default_picture_is_looked_at(built, tmp_path) -> None:
    """Its content counts, not its name."""
    from PIL import Image

    picture = tmp_path / "default.png"
    Image.new("RGB", (20, 20)).save(picture)
    setting = {"default_thumb_file": str(picture)}
    assert made_again(built, gallery=setting) == ["a", "b"]
    assert made_again(built, gallery=setting) == []
    Image.new("RGB", (20, 20), "red").save(picture)
    assert made_again(built, gallery=setting) == ["a", "b"]


@pytest.mark.parametrize("file", ["b.rst", "b.py", "b.ipynb", "b.zip"])
def test_damaged_file_is_made_again(built, file) -> None:
    """The page's or one that it offers."""
    path = built.root / "auto" / file
    good = path.read_bytes()
    path.unlink()
    path.write_bytes(good[:10])
    assert made_again(built) == ["b"]
    assert path.read_bytes() == good


def test_page_without_execution_says_so(small) -> None:
    """Until there is one."""
    small.add("a")
    assert made_again(small, execute=False) == ["a"]
    assert "typeset without running its code." in small.page("a")
    small.build()
    assert "without running" not in small.page("a") and "this is a" in small.page("a")


def test_outputs_of_the_same_code_are_better_than_none(small) -> None:
    """Without execution, a page keeps them; not those of other code."""
    small.add("a")
    small.build()
    assert made_again(small, execute=False, gallery={"capture_repr": ()}) == ["a"]
    assert "this is a" in small.page("a")
    small.add("a", "print(2)")
    assert made_again(small, execute=False) == ["a"]
    assert "this is a" not in small.page("a") and "without running" in small.page("a")


def test_recipe_that_is_not_executed_promises_nothing(small) -> None:
    """Its page has neither a warning nor a provenance."""
    small.add("a")
    small.build(gallery={"filename_pattern": "/plot_"})
    assert "without running" not in small.page("a") and "provenance" not in small.page("a")


def test_page_offers_what_was_read(small) -> None:
    """Source, notebook and both in one file, of the text that the build has read."""
    path = small.add("a", prose="First.")
    build = small.build(execute=False)
    (recipe,) = build.reader.recipes
    path.write_text("not this")
    build.typesetter.publish(replace(recipe, source=recipe.source.replace(b"First", b"New")), None)
    folder = small.root / "auto"
    assert b"New." in (folder / "a.py").read_bytes() and b"New." in (folder / "a.rst").read_bytes()
    with zipfile.ZipFile(folder / "a.zip") as archive:
        assert archive.namelist() == ["a.py", "a.ipynb"]
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()


def test_plugin_has_the_last_word_on_a_page(small) -> None:
    """Before it is published; what it adds is published, too."""
    plugin = Plugin()

    def finish(folder) -> None:
        page = folder / "auto" / "a.rst"
        page.chmod(0o644)
        page.write_text(page.read_text() + "\nThe last word.\n")
        (folder / "auto" / "more.txt").write_text("more")

    plugin.finish = finish
    small.add("a")
    small.build(plugin=plugin)
    assert small.page("a").endswith("The last word.\n") and "more.txt" in small.published()


def test_notes_at_the_end_of_a_page(tmp_path) -> None:
    """What it was made with, what was missing, or nothing."""
    recipe = Recipe(tmp_path / "a.py", "a.py", "a", b"")
    text = note(recipe, Run(made_with=MADE_WITH), Plugin())
    assert text == (
        "\n.. rst-class:: recipe-provenance\n\n   Executed on 2026-01-02 with Python 3.1 on "
        "Linux, commit abc.\n\n"
    )
    assert note(replace(recipe, skip="no GPU"), None, Plugin()) == (
        "\n.. warning::\n\n   This page was typeset without running its code: the machine that "
        "made it has no GPU.\n\n"
    )
    assert note(replace(recipe, executable=False), None, Plugin()) == ""


@pytest.mark.parametrize(
    ("source", "title"),
    [
        (b'"""\nTitle\n=====\n\nMore.\n"""\n', "Title"),
        (b'# /// script\n# ///\n"""Title\n====="""\n', "Title"),
        (b'"""\n.. _label:\n\n===========\nA *strong*\n===========\n"""', "A strong"),
        (b"x = 1\n", ""),
        (b"x = (\n", ""),
        (b'"""\xff"""', ""),
        (b"\0", ""),
    ],
)
def test_title_for_links(tmp_path, source, title) -> None:
    """Without one, the recipe's name is shown."""
    assert title_of(Recipe(tmp_path / "a.py", "a.py", "a", source)) == title


# -- What a recipe says ----------------------------------------------------------------


def with_docstring(small, slug: str, docstring: str, rest: str = "print(1)") -> None:
    """Write a recipe below a line of comment."""
    (small.examples / f"{slug}.py").write_text(f'# header\n"""{docstring}"""\n\n{rest}\n')


@pytest.mark.parametrize(
    ("docstring", "rest", "reason"),
    [
        ("One line", "print(1)", "line 2: it does not begin with a title"),
        ("\nLong title\n===\n\nText.\n", "print(1)", "line 2: it does not begin with a title"),
        ("\nText.\n\nTitle\n=====\n", "print(1)", "line 2: it does not begin with a title"),
        ("\nTitle\n=====\n", "# %%\n# Again\n# =====\n\n1", "line 8: 'Again' is underlined like"),
        ("\nOne\n---\n", "1\n\n# %%\n# ``Two``\n# -------\n", "line 10: '``Two``' is underlined"),
    ],
)
def test_title_that_cannot_be_one_is_refused(small, docstring, rest, reason) -> None:
    """Where the site wants it: with its line; the others are built."""
    with_docstring(small, "bad", docstring, rest)
    small.add("good")
    assert not small.build().failures
    for page in small.root.glob("auto/bad.*"):
        page.unlink()
    plugin = Plugin()
    plugin.one_title = True
    build = small.build(plugin=plugin)
    assert list(build.failures) == ["examples/bad.py"]
    assert build.failures["examples/bad.py"].reason.startswith(f"cannot be typeset: {reason}")
    assert "good.rst" in small.published() and "bad.rst" not in small.published()


HIDING = """\
# sphinx_gallery_thumbnail_number = 1
# sphinx_gallery_start_ignore
hidden = 3
# sphinx_gallery_end_ignore
print(hidden)"""


@pytest.mark.parametrize("without", [True, False])
def test_notebook_has_the_code_that_its_page_hides(small, without) -> None:
    """As it must run, without the comments that hide it, and like the page with settings or not."""
    small.add("a", HIDING)
    build = small.build(gallery={"remove_config_comments": without})
    settings = "" if without else "# sphinx_gallery_thumbnail_number = 1\n"
    notebook = json.loads((small.root / "auto" / "a.ipynb").read_text())
    assert "".join(notebook["cells"][-1]["source"]) == f"{settings}hidden = 3\nprint(hidden)"
    assert "hidden = 3" not in small.page("a")
    assert build.store.published("auto/a")["twin"][-1] == ["code", f"{settings}print(hidden)"]


def test_twin_leads_to_what_is_beside_it(small) -> None:
    """To other twins and to pages of the site; code that shows such links stays."""
    (small.root / "docs.rst").write_text("The docs\n========\n")
    small.add("b")
    small.add("a", prose=":ref:`sphx_glr_auto_b.py`, :doc:`/docs`, ``](b.ipynb)``.")
    build = small.build()
    text = build.store.published("auto/a")["twin"][1][1]
    assert text == "[b](b.md), [The docs](../docs.html), `](b.ipynb)`."
    notebook = (small.root / "auto" / "a.ipynb").read_text()
    assert "[b](b.ipynb), The docs, `](b.ipynb)`." in notebook


def test_title_of_a_written_page_is_shown(small) -> None:
    """And of the gallery itself; a page is made again when such a title changes."""
    page = small.root / "docs.rst"
    page.write_text("The docs\n========\n\n.. _part:\n\nA part\n------\n")
    small.add("a", prose=":doc:`/docs`, :ref:`part`, :ref:`sphx_glr_auto`.")
    small.build(base="https://s.org/")
    notebook = (small.root / "auto" / "a.ipynb").read_text()
    assert "[The docs](https://s.org/docs.html), [A part](https://s.org/docs.html#part)" in notebook
    assert "[Gallery](https://s.org/auto/index.html)" in notebook
    assert made_again(small, base="https://s.org/") == []
    page.write_text("The docs\n========\n\n.. _part:\n\nB part\n------\n")
    assert made_again(small, base="https://s.org/") == ["a"]


def test_output_on_a_page_keeps_its_indentation(small) -> None:
    """However it is kept, see ``terminal``."""
    small.add("a")
    small.build(FakeExecutor(lambda task: Run((printed("  1\n 10\n"),), made_with=MADE_WITH)))
    assert ":force:\n\n      1\n     10\n" in small.page("a")
