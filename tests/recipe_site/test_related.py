"""Which recipes are alike is found by their words, and found once."""

from pathlib import Path

import pytest

from recipe_site import related
from recipe_site.related import MOST, compare, find

pytestmark = [pytest.mark.unit, pytest.mark.quick]
WORDS = {  # a word that is there once, or more than twice, says nothing among six
    "a": "cat dog", "b": "sun moon", "c": "sky sea",
    "d": "cat dog bird bird", "e": "sun moon star star", "f": "sky sea land land",
}  # fmt: skip


@pytest.fixture
def scripts(tmp_path) -> dict[Path, str]:
    """Recipes, two and two of which share words that no other has, with their texts."""
    texts = {tmp_path / f"{slug}.py": f"# {words} everywhere\n" for slug, words in WORDS.items()}
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return texts


@pytest.fixture
def compared(monkeypatch) -> list[int]:
    """How many recipes were compared, each time that they were."""
    times: list[int] = []

    def count(paths: list[Path]) -> dict[str, list[str]]:
        times.append(len(paths))
        return compare(paths)

    monkeypatch.setattr(related, "compare", count)
    return times


def test_nearest_comes_first(scripts) -> None:
    """Of each as many as a page names, and nobody is near to themselves."""
    near = compare(list(scripts))
    assert {slug: others[0] for slug, others in near.items()} == {
        "a": "d", "d": "a", "b": "e", "e": "b", "c": "f", "f": "c"
    }  # fmt: skip
    for slug, others in near.items():
        assert slug not in others and len(set(others)) == len(others) == MOST


@pytest.mark.parametrize("number", [0, 1, 3])
def test_few_recipes_have_no_relatives(scripts, number: int) -> None:
    """There is nothing to choose from."""
    few = list(scripts)[:number]
    assert compare(few) == {path.stem: [] for path in few}


def test_they_are_compared_again_when_a_text_changes(scripts, compared, tmp_path) -> None:
    """Or when a recipe comes, and not before."""
    kept = tmp_path / "related.json"
    first = find(scripts, kept)
    assert find(scripts, kept) == first == compare(list(scripts)) and compared == [6]
    changed = tmp_path / "a.py"
    changed.write_text("# dog lake lake everywhere\n", "utf-8")
    scripts[changed] = changed.read_text("utf-8")
    assert find(scripts, kept) == compare(list(scripts))
    assert compared == [6, 6]
    (tmp_path / "g.py").write_text("# hill hill everywhere\n", "utf-8")
    find({**scripts, tmp_path / "g.py": "# hill hill everywhere\n"}, kept)
    assert compared == [6, 6, 7]


@pytest.mark.parametrize("rule", ["MOST", "RARE", "COMMON"])
def test_they_are_compared_again_by_other_rules(
    scripts, compared, tmp_path, monkeypatch, rule: str
) -> None:
    """What was found by the old ones is not shown."""
    find(scripts, tmp_path / "related.json")
    monkeypatch.setattr(related, rule, {"MOST": 2, "RARE": 1, "COMMON": 0.5}[rule])
    find(scripts, tmp_path / "related.json")
    assert compared == [6, 6]
