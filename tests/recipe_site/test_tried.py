"""The record is read as it was written, and its lines always stand in the same order."""

import pytest

from recipe_site import layout, tried
from recipe_site.tried import DIFFERS, SAME, Environment, Record, Row
from tools.comparison import difference

pytestmark = pytest.mark.unit
ROW = Row("a", "torch 2.9", SAME, "2026-01-02", "c0de", "9a6e")


def environment(name: str) -> Environment:
    return Environment(name, "Any", {"torch": "2.9.0", "python": "3.11.1"})


@pytest.fixture
def root(tmp_path):
    """A project without a record."""
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_what_was_written_is_read(root) -> None:
    """One line each, environments first; a text with line breaks is one line, too."""
    assert tried.read(root) == Record()
    other = Row("a", "torch 2.10", DIFFERS, "2026-01-03", "c0de", "9a6e", "one\ntwo é")
    rows = {(row.recipe, row.environment): row for row in (ROW, other)}
    names = ("torch 2.9", "torch 2.10")
    record = Record({name: environment(name) for name in names}, rows)
    tried.write(root, record)
    assert tried.read(root) == record
    lines = (root / layout.TRIED).read_text("utf-8").splitlines()
    assert [line[:16] for line in lines] == ['{"environment":"'] * 2 + ['{"recipe":"a","e'] * 2
    assert lines == sorted(lines) and "é" in lines[2]
    turned = Record(dict(reversed(record.environments.items())), dict(reversed(rows.items())))
    assert turned.lines() == record.lines()
    assert [row for row, _ in tried.read(root).of("a")] == [other, ROW]


def test_reader_may_change_its_copy(root) -> None:
    """Another one sees what is in the file."""
    tried.write(root, Record({}, {("a", "torch 2.9"): ROW}))
    tried.read(root).rows.clear()
    assert tried.read(root).rows


def test_damaged_line_is_one_sentence(root) -> None:
    """With its number, and what to do."""
    tried.write(root, Record({}, {("a", "torch 2.9"): ROW}))
    with (root / layout.TRIED).open("a") as file:
        file.write('{"recipe":"b"\n')
    with pytest.raises(SystemExit, match=r"docs/versions.jsonl, line 2: .*; take the file"):
        tried.read(root)


@pytest.mark.parametrize(
    ("code", "printed", "expected"),
    [("c0de", "9a6e", True), ("other", "9a6e", False), ("c0de", "other", False)],
)
def test_row_of_another_code_or_output_is_stale(code, printed, expected) -> None:
    assert tried.is_fresh(ROW, {"key": {"code": code}, "printed": printed}) == expected
    assert not tried.is_fresh(ROW, {})


def test_both_texts_come_back_from_a_difference() -> None:
    """Also lines that look like those of a difference, and empty ones."""
    page, other = "a\n\n-- b\n+c\n@@ d", "a\n\n--- b\n+c\n+ e"
    assert tried.texts(difference(page, other, "x", 10**6)) == (page, other)
