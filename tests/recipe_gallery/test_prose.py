"""What Sphinx makes of rst, and docutils alone does not, is in the Markdown too."""

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from recipe_gallery.links import Links, Place
from recipe_gallery.prose import Prose, heading

pytestmark = pytest.mark.unit


def html(markdown: str) -> str:
    """What a reader of Markdown makes of it."""
    return MarkdownIt("commonmark").enable("table").render(markdown).replace("\n", "")


# -- Roles -----------------------------------------------------------------------------

NAMES = {
    "torch.Tensor": "https://t.org/tensor",
    "torch.Tensor.backward": "https://t.org/backward",
    "math.floor": "https://p.org/floor",
}
A_B = "sphx_glr_recipes_recipes_a_b.py"
LINKS = Links({A_B: Place("recipes/recipes/a_b", "The title")}, NAMES)
ROLES = [
    (f":ref:`{A_B}`", "[The title](a_b.ipynb)"),
    (f":ref:`the words <{A_B}>`", "[the words](a_b.ipynb)"),
    (f":ref:`over two\nlines <{A_B}>`", "[over two lines](a_b.ipynb)"),
    (":ref:`sphx_glr_recipes_recipes_gone.py`", "sphx_glr_recipes_recipes_gone.py"),
    (":ref:`all names <genindex>`", "all names"),
    (":doc:`/docs/data`", "data"),
    (":doc:`a_b`", "[The title](a_b.ipynb)"),
    (":class:`torch.Tensor`", "[torch.Tensor](https://t.org/tensor)"),
    (":class:`~torch.Tensor`", "[Tensor](https://t.org/tensor)"),
    (":class:`a tensor <torch.Tensor>`", "[a tensor](https://t.org/tensor)"),
    (":class:`a tensor <~torch.Tensor>`", "[a tensor](https://t.org/tensor)"),
    (":py:class:`~torch.Tensor`", "[Tensor](https://t.org/tensor)"),
    (":class:`torch.Tensor`\\ s", "[torch.Tensor](https://t.org/tensor)s"),
    (":func:`math.floor`", "[math.floor()](https://p.org/floor)"),
    (":func:`~math.floor`", "[floor()](https://p.org/floor)"),
    (":func:`round down <math.floor>`", "[round down](https://p.org/floor)"),
    (":meth:`torch.Tensor.backward`", "[torch.Tensor.backward()](https://t.org/backward)"),
    (":meth:`~torch.Tensor.backward`", "[backward()](https://t.org/backward)"),
    (":meth:`go back <torch.Tensor.backward>`", "[go back](https://t.org/backward)"),
    (":py:meth:`~torch.Tensor.backward`", "[backward()](https://t.org/backward)"),
    (":class:`foo.Bar`", "`foo.Bar`"),
    (":class:`~foo.Bar`", "`Bar`"),
    (":class:`the bar <foo.Bar>`", "`the bar`"),
    (":func:`foo.bar`", "`foo.bar()`"),
    (":meth:`~foo.Bar.bar`", "`bar()`"),
    (":attr:`torch.Tensor.grad`", "`torch.Tensor.grad`"),
    (":pep:`723`", "[PEP 723](https://peps.python.org/pep-0723/)"),
    ("(:class:`torch.Tensor`, :func:`math.floor`)",
     "([torch.Tensor](https://t.org/tensor), [math.floor()](https://p.org/floor))"),
    ("``a: b`` and ``c: d``", "`a: b` and `c: d`"),
]  # fmt: skip


def markdown_of(rst: str, links: Links = LINKS) -> list[str]:
    """A text of a recipe's page."""
    return Prose([rst], docname="recipes/recipes/own").markdown(links)


@pytest.mark.parametrize(("rst", "markdown"), ROLES)
def test_role_becomes_a_link(rst, markdown) -> None:
    """Or a literal, where nothing is known of the name."""
    assert markdown_of(rst) == [markdown]


FLOOR, TENSOR = NAMES["math.floor"], NAMES["torch.Tensor"]
RARE_ROLES = [  # the text that is shown, and the address it leads to
    (":func:`math.floor()`", "math.floor()", FLOOR),
    (":func:`foo()`", "foo()", None),
    (":class:`!torch.Tensor`", "torch.Tensor", None),
    (":class:`the\ntensor <torch.Tensor>`", "the tensor", TENSOR),
    ("``:class:`Foo```", ":class:`Foo`", None),
]


@pytest.mark.parametrize(("rst", "text", "address"), RARE_ROLES)
def test_role_in_rare_forms_becomes_a_link(rst, text, address) -> None:
    """As Sphinx shows it on the page."""
    shown = BeautifulSoup(html(markdown_of(rst)[0]), "html.parser")
    assert shown.get_text() == text
    assert [tag["href"] for tag in shown.select("a")] == ([address] if address else [])
    assert not shown.select("span")


