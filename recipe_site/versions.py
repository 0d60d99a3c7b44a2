"""Says on which versions a recipe ran: a sentence for its page, the oldest torch for its notebook.

Problem: a reader on a cluster or on Colab has another version than the site was built with, and
wants to know before the first line whether the recipe runs there.
Usage: ``ran_on(...)`` for the facts of a page, ``trials(...)`` for pages on all recipes;
``oldest_torch(...)`` for a notebook.
Result: what the record says of the recipe as it is published. A row of a recipe that has changed
since counts for nothing; the execution that the page shows counts as a row.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from . import tried
from .tried import DIFFERS, NEEDS, SAME, Record


class Trial(NamedTuple):
    """One execution of a recipe somewhere."""

    torch: Version
    python: Version
    result: str
    detail: str = ""

    @property
    def works(self) -> bool:
        """Whether it ran to its end."""
        return self.result in (SAME, DIFFERS)


def short(version: Version) -> str:
    """A version as people name it."""
    return f"{version.major}.{version.minor}"


def trials(slug: str, published: dict, record: Record) -> tuple[Trial, list[Trial]]:
    """The execution that a recipe's page shows, and those elsewhere that are still true."""
    made_with = published["made with"]
    own = Trial(Version(made_with["torch"]), Version(made_with["python"]), SAME)
    return own, [
        Trial(Version(on.versions["torch"]), Version(on.versions["python"]), row.result, row.detail)
        for row, on in record.of(slug)
        if tried.is_fresh(row, published)
    ]


def spans(all_tried: Iterable[str], good: Iterable[str]) -> str:
    """The good ones of some versions, as "2.12 to 2.14, 2.16"; those between were tried, too."""
    ordered, good = sorted(set(all_tried), key=Version), set(good)
    groups = (list(part) for is_good, part in groupby(ordered, good.__contains__) if is_good)
    ends = (part if len(part) < 3 else [f"{part[0]} to {part[-1]}"] for part in groups)
    return ", ".join(text for part in ends for text in part)


def ran_on(slug: str, published: dict, record: Record) -> str:
    """One sentence on where a recipe ran and where it printed the same; "" if it never ran.

    Args:
        slug: of the recipe.
        published: what is published of it, from ``layout.published``.
        record: of all that was tried.
    """
    if not published.get("executed") or "torch" not in published["made with"]:
        return ""
    own, others = trials(slug, published, record)
    parts, found = [], [own, *others]
    for name in ("torch", "python"):
        here = {short(getattr(t, name)): t for t in found}
        works = [short(getattr(t, name)) for t in found if t.works]
        parts.append(f"{name.replace('p', 'P')} {spans(here, works)}")
    text = f"Ran on {', '.join(parts)}"
    if not others:
        return f"{text}; other versions not tried yet"
    return "; ".join([text, *differences(own, others), *failures(own, others)])


def axis(own: Trial, other: Trial) -> tuple[str, str]:
    """What is other than on the page, torch before Python, and its version."""
    if short(own.torch) != short(other.torch):
        return "torch", short(other.torch)
    return "Python", short(other.python)


def differences(own: Trial, others: Iterable[Trial]) -> Iterator[str]:
    """Where a recipe prints something else, as parts of a sentence."""
    works = [other for other in others if other.works]
    for name in ("torch", "Python"):
        here = {v: t.result for t in works for on, v in [axis(own, t)] if on == name}
        other = sorted((v for v, result in here.items() if result == DIFFERS), key=Version)
        if not other:
            continue
        here[short(own.torch if name == "torch" else own.python)] = SAME
        since = [v for v in sorted(here, key=Version) if Version(v) > Version(other[-1])]
        if since and len(other) + len(since) == len(here):
            yield f"prints the same since {name} {since[0]}"
        else:
            yield f"prints something else on {name} {', '.join(other)}"
    if works and all(other.result == SAME for other in works):
        yield "prints the same on each"


def failures(own: Trial, others: Iterable[Trial]) -> Iterator[str]:
    """Where a recipe fails and why, as parts of a sentence."""
    found: dict[tuple[str, str], list[str]] = {}
    for other in others:
        if not other.works:
            name, version = axis(own, other)
            lacks = other.detail if other.result == NEEDS else ""
            found.setdefault((name, lacks), []).append(version)
    for (name, lacks), versions in found.items():
        where = f"{name} {', '.join(sorted(versions, key=Version))}"
        yield f"needs {lacks}, which {where} lacks" if lacks else f"fails on {where}"


def oldest_torch(slug: str, code: str, root: Path) -> str:
    """The oldest torch on which this code ran elsewhere; "" if it was not tried.

    Args:
        slug: of the recipe.
        code: the checksum of its code.
        root: of the documentation.
    """
    rows = [on for row, on in tried.read(root).of(slug) if row.works and row.code == code]
    return short(min(Version(on.versions["torch"]) for on in rows)) if rows else ""
