"""A page, a script and a notebook that differ from the execution are found, however little."""

import base64
import io
import re
import subprocess
from pathlib import Path

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from tools import comparison

pytestmark = pytest.mark.downloads
CHECKS = {
    "page": comparison.check_page,
    "script": comparison.check_script,
    "notebook": comparison.check_notebook,
}


@pytest.fixture
def found(copy, tmp_path):
    """A function that says what is wrong with one form; nothing is wrong with the page."""

    def check(form: str) -> str:
        if form != "page":
            assert comparison.check_page(copy.sample, tmp_path) == ""
        folder = tmp_path / "scratch"
        folder.mkdir()
        return CHECKS[form](copy.sample, folder)

    return check


def limit(monkeypatch, seconds: float) -> None:
    """Have the downloads given up earlier."""
    monkeypatch.setattr(comparison.Published, "timeout", seconds)


@pytest.mark.parametrize("form", CHECKS)
def test_nothing_is_wrong_with_what_is_equal(found, form) -> None:
    assert found(form) == ""


@pytest.mark.parametrize("form", ["script", "notebook"])
def test_what_is_left_in_the_readers_folder_is_found(copy, found, form) -> None:
    """A file or a folder; the data that a recipe downloads may stay."""
    code = "import os; os.makedirs('data'); os.makedirs('runs/1'); open('best.pt', 'w').close()"
    copy.edit_script("import matplotlib", f"{code}\nimport matplotlib")

    def leave(cells: list) -> None:
        cells[0].source = f"{code}\n{cells[0].source}"

    copy.edit_notebook(leave)
    assert [line.split()[0] for line in found(form).splitlines()] == ["best.pt", "runs"]


# -- The page --------------------------------------------------------------------------


def test_changed_page_is_found(copy, found) -> None:
    """One digit in the HTML."""
    copy.edit_page("the first number: 1234", "the first number: 1235")
    difference = found("page")
    assert "--- the page\n+++ the HTML\n" in difference
    assert "-the first number: 1234\n+the first number: 1235\n" in difference


def test_missing_output_is_found(copy, found) -> None:
    """A block of the page that is not there."""
    path = copy.file("recipes/recipes/sample.html")
    path.write_text(path.read_text("utf-8").replace("sphx-glr-script-out", "hidden", 1), "utf-8")
    assert "-the first number: 1234\n" in found("page")


def test_changed_figure_on_the_page_is_found(copy, found) -> None:
    """``test_figures_are_pictures`` finds it, too."""
    Image.new("RGB", (640, 480)).save(copy.file("_images/sphx_glr_sample_001.png"))
    assert found("page") == "sphx_glr_sample_001.png is not the figure that was drawn"


def test_missing_figure_on_the_page_is_found(copy, found) -> None:
    copy.file("_images/sphx_glr_sample_001.png").unlink()
    assert found("page") == "sphx_glr_sample_001.png is not the figure that was drawn"


# -- The script ------------------------------------------------------------------------


def test_script_that_prints_something_else_is_found(copy, found) -> None:
    copy.edit_script("1234", "1235")
    difference = found("script")
    assert "--- the page\n+++ the script\n" in difference
    assert "-the first number: 1234\n+the first number: 1235\n" in difference


def test_script_that_prints_other_blanks_is_found(copy, found) -> None:
    """At the end of a line, where a difference cannot be seen."""
    copy.edit_script("5678", "5678 ")
    assert "5678 " in found("script")


def test_script_that_ends_otherwise_is_found(copy, found) -> None:
    """Without the last newline, which no line of a difference shows."""
    copy.edit_script('5678")', '5678", end="")')
    assert "white space" in found("script")


def test_script_that_draws_another_figure_is_found(copy, found) -> None:
    """Its pixels are counted."""
    copy.edit_script("[0, 1, 2]", "[0, 1, 3]")
    assert re.search(r"sphx_glr_sample_001.png: [1-9]\d* of \d+ pixels differ", found("script"))


