"""Recipes fail where they must and hold where they must; ``make claims`` finds whatever does not.

``tests/claims.toml`` has the edits. ``-k slug`` executes those of one recipe.
"""

import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT, recipe_slugs

from tools import claims

pytestmark = pytest.mark.downloads
TEXT = (ROOT / claims.CLAIMS).read_text("utf-8")
CLAIMED = list(tomllib.loads(TEXT))


# -- The claims of this site's recipes -------------------------------------------------


def test_every_recipe_has_claims() -> None:
    """Each has a table, and no table is without a recipe."""
    assert set(CLAIMED) == set(recipe_slugs())


def test_tables_are_in_alphabetical_order() -> None:
    """So that a recipe is found, and two that are added do not meet."""
    assert sorted(CLAIMED) == re.findall(r"(?m)^\[(\w+)\]$", TEXT)


@pytest.mark.quick
def test_every_edit_can_be_applied() -> None:
    """Its text is in the source as often as it says, and gives Python; none is executed."""
    found = claims.read(ROOT)
    for slug, of_recipe in found.items():
        text = (ROOT / claims.layout.source(slug)).read_text("utf-8")
        assert of_recipe.fail, f"{slug}: no edit makes it fail"
        for edit in (*of_recipe.fail, *of_recipe.hold):
            compile(claims.edited(text, edit), f"{slug}, {edit.why}", "exec", dont_inherit=True)


