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
from sphinx.environment import BuildEnvironment

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


def begin(app: Sphinx, builder: Builder) -> None:
    """Look once at what is the same on all pages."""
    app.recipe_menu = sections_of(app)


def newly_packed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """All pages, to be written anew, if there is a first thing to take away, or none any more."""
    before, env.has_packs = getattr(env, "has_packs", None), bool(layout.packs(Path(app.srcdir)))
    return sorted(env.found_docs) if before != env.has_packs else []


def add(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Give the templates the menu of this page."""
    recipes = catalogue.read(Path(app.srcdir))
    menu = []
    for caption, documents in app.recipe_menu:
        lines = []
        for title, doc in documents:
            lines.append(Line(title, doc, doc == page))
            if doc == layout.INDEX:
                lines += groups(recipes, app.config.root_doc, page)
        menu.append((caption, lines))
    context["menu"] = menu
