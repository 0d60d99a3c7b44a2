"""The directives that show on which versions recipes ran, and what changed between two releases.

Problem: who upgrades wants to know what will print something else, of all recipes at once.
Usage: ``.. version-table::`` and ``.. version-changes::``, without arguments.
Result: a table of recipes and environments, where a row that is no longer true is shown as stale;
and for each release and the one before it, the recipes that print something else or fail, with
the difference. The page is read again when the record or a recipe changes.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from difflib import unified_diff
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from docutils import nodes

from recipe_gallery.files import read_json

from . import catalogue, layout, tried
from .directives import Directive, as_rst, link
from .tables import table
from .tried import DIFFERS, FAILS, NEEDS, SAME, Record
from .versions import Trial, short, trials

# Words would not fit a phone.
MARKS = {SAME: "=", DIFFERS: "≠", NEEDS: "✗", FAILS: "✗"}
NAMES = {"torch": "torch", "python": "Python"}
STALE, NOT_TRIED = "~", "·"
LEGEND = (
    (MARKS[SAME], "prints the same as its page"),
    (MARKS[DIFFERS], "prints something else: see :doc:`/docs/version_changes`"),
    (MARKS[FAILS], "fails, or needs what is not there; its page says which"),
    (STALE, "was tried, and has changed since"),
    (NOT_TRIED, "not tried yet"),
)


class Versions(Directive):
    """What both directives share."""

    def published(self) -> dict[str, dict]:
        """What is published of each recipe that was executed, in the order of the learning path."""
        self.depends_on(layout.CATALOGUE)
        for file in (layout.VERSIONS, layout.TRIED):
            if (self.root / file).is_file():  # else it would count as changed in each build
                self.depends_on(file)
        found = {}
        for entry in catalogue.read(self.root):
            self.depends_on(layout.published(entry.slug))
            found[entry.slug] = read_json(self.root / layout.published(entry.slug))
        return {
            slug: record
            for slug, record in found.items()
            if record.get("executed") and "torch" in record["made with"]
        }


class VersionTable(Versions):
    """A table with a row for each recipe and a column for each environment, and what it means."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the legend and of the table."""
        published, record = self.published(), tried.read(self.root)
        names = [name for name in listed(self.root) if name in record.environments]
        if not names or not published:
            return self.parsed(["No recipe was tried on other versions yet."])
        days = sorted({row.date for row in record.rows.values()})
        rows = []
        for slug, of in published.items():
            rows.append([link(slug), *(mark(record, slug, of, name) for name in names)])
        lines = [f"Tried on {' to '.join(days[:1] + days[1:][-1:])}:" if days else "Tried:", ""]
        for name in names:
            on = record.environments[name]
            parts = ", ".join(f"{NAMES[what]} {on.versions[what]}" for what in NAMES)
            lines += [f"- {name}: {parts}; {on.platform}"]
        lines += ["", *(f"| {sign} {words}" for sign, words in LEGEND), ""]
        return self.parsed([*lines, *table(["Recipe", *names], rows, "recipe-versions"), ""])


def listed(root: Path) -> list[str]:
    """The names of the environments, in the order of the list; empty if there is none."""
    file = root / layout.VERSIONS
    return list(tomllib.loads(file.read_text("utf-8"))) if file.is_file() else []


def mark(record: Record, slug: str, published: dict, environment: str) -> str:
    """The sign of one cell of the table."""
    row = record.rows.get((slug, environment))
    if not row:
        return NOT_TRIED
    return MARKS[row.result] if tried.is_fresh(row, published) else STALE


class Change(NamedTuple):
    """What a recipe does otherwise from one version on."""

    slug: str
    before: Trial
    after: Trial


def changes(published: dict[str, dict], record: Record, name: str) -> dict[tuple, list[Change]]:
    """The changes from each version to the next one that was tried, and who was tried on both.

    Args:
        published: of each recipe what is published.
        record: of all that was tried.
        name: "torch" or "python", the version that changes while the other one stays.

    Returns:
        by two versions, the older first, a change for each recipe that was tried on both; one
        that does the same is among them.
    """
    other = {"torch": "python", "python": "torch"}[name]
    found = defaultdict(list)
    for slug, of in published.items():
        own, others = trials(slug, of, record)
        stays = short(getattr(own, other))
        chain = {
            getattr(trial, name).release[:3]: trial
            for trial in [*others, own]
            if short(getattr(trial, other)) == stays
        }
        for (old, before), (new, after) in pairwise(sorted(chain.items())):
            found[old, new].append(Change(slug, before, after))
    return dict(sorted(found.items(), reverse=True))


def what_changed(change: Change) -> list[str]:
    """The rst of what a recipe does otherwise; empty if it does the same."""
    before, after = change.before, change.after
    if before.works and after.works:
        warning = after.detail if after.result == SAME else ""
        return diff(before, after) + ([as_rst(f"It warns: {warning}")] if warning else [])
    if (before.result, before.detail) == (after.result, after.detail):
        return []
    return [
        as_rst(f"{when} it {'needs' if trial.result == NEEDS else 'fails:'} {trial.detail}") + "\n"
        for when, trial in (("Before,", before), ("Now", after))
        if not trial.works
    ]


def diff(before: Trial, after: Trial) -> list[str]:
    """The rst of the difference of two outputs; empty if there is none."""
    known = [tried.texts(trial.detail) for trial in (before, after) if trial.result == DIFFERS]
    if not known:
        return []
    page = known[0][0]
    texts = [tried.texts(t.detail)[1] if t.result == DIFFERS else page for t in (before, after)]
    lines = list(unified_diff(*map(str.splitlines, texts), lineterm="", n=1))[2:]
    if not lines:
        return []
    return [".. code-block:: diff", "", *(f"   {line}".rstrip() for line in lines), ""]


class VersionChanges(Versions):
    """A section for each version and the one before it, with what recipes do otherwise."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the sections."""
        published, record, lines = self.published(), tried.read(self.root), []
        for name in ("torch", "python"):
            for versions, tried_on_both in changes(published, record, name).items():
                lines += section(NAMES[name], versions, tried_on_both)
        missing = ["No recipe was tried on two releases yet."]
        return self.parsed(lines or missing, allow_section_headings=True)


def section(name: str, versions: tuple, tried_on_both: Iterable[Change]) -> list[str]:
    """The rst of what changed from one version to the next one that was tried."""
    old, new = (".".join(map(str, version)) for version in versions)
    title = f"{name} {old} to {new}"
    found = [(change.slug, what_changed(change)) for change in tried_on_both]
    other = [(slug, lines) for slug, lines in found if lines]
    count = (
        f"{len(found) - len(other)} of {len(found)} recipes that were tried on both do the same."
    )
    lines = [title, "-" * len(title), "", count, ""]
    for slug, text in other:
        lines += [f"{link(slug)}:", "", *text, ""]
    return lines


DIRECTIVES = {"version-table": VersionTable, "version-changes": VersionChanges}
