"""The index of error messages: what recipes reproduce, with the words that PyTorch has for it now.

Problem: somebody pastes a message and wants to know what to do; a list of messages that is typed by
hand goes stale with the next version.
Usage: ``errors`` in a recipe's header has messages that the recipe explains, or parts of them, and
``older_errors`` what earlier versions said. ``.. error-index::`` has no arguments.
Result: a list of the messages in groups of recipes, each as the last execution printed it. One
that was not printed is a warning with file and line, and a problem for ``make lint``.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

from recipe_gallery.files import read_json
from recipe_gallery.store import Store
from recipe_gallery.terminal import shown

from . import catalogue, layout
from .catalogue import Entry
from .directives import Directive, link

logger = logging.getLogger(__name__)
BEFORE = r"(?:[\w.]*(?:Error|Exception|Warning): )?"  # its class, if that was printed, too
WHILE = {  # what a reader does who meets the messages of a group
    "Basics": "Building models and taking gradients",
    "Tensors": "Computing with tensors",
    "Data": "Loading data",
    "Losses": "Computing a loss",
    "Training": "Training",
    "Sequences": "Working with sequences",
    "Saving and loading": "Saving and loading",
    "Inspection": "Looking into a model",
    "Performance": "Making it faster or smaller",
    "Compile and export": "Compiling and exporting",
    "Distributed": "Training in several processes",
    "Deployment": "Deploying",
    "Errors": "Elsewhere",
}


def as_printed(message: str, text: str) -> str:
    """A message with the rest of its line, as a recipe printed it; "" if it did not.

    Args:
        message: all or part of it; white space in it is any white space.
        text: all that the recipe printed.
    """
    words = r"\s+".join(map(re.escape, message.split()))
    found = re.search(f"{BEFORE}{words}.*", text)
    return " ".join(found[0].split()) if found else ""


def printed(entry: Entry, root: Path) -> str | None:
    """All that a recipe printed when it was executed last, None if that is not known."""
    run = Store(root, root / layout.STATE).run(entry.docname)
    return shown(run.text) if run else None


def unprinted(slug: str, root: Path) -> Iterator[tuple[int, str]]:
    """The lines of a recipe's header that name a message which its execution did not print.

    Nothing is known, and none found, if the recipe was not executed with its present code.

    Args:
        slug: of the recipe.
        root: the documentation's root.

    Raises:
        OSError, ValueError: if the recipe cannot be read.
    """
    source = (root / layout.source(slug)).read_text("utf-8")
    published = root / layout.script(slug)
    executed = read_json(root / layout.published(slug)).get("executed")
    if not executed or not published.is_file() or published.read_text("utf-8") != source:
        return
    entry = catalogue.entry_of(slug, source)
    if not entry.errors or (text := printed(entry, root)) is None:
        return
    for message in entry.errors:
        if not as_printed(message, text):
            place = re.search(r"\s+(?:# +)?".join(map(re.escape, message.split())), source)
            line = source.count("\n", 0, place.start() if place else 0) + 1
            yield line, f"errors: the recipe does not print {message!r}: print it, or leave it out"


def printed_messages(entry: Entry, root: Path) -> list[str]:
    """The messages that a recipe explains, whole, as its last execution printed them."""
    text = printed(entry, root) or ""
    return [as_printed(message, text) or message for message in entry.errors]


class ErrorIndex(Directive):
    """The messages, in the groups of recipes and in the order of the learning path."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the list."""
        self.depends_on(layout.CATALOGUE)
        entries = [e for e in catalogue.read(self.root) if e.errors or e.older_errors]
        lines = []
        for group, members in groupby(entries, lambda entry: entry.group):
            heading = WHILE.get(group, group)
            lines += [heading, "-" * len(heading), ""]
            for entry in members:
                self.depends_on(layout.published(entry.slug))
                lines += self.messages(entry)
        return self.parsed(lines or ["No recipe names a message."], allow_section_headings=True)

    def messages(self, entry: Entry) -> list[str]:
        """The rst of one recipe's messages: its link, what it prints, older words."""
        for line, what in unprinted(entry.slug, self.root):
            logger.warning(what, location=f"{self.root / layout.source(entry.slug)}:{line}")
        now = printed_messages(entry, self.root)
        lines = [".. container:: error-messages wraps", "", f"   {link(entry.slug)}", ""]
        for title, found in (("", now), ("In other versions:", entry.older_errors)):
            lines += [f"   {title}", ""] if title and found else []
            for message in found:
                lines += ["   .. code-block:: none", "", f"      {message}", ""]
        return lines
