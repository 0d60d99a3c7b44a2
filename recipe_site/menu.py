"""The menu at the side: the site's sections, the groups of recipes, the current group's recipes.

Problem: the theme lists every page of a section on each of its pages, and Sphinx resolves all
of them anew for each page: both the time and the bytes of a site grow with its square.
Usage: put ``side_menu.html`` into the theme's block ``menu``.
Result: templates have ``menu``: a list of (caption, lines), one for each toctree of the front
page. A line is a :class:`Line`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders import Builder

from . import catalogue, layout
from .catalogue import Entry

Sections = list[tuple[str, list[tuple[str, str]]]]  # captions, and titles with their pages


@dataclass(frozen=True)
class Line:
    """One line of the menu."""

    title: str
    doc: str  # the page that it leads to
    current: bool  # whether the menu stands on that page, or on one of a line below
    anchor: str = ""  # the place on that page
    lines: tuple["Line", ...] = ()  # those below it


def sections_of(app: Sphinx) -> Sections:
    """The toctrees of the front page."""
    trees = app.env.get_doctree(app.config.root_doc).findall(addnodes.toctree)
    titles = {doc: title.astext() for doc, title in app.env.titles.items()}
    if not layout.packs(Path(app.srcdir)):
        titles.pop(layout.TAKE_AWAY, None)  # it would promise what is not there
    return [
        (tree["caption"], [(titles[doc], doc) for _, doc in tree["entries"] if doc in titles])
        for tree in trees
    ]


def groups(recipes: Iterable[Entry], root_doc: str, page: str) -> list[Line]:
    """The groups of recipes, that of the page with its recipes."""
    found = []
    for group, members in groupby(recipes, lambda entry: entry.group):
        below = tuple(Line(e.title, e.docname, e.docname == page) for e in members)
        here = any(line.current for line in below)
        found.append(Line(group, root_doc, here, nodes.make_id(group), below if here else ()))
    return found


def lines(app: Sphinx, sections: Sections, page: str) -> list[tuple[str, list[Line]]]:
    """The menu of one page."""
    recipes = catalogue.read(Path(app.srcdir))
    menu = []
    for caption, documents in sections:
        below = []
        for title, doc in documents:
            below.append(Line(title, doc, doc == page))
            if doc == layout.INDEX:
                below += groups(recipes, app.config.root_doc, page)
        menu.append((caption, below))
    return menu


def begin(app: Sphinx, builder: Builder) -> None:
    """Look once at what is the same on all pages."""
    app.recipe_menu = sections_of(app)


def add(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Give the templates the menu of this page."""
    context["menu"] = lines(app, app.recipe_menu, page)
