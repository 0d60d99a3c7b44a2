"""What Sphinx finds wrong in a recipe is reported where it can be mended.

Problem: Sphinx reads the page that was made of a recipe, and names its file and line, which
nobody should edit.
Usage: ``translate_warnings(app)`` once, when the extension is set up.
Result: such a warning names the recipe's own file and the line of the same text there; one whose
cure is a command of ours names that.
"""

import logging
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.logging import NAMESPACE

from . import catalogue, layout
from .recipe_page import framed

PAGE = re.compile(rf".*{re.escape(layout.PAGES)}/([\w.+-]+?)\.rst(?::(\d*))?")

# A name that is right, but new on this site, looks like a wrong one.
REFERENCE = "reference target not found: "
CURE = "is the name right? then 'make inventories OFFLINE=1' adds its address"


class SourceLines(logging.Filter):
    """Rewrites the locations of warnings; it comes last, when they are texts."""

    def __init__(self, app: Sphinx) -> None:
        super().__init__()
        self.app = app

    def filter(self, record: logging.LogRecord) -> bool:
        """Look at one message; none is left out."""
        location = getattr(record, "location", None)
        page = PAGE.fullmatch(location.replace("\\", "/")) if isinstance(location, str) else None
        if page and page[1] == "index":
            record.location = layout.INDEX_SOURCE  # all that a person wrote in it
        elif page:
            record.location = self.translate(page[1], int(page[2] or 0))
        if str(record.msg).count(REFERENCE) > str(record.msg).count(CURE):  # each handler asks
            record.msg = f"{record.msg} ({CURE})"
        return True

    def translate(self, slug: str, number: int) -> str:
        """The place in a recipe's file of a line of its page."""
        root, name = Path(self.app.srcdir), layout.source(slug)
        page, source = root / f"{layout.docname(slug)}.rst", root / name
        if not (page.is_file() and source.is_file()):
            return name
        text = page.read_text("utf-8")
        if entry := catalogue.find(root, layout.docname(slug)):
            text = framed(text, entry, self.app.env)  # Sphinx reads more than is in the file
        lines = [line.strip() for line in text.splitlines()[:number]]
        while lines and not lines[-1]:  # it may count to the end of a paragraph
            lines.pop()
        if not lines:
            return name
        own = [line.removeprefix("#").strip() for line in source.read_text("utf-8").splitlines()]
        places = [i for i, line in enumerate(own, 1) if line == lines[-1]]
        nth = lines.count(lines[-1])
        return f"{name}:{places[min(nth, len(places)) - 1]}" if places else name


def translate_warnings(app: Sphinx) -> None:
    """Have all that Sphinx prints go through ``SourceLines``."""
    for handler in logging.getLogger(NAMESPACE).handlers:
        handler.addFilter(SourceLines(app))
