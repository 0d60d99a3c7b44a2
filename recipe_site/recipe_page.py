"""What a recipe's page says around the recipe: facts at the top, related recipes at the end.

Problem: a reader wants to know, before the first line, how long a recipe takes, what to read
before it and where to take it from; and at the end, where to go on.
Usage: ``frame`` puts it into a page's source, ``head_tags`` into its head; nothing is written in
the recipes.
Result: below the title a line with groups, times and downloads, and below that what to read
before; after the last line the command and the cards of the most similar recipes. Search engines
and messengers get the outcome as the description, and the first figure.
"""

import re
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from recipe_gallery.files import read_json
from recipe_gallery.header import read_header

from . import catalogue, layout
from .catalogue import Entry
from .directives import link, times
from .repository_links import launch_links
from .torch_plugin import DATASETS

TITLE = re.compile(r"(?m)^.*\w.*\n([^\w\s])\1+\n")


def frame(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put facts and relatives into the source of a recipe's page."""
    root = Path(app.srcdir)
    if entry := catalogue.find(root, docname):
        for file in (layout.CATALOGUE, layout.published(entry.slug)):
            app.env.note_dependency(str(root / file))
        source[0] = framed(source[0], entry, app.env)


def framed(text: str, entry: Entry, env: BuildEnvironment) -> str:
    """The rst of a recipe's page with what is said around the recipe."""
    launch = launched(entry, env)
    if title := TITLE.search(text):
        top = facts(entry, launch, Path(env.srcdir)) + before_it_runs(entry, Path(env.srcdir))
        text = f"{text[: title.end()]}\n{top}\n{text[title.end() :]}"
    for line in (f"``uv run {entry.slug}.py``", " ".join(launch)):
        text += f"\n\n.. rst-class:: recipe-facts\n\n{line}\n" if line else ""
    if entry.related:
        cards = f".. recipe-cards:: {' '.join(entry.related)}"
        text += f"\n\n.. rubric:: Related recipes\n   :class: recipe-related\n\n{cards}\n"
    return text


def facts(entry: Entry, launch: list[str], root: Path) -> str:
    """The rst of a recipe's facts.

    Args:
        entry: the recipe.
        launch: the rst of the links that run it elsewhere.
        root: the documentation's root.
    """
    slug = entry.slug
    tags = [f"`{t} <../../index.html?tag={quote_plus(t)}>`__" for t in entry.tags]
    downloads = [f":download:`Notebook <{slug}.ipynb>`", f":download:`Script <{slug}.py>`"]
    items = [times(entry, root), *downloads, f"``uv run {slug}.py``", *launch]
    lines = [".. rst-class:: recipe-facts", "", "- " + ", ".join(tags) if tags else ""]
    lines += [*(f"- {item}" for item in items), ""]
    if entry.after:
        first = ", ".join(map(link, entry.after))
        lines += [".. rst-class:: recipe-after", "", f"Read before: {first}", ""]
    return "\n".join(lines)


def before_it_runs(entry: Entry, root: Path) -> str:
    """The rst of what readers must know first: what a download fetches, and missing outputs."""
    text, script = "", root / layout.script(entry.slug)
    for name in read_header(script.read_text("utf-8")).datasets if script.is_file() else ():
        text += (
            f"\nScript and notebook fetch {DATASETS.get(name, name)}; :doc:`/docs/data` says "
            "how to do without.\n"
        )
    record = read_json(root / layout.published(entry.slug))
    if record and not record.get("executed"):
        text += "\n.. warning::\n\n   What its code prints is missing: it was not executed.\n"
    return text


def launched(entry: Entry, env: BuildEnvironment) -> list[str]:
    """The rst of the links that run a recipe elsewhere."""
    published = read_json(Path(env.srcdir, layout.published(entry.slug)))
    return launch_links(entry.slug, env.config, published.get("made with", {}))


def head_tags(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Tell search engines and messengers the outcome, and show them the first figure."""
    root = Path(app.srcdir)
    if not (entry := catalogue.find(root, page)):
        return
    outcome, picture = escape(entry.summary), f"sphx_glr_{entry.slug}_001.png"
    context["metatags"] += f'<meta name="description" content="{outcome}" />\n'
    card = {"og:description": outcome}
    if (root / layout.PAGES / "images" / picture).is_file():
        card["og:image"] = f"{app.config.html_baseurl}_images/{picture}"
        card["og:image:alt"] = outcome
    context["meta"] = {**(context["meta"] or {}), **card}
