"""Notebooks hold what was printed and drawn, and prose that Jupyter can show."""

import base64
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from recipe_gallery import Cell, Figure, Run
from recipe_gallery.notebook import (
    LABEL,
    Links,
    api_links,
    label_of,
    make_notebook,
    outputs_of,
    plain_rst,
    to_markdown,
)

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
LINKS = Links({A_B: ("recipes/recipes/a_b", "The title")}, NAMES)
ROLES = [
    (f":ref:`{A_B}`", "[The title](a_b.ipynb)"),
    (f":ref:`the words <{A_B}>`", "[the words](a_b.ipynb)"),
    (f":ref:`over two\nlines <{A_B}>`", "[over two lines](a_b.ipynb)"),
    (":ref:`sphx_glr_recipes_recipes_gone.py`", "`sphx_glr_recipes_recipes_gone.py`"),
    (":ref:`genindex`", "`genindex`"),
    (":ref:`all names <genindex>`", "`all names`"),
    (":doc:`/docs/data`", "`/docs/data`"),
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


@pytest.mark.parametrize(("rst", "markdown"), ROLES)
def test_role_becomes_a_link(rst, markdown) -> None:
    """Or a literal, where nothing is known of the name."""
    assert to_markdown(plain_rst(rst, LINKS)) == [markdown]


FLOOR, TENSOR = NAMES["math.floor"], NAMES["torch.Tensor"]
RARE_ROLES = [  # the text that is shown, and the address it leads to
    (":func:`math.floor()`", "math.floor()", FLOOR),
    (":func:`foo()`", "foo()", None),
    (":class:`!torch.Tensor`", "torch.Tensor", None),
    (":class:`\n   torch.Tensor`", "torch.Tensor", TENSOR),
    ("``:class:`Foo```", ":class:`Foo`", None),
]


@pytest.mark.parametrize(("rst", "text", "address"), RARE_ROLES)
def test_role_in_rare_forms_becomes_a_link(rst, text, address) -> None:
    """As Sphinx shows it on the page."""
    shown = BeautifulSoup(html(to_markdown(plain_rst(rst, LINKS))[0]), "html.parser")
    assert shown.get_text() == text
    assert [tag["href"] for tag in shown.select("a")] == ([address] if address else [])
    assert not shown.select("span")


@pytest.mark.parametrize("text", ["k", "a < b > c", "<x, y>", "\\frac{a}{b}"])
def test_mathematics_is_left_as_it_is(text) -> None:
    """For the conversion to Markdown, which knows it."""
    assert plain_rst(f"is :math:`{text}`.", LINKS) == f"is :math:`{text}`."


def test_links_lead_to_the_site_if_its_address_is_known() -> None:
    """Otherwise to the notebook beside this one, see above."""
    found = plain_rst(f":ref:`{A_B}`", replace(LINKS, base="https://site.org/"))
    assert found == "`The title <https://site.org/recipes/recipes/a_b.html>`__"


def test_labels_are_those_of_sphinx_gallery() -> None:
    """And are found in prose, as often as they are there."""
    assert label_of("recipes/recipes/a_b") == A_B
    assert LABEL.findall(f":ref:`{A_B}`, :ref:`x <{A_B}>`. See {A_B}.") == [A_B] * 3


def test_addresses_are_those_of_the_inventories(tmp_path) -> None:
    """An inventory that is not there gives none."""
    (tmp_path / "torch.txt").write_text(
        "# Sphinx inventory version 1\n# Project: torch\n# Version: 2\n"
        "torch.Tensor class tensors.html\ntorch.add function generated/torch.add.html\n"
    )
    (tmp_path / "zipped.inv").write_bytes(b"# Sphinx inventory version 2\n# Project: x\n\x00")
    mapping = {
        "torch": ("https://t.org/", "torch.txt"),
        "other": ("https://o.org/", "none.txt"),
        "online": ("https://online.org/", None),
        "zipped": ("https://zipped.org/", "zipped.inv"),
    }
    expected = {
        "torch.Tensor": "https://t.org/tensors.html#torch.Tensor",
        "torch.add": "https://t.org/generated/torch.add.html#torch.add",
    }
    assert api_links(mapping, tmp_path) == expected
    normalized = {
        "torch": ("torch", ("https://t.org/", ("torch.txt",))),
        "several": ("several", ("https://s.org/", (None, "https://s.org/objects.inv"))),
    }
    assert api_links(normalized, tmp_path) == expected
    assert api_links({}, tmp_path) == {}


# -- Markdown --------------------------------------------------------------------------


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
        ".. warning::\n\n   A.\n\n   B.",
        "<blockquote><p><strong>Warning:</strong>A.</p><p>B.</p></blockquote>",
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
        ("1. a\n\n   .. note:: b", "1.  a\n\n    > **Note:**\n    > b"),
        (">>> 1 + 1\n2", "``` pycon\n>>> 1 + 1\n2\n```"),
        ("A.\n\n>>> f()\n>>> 1\n1\n\nB.", "A.\n\n``` pycon\n>>> f()\n>>> 1\n1\n```\n\nB."),
        ("A line\n>>> and another.", "A line \\>\\>\\> and another."),
    ],
)
def test_rare_rst_becomes_markdown(rst, markdown) -> None:
    """Notes in other things, and a session in the interpreter."""
    assert to_markdown(plain_rst(rst, Links())) == [markdown]


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


