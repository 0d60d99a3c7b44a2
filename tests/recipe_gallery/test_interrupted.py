"""A build that did not end well is seen by the next one."""

import errno
import logging
from pathlib import Path

import pytest

from recipe_gallery.files import sentence
from recipe_gallery.interrupted import ALL, Warnings, begin, end

pytestmark = pytest.mark.unit


def test_mark_lies_there_until_a_good_end(tmp_path) -> None:
    """The second build finds the mark of one that was killed."""
    mark = tmp_path / "doctrees" / "mark"
    assert begin(mark) == [] and mark.exists()
    assert begin(mark) == ALL
    end(mark, [])
    assert not mark.exists()
    end(mark, [])  # nothing to take away is no error
    assert begin(mark) == []


def test_mark_names_the_pages_of_warnings(tmp_path) -> None:
    """Until a build that does not end, after which all pages are in doubt."""
    mark = tmp_path / "mark"
    end(mark, ["docs/b", "recipes/a"])
    assert begin(mark) == ["docs/b", "recipes/a"]
    assert begin(mark) == ALL
    end(mark, ALL)
    assert begin(mark) == ALL


@pytest.mark.parametrize(
    ("places", "pages"),
    [
        ([], []),
        (["/docs/a.rst:12", "a.rst:3", "b.rst:", "b.rst"], ["a", "b"]),
        (["/docs/a.rst:12", ""], ALL),
        (["<generated text>:348"], ALL),
    ],
)
def test_pages_of_warnings(places, pages) -> None:
    """A warning that names no page concerns all."""
    heard, files = Warnings(), {Path("/docs/a.rst"): "a", Path("/docs/b.rst"): "b"}
    logger = logging.Logger("of this test")
    logger.addHandler(heard)
    for place in places:
        logger.warning("strange", extra={"location": place})
    assert heard.pages(Path("/docs"), files.get) == pages


@pytest.mark.parametrize(
    "text",
    [
        f"cannot open: [Errno {errno.ENOSPC}] No space left on device: 'x.html'",
        f"OSError({errno.EROFS}, 'Read-only file system')",
        sentence("File too large", "search.html"),
    ],
)
def test_failed_write_is_heard(text) -> None:
    """However Sphinx words it; as a message with arguments, too."""
    writes = Warnings()
    logger = logging.Logger("of this test")
    logger.addHandler(writes)
    logger.warning("%s", text)
    assert writes.found


@pytest.mark.parametrize(
    "text",
    [
        f"[Errno {errno.ENOENT}] No such file or directory",
        "document isn't included in any toctree",
        f"[Errno {errno.ENOSPC}0]",
        "None",
    ],
)
def test_other_warnings_are_not_meant(text) -> None:
    """They are mended by who wrote the page; nothing is written anew for them."""
    writes = Warnings()
    writes.look(text)
    assert not writes.found


def test_first_failed_write_is_kept() -> None:
    """It is the cause of the others."""
    writes = Warnings()
    for text in (f"[Errno {errno.ENOSPC}] a", f"[Errno {errno.EROFS}] b", "nothing"):
        writes.look(text)
    assert writes.found[1] == str(errno.ENOSPC)
