"""Outputs are shown as they were printed, on pages, in books and in Markdown."""

import pytest
from docutils.nodes import literal_block
from markdown_it import MarkdownIt

from recipe_gallery import Cell, Run
from recipe_gallery.sphinx_markup import read
from recipe_gallery.terminal import fenced, page_rst, shown, typeset, visible

pytestmark = pytest.mark.unit

SHOWN = [
    ("10%\r20%\rdone", "done"),
    ("longer\rab", "abnger"),
    ("a\r\nb", "a\nb"),
    ("\x1b[31mred\x1b[0m\tx  ", "red     x"),
    ("a\x07\x00\x0b\x0c\x1c\x7fb", "a␇␀␋␌␜␡b"),
    ("a\x85b\u2028c\ufffed\u202ee", "a\\u0085b\\u2028c\\ufffed\\u202ee"),
    ("日本 \xa0ä", "日本 \xa0ä"),
]


@pytest.mark.parametrize(("text", "expected"), SHOWN)
def test_text_is_what_a_terminal_would_show(text, expected) -> None:
    """Line by line; what no page can show has a picture."""
    assert shown(text) == expected


def sphinx_gallery_rst(text: str) -> str:
    """What Sphinx-Gallery itself makes of a printed text."""
    from textwrap import indent

    from sphinx_gallery.gen_rst import CODE_OUTPUT

    from recipe_gallery.terminal import ANSI

    return f"\n\n\n{ANSI.sub('', CODE_OUTPUT.format(indent(text.expandtabs(), '    ')))}\n\n\n\n"


def on_page(rst: str) -> str:
    """The text of the first block of code."""
    return next(read(rst).findall(literal_block)).astext()


INDENTED = [
    "    loss  accuracy\n    0.50      0.80\n",
    "  1.5\n 10.5\n",
    "\n\n   first line empty\n",
    "   one line",
    "plain\n    more\n\n  end\n",
    ":name: no option\n",
    "\tx\n\ty\n",
]


@pytest.mark.parametrize("text", INDENTED + [text for text, _ in SHOWN])
def test_page_shows_the_text(text) -> None:
    """With the indentation of all its lines, without empty ones around it."""
    rst = page_rst(text, sphinx_gallery_rst(text))
    assert on_page(rst) == shown(text).strip("\n")
    assert not any(ord(c) < 32 and c != "\n" for c in rst)


def test_figures_and_values_of_an_output_stay() -> None:
    """Around the text; with their texts cleaned."""
    rst = "\n.. image-sg:: /a.png\n   :alt: bell \x07\n" + sphinx_gallery_rst("  x\n") + "<b>y</b>"
    made = page_rst("  x\n", rst)
    assert made.startswith("\n.. image-sg:: /a.png\n   :alt: bell ␇\n")
    assert made.endswith("<b>y</b>") and on_page(made) == "  x"
    assert page_rst("", "\n.. image-sg:: /a.png\n") == "\n.. image-sg:: /a.png\n"


def test_output_that_is_not_the_text_alone_keeps_its_indentation() -> None:
    """Such as one with a value behind it, or with other paths in it."""
    rst = sphinx_gallery_rst("  scratch\n    y\n")
    assert on_page(page_rst("  otherwise\n", rst)) == "  scratch\n    y"


def test_value_of_a_cell_keeps_its_indentation() -> None:
    """Though nothing was printed."""
    assert on_page(page_rst("", sphinx_gallery_rst("\n   a  b\n   c  d"))) == "   a  b\n   c  d"


def test_all_cells_of_a_run_are_typeset() -> None:
    """Nothing else of it is changed."""
    cell = Cell("  x\n", sphinx_gallery_rst("  x\n"))
    run = typeset(Run((cell, cell), wall=3))
    assert [on_page(cell.rst) for cell in run.cells] == ["  x"] * 2
    assert (run.text, run.wall) == ("  x\n  x\n", 3)


@pytest.mark.parametrize("text", ["x", "```", "a\n````python\nb\n````", "~~~\n``", ""])
def test_block_ends_where_it_should(text) -> None:
    """Whatever is printed in it."""
    tokens = MarkdownIt().parse(f"{fenced(text, 'text')}\n\nafter")
    assert [t.type for t in tokens[:2]] == ["fence", "paragraph_open"]
    assert tokens[0].content.rstrip("\n") == text


def test_plain_text_is_left() -> None:
    """No page changes for nothing."""
    assert visible("a\tb\nc é 漢 🎉") == "a\tb\nc é 漢 🎉"


@pytest.mark.parametrize("text", ["a\n  b\n", "\n\nx  \n\n", "x\ty\n"])
def test_page_is_that_of_sphinx_gallery_where_nothing_is_lost(text) -> None:
    """To the byte."""
    assert page_rst(text, sphinx_gallery_rst(text)) == sphinx_gallery_rst(text)
