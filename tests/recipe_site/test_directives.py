"""What an author writes in a title or an outcome breaks no page that shows it."""

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from recipe_gallery.prose import heading
from recipe_site.directives import as_rst

pytestmark = pytest.mark.unit

TEXTS = [
    "Plain words.",
    "Use ``torch.ones``, ``x < y``s and ``|a|``.",
    "``first`` and ``last``",
    "From A -> B <C>: *a*, **b**, `c`, d_, |e|, [1]_, :class:`x`",
    "1. One\\two ``\\n`` .. note:: x",
    "- not a list",
    "====",
    "::",
    ":field: of",
    "https://pytorch.org and a@b.org",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("frame", ["{}", ".. container:: card\n\n   {}\n\n   More."])
def test_card_shows_a_text_as_it_is(text, frame) -> None:
    """Only code is marked; nothing in it is markup or an error."""
    tree = publish_doctree(frame.format(as_rst(text)), settings_overrides={"report_level": 1})
    assert not list(tree.findall(nodes.system_message))
    paragraph = next(tree.findall(nodes.paragraph))
    assert paragraph.astext() == text.replace("``", "")
    assert [node.astext() for node in paragraph.findall(nodes.literal)] == text.split("``")[1::2]
    assert not list(paragraph.findall(nodes.reference))


DOCSTRINGS = [
    "``a``s ``b``'s\n=============\n\n``a``s ``b``'s and ``c`` ``` ``d`` ````",
    ":ref:`a <b>` `c`_ |d|\n======================\n\n:samp:`x` `c`_ |d| [1]_ **open",
]


@pytest.mark.parametrize("docstring", DOCSTRINGS)
def test_titles_and_outcomes_are_always_shown(docstring) -> None:
    """However broken the rst is that they come from."""
    for text in heading(docstring):
        test_card_shows_a_text_as_it_is(text, "{}")