def test_script_that_draws_another_size_is_found(copy, found) -> None:
    copy.edit_script("plt.subplots()", "plt.subplots(figsize=(3, 2))")
    assert "(640, 480) pixels on the page, (300, 200) here" in found("script")


@pytest.mark.parametrize(("new", "count"), [("", 0), ("plt.show()\nplt.plot([1])\nplt.show()", 2)])
def test_script_that_draws_another_number_is_found(copy, found, new, count) -> None:
    """Also a figure that only the page shows, because the script never calls ``show``."""
    copy.edit_script("plt.show()", new)
    assert f"{count} figures instead of 1" in found("script")


def test_script_that_draws_without_a_title_is_found(copy, found) -> None:
    """What a figure lacks stands beside what differs."""
    copy.edit_script('title="A line", ', "")
    line = copy.file("_downloads/*/sample.py").read_text().partition("plt.show")[0].count("\n") + 1
    assert f"sample.py:{line}: a figure without a title: give it one\n" in found("script")


def test_script_that_raises_is_found(copy, found) -> None:
    """With its traceback."""
    copy.edit_script('print("the first', '1 / 0\nprint("the first')
    difference = found("script")
    assert "exit code 1" in difference and "ZeroDivisionError" in difference


def test_script_that_exits_is_found(copy, found) -> None:
    """Without a word, after all is printed."""
    copy.edit_script('5678")', '5678", flush=True)\nimport os\n\nos._exit(3)')
    assert found("script").strip() == "exit code 3"


def test_script_that_warns_is_found(copy, found) -> None:
    """Whatever it writes to stderr, a page does not have."""
    copy.edit_script("plt.show()", 'import warnings\n\nwarnings.warn("careful")\nplt.show()')
    difference = found("script")
    assert "exit code 0" in difference and "UserWarning: careful" in difference


def test_script_that_hangs_leaves_nothing_running(copy, found, monkeypatch) -> None:
    """It is given up, and what it started ends with it."""
    limit(monkeypatch, 3)
    child = "[sys.executable, '-c', 'import time; time.sleep(61.5)']"
    hang = f"import subprocess\nimport sys\n\nsubprocess.Popen({child}).wait()"
    copy.edit_script("plt.show()", hang)
    with pytest.raises(subprocess.TimeoutExpired):
        found("script")
    left = []
    for process in psutil.process_iter(["cmdline"]):
        if "import time; time.sleep(61.5)" in (process.info["cmdline"] or ()):
            process.kill()
            left.append(process)
    assert not left


# -- The notebook ----------------------------------------------------------------------


def stored_digit(cells: list) -> None:
    cells[0].outputs[0].text = cells[0].outputs[0].text.replace("1234", "1235")


def stored_figure(cells: list) -> None:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, "png")
    cells[1].outputs[1].data["image/png"] = base64.b64encode(file.getvalue()).decode()


def no_figure(cells: list) -> None:
    del cells[1].outputs[1]


def other_print(cells: list) -> None:
    cells[0].source = cells[0].source.replace("1234", "1235")


def other_code(cells: list) -> None:
    cells[1].source = cells[1].source.replace("[0, 1, 2]", "[0, 1, 3]")


def shown_value(cells: list) -> None:
    cells[0].source += "\n3 + 4"


def exception(cells: list) -> None:
    cells[0].source = "1 / 0"


def hang(cells: list) -> None:
    cells[-1].source = "import time\n\ntime.sleep(60)"


NOTEBOOKS = [
    (stored_digit, r"\+\+\+ the stored code cell 2 of the notebook\n@@ .* @@\n-.*1234\n\+.*1235\n"),
    (stored_digit, r"\+\+\+ code cell 2 of the notebook\n@@ .* @@\n-.*1235\n\+.*1234\n"),
    (stored_figure, r"cell 3: [23]\d{5} of 307200 pixels differ"),
    (no_figure, r"cell 3: 1 figures, not 0"),
    (other_print, r"\+\+\+ code cell 2 of the notebook\n@@ .* @@\n-.*1234\n\+.*1235\n"),
    (other_code, r"cell 3: [1-9]\d* of 307200 pixels differ"),
    (shown_value, "^cell 2 ends with a value that the page does not show$"),
    (exception, "ZeroDivisionError.*: division by zero"),
]


