"""Executing and typesetting in two steps gives the files that Sphinx-Gallery writes.

All but the notebook, which ``recipe_gallery.notebook`` makes, and one sentence on the page.
"""

import ast
import json
import os
import re
import shutil
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from small_gallery import gallery_defaults
from sphinx_gallery import gen_rst

from recipe_gallery import Cell, Run, execution, gallery
from recipe_gallery.key import result_settings
from recipe_gallery.printed import Printed

pytestmark = pytest.mark.unit

SAMPLE = '''\
# /// script
# requires-python = ">=3.11"
# dependencies = ["matplotlib"]
# ///
"""
A sample
========

It uses every kind of block, and :class:`pathlib.Path` in its prose.
"""

# %%
# Two cells of text
# -----------------
#
# This one, with a ``literal``.

# %%
# And this one, which names :func:`math.floor`.

# sphinx_gallery_thumbnail_number = 2
import math
from fractions import Fraction

import matplotlib.pyplot as plt

half = Fraction(1, 2)
print("half:", half, "root:", math.sqrt(half))

# %%
# A cell that prints nothing, and one with two figures.

numbers = [half**k for k in range(4)]

# %%
for color in ("red", "blue"):
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.plot(numbers, color=color)
    ax.set_title(f"In {color}")
    # sphinx_gallery_start_ignore
    fig.set_dpi(100)
    # sphinx_gallery_end_ignore
plt.show()
print("two figures <&> \\\\ `not a role`")
numbers

# %%
# The end.
'''
NOTE = "\n.. rst-class:: a-note\n\n   What it was made with.\n\n"
SETTINGS = {"capture_repr": (), "image_srcset": ["2x"]}


@pytest.fixture(scope="module", autouse=True)
def as_before():
    """What executing recipes in this process changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", list(sys.argv))
        patch.setenv("MPLBACKEND", "agg")
        yield


def conf(root: Path, **settings) -> dict:
    """The settings of Sphinx-Gallery for a documentation in this folder."""
    from sphinx_gallery.gen_gallery import _check_image_srcset

    found = {**gallery_defaults(), **SETTINGS, "src_dir": str(root), **settings}
    _check_image_srcset(found)
    return found


def write(root: Path, text: str) -> tuple[Path, Path]:
    """A recipe of its own folder, and the folder for what is made of it."""
    source = root / "work" / "sample.py"
    source.parent.mkdir(parents=True)
    source.write_text(text, "utf-8")
    target = root / "recipes" / "recipes"
    (target / "images").mkdir(parents=True)
    return source, target


def execute(root: Path, text: str = SAMPLE, **settings) -> tuple[Run, str]:
    """A run of the recipe's cells, and the exception that ended it."""
    source, target = write(root / "execution", text)
    wanted = result_settings(conf(root, **settings))
    main, here = sys.modules["__main__"], os.getcwd()
    os.chdir(source.parent)
    try:
        with Printed(root / "printed") as printed:
            cells, names, raised = execution.execute(
                source, target, root / "execution", wanted, printed
            )
    finally:
        sys.modules["__main__"] = main
        os.chdir(here)
    traceback = raised.details if raised else ""
    return Run(tuple(cells), names, wall=1.0, peak=1.0, raised=traceback), traceback


def notebook() -> bytes:
    return b"{}"


def typeset(root: Path, run: Run | None, text: str = SAMPLE, **settings) -> tuple[Path, dict, list]:
    """The folder of a page that is made of a run, what is known of it, and its blocks."""
    source, target = write(root, text)
    shutil.copy(source, target)
    for cell in run.cells if run else ():
        for figure in cell.figures:
            (target / "images" / figure.name).write_bytes(figure.content)
    page, blocks = gallery.typeset(
        target / "sample.py", root, root, conf(root, **settings), run, NOTE, notebook
    )
    return target, page, blocks


def in_two_steps(root: Path, text: str = SAMPLE, **settings) -> Path:
    """As recipes are made; what is passed from one step to the other is JSON in between."""
    run, traceback = execute(root, text, **settings)
    assert not traceback, traceback
    return typeset(root, Run.from_json(run.to_json()), text, **settings)[0]


