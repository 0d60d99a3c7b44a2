"""``make versions`` tries what it must, records what came of it, and says what it could not do."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from recipe_site import layout, tried
from recipe_site.tried import DIFFERS, FAILS, NEEDS, SAME
from tools import environments, trial, versions
from tools.environments import CannotMake, Environment, Installed

pytestmark = pytest.mark.downloads
LIST = """
["torch 1.0"]
python = "3.11"
pins = ["torch==1.0"]

["torch 1.1"]
python = "3.11"
pins = ["torch==1.1"]

[newest]
python = "3.11"
pins = ["torch"]
"""


@pytest.fixture
def installed(monkeypatch, tmp_path) -> dict[str, str]:
    """By an environment's name, the torch that it seems to have; "" where it cannot be made.

    Its Python is that of this process.
    """
    torches = {"torch 1.0": "1.0", "torch 1.1": "1.1", "newest": "9.0"}

    @contextmanager
    def made(wanted, root, folder, needs, keep) -> Iterator[Installed]:
        if not torches[wanted.name]:
            raise CannotMake("there is no such torch")
        found = {"torch": torches[wanted.name], "python": "3.99"}
        yield Installed(tmp_path, Path(sys.executable), Environment(wanted.name, "Any", found))

    monkeypatch.setattr(environments, "made", made)
    return torches


@pytest.fixture
def tries(copy, installed, monkeypatch, capsys) -> Callable[..., tuple[str, str]]:
    """Try the miniature site; gives why it ended ("" if well), and its report."""
    (copy.root / "docs").mkdir()
    (copy.root / layout.VERSIONS).write_text(LIST)

    def run(*options: str) -> tuple[str, str]:
        capsys.readouterr()
        try:
            versions.main(["--jobs=1", *options], copy.root)
        except SystemExit as error:
            return str(error.code), capsys.readouterr().out
        return "", capsys.readouterr().out

    return run


def rows(copy) -> dict[tuple[str, str], str]:
    """The results of the record."""
    return {key: row.result for key, row in tried.read(copy.root).rows.items()}


def test_all_are_tried_once(copy, tries) -> None:
    """What it takes is said before; what is recorded is not tried again, but if it is asked for."""
    ended, out = tries()
    assert ended == "" and out.startswith("2 environments, one after the other, of about 6 GB each")
    assert "torch 1.0: 2 same" in out and "torch 1.1: 2 same" in out
    slugs = ("other", "sample")
    assert rows(copy) == {(s, f"torch 1.{n}"): SAME for s in slugs for n in range(2)}
    assert (copy.root / layout.TRIED).read_text().count("\n") == 6
    ended, out = tries()
    assert (ended, out) == (
        "",
        "nothing to try: no recipe has changed since (ALL=1 tries all again)\n",
    )
    assert "torch 1.0: 1 same" in tries("--recipe=other", "--environment=torch 1.0")[1]
    assert "torch 1.1: 2 same" in tries("--all=1")[1]


def test_what_is_printed_otherwise_is_kept_whole(copy, tries) -> None:
    copy.edit_script("1234", "1235")
    ended, out = tries("--environment=torch 1.0")
    assert ended == "" and "sample differs:" in out and "\n+the first number: 1235\n" in out
    row = tried.read(copy.root).rows["sample", "torch 1.0"]
    page, other = tried.texts(row.detail)
    assert row.result == DIFFERS and page.replace("1234", "1235") == other
    assert other.endswith("\n    indented: 5678")


@pytest.mark.parametrize(
    ("torch", "code", "expected"),
    [
        ("0.1", "import sys\n\nsys.no_such_name()", (NEEDS, "sys.no_such_name")),
        ("9.9", "import sys\n\nsys.no_such_name()", (FAILS, "AttributeError: module 'sys' has")),
        ("0.1", "raise SystemExit(3)", (FAILS, "exit status 3")),
        ("0.1", "1 / 0", (FAILS, "ZeroDivisionError: division by zero")),
    ],
)
def test_why_it_fails(copy, tries, installed, torch, code, expected) -> None:
    """On an older torch than the page's, a name that is not there is named."""
    installed["torch 1.0"] = torch
    run_of_the_page(copy, "1.0")
    copy.edit_script("plt.show()", code)
    ended, out = tries("--environment=torch 1.0", "--recipe=sample")
    row = tried.read(copy.root).rows["sample", "torch 1.0"]
    assert ended == "" and f"sample {row.result}: {row.detail}" in out
    assert row.result == expected[0] and row.detail.startswith(expected[1])


def run_of_the_page(copy, torch: str) -> None:
    """Have the page executed with a torch."""
    run = copy.sample.run
    run.made_with["torch"] = torch
    file = copy.root / layout.STATE / f"{layout.docname('sample')}.run.json"
    file.write_bytes(run.to_json())


def test_warning_is_no_failure(copy, tries) -> None:
    """As for readers; but it is told."""
    copy.edit_script(
        "plt.show()", 'import warnings\n\nwarnings.warn("old", FutureWarning)\nplt.show()'
    )
    ended, out = tries("--environment=torch 1.0")
    assert ended == "" and "sample same: FutureWarning: old\n" in out


def test_hanging_script(copy, tries, monkeypatch) -> None:
    monkeypatch.setattr(trial.Published, "timeout", 2)
    copy.edit_script("plt.show()", "import time\n\ntime.sleep(60)")
    assert "sample fails: was still running after 2 s\n" in tries("--recipe=sample")[1]


