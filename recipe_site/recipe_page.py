"""What a recipe's page says around the recipe: facts at the top, related recipes at the end.

Problem: a reader wants to know, before the first line of the lesson, what it is good for, how long
it takes, what it needs, what to read before it and where to take it from; and at the end, where
to go on.
Usage: ``frame`` puts it into a page's source, ``head_tags`` into its head; nothing is written in
the recipes.
Result: below the title the outcome, one row of facts and actions, what to read before, and the
place of the page's contents; after the last line the cards of the most similar recipes. Search
engines and messengers get the first paragraph of a page as its description, and a recipe's first
figure.
"""

import re
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from recipe_gallery.files import read_json
from recipe_gallery.header import read_header

from . import catalogue, layout, tried
from .catalogue import Entry
from .directives import as_rst, link, needs, times
from .repository_links import launch_links
from .torch_plugin import DATASETS
from .versions import ran_on

# A title and the paragraph below it, the outcome.
TOP = re.compile(r"(?m)^.+\n([=~-])\1+\n+((?:[^\s].*\n)+)")
CONTENTS = "<!-- contents -->"  # where layout.html puts them
DESCRIPTIONS = {  # of pages without a text of their own
    "search": "Search all recipes by what you want to do, by an error message or by a name.",
    "404": "There is no page at this address.",
}


def frame(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put facts and relatives into the source of a recipe's page."""
    root = Path(app.srcdir)
    if entry := catalogue.find(root, docname):
        for file in (layout.CATALOGUE, layout.published(entry.slug), layout.TRIED):
            if (root / file).is_file():  # else it would count as changed in each build
                app.env.note_dependency(str(root / file))
        source[0] = framed(source[0], entry, app.env)


def framed(text: str, entry: Entry, env: BuildEnvironment) -> str:
    """The rst of a recipe's page with what is said around the recipe."""
    if top := TOP.search(text):
        copies, root = f"\n{layout.IN_YOUR_PROJECT}\n" in text, Path(env.srcdir)
        below = facts(entry, launch_links(entry.slug, env.config), copies, root)
        below += before_it_runs(entry, root)
        outcome = f".. rst-class:: recipe-outcome\n\n{top[2]}"
        text = f"{text[: top.start(2)]}{outcome}\n{below}\n{text[top.end() :]}"
    if entry.related:
        cards = f".. recipe-cards:: {' '.join(entry.related)}"
        text += f"\n\n.. rubric:: Related recipes\n   :class: recipe-related\n\n{cards}\n"
    return text


def facts(entry: Entry, launch: list[str], copies: bool, root: Path) -> str:
    """The rst of a recipe's facts and actions.

    Args:
        entry: the recipe.
        launch: the rst of the links that run it elsewhere.
        copies: whether it has a section with lines to copy.
        root: the documentation's root.
    """
    slug = entry.slug
    tags = [f"`{t} <../../index.html?tag={quote_plus(t)}>`__" for t in entry.tags]
    where = ran_on(slug, read_json(root / layout.published(slug)), tried.read(root))
    items = [", ".join(tags), times(entry, root), needs(entry, root), as_rst(where)]
    if copies:
        items.append(f"`Copy the lines <#{nodes.make_id(layout.IN_YOUR_PROJECT)}>`__")
    items += [f":download:`Notebook <{slug}.ipynb>`", f":download:`Script <{slug}.py>`"]
    items += [f"``uv run {slug}.py``", *launch, f"`Markdown <{slug}.md>`__"]
    lines = [".. rst-class:: recipe-facts", "", *(f"- {item}" for item in items if item), ""]
    if entry.after:
        first = ", ".join(map(link, entry.after))
        lines += [".. rst-class:: recipe-after", "", f"Read before: {first}", ""]
    return "\n".join([*lines, ".. raw:: html", "", f"   {CONTENTS}", ""])


def before_it_runs(entry: Entry, root: Path) -> str:
    """The rst of what readers must know first: what a download fetches, and missing outputs."""
    text, script = "", root / layout.script(entry.slug)
    for name in read_header(script.read_text("utf-8")).datasets if script.is_file() else ():
        text += (
            "\n.. rst-class:: recipe-fetches\n\n"
            f"Script and notebook fetch {DATASETS.get(name, name)}; :doc:`/docs/data` says "
            "how to do without.\n"
        )
    record = read_json(root / layout.published(entry.slug))
    if record and not record.get("executed"):
        text += "\n.. warning::\n\n   What its code prints is missing: it was not executed.\n"
    return text


def head_tags(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Tell search engines and messengers what a page is about, and show them the first figure."""
    root = Path(app.srcdir)
    if entry := catalogue.find(root, page):
        text = entry.summary
    else:
        first = next(doctree.findall(nodes.paragraph), None) if doctree else None
        text = " ".join(first.astext().split()) if first else DESCRIPTIONS.get(page, "")
    if not text:
        return
    tag = f'<meta name="description" content="{escape(text)}" />\n'
    context["metatags"] = context.get("metatags", "") + tag
    card = {"og:description": escape(text)}
    picture = f"sphx_glr_{entry.slug}_001.png" if entry else ""
    if entry and (root / layout.PAGES / "images" / picture).is_file():
        card["og:image"] = f"{app.config.html_baseurl}_images/{picture}"
        card["og:image:alt"] = escape(text)
    context["meta"] = {**(context.get("meta") or {}), **card}
