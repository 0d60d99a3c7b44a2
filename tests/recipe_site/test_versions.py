"""A page says in one sentence where its recipe ran, and nothing that was not tried."""

import pytest
from conftest import ROOT

from recipe_site import torch_plugin, tried
from recipe_site.tried import DIFFERS, FAILS, NEEDS, SAME, Environment, Record, Row
from recipe_site.version_pages import MARKS, NOT_TRIED, STALE, changes, mark, section, what_changed
from recipe_site.versions import oldest_torch, ran_on, spans
from tools.comparison import difference

pytestmark = pytest.mark.unit
MADE_WITH = {"torch": "2.14.1+cpu", "python": "3.11.7"}
PUBLISHED = {"executed": True, "made with": MADE_WITH, "key": {"code": "c"}, "printed": "p"}
OTHER = difference("x = 1\nsame", "x = 2\nsame", "torch 2.13", 10**6)


def record(*rows: tuple[str, str, str, str], code: str = "c") -> Record:
    """One of a recipe "a", of rows with torch, Python, result and detail."""
    made = Record()
    for torch, python, result, detail in rows:
        name = f"torch {torch}, Python {python}"
        found = {"torch": f"{torch}.0", "python": f"{python}.0"}
        made.environments[name] = Environment(name, "Any", found)
        made.rows["a", name] = Row("a", name, result, "2026-01-02", code, "p", detail)
    return made


SENTENCES = [
    ([], "torch 2.14, Python 3.11; other versions not tried yet"),
    (
        [("2.12", "3.11", SAME, ""), ("2.13", "3.11", SAME, ""), ("2.14", "3.12", SAME, "")],
        "torch 2.12 to 2.14, Python 3.11, 3.12; prints the same on each",
    ),
    (
        [("2.12", "3.11", DIFFERS, OTHER), ("2.13", "3.11", SAME, ""), ("2.14", "3.13", SAME, "")],
        "torch 2.12 to 2.14, Python 3.11, 3.13; prints the same since torch 2.13",
    ),
    (
        [("2.13", "3.11", SAME, ""), ("2.15", "3.11", DIFFERS, OTHER)],
        "torch 2.13 to 2.15, Python 3.11; prints something else on torch 2.15",
    ),
    (
        [("2.12", "3.11", NEEDS, "torch.new"), ("2.13", "3.11", SAME, "")],
        "torch 2.13, 2.14, Python 3.11; prints the same on each; "
        "needs torch.new, which torch 2.12 lacks",
    ),
    (
        [("2.14", "3.13", FAILS, "KeyError"), ("2.14", "3.12", DIFFERS, OTHER)],
        "torch 2.14, Python 3.11, 3.12; prints something else on Python 3.12; fails on Python 3.13",
    ),
    (
        [("2.13", "3.11", FAILS, "KeyError"), ("2.12", "3.11", FAILS, "KeyError")],
        "torch 2.14, Python 3.11; fails on torch 2.12, 2.13",
    ),
]


@pytest.mark.parametrize(("rows", "expected"), SENTENCES)
def test_sentence(rows, expected) -> None:
    """The execution that the page shows counts, too."""
    assert ran_on("a", PUBLISHED, record(*rows)) == f"Ran on {expected}"


def test_what_is_not_true_is_not_said() -> None:
    """A row of other code, and a page that was never executed or without torch."""
    stale = record(("2.12", "3.11", SAME, ""), code="before")
    assert ran_on("a", PUBLISHED, stale).endswith("; other versions not tried yet")
    assert ran_on("a", {"executed": False}, stale) == ran_on("a", {}, stale) == ""
    assert ran_on("a", {**PUBLISHED, "made with": {"python": "3.11.7"}}, stale) == ""


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        ("2.9 2.10 2.11", "2.9 to 2.11"),
        ("2.9 2.11", "2.9, 2.11"),
        ("2.10 2.11", "2.10, 2.11"),
        ("2.8 2.9 2.10", "2.8 to 2.10"),
        ("2.8", "2.8"),
    ],
)
def test_spans_have_no_gaps(good, expected) -> None:
    """2.10 is newer than 2.9."""
    assert spans(["2.8", "2.9", "2.10", "2.11"], good.split()) == expected


def test_table_has_a_sign_for_each() -> None:
    """Stale if the code has changed, and another one for what was never tried."""
    made = record(("2.12", "3.11", SAME, ""))
    (name,) = made.environments
    assert mark(made, "a", PUBLISHED, name) == MARKS[SAME]
    assert mark(made, "a", {**PUBLISHED, "printed": "else"}, name) == STALE
    assert mark(made, "new", PUBLISHED, name) == NOT_TRIED


def test_changes_from_one_release_to_the_next() -> None:
    """The page's own among them; only what changed is shown, the older one first."""
    rows = [("2.12", "3.11", FAILS, "KeyError: 1"), ("2.13", "3.11", DIFFERS, OTHER)]
    rows += [("2.15", "3.11", SAME, ""), ("2.14", "3.12", SAME, "")]
    made = record(*rows)
    found = changes({"a": PUBLISHED, "new": PUBLISHED}, made, "torch")
    versions = [tuple(".".join(map(str, one)) for one in pair) for pair in found]
    assert versions == [("2.14.1", "2.15.0"), ("2.13.0", "2.14.1"), ("2.12.0", "2.13.0")]
    said = [what_changed(change) for ((change,),) in zip(found.values(), strict=True)]
    assert said[0] == [] and said[2] == ["Before\\, it fails\\: KeyError\\: 1\n"]
    assert said[1][2:] == ["   @@ -1,2 +1,2 @@", "   -x = 2", "   +x = 1", "    same", ""]
    assert len(changes({"a": PUBLISHED}, made, "python")) == 1
    (newest, *_) = found
    assert section("torch", newest, found[newest])[3].startswith("1 of 1 recipes")


def test_new_warning_is_a_change() -> None:
    made = record(("2.15", "3.11", SAME, "FutureWarning: old"))
    (((change,),),) = [changes({"a": PUBLISHED}, made, "torch").values()]
    assert what_changed(change) == ["It warns\\: FutureWarning\\: old"]


def test_notebook_knows_the_oldest(tmp_path, monkeypatch, capsys) -> None:
    """One sentence, and only where torch is older; nothing while the code was not tried."""
    (tmp_path / "docs").mkdir()
    rows = [("2.9", "3.11", FAILS, "KeyError"), ("2.10", "3.11", DIFFERS, OTHER)]
    tried.write(tmp_path, record(*rows, ("2.13", "3.11", SAME, "")))
    assert oldest_torch("a", "c", tmp_path) == "2.10"
    assert torch_plugin.first_cell("a", "changed", tmp_path) == ""
    code = torch_plugin.first_cell("a", "c", tmp_path)
    for installed in ("2.9.1", "2.10.0+cpu", "2.15"):
        monkeypatch.setattr("importlib.metadata.version", lambda name, v=installed: v)
        exec(code, {})
    assert capsys.readouterr().out == (
        "torch 2.9.1 is older than 2.10, the oldest that this was run on.\n"
    )


def test_record_of_the_project_can_be_read() -> None:
    """Not all recipes have rows, but each row has its environment."""
    found = tried.read(ROOT)
    assert found.rows and {name for _, name in found.rows} <= set(found.environments)
