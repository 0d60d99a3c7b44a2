"""A build that was killed while it wrote pages is made good by the next.

Problem: Sphinx remembers a page as read before it writes it, and takes a file that is there
for a page that is written. A build that is killed in between leaves an empty page which
all later builds leave as it is, or a half-written record that ends them.
Usage: list this extension after ``recipe_runner``, which has builds of one folder wait for
each other.
Result: the output folder holds a mark from the start of a build to its end. A build that
finds one reads and writes all pages anew.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

MARK = ".unfinished"


def all_pages(app: Sphinx, env: BuildEnvironment, *which: set[str]) -> set[str]:
    """For Sphinx, which asks what to read beside the pages that were added or changed."""
    return env.found_docs


def start(app: Sphinx) -> None:
    """Leave the mark, after a look whether one was there."""
    mark = Path(app.outdir, MARK)
    if mark.exists():
        mark.with_name(".buildinfo").unlink(missing_ok=True)  # Sphinx fails if it is empty
        app.connect("env-get-outdated", all_pages)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def end(app: Sphinx, exception: Exception | None) -> None:
    """Take the mark away if all pages were written."""
    if exception is None:
        Path(app.outdir, MARK).unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", start, priority=450)  # the folder is this build's own by now
    app.connect("build-finished", end, priority=890)  # after everybody who writes
    return {"parallel_read_safe": True, "parallel_write_safe": True}