@pytest.mark.parametrize(
    ("change", "expected"), NOTEBOOKS, ids=lambda p: getattr(p, "__name__", "")
)
def test_changed_notebook_is_found(copy, found, change, expected) -> None:
    """Its stored outputs, or its code."""
    copy.edit_notebook(change)
    assert re.search(expected, found("notebook"))


def test_notebook_without_a_cell_is_found(copy, tmp_path) -> None:
    """Before any cell is compared with another one."""
    path = copy.file("_downloads/*/sample.ipynb")
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = code[-1:]
    notebook.cells[0].source = "print(1)"
    nbformat.write(notebook, path)
    problem = comparison.check_notebook(copy.sample, tmp_path / "scratch")
    assert problem == "the notebook has 1 code cells, the page 2"


def test_notebook_that_hangs_is_found(copy, found, monkeypatch) -> None:
    limit(monkeypatch, 4)
    copy.edit_notebook(hang)
    assert "Timeout" in found("notebook")


# -- What is compared ------------------------------------------------------------------


def test_missing_download_is_a_sentence(copy, found) -> None:
    copy.file("_downloads/*/sample.py").unlink()
    with pytest.raises(FileNotFoundError, match="^sample.py is not among .* run 'make html'$"):
        found("script")


def test_limit_follows_that_of_the_recipe(copy) -> None:
    """Twice its own, and a minute for starting Python."""
    assert copy.sample.timeout == 60 + 2 * 20


def test_text_is_compared_as_a_page_can_show_it() -> None:
    """No tabs, no colours, no blanks at a line's end; what is inside a line counts."""
    assert comparison.shown("\n\x1b[31mred\x1b[0m  \n\ta  b\n\n") == "red\n        a  b"


def test_every_check_is_tried() -> None:
    """A form that is added needs tests, too."""
    source = Path(comparison.__file__).read_text("utf-8")
    assert set(re.findall(r"(?m)^def check_(\w+)", source)) == set(CHECKS)


# -- Output that differs from run to run -----------------------------------------------

CHANGES = [  # of the script and of the notebook, and what is found if anything is
    ("12.34 us", " 1.2 ms", ""),
    ("5.0%", "100%", ""),
    ("-----  ------", "---    --------", ""),
    ("[0, 1, 2]", "[0, 1, 3]", ""),
    ("a time", "a thyme", r"-a time: #, a share: #\n\+a thyme: #, a share: #"),
    ("12.34 us", "none", r"-a time: #.*\n\+a time: none"),
    (' 5.0%")', ' 5.0%")\nprint("more")', r"\+more"),
    ("[0, 1, 2])", "[0, 1, 2])\nplt.gcf().set_size_inches(3, 2)", "300, 200"),
    ("plt.show()", "plt.close()", "figures"),
    ("equal: 1", "equal: 3", r"-equal: 1\n\+equal: 3"),
    ("equal: 2", "equal: 3", r"-equal: 2\n\+equal: 3"),
    ("equal: 2", "equal:  2", r"-equal: 2\n\+equal:  2"),
]


@pytest.mark.parametrize(
    ("form", "old", "new", "expected"),
    [("script", *change) for change in CHANGES] + [("notebook", *c) for c in CHANGES[::3]],
)
def test_numbers_of_such_a_cell_may_differ(
    timed, copy_of, tmp_path, form, old, new, expected
) -> None:
    """Its numbers and figures, the widths of their columns, and nothing else on the page."""
    copy = copy_of(timed)

    def edit(cells: list) -> None:
        for cell in cells:
            cell.source = cell.source.replace(old, new)

    copy.edit_script(old, new) if form == "script" else copy.edit_notebook(edit, 3)
    (tmp_path / "scratch").mkdir()
    found = CHECKS[form](copy.sample, tmp_path / "scratch")
    assert re.search(expected, found) if expected else found == ""


