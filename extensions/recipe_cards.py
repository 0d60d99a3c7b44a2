"""The directive ``recipe-cards``: a card per recipe, made from the recipe's own file.

Problem: cards that are registered by hand drift away from what the pages say.
Usage: ``.. recipe-cards::`` shows all recipes, ``.. recipe-cards:: slug slug`` these, in
this order, and the option ``:tag: Data`` those whose first tag it is.
Result: for each a picture (its first figure), its title as a link, its outcome (the first
sentence of its docstring) and its tags. Recipes that have no page yet are left out.
"""

import ast
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from recipe_header import read_header

PUBLISHED = Path("_build", "published_sources", "recipes")


def title_and_outcome(source: str) -> tuple[str, str]:
    """The title and the first paragraph of a recipe's docstring."""
    paragraphs = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    outcome = " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else ""
    return paragraphs[0].splitlines()[0] if paragraphs[0] else "", outcome


class RecipeCards(SphinxDirective):
    """Cards of all, of named, or of equally tagged recipes."""

    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {"tag": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        folder = Path(self.env.srcdir) / PUBLISHED
        self.env.note_dependency(str(folder))  # read again when a recipe comes or goes
        slugs = self.arguments[0].split() if self.arguments else []
        lines = [".. container:: recipe-cards", ""]
        for slug in slugs or sorted(path.stem for path in folder.glob("*.py")):
            path = folder / f"{slug}.py"
            if path.is_file():
                self.env.note_dependency(str(path))
                lines += self.card(slug, path.read_text("utf-8"))
        return self.parse_text_to_nodes("\n".join(lines))

    def card(self, slug: str, source: str) -> list[str]:
        """The rst of one card, indented into the container of all."""
        tags = read_header(source).tags
        if "tag" in self.options and self.options["tag"] != (tags or ("",))[0]:
            return []
        title, outcome = title_and_outcome(source)
        images = Path(self.env.srcdir, "recipes/recipes/images/thumb")
        card = [".. container:: recipe-card", ""]
        for image in sorted(images.glob(f"sphx_glr_{slug}_thumb.*"))[:1]:
            card += [f"   .. image:: /recipes/recipes/images/thumb/{image.name}"]
            card += ["      :alt:", "      :loading: lazy", ""]
        card += [f"   :ref:`{title} <sphx_glr_recipes_recipes_{slug}.py>`", ""]
        card += [f"   {outcome}", "", f"   *{', '.join(tags)}*" if tags else "", ""]
        return ["   " + line for line in card]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("recipe-cards", RecipeCards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
