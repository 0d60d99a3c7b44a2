"""Makes a recipe's page, script, notebook and picture from its text and its last execution.

Problem: a page must be made again when anything that it shows has changed, which is more than
what its execution depends on: prose, titles of pages that it links to, looks.
Usage: ``Typesetter(settings, store, recipes).bring_up_to_date(recipe)``, or ``publish`` with a
new execution.
Result: the files of the page, made in a folder of their own and put in the place of the old ones.
"""

import ast
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from . import gallery
from .files import digest
from .key import stable
from .model import Recipe, Run
from .notebook import LABEL, Links, label_of, make_notebook, prose_of
from .plugin import Plugin
from .settings import Settings
from .store import Store
from .varying import captioned

# The settings of Sphinx-Gallery that pages show. A change typesets them again, and runs nothing.
LOOKS = (
    "binder", "default_role", "jupyterlite", "line_numbers", "min_reported_time",
    "notebook_extensions", "recommender", "remove_config_comments", "show_memory",
    "show_signature", "thumbnail_size",
)  # fmt: skip


class Typesetter:
    """Typesets the recipes of one build."""

    def __init__(self, settings: Settings, store: Store, recipes: Iterable[Recipe]) -> None:
        self.settings, self.store = settings, store
        self.recipes = recipes  # all that can be linked to

    @cached_property
    def links(self) -> Links:
        """Where the labels and names in prose lead."""
        recipes = {
            label_of(recipe.docname): (recipe.docname, title_of(recipe) or recipe.slug)
            for recipe in self.recipes
        }
        return Links(recipes, self.settings.links, self.settings.base)

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
            label: self.links.recipes.get(label)
            for label in LABEL.findall(recipe.source.decode(errors="replace"))
        }
        limit = recipe.header.timeout
        made = (recipe.source, recipe.key, recipe.skip, limit, result, linked, self.common)
        return digest(repr(made))

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

    def convert_prose(self, recipe: Recipe) -> None:
        """Have the prose of a recipe's notebook ready, much of the work of typesetting it.

        Raises:
            Exception: whatever is wrong with the recipe.
        """
        with self.store.staged(recipe) as root:
            source = root / f"{recipe.docname}{recipe.path.suffix}"
            prose_of(gallery.split(source, self.settings.gallery)[1], self.links)

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

            blocks = gallery.split(source, options.gallery)[1]
            shown = captioned(run, [b.content for b in blocks if b.type == "code"]) if run else None

            def notebook(blocks: list) -> bytes:
                needs = recipe.header.dependencies
                return make_notebook(recipe.slug, blocks, run, needs, self.links)

            page = gallery.typeset(
                source,
                root,
                options.srcdir,
                options.gallery,
                shown,
                note(recipe, run, options.plugin),
                notebook,
            )
            options.plugin.finish(root)
            record = {
                **page,
                "source": digest(recipe.source),
                "key": run.key if run else recipe.key,
                "made of": self.made_of(recipe),
                "run": self.store.run_digest(recipe.docname),
                "executed": bool(run),
                "timeout": recipe.header.timeout,
                "skipped": recipe.skip,
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


def title_of(recipe: Recipe) -> str:
    """The title in a recipe's docstring, as plain text; "" if there is none."""
    try:
        text = ast.get_docstring(ast.parse(recipe.source)) or ""
        return gallery.title_and_intro(recipe.path.name, text)[0]
    except Exception:  # reported when it is executed or typeset
        return ""
