"""Makes a recipe's page, script, notebook and picture from its text and its last execution.

Problem: a page must be made again when anything that it shows has changed, which is more than
what its execution depends on: prose, titles of pages that it links to, looks.
Usage: ``Typesetter(settings, store, recipes).bring_up_to_date(recipe)``, or ``publish`` with a
new execution.
Result: the files of the page, made in a folder of their own and put in the place of the old ones.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from . import gallery, sections, terminal
from .files import digest
from .key import stable
from .links import Links, Place, first_title, label_of, targets, written_labels
from .model import Recipe, Run
from .notebook import make_notebook
from .plugin import Plugin
from .prose import Prose, heading
from .settings import Settings
from .store import Store
from .varying import captioned, printed_digest

# The settings of Sphinx-Gallery that pages show. A change typesets them again, and runs nothing.
LOOKS = (
    "binder", "default_role", "jupyterlite", "line_numbers", "min_reported_time",
    "notebook_extensions", "recommender", "remove_config_comments", "show_memory",
    "show_signature", "thumbnail_size",
)  # fmt: skip


HIDDEN = re.compile(r"(?m)^[ \t]*#[ \t]*sphinx_gallery_(?:start|end)_ignore[ \t]*\n?")
CONFIG = re.compile(r"(?m)^[ \t]*#[ \t]*sphinx_gallery_\w+[ \t]*(?:=.*)?\n?")
NO_TITLE = (
    "it does not begin with a title: write one line, and below it as many ="
    " as the line has characters, four at least"
)
TWO_TITLES = "{!r} is underlined like the title; underline the sections of a recipe with -"


class Typesetter:
    """Typesets the recipes of one build."""

    def __init__(self, settings: Settings, store: Store, recipes: Iterable[Recipe]) -> None:
        self.settings, self.store = settings, store
        self.recipes = recipes  # all that can be linked to

    @cached_property
    def links(self) -> Links:
        """Where the labels and names in prose lead."""
        recipes, others, options = {}, set(), self.settings
        for recipe in self.recipes:
            title = title_of(recipe) or recipe.slug
            recipes[label_of(recipe.docname)] = Place(recipe.docname, title)
            others |= targets(recipe.source.decode(errors="replace"))
        labels: dict[str, Place] = {}
        if others - set(recipes):  # which few recipes need
            folders = sections.find(options.gallery, options.srcdir)
            labels = written_labels(options.srcdir, {folder.target for folder in folders})
            for folder in folders:
                label, page = folder.target.replace("/", "_"), f"{folder.target}/index"
                labels[f"sphx_glr_{label}"] = Place(page, first_title(folder.header))
        return Links(recipes, options.links, options.base, labels)

    @cached_property
    def common(self) -> str:
        """A checksum of what all pages are typeset from."""
        options = self.settings
        looks = {name: stable(options.gallery.get(name)) for name in LOOKS}
        picture = options.gallery.get("default_thumb_file")
        if picture and Path(picture).is_file():
            looks["default_thumb_file"] = digest(Path(picture).read_bytes())
        known = sorted(options.links.items())
        return digest(repr((options.typeset_by, options.base, known, sorted(looks.items()))))

    def made_of(self, recipe: Recipe) -> str:
        """A checksum of all that a page is typeset from."""
        result = self.store.run_digest(recipe.docname)
        linked = {
            target: self.links.place(target, recipe.docname)
            for target in sorted(targets(recipe.source.decode(errors="replace")))
        }
        limit = recipe.header.timeout
        first = self.first_cell(recipe)
        made = (recipe.source, recipe.key, recipe.skip, limit, result, linked, first, self.common)
        return digest(repr(made))

    def first_cell(self, recipe: Recipe) -> str:
        """What the plugin adds to the first code cell of a notebook."""
        code = recipe.key.get("code", "")
        return self.settings.plugin.first_cell(recipe.slug, code, self.settings.srcdir)

    def bring_up_to_date(self, recipe: Recipe) -> None:
        """Typeset a recipe from its last execution, if the page is not of that.

        Raises:
            Exception: whatever is wrong with the recipe.
            CannotWrite: if the page cannot be written.
        """
        if not self.store.is_current(recipe.docname, self.made_of(recipe)):
            run = self.store.run(recipe.docname)
            # With RECIPE= and without execution, outputs of this code are better than none.
            same = run and not recipe.skip and run.key.get("code") == recipe.key["code"]
            self.publish(recipe, run if same else None)

    def prose(self, recipe: Recipe, blocks: list, line: int) -> Prose:
        """What a recipe says; ``line`` is where it begins.

        Raises:
            ValueError: if it has no title, or two, and the site wants one.
        """
        texts = [block.content for block in blocks if block.type == "text"]
        page = self.settings.srcdir / f"{recipe.docname}.rst"
        role = self.settings.gallery["default_role"] or ""
        prose = Prose(texts, str(page), recipe.docname, role)
        if not self.settings.plugin.one_title:
            return prose
        found = prose.titles()
        if not found:
            raise ValueError(f"line {line}: {NO_TITLE}")
        if len(found) > 1:
            words = [line.lstrip("#").strip() for line in recipe.source.decode().splitlines()]
            second = found[1][0].rawsource
            line = words.index(second, words.index(found[0][0].rawsource) + 1) + 1
            raise ValueError(f"line {line}: {TWO_TITLES.format(second)}")
        return prose

    def twin(self, recipe: Recipe, blocks: list, prose: Prose) -> list[tuple[str, str]]:
        """The kind of each block of a page, and its text in Markdown or its code."""
        to_root = "../" * recipe.docname.count("/") or "./"
        text = iter(prose.markdown(replace(self.links, base=to_root, ending=".md")))
        return [(b.type, next(text) if b.type == "text" else b.content.strip()) for b in blocks]

    def publish(self, recipe: Recipe, run: Run | None) -> None:
        """Typeset a recipe's page and put it in the place of the old one; raises as above."""
        options = self.settings
        with self.store.staged(recipe) as root:
            source = root / f"{recipe.docname}{recipe.path.suffix}"
            images = source.parent / "images"
            images.mkdir()
            for cell in run.cells if run else ():
                for figure in cell.figures:
                    (images / figure.name).write_bytes(figure.content)

            _, blocks, tree = gallery.split(source, options.gallery)
            line = tree.body[0].lineno if tree else blocks[0].lineno
            prose = self.prose(recipe, blocks, line)
            codes = [block.content for block in blocks if block.type == "code"]
            shown = captioned(terminal.typeset(run), codes) if run else None

            def notebook() -> bytes:
                needs, text = recipe.header.dependencies, prose.markdown(self.links)
                code = runnable(blocks, options.gallery["remove_config_comments"])
                return make_notebook(recipe.slug, code, run, needs, text, self.first_cell(recipe))

            page, on_page = gallery.typeset(
                source,
                root,
                options.srcdir,
                options.gallery,
                shown,
                note(recipe, run, options.plugin),
                notebook,
            )
            has_twin = recipe.path.suffix in options.gallery["notebook_extensions"]
            options.plugin.finish(root)
            record = {
                **page,
                "source": digest(recipe.source),
                "key": run.key if run else recipe.key,
                "made of": self.made_of(recipe),
                "run": self.store.run_digest(recipe.docname),
                "executed": bool(run),
                "printed": printed_digest(run, codes) if run else "",
                "timeout": recipe.header.timeout,
                "skipped": recipe.skip,
                "twin": self.twin(recipe, on_page, prose) if has_twin else [],
            }
            if run:
                costs = {"wall": run.wall, "cpu": run.cpu, "peak": run.peak}
                record |= {**costs, "made with": run.made_with}
            self.store.publish(recipe.docname, root, record)


def note(recipe: Recipe, run: Run | None, plugin: Plugin) -> str:
    """The rst at a page's end: what its results were made with, or that there are none."""
    if run:
        text = plugin.provenance(run.made_with)
        return f"\n.. rst-class:: recipe-provenance\n\n   {text}\n\n"
    if not recipe.executable:  # nobody expects results
        return ""
    why = f": the machine that made it has {recipe.skip}" if recipe.skip else ""
    return f"\n.. warning::\n\n   This page was typeset without running its code{why}.\n\n"


def runnable(blocks: list, without_comments: bool) -> list:
    """A recipe's blocks with the code that its page hides, without the comments that hide it."""
    comments = CONFIG if without_comments else HIDDEN
    return [
        block._replace(content=comments.sub("", block.content)) if block.type == "code" else block
        for block in blocks
    ]


def title_of(recipe: Recipe) -> str:
    """The title in a recipe's docstring, as plain text; "" if there is none."""
    try:
        return heading(ast.get_docstring(ast.parse(recipe.source)) or "")[0]
    except Exception:  # reported when it is executed or typeset
        return ""
