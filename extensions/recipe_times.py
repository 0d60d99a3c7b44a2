"""The directive ``recipe-times``: what each recipe cost, and when it was verified.

Problem: readers want to know how long a recipe takes before they run it, and whether
somebody has run what they are about to download.
Usage: ``.. recipe-times::`` on any page, no arguments.
Result: a table with one row per recipe: a link to its page, its times and memory from the
last execution, the date on which script and notebook printed what the page shows with the
seconds each took (``make verify``), and a list of devices that were verified, too.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from atomic_files import read_json, write_json

HEAD = ("Recipe", "Wall, s", "CPU, s", "Peak, MB", "Executed on", "Verified on", "Script, notebook")


class RecipeTimes(SphinxDirective):
    """A table of the recorded costs and verifications of all recipes."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        state = root / "_build" / "recipe_runs"
        sources = (
            state / "summary.json",
            state / "verified.json",
            root / "docs/verified_devices.json",
        )
        for source in sources:  # read this page again when they change
            if not source.exists():  # which would count as a change in each build
                write_json(source, {})
            self.env.note_dependency(str(source))
        summary, verified, devices = map(read_json, sources)
        ran = {slug: cost for slug, cost in summary.items() if cost.get("executed")}
        if not ran:
            return self.parse_text_to_nodes("No recipe has been executed yet.")
        total = sum(cost["cpu"] for cost in ran.values())
        lines = [f"{len(ran)} recipes, {total:.0f} s of CPU time together.", ""]
        lines += [".. list-table::", "   :header-rows: 1", "", *row(*HEAD)]
        for slug, cost in sorted(ran.items(), key=lambda item: (-item[1]["cpu"], item[0])):
            numbers = (f"{cost['wall']:.1f}", f"{cost['cpu']:.1f}", f"{cost['peak']:.0f}")
            link = f":ref:`sphx_glr_recipes_recipes_{slug}.py`"
            lines += row(link, *numbers, cost["environment"]["date"], *proof(slug, cost, verified))
        for slug, cost in sorted(summary.items()):
            if why := cost.get("skipped"):
                link = f":ref:`sphx_glr_recipes_recipes_{slug}.py`"
                lines += row(link, "", "", "", "", "not executed", why)
        lines.append("")
        for name, result in sorted(devices.items()):
            count = len(result["recipes"])
            text = f"- {name}: {count} scripts, {result['date']}, torch {result['torch']}"
            lines.append(text)
        return self.parse_text_to_nodes("\n".join(lines))


def proof(slug: str, cost: dict, verified: dict) -> tuple[str, str]:
    """The date of a verification of what is published now, and its seconds."""
    result = verified.get(slug, {})
    if result.get("made of") != cost["made of"]:
        return "not yet", ""
    forms = [result["script"], result["notebook"]]
    if result["page"]["problem"] or any(form["problem"] for form in forms):
        return "it differs", ""
    return result["date"], ", ".join(f"{form['seconds']:.0f} s" for form in forms)


def row(*cells: str) -> list[str]:
    """One row of a list-table."""
    return [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(cells)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("recipe-times", RecipeTimes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