@pytest.mark.parametrize("text", ["k", "a < b > c", "<x, y>", "\\frac{a}{b}"])
def test_mathematics_is_left_as_it_is(text) -> None:
    """Though it may look like a link."""
    assert markdown_of(f"is :math:`{text}`.") == [f"is ${text}$."]


def test_links_lead_to_the_site_if_its_address_is_known() -> None:
    """Otherwise to the notebook beside this one, see above."""
    found = markdown_of(f":ref:`{A_B}`", replace(LINKS, base="https://site.org/"))
    assert found == ["[The title](https://site.org/recipes/recipes/a_b.html)"]


# -- Where a role stands ---------------------------------------------------------------

T = "[torch.Tensor](https://t.org/tensor)"
PLACES = {
    "heading": ("A\n=\n\nOf :class:`torch.Tensor` and ``x``\n" + "-" * 40, f"## Of {T} and `x`"),
    "simple table": (
        "====================== ===\n:class:`torch.Tensor`  1\n====================== ===",
        f"| {T} | 1 |",
    ),
    "csv table": ('.. csv-table::\n\n   ":class:`torch.Tensor`", "a|b"', f"| {T} | a\\|b |"),
    "list table": (".. list-table::\n\n   * - :class:`torch.Tensor`\n     - 1", f"| {T} | 1 |"),
    "code": (".. code-block:: rst\n\n   :class:`torch.Tensor`", "```rst\n:class:`torch.Tensor`"),
    "literal": ("::\n\n   :class:`torch.Tensor`", "```\n:class:`torch.Tensor`\n```"),
    "session": (">>> ':class:`torch.Tensor`'", "```pycon\n>>> ':class:`torch.Tensor`'\n```"),
    "nested session": ("- a\n\n  >>> ':class:`a`'", "  ```pycon\n  >>> ':class:`a`'\n  ```"),
    "emphasis": ("*:class:`torch.Tensor`*", "*:class:\\`torch.Tensor\\`*"),
    "list": ("- :class:`torch.Tensor`", f"- {T}"),
    "definition": (":class:`torch.Tensor`\n   it", f"- **{T}**"),
    "escaped": (r"\:class:\`torch.Tensor\`", ":class:\\`torch.Tensor\\`"),
}


@pytest.mark.parametrize("name", PLACES)
def test_role_stays_in_its_place(name) -> None:
    """In tables and headings it is a link, in code it is shown."""
    rst, expected = PLACES[name]
    assert expected in markdown_of(rst)[0]


# -- What only Sphinx knows ------------------------------------------------------------

OF_SPHINX = {
    "class": (".. rst-class:: special\n\nText.", "Text."),
    "container": (".. container:: mine\n\n   Text.", "Text."),
    "index": (".. index:: single: tensor\n   pair: a; b\n\nText.", "Text."),
    "index role": ("An :index:`entry <single: x>`.", "An entry."),
    "only": (".. only:: html and not epub\n\n   In.\n\n.. only:: latex\n\n   Out.", "In."),
    "wrong only": (".. only:: html and\n\n   In.", "In."),
    "contents": (".. contents::\n   :local:\n\nText.", "Text."),
    "toctree": (".. toctree::\n   :hidden:\n\n   a\n   b\n\nText.", "Text."),
    "seealso": (".. seealso:: Else.", "> **See also:**\n> Else."),
    "title": (".. admonition:: Of mine\n\n   Text.", "> **Of mine:**\n> Text."),
    "added": (".. versionadded:: 2.0\n   New.", "*Added in version 2.0:* New."),
    "changed": (".. versionchanged:: 2.1 Now ``x``.", "*Changed in version 2.1:* Now `x`."),
    "deprecated": (".. deprecated:: 2.2", "*Deprecated since version 2.2.*"),
    "removed": (".. versionremoved:: 3\n\n   - a", "*Removed in version 3.*\n\n- a"),
    "caption": (".. code-block:: python\n   :caption: A *c*\n\n   x", "A *c*\n\n```python\nx\n```"),
    "math": (".. math::\n   :label: one\n\n   a\n\n   b", "$$a\n\nb$$"),
    "unknown": (".. dropdown:: Title\n   :open:\n\n   Text.", "Text."),
    "rfc": (":rfc:`2822`", "[RFC 2822](https://datatracker.ietf.org/doc/html/rfc2822.html)"),
    "pep": (":pep:`the block <723>`", "[the block](https://peps.python.org/pep-0723/)"),
    "keys": (":kbd:`Ctrl+C` :file:`a{b}.py` :samp:`x{y}`", "`Ctrl+C` `ab.py` `xy`"),
    "menu": (":menuselection:`File --> Save` :guilabel:`&Ok`", "**File ‣ Save** **Ok**"),
    "program": (":program:`ls` :dfn:`word` :abbr:`HTML (Hyper)`", "**ls** *word* HTML"),
    "option": (":option:`--x` :envvar:`HOME`", "`--x` `HOME`"),
    "download": (":download:`the data </x.zip>`", "the data"),
    "math code": (":math:`x|y` :sub:`2` :code:`a b`", "$x|y$ <sub>2</sub> `a b`"),
    "own role": (".. role:: red\n\nA :red:`word`.", "A word."),
    "own label": ("A\n=\n\n.. _lab:\n\nPart ``x``\n--------\n\nSee :ref:`lab` and :ref:`it <lab>`.",
                  "# A\n\n## Part `x`\n\nSee Part x and it."),
    "numbers": (".. [#a] One.\n\nA [#a]_ [2]_\n\n.. [2] Two.",
                "\\[1\\] One.\n\nA \\[1\\] \\[2\\]\n\n\\[2\\] Two."),
    "citation": ("See [B99]_.\n\n.. [B99] A book.", "See \\[B99\\].\n\n\\[B99\\] A book."),
    "picture": (".. image:: /a.png\n   :alt: two\n     words", "*two words*"),
    "no words": (".. image:: /a.png", ""),
    "figure": (".. figure:: a.png\n   :alt: x\n\n   Said *here*.", "*x*\n\nSaid *here*."),
    "away": (".. image:: https://o.org/a.png\n   :alt: x", "![x](https://o.org/a.png)"),
    "replaced": ("A |x|.\n\n.. |x| image:: a.png\n   :alt: pic", "A *pic*."),
    "broken": ("A `broken role and |x| *open", "A \\`broken role and |x| \\*open"),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_SPHINX)
