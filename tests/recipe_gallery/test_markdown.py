"""Markdown says what rst says, and nothing in it is markup by accident."""

import pytest
from markdown_it import MarkdownIt

from recipe_gallery.prose import NOWHERE, Prose

pytestmark = pytest.mark.unit


def to_markdown(*texts: str) -> list[str]:
    """Some rst as Markdown, a text for each cell."""
    return Prose(texts).markdown(NOWHERE)


def html(markdown: str) -> str:
    """What a reader of Markdown makes of it."""
    return MarkdownIt("commonmark").enable("table").render(markdown).replace("\n", "")


def code(language: str, lines: str) -> str:
    kind = f' class="language-{language}"' if language else ""
    return f"<pre><code{kind}>{lines}</code></pre>"


GRID = "+---+---+\n| A | B |\n+===+===+\n| 1 | 2 |\n+---+---+"
TABLE = "<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr>"
LIST_TABLE = ".. list-table::\n   :header-rows: 1\n\n   * - A\n     - B\n   * - 1\n     - 2"
MARKUP = {
    "emphasis": ("*a* **b** a_b 2*3", "<p><em>a</em> <strong>b</strong> a_b 2*3</p>"),
    "characters": ("<a> & [b] #1 $2 ~c |d", "<p>&lt;a&gt; &amp; [b] #1 $2 ~c |d</p>"),
    "dashes": ('"a" -- b --- c ...', "<p>&quot;a&quot; -- b --- c ...</p>"),
    "literal": ("``x_y * <z>``", "<p><code>x_y * &lt;z&gt;</code></p>"),
    "bullets": ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
    "nested": ("- a\n\n  - b", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
    "numbers": ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
    "from four": ("4. a\n5. b", '<ol start="4"><li>a</li><li>b</li></ol>'),
    "automatic": ("#. a\n#. b", "<ol><li>a</li><li>b</li></ol>"),
    "a year": ("1986\\. It was", "<p>1986. It was</p>"),
    "code in a list": (
        "- a\n\n  .. code-block:: python\n\n     x = 1",
        f"<ul><li><p>a</p>{code('python', 'x = 1')}</li></ul>",
    ),
    "table": (GRID, f"{TABLE}</tbody></table>"),
    "list table": (LIST_TABLE, f"{TABLE}</tbody></table>"),
    "link": ("`a <https://b.org/c>`__", '<p><a href="https://b.org/c">a</a></p>'),
    "named": ("`a`_\n\n.. _a: https://b.org", '<p><a href="https://b.org">a</a></p>'),
    "address": ("https://b.org", '<p><a href="https://b.org">https://b.org</a></p>'),
    "code": (".. code-block:: sh\n\n   a b", code("sh", "a b")),
    "options": (".. code-block:: python\n   :linenos:\n\n   x", code("python", "x")),
    "double colon": ("A::\n\n   x", f"<p>A:</p>{code('', 'x')}"),
    "quote": ("   a", "<blockquote><p>a</p></blockquote>"),
    "note": (
        ".. note:: See ``x``.",
        "<blockquote><p><strong>Note:</strong>See <code>x</code>.</p></blockquote>",
    ),
    "warning": (
        ".. warning::\n\n   One.\n\n   Two.",
        "<blockquote><p><strong>Warning:</strong>One.</p><p>Two.</p></blockquote>",
    ),
    "tip": (".. tip::\n\n   A", "<blockquote><p><strong>Tip:</strong>A</p></blockquote>"),
    "comment": ("a\n\n.. not shown", "<p>a</p>"),
}


@pytest.mark.parametrize("name", MARKUP)
def test_rst_becomes_markdown(name) -> None:
    """Which shows the same as rst; alone, and between other cells."""
    rst, expected = MARKUP[name]
    assert html(to_markdown(rst)[0]) == expected
    before, between, after = to_markdown("Before.", rst, "After.")
    assert (before, html(between), after) == ("Before.", expected, "After.")


@pytest.mark.parametrize(
    ("rst", "markdown"),
    [
        ("A :math:`a_i < b` costs $5.", "A $a_i < b$ costs \\$5."),
        (".. math::\n\n   a = \\frac{1}{2}", "$$a = \\frac{1}{2}$$"),
    ],
)
def test_mathematics_is_what_jupyter_reads(rst, markdown) -> None:
    """Between dollar signs; those of the text are escaped."""
    assert to_markdown(rst) == [markdown]


@pytest.mark.parametrize(
    ("rst", "markdown"),
    [
        ("- a\n\n  .. note:: b", "- a\n\n  > **Note:**\n  > b"),
        (".. note:: a\n\n   .. tip:: b", "> **Note:**\n> a\n>\n> > **Tip:**\n> > b"),
        ("1. a\n\n   .. note:: b", "1. a\n\n   > **Note:**\n   > b"),
        (">>> 1 + 1\n2", "```pycon\n>>> 1 + 1\n2\n```"),
        ("One.\n\n>>> f()\n>>> 1\n1\n\nTwo.", "One.\n\n```pycon\n>>> f()\n>>> 1\n1\n```\n\nTwo."),
        ("A line\n>>> and another.", "A line >>> and another."),
    ],
)
def test_rare_rst_becomes_markdown(rst, markdown) -> None:
    """Notes in other things, and a session in the interpreter."""
    assert to_markdown(rst) == [markdown]


def test_headings_have_one_hierarchy() -> None:
    """Over several cells, by the order in which rst's underlines appear."""
    texts = ["Title\n=====\n\na", "One\n---\n\nb", "no heading", "Deep\n~~~~\n\nc", "Two\n---"]
    expected = ["# Title\n\na", "## One\n\nb", "no heading", "### Deep\n\nc", "## Two"]
    assert to_markdown(*texts) == expected


def test_as_many_cells_come_back() -> None:
    """Empty ones, too, and those whose link is explained in another."""
    assert to_markdown() in ([], [""])
    assert to_markdown("a", "", "- b", "- c") == ["a", "", "- b", "- c"]
    assert to_markdown("`a`_", ".. _a: https://b.org") == ["[a](https://b.org)", ""]