# -- The notebook ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def blocks() -> list:
    """Those of the run with figures, as Sphinx-Gallery hands them on."""
    kinds = ["text", *("text", "code") * 3, "text"]
    texts = ["A title\n=======\n", *("Prose, :math:`x`.\n", "code = 1\n\n") * 3, "The end."]
    return [SimpleNamespace(type=t, content=c) for t, c in zip(kinds, texts, strict=True)]


def figure(number: int, alt: str, suffix: str = "png") -> Figure:
    return Figure(f"sphx_glr_sample_{number:03}.{suffix}", alt, b"\x89PNG%d" % number)


@pytest.fixture(scope="module")
def drawn() -> Run:
    """A run with one figure, none, and two in a cell."""
    figures = [(figure(1, "One"),), (), (figure(2, "left"), figure(3, "ä 漢字"))]
    cells = tuple(Cell("drawn\n", "", found) for found in figures)
    return Run(cells, made_with={"torch": "2.0", "date": "2026-01-02"})


@pytest.fixture
def make(blocks, drawn):
    """Make the notebook of the run with figures, or of none."""

    def make(dependencies=("torch>=2.4", "matplotlib"), run=drawn) -> bytes:
        return make_notebook("sample", blocks, run, dependencies, LINKS)

    return make


def test_notebook_is_valid(make) -> None:
    """nbformat 4.5, for any Python 3, with its origin; the same bytes every time."""
    content = make()
    assert content == make() and content.endswith(b"}\n")
    notebook = nbformat.reads(content, nbformat.NO_CONVERT)
    nbformat.validate(json.loads(content), relax_add_props=False)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    origin = {"slug": "sample", "torch": "2.0", "date": "2026-01-02"}
    assert notebook.metadata.recipe == origin


def test_cells_stand_in_order(make) -> None:
    """Title, installation, and then as on the page; counted as if run from top to end."""
    cells = nbformat.reads(make(), 4).cells
    kinds = ["markdown", "code", *("markdown", "code") * 3, "markdown"]
    assert [cell.cell_type for cell in cells] == kinds
    assert cells[0].source == "# A title" and "PackageNotFoundError" in cells[1].source
    assert [cell.source for cell in cells if cell.cell_type == "code"][1:] == ["code = 1"] * 3
    counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert counts == [None, 2, 3, 4]


def test_cell_ids_are_stable(make) -> None:
    """Different ones, which do not change with what the cells hold."""
    ids, others = (
        [cell["id"] for cell in json.loads(c)["cells"]] for c in (make(), make(run=None))
    )
    assert len(set(ids)) == len(ids) and ids == others


def test_outputs_are_stored(make, drawn) -> None:
    """The text as printed, then each figure with its title for those who cannot see it."""
    cells = [cell for cell in nbformat.reads(make(), 4).cells if cell.cell_type == "code"][1:]
    pngs = []
    for cell, count in zip(cells, (1, 0, 2), strict=True):
        text, *pictures = cell.outputs
        assert (text.output_type, text.name, text.text) == ("stream", "stdout", "drawn\n")
        assert [out.output_type for out in pictures] == ["display_data"] * count
        pngs += [out.data["image/png"] for out in pictures]
    contents = [figure.content for figure in drawn.figures]
    assert [base64.b64decode(png) for png in pngs] == contents and len(contents) == 3
    assert cells[2].outputs[2].data["text/plain"] == "ä 漢字"


