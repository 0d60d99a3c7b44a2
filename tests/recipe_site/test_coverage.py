"""Each card of the official index has a recipe here, or a reason."""

import pytest

from recipe_site import coverage, layout

pytestmark = pytest.mark.unit
CARDS = """# Read today.
["recipes/alpha"]
title = "A"

[beta_tutorial]
title = "B"
here = "beta"

[gamma]
title = "C"
why = "It needs two GPUs."
"""


@pytest.fixture
def cards(tmp_path):
    """A checkout with recipes for the first two cards, and a reason for the third."""
    for slug in ("alpha", "beta"):
        file = tmp_path / layout.source(slug)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    file = tmp_path / layout.OFFICIAL
    file.parent.mkdir()
    file.write_text(CARDS)
    return file


def test_all_are_covered(cards, tmp_path) -> None:
    found = {coverage.recipe_for(*item) for item in coverage.read(tmp_path).items()}
    assert found == {"alpha", "beta", "gamma"}
    assert not list(coverage.problems(tmp_path, coverage.read(tmp_path)))


def test_card_without_a_recipe_is_named(cards, tmp_path) -> None:
    """Also one whose recipe was renamed, and one that has both; each with its line."""
    (tmp_path / layout.source("beta")).rename(tmp_path / layout.source("gamma"))
    assert list(coverage.problems(tmp_path, coverage.read(tmp_path))) == [
        (5, "no recipe 'beta' for this card: write it, or say why"),
        (9, "the recipe 'gamma' is there: leave 'why' out"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [("[alpha", "table declaration"), ('[alpha]\nname = "A"', "name"), ("[alpha]", "title")],
)
def test_wrong_file_is_one_sentence(cards, tmp_path, text, what) -> None:
    cards.write_text(text)
    with pytest.raises(ValueError, match=rf"^{layout.OFFICIAL}: .*{what}"):
        coverage.read(tmp_path)
