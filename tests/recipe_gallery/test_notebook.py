"""Notebooks hold what was printed and drawn, and install what is missing."""

import base64
import json
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest

from recipe_gallery import Cell, Figure, Run
from recipe_gallery.notebook import make_notebook, outputs_of

pytestmark = pytest.mark.unit
PROSE = ["# A title", *["Prose, $x$."] * 3, "The end."]


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
        return make_notebook("sample", blocks, run, dependencies, PROSE)

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
    cells = nbformat.reads(make_notebook("a", blocks, run, (), PROSE), 4).cells
    code = next(cell for cell in cells if cell.cell_type == "code")
    printed, result = code.outputs
    assert (printed.text, result.output_type) == ("printed\n", "execute_result")
    assert result.data == {"text/plain": "", **value}
    assert result.execution_count == code.execution_count


def test_site_adds_to_the_first_cell(blocks) -> None:
    """Below what installs, or alone."""
    first = "print('older')"
    for needs in (("torch",), ()):
        cells = nbformat.reads(make_notebook("a", blocks, None, needs, PROSE, first), 4).cells
        assert cells[1].cell_type == "code" and cells[1].source.endswith(first)
        assert ("PackageNotFoundError" in cells[1].source) == bool(needs)


def test_recipe_of_code_alone(blocks) -> None:
    """Its first cell stays a title."""
    title = [blocks[0]]
    cells = nbformat.reads(make_notebook("a", title, None, ("torch",), PROSE[:1]), 4).cells
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
    names = ["no_such_a>=1.2", "numpy", "no_such_b[extra]~=3.0", "no_such_c"]
    assert installs(make, *names) == "1 no_such_a>=1.2 no_such_b[extra]~=3.0 no_such_c"


def test_install_cell_knows_other_module_names(make) -> None:
    """Pillow is there, though its module is called PIL; a missing package may have a dot."""
    assert installs(make, "pillow") == "0"
    assert installs(make, "no_such.package") == "1 no_such.package"


@pytest.mark.parametrize(
    ("dependency", "called"),
    [
        ("no_such_a; python_version < '3'", "0"),
        ("numpy; sys_platform == 'nowhere'", "0"),
        ("numpy>=1000", "1 numpy>=1000"),
        ("numpy<1000,>=1; python_version >= '3'", "0"),
        ("uvicorn[standard]>=0", "1 uvicorn[standard]>=0"),
        ("sphinx[no_such_extra]", "0"),
    ],
)
def test_install_cell_reads_all_of_a_requirement(make, dependency, called) -> None:
    """Markers, versions and what an extra asks for; pip gets the requirement whole."""
    assert installs(make, dependency) == called


def test_cell_of_settings_alone_is_left_out(blocks) -> None:
    """Its outputs with it, so that those of the others stay with their cells."""
    empty = SimpleNamespace(type="code", content=" \n")
    run = Run((Cell("none\n"), Cell("one\n")))
    made = make_notebook("a", [blocks[0], empty, blocks[2]], run, (), PROSE)
    cells = [cell for cell in nbformat.reads(made, 4).cells if cell.cell_type == "code"]
    assert [cell.outputs[0].text for cell in cells] == ["one\n"]
