"""Runs what readers download on other versions of torch and Python, and records what comes of it.

Problem: few readers have the versions that the site was built with, and "it should work" is no
answer; a release that changes what a recipe prints is noticed when somebody complains.
Usage: ``make versions`` after ``make html`` (``RECIPE=slug``, ``ENVIRONMENT=name``, ``ALL=1``,
``JOBS=n``, ``KEEP=1``, ``FOLDER=path``). It tries what has no row, or whose recipe has changed
since; with ``RECIPE`` this one in any case, with ``ALL`` everything.
Result: ``layout.TRIED``, a row for each recipe in each environment of ``layout.VERSIONS``, written
as soon as its script has ended: a command that was stopped goes on where it was. A report of what
is not the same. Exit status 1 if an environment could not be made or a recipe was not tried.
Environments whose pins are not exact are not recorded; with these, a script that does not
print the same is exit status 1, too.
"""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from recipe_gallery.files import digest, read_json
from recipe_gallery.settings import BuildError, nearest, number_of_jobs
from recipe_site import layout, tried
from recipe_site.tried import DIFFERS, SAME, Record, Row

from . import environments, trial
from .comparison import Published, difference
from .environments import CannotMake, Installed, Wanted
from .needs import lacking
from .verify import ROOT, chosen, in_parallel

GIGABYTES, MINUTES, START = 6, 2, 5  # of an environment; to make it; seconds to import torch


def wanted(root: Path, name: str) -> list[Wanted]:
    """The environments to try: the one that was asked for, or all that are recorded.

    Raises:
        SystemExit: with a sentence, if there is none of that name.
    """
    known = environments.listed(root)
    if name and name not in known:
        raise SystemExit(f"no environment {name!r} in {layout.VERSIONS}; {nearest(name, known)}")
    return [known[name]] if name else [one for one in known.values() if one.recorded]


def due(root: Path, record: Record, slugs: Iterable[str], environment: str) -> list[str]:
    """The recipes that have no row in an environment, or one that is no longer true."""
    rows = {slug: record.rows.get((slug, environment)) for slug in slugs}
    return [
        slug
        for slug, row in rows.items()
        if not row or not tried.is_fresh(row, read_json(root / layout.published(slug)))
    ]


def announce(plan: Sequence[tuple[Wanted, list[str]]], recipes: dict, folder: Path, jobs: int):
    """Say what it will take before it begins.

    Raises:
        SystemExit: with a sentence, if there is not enough disk space.
    """
    place = next(part for part in (folder, *folder.parents) if part.exists())
    free = shutil.disk_usage(place).free / 1e9
    scripts = [recipes[slug].run.wall + START for _, slugs in plan for slug in slugs]
    minutes = MINUTES * len(plan) + sum(scripts) / jobs / 60
    print(
        f"{len(plan)} environments, one after the other, of about {GIGABYTES} GB each in {folder} "
        f"({free:.0f} GB are free; uv keeps as much in its cache); {len(scripts)} scripts, "
        f"{jobs} at once: about {minutes:.0f} minutes",
        flush=True,
    )
    if free < GIGABYTES:
        raise SystemExit(f"{folder} has {free:.1f} GB left: free some, or name another FOLDER")


def tidy(record: Record, root: Path) -> None:
    """Leave out what belongs to no recipe of the site, or to no environment of the list."""
    slugs = {layout.slug_of(docname) for docname in read_json(root / layout.SUMMARY)}
    names = environments.listed(root)
    record.rows = {k: row for k, row in record.rows.items() if k[0] in slugs and k[1] in names}
    record.environments = {k: on for k, on in record.environments.items() if k in names}


def carry_on(record: Record, installed: Installed) -> bool:
    """Put an environment into the record; whether its rows had other versions and are gone."""
    name = installed.found.environment
    before = record.environments.get(name)
    record.environments[name] = installed.found
    if before in (None, installed.found):
        return False
    print(f"{name} has other versions than before: all recipes are tried there again")
    record.rows = {key: row for key, row in record.rows.items() if key[1] != name}
    return True


