"""``make verify`` passes what is equal, and finds whatever is not."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import psutil
import pytest
from mini_site import Site
from PIL import Image

import verify_downloads

pytestmark = pytest.mark.downloads

ROOT = Path(__file__).parents[2]
LEAD = "zeroing_out_gradients"
CODE = """\
import matplotlib.pyplot as plt

print("the first number:", "1234\\n")

# %%
# A figure.

fig, ax = plt.subplots()
ax.plot([0, 1, 2])
plt.show()
print("below the figure,\\n\\n    indented: 5678")
"""
TOOL = '# ///\n"""'  # the end of a recipe's header


class Checked:
    """A copy of a built miniature site, and a way to verify it."""

    def __init__(self, root: Path, monkeypatch, capsys) -> None:
        self.root, self.monkeypatch, self.capsys = root, monkeypatch, capsys
        self.state = root / "_build" / "recipe_runs"
        self.devices = root / "verified_devices.json"
        monkeypatch.setattr(verify_downloads, "STATE", self.state)
        monkeypatch.setattr(verify_downloads, "SITE", root / "_build" / "html")
        monkeypatch.setattr(verify_downloads, "DEVICES", self.devices)

    def file(self, pattern: str) -> Path:
        """A file of the site."""
        (path,) = (self.root / "_build" / "html").glob(pattern)
        return path

    def edit(self, pattern: str, old: str, new: str) -> None:
        """Replace one text in one file of the site."""
        path = self.file(pattern)
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new), "utf-8")

    def edit_script(self, old: str, new: str) -> None:
        self.edit("_downloads/*/sample.py", old, new)

    def edit_notebook(self, change: Callable) -> None:
        """Let a function change the code cells of the notebook, without the first."""
        path = self.file("_downloads/*/sample.ipynb")
        notebook = nbformat.read(path, 4)
        change([cell for cell in notebook.cells if cell.cell_type == "code"])
        nbformat.write(notebook, path)

    def verify(self, *options: str, forms: str = "", seconds: float = 0) -> tuple[str, str]:
        """Verify, with these forms beside the page: why it ended ("" if well), and its report."""
        real = {
            "script": verify_downloads.check_script,
            "notebook": verify_downloads.check_notebook,
        }

        def limited(form: str) -> Callable:
            return lambda slug, run, folder, timeout, device: real[form](
                slug, run, folder, seconds or timeout, device
            )

        wanted = {form: limited(form) for form in forms.split()}
        self.monkeypatch.setattr(verify_downloads, "FORMS", wanted)
        self.monkeypatch.setattr(sys, "argv", ["verify_downloads.py", "--jobs=1", *options])
        self.capsys.readouterr()
        try:
            verify_downloads.main()
        except SystemExit as error:
            return str(error.code), self.capsys.readouterr().out
        return "", self.capsys.readouterr().out

    def differs(self, form: str, seconds: float = 0) -> str:
        """What is found in one form; that form must be the only one to differ."""
        forms = form if form != "page" else ""
        ended, out = self.verify("--recipe=sample", forms=forms, seconds=seconds)
        assert ended == "verification failed: see the differences above"
        assert re.findall(r"(\w+): DIFFERS", out) == [form]
        table, found = out.split(f"\nsample, {form}:\n")
        assert "sample" in table and found.strip()
        verified = json.loads((self.state / "verified.json").read_text())
        assert verified["sample"][form]["problem"].strip() == found.strip()
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Site:
    """A miniature site with two recipes, one of them with a figure."""
    site = Site(tmp_path_factory.mktemp("verify") / "site")
    for path in site.sources.glob("*.py"):
        path.unlink()
    path = site.add("sample", CODE)
    text = path.read_text("utf-8").replace("dependencies = []", 'dependencies = ["matplotlib"]')
    path.write_text(text.replace(TOOL, f"# [tool.recipe]\n# timeout = 20\n{TOOL}"), "utf-8")
    site.add("other", 'print("nothing else")')
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    return site


@pytest.fixture
def checked(built, tmp_path, monkeypatch, capsys) -> Checked:
    root = tmp_path / "site"
    shutil.copytree(built.root / "_build", root / "_build")
    return Checked(root, monkeypatch, capsys)


# -- What is equal ---------------------------------------------------------------------