def test_stored_numbers_may_not_differ(timed, copy_of, tmp_path) -> None:
    """The page and the notebook show one execution."""
    copy = copy_of(timed)
    assert comparison.check_page(copy.sample, tmp_path) == ""
    copy.edit_page("5.0%\n", "6.0%\n")
    assert "a share: 6.0%" in comparison.check_page(copy.sample, tmp_path)
    copy.edit_notebook(lambda cells: cells[1].outputs[0].update(text="a time: 1"), 3)
    (tmp_path / "scratch").mkdir()
    found = comparison.check_notebook(copy.sample, tmp_path / "scratch")
    assert "+++ the stored code cell 3 of the notebook" in found


def test_page_says_which_output_differs(timed) -> None:
    """Below it, and in what machines read."""
    folder = timed.root / "_build" / "html" / "recipes" / "recipes"
    page = BeautifulSoup((folder / "sample.html").read_text("utf-8"), "html.parser")
    (caption,) = page.select("p.output-varies")
    assert caption.get_text() == "This output differs from run to run."
    outputs = page.select(".sphx-glr-script-out")
    before = [caption in output.find_all_next("p") for output in outputs]
    assert before == [True, True, False]


MEASUREMENT = """\
<torch.utils.benchmark.utils.common.Measurement object at 0x7f395b6ac110>
f(x)
  Median: 5.73 us
  IQR:    2.25 us (4.01 to 6.26)
  372 measurements, 100 runs per measurement, 1 thread
"""
WARNING = """\
  WARNING: Interquartile range is 39.4% of the median measurement.
           This suggests significant environmental influence.
"""
ONE_BLOCK = """\
<torch.utils.benchmark.utils.common.Measurement object at 0x7f395b6ac110>
f(x)
  303.36 us
  1 measurement, 1000 runs , 1 thread
"""
EQUAL = [
    ("time : 2026-11-27_22:58:12", "time : 2026-12-01_00:05:59"),
    (MEASUREMENT, ONE_BLOCK),
    (MEASUREMENT, MEASUREMENT.replace("5.73 us", "12.1 ms").replace("0x7f3", "0x5")),
    (MEASUREMENT, MEASUREMENT + WARNING),
    (MEASUREMENT, re.sub(" *IQR.*\n", "", MEASUREMENT)),
    ("aten::mm   1.2 us\n", "aten::mm 110.2ms\n"),
    ("x -1.5e-05", "x 3,000"),
    ("at /tmp/a_b/x-1.py:36", "at torch_logs.py:7"),
    ("1.5x as fast", "12x as fast"),
]
DIFFERENT = [
    (MEASUREMENT, MEASUREMENT.replace("thread", "core")),
    ("conv1", "conv2"),
    ("float32: 1", "float64: 1"),
    ("1 KB", "1 MB"),
    ("one\n\ntwo", "one\ntwo"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_is_masked(one, other) -> None:
    assert comparison.masked(one) == comparison.masked(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_not_masked(one, other) -> None:
    """Names, and the digits in them."""
    assert comparison.masked(one) != comparison.masked(other)


@pytest.mark.parametrize(
    ("output", "equal"),
    [
        ("a\n1\n2\nb\n", True),
        ("a\n3\n4\nb\n", True),
        ("a\n3\nb\n", False),
        ("a\n3\n4\n5\nb\n", False),
        ("a\n3\n4\nb\n5\n", False),
        ("b\n3\n4\nb\n", False),
        ("a\n3\n4\n", False),
        ("", False),
    ],
)
def test_output_is_divided_among_cells(output, equal) -> None:
    """Cells that print nothing, and neighbours that both differ, are no hindrance."""
    cells = ["a\n", "", "1\n", "2\n", "", "b\n", ""]
    one, other = comparison.without_varying(cells, [False, True, True, True, *[False] * 3], output)
    assert (one == other) == equal
