"""The menu at the side: the site's sections, the groups of recipes, the current group's recipes.

Problem: the theme lists every page of a section on each of its pages, and Sphinx resolves all
of them anew for each page: both the time and the bytes of a site grow with its square.
Usage: list this extension, and put ``side_menu.html`` into the theme's block ``menu``.
Result: templates have ``menu``: a list of (caption, entries), one for each toctree of the front
page; an entry is a dictionary with ``title``, ``doc``, ``anchor``, ``current``, ``entries``.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import recipe_catalogue
from recipe_process import SUBDIR


def entry(title: str, doc: str, page: str, entries: list = (), anchor: str = "") -> dict:
    """One line of the menu; it is current on its page and on those of its entries."""
    current = doc == page and not anchor or any(below["current"] for below in entries)
    return {
        "title": title, "doc": doc, "anchor": anchor, "current": current, "entries": entries,
    }  # fmt: skip


def groups(recipes: list[dict], root_doc: str, page: str) -> list[dict]:
    """The groups of recipes, that of the page with its recipes."""
    found = []
    for tag, members in groupby(recipes, lambda recipe: (recipe["tags"] or ["Others"])[0]):
        lines = [entry(r["title"], f"{SUBDIR}/{r['slug']}", page) for r in members]
        here = lines if any(line["current"] for line in lines) else []
        found.append(entry(tag, root_doc, page, here, nodes.make_id(tag)))
    return found


def of_all_pages(app: Sphinx) -> tuple[list, list[dict]]:
    """What is the same for all pages: the toctrees of the front page, and the recipes."""
    if not hasattr(app, "menu_parts"):
        trees = app.env.get_doctree(app.config.root_doc).findall(addnodes.toctree)
        titles = {doc: title.astext() for doc, title in app.env.titles.items()}
        sections = [(t["caption"], [(titles[d], d) for _, d in t["entries"]]) for t in trees]
        app.menu_parts = sections, recipe_catalogue.read(Path(app.srcdir))
    return app.menu_parts


def add_menu(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Give the templates the menu of this page."""
    sections, recipes = of_all_pages(app)
    menu = []
    for caption, documents in sections:
        entries = []
        for title, doc in documents:
            entries.append(entry(title, doc, page))
            if doc == f"{SUBDIR}/index":
                entries += groups(recipes, app.config.root_doc, page)
        menu.append((caption, entries))
    context["menu"] = menu


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_menu)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
