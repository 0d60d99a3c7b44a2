"""What all recipes are together: their order, their relatives, the names that they use.

Problem: an order, a list of related pages and an index that are kept by hand go stale; each
recipe knows only itself.
Usage: ``update`` hears of the published recipes in each build; ``read(root)`` wherever a page
shows several recipes. A recipe says what to read before it by ``after`` in its header.
Result: ``layout.CATALOGUE``, the recipes in the order of the learning path, and the page that
lists them. They are computed in each build, and written when they changed, so that pages
are made again only then.
"""

import ast
import heapq
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

from recipe_gallery import Header
from recipe_gallery.build import Build
from recipe_gallery.files import CannotWrite, read_json, write
from recipe_gallery.header import check_extra, read_header
from recipe_gallery.prose import heading

from . import layout, related, torch_plugin
from .layout import TAGS

logger = logging.getLogger(__name__)
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20  # of prose and of code, read to be understood


@dataclass(frozen=True)
class Entry:
    """One recipe in the catalogue."""

    slug: str
    title: str
    outcome: str  # the first paragraph of its docstring; code is between double backquotes
    tags: tuple[str, ...]
    after: tuple[str, ...]  # the slugs of recipes to read before
    minutes: int  # to read it
    searched_as: tuple[str, ...] = ()  # words for it that it does not use
    errors: tuple[str, ...] = ()  # messages that it explains, or parts of them
    older_errors: tuple[str, ...] = ()  # what earlier versions said in their place
    related: tuple[str, ...] = ()  # the slugs of those that are most like it, the nearest first

    @property
    def group(self) -> str:
        """Where it stands among the others: its first tag."""
        return self.tags[0] if self.tags else "Others"

    @property
    def summary(self) -> str:
        """Its outcome without markup."""
        return self.outcome.replace("``", "")

    @property
    def docname(self) -> str:
        """The name of its page."""
        return layout.docname(self.slug)


def title_and_outcome(source: str) -> tuple[str, str]:
    """The title and the first paragraph of a recipe's docstring, "" where there is none.

    Both are plain text; in the paragraph, code is between double backquotes.

    Raises:
        SyntaxError: if it is no Python.
    """
    return heading(ast.get_docstring(ast.parse(source)) or "")


def reading_minutes(source: str) -> int:
    """How long it takes to read a recipe, prose and code, in whole minutes."""
    lines = source.partition('"""')[2].splitlines()
    comments = [line for line in lines if line.startswith("#")]
    docstring = source.split('"""')[1] if '"""' in source else ""
    words = len(re.findall(r"\w\S*", " ".join([docstring, *comments])))
    code = len([line for line in lines if line.strip() and not line.startswith("#")])
    code -= len(docstring.splitlines())
    return max(1, round(words / WORDS_A_MINUTE + code / LINES_A_MINUTE))


def entry_of(slug: str, source: str) -> Entry:
    """A recipe's entry, as far as its text alone says."""
    try:
        header, (title, outcome) = read_header(source), title_and_outcome(source)
        check_extra(header, torch_plugin.fields)
    except (ValueError, SyntaxError):  # what is wrong with it, the run stage says
        header, title, outcome = Header(), slug, ""
    extra = {  # a text may be broken into lines
        name: tuple(" ".join(text.split()) for text in header.extra.get(name, ()))
        for name in torch_plugin.fields
    }
    minutes = reading_minutes(source)
    return Entry(slug, title or slug, outcome, header.tags, header.after, minutes, **extra)