@pytest.mark.parametrize("text", ["a\n\n     ", "10%\r20%\n", "\x1b[31mred\x1b[0m\n", "a\tb"])
def test_text_is_stored_as_it_was_printed(text) -> None:
    """Jupyter shows colours and carriage returns as a terminal does."""
    (output,) = outputs_of(Cell(text), 1)
    assert output.text == text


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_nothing_to_see_is_no_output(text) -> None:
    """As on the page."""
    assert outputs_of(Cell(text), 1) == []


def test_kinds_of_figures() -> None:
    """A drawing is text, an animation is not; a larger copy is left out."""
    drawing = Figure("sphx_glr_a_001.svg", "A drawing", b"<svg/>")
    moving = Figure("sphx_glr_a_002.gif", "It moves", b"GIF89a")
    larger = Figure("sphx_glr_a_003_2_00x.png", "", b"larger")
    first, second = outputs_of(Cell(figures=(drawing, moving, larger)), 1)
    assert first.data == {"image/svg+xml": "<svg/>", "text/plain": "A drawing"}
    assert second.data == {"image/gif": "R0lGODlh", "text/plain": "It moves"}


@pytest.mark.parametrize("value", [{"text/plain": "17"}, {"text/html": "<b>1</b>"}])
def test_value_of_a_cell_is_its_result(blocks, value) -> None:
    """With the number of the cell, and a text for those who see no HTML."""
    run = Run((Cell("printed\n", "", (), value),))
    cells = nbformat.reads(make_notebook("a", blocks, run, (), LINKS), 4).cells
    code = next(cell for cell in cells if cell.cell_type == "code")
    printed, result = code.outputs
    assert (printed.text, result.output_type) == ("printed\n", "execute_result")
    assert result.data == {"text/plain": "", **value}
    assert result.execution_count == code.execution_count


def test_recipe_of_code_alone(blocks) -> None:
    """Its first cell stays a title."""
    title = [blocks[0]]
    cells = nbformat.reads(make_notebook("a", title, None, ("torch",), LINKS), 4).cells
    assert [cell.cell_type for cell in cells] == ["markdown", "code"]


def test_notebook_without_execution_has_no_outputs(make) -> None:
    """And is valid."""
    notebook = nbformat.reads(make(run=None), 4)
    nbformat.validate(notebook)
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert notebook.metadata.recipe == {"slug": "sample"}


def test_notebook_without_dependencies_installs_nothing(make) -> None:
    """It has the cells of the page, counted from one."""
    cells = nbformat.reads(make(dependencies=()), 4).cells
    assert "PackageNotFoundError" not in str(cells)
    assert [c.execution_count for c in cells if c.cell_type == "code"] == [1, 2, 3]


# -- The cell that installs ------------------------------------------------------------

INSTALLING = """
import subprocess, sys
calls = []
subprocess.check_call = lambda command: calls.append(command)
exec(sys.stdin.read(), {})
print(calls == [] or calls[0][:4] == [sys.executable, "-m", "pip", "install"])
print(len(calls), *(calls[0][4:] if calls else ()))
"""


def installs(make, *dependencies: str) -> str:
    """How often the cell would call pip, and with which names."""
    cell = nbformat.reads(make(dependencies), 4).cells[1]
    command = [sys.executable, "-c", INSTALLING]
    run = subprocess.run(command, input=cell.source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    ours, called = run.stdout.splitlines()
    assert ours == "True"
    return called


def test_install_cell_does_nothing_where_all_is_there(make) -> None:
    """No pip is called."""
    assert installs(make, "numpy", "matplotlib>=3.8", "torch") == "0"


def test_install_cell_installs_what_is_missing(make) -> None:
    """These names, in one call, and no other."""
    names = ["no_such_a>=1.2", "numpy", "no_such_b[extra]~=3", "no_such_c ; python_version>'3'"]
    assert installs(make, *names) == "1 no_such_a no_such_b no_such_c"


def test_install_cell_knows_other_module_names(make) -> None:
    """Pillow is there, though its module is called PIL; a missing package may have a dot."""
    assert installs(make, "pillow") == "0"
    assert installs(make, "no_such.package") == "1 no_such.package"
