"""A build that was killed, or could not write a page, or warned of it, is made good by the next.

Problem: Sphinx remembers a page as read before it writes it, and takes a file that is there
for a page that is written. A build that ends in between leaves an empty page which all later
builds leave as it is, or a half-written record that ends them. On a full disk Sphinx prints
a page for its own developers, or only a warning. And it warns of a page only when it reads it, so
that a second build says nothing of what is still wrong.
Usage: ``begin(mark)`` when a build starts and ``end(mark, pages)`` when it ends well;
:class:`Warnings` listens to what Sphinx says in between.
Result: the mark lies there from the start of a build to its good end. A build that finds one has
to read and write all pages anew or, where the mark names pages of which Sphinx warned, just these.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from .files import DISK

FULL = re.compile(rf"(?:\[Errno |OSError\()({'|'.join(map(str, DISK))})\b|cannot write .*: ")
ALL = ["*"]  # instead of the names of pages


class Warnings(logging.Handler):
    """Notes what Sphinx warns of and then goes on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: re.Match | None = None  # the first failed write
        self.places: set[str] = set()  # "file:line", "" for a warning of no file

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one message."""
        self.look(record.getMessage())
        self.places.add(str(getattr(record, "location", None) or ""))

    def look(self, text: str) -> None:
        """Note whether a text tells of a failed write."""
        self.found = self.found or FULL.search(text)

    def pages(self, root: Path, page_of: Callable[[Path], str | None]) -> list[str]:
        """The pages of which Sphinx warned; ``ALL`` if it cannot be said which.

        Args:
            root: of the documentation.
            page_of: the page that a file is the source of, None if it is of none.
        """
        found = {page_of(root / re.sub(r":\d*$", "", place)) for place in self.places}
        return ALL if None in found else sorted(found)


def begin(mark: Path) -> list[str]:
    """Leave the mark, which so far stands for all pages.

    Returns:
        the pages that the mark which was there names, ``ALL`` if it stands for all, none if
        there was no mark.

    Raises:
        OSError: if it cannot be written.
    """
    there = (mark.read_text("utf-8").splitlines() or ALL) if mark.exists() else []
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_bytes(b"")
    return there


def end(mark: Path, pages: list[str]) -> None:
    """All pages were written: take the mark away, or have it name those that need a new look."""
    if pages:
        mark.write_text("" if pages == ALL else "\n".join(pages), "utf-8")
    else:
        mark.unlink(missing_ok=True)
