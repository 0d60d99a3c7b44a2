"""The metadata of a recipe, read from the PEP 723 comment block at its top.

Problem: a recipe is one file, so everything the site needs to know about it has to
stand in that file, and in a form that other tools read too.
Usage: ``read_header(source)`` on the text of a recipe.
Result: a :class:`Header`; what ``uv run`` needs (``dependencies``) and what the site
needs (the table ``[tool.recipe]``).

The block's syntax is that of https://peps.python.org/pep-0723/ (regular expression
from its reference implementation).
"""

import math
import re
import tomllib
from dataclasses import dataclass, field, fields

from recipe_needs import TOOLS

TAGS = ("Basics", "Data", "Training", "Saving and loading", "Inspection", "Performance")
TAGS += ("Compile and export", "Distributed", "Deployment")  # in the order to learn them
BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class HeaderError(ValueError):
    """A recipe's header is missing, cannot be parsed or holds an unknown key."""


@dataclass(frozen=True)
class Header:
    """What a recipe declares about itself."""

    requires_python: str
    dependencies: tuple[str, ...]
    tags: tuple[str, ...]
    timeout: float = 120  # seconds of wall time
    memory: float = 4  # GiB of resident memory, the recipe's children included
    cpus: float = 1
    gpus: float = 0
    datasets: tuple[str, ...] = field(default=())  # names in torchvision.datasets
    after: tuple[str, ...] = field(default=())  # recipes to read before this one
    requires: tuple[str, ...] = field(default=())  # tools, see recipe_needs.TOOLS


def read_header(source: str) -> Header:
    """Parse the header of a recipe's source text.

    Raises:
        HeaderError: with one sentence that says what is wrong.
    """
    source = source.replace("\r\n", "\n")
    blocks = [m for m in BLOCK.finditer(source) if m["type"] == "script"]
    if len(blocks) != 1:
        raise HeaderError(
            f"expected one '# /// script' block (PEP 723) at the top, got {len(blocks)}"
        )
    lines = blocks[0]["content"].splitlines()
    try:
        table = tomllib.loads("\n".join(line[2:] for line in lines))
    except tomllib.TOMLDecodeError as error:
        raise HeaderError(f"the '# /// script' block is not valid TOML: {error}") from None
    tool = table.get("tool", {})
    values = tool.get("recipe", {}) if isinstance(tool, dict) else tool
    if not isinstance(values, dict):
        raise HeaderError("[tool.recipe] must be a table")
    known = {f.name for f in fields(Header)} - {"requires_python", "dependencies"}
    if unknown := sorted(set(values) - known):
        raise HeaderError(
            f"unknown key {unknown[0]!r} in [tool.recipe]; known: {', '.join(sorted(known))}"
        )
    for key in ("timeout", "memory", "cpus", "gpus"):
        number = values.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise HeaderError(f"{key} must be a number")
        if not 0 <= number < math.inf:
            raise HeaderError(f"{key} must be a number that is not negative")
    lists = {key: strings(values, key) for key in ("tags", "datasets", "after", "requires")}
    if unknown := sorted(set(lists["requires"]) - set(TOOLS)):
        raise HeaderError(f"requires {unknown[0]!r}, which is unknown; known: {', '.join(TOOLS)}")
    return Header(
        requires_python=str(table.get("requires-python", "")),
        dependencies=strings(table, "dependencies"),
        **{**values, **lists},
    )


def strings(table: dict, key: str) -> tuple[str, ...]:
    """A list of strings in a table, empty if it is not there."""
    items = table.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise HeaderError(f"{key} must be a list of strings")
    return tuple(items)
