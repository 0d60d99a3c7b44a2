"""What a recipe's page says around the recipe: facts at the top, related recipes at the end.

Problem: a reader wants to know, before the first line, how long a recipe takes, what to read
before it and where to take it from; and at the end, where to go on.
Usage: list this extension; nothing is written in the recipes.
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

import recipe_catalogue
from atomic_files import read_json
from recipe_cards import record, times
from recipe_process import SUBDIR
from repository_links import launch_links

TITLE = re.compile(r"(?m)^.+\n([=~-])\1+\n")


def facts(entry: dict, env: BuildEnvironment) -> str:
    """The rst of a recipe's facts."""
    slug = entry["slug"]
    tags = [f"`{t} <../../index.html?tag={quote_plus(t)}>`__" for t in entry["tags"]]
    links = [f":download:`Notebook <{slug}.ipynb>`", f":download:`Script <{slug}.py>`"]
    lines = [".. rst-class:: recipe-facts", "", "- " + ", ".join(tags) if tags else ""]
    lines += [f"- {times(entry, env)}", *(f"- {link}" for link in links)]
    lines += [f"- ``uv run {slug}.py``", *(f"- {link}" for link in launch(slug, env)), ""]
    if entry["after"]:
        first = ", ".join(f":ref:`sphx_glr_recipes_recipes_{s}.py`" for s in entry["after"])
        lines += [".. rst-class:: recipe-after", "", f"Read before: {first}", ""]
    return "\n".join(lines)


def launch(slug: str, env: BuildEnvironment) -> list[str]:
    """The rst of the links that run a recipe elsewhere."""
    return launch_links(slug, env.config, read_json(record(slug, env)).get("environment", {}))


def framed(text: str, entry: dict, env: BuildEnvironment) -> str:
    """The rst of a recipe's page with what is said around the recipe."""
    if title := TITLE.search(text):
        top = facts(entry, env)
        text = f"{text[: title.end()]}\n{top}\n{text[title.end() :]}"
    for line in (f"``uv run {entry['slug']}.py``", " ".join(launch(entry["slug"], env))):
        text += f"\n\n.. rst-class:: recipe-facts\n\n{line}\n" if line else ""
    if entry["related"]:
        cards = f".. recipe-cards:: {' '.join(entry['related'])}"
        text += f"\n\n.. rubric:: Related recipes\n   :class: recipe-related\n\n{cards}\n"
    return text


def add(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put facts and relatives into the page of a recipe."""
    root = Path(app.srcdir)
    recipes = {f"{SUBDIR}/{e['slug']}": e for e in recipe_catalogue.read(root)}
    if docname not in recipes:
        return
    entry = recipes[docname]
    files = (root / recipe_catalogue.CATALOGUE, record(entry["slug"], app.env), __file__)
    for file in files:  # read again when it changes
        app.env.note_dependency(str(file))
    source[0] = framed(source[0], entry, app.env)


def describe(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Tell search engines and messengers the outcome, and show them the first figure."""
    entry = {f"{SUBDIR}/{e['slug']}": e for e in recipe_catalogue.read(Path(app.srcdir))}.get(page)
    if not entry:
        return
    outcome, picture = entry["outcome"], f"sphx_glr_{entry['slug']}_001.png"
    context["metatags"] += f'<meta name="description" content="{escape(outcome)}" />\n'
    card = {"og:description": escape(outcome)}
    if (Path(app.srcdir) / SUBDIR / "images" / picture).is_file():
        card["og:image"] = f"{app.config.html_baseurl}_images/{picture}"
        card["og:image:alt"] = escape(outcome)
    context["meta"] = {**(context["meta"] or {}), **card}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", add)
    app.connect("html-page-context", describe, priority=400)  # before sphinxext.opengraph
    return {"parallel_read_safe": True, "parallel_write_safe": True}
