"""The order of recipes, their relatives and the index of names come from the files alone."""

import json
import os

import pytest

from recipe_catalogue import (
    CATALOGUE,
    PUBLISHED,
    PathSortKey,
    api_names,
    learning_path,
    read,
    reading_minutes,
    update,
)
from recipe_header import Header

pytestmark = pytest.mark.unit


def header(tag="", after=()):
    return Header(">=3.11", (), (tag,) if tag else (), after=tuple(after))


def test_path_goes_by_group_then_title() -> None:
    """Groups as the tags are ordered, unknown ones last."""
    recipes = {
        "a": (header("Training"), "Zebra"),
        "b": (header("Training"), "apple"),
        "c": (header("Basics"), "Middle"),
        "d": (header(), "First"),
    }
    assert learning_path(recipes) == ["c", "b", "a", "d"]


def test_path_respects_after() -> None:
    """Whatever the titles and groups say; names of recipes that are not there are no matter."""
    recipes = {
        "a": (header("Basics", ["z", "gone"]), "A"),
        "b": (header("Basics"), "B"),
        "z": (header("Data"), "Z"),
    }
    assert learning_path(recipes) == ["b", "z", "a"]


def test_circle_is_named() -> None:
    """Recipes that wait for each other have no order."""
    recipes = {"a": (header(after=["b"]), "A"), "b": (header(after=["a"]), "B")}
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
    path = root / PUBLISHED / f"{slug}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / CATALOGUE).parent.mkdir(parents=True, exist_ok=True)
    head = f'# /// script\n# [tool.recipe]\n# tags = ["{tags}"]\n# after = {json.dumps(after)}\n'
    path.write_text(f'{head}# ///\n"""\n{slug}\n====\n\nOutcome.\n"""\n# {words}\n', "utf-8")


def test_update_writes_only_what_changed(tmp_path) -> None:
    """A word of prose does not touch the catalogue; a new order does."""
    for slug in "abcd":
        recipe(tmp_path, slug, "same words of prose")
    update(tmp_path)
    os.utime(tmp_path / CATALOGUE, (1, 1))
    update(tmp_path)
    recipe(tmp_path, "a", "same words of speech")
    update(tmp_path)
    assert (tmp_path / CATALOGUE).stat().st_mtime == 1
    recipe(tmp_path, "a", "same words of speech", after=["b"])
    update(tmp_path)
    assert [entry["slug"] for entry in read(tmp_path)] == ["b", "a", "c", "d"]
    key = PathSortKey(str(tmp_path / PUBLISHED))
    assert sorted(["a.py", "b.py", "z.py"], key=key) == ["b.py", "a.py", "z.py"]


def test_relatives_share_words(tmp_path) -> None:
    """Those with the same rare words come first, and nobody is their own relative."""
    for slug, words in zip(
        "abcdef", ["cat dog", "sun", "sky", "cat dog", "sun", "sky"], strict=True
    ):
        recipe(tmp_path, slug, words)
    update(tmp_path)
    near = {entry["slug"]: entry["related"] for entry in read(tmp_path)}
    assert near["a"][0] == "d" and near["b"][0] == "e"
    assert all(slug not in others for slug, others in near.items())


def test_names_are_indexed_by_their_nearest_class(tmp_path) -> None:
    """An object of a class counts for that class and not for the bases behind it."""
    recipe(tmp_path, "a", "x")
    update(tmp_path)
    names = ["Sequential", "Module"]
    objects = [{"module_short": "torch.nn", "name": name} for name in names]
    target = tmp_path / "recipes/recipes"
    target.mkdir(parents=True)
    (target / "a.codeobj.json").write_text(json.dumps({"model": objects}))
    known = [f"torch.nn.{name}" for name in names]
    assert api_names(tmp_path, known) == {"torch.nn.Sequential": ["a"]}
    assert api_names(tmp_path, known[1:]) == {"torch.nn.Module": ["a"]}
