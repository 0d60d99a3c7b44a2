"""Twins and lists in Markdown say what the pages say."""

from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from recipe_gallery import Cell, Figure, Run
from recipe_site.catalogue import Entry, entry_of
from recipe_site.machines import overview, twin

pytestmark = pytest.mark.unit


def test_twin_shows_blocks_and_outputs_in_order() -> None:
    """A cell whose code is hidden has its output, and a fence in an output ends no block."""
    blocks = [["text", "# T"], ["code", "print(1)"], ["text", "B"], ["code", ""]]
    figure = Figure("sphx_glr_a_001.png", "a [b] *c* \x07", b"")
    run = Run((Cell("  1\n```\r\n"), Cell("a\rbell \x07\n", "", (figure,))))
    store = SimpleNamespace(
        published=lambda name: {"twin": blocks, "executed": True}, run=lambda name: run
    )
    expected = (
        "# T\n\n```python\nprint(1)\n```\n\nOutput:\n\n````text\n  1\n```\n````\n\nB\n\n"
        "Output:\n\n```text\nbell ␇\n```\n\n"
        "![a \\[b\\] \\*c\\* ␇](../../_images/sphx_glr_a_001.png)\n"
    )
    assert twin(store, Entry("a", "T", "", (), (), 1)) == expected


@pytest.mark.parametrize(
    ("title", "outcome", "text"),
    [
        ("A ``b`` [c]", "Do ``x < y`` & `z`", "A b [c]: Do x < y & z"),
        ("<b> *c*", "1 * 2 * 3 _d_ $5$", "<b> c: 1 * 2 * 3 _d_ $5$"),
    ],
)
def test_overview_shows_titles_and_outcomes_as_they_are(title, outcome, text) -> None:
    """None of their characters is markup."""
    entry = entry_of("a", f'"""\n{title}\n{"=" * 20}\n\n{outcome}\n"""\n')
    config = SimpleNamespace(html_baseurl="", project="P", site_summary="S")
    line = overview(SimpleNamespace(config=config), [entry]).splitlines()[-1]
    html = MarkdownIt().render(line)
    assert BeautifulSoup(html, "html.parser").get_text().strip() == text
