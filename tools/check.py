"""All that one recipe must pass before it is committed, in one command.

Problem: the rules have several homes: lint, the run, its downloads, the pages' tests. A writer
who asks only the nearest learns the rest from others.
Usage: ``make check RECIPE=slug``, also before the recipe is committed.
Result: a line for each step, what is wrong with file and line, exit status 1 if anything is. The
addresses of names that its prose links to are added to docs/inventories, and what was found as
claimed to tests/claims_checked.json.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from recipe_site import layout

from . import house_rules, inventories, verify

ROOT = Path(__file__).resolve().parents[1]
NOT_CHECKED = (
    "not checked: how the page looks in a browser ('make test MARK=browser'), "
    "whether the prose is true, other versions of torch, a real accelerator "
    "('make verify DEVICE=cuda'), the real data ('make data'), links to other sites "
    "('make linkcheck'), and what a change does to other recipes ('make html test')"
)


def command(*words: str, **variables: str) -> str:
    """Run a command of this Python; what it printed if it failed, else ""."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, text=True, encoding="utf-8", errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **variables},
    )  # fmt: skip
    return (done.stdout.strip() or f"exit status {done.returncode}") if done.returncode else ""


def rules(slug: str) -> str:
    """What can be seen without a run: the house rules, and the two linters of a recipe's text."""
    path = layout.source(slug)
    found = house_rules.problems(ROOT / path)
    for words in (("ruff", "check", "-q"), ("codespell_lib",), ("sphinxlint",)):
        if importlib.util.find_spec(words[0]):
            found += command("-m", *words, path).splitlines()
    return "\n".join(found)


def names(slug: str) -> str:
    """Whether the reference describes each name in prose, as far as is known without a network."""
    path = layout.source(slug)
    with redirect_stdout(said := StringIO()):
        wrong = inventories.update(ROOT, offline=True)
    print(said.getvalue(), end="")
    return "\n".join(line for line in wrong if line.startswith(f"{path}:"))


def build(slug: str) -> str:
    """Execute it and typeset the site."""
    return command("-m", "sphinx", "-q", "-j", "auto", "-D", f"recipe_only={slug}", ".",
                   "_build/html")  # fmt: skip


def downloads(slug: str) -> str:
    """Whether its page, script and notebook agree."""
    with redirect_stdout(said := StringIO()), redirect_stderr(said):
        try:
            verify.main(["--recipe", slug], ROOT)
        except SystemExit as error:
            return f"{said.getvalue()}{error}"
    return ""


def page(slug: str) -> str:
    """What each page and script must have: the tests of all pages, on this one."""
    options = ("-q", "--no-header", "--tb=short", "-m", "every_page")
    return command("-m", "pytest", *options, "tests/site", "tests/downloads", RECIPE=slug)


def claims(slug: str) -> str:
    """Whether its assertions fail where they should."""
    return command("-m", "tools.claims", "--record", f"--recipe={slug}")


STEPS = {
    "rules that need no run": rules,
    "names": names,
    "build": build,
    "page, script and notebook agree": downloads,
    "page": page,
    "claims": claims,
}


def results(slug: str) -> Iterator[str]:
    """Take the steps, say how each went, and yield what is wrong; after a failed build no more."""
    for name, step in STEPS.items():
        start = time.monotonic()
        print(f"{name} ...", end="", flush=True)
        problem = step(slug)
        print(f"\r{name}: {'WRONG' if problem else 'fine'}, {time.monotonic() - start:.0f} s")
        if problem:
            yield f"\n{name}:\n{problem}"
            if step is build:
                return


def main(slug: str) -> None:
    """The command.

    Raises:
        SystemExit: with what is wrong.
    """
    if not (ROOT / layout.source(slug)).is_file():
        raise SystemExit(f"make check RECIPE=slug: there is no {layout.source(slug)}")
    problems = list(results(slug))
    print(NOT_CHECKED)
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