@pytest.fixture(scope="module")
def report(request) -> str:
    """What the command says of the recipes whose tests were selected; all run at once.

    If these are all, then those are left out of which nothing has changed since the record.
    """
    tests = [test for test in request.session.items if test.path == request.path]
    slugs = [test.callspec.params.get("claimed") for test in tests if hasattr(test, "callspec")]
    slugs = list(filter(None, slugs))
    command = [sys.executable, "-m", "tools.claims"]
    command += [] if set(slugs) == set(CLAIMED) else ["--recipe", " ".join(slugs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.timeout(80 * len(CLAIMED))  # the first test waits for all
@pytest.mark.parametrize("claimed", CLAIMED)
def test_claims(report, claimed) -> None:
    """It raises after each edit in ``fail``, and after none in ``hold``."""
    if skipped := re.search(rf"(?m)^skipped: {claimed}: (.+)", report):
        pytest.skip(skipped[1])
    wrong = re.findall(rf"(?m)^{claimed}: (?!as claimed).*", report)
    assert not wrong, "\n".join(wrong)
    assert f"{claimed}: as claimed: " in report, report


# -- The command -----------------------------------------------------------------------

RECIPE = '''# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 7
# ///
"""
A title
=======

Some words.
"""

# %%
# A cell.

seed = 1
x = 3
assert x == 3
'''
FAILS = '{ replace = "x = 3", by = "x = 4", why = "another x" }'
HOLDS = '{ replace = "seed = 1", by = "seed = 2", why = "another seed" }'


def edit(old: str, new: str, more: str = "") -> str:
    """One edit as TOML."""
    return f'{{ replace = "{old}", by = "{new}", why = "a test"{more} }}'


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on one recipe with these edits; why it ended ("" if well), and its output."""
    sources = tmp_path / "recipes_source" / "recipes"
    sources.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (sources / "small.py").write_text(RECIPE, "utf-8")

    def command(fail: str = FAILS, hold: str = HOLDS, more: str = "", recipe: str = "", options=()):
        table = f"[small]\nfail = [{fail}]\nhold = [{hold}]\n{more}"
        (tmp_path / claims.CLAIMS).write_text(table, "utf-8")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in claims.ENVIRONMENT.items():
                patch.setenv(name, value)  # what the executor sets is gone afterwards
            patch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
            patch.setattr(claims.torch_plugin, "preload", {})
            try:
                claims.main(["--recipe", recipe, "--jobs=1", *options], tmp_path)
            except SystemExit as error:
                return str(error.code), capsys.readouterr().out
        return "", capsys.readouterr().out

    return command


def test_what_is_as_claimed_passes(run) -> None:
    assert run() == ("", "small: as claimed: 1 fail, 1 hold\n")


WRONG = [
    ({"fail": HOLDS}, "small: must fail with 'another seed', and runs to its end"),
    ({"hold": FAILS}, "small: must hold with 'another x', and raised AssertionError"),
    ({"fail": ""}, "small: no edit makes it fail: add one to 'fail'"),
    ({"fail": edit("y = 3", "y = 4")}, "small: 'a test': 'y = 3' occurs 0 times in it, not once"),
    ({"fail": edit("x", "y")}, "small: 'a test': 'x' occurs 2 times in it, not once"),
    ({"fail": edit("", "y")}, "small: 'a test': '' occurs 0 times in it, not once"),
    ({"hold": edit("x = 3", "x = 3")}, "small: 'a test': 'x = 3' is replaced by itself"),
    ({"fail": edit("x = 3", "x = (")}, "must raise what is wrong with 'a test', and"),
    ({"fail": edit("x = 3", "x = z")}, "small: must raise .*, and raised NameError: .*'z'"),
    ({"fail": edit("x = 3", "import no_z")}, "must raise .*, and raised ModuleNotFoundError: "),
    ({"fail": edit("x = 3", "import os; os._exit(3)")}, "must raise .*, and ended its process"),
    (
        {"fail": edit("x = 3", "import time; time.sleep(60)")},
        "must raise .*, and was still running after",
    ),
    (
        {"hold": edit("x = 3", "import time; time.sleep(60)")},
        "must hold .*, and was still running after",
    ),
    (
        {"fail": '{ replace = "x = 3", by = "" }'},
        r"tests/claims.toml: \[small\]: .*missing .*`why`",
    ),
    (
        {"fail": edit("x = 3", "", ", all = true")},
        r"tests/claims.toml: \[small\]: .*unknown field `all`",
    ),
    ({"more": "["}, "tests/claims.toml: "),
    ({"more": f"[gone]\nfail = [{FAILS}]"}, "tests/claims.toml: .gone. is no recipe: rename"),
    ({"recipe": "other"}, "tests/claims.toml has no table .other.: add one"),
]


@pytest.mark.parametrize(("change", "expected"), WRONG)
def test_what_is_not_is_told(run, change, expected) -> None:
    """With a sentence, and an exit status."""
    ended, out = run(**change)
    assert re.match(expected if expected.startswith(("small", "tests")) else ".*" + expected, ended)
    assert "as claimed" not in out and "Traceback" not in ended


def test_all_places_can_be_edited(run) -> None:
    """If the edit says so."""
    assert run(hold=edit("x", "y", ", every = true"))[0] == ""


def test_recipe_for_which_something_is_missing_is_skipped(run, monkeypatch) -> None:
    """The reason is told."""
    monkeypatch.setattr(claims.torch_plugin, "skip", lambda header: "no compiler")
    assert run() == ("", "skipped: small: no compiler\n")


RECORDED = ("", "small: as claimed: 1 fail, 1 hold (nothing has changed)\n")
OLD, NEW = "seed = 1", "seed = 7"


@pytest.mark.parametrize("what", ["code", "header", "helper", "claims", "versions", "platform"])
def test_what_was_as_claimed_is_tried_again_when_something_has_changed(
    run, tmp_path, monkeypatch, what
) -> None:
    """And only then."""
    assert run(options=["--record"])[1].endswith("1 hold\n")
    assert run() == RECORDED
    sources, hold = tmp_path / "recipes_source" / "recipes", HOLDS
    match what:
        case "code":
            (sources / "small.py").write_text(RECIPE + "y = 5\n", "utf-8")
        case "header":
            (sources / "small.py").write_text(RECIPE.replace("timeout = 7", "timeout = 8"), "utf-8")
        case "helper":
            (sources / "_helper.py").write_text("x = 1", "utf-8")
        case "claims":
            hold = edit(OLD, NEW)
        case "versions":
            monkeypatch.setattr(claims.torch_plugin, "packages", ("torch", "pytest"))
        case "platform":
            monkeypatch.setattr(claims.platform, "machine", lambda: "another")
    assert run(hold=hold)[1].endswith("1 hold\n")


def test_prose_changes_no_claim(run, tmp_path) -> None:
    """The first lines, comments, blank lines and tags are no code."""
    run(options=["--record"])
    text = RECIPE.replace("# A cell.", "# Other words,\n# and more.\n\n")
    text = text.replace("timeout = 7", 'timeout = 7\n# tags = ["Data"]')
    text = text.replace("A title", "Another title, with a word more")
    (tmp_path / "recipes_source" / "recipes" / "small.py").write_text(text, "utf-8")
    assert run() == RECORDED


@pytest.mark.parametrize("options", [{"recipe": "small"}, {"options": ["--all=1"]}])
def test_what_is_asked_for_is_tried_in_any_case(run, options) -> None:
    """By its name, or with all others."""
    run(options=["--record"])
    assert run(**options)[1].endswith("1 hold\n")


def test_only_what_was_as_claimed_is_recorded(run, tmp_path) -> None:
    """A row goes when it no longer holds, or its recipe is gone; nothing is kept unasked."""
    run()
    assert not (tmp_path / claims.CHECKED).exists()
    run(options=["--record"])
    record = claims.read_json(tmp_path / claims.CHECKED)
    assert list(record) == ["small"]
    claims.write_json(tmp_path / claims.CHECKED, record | {"gone": "0"})
    run(options=["--record"])
    assert claims.read_json(tmp_path / claims.CHECKED) == record
    assert "must hold" in run(hold=FAILS, options=["--record"])[0]
    assert not claims.read_json(tmp_path / claims.CHECKED)
    assert "must hold" in run(hold=FAILS)[0]


def test_record_that_another_command_wrote_meanwhile_is_kept(run, tmp_path, monkeypatch) -> None:
    """Two recipes are checked at once: each adds its own row."""
    check_all = claims.check_all

    def check_beside_another(root, *arguments):
        claims.write_json(root / claims.CHECKED, {"other": "1"})
        return check_all(root, *arguments)

    source = tmp_path / "recipes_source" / "recipes" / "other.py"
    source.write_text(RECIPE, "utf-8")
    monkeypatch.setattr(claims, "check_all", check_beside_another)
    other = f"[other]\nfail = [{FAILS}]\n"
    assert run(recipe="small", more=other, options=["--record"])[0] == ""
    assert set(claims.read_json(tmp_path / claims.CHECKED)) == {"other", "small"}
