"""The directives of this site: cards, the index of names, the table of times, the packs.

Problem: lists that are kept by hand drift away from what the pages say.
Usage: ``.. recipe-cards::`` shows all recipes below a heading for each group, in the order of the
learning path, with a filter, and ``.. recipe-cards:: slug slug`` these, in this order;
``.. api-index::``, ``.. recipe-times::`` and ``.. take-away::`` have no arguments.
Result: what the catalogue, the executions and the verification say now. A page that shows
it depends on the files that it is made of, so it is read again when one of them changes.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from recipe_gallery.files import read_json, write_json
from recipe_gallery.links import api_links

from . import catalogue, layout
from .catalogue import Entry

# site.js makes it work; without JavaScript it is not shown.
FILTER = """<form class="recipe-filter" role="search" aria-label="Filter the recipes">
<p><label><input type="search" name="q" placeholder="Filter by words" aria-label="Filter by words">
</label></p><fieldset aria-label="Filter by tags">{0}</fieldset>
<p><output>{1} of {1} recipes</output><button type="reset" hidden>Show all</button></p></form>"""
BOX = '<label><input type="checkbox" name="tag" value="{0}">{0}</label>'
PROJECTS = ("torch", "torchvision")  # whose names the index lists
TIMES = (
    "Recipe", "Wall, s", "CPU, s", "Peak, MB", "Executed on", "Verified on", "Script, notebook",
)  # fmt: skip
PACKS = {  # by how their names end
    "site.zip": "The site: unpack it and open index.html",
    "scripts.zip": "All scripts",
    "notebooks.zip": "All notebooks, with outputs",
    ".epub": "The book, for an e-reader",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]], name: str = "") -> list[str]:
    """The rst of a table.

    Args:
        head: the cells of its first row.
        rows: the cells of the others.
        name: its class in HTML.
    """
    lines = [".. list-table::", "   :header-rows: 1"]
    lines += [f"   :class: {name}"] if name else []
    lines.append("")
    for row in (head, *rows):
        lines += [f"   {' ' if i else '*'} - {cell}".rstrip() for i, cell in enumerate(row)]
    return lines


def link(slug: str) -> str:
    """The rst of a link to a recipe's page, with its title as text."""
    return f":ref:`{layout.label(slug)}`"


