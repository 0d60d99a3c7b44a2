"""What a recipe says is the same on its page, in its notebook and in its twin."""

import json
import re

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

pytestmark = pytest.mark.build

TITLE = "A ``title`` -> <of> *all*"
PROSE = r"""
Of :math:`x` and :func:`print <p>` *kinds*
------------------------------------------

Words with ``code``, *emphasis*\ s, **"strong"**, a [#n]_ and a [B99]_, :sup:`2` and |sub|.
A `link <https://example.org/a_(b)>`__, :rfc:`2822`, :kbd:`Ctrl`, :abbr:`AB (words)`, 2 * 3 * 4,
a_b, _c_, 1 < 2 > 3, &amp;, $5$, ~6~, https://example.org, ``::`` and :ref:`my label`.

.. |sub| replace:: **replaced** words
.. [#n] The *note*.
.. [B99] The book.

.. index:: single: tensor

.. rst-class:: special

Special words.

.. only:: html

   In HTML only.

.. only:: latex

   In a book of paper.

.. note:: A note.

   - in

     1. a

     2. list ``with | code``

.. admonition:: Of *mine*

   Inside.

.. seealso:: The other.

.. versionadded:: 2.0
   New.

.. deprecated:: 2.1

.. topic:: A topic

   About it.

.. container:: mine

   .. tip::

      .. code-block:: rst
         :linenos:

         Shown :class:`x` and ```

Term : kind
   Meaning.

:field: value

-v, --verbose  says more

| lines
| of a *poem*

   Quoted.

   -- Somebody

.. figure:: /plain.png
   :alt: words of a picture

   The caption.

+---------------+--------+
| :func:`print` | - one  |
|               | - two  |
+---------------+--------+
| spans ``a|b`` both     |
+---------------+--------+

.. csv-table:: Its title
   :header: h, k

   "a, *b*", 2

.. list-table::

   * - ::

          code

     - |sub|

>>> print(":class:`Foo`")
:class:`Foo`

.. _my label:

Deep ``down``
~~~~~~~~~~~~~

.. rubric:: Rubric

1986\. was it.

.. math:: a = b
   :label: formula
"""
OURS = "table.footnote, .headerlink, .sphx-glr-footer, .sphx-glr-timing, .sphx-glr-signature, "
OURS += ".sphx-glr-download-link-note, .recipe-provenance, .math, .eqno, .linenos, .backrefs"


def words(html: BeautifulSoup) -> list[str]:
    """The words of some HTML."""
    return re.findall(r"\w+", html.get_text(" "))


def rendered(markdown: str) -> BeautifulSoup:
    """What a reader of Markdown sees, without mathematics."""
    markdown = re.sub(r"(?<!\\)(\$\$?)[^$]+\1", " ", markdown)
    html = BeautifulSoup(MarkdownIt().enable("table").render(markdown), "html.parser")
    for image in html.select("img"):
        image.replace_with(image["alt"])
    return html


def test_three_forms_say_the_same(site) -> None:
    """All words in their order, the same headings, links and code."""
    path = site.add("many", "print(1)", "The only cell.")
    text = path.read_text("utf-8").replace("many\n====", f"{TITLE}\n{'=' * len(TITLE)}", 1)
    prose = "".join(f"# {line}".rstrip() + "\n" for line in PROSE.splitlines())
    path.write_text(text.replace("# The only cell.\n", prose), "utf-8")
    result = site.build("--keep-going")
    problems = [line for line in result.stdout.splitlines() if "many" in line and ": W" in line]
    assert all("not readable" in line for line in problems), problems
    page = BeautifulSoup(site.page("many").read_text("utf-8"), "html.parser")
    shown = page.select_one("[role=main] section")
    for image in shown.select("img"):
        image.replace_with(image["alt"])
    for tag in shown.select(f"{OURS}, .highlight-Python, .sphx-glr-script-out"):
        tag.decompose()
    notebook = json.loads((site.root / "recipes/recipes/many.ipynb").read_text("utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    record = site.root / "_build/recipe_runs/recipes/recipes/many.published.json"
    blocks = json.loads(record.read_text("utf-8"))["twin"]
    twin = [text for kind, text in blocks if kind == "text"]
    for form in (cells, twin):
        html = rendered("\n\n".join(form))
        assert words(html) == words(shown)
        headings = [(tag.name, words(tag)) for tag in html.select("h1, h2, h3, h4")]
        assert headings == [(tag.name, words(tag)) for tag in shown.select("h1, h2, h3, h4")]
        links = [tag["href"] for tag in html.select("a")]
        away = [tag["href"] for tag in shown.select("a.external")]
        assert [re.sub("%2[89]", lambda m: "()"[m[0] == "%29"], link) for link in links] == away
        code = [tag.get_text().strip() for tag in html.select("pre")]
        shown_code = [tag for tag in shown.select("pre") if not tag.find_parent("td")]
        assert code == [tag.get_text().strip() for tag in shown_code]
        assert len(html.select("table")) == 3
