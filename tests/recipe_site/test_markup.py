"""Formulas are MathML that browsers and books can read; messages wrap, tables do not."""

from xml.etree.ElementTree import fromstring

import pytest
from docutils import nodes
from docutils.utils import new_document

from recipe_site.markup import mark_wrapping, mathml

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


@pytest.mark.parametrize(
    ("text", "wraps"),
    [
        ("TypeError: a message of some length, in one line", True),
        ("    indented", True),
        ("name   size\nconv      3", False),
        ("  1.5   2.5\n 10.5  20.5", False),
        (f"name   size\n{'wide ' * 20}", True),
    ],
)
def test_messages_wrap_and_tables_do_not(text, wraps) -> None:
    """A table that no screen is wide enough for wraps, too."""
    document, box = new_document("page"), nodes.container(classes=["sphx-glr-script-out"])
    box += nodes.literal_block(text, text)
    document += box
    mark_wrapping(None, document)
    assert ("wraps" in box[0]["classes"]) == wraps
