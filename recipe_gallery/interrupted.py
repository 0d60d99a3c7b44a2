"""A build that was killed, or could not write a page, is made good by the next.

Problem: Sphinx remembers a page as read before it writes it, and takes a file that is there
for a page that is written. A build that ends in between leaves an empty page which all later
builds leave as it is, or a half-written record that ends them. On a full disk Sphinx prints
a page for its own developers, or only a warning.
Usage: ``begin(mark)`` when a build starts and ``end(mark)`` when it ends well;
:class:`FailedWrites` listens to what Sphinx says in between.
Result: the mark lies there from the start of a build to its good end. A build
that finds one has to read and write all pages anew.
"""

import logging
import re
from pathlib import Path

from .files import DISK

FULL = re.compile(rf"(?:\[Errno |OSError\()({'|'.join(map(str, DISK))})\b|cannot write .*: ")


class FailedWrites(logging.Handler):
    """Notes what Sphinx warns of and then goes on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: re.Match | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one message."""
        self.look(record.getMessage())

    def look(self, text: str) -> None:
        """Note whether a text tells of a failed write."""
        self.found = self.found or FULL.search(text)


def begin(mark: Path) -> bool:
    """Leave the mark; whether there was one, so that all pages must be made anew.

    Raises:
        OSError: if it cannot be written.
    """
    there = mark.exists()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return there


def end(mark: Path) -> None:
    """Take the mark away; all pages were written."""
    mark.unlink(missing_ok=True)