def as_rst(text: str) -> str:
    """The rst that shows a text, in which only code between double backquotes is marked."""
    parts = text.split("``")
    parts[::2] = [re.sub(r"([^\w\s])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"\\ ``{part}``\\ " for part in parts[1::2]]
    return "".join(parts)


def times(entry: Entry, root: Path) -> str:
    """How long it takes to read a recipe and, if it was executed, to run it."""
    published = read_json(root / layout.published(entry.slug))
    seconds = max(1, round(published["cpu"])) if published.get("executed") else 0
    return f"{entry.minutes} min to read" + (f" · {seconds} s to run" if seconds else "")


class Directive(SphinxDirective):
    """What all of ours share."""

    @property
    def root(self) -> Path:
        """The documentation's root."""
        return Path(self.env.srcdir)

    def depends_on(self, *files: str | Path) -> None:
        """Have the page read again when one of these files changes."""
        for file in files:
            self.env.note_dependency(str(self.root / file))

    def parsed(self, lines: list[str], **options: Any) -> list[nodes.Node]:
        """The nodes of some rst."""
        found = self.parse_text_to_nodes("\n".join(lines), **options)
        for node in (below for one in found for below in one.findall(nodes.Element)):
            node.source, node.line = self.get_source_info()  # where it can be mended
        return found


class RecipeCards(Directive):
    """Cards of all or of named recipes.

    Each has a picture (the first figure), the title as a link, the outcome, the times and the
    tags. Recipes without a page are left out.
    """

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The nodes of the cards and of the filter."""
        self.depends_on(layout.CATALOGUE)
        recipes = {entry.slug: entry for entry in catalogue.read(self.root)}
        if self.arguments:
            chosen = [recipes[slug] for slug in self.arguments[0].split() if slug in recipes]
            return self.parsed(self.cards(chosen))
        lines = []
        for group, members in groupby(recipes.values(), lambda entry: entry.group):
            lines += [group, "-" * max(6, len(group)), "", *self.cards(members)]
        used = {tag for entry in recipes.values() for tag in entry.tags}
        boxes = (BOX.format(tag) for tag in catalogue.TAGS if tag in used)
        form = nodes.raw("", FILTER.format("".join(boxes), len(recipes)), format="html")
        cards = self.parsed(lines, allow_section_headings=True)
        return [addnodes.only("", form, expr="not epub"), *cards]

    def cards(self, entries: Iterable[Entry]) -> list[str]:
        """The rst of some cards."""
        lines = [".. container:: recipe-cards", ""]
        for entry in entries:
            lines += ["   " + line for line in self.card(entry)]
        return lines if len(lines) > 2 else []

    def card(self, entry: Entry) -> list[str]:
        """The rst of one card."""
        self.depends_on(layout.published(entry.slug))
        lines = [".. container:: recipe-card", ""]
        pictures = (self.root / layout.THUMBNAILS).glob(f"sphx_glr_{entry.slug}_thumb.*")
        for picture in sorted(pictures)[:1]:
            lines += [f"   .. image:: /{layout.THUMBNAILS}/{picture.name}"]
            lines += ["      :alt:", "      :loading: lazy", ""]
        lines += [f"   :ref:`{as_rst(entry.title)} <{layout.label(entry.slug)}>`", ""]
        lines += [f"   {as_rst(entry.outcome)}", "", "   .. rst-class:: recipe-tags", ""]
        facts = filter(None, (times(entry, self.root), ", ".join(entry.tags)))
        return [*lines, f"   {' · '.join(facts)}", ""]


class ApiIndex(Directive):
    """A table of the documented names that recipes use in code or prose.

    Each has a link to the reference and to its recipes, in the order of the learning path.
    """

    def run(self) -> list[nodes.Node]:
        """The nodes of the table."""
        names = (self.root / layout.PAGES).glob("*.codeobj.json")
        self.depends_on(layout.CATALOGUE, *sorted(names))
        inventories = self.config.intersphinx_mapping
        known = api_links({name: inventories[name] for name in PROJECTS}, self.root)
        rows = [
            (f":py:obj:`{name}`", ", ".join(link(entry.slug) for entry in entries))
            for name, entries in catalogue.api_names(self.root, known).items()
        ]
        return self.parsed(table(("Name", "Recipes"), rows, "api-index"))


class RecipeTimes(Directive):
    """A table of what the last execution of each recipe cost, and when it was verified.

    One row per recipe: a link to its page, its times and memory, the date on which
    script and notebook printed what the page shows with the seconds that each took (``make
    verify``). Below it, the devices that were verified, too.
    """

    def run(self) -> list[nodes.Node]:
        """The nodes of the table and of the list."""
        files = (layout.SUMMARY, layout.VERIFIED, layout.VERIFIED_DEVICES)
        for file in files:
            if not (self.root / file).exists():  # which would count as a change in each build
                write_json(self.root / file, {})
        self.depends_on(*files)
        summary, verified, devices = (read_json(self.root / file) for file in files)
        costs = {layout.slug_of(docname): cost for docname, cost in summary.items()}
        executed = {slug: cost for slug, cost in costs.items() if slug and cost.get("executed")}
        if not executed:
            return self.parsed(["No recipe has been executed yet."])
        total = sum(cost["cpu"] for cost in executed.values())
        lines = [f"{len(executed)} recipes, {total:.0f} s of CPU time together.", ""]
        rows = []
        for slug, cost in sorted(executed.items(), key=lambda item: (-item[1]["cpu"], item[0])):
            numbers = (f"{cost['wall']:.1f}", f"{cost['cpu']:.1f}", f"{cost['peak']:.0f}")
            proof = proven(cost, verified.get(layout.docname(slug), {}))
            rows.append((link(slug), *numbers, cost["made with"]["date"], *proof))
        for slug, cost in sorted(costs.items()):
            if why := slug and cost.get("skipped"):
                rows.append((link(slug), "", "", "", "", "not executed", why))
        lines += [*table(TIMES, rows), ""]
        for name, result in sorted(devices.items()):
            count = len(result["recipes"])
            lines.append(f"- {name}: {count} scripts, {result['date']}, torch {result['torch']}")
        return self.parsed(lines)


def proven(cost: dict, result: dict) -> tuple[str, str]:
    """The date of a verification of what is published now, and its seconds.

    Args:
        cost: of the recipe, from ``layout.SUMMARY``.
        result: of the recipe, from ``layout.VERIFIED``; empty if there is none.
    """
    if result.get("made of") != cost["made of"]:
        return "not yet", ""
    forms = [result["script"], result["notebook"]]
    if result["page"]["problem"] or any(form["problem"] for form in forms):
        return "it differs", ""
    return result["date"], ", ".join(f"{form['seconds']:.0f} s" for form in forms)


class TakeAway(Directive):
    """A list of the packs with their sizes, or the commands that make them."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the list."""
        lines = []
        for path in layout.packs(self.root):
            self.depends_on(path)
            what = next(words for end, words in PACKS.items() if path.name.endswith(end))
            address = path.relative_to(self.root).as_posix()
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            lines.append(f"- :download:`{what} </{address}>`, {size}")
        missing = "The book and the zip files are made by ``make epub zips html``."
        return self.parsed(lines or [missing])


DIRECTIVES = {
    "recipe-cards": RecipeCards, "api-index": ApiIndex,
    "recipe-times": RecipeTimes, "take-away": TakeAway,
}  # fmt: skip
