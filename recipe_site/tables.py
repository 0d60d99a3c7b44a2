"""The directives that show results: the table of times and proofs, and what can be taken away.

Problem: numbers that are kept by hand are soon wrong.
Usage: ``.. recipe-times::`` and ``.. take-away::``, without arguments.
Result: what the executions and the verification say now, in the columns that have something to
say. The page is read again when one of their files changes.
"""

from collections.abc import Iterable

from docutils import nodes

from recipe_gallery.files import read_json, write_json

from . import layout
from .directives import Directive, link

TIMES = ("Recipe", "Wall, s", "CPU, s", "Peak, MB", "Executed", "Verified", "Script, notebook")
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
        shown = [i for i, name in enumerate(TIMES) if any(row[i] for row in rows)]
        rows = [[row[i] for i in shown] for row in rows]
        lines += [*table([TIMES[i] for i in shown], rows, "recipe-times"), ""]
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
        missing = "The book and the zip files of a built site are made by ``make epub zips html``."
        return self.parsed(lines or [missing])


DIRECTIVES = {"recipe-times": RecipeTimes, "take-away": TakeAway}
