"""Runs all recipes many times, under load, to find those that rest on chance.

Problem: an assertion on a time, an address, a port or the order of a set fails once in many
runs, and then on the machine of somebody else.
Usage: ``make repeat`` after ``make html`` (``TIMES=20``, ``JOBS=n``, ``RECIPE=slug``). With twice
as many jobs as cores, the recipes are the load, and all are done in half of the time; ``SEED=n``
goes on where an earlier command ended.
Result: each published script runs TIMES times, each time with another seed of the hash, while each
core has two processes to run. What is said of each run that failed or printed something else than
the page, numbers of cells that may differ aside; exit status 1 if there are any.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from recipe_gallery.settings import BuildError, number_of_jobs

from .comparison import Published, difference
from .downloads import run_script
from .verify import ROOT, chosen

BUSY = "while True: pass"


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Let this many processes do nothing, as fast as they can."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def problem(recipe: Published, seed: int) -> str:
    """What is wrong with one run of a recipe's script, "" if nothing is."""
    with tempfile.TemporaryDirectory(prefix="repeat-") as folder:
        environ = {**recipe.environment(Path(folder)), "PYTHONHASHSEED": str(seed)}
        try:
            done = run_script(recipe.download(".py"), Path(folder), recipe.timeout, environ)[0]
        except subprocess.TimeoutExpired as error:
            return f"was still running after {error.timeout:.0f} s"
        except FileNotFoundError as error:
            return str(error)
    if done.code:
        return f"exit status {done.code}\n{done.errors.strip()}"
    return difference(*recipe.printed(done.output), f"run {seed}")


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """The command; ``arguments`` are those of the command line if they are not given.

    Raises:
        SystemExit: with a sentence, if a run was not as the others.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.repeat")
    parser.add_argument("--times", type=int, default=20, help="how often")
    parser.add_argument("--seed", type=int, default=1, help="of the hash, in the first run")
    parser.add_argument("--recipe", default="", help="the slug of one; by default all")
    parser.add_argument("--jobs", default="0", help="how many at once")
    options = parser.parse_args(arguments)
    try:
        jobs = number_of_jobs(options.jobs)
    except BuildError as error:
        raise SystemExit(str(error)) from None
    recipes, wrong = [Published(root, slug) for slug in chosen(root, options.recipe)], 0
    last = options.seed + options.times - 1
    idle = max(0, 2 * (os.cpu_count() or 1) - jobs)
    with load(idle), ThreadPoolExecutor(jobs) as pool:
        for seed in range(options.seed, last + 1):
            found = pool.map(lambda recipe, seed=seed: problem(recipe, seed), recipes)
            for recipe, text in zip(recipes, found, strict=True):
                if text:
                    wrong += 1
                    print(f"{recipe.slug}, run {seed}: {text}", flush=True)
            print(f"run {seed} of {last}: {len(recipes)} recipes", flush=True)
    if wrong:
        raise SystemExit(f"{wrong} runs were not as the page: see above")


if __name__ == "__main__":
    main()
