"""The order of recipes, their relatives and the index of names come from the files alone."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from recipe_site import catalogue, layout
from recipe_site.catalogue import Entry, api_names, learning_path, read, reading_minutes

pytestmark = pytest.mark.unit


def entry(slug: str, title: str, tag: str = "", after: tuple[str, ...] = ()) -> Entry:
    return Entry(slug, title, "", (tag,) if tag else (), after, 1)


def slugs(path: list[Entry]) -> list[str]:
    return [found.slug for found in path]


def test_path_goes_by_group_then_title() -> None:
    """Groups as the tags are ordered, unknown ones last."""
    recipes = [
        entry("a", "Zebra", "Training"),
        entry("b", "apple", "Training"),
        entry("c", "Middle", "Basics"),
        entry("d", "First"),
    ]
    assert slugs(learning_path(recipes)) == ["c", "b", "a", "d"]


def test_path_respects_after() -> None:
    """Whatever the titles say; names of recipes that are not there are no matter."""
    recipes = [
        entry("a", "A", "Basics", ("z", "gone")),
        entry("b", "B", "Basics"),
        entry("z", "Z", "Basics"),
    ]
    assert slugs(learning_path(recipes)) == ["b", "z", "a"]


def test_circle_is_named() -> None:
    """Recipes that wait for each other have no order."""
    recipes = [entry("a", "A", after=("b",)), entry("b", "B", after=("a",))]
    with pytest.raises(ValueError, match="in a circle: (a → b → a|b → a → b)"):
        learning_path(recipes)


def test_reading_time_grows_with_prose_and_code() -> None:
    """At 200 words and 20 lines of code a minute, and never nothing."""
    start = '# /// script\n# ///\n"""\nTitle\n=====\n"""\n'
    assert reading_minutes(start) == 1
    assert reading_minutes(start + "# " + "word " * 400) == 2
    assert reading_minutes(start + "x = 1\n" * 60) == 3


def recipe(root, slug, words, tags="Basics", after=()):
    """Write a published recipe."""
    path = root / layout.script(slug)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f'# /// script\n# [tool.recipe]\n# tags = ["{tags}"]\n# after = {json.dumps(after)}\n'
    path.write_text(f'{head}# ///\n"""\n{slug}\n====\n\nOutcome.\n"""\n# {words}\n', "utf-8")


def update(root: Path, index: bool = False) -> SimpleNamespace:
    """Make the catalogue of all that is published; the app, with its status."""
    names = [layout.docname(path.stem) for path in (root / layout.PAGES).glob("*.py")]
    section = SimpleNamespace(target=layout.PAGES, header="Recipes\n=======\n")
    build = SimpleNamespace(
        records=lambda: dict.fromkeys(sorted(names), {}),
        sections=[section],
        settings=SimpleNamespace(index=index),
    )
    app = SimpleNamespace(srcdir=root, statuscode=0)
    catalogue.update(app, build)
    return app


def test_update_writes_only_what_changed(tmp_path) -> None:
    """A word of prose does not touch the catalogue; a new order does."""
    file = tmp_path / layout.CATALOGUE
    for slug in "abcd":
        recipe(tmp_path, slug, "same words of prose")
    update(tmp_path)
    os.utime(file, (1, 1))
    update(tmp_path)
    recipe(tmp_path, "a", "same words of speech")
    update(tmp_path)
    assert file.stat().st_mtime == 1
    recipe(tmp_path, "a", "same words of speech", after=["b"])
    update(tmp_path)
    assert slugs(read(tmp_path)) == ["b", "a", "c", "d"]
    index = (tmp_path / f"{layout.INDEX}.rst").read_text("utf-8")
    assert index.index("recipes/b") < index.index("recipes/a") < index.index("recipes/c")


def test_order_of_the_tags_is_that_of_the_next_build(tmp_path, monkeypatch) -> None:
    """Nothing else has to change for it."""
    recipe(tmp_path, "a", "words", tags="Basics")
    recipe(tmp_path, "b", "words", tags="Data")
    update(tmp_path)
    assert slugs(read(tmp_path)) == ["a", "b"]
    monkeypatch.setattr(catalogue, "TAGS", ("Data", "Basics"))
    update(tmp_path)
    assert slugs(read(tmp_path)) == ["b", "a"]
    index = (tmp_path / f"{layout.INDEX}.rst").read_text("utf-8")
    assert index.index("recipes/b") < index.index("recipes/a")


def test_no_group_is_torn_by_what_to_read_before(tmp_path) -> None:
    """A recipe may build upon one of a later group; menu and path have each group once."""
    recipe(tmp_path, "a", "words", tags="Basics", after=["c"])
    recipe(tmp_path, "b", "words", tags="Basics")
    recipe(tmp_path, "c", "words", tags="Data")
    update(tmp_path)
    assert slugs(read(tmp_path)) == ["a", "b", "c"]
    assert read(tmp_path)[0].after == ("c",)


def test_circle_ends_the_build_with_an_error(tmp_path, monkeypatch) -> None:
    """Which names it; and the site is there, without that order."""
    said: list[str] = []
    logger = SimpleNamespace(error=lambda form, *values: said.append(form % values))
    monkeypatch.setattr(catalogue, "logger", logger)
    recipe(tmp_path, "a", "words", after=["b"])
    recipe(tmp_path, "b", "words", after=["a"])
    assert update(tmp_path).statuscode == 1
    (sentence,) = said
    assert sentence.startswith(f"{layout.SOURCES}: 'after'") and "in a circle: " in sentence
    assert slugs(read(tmp_path)) == ["a", "b"]


def test_index_of_the_run_stage_is_left_alone(tmp_path) -> None:
    """If the settings ask it for one."""
    recipe(tmp_path, "a", "words")
    update(tmp_path, index=True)
    assert slugs(read(tmp_path)) == ["a"]
    assert not (tmp_path / f"{layout.INDEX}.rst").exists()


def test_damaged_catalogue_is_made_again(tmp_path) -> None:
    """Whatever lies there from a build that was killed."""
    for slug in "abcd":
        recipe(tmp_path, slug, "words")
    update(tmp_path)
    good = (tmp_path / layout.CATALOGUE).read_bytes()
    for name in (layout.CATALOGUE, layout.RELATED):
        for content in (b"", b"[{", good[:50]):
            (tmp_path / name).write_bytes(content)
            update(tmp_path)
            assert (tmp_path / layout.CATALOGUE).read_bytes() == good


def test_relatives_share_words(tmp_path) -> None:
    """Those with the same rare words come first, and nobody is their own relative."""
    for slug, words in zip(
        "abcdef", ["cat dog", "sun", "sky", "cat dog", "sun", "sky"], strict=True
    ):
        recipe(tmp_path, slug, words)
    update(tmp_path)
    near = {found.slug: found.related for found in read(tmp_path)}
    assert near["a"][0] == "d" and near["b"][0] == "e"
    assert all(slug not in others for slug, others in near.items())


def test_names_are_indexed_by_their_nearest_class(tmp_path) -> None:
    """An object of a class counts for that class and not for the bases behind it."""
    recipe(tmp_path, "a", "x")
    update(tmp_path)
    names = ["Sequential", "Module"]
    objects = [{"module_short": "torch.nn", "name": name} for name in names]
    (tmp_path / "recipes/recipes/a.codeobj.json").write_text(json.dumps({"model": objects}))
    known = [f"torch.nn.{name}" for name in names]
    (used,) = api_names(tmp_path, known).items()
    assert used[0] == "torch.nn.Sequential" and slugs(used[1]) == ["a"]
    assert list(api_names(tmp_path, known[1:])) == ["torch.nn.Module"]
