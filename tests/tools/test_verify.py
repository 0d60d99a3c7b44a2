"""``make verify`` reports and records what is equal and what is not, of all or of one recipe."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import as_completed
from datetime import UTC, datetime

import psutil
import pytest
from conftest import ROOT, recipe_slugs
from filelock import FileLock
from mini_site import Site

from recipe_gallery.files import digest
from recipe_site import layout
from tools import comparison, verify

pytestmark = pytest.mark.downloads
FAILED = "verification failed: see the differences above"


@pytest.fixture
def verified(copy, monkeypatch, capsys) -> Callable[..., tuple[str, str]]:
    """Verify a copy of the miniature site in these forms, beside the page.

    Gives why it ended ("" if well), and its report.
    """
    real = dict(verify.FORMS)

    def run(*options: str, forms: str = "") -> tuple[str, str]:
        wanted = {name: real[name] for name in ["page", *forms.split()]}
        monkeypatch.setattr(verify, "FORMS", wanted)
        capsys.readouterr()
        try:
            verify.main(["--jobs=1", *options], copy.root)
        except SystemExit as error:
            return str(error.code), capsys.readouterr().out
        return "", capsys.readouterr().out

    return run


def test_equal_downloads_pass(copy, verified) -> None:
    """All three forms of both recipes; the site can show it."""
    ended, out = verified(forms="script notebook")
    assert ended == "" and "DIFFERS" not in out, out
    for slug in ("sample", "other"):
        row = rf"{slug} +page: equal +[\d.]+ s  script: equal +[\d.]+ s  notebook: equal +[\d.]+ s"
        assert re.search(rf"^{row}$", out, re.M)
    recorded = json.loads(copy.verified.read_text())
    assert sorted(recorded) == ["recipes/recipes/other", "recipes/recipes/sample"]
    for docname, found in recorded.items():
        path = copy.root / layout.published(layout.slug_of(docname))
        assert found.pop("made of") == json.loads(path.read_text())["made of"]
        assert found.pop("date") == datetime.now(UTC).date().isoformat()
        assert sorted(found) == ["notebook", "page", "script"]
        assert all(form["problem"] == "" and form["seconds"] > 0 for form in found.values())
    assert not copy.devices.exists()


def test_variables_of_the_terminal_do_not_matter(verified, monkeypatch) -> None:
    """As they are set where there is no screen."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert verified("--recipe=sample", forms="script notebook")[0] == ""


def test_one_recipe_leaves_the_others_record(copy, verified) -> None:
    """``RECIPE=`` verifies this one."""
    other = {"recipes/recipes/other": {"date": "2026-01-02"}}
    copy.verified.write_text(json.dumps(other))
    ended, out = verified("--recipe=sample", forms="script")
    assert ended == "" and "other" not in out
    recorded = json.loads(copy.verified.read_text())
    assert recorded.pop("recipes/recipes/sample")["page"]["problem"] == ""
    assert recorded == other


# -- What differs ----------------------------------------------------------------------


def change_page(copy) -> None:
    copy.edit_page("the first number: 1234", "the first number: 1235")


def change_script(copy) -> None:
    copy.edit_script("1234", "1235")


def change_notebook(copy) -> None:
    copy.edit_notebook(lambda cells: cells[0].update(source=cells[0].source + "\n3 + 4"))


def remove_script(copy) -> None:
    copy.file("_downloads/*/sample.py").unlink()


def hanging_script(copy) -> None:
    copy.edit_script("plt.show()", "import time\n\ntime.sleep(60)")


@pytest.mark.parametrize(
    ("change", "form", "expected"),
    [
        (change_page, "page", r"\+the first number: 1235\n"),
        (change_script, "script", r"\+the first number: 1235\n"),
        (change_notebook, "notebook", "cell 2 ends with a value that the page does not show\n"),
        (remove_script, "script", r"sample.py is not among the downloads: run 'make html'\n"),
        (hanging_script, "script", r"was still running after 3 s\n$"),
    ],
)
def test_what_differs_is_told_and_recorded(
    copy, verified, monkeypatch, change, form, expected
) -> None:
    """In this form, which is the only one to differ."""
    if change is hanging_script:
        monkeypatch.setattr(comparison.Published, "timeout", 3)
    change(copy)
    ended, out = verified("--recipe=sample", forms=form if form != "page" else "")
    assert ended == FAILED
    assert re.findall(r"(\w+): DIFFERS", out) == [form]
    found = out.partition(f"\nsample, {form}:\n")[2]
    assert re.search(expected, found)
    recorded = json.loads(copy.verified.read_text())["recipes/recipes/sample"]
    assert recorded[form]["problem"].strip() == found.strip()


def test_what_is_not_published_is_no_proof(copy, verified) -> None:
    """A site that is older than the published files: it is equal, and what was run is told."""
    copy.edit_script('print("the first', '# Another text.\nprint("the first')
    ended, _ = verified("--recipe=sample", forms="script")
    recorded = json.loads(copy.verified.read_text())["recipes/recipes/sample"]
    assert ended == "" and recorded["made of"] == ""
    assert recorded["script"]["of"] == digest(copy.file("_downloads/*/sample.py").read_bytes())