def test_equal_downloads_pass(checked) -> None:
    """All three forms of both recipes; the site can show it."""
    ended, out = checked.verify(forms="script notebook")
    assert ended == "" and "DIFFERS" not in out, out
    for slug in ("sample", "other"):
        row = rf"{slug} +page: equal +[\d.]+ s  script: equal +[\d.]+ s  notebook: equal +[\d.]+ s"
        assert re.search(rf"^{row}$", out, re.M)
    verified = json.loads((checked.state / "verified.json").read_text())
    assert sorted(verified) == ["other", "sample"]
    for slug, found in verified.items():
        published = json.loads((checked.state / f"{slug}.published.json").read_text())
        assert found.pop("made of") == published["made of"]
        assert found.pop("date") == datetime.now(UTC).date().isoformat()
        assert sorted(found) == ["notebook", "page", "script"]
        assert all(form["problem"] == "" and form["seconds"] > 0 for form in found.values())
    assert not checked.devices.exists()


def test_variables_of_the_terminal_do_not_matter(checked, monkeypatch) -> None:
    """As they are set where there is no screen."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    ended, out = checked.verify("--recipe=sample", forms="script notebook")
    assert ended == "", out


def test_one_recipe_leaves_the_others_record(checked) -> None:
    """``RECIPE=`` verifies this one."""
    (checked.state / "verified.json").write_text('{"other": {"date": "2026-01-02"}}')
    ended, out = checked.verify("--recipe=sample", forms="script")
    assert ended == "" and "other" not in out
    verified = json.loads((checked.state / "verified.json").read_text())
    assert verified["other"] == {"date": "2026-01-02"} and "sample" in verified


# -- What differs ----------------------------------------------------------------------


def test_changed_page_is_found(checked) -> None:
    """One digit in the HTML."""
    checked.edit("recipes/recipes/sample.html", "the first number: 1234", "the first number: 1235")
    found = checked.differs("page")
    assert "--- the page\n+++ the HTML\n" in found
    assert "-the first number: 1234\n+the first number: 1235\n" in found


def test_missing_output_is_found(checked) -> None:
    """A block of the page that is not there."""
    path = checked.file("recipes/recipes/sample.html")
    path.write_text(path.read_text("utf-8").replace("sphx-glr-script-out", "hidden", 1), "utf-8")
    assert "-the first number: 1234\n" in checked.differs("page")


def test_script_that_prints_something_else_is_found(checked) -> None:
    checked.edit_script("1234", "1235")
    found = checked.differs("script")
    assert "--- the page\n+++ the script\n" in found
    assert "-the first number: 1234\n+the first number: 1235\n" in found


def test_script_that_prints_other_blanks_is_found(checked) -> None:
    """At the end of a line, where a difference cannot be seen."""
    checked.edit_script("5678", "5678 ")
    assert "5678 " in checked.differs("script")


def test_script_that_ends_otherwise_is_found(checked) -> None:
    """Without the last newline, which no line of a difference shows."""
    checked.edit_script('5678")', '5678", end="")')
    assert "white space" in checked.differs("script")


def test_script_that_draws_another_figure_is_found(checked) -> None:
    """Its pixels are counted."""
    checked.edit_script("[0, 1, 2]", "[0, 1, 3]")
    found = checked.differs("script")
    assert re.search(r"sphx_glr_sample_001.png: [1-9]\d* of \d+ pixels differ", found)


def test_script_that_draws_another_size_is_found(checked) -> None:
    checked.edit_script("plt.subplots()", "plt.subplots(figsize=(3, 2))")
    assert "(640, 480) pixels on the page, (300, 200) here" in checked.differs("script")


@pytest.mark.parametrize(("new", "count"), [("", 0), ("plt.show()\nplt.plot([1])\nplt.show()", 2)])
def test_script_that_draws_another_number_is_found(checked, new, count) -> None:
    checked.edit_script("plt.show()", new)
    assert f"{count} figures instead of 1" in checked.differs("script")


def test_script_that_raises_is_found(checked) -> None:
    """With its traceback."""
    checked.edit_script('print("the first', '1 / 0\nprint("the first')
    found = checked.differs("script")
    assert "exit code 1" in found and "ZeroDivisionError" in found


def test_script_that_exits_is_found(checked) -> None:
    """Without a word, after all is printed."""
    checked.edit_script('5678")', '5678", flush=True)\nimport os\n\nos._exit(3)')
    assert checked.differs("script").strip() == "exit code 3"


def test_script_that_warns_is_found(checked) -> None:
    """Whatever it writes to stderr, a page does not have."""
    checked.edit_script("plt.show()", 'import warnings\n\nwarnings.warn("careful")\nplt.show()')
    found = checked.differs("script")
    assert "exit code 0" in found and "UserWarning: careful" in found


def test_script_that_hangs_is_found(checked) -> None:
    checked.edit_script("plt.show()", "import time\n\ntime.sleep(60)")
    assert re.match(r"was still running after \d+ s\n$", checked.differs("script", seconds=3))


def stored_digit(cells: list) -> None:
    cells[0].outputs[0].text = cells[0].outputs[0].text.replace("1234", "1235")


def stored_figure(cells: list) -> None:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, "png")
    cells[1].outputs[1].data["image/png"] = base64.b64encode(file.getvalue()).decode()


def no_figure(cells: list) -> None:
    del cells[1].outputs[1]


def other_code(cells: list) -> None:
    cells[1].source = cells[1].source.replace("[0, 1, 2]", "[0, 1, 3]")


def shown_value(cells: list) -> None:
    cells[0].source += "\n3 + 4"


def exception(cells: list) -> None:
    cells[0].source = "1 / 0"


NOTEBOOKS = [
    (stored_digit, r"\+\+\+ code cell 2 of the notebook\n@@ .* @@\n-.*1235\n\+.*1234\n"),
    (stored_figure, r"cell 3: [23]\d{5} of 307200 pixels differ"),
    (no_figure, r"cell 3: 1 figures, not 0"),
    (other_code, r"cell 3: [1-9]\d* of 307200 pixels differ"),
    (shown_value, "cell 2 shows a value that the page does not"),
    (exception, "ZeroDivisionError.*: division by zero"),
]


@pytest.mark.parametrize(
    ("change", "expected"), NOTEBOOKS, ids=lambda p: getattr(p, "__name__", "")
)
def test_changed_notebook_is_found(checked, change, expected) -> None:
    """Its stored outputs, or its code."""
    checked.edit_notebook(lambda cells: change(cells[-2:]))
    assert re.search(expected, checked.differs("notebook"))


def test_notebook_that_hangs_is_found(checked) -> None:
    def hang(cells: list) -> None:
        cells[-1].source = "import time\n\ntime.sleep(60)"

    checked.edit_notebook(hang)
    assert "Timeout" in checked.differs("notebook", seconds=4)


# -- What is not found yet -------------------------------------------------------------


def test_changed_figure_on_the_page_is_found(checked) -> None:
    """``test_figures_are_pictures`` finds it, too."""
    Image.new("RGB", (640, 480)).save(checked.file("_images/sphx_glr_sample_001.png"))
    checked.differs("page")


def test_missing_download_is_found(checked) -> None:
    checked.file("_downloads/*/sample.py").unlink()
    assert "sample.py" in checked.differs("script")


def test_script_that_hangs_leaves_nothing_running(checked) -> None:
    """What it started ends with it."""
    child = "[sys.executable, '-c', 'import time; time.sleep(61.5)']"
    hang = f"import subprocess\nimport sys\n\nsubprocess.Popen({child}).wait()"
    checked.edit_script("plt.show()", hang)
    checked.differs("script", seconds=3)
    left = []
    for process in psutil.process_iter(["cmdline"]):
        if "import time; time.sleep(61.5)" in (process.info["cmdline"] or ()):
            process.kill()
            left.append(process)
    assert not left


def test_limit_follows_that_of_the_recipe(checked, monkeypatch) -> None:
    """Twice its own, and a minute for starting Python."""
    seen = []
    checked.verify("--recipe=sample")
    forms = {"script": lambda slug, run, folder, timeout, device: seen.append(timeout) or ""}
    monkeypatch.setattr(verify_downloads, "FORMS", forms)
    verify_downloads.main()
    assert seen == [60 + 2 * 20]


# -- Devices ---------------------------------------------------------------------------


def test_device_that_is_not_there(checked, monkeypatch) -> None:
    """One sentence, and nothing runs."""
    import torch

    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **options: None)
    ended, out = checked.verify("--device=cuda", forms="script")
    assert ended == "this machine has no cuda device; 'make verify' runs on its CPU"
    assert out == "" and not (checked.state / "verified.json").exists()


def test_scripts_on_a_device_are_recorded(checked, monkeypatch) -> None:
    """Those that print the same; figures may differ, and the CPU's record stays."""
    monkeypatch.setattr(verify_downloads, "device_name", lambda kind: f"A fast {kind}")
    checked.edit_script("[0, 1, 2]", "[0, 1, 3]")
    ended, out = checked.verify("--device=cuda")
    assert ended == "" and "notebook" not in out
    recorded = json.loads(checked.devices.read_text())
    assert list(recorded) == ["A fast cuda"]
    assert recorded["A fast cuda"]["recipes"] == ["other", "sample"]
    checked.edit_script("1234", "1235")
    ended, out = checked.verify("--device=cuda")
    assert "see the differences" in ended and "+the first number: 1235" in out
    recorded = json.loads(checked.devices.read_text())
    assert recorded["A fast cuda"]["recipes"] == ["other"]
    assert not (checked.state / "verified.json").exists()