def test_one_that_cannot_be_made_does_not_keep_the_others(copy, tries, installed) -> None:
    installed["torch 1.0"] = ""
    ended, out = tries()
    assert "torch 1.0 cannot be made here: there is no such torch\n" in out
    assert "torch 1.1: 2 same" in out and ended == "torch 1.0 could not be made"
    assert {name for _, name in rows(copy)} == {"torch 1.1"}


def test_interrupted_it_keeps_what_it_has_and_goes_on(copy, tries, monkeypatch) -> None:
    real = trial.row

    def row(recipe, installed) -> tried.Row:
        if recipe.slug == "sample":
            raise KeyboardInterrupt
        return real(recipe, installed)

    monkeypatch.setattr(trial, "row", row)
    ended, out = tries()
    assert ended == "1 recipes were not tried on torch 1.0" and "interrupted" in out
    assert rows(copy) == {("other", "torch 1.0"): SAME}
    monkeypatch.setattr(trial, "row", real)
    ended, out = tries()
    assert ended == "" and "torch 1.0: 1 same" in out and "torch 1.1: 2 same" in out


def test_changed_recipe_is_tried_again(copy, tries) -> None:
    """Its code has another checksum; the others stay."""
    tries()
    file = copy.root / layout.published("other")
    code = tried.read(copy.root).rows["other", "torch 1.0"].code
    file.write_text(file.read_text().replace(code, "another"))
    ended, out = tries()
    assert ended == "" and "torch 1.0: 1 same" in out
    assert tried.read(copy.root).rows["other", "torch 1.0"].code == "another"
    assert "nothing to try" in tries()[1]


def test_other_versions_of_an_environment_try_all_again(copy, tries, installed) -> None:
    """Its rows spoke of what is no longer there."""
    tries("--environment=torch 1.0")
    installed["torch 1.0"] = "1.0.1"
    ended, out = tries("--recipe=other", "--environment=torch 1.0")
    assert ended == "" and "torch 1.0 has other versions than before" in out
    assert rows(copy) == {("other", "torch 1.0"): SAME}


def test_rows_of_what_is_gone_are_removed(copy, tries) -> None:
    """A recipe that was renamed, an environment that is no longer in the list."""
    tries("--environment=torch 1.0")
    text = (copy.root / layout.TRIED).read_text()
    gone = text.replace("torch 1.0", "torch 0.9") + text.replace('"sample"', '"renamed"')
    (copy.root / layout.TRIED).write_text(gone)
    tries("--environment=torch 1.1")
    assert rows(copy) == {("other", name): SAME for name in ("torch 1.0", "torch 1.1")} | {
        ("sample", "torch 1.1"): SAME
    }
    assert set(tried.read(copy.root).environments) == {"torch 1.0", "torch 1.1"}


def test_look_ahead_is_not_recorded(copy, tries) -> None:
    """It is tried when it is named, and what is not the same is an error."""
    assert tries("--environment=newest")[0] == "" and not (copy.root / layout.TRIED).exists()
    copy.edit_script("1234", "1235")
    ended, out = tries("--environment=newest")
    assert ended == "not all recipes print the same on newest"
    assert "+the first number: 1235" in out and not (copy.root / layout.TRIED).exists()


def test_what_cannot_be_asked_for(copy, tries, monkeypatch) -> None:
    """One sentence each, before anything is made."""
    assert (
        tries("--environment=torch 1.2")[0]
        == ("no environment 'torch 1.2' in docs/versions.toml; did you mean 'torch 1.1'?")
        or "torch 1.2" in tries("--environment=torch 1.2")[0]
    )
    assert tries(f"--folder={copy.root}/here")[0].startswith("FOLDER is in the checkout")
    monkeypatch.setattr(versions, "GIGABYTES", 10**9)
    assert " GB left: free some, or name another FOLDER" in tries()[0]
    with FileLock(copy.root / layout.STATE / "versions.lock"):
        assert tries()[0] == "another 'make versions' is at work in this checkout"
    monkeypatch.setattr(versions, "lacking", lambda *names: "'make versions' needs uv")
    assert tries() == ("'make versions' needs uv", "")
    (copy.root / layout.VERSIONS).write_text("[a]\npins = 3\n")
    monkeypatch.setattr(versions, "lacking", lambda *names: "")
    assert tries()[0].startswith("docs/versions.toml cannot be read: ")


def test_site_without_the_download_is_one_sentence(copy, tries) -> None:
    """A build may be at work in this folder."""
    copy.file("_downloads/*/sample.py").unlink()
    assert tries()[0] == "sample.py is not among the downloads: run 'make html'"


@pytest.mark.quick
def test_list_of_the_project() -> None:
    """Each environment can be read, and those that are recorded pin torch and torchvision."""
    found = environments.listed(versions.ROOT)
    for one in found.values():
        assert [pin.partition("=")[0] for pin in one.pins] == ["torch", "torchvision"]
    assert {name for name, one in found.items() if not one.recorded} == {"newest", "nightly"}


@pytest.mark.quick
def test_unknown_environment_from_the_command_line() -> None:
    command = [sys.executable, "-m", "tools.versions", "--environment=no_such"]
    done = subprocess.run(command, cwd=versions.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("no environment 'no_such' in docs")
    assert done.stderr.count("\n") == 1
