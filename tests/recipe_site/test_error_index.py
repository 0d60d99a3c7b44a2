"""The index of error messages shows what was printed, and finds what was not."""

import json

import pytest

from recipe_gallery.model import Cell, Run
from recipe_site import layout
from recipe_site.catalogue import TAGS, Entry
from recipe_site.error_index import WHILE, as_printed, printed, unprinted

pytestmark = pytest.mark.unit
SOURCE = '''# /// script
# [tool.recipe]
# errors = [
#   "shapes cannot be
#   multiplied",
#   "no such message",
# ]
# ///
"""
Title
=====
"""
'''.replace('"shapes cannot', "'''shapes cannot").replace('multiplied",', "multiplied''',")


@pytest.mark.parametrize(
    ("message", "text", "found"),
    [
        ("bad size", "b: bad size (1x2)\nnext", "bad size (1x2)"),
        ("bad size", "raised ValueError: bad size 3", "ValueError: bad size 3"),
        ("bad size", "torch.OutOfMemoryError: bad\n  size", "torch.OutOfMemoryError: bad size"),
        ("a (b) [c]", "a (b) [c]!", "a (b) [c]!"),
        ("bad size", "Bad size", ""),
        ("bad size", "", ""),
    ],
)
def test_message_is_shown_as_printed(message, text, found) -> None:
    """With its class and the rest of its line."""
    assert as_printed(message, text) == found


def publish(root, source: str, text: str, executed: bool = True) -> None:
    """A recipe that was executed, and printed this."""
    name = layout.docname("a")
    for file, content in {
        layout.source("a"): SOURCE,
        layout.script("a"): source,
        layout.published("a"): json.dumps({"executed": executed}),
        f"{layout.STATE}/{name}.run.json": Run(cells=(Cell(text),)).to_json().decode(),
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(content, "utf-8")


def test_message_that_is_not_printed_is_found(tmp_path) -> None:
    """With the line of the header that names it."""
    publish(tmp_path, SOURCE, "shapes cannot be multiplied (1x2 and 3x4)\n")
    ((line, what),) = unprinted("a", tmp_path)
    assert line == 6 and "does not print 'no such message'" in what
    publish(tmp_path, SOURCE, "no such message\n")
    ((line, what),) = unprinted("a", tmp_path)
    assert line == 4 and "'shapes cannot be multiplied'" in what


def test_nothing_is_claimed_of_what_was_not_executed(tmp_path) -> None:
    """Nor of another text of the recipe, nor where there is none."""
    publish(tmp_path, SOURCE, "nothing", executed=False)
    assert not list(unprinted("a", tmp_path))
    publish(tmp_path, SOURCE + "x = 1\n", "nothing")
    assert not list(unprinted("a", tmp_path))
    (tmp_path / layout.script("a")).unlink()
    assert not list(unprinted("a", tmp_path))


def test_every_group_says_what_a_reader_does() -> None:
    assert tuple(WHILE) == TAGS


def test_message_has_no_colours(tmp_path) -> None:
    """Which a terminal would show, and a page cannot."""
    publish(tmp_path, SOURCE, "load failed, \x1b[1mtrust it\x1b[0m first\n")
    text = printed(Entry("a", "a", "", (), (), 1), tmp_path)
    assert as_printed("load failed", text) == "load failed, trust it first"