# -- What cannot be verified -----------------------------------------------------------


def test_unknown_recipe_is_one_sentence(checked) -> None:
    ended, out = checked.verify("--recipe=no_such_recipe")
    assert re.fullmatch(r"nothing to verify for 'no_such_recipe': .*'make html'", ended)
    assert out == "" and not (checked.state / "verified.json").exists()


def test_site_that_is_not_built_is_one_sentence(checked) -> None:
    (checked.state / "summary.json").unlink()
    ended, _ = checked.verify()
    assert re.fullmatch(r"nothing to verify for 'this site': run 'make html'", ended)


def test_recipe_that_was_not_executed_is_one_sentence(built, checked) -> None:
    """After ``make html-noplot`` there are no outputs to compare with."""
    site = Site(checked.root.parent / "not_run")
    assert site.build("-D", "plot_gallery=0").returncode == 0
    shutil.copytree(site.root / "_build", checked.root / "_build", dirs_exist_ok=True)
    ended, _ = checked.verify("--recipe=writes_a_file", forms="script")
    assert ended == "writes_a_file has not been executed: run 'make html' first"


# -- The real site ---------------------------------------------------------------------

# As verify_downloads.py does, and notes what was left in each folder that it ran in.
VERIFY = """
import json, sys
from pathlib import Path
import verify_downloads

left = {}

def watched(form, check):
    def one(slug, run, folder, timeout, device):
        problem = check(slug, run, folder, timeout, device)
        known = {f"{slug}.py", f"{slug}.ipynb", "data"}
        names = sorted(path.name for path in (folder / "work").iterdir())
        left[f"{slug}, {form}"] = [name for name in names if name not in known]
        return problem
    return one

verify_downloads.FORMS = {f: watched(f, check) for f, check in verify_downloads.FORMS.items()}
try:
    verify_downloads.main()
finally:
    print("left:", json.dumps(left))
"""


