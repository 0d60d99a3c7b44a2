"""The directive ``recipe-cards``: a card per recipe, made from the recipe's own file.

Problem: cards that are registered by hand drift away from what the pages say.
Usage: ``.. recipe-cards::`` shows all recipes under a heading for each group, in the order of
the learning path, and a filter; ``.. recipe-cards:: slug slug`` these, in this order.
Sphinx-Gallery's own list of the recipes is replaced by the cards.
Result: for each a picture (its first figure), its title as a link, its outcome (the first
sentence of its docstring), its times and its tags. Recipes without a page are left out.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

import recipe_catalogue
from atomic_files import read_json
from recipe_header import TAGS

GALLERY = "recipes/recipes/index"
# site.js makes it work; without JavaScript it is not shown.
FILTER = """<form class="recipe-filter" role="search" aria-label="Filter the recipes">
<p><label><input type="search" name="q" placeholder="Filter by words" aria-label="Filter by words">
</label></p><fieldset aria-label="Filter by tags">{0}</fieldset>
<p><output>{1} of {1} recipes</output><button type="reset" hidden>Show all</button></p></form>"""

BOX = '<label><input type="checkbox" name="tag" value="{0}">{0}</label>'


def record(slug: str, env: BuildEnvironment) -> Path:
    """The file that says what a recipe's last execution cost."""
    return Path(env.srcdir, "_build", "recipe_runs", f"{slug}.published.json")


def times(entry: dict, env: BuildEnvironment) -> str:
    """How long it takes to read a recipe and, if it was executed, to run it."""
    cost = read_json(record(entry["slug"], env))
    run = f" · {max(1, round(cost['cpu']))} s to run" if cost.get("executed") else ""
    return f"{entry['minutes']} min to read{run}"


class RecipeCards(SphinxDirective):
    """Cards of all or of named recipes."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for file in (root / recipe_catalogue.CATALOGUE, __file__):  # read again when it changes
            self.env.note_dependency(str(file))
        recipes = {entry["slug"]: entry for entry in recipe_catalogue.read(root)}
        if self.arguments:
            chosen = [recipes[slug] for slug in self.arguments[0].split() if slug in recipes]
            return self.parse_text_to_nodes("\n".join(self.cards(chosen)))
        lines = []
        for tag, members in groupby(recipes.values(), lambda entry: (entry["tags"] or [""])[0]):
            lines += [tag or "Others", "-" * max(6, len(tag)), "", *self.cards(members)]
        cards = self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)
        used = {tag for entry in recipes.values() for tag in entry["tags"]}
        boxes = (BOX.format(tag) for tag in TAGS if tag in used)
        form = nodes.raw("", FILTER.format("".join(boxes), len(recipes)), format="html")
        return [addnodes.only("", form, expr="not epub"), *cards]

    def cards(self, entries: Any) -> list[str]:
        """The rst of some cards."""
        lines = [".. container:: recipe-cards", ""]
        for entry in entries:
            lines += ["   " + line for line in self.card(entry)]
        return lines if len(lines) > 2 else []

    def card(self, entry: dict) -> list[str]:
        """The rst of one card."""
        slug, facts = entry["slug"], f"{times(entry, self.env)} · {', '.join(entry['tags'])}"
        self.env.note_dependency(str(record(slug, self.env)))
        images = Path(self.env.srcdir, "recipes/recipes/images/thumb")
        card = [".. container:: recipe-card", ""]
        for image in sorted(images.glob(f"sphx_glr_{slug}_thumb.*"))[:1]:
            card += [f"   .. image:: /recipes/recipes/images/thumb/{image.name}"]
            card += ["      :alt:", "      :loading: lazy", ""]
        card += [f"   :ref:`{entry['title']} <sphx_glr_recipes_recipes_{slug}.py>`", ""]
        card += [f"   {entry['outcome']}", ""]
        return [
            *card,
            "   .. rst-class:: recipe-tags",
            "",
            f"   {facts}",
            "",
        ]


def replace_thumbnails(app: Sphinx, docname: str, source: list[str]) -> None:
    """In Sphinx-Gallery's list: its links have no name, and it knows neither times nor tags."""
    if docname == GALLERY:
        top, _, rest = source[0].partition(".. raw:: html")
        source[0] = f"{top}.. recipe-cards::\n\n{rest[rest.index('.. toctree::') :]}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("recipe-cards", RecipeCards)
    app.connect("source-read", replace_thumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
