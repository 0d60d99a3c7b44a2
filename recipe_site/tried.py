"""The record of which recipes ran on which versions, in a file of the repository.

Problem: "it works on older versions" is a guess until somebody has tried, and a result is no longer
true when the recipe has changed since.
Usage: ``read(root)`` wherever the record is shown or carried on; only ``make versions`` writes it,
by ``write``. ``is_fresh(row, published)`` asks whether a row speaks of the recipe as published.
Result: ``layout.TRIED``, one line of JSON for each environment and for each recipe in it, always in
the same order, so that two records can be compared line by line. A recipe that was not tried has
no row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import msgspec

from recipe_gallery.files import write as write_file

from . import layout

SAME, DIFFERS, FAILS, NEEDS = "same", "differs", "fails", "needs"  # how a script ended


class Environment(msgspec.Struct, frozen=True):
    """What a recipe was tried on."""

    environment: str  # its name in ``layout.VERSIONS``
    platform: str
    versions: dict[str, str]  # of Python and of what is installed


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one recipe's script ended in one environment."""

    recipe: str  # its slug
    environment: str
    result: str  # SAME, DIFFERS, FAILS or NEEDS
    date: str
    code: str  # the checksum of the recipe's code then
    printed: str  # and of what its page showed
    # The whole output as a diff from the page's (DIFFERS), the last line of the error (FAILS),
    # the name that is missing (NEEDS), or a warning of a reader's next version (SAME).
    detail: str = ""

    @property
    def works(self) -> bool:
        """Whether the script ran to its end."""
        return self.result in (SAME, DIFFERS)


@dataclass
class Record:
    """All environments and all rows."""

    environments: dict[str, Environment] = field(default_factory=dict)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)  # by recipe and environment

    def of(self, slug: str) -> Iterator[tuple[Row, Environment]]:
        """The rows of a recipe, each with its environment, in the order of their names."""
        for (recipe, name), row in sorted(self.rows.items()):
            if recipe == slug and name in self.environments:
                yield row, self.environments[name]

    def lines(self) -> list[bytes]:
        """The content of the file: environments first, each part in the order of its names."""
        encode = msgspec.json.Encoder(order="deterministic").encode
        parts = self.environments, self.rows
        return [encode(part[name]) for part in parts for name in sorted(part)]


def is_fresh(row: Row, published: dict) -> bool:
    """Whether neither the code of a recipe nor what its page shows has changed since.

    Args:
        row: of the recipe.
        published: what is published of it, from ``layout.published``.
    """
    code = published.get("key", {}).get("code")
    return (row.code, row.printed) == (code, published.get("printed"))


def read(root: Path) -> Record:
    """The record of a project, which is empty where there is none; a copy that may be changed.

    Raises:
        SystemExit: with a sentence, if a line is damaged.
    """
    file = root / layout.TRIED
    if not file.is_file():
        return Record()
    known = parsed(file, file.stat().st_mtime_ns)
    return Record(dict(known.environments), dict(known.rows))


@lru_cache(maxsize=1)
def parsed(file: Path, changed: int) -> Record:
    """The content of the file, parsed once and again when it ``changed``."""
    record = Record()
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            if line.startswith(b'{"recipe":'):
                row = msgspec.json.decode(line, type=Row)
                record.rows[row.recipe, row.environment] = row
            else:
                found = msgspec.json.decode(line, type=Environment)
                record.environments[found.environment] = found
        except msgspec.DecodeError as error:
            raise SystemExit(
                f"{layout.TRIED}, line {number}: {error}; take the file from the repository again, "
                "or remove the line, and 'make versions' tries it anew"
            ) from None
    return record


def write(root: Path, record: Record) -> None:
    """Replace the record in one step.

    Raises:
        CannotWrite: if it cannot be written; the old one is still there.
    """
    write_file(root / layout.TRIED, b"".join(line + b"\n" for line in record.lines()))


def texts(diff: str) -> tuple[str, str]:
    """What the page shows, and what was printed instead, from the whole diff of a row."""
    lines = diff.splitlines()[3:]  # the names of both, and the place
    sides = ("- ", "+ ")
    return tuple("\n".join(line[1:] for line in lines if line[:1] in side) for side in sides)