def run_on_the_site(*command: str, timeout: float) -> subprocess.CompletedProcess:
    """Run Python beside the extensions; both streams in ``stdout``."""
    if not (ROOT / "_build" / "recipe_runs" / "summary.json").is_file():
        pytest.fail("the site is not built: run make html", pytrace=False)
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT / "extensions", text=True, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_unknown_recipe_of_the_site() -> None:
    """From the command line: no traceback, and an exit code."""
    done = run_on_the_site("verify_downloads.py", "--recipe=no_such_recipe", timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("nothing to verify") and done.stdout.count("\n") == 1


@pytest.mark.quick
def test_lead_recipe_verifies() -> None:
    """The page, the script and the notebook of the lead recipe are equal."""
    done = run_on_the_site("verify_downloads.py", f"--recipe={LEAD}", timeout=300)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"{LEAD} +page: equal .* script: equal .* notebook: equal", done.stdout)


@pytest.fixture(scope="module")
def everything() -> subprocess.CompletedProcess:
    return run_on_the_site("-c", VERIFY, timeout=900)


@pytest.mark.timeout(960)
def test_everything_verifies(everything) -> None:
    """Every recipe of the site in all its forms."""
    assert everything.returncode == 0, everything.stdout
    built = json.loads((ROOT / "_build" / "recipe_runs" / "summary.json").read_text())
    assert len(built) >= 20
    for slug in built:
        assert re.search(rf"^{slug} +page: equal .* notebook: equal", everything.stdout, re.M)


@pytest.mark.timeout(960)
def test_nothing_is_left_in_the_readers_folder(everything) -> None:
    """A recipe writes nothing beside itself, but for the data that it downloads."""
    left = json.loads(re.search(r"^left: (.*)$", everything.stdout, re.M)[1])
    assert len(left) >= 40
    assert {what: names for what, names in left.items() if names} == {}