def report(name: str, rows: Sequence[Row]) -> None:
    """Print how many recipes ended how, and what is not the same."""
    counts = Counter(row.result for row in rows)
    print(f"{name}: {', '.join(f'{n} {what}' for what, n in sorted(counts.items())) or 'nothing'}")
    for row in sorted(rows, key=lambda row: row.recipe):
        if row.result == DIFFERS:
            print(f"\n{row.recipe} differs:\n{difference(*tried.texts(row.detail), name)}\n")
        elif row.result != SAME or row.detail:
            print(f"{row.recipe} {row.result}: {row.detail}")


def try_all(
    environment: Wanted,
    installed: Installed,
    recipes: Sequence[Published],
    record: Record,
    jobs: int,
) -> list[Row]:
    """Try recipes in an environment, and write each row that is recorded at once."""
    rows = []
    check = lambda recipe: trial.row(recipe, installed)  # noqa: E731
    for _, row in in_parallel(check, recipes, jobs, environment.name):
        rows.append(row)
        if environment.recorded:
            record.rows[row.recipe, row.environment] = row
            tried.write(recipes[0].root, record)
    return rows


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.versions")
    parser.add_argument("--recipe", default="", help="the slug of one; by default all")
    parser.add_argument("--environment", default="", help="one of the list, in any case")
    parser.add_argument("--jobs", default="0", help="how many at once")
    parser.add_argument("--all", default="", help="also those whose row is still true")
    parser.add_argument("--keep", default="", help="leave the environments where they are")
    parser.add_argument("--folder", default="", help="for the environments")
    return parser.parse_args(arguments)


def folder_of(name: str, root: Path) -> Path:
    """Where environments are made: in this folder, or by default in one of the checkout's own.

    Raises:
        SystemExit: with a sentence, if it is in the checkout, where tools would look into it.
    """
    default = Path(tempfile.gettempdir(), f"recipe-versions-{digest(str(root))[:6]}")
    folder = Path(name or default).resolve()
    if folder.is_relative_to(root):
        raise SystemExit(f"FOLDER is in the checkout: name one outside {root}")
    return folder


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """The command; ``arguments`` are those of the command line if they are not given.

    Raises:
        SystemExit: with a sentence, if something could not be tried.
    """
    options = options_of(arguments)
    if problem := lacking("versions", ("uv",)):
        raise SystemExit(problem)
    try:
        with FileLock(root / layout.STATE / "versions.lock", timeout=0):
            work(options, root)
    except Timeout:
        raise SystemExit("another 'make versions' is at work in this checkout") from None
    except BuildError as error:
        raise SystemExit(str(error)) from None


def work(options: argparse.Namespace, root: Path) -> None:
    """What ``main`` does once it is alone in its checkout; raises as it does."""
    folder, jobs = folder_of(options.folder, root), number_of_jobs(options.jobs)
    recipes = {slug: Published(root, slug) for slug in chosen(root, options.recipe)}
    record, everything = tried.read(root), options.all or options.recipe
    plan = [
        (one, list(recipes) if everything else due(root, record, recipes, one.name))
        for one in wanted(root, options.environment)
    ]
    plan = [(one, slugs) for one, slugs in plan if slugs]
    if not plan:
        print("nothing to try: no recipe has changed since (ALL=1 tries all again)")
        return
    announce(plan, recipes, folder, jobs)
    tidy(record, root)
    problems = []
    needs = {need for recipe in recipes.values() for need in recipe.header.dependencies}
    for one, slugs in plan:
        rows: list[Row] = []
        try:
            with environments.made(one, root, folder, needs, options.keep) as installed:
                if one.recorded and carry_on(record, installed) and not options.recipe:
                    slugs = list(recipes)
                rows = try_all(one, installed, [recipes[s] for s in slugs], record, jobs)
                report(one.name, rows)
        except CannotMake as error:
            print(f"{one.name} cannot be made here: {error}", flush=True)
            problems.append(f"{one.name} could not be made")
            continue
        except FileNotFoundError as error:  # a build is at work in this folder
            raise SystemExit(str(error)) from None
        except KeyboardInterrupt:
            print("interrupted; what was tried is recorded")
        if len(rows) < len(slugs):
            problems.append(f"{len(slugs) - len(rows)} recipes were not tried on {one.name}")
            break
        if not one.recorded and any(row.result != SAME for row in rows):
            problems.append(f"not all recipes print the same on {one.name}")
    with suppress(OSError):  # what was kept stays
        folder.rmdir()
    if problems:
        raise SystemExit("; ".join(problems))


if __name__ == "__main__":
    main()