def test_what_only_sphinx_knows_is_there(name) -> None:
    """With its words and its label, without what is for Sphinx alone."""
    rst, expected = OF_SPHINX[name]
    assert markdown_of(rst) == [expected]


def test_directives_of_sphinx_are_not_asked_for() -> None:
    """Where Sphinx runs, it has replaced some of docutils' own, and they ask for a build."""
    from docutils.parsers.rst import directives
    from sphinx.directives.code import CodeBlock

    directives.register_directive("note", CodeBlock)
    try:
        assert Prose([".. note:: Text."]).markdown(Links()) == ["> **Note:**\n> Text."]
    finally:
        del directives._directives["note"]


def test_default_role_is_the_gallery_s() -> None:
    """Emphasis where it has none."""
    assert Prose(["`x`"]).markdown(LINKS) == ["*x*"]
    assert Prose(["`torch.Tensor`"], default_role="py:obj").markdown(LINKS) == [T]


def test_notes_stay_in_their_cells() -> None:
    """Wherever they are referred to."""
    cells = Prose(["A [1]_.", "B\n\n.. [1] Note.", "C"]).markdown(Links())
    assert cells == ["A \\[1\\].", "B\n\n\\[1\\] Note.", "C"]


def test_markup_that_runs_into_the_next_cell_is_refused() -> None:
    """Rather than moved there."""
    prose = Prose(["a", "b"])
    prose.count = 3
    with pytest.raises(ValueError, match="run into each other"):
        prose.markdown(LINKS)


# -- Titles and outcomes ---------------------------------------------------------------

HEADINGS = [
    ("A ``b.c`` d\n===========\n\nDo ``x < y`` & *z*.", "A b.c d", "Do ``x < y`` & z."),
    ("=====\nOver\n=====\n\nOne\ntwo.", "Over", "One two."),
    (".. _label:\n\nTitle\n#####\n\n:class:`~a.B` and `l <https://x.org>`__", "Title",
     "``B`` and l"),
    (":func:`a.b` <c>\n===============\n\n- one\n- two", "a.b() <c>", "one"),
    ("Title\n=====\n\n``a`` [1]_ |x|\\ s\n\n.. |x| replace:: y\n.. [1] n", "Title", "``a`` ys"),
    ("Title\n=====\n\n```a``` and ``` b", "Title", "`a` and ` b"),
    ("Title\n=====", "Title", ""),
    ("No title\n\nat all", "", ""),
    ("Short\n==\n\nText\n\nSecond\n------", "", ""),
    ("", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("docstring", "title", "outcome"), HEADINGS)
def test_title_and_outcome_are_plain(docstring, title, outcome) -> None:
    """But for code in the outcome; they are shown where the rest of the text is not."""
    assert heading(docstring) == (title, outcome)


def test_text_before_the_title_makes_it_none() -> None:
    """Whatever follows; labels and comments are no text."""
    assert Prose(["Words\n\nTitle\n====="]).titles() == []
    assert len(Prose([".. x\n\n.. _l:\n\nTitle\n=====\n\nTwo\n==="]).titles()) == 2
