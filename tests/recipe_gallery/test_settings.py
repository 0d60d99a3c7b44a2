"""A number on the command line is a number, or a sentence says what it should be."""

import pytest

from recipe_gallery.settings import BuildError, cores, number_of_jobs

pytestmark = pytest.mark.unit


def test_number_of_jobs() -> None:
    """By default as many as there are cores."""
    assert number_of_jobs("3") == 3
    assert number_of_jobs("0") == cores() >= 1


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "", "²"])
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(BuildError, match="is no number of jobs: write one, 0 for as many as"):
        number_of_jobs(text)