def in_one(root: Path, text: str = SAMPLE, **settings) -> Path:
    """As Sphinx-Gallery makes it."""
    source, target = write(root, text)
    gen_rst.generate_file_rst(source.name, target, source.parent, conf(root, **settings))
    return target


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    return in_two_steps(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    return in_one(tmp_path_factory.mktemp("theirs"))


def page_of(folder: Path) -> str:
    """The rst, but for the running time and the folder."""
    text = (folder / "sample.rst").read_text("utf-8")
    text, timings = re.subn(r"\(\d+ minutes [\d.]+ seconds\)", "(time)", text)
    assert timings == 1
    return text.replace(str(folder.parents[1]), "(folder)")


def test_version_is_the_one_that_was_tested() -> None:
    """The module calls functions that may change without notice."""
    assert version("sphinx-gallery") == "0.22.1", (
        "a new Sphinx-Gallery: look at gallery.py, execution.py and sections.py again, then change "
        "this number"
    )


def test_the_same_files(ours, theirs) -> None:
    """None more, and none missing but what tells Sphinx-Gallery not to execute again."""
    found, expected = (
        {p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()} for f in (ours, theirs)
    )
    assert expected - found == {"sample.py.md5", "sample.cost.json"} and found <= expected
    pictures = sorted(name for name in found if name.endswith(".png"))
    assert len(pictures) == 5, "two figures, each twice, and a thumbnail"
    for name in pictures:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_the_same_page(ours, theirs) -> None:
    """But for what we have to say of it."""
    pages = [page_of(folder) for folder in (ours, theirs)]
    assert pages[0].count(NOTE) == 1
    assert "two figures <&>" in pages[1] and "half: 1/2" in pages[1]
    assert pages[0].replace(NOTE, "") == pages[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"capture_repr": ("_repr_html_", "__repr__")},
        {"capture_repr": ("__repr__",), "ignore_repr_types": "list"},
        {"line_numbers": True, "show_signature": False, "remove_config_comments": True},
        {"image_srcset": [], "thumbnail_size": (40, 28)},
        {"inspect_global_variables": False, "notebook_extensions": set()},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_the_same_page_with_other_settings(tmp_path, settings) -> None:
    """Those that results depend on, and those that only pages show."""
    ours = in_two_steps(tmp_path / "ours", **settings)
    theirs = in_one(tmp_path / "theirs", **settings)
    assert page_of(ours).replace(NOTE, "") == page_of(theirs)
    assert names(ours) == names(theirs)
    thumb = "images/thumb/sphx_glr_sample_thumb.png"
    assert (ours / thumb).read_bytes() == (theirs / thumb).read_bytes()


def test_the_same_source(ours, theirs) -> None:
    """Byte for byte."""
    assert (ours / "sample.py").read_bytes() == (theirs / "sample.py").read_bytes()


def test_the_blocks_are_those_of_the_notebook(tmp_path, theirs) -> None:
    """Text and code, in the order of Sphinx-Gallery's notebook, without its comments."""
    blocks = [(block.type, block.content) for block in typeset(tmp_path, None)[2]]
    cells = nbformat.read(theirs / "sample.ipynb", 4).cells
    kinds = {"markdown": "text", "code": "code"}
    assert [kind for kind, _ in blocks] == [kinds[cell.cell_type] for cell in cells]
    code = [content.strip() for kind, content in blocks if kind == "code"]
    assert code == [cell.source.strip() for cell in cells if cell.cell_type == "code"]
    text = "".join(content for kind, content in blocks if kind == "text")
    assert ":class:`pathlib.Path`" in text and "sphinx_gallery_start_ignore" not in str(blocks)


def names(folder: Path) -> dict:
    """The names that links in the code are made from."""
    return json.loads((folder / "sample.codeobj.json").read_text())


def test_the_same_names(ours, theirs) -> None:
    """Those in the code, resolved with its variables, and those in the prose."""
    assert {"half", "plt.subplots", "math.sqrt", "math.floor"} <= set(names(theirs))
    assert names(ours) == names(theirs)


def test_the_same_names_in_code_and_prose(tmp_path) -> None:
    """A function that the code calls and the prose names, too."""
    text = SAMPLE.replace("math.floor", "math.sqrt")
    ours, theirs = in_two_steps(tmp_path / "ours", text), in_one(tmp_path / "theirs", text)
    assert names(ours) == names(theirs)


def test_names_of_new_prose_are_found_without_execution(tmp_path, ours) -> None:
    """Those of the code are known from the last one; a name that is gone from prose goes."""
    run, _ = execute(tmp_path)
    text = SAMPLE.replace("math.floor", "os.getcwd")
    found = names(typeset(tmp_path, run, text)[0])
    assert "os.getcwd" in found and "math.floor" not in found
    assert found["half"] == names(ours)["half"]


def test_the_same_archive(ours, theirs) -> None:
    """The same names, of the files beside it; with a fixed time, so that builds are equal."""
    archives = [zipfile.ZipFile(f / "sample.zip") for f in (ours, theirs)]
    assert archives[0].namelist() == archives[1].namelist()
    for info in archives[0].infolist():
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert archives[0].read(info) == (ours / info.filename).read_bytes()


def test_the_same_title_and_introduction(tmp_path, theirs) -> None:
    """As lists of recipes show them; tags only where there are some."""
    _, page, _ = typeset(tmp_path / "a", None)
    assert page == {
        "title": "A sample",
        "intro": "It uses every kind of block, and pathlib.Path in its prose.",
    }
    intro, title = gen_rst.extract_intro_and_title(
        "sample.py", ast.get_docstring(ast.parse(SAMPLE))
    )
    assert (intro, title) == (page["intro"], page["title"])
    tagged = SAMPLE.replace("import math\n", "# sphinx_gallery_tags = ['x']\nimport math\n")
    assert typeset(tmp_path / "b", None, tagged)[1]["tags"] == ["x"]


def test_page_that_was_not_run_is_that_of_sphinx_gallery(tmp_path) -> None:
    """Without outputs; with pictures that stand for figures, if the recipe asks for them."""
    text = SAMPLE.replace("import math\n", "# sphinx_gallery_dummy_images = 2\nimport math\n")
    ours, *_ = typeset(tmp_path / "ours", None, text)
    theirs = in_one(tmp_path / "theirs", text, filename_pattern="nothing")
    pages = [(folder / "sample.rst").read_text("utf-8") for folder in (ours, theirs)]
    assert pages[0].replace(NOTE, "") == pages[1] and "half: 1/2" not in pages[0]
    for folder in (ours, theirs):
        assert len(list((folder / "images").glob("sphx_glr_sample_00?.png"))) == 2
    thumb = "images/thumb/sphx_glr_sample_thumb.png"
    assert (ours / thumb).read_bytes() == (theirs / thumb).read_bytes()


def test_code_cells_are_those_of_the_page(tmp_path) -> None:
    """In order, without the text; prose does not change them, code does."""
    source = tmp_path / "sample.py"
    source.write_text(SAMPLE, "utf-8")
    cells = gallery.code_cells(source)
    assert [cell.splitlines()[-1] for cell in cells] == [
        'print("half:", half, "root:", math.sqrt(half))',
        "numbers = [half**k for k in range(4)]",
        "numbers",
    ]
    source.write_text(SAMPLE.replace("# The end.", "# The very end."), "utf-8")
    assert gallery.code_cells(source) == cells
    source.write_text(SAMPLE.replace("range(4)", "range(5)"), "utf-8")
    assert gallery.code_cells(source) != cells


def test_a_failing_cell_gives_its_traceback(tmp_path) -> None:
    """And no files that look like a page."""
    _, traceback = execute(tmp_path, SAMPLE.replace("math.sqrt(half)", "math.sqrt(-half)"))
    assert traceback.strip().endswith("math domain error")
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == ["printed", "sample.py"]


def test_page_of_an_expected_failure_is_that_of_sphinx_gallery(tmp_path) -> None:
    """With the traceback, and the picture of a broken example."""
    text = SAMPLE.replace("math.sqrt(half)", "math.sqrt(-half)")
    run, _ = execute(tmp_path / "ours", text)
    ours, *_ = typeset(tmp_path / "ours", run, text)
    failing = {"expected_failing_examples": ["work/sample.py"]}
    theirs = in_one(tmp_path / "theirs", text, **failing)
    pages = [re.sub(r'File ".*/work', 'File "', page_of(folder)) for folder in (ours, theirs)]
    assert pages[0].replace(NOTE, "") == pages[1] and "math domain error" in pages[1]
    thumb = "images/thumb/sphx_glr_sample_thumb.png"
    assert (ours / thumb).read_bytes() == (theirs / thumb).read_bytes()


# -- What a cell holds -----------------------------------------------------------------

PRINTED = {
    "one line": "a\n",
    "no newline at the end": "a",
    "blank line before": "\na\n",
    "blank line after": "a\n\n",
    "only the middle": "a\n\nb\n\n\nc\n",
    "line of three blanks": "a\n   \nb\n",
    "line of four blanks": "a\n    \nb\n",
    "a table": "  1   2\n 10  20\n\n",
    "blank lines around": "\n\n\na\n\n\n\n",
    "indented": "    a\n  b\n        c\n",
    "trailing blanks": "a  \nb    \nc \n",
    "unicode": "ä 漢字 🙂 e\u0301 \u00a0\n",
    "markup": "`a` *b* \\ |c| <&> :ref:`d` .. note::\n",
    "looks like output": ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n    x\n",
    "line of six blanks": "a\n      \nb\n",
    "blanks at the end": "a\n\n     ",
    "line separator": "a\u2028b\n",
    "form feed": "a\fb\n",
    "carriage return": "10%\r20%\n",
    "tab": "a\tb\n\tc\n",
    "colour": "\x1b[31mred\x1b[0m\n",
    "nothing but blank lines": "\n \n",
    "nothing": "",
}
TITLE = '"""\nA title\n=======\n\nAn outcome.\n"""\n\n'


def execute_cells(root: Path, codes: list[str], **settings) -> list[Cell]:
    """The cells of a recipe of these codes."""
    text = TITLE + "".join(f"# %%\n# Prose.\n\n{code}\n\n" for code in codes)
    run, traceback = execute(root, text, **settings)
    assert not traceback and len(run.cells) == len(codes)
    return list(run.cells)


def test_text_is_what_was_printed(tmp_path) -> None:
    """To the byte; whatever the page makes of it."""
    codes = [f"import sys\n\n_ = sys.stdout.write({text!r})" for text in PRINTED.values()]
    cells = execute_cells(tmp_path, codes)
    assert dict(zip(PRINTED, [cell.text for cell in cells], strict=True)) == PRINTED


def test_errors_are_printed_in_their_place(tmp_path) -> None:
    """Both streams are one, as on a terminal."""
    code = "import sys\n\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)"
    assert execute_cells(tmp_path, [code])[0].text == "1\n2\n3\n"


DRAWING = """\
import matplotlib.pyplot as plt

for title in {titles!r}:
    plt.figure(figsize=(2, 1))
    plt.plot([0, 1])
    plt.title(title)
plt.show()
print("drawn")
"""


def test_figures_of_each_cell(tmp_path) -> None:
    """In order, each with its title as a text; a cell can print and draw."""
    titles = [["One <b> & `two`: 50 %"], [], ["left", "ä é", ""]]
    codes = [DRAWING.format(titles=t) for t in titles]
    cells = execute_cells(tmp_path, codes, image_srcset=[])
    assert [len(cell.figures) for cell in cells] == [1, 0, 3]
    figures = [figure for cell in cells for figure in cell.figures]
    assert [f.name for f in figures] == [f"sphx_glr_sample_00{i}.png" for i in (1, 2, 3, 4)]
    assert figures[0].alt.startswith("One")
    assert [figure.alt for figure in figures][1:3] == ["left", "ä é"] and figures[3].alt
    assert all(figure.content.startswith(b"\x89PNG") for figure in figures)
    assert [cell.text for cell in cells] == ["drawn\n"] * 3


def test_larger_copies_are_no_figures_of_their_own(tmp_path) -> None:
    """They have no text; a figure that is drawn later belongs to the cell that ends with it."""
    later = "import matplotlib.pyplot as plt\n_ = plt.plot([0, 1])\n# sphinx_gallery_defer_figures"
    cells = execute_cells(tmp_path, [later, "_ = plt.title('Later')"])
    assert cells[0].figures == ()
    assert [(figure.name, figure.alt) for figure in cells[1].figures] == [
        ("sphx_glr_sample_001.png", "Later"),
        ("sphx_glr_sample_001_2_00x.png", ""),
    ]


VALUES = {
    "17": {"text/plain": "17"},
    "x = 17": {},
    "None": {},
    "'a\\nb'": {"text/plain": "'a\\nb'"},
    "class H:\n    def _repr_html_(self): return '<b>1</b>'\nH()": {"text/html": "<b>1</b>"},
    "# sphinx_gallery_capture_repr_block = ()\n17": {},
    "{1}": {},
    "print(1)": {},
}


def test_value_of_a_cells_last_line(tmp_path) -> None:
    """As the page shows it, by kind; also where the recipe or the settings say otherwise."""
    reprs = {"capture_repr": ("_repr_html_", "__repr__"), "ignore_repr_types": "set"}
    cells = execute_cells(tmp_path / "a", list(VALUES), **reprs)
    found = dict(zip(VALUES, [cell.values for cell in cells], strict=True))
    assert found == VALUES
    for code, cell in zip(VALUES, cells, strict=True):
        assert all(value.splitlines()[0] in cell.rst for value in cell.values.values()), code
    cells = execute_cells(tmp_path / "b", ["# sphinx_gallery_capture_repr = ('__str__',)\n'a'"])
    assert cells[0].values == {"text/plain": "a"}


def test_two_cells_share_names_and_a_value_does_not_stay(tmp_path) -> None:
    """As in a notebook."""
    cells = execute_cells(
        tmp_path, ["x = 1\nx", "y = x + 1", "print(x, y)"], capture_repr=["__repr__"]
    )
    assert [cell.values for cell in cells] == [{"text/plain": "1"}, {}, {}]
    assert cells[2].text == "1 2\n"
