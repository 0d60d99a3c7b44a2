"""What Sphinx finds wrong in a recipe is reported where it can be mended.

Problem: Sphinx reads the page that was made of a recipe, and names its file and line, which
nobody should edit.
Usage: list this extension after ``recipe_page``.
Result: such a warning names the recipe below ``recipes_source`` and the line of the same text.
"""

import logging
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.logging import NAMESPACE

import recipe_catalogue
from recipe_page import framed
from recipe_process import SUBDIR

PAGE = re.compile(rf".*{SUBDIR}/([\w-]+)\.rst(?::(\d*))?")


class SourceLines(logging.Filter):
    """Rewrites the locations of warnings; it comes last, when they are texts."""

    def __init__(self, app: Sphinx) -> None:
        super().__init__()
        self.app = app

    def filter(self, record: logging.LogRecord) -> bool:
        location = getattr(record, "location", None)
        page = PAGE.fullmatch(location.replace("\\", "/")) if isinstance(location, str) else None
        if page:
            record.location = self.translate(page[1], int(page[2] or 0))
        return True

    def translate(self, slug: str, number: int) -> str:
        """The place in a recipe's file of a line of its page."""
        root = Path(self.app.srcdir)
        name = f"{SUBDIR.replace('recipes', 'recipes_source', 1)}/{slug}.py"
        page, source = root / SUBDIR / f"{slug}.rst", root / name
        if not (page.is_file() and source.is_file()):
            return name
        text = page.read_text("utf-8")
        for entry in recipe_catalogue.read(root):
            if entry["slug"] == slug:  # Sphinx reads and counts more than is in the file
                text = framed(text, entry, self.app.env)
        lines = [line.strip() for line in text.splitlines()[:number]]
        while lines and not lines[-1]:  # it may count to the end of a paragraph
            lines.pop()
        if not lines:
            return name
        own = [line.removeprefix("#").strip() for line in source.read_text("utf-8").splitlines()]
        places = [i for i, line in enumerate(own, 1) if line == lines[-1]]
        nth = lines.count(lines[-1])
        return f"{name}:{places[min(nth, len(places)) - 1]}" if places else name


def setup(app: Sphinx) -> dict[str, Any]:
    for handler in logging.getLogger(NAMESPACE).handlers:
        handler.addFilter(SourceLines(app))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
