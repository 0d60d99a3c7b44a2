"""A build that was killed, or could not write a page, is made good by the next.

Problem: Sphinx remembers a page as read before it writes it, and takes a file that is there
for a page that is written. A build that ends in between leaves an empty page which all later
builds leave as it is, or a half-written record that ends them. On a full disk Sphinx prints
a page for its own developers, or only a warning.
Usage: list this extension after ``recipe_runner``, which has builds of one folder wait for
each other.
Result: beside what Sphinx remembers lies a mark from the start of a build to its good end. A build
that finds one reads and writes all pages anew. What could not be written is said in a sentence.
"""

import errno
import logging
import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# No space, no quota left, a file too large, a disk that is only to be read; not all on all systems.
CODES = [getattr(errno, n) for n in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS") if hasattr(errno, n)]
FULL = re.compile(rf"(?:\[Errno |OSError\()({'|'.join(map(str, CODES))})\b")


def mark_of(app: Sphinx) -> Path:
    """The mark of builds of this kind; not in the output folder, all of which goes into a book."""
    return Path(app.doctreedir, f"unfinished-{app.builder.name}")


def sentence(why: object, file: object) -> str:
    """What to tell who runs the build."""
    return (
        f"cannot write {file}: {why}; what was "
        "finished is kept, so mend that and run the build again"
    )


class FailedWrites(logging.Handler):
    """Notes what Sphinx warns of and then goes on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: re.Match | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.found = self.found or FULL.search(record.getMessage())


def all_pages(app: Sphinx, env: BuildEnvironment, *which: set[str]) -> set[str]:
    """For Sphinx, which asks what to read beside the pages that were added or changed."""
    return env.found_docs


def start(app: Sphinx) -> None:
    """Leave the mark, after a look whether one was there."""
    if mark_of(app).exists():
        Path(app.outdir, ".buildinfo").unlink(missing_ok=True)  # Sphinx fails if it is empty
        app.connect("env-get-outdated", all_pages)
    mark_of(app).touch()
    logging.getLogger("sphinx").addHandler(app.failed_writes)


def end(app: Sphinx, exception: Exception | None) -> None:
    """Take the mark away if all pages were written."""
    failed: FailedWrites = app.failed_writes
    logging.getLogger("sphinx").removeHandler(failed)
    failed.found = failed.found or FULL.search(str(exception))
    if exception is None and not failed.found:
        mark_of(app).unlink(missing_ok=True)


def explain(app: Sphinx, exception: Exception | None) -> None:
    """End with one sentence instead of Sphinx's own page."""
    if found := app.failed_writes.found:
        raise SystemExit(sentence(os.strerror(int(found[1])), app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    app.failed_writes = FailedWrites()
    app.connect("builder-inited", start, priority=450)  # the folder is this build's own by now
    app.connect("build-finished", end, priority=890)  # after everybody who writes
    app.connect("build-finished", explain, priority=950)  # after the report on recipes
    return {"parallel_read_safe": True, "parallel_write_safe": True}