def learning_path(entries: Iterable[Entry]) -> list[Entry]:
    """Recipes in the order in which to read them.

    Groups in the order of the tags, each recipe behind those of its group that it names in
    ``after``, and otherwise by title. No recipe draws one of a later group into its own.

    Raises:
        ValueError: if recipes wait for each other.
    """
    recipes = {entry.slug: entry for entry in entries}
    graph = {
        slug: [before for before in entry.after if before in recipes]
        for slug, entry in recipes.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise ValueError(f"'after' in the headers goes in a circle: {circle}") from None
    group = {slug: recipe.group for slug, recipe in recipes.items()}
    sorter = TopologicalSorter(
        {slug: [one for one in graph[slug] if group[one] == group[slug]] for slug in graph}
    )
    sorter.prepare()

    def rank(slug: str) -> tuple[int, str, str]:
        place = TAGS.index(group[slug]) if group[slug] in TAGS else len(TAGS)
        return place, recipes[slug].title.lower(), slug

    path: list[Entry] = []
    ready: list[tuple[int, str, str]] = []
    while sorter.is_active():
        for slug in sorter.get_ready():
            heapq.heappush(ready, rank(slug))
        slug = heapq.heappop(ready)[-1]
        path.append(recipes[slug])
        sorter.done(slug)
    return path


def make(root: Path, slugs: Iterable[str]) -> list[Entry]:
    """The catalogue of these recipes, from what was published of them, without an order.

    Raises:
        OSError, UnicodeDecodeError: if one of them cannot be read.
    """
    paths = sorted(root / layout.script(slug) for slug in slugs)
    scripts = {path: path.read_text("utf-8") for path in paths if path.is_file()}
    near = related.find(scripts, root / layout.RELATED)
    entries = [entry_of(path.stem, text) for path, text in scripts.items()]
    known = {entry.slug for entry in entries}
    return [
        replace(
            entry,
            after=tuple(slug for slug in entry.after if slug in known),
            related=tuple(near[entry.slug]),
        )
        for entry in entries
    ]


def update(app: Sphinx, build: Build) -> None:
    """Write the catalogue, and the page that lists all recipes, as far as they changed.

    Raises:
        SystemExit: with a sentence, if the disk is full or cannot be written.
    """
    root = Path(app.srcdir)
    try:
        path = ordered(app, make(root, filter(None, map(layout.slug_of, build.records()))))
        content = json.dumps([asdict(entry) for entry in path], indent=1)
        write(root / layout.CATALOGUE, content.encode())
        header = [part.header for part in build.sections if part.target == layout.PAGES]
        if header and not build.settings.index:  # else the run stage has written one
            write(root / f"{layout.INDEX}.rst", index_page(header[0], path).encode())
    except CannotWrite as error:
        raise SystemExit(str(error)) from None


def ordered(app: Sphinx, entries: list[Entry]) -> list[Entry]:
    """The learning path; if there is none, the build ends with an error and goes without."""
    try:
        return learning_path(entries)
    except ValueError as error:
        logger.error("%s: %s", layout.SOURCES, error)
        app.statuscode = 1
        return learning_path(replace(entry, after=()) for entry in entries)


def index_page(header: str, path: Iterable[Entry]) -> str:
    """The rst of the page that lists all recipes.

    Args:
        header: the text at its top.
        path: the recipes in the order of their pages' buttons "next" and "previous".
    """
    label = f"sphx_glr_{layout.PAGES.replace('/', '_')}"
    lines = [f".. _{label}:", "", header.strip(), "", ".. learning-path::", ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   /{entry.docname}" for entry in path)]
    return "\n".join(lines) + "\n"


def read(root: Path) -> list[Entry]:
    """The catalogue, in the order of the learning path; empty if there is none yet."""
    file = root / layout.CATALOGUE
    return parsed(file, file.stat().st_mtime_ns) if file.is_file() else []


@lru_cache(maxsize=1)
def parsed(file: Path, changed: int) -> list[Entry]:
    """The content of the file, read once for all pages and again when it ``changed``."""
    lists = ("tags", "after", "related", *torch_plugin.fields)
    return [
        Entry(**{**values, **{name: tuple(values[name]) for name in lists}})
        for values in json.loads(file.read_text("utf-8"))
    ]


def find(root: Path, docname: str) -> Entry | None:
    """The recipe of a page, None if it is not one of a recipe."""
    slug = layout.slug_of(docname)
    return next((entry for entry in read(root) if entry.slug == slug), None)


def api_names(root: Path, known: Iterable[str]) -> dict[str, list[Entry]]:
    """For each of the known names that a recipe uses, the recipes, in the path's order.

    From the names that the run stage found, in code and prose, for links in code. Of an
    object's class and its bases, the first that is known counts.
    """
    known, found = set(known), {}
    for entry in read(root):
        objects = read_json(root / f"{entry.docname}.codeobj.json")
        mine = set()
        for candidates in objects.values():
            names = (f"{c['module_short']}.{c['name']}" for c in candidates)
            mine.update([name for name in names if name in known][:1])
        for name in mine:
            found.setdefault(name, []).append(entry)
    return dict(sorted(found.items()))
