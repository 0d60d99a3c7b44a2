"""A page, a script and a notebook that differ from the execution are found, however little."""

import base64
import io
import re
import subprocess
from pathlib import Path

import nbformat
import psutil
import pytest
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
