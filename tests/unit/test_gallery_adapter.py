"""Executing and typesetting in two steps gives the files that Sphinx-Gallery writes.

All but the notebook, which ``executed_notebooks`` makes, and one sentence on the page.
"""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest

import gallery_adapter

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
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
IN_TWO_STEPS = """
names = {}
outputs, names, traceback = gallery_adapter.execute_blocks(source, target, root, gallery)
assert not traceback, traceback
made = dict(date="2026-01-02", torch="2.0", torchvision="0.15", python="3.11.0")
made |= dict(platform="Linux x86_64", device="cpu", data="", commit="abc")
run = {"outputs": outputs, "names": names, "wall": 1.0, "peak": 1.0, "environment": made}
run = json.loads(json.dumps(run))

def make_notebook(blocks):
    return repr([(block.type, block.content) for block in blocks]).encode()

gallery_adapter.typeset(source, target, root, gallery, run, make_notebook)
"""
PROVENANCE = """
.. rst-class:: recipe-provenance

   Executed on 2026-01-02 with torch 2.0, torchvision 0.15, Python 3.11.0 on Linux x86_64, \
device: cpu, commit abc.

"""
IN_ONE = """
from sphinx_gallery.gen_rst import generate_file_rst
(target / "images").mkdir(parents=True)
conf = gallery_adapter.at(gallery, root)
generate_file_rst(source.name, target, source.parent, conf)
"""
PROGRAM = """
import json, runpy, sys
from pathlib import Path
import gallery_adapter
source, root, conf = (Path(p) for p in sys.argv[1:])
target = root / "recipes" / "recipes"
gallery = gallery_adapter.with_defaults(runpy.run_path(str(conf))["sphinx_gallery_conf"])
"""


def generate(steps: str, root: Path, text: str = SAMPLE) -> Path:
    """Take these steps with a recipe, in a process; return the folder for its files."""
    source = root / "work" / "sample.py"
    source.parent.mkdir(parents=True)
    source.write_text(text, "utf-8")
    env = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT / "extensions")}
    command = [sys.executable, "-c", PROGRAM + steps, source, root, ROOT / "conf.py"]
    run = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return root / "recipes" / "recipes"


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    return generate(IN_TWO_STEPS, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    return generate(IN_ONE, tmp_path_factory.mktemp("theirs"))


def test_version_is_the_one_that_was_tested() -> None:
    """The adapter calls functions that may change without notice."""
    assert version("sphinx-gallery") == gallery_adapter.TESTED_VERSION, (
        "a new Sphinx-Gallery: look at the adapter again, then change TESTED_VERSION"
    )


def test_the_same_files(ours, theirs) -> None:
    """None missing, none more; figures and thumbnail included."""
    found, expected = (
        sorted(p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file())
        for f in (ours, theirs)
    )
    assert found == expected
    pictures = [name for name in expected if name.endswith(".png")]
    assert len(pictures) == 3, "two figures and a thumbnail"
    for name in pictures:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_the_same_page(ours, theirs) -> None:
    """The rst, but for the running time, the folder, and what it was executed with."""
    pages = []
    for folder in (ours, theirs):
        text = (folder / "sample.rst").read_text("utf-8")
        assert text.count(PROVENANCE) == (folder is ours)
        text = text.replace(PROVENANCE, "")
        text, timings = re.subn(r"\(\d+ minutes [\d.]+ seconds\)", "(time)", text)
        assert timings == 1
        pages.append(text.replace(str(folder.parents[1]), "(folder)"))
    assert "two figures <&>" in pages[1] and "half: 1/2" in pages[1]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("name", ["sample.py", "sample.py.md5"])
def test_the_same_source_and_checksum(ours, theirs, name) -> None:
    """Byte for byte; the checksum keeps Sphinx-Gallery from executing it again."""
    assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_the_notebook_is_made_of_the_pages_blocks(ours, theirs) -> None:
    """Text and code, in the order of Sphinx-Gallery's notebook, without its comments."""
    blocks = ast.literal_eval((ours / "sample.ipynb").read_text("utf-8"))
    cells = nbformat.read(theirs / "sample.ipynb", 4).cells
    kinds = {"markdown": "text", "code": "code"}
    assert [kind for kind, _ in blocks] == [kinds[cell.cell_type] for cell in cells]
    code = [content.strip() for kind, content in blocks if kind == "code"]
    assert code == [cell.source.strip() for cell in cells if cell.cell_type == "code"]
    text = "".join(content for kind, content in blocks if kind == "text")
    assert ":class:`pathlib.Path`" in text and "sphinx_gallery" not in str(blocks)


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
    ours = generate(IN_TWO_STEPS, tmp_path / "ours", text)
    theirs = generate(IN_ONE, tmp_path / "theirs", text)
    assert names(ours) == names(theirs)


def test_the_same_archive(ours, theirs) -> None:
    """The same names, of the files beside it; with a fixed time, so that builds are equal."""
    archives = [zipfile.ZipFile(f / "sample.zip") for f in (ours, theirs)]
    assert archives[0].namelist() == archives[1].namelist()
    for info in archives[0].infolist():
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert archives[0].read(info) == (ours / info.filename).read_bytes()


def test_page_that_was_not_run_says_so(tmp_path) -> None:
    """And not what it was executed with."""
    steps = "gallery_adapter.typeset(source, target, root, gallery, None, lambda blocks: b'')"
    steps = f"(target / 'images').mkdir(parents=True)\n{steps}"
    page = (generate(steps, tmp_path) / "sample.rst").read_text("utf-8")
    assert "This page was typeset without running its code." in page
    assert "recipe-provenance" not in page and "half: 1/2" not in page


def test_code_cells_are_those_of_the_page(tmp_path) -> None:
    """In order, without the text; prose does not change them, code does."""
    source = tmp_path / "sample.py"
    source.write_text(SAMPLE, "utf-8")
    cells = gallery_adapter.code_cells(source)
    assert [cell.splitlines()[-1] for cell in cells] == [
        'print("half:", half, "root:", math.sqrt(half))',
        "numbers = [half**k for k in range(4)]",
        "numbers",
    ]
    source.write_text(SAMPLE.replace("# The end.", "# The very end."), "utf-8")
    assert gallery_adapter.code_cells(source) == cells
    source.write_text(SAMPLE.replace("range(4)", "range(5)"), "utf-8")
    assert gallery_adapter.code_cells(source) != cells


def test_a_failing_cell_gives_its_traceback(tmp_path) -> None:
    """And no files that look like a page."""
    steps = """
outputs, names, traceback = gallery_adapter.execute_blocks(source, target, root, gallery)
assert traceback.strip().endswith("math domain error"), traceback
"""
    text = SAMPLE.replace("math.sqrt(half)", "math.sqrt(-half)")
    folder = generate(steps, tmp_path, text)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["sample.py"]
