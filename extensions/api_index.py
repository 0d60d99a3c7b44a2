"""The directive ``api-index``: each name of PyTorch's interface, and the recipes that use it.

Problem: a reader who knows the name of a function looks for an example of it.
Usage: ``.. api-index::`` on any page, no arguments.
Result: a table of all documented names that recipes use in code or prose, each with a link
to the reference and to its recipes, in the order of the learning path.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import recipe_catalogue
from executed_notebooks import api_links

PROJECTS = ("torch", "torchvision")


class ApiIndex(SphinxDirective):
    """A table of names and recipes."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        names = sorted((root / "recipes/recipes").glob("*.codeobj.json"))
        for file in (root / recipe_catalogue.CATALOGUE, __file__, *names):
            self.env.note_dependency(str(file))
        mapping = self.config.intersphinx_mapping  # as Sphinx normalised it
        places = {name: mapping[name][1] for name in PROJECTS}
        known = api_links({name: (uri, files[0]) for name, (uri, files) in places.items()}, root)
        lines = [".. list-table::", "   :header-rows: 1", "   :class: api-index", ""]
        lines += ["   * - Name", "     - Recipes"]
        for name, slugs in recipe_catalogue.api_names(root, known).items():
            links = ", ".join(f":ref:`sphx_glr_recipes_recipes_{slug}.py`" for slug in slugs)
            lines += [f"   * - :py:obj:`{name}`", f"     - {links}"]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("api-index", ApiIndex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