def test_interrupt_ends_what_runs_and_records_what_is_done(copy, verified, monkeypatch) -> None:
    """At once, also the processes; what was not begun is not begun any more."""
    copy.edit_script("plt.show()", "import time\n\ntime.sleep(600.25)")

    def first_only(futures):
        yield next(as_completed(futures))
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "as_completed", first_only)
    monkeypatch.setattr(comparison.Published, "timeout", 500)
    start = time.monotonic()
    ended, out = verified("--jobs=2", forms="script notebook")
    assert ended == "1 recipe was not verified" and time.monotonic() - start < 300
    assert "interrupted; what was done is recorded" in out
    assert list(json.loads(copy.verified.read_text())) == ["recipes/recipes/other"]
    started = [p.cmdline() for p in psutil.Process().children(recursive=True)]
    assert not [words for words in started if "sample.py" in words]


def test_nothing_is_verified_while_a_build_is_at_work(copy, verified) -> None:
    """One sentence; the build would replace what is run."""
    with FileLock(copy.root / layout.STATE / "lock"):
        ended, _ = verified(forms="script")
    assert ended == "a build is at work in this folder: verify when it has ended"
    assert not copy.verified.exists()


# -- Devices ---------------------------------------------------------------------------


def test_device_that_is_not_there(copy, verified, monkeypatch) -> None:
    """One sentence, and nothing runs."""
    import torch

    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **options: None)
    ended, out = verified("--device=cuda", forms="script")
    assert ended == "this machine has no cuda device; 'make verify' runs on its CPU"
    assert out == "" and not copy.verified.exists()


def test_scripts_on_a_device_are_recorded(copy, verified, monkeypatch) -> None:
    """Those that print the same; figures may differ, and the CPU's record stays."""
    monkeypatch.setattr(verify, "device_name", lambda kind: f"A fast {kind}")
    copy.edit_script("[0, 1, 2]", "[0, 1, 3]")
    ended, out = verified("--device=cuda", forms="script notebook")
    assert ended == "" and "script: equal" in out and "notebook" not in out
    recorded = json.loads(copy.devices.read_text())
    assert list(recorded) == ["A fast cuda"]
    assert recorded["A fast cuda"]["recipes"] == ["other", "sample"]
    copy.edit_script("1234", "1235")
    ended, out = verified("--device=cuda", forms="script notebook")
    assert ended == FAILED and "+the first number: 1235" in out
    recorded = json.loads(copy.devices.read_text())
    assert recorded["A fast cuda"]["recipes"] == ["other"]
    assert not copy.verified.exists()


# -- What cannot be verified -----------------------------------------------------------


def test_unknown_recipe_is_one_sentence(copy, verified) -> None:
    ended, out = verified("--recipe=no_such_recipe")
    assert ended.startswith("no recipe 'no_such_recipe' was built; did you mean ")
    assert out == "" and not copy.verified.exists()


def test_site_that_is_not_built_is_one_sentence(copy, verified) -> None:
    (copy.root / layout.SUMMARY).unlink()
    assert verified()[0] == "nothing to verify: run 'make html'"


def test_recipe_that_was_not_executed_is_one_sentence(copy, verified, tmp_path) -> None:
    """After ``make html-noplot`` there are no outputs to compare with."""
    site = Site(tmp_path / "not_run")
    assert site.build("-D", "plot_gallery=0").returncode == 0
    for folder in ("_build", "recipes"):
        shutil.copytree(site.root / folder, copy.root / folder, dirs_exist_ok=True)
    ended, _ = verified("--recipe=writes_a_file", forms="script")
    assert ended == "writes_a_file has not been executed: run 'make html' first"


# -- The real site ---------------------------------------------------------------------


def need_the_site() -> None:
    if not (ROOT / layout.SUMMARY).is_file():
        pytest.fail("the site is not built: run make html", pytrace=False)


@pytest.mark.quick
def test_unknown_recipe_of_the_site() -> None:
    """From the command line: no traceback, and an exit code."""
    need_the_site()
    done = subprocess.run(
        [sys.executable, "-m", "tools.verify", "--recipe=no_such_recipe"],
        cwd=ROOT, text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.startswith("no recipe") and done.stdout.count("\n") == 1


@pytest.mark.quick
def test_pages_show_what_was_executed(tmp_path) -> None:
    """All pages, without running anything anew."""
    need_the_site()
    pages = [comparison.Published(ROOT, slug) for slug in recipe_slugs()]
    found = {page.slug: comparison.check_page(page, tmp_path) for page in pages if page.run.cells}
    assert len(found) >= 20
    assert {slug: problem for slug, problem in found.items() if problem} == {}


@pytest.mark.timeout(80 * len(recipe_slugs()))
def test_everything_verifies(capsys) -> None:
    """Every recipe of the site in all its forms: the one execution of all downloads."""
    need_the_site()
    verify.main([], ROOT)
    out = capsys.readouterr().out
    summary = json.loads((ROOT / layout.SUMMARY).read_text())
    docnames = [name for name, cost in summary.items() if not cost.get("skipped")]
    assert len(docnames) >= 20
    for slug in map(layout.slug_of, docnames):
        assert re.search(rf"^{slug} +page: equal .* script: equal .* notebook: equal", out, re.M)
