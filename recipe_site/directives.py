"""The directives that show recipes: cards, the learning path, the index of names.

Problem: lists that are kept by hand drift away from what the pages say.
Usage: ``.. recipe-cards::`` shows all recipes below a heading for each group, in the order of the
learning path, with a filter, and ``.. recipe-cards:: slug slug`` these, in this order;
``.. learning-path::`` and ``.. api-index::`` have no arguments.
Result: what the catalogue and the pages say now. A page that shows it depends on the files that
it is made of, so it is read again when one of them changes.
"""

import re
from collections.abc import Iterable
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from recipe_gallery import Header
from recipe_gallery.files import read_json
from recipe_gallery.header import read_header
from recipe_gallery.links import api_links

from . import catalogue, layout
from .catalogue import Entry

# site.js makes it work; without JavaScript it is not shown.
FILTER = """<form class="recipe-filter" role="search" aria-label="Filter the recipes">
<p><label><input type="search" name="q" placeholder="Filter by words" aria-label="Filter by words">
</label></p><fieldset aria-label="Filter by tags">{0}</fieldset>
<p><output>{1} of {1} recipes</output><button type="reset" hidden>Show all</button></p></form>"""
BOX = '<label><input type="checkbox" name="tag" value="{0}">{0}</label>'
NEEDS = {"c++": "a C++ compiler", "torchrun": "Linux or macOS"}  # by what headers require
PROJECTS = ("torch", "torchvision")  # whose names the index lists
API_FILTER = """<form class="api-filter" role="search" aria-label="Filter the names"><p><label>
<input type="search" placeholder="Filter by name" aria-label="Filter by name"></label>
<output>{0} names</output></p></form>"""
MANY = 3  # recipes that a name of the index shows at once


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
    """How long it takes to read a recipe and, if it was executed, until it has run."""
    published = read_json(root / layout.published(entry.slug))
    seconds = max(1, round(published["wall"])) if published.get("executed") else 0
    return f"{entry.minutes} min to read" + (f" · {seconds} s to run" if seconds else "")


def needs(entry: Entry, root: Path) -> str:
    """What a recipe needs that not every machine has, "" if nothing."""
    script = root / layout.script(entry.slug)
    try:
        header = read_header(script.read_text("utf-8")) if script.is_file() else Header()
    except ValueError:  # the run stage says what is wrong
        header = Header()
    found = ["several processes"] if header.cpus > 1 else []
    found += [f"{header.gpus:g} GPU"] if header.gpus else []
    found += [NEEDS.get(tool, tool) for tool in header.requires]
    return f"needs {', '.join(found)}" if found else ""


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
            first = self.arguments and self.env.docname == self.config.root_doc
            lines += ["      :alt:", "" if first else "      :loading: lazy", ""]
        lines += [f"   :ref:`{as_rst(entry.title)} <{layout.label(entry.slug)}>`", ""]
        lines += [f"   {as_rst(entry.outcome)}", "", "   .. rst-class:: recipe-tags", ""]
        tags = ", ".join(entry.tags)
        facts = filter(None, (times(entry, self.root), needs(entry, self.root), tags))
        return [*lines, f"   {' · '.join(facts)}", ""]


class LearningPath(Directive):
    """All recipes as a numbered list in the order to read them, with what each builds on."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the list."""
        self.depends_on(layout.CATALOGUE)
        recipes = catalogue.read(self.root)
        numbers = {entry.slug: number for number, entry in enumerate(recipes, 1)}
        lines = []
        for group, members in groupby(recipes, lambda entry: entry.group):
            lines += [group, "-" * max(6, len(group)), "", ".. rst-class:: learning-path", ""]
            for entry in members:
                before = [f":ref:`{numbers[s]} <{layout.label(s)}>`" for s in entry.after]
                after = f" (after {', '.join(before)})" if before else ""
                number = f"{numbers[entry.slug]}. "
                lines += [f"{number}{link(entry.slug)}{after}", ""]
                lines += [" " * len(number) + entry.outcome, ""]
        return self.parsed(lines, allow_section_headings=True)


class ApiIndex(Directive):
    """The documented names that recipes use in code or prose, by module.

    Each has a link to the reference and to its recipes, in the order of the learning path; of
    many the first few are shown, the others when they are asked for.
    """

    def run(self) -> list[nodes.Node]:
        """The nodes of the filter and of the lists."""
        self.depends_on(layout.CATALOGUE)
        for entry in catalogue.read(self.root):
            names = f"{entry.docname}.codeobj.json"
            # A recipe that uses no name yet has no such file; its record tells when it does.
            known = (self.root / names).is_file()
            self.depends_on(names if known else layout.published(entry.slug))
        inventories = self.config.intersphinx_mapping
        known = api_links({name: inventories[name] for name in PROJECTS}, self.root)
        found = catalogue.api_names(self.root, known)
        lines = []
        for module, members in groupby(sorted(found, key=by_module), module_of):
            lines += [module, "-" * max(6, len(module)), "", ".. rst-class:: api-index", ""]
            for name in members:
                lines += [f":py:obj:`{name}`", *self.recipes(found[name]), ""]
        form = nodes.raw("", API_FILTER.format(len(found)), format="html")
        parsed = self.parsed(lines, allow_section_headings=True)
        return [addnodes.only("", form, expr="not epub"), *parsed]

    def recipes(self, entries: list[Entry]) -> list[str]:
        """The rst of the links to some recipes, as what a name stands for in a list."""
        links = [f"- {link(entry.slug)}" for entry in entries]
        if len(links) <= MANY + 1:
            return [f"   {line}" for line in links]
        rest = f"<details><summary>and {len(links) - MANY} more</summary>"
        parts = (links[:MANY], ["", ".. raw:: html", "", f"   {rest}", ""], links[MANY:])
        end = ["", ".. raw:: html", "", "   </details>"]
        return [f"   {line}".rstrip() for line in [*parts[0], *parts[1], *parts[2], *end]]


def module_of(name: str) -> str:
    """The module of a documented name, ``torch.Tensor`` for what tensors can do."""
    if name.startswith("torch.Tensor"):
        return "torch.Tensor"
    *modules, _ = name.split(".")
    return ".".join(takewhile(str.islower, modules))


def by_module(name: str) -> tuple[str, str]:
    """The order of the index."""
    return module_of(name), name


DIRECTIVES = {"recipe-cards": RecipeCards, "learning-path": LearningPath, "api-index": ApiIndex}
