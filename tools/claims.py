"""Edits recipes and executes them: a claim that no edit can break proves nothing.

Problem: an assertion may guard one convenient setting, or hold whatever the code does.
Usage: ``make claims`` (``RECIPE=slug``, ``JOBS=n``). ``tests/claims.toml`` has a table for each
recipe: ``fail``, edits after which it must raise, such as the naive way, and ``hold``, edits after
which it must not, such as another seed. An edit has ``replace``, a text that occurs once (with
``every = true``, anywhere), ``by``, and ``why``.
Result: each edited recipe runs as in a build, in a process of its own with its limits. A line per
recipe, then one per edit after which it did something else; exit status 1 if there are any.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from recipe_gallery.header import read_header
from recipe_gallery.key import ENVIRONMENT
from recipe_gallery.local import LocalExecutor
from recipe_gallery.model import Task
from recipe_gallery.settings import BuildError, number_of_jobs
from recipe_site import layout, torch_plugin

ROOT = Path(__file__).parents[1]
CLAIMS = "tests/claims.toml"
NOT_MEANT = ("SyntaxError", "IndentationError", "NameError", "ModuleNotFoundError")


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """One change of a recipe's source."""

    replace: str
    by: str
    why: str
    every: bool = False  # whether ``replace`` may occur more than once


class Claims(msgspec.Struct, forbid_unknown_fields=True):
    """The edits of one recipe."""

    fail: list[Edit]
    hold: list[Edit] = []


def read(root: Path) -> dict[str, Claims]:
    """All claims, by the recipes' slugs.

    Raises:
        ValueError: if the file has something else in it.
    """
    found = {}
    for slug, table in tomllib.loads((root / CLAIMS).read_text("utf-8")).items():
        try:
            found[slug] = msgspec.convert(table, Claims)
        except msgspec.ValidationError as error:
            raise ValueError(f"[{slug}]: {error}") from None
    return found


def edited(text: str, edit: Edit) -> str:
    """A recipe's source after an edit.

    Raises:
        ValueError: if the text to replace is not there once, or nothing would change.
    """
    count = text.count(edit.replace) if edit.replace else 0
    if count != 1 and not (count and edit.every):
        raise ValueError(f"{edit.replace!r} occurs {count} times in it, not once")
    if edit.replace == edit.by:
        raise ValueError(f"{edit.replace!r} is replaced by itself")
    return text.replace(edit.replace, edit.by)


def execute(executor: LocalExecutor, root: Path, slug: str, text: str) -> str:
    """Execute a recipe's source; why it failed, "" if it did not."""
    header = read_header(text)
    beside = (root / layout.SOURCES).glob("_*.py")
    task = Task(
        docname=layout.docname(slug),
        name=layout.source(slug),
        files={f"{slug}.py": text.encode(), **{path.name: path.read_bytes() for path in beside}},
        settings={"image_scrapers": ()},  # figures are shown and not kept
        header=header,
        key=torch_plugin.key(header, root),
        plugin=torch_plugin.__name__,
        srcdir=str(root),
    )
    failure = executor.run(task).failure
    return failure.reason if failure else ""


def check(executor: LocalExecutor, root: Path, slug: str, claims: Claims) -> list[str]:
    """Apply the edits of a recipe, one after the other; what is wrong, a line each."""
    text = (root / layout.source(slug)).read_text("utf-8")
    wrong = [] if claims.fail else ["no edit makes it fail: add one to 'fail'"]
    for edit in (*claims.fail, *claims.hold):
        try:
            reason = execute(executor, root, slug, edited(text, edit))
        except ValueError as error:
            wrong.append(f"{edit.why!r}: {error}")
            continue
        if edit in claims.hold and reason:
            wrong.append(f"must hold with {edit.why!r}, and {reason}")
        if edit in claims.fail and not reason:
            wrong.append(f"must fail with {edit.why!r}, and runs to its end")
        if edit in claims.fail and reason and not raised(reason):
            wrong.append(f"must raise what is wrong with {edit.why!r}, and {reason}")
    return [f"{slug}: {line}" for line in wrong]


def raised(reason: str) -> bool:
    """Whether a recipe failed by an exception that is no slip of the edit itself."""
    return reason.startswith("raised ") and reason.split()[1].rstrip(":") not in NOT_MEANT


def check_all(root: Path, claims: Mapping[str, Claims], jobs: int) -> dict[str, list[str]]:
    """What is wrong with some recipes, by their slugs; several are executed at once."""
    modules = list(torch_plugin.preload.values())
    environment = {**ENVIRONMENT, **torch_plugin.environment}
    executor = LocalExecutor(modules, environment, torch_plugin.keep)
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda slug: check(executor, root, slug, claims[slug]), claims)
        return dict(zip(claims, found, strict=True))


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """The command; ``arguments`` are those of the command line if they are not given.

    Raises:
        SystemExit: with a sentence, if a claim does not hold or there is none.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.claims")
    parser.add_argument("--recipe", default="", help="slugs with blanks between; by default all")
    parser.add_argument("--jobs", default="0", help="how many at once")
    options = parser.parse_args(arguments)
    try:
        claims, jobs = read(root), number_of_jobs(options.jobs)
    except ValueError as error:
        raise SystemExit(f"{CLAIMS}: {error}") from None
    except BuildError as error:
        raise SystemExit(str(error)) from None
    if unknown := [slug for slug in options.recipe.split() if slug not in claims]:
        raise SystemExit(f"{CLAIMS} has no table [{unknown[0]}]: add one")
    chosen = {slug: claims[slug] for slug in options.recipe.split() or claims}
    for slug in list(chosen):
        file = root / layout.source(slug)
        if not file.is_file():
            raise SystemExit(f"{CLAIMS}: [{slug}] is no recipe: rename or remove the table")
        if lack := torch_plugin.skip(read_header(file.read_text("utf-8"))):
            print(f"skipped: {slug}: {lack}")
            del chosen[slug]
    found = check_all(root, chosen, jobs)
    for slug, wrong in found.items():
        edits = f"{len(chosen[slug].fail)} fail, {len(chosen[slug].hold)} hold"
        print(f"{slug}: {'WRONG' if wrong else 'as claimed'}: {edits}")
    if wrong := [line for lines in found.values() for line in lines]:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
