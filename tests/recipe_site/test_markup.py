"""Formulas are MathML that browsers and books can read."""

from xml.etree.ElementTree import fromstring

import pytest

from recipe_site.markup import mathml

pytestmark = [pytest.mark.unit, pytest.mark.quick]


def text(formula: str) -> str:
    """What a reader sees, without the marks that only say how parts belong together."""
    return "".join(fromstring(mathml(formula)).itertext()).replace("\u2061", "")


@pytest.mark.parametrize(
    ("formula", "seen"),
    [
        (r"k", "k"),
        (r"\lfloor (n - k) / s \rfloor + 1", "⌊(n−k)/s⌋+1"),
        (r"\tfrac12 \ln r", "12lnr"),
        (r"1 - \sqrt{0.9}", "1−0.9"),
        (r"a < b", "a<b"),
    ],
)
def test_formula(formula, seen) -> None:
    """It is XML, too, without an entity that a book does not know."""
    assert text(formula) == seen


def test_a_half_is_no_fraction_of_twelve() -> None:
    fraction = fromstring(mathml(r"\tfrac12 \ln r"))[0]
    assert [part.text for part in fraction] == ["1", "2"]


def test_a_block_is_displayed() -> None:
    assert 'display="block"' in mathml("k", as_block=True)
