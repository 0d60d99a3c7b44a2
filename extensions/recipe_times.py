"""The directive ``recipe-times``: a table of what each recipe cost.

Problem: readers and authors want to know how long a recipe takes before they run it.
Usage: ``.. recipe-times::`` on any page, no arguments.
Result: a table with one row per recipe (a link to its page, wall and CPU seconds, peak
memory) and what it was executed with, from the costs that the last execution recorded.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from recipe_store import read_json


class RecipeTimes(SphinxDirective):
    """A table of the recorded costs of all recipes."""

    def run(self) -> list[nodes.Node]:
        summary = self.env.srcdir / "_build" / "recipe_runs" / "summary.json"
        self.env.note_dependency(str(summary))  # read this page again when costs change
        ran = {slug: c for slug, c in read_json(summary).items() if c.get("executed")}
        if not ran:
            return self.parse_text_to_nodes("No recipe has been executed yet.")
        total = sum(c["cpu"] for c in ran.values())
        lines = [
            f"{len(ran)} recipes, {total:.0f} s of CPU time together.",
            "",
            ".. list-table::",
            "   :header-rows: 1",
            "",
            *row("Recipe", "Wall time, s", "CPU time, s", "Peak memory, MB", "Executed with"),
        ]
        for slug, cost in sorted(ran.items(), key=lambda item: (-item[1]["cpu"], item[0])):
            made = cost["environment"]
            lines += row(
                f":ref:`sphx_glr_recipes_recipes_{slug}.py`",
                f"{cost['wall']:.1f}",
                f"{cost['cpu']:.1f}",
                f"{cost['peak']:.0f}",
                f"torch {made['torch']}, Python {made['python']}, {made['device']}",
            )
        return self.parse_text_to_nodes("\n".join(lines))


def row(*cells: str) -> list[str]:
    """One row of a list-table."""
    return [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(cells)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("recipe-times", RecipeTimes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
