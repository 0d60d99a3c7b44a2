"""The metadata of a recipe, read from the PEP 723 comment block at its top.

Problem: a recipe is one file, so everything the site needs to know about it has to
stand in that file, and in a form that other tools read too.
Usage: ``read_header(source)`` on the text of a recipe; ``missing_packages(header, install)`` before
it is executed, ``versions(header)`` for what its result depends on.
Result: a :class:`Header`: what ``uv run`` needs (``dependencies``) and what the site
needs (the table ``[tool.recipe]``).

The block's syntax is that of https://peps.python.org/pep-0723/ (regular expression
from its reference implementation).
"""

import re
import shlex
import tomllib
from collections.abc import Collection
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from .model import Header

BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
EXPECTED = "expected one '# /// script' block (PEP 723) at the top, got {}"
UNDECLARED = Header()
# What [tool.recipe] may have; the others stand at the block's top, or are ours.
OURS = {"declared", "requires_python", "dependencies", "extra"}
KNOWN = sorted({*Header.__struct_fields__} - OURS)


class HeaderError(ValueError):
    """A recipe's header cannot be parsed or holds an unknown key."""


def read_header(source: str, defaults: Header = UNDECLARED) -> Header:
    """Parse the header of a recipe's source text; what it leaves out is as in ``defaults``.

    Keys that nobody here knows go into ``extra``; ``check_extra`` says whether the site does.

    Raises:
        HeaderError: with one sentence that says what is wrong.
    """
    source = source.replace("\r\n", "\n")
    blocks = [m for m in BLOCK.finditer(source) if m["type"] == "script"]
    if not blocks:
        return defaults
    if len(blocks) > 1:
        raise HeaderError(EXPECTED.format(len(blocks)))
    lines = blocks[0]["content"].splitlines()
    try:
        table = tomllib.loads("\n".join(line[2:] for line in lines))
        own = table.get("tool", {}).get("recipe", {})
        found = {
            **msgspec.structs.asdict(defaults),
            **{name: own[name] for name in KNOWN if name in own},
            "extra": {name: value for name, value in own.items() if name not in KNOWN},
            "declared": True,
            "dependencies": table.get("dependencies", ()),
            "requires_python": table.get("requires-python", ""),
        }
        return msgspec.convert(found, Header)
    except tomllib.TOMLDecodeError as error:
        raise HeaderError(f"the '# /// script' block is not valid TOML: {error}") from None
    except (msgspec.ValidationError, AttributeError, TypeError) as error:
        raise HeaderError(f"the '# /// script' block is not as it should be: {error}") from None


def check_extra(header: Header, fields: Collection[str]) -> None:
    """Refuse a key that neither the run stage nor the site knows, or that is no list of strings.

    Args:
        header: of a recipe.
        fields: the names that the site adds.

    Raises:
        HeaderError: with one sentence that names the key and those that are known.
    """
    if unknown := sorted(set(header.extra) - set(fields)):
        known = ", ".join(sorted({*KNOWN, *fields}))
        raise HeaderError(f"unknown key {unknown[0]!r} in [tool.recipe]; known: {known}")
    for name, value in header.extra.items():
        try:
            msgspec.convert(value, list[str])
        except msgspec.ValidationError as error:
            raise HeaderError(f"{name} in [tool.recipe] is no list of texts: {error}") from None


@cache
def requirement(dependency: str) -> Requirement:
    """A dependency, parsed.

    Raises:
        HeaderError: if the text is not a requirement as pip takes it.
    """
    try:
        return Requirement(dependency)
    except InvalidRequirement as error:
        raise HeaderError(f"dependency {dependency!r} cannot be read: {error}") from None


@cache
def version_of(dependency: str) -> str:
    """The installed version of a dependency, "" if none or not a fitting one is there.

    Raises:
        HeaderError: if the text is not a requirement as pip takes it.
    """
    wanted = requirement(dependency)
    if wanted.marker and not wanted.marker.evaluate():
        return "not needed here"
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return ""
    return found if wanted.specifier.contains(found, prereleases=True) else ""


def versions(header: Header) -> dict[str, str]:
    """The installed version of each dependency, or "not installed"."""
    return {name: version_of(name) or "not installed" for name in header.dependencies}


def missing_packages(header: Header, install: str) -> str:
    """A sentence on the packages that a recipe needs and that are not here; "" if none.

    Args:
        header: of the recipe.
        install: the command that installs ``{packages}``.
    """
    missing = [name for name in header.dependencies if not version_of(name)]
    if not missing:
        return ""
    command = install.format(packages=shlex.join(missing))
    return f"needs {', '.join(missing)}, which is not installed; install it with: {command}"
