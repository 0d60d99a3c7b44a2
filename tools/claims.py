"""Edits recipes and executes them: a claim that no edit can break proves nothing.

Problem: an assertion may guard one convenient setting, or hold whatever the code does.
Usage: ``make claims`` (``RECIPE=slug``, ``ALL=1``, ``JOBS=n``). ``tests/claims.toml`` has a table
for each recipe: ``fail``, edits after which it must raise, such as the naive way, and ``hold``,
edits after which it must not, such as another seed. An edit has ``replace``, a text that occurs
once (with ``every = true``, anywhere), ``by``, and ``why``.
Result: each edited recipe runs as in a build, in a process of its own with its limits. A line per
recipe, then one per edit after which it did something else; exit status 1 if there are any. What
was as claimed is kept in ``tests/claims_checked.json``, in the repository, by the checksum of all
that it depends on: a recipe of which nothing has changed is not tried again, unless it is asked
for by its name or by ``ALL=1``.
"""

import argparse
import ast
import platform
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from recipe_gallery.files import digest, read_json, write_json
from recipe_gallery.header import read_header, versions
from recipe_gallery.key import ENVIRONMENT, common_key, make_key
from recipe_gallery.local import LocalExecutor
from recipe_gallery.model import Task
from recipe_gallery.settings import BuildError, number_of_jobs
from recipe_site import layout, torch_plugin

ROOT = Path(__file__).parents[1]
CLAIMS = "tests/claims.toml"
CHECKED = "tests/claims_checked.json"
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


def helpers(root: Path) -> dict[str, bytes]:
    """The content of the modules beside the recipes, by name."""
    return {path.name: path.read_bytes() for path in (root / layout.SOURCES).glob("_*.py")}


def checksum(root: Path, slug: str, claims: Claims) -> str:
    """Of all that the outcome of a recipe's edits depends on: them, its code, this platform.

    Its prose, the first lines and the comments, is left out.
    """
    text = (root / layout.source(slug)).read_text("utf-8")
    header = read_header(text)
    code = ast.parse(text)  # without comments
    if ast.get_docstring(code) is not None:
        del code.body[0]
    limits = msgspec.structs.replace(header, tags=(), after=(), extra={})
    machine = platform.system(), platform.machine()
    parts = ast.dump(code), limits, msgspec.to_builtins(claims), *machine
    key = make_key(
        digest(repr(parts)),
        helpers(root),
        1,
        common_key({}, torch_plugin.packages, environment()),
        versions(header),
        torch_plugin.key(header, root),
    )
    return digest(repr(sorted(key.items())))


def environment() -> dict[str, str]:
    """The variables that a recipe's process has in a build."""
    return {**ENVIRONMENT, **torch_plugin.environment}


def execute(executor: LocalExecutor, root: Path, slug: str, text: str) -> str:
    """Execute a recipe's source; why it failed, "" if it did not."""
    header = read_header(text)
    header = msgspec.structs.replace(header, timeout=2 * header.timeout)  # an edit may be slower
    task = Task(
        docname=layout.docname(slug),
        name=layout.source(slug),
        files={f"{slug}.py": text.encode(), **helpers(root)},
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
    executor = LocalExecutor(modules, environment(), torch_plugin.keep)
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda slug: check(executor, root, slug, claims[slug]), claims)
        return dict(zip(claims, found, strict=True))


def wanted(root: Path, recipes: str) -> dict[str, Claims]:
    """The claims of the recipes that were named, or of all that can run here.

    Raises:
        SystemExit: with a sentence, if there are none of a recipe, or no recipe of a table.
    """
    try:
        claims = read(root)
    except ValueError as error:
        raise SystemExit(f"{CLAIMS}: {error}") from None
    if unknown := [slug for slug in recipes.split() if slug not in claims]:
        raise SystemExit(f"{CLAIMS} has no table [{unknown[0]}]: add one")
    chosen = {slug: claims[slug] for slug in recipes.split() or claims}
    for slug in list(chosen):
        file = root / layout.source(slug)
        if not file.is_file():
            raise SystemExit(f"{CLAIMS}: [{slug}] is no recipe: rename or remove the table")
        if lack := torch_plugin.skip(read_header(file.read_text("utf-8"))):
            print(f"skipped: {slug}: {lack}")
            del chosen[slug]
    return chosen


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """The command; ``arguments`` are those of the command line if they are not given.

    Raises:
        SystemExit: with a sentence, if a claim does not hold or there is none.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.claims")
    parser.add_argument("--recipe", default="", help="slugs with blanks between; by default all")
    parser.add_argument("--jobs", default="0", help="how many at once")
    parser.add_argument("--all", default="", help="also those of which nothing has changed")
    parser.add_argument("--record", action="store_true", help=f"keep what comes of it in {CHECKED}")
    options = parser.parse_args(arguments)
    try:
        jobs = number_of_jobs(options.jobs)
    except BuildError as error:
        raise SystemExit(str(error)) from None
    chosen, checked = wanted(root, options.recipe), read_json(root / CHECKED)
    checksums = {slug: checksum(root, slug, of_recipe) for slug, of_recipe in chosen.items()}
    asked = options.recipe or options.all
    due = [slug for slug in chosen if asked or checked.get(slug) != checksums[slug]]
    found = check_all(root, {slug: chosen[slug] for slug in due}, jobs)
    for slug, of_recipe in chosen.items():
        said = "WRONG" if found.get(slug) else "as claimed"
        edits = f"{len(of_recipe.fail)} fail, {len(of_recipe.hold)} hold"
        print(f"{slug}: {said}: {edits}{'' if slug in found else ' (nothing has changed)'}")
    if options.record:
        right = {slug: checksums[slug] for slug in found if not found[slug]}
        known = {slug for slug in read(root) if (root / layout.source(slug)).is_file()}
        now = read_json(root / CHECKED)  # another command may have written it meanwhile
        kept = {slug: old for slug, old in now.items() if slug in known and slug not in found}
        write_json(root / CHECKED, kept | right)
    if wrong := [line for lines in found.values() for line in lines]:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
