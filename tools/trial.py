"""One recipe's script in one environment: how it ended, and what a reader should know of it.

Problem: that a script failed on an older version says little; which name is missing there, or which
line is printed otherwise, says what to do.
Usage: ``row(recipe, installed)``, from several threads at once.
Result: a row of the record. The script runs with the limits and the data of ``make verify``, but a
warning is no error, as for readers. Cells that declare that their output differs are compared
without numbers, and of figures only how many there are: other versions draw other pixels.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from recipe_gallery.files import read_json
from recipe_site import layout
from recipe_site.tried import DIFFERS, FAILS, NEEDS, SAME, Environment, Row

from .comparison import Published, difference
from .downloads import run_script
from .environments import Installed

WHOLE = 10**6  # lines around a difference: all of them
# How Python says that something is not there, and what that is.
LACKS = (
    (r"AttributeError: module '([\w.]+)' has no attribute '(\w+)'", r"\1.\2"),
    (r"AttributeError: type object '(\w+)' has no attribute '(\w+)'", r"\1.\2"),
    (r"AttributeError: '(\w+)' object has no attribute '(\w+)'", r"\1.\2"),
    (r"ImportError: cannot import name '(\w+)' from '([\w.]+)'", r"\2.\1"),
    (r"ModuleNotFoundError: No module named '((?:torch|torchvision)[\w.]*)'", r"\1"),
    (r"TypeError: ([\w.]+?)(?:\.__init__)?\(\) got an unexpected keyword \w+ '(\w+)'", r"\1(\2=)"),
)
WARNING = re.compile(r"(?m)\b((?:Future|Deprecation)Warning: .+)$")


def missing_name(line: str) -> str:
    """The name that is not there, from the last line of an error; "" if it speaks of none."""
    for pattern, name in LACKS:
        if found := re.match(pattern, line):
            return found.expand(name)
    return ""


def last_line(errors: str) -> str:
    """The last line of an error; where it is but the exception's name, with the code above it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip(" ~^")]
    if len(lines) > 1 and re.fullmatch(r"\w+", lines[-1]):
        return f"{lines[-1]} in: {lines[-2]}"
    return lines[-1] if lines else ""


def is_older(environment: Environment, made_with: Mapping[str, str]) -> bool:
    """Whether an environment has an older torch or Python than a page was made with."""
    names = [name for name in ("torch", "python") if name in made_with]
    pairs = [(environment.versions[name], made_with[name]) for name in names]
    return any(Version(there).release < Version(here).release for there, here in pairs)


def variables(recipe: Published, installed: Installed, folder: Path) -> dict[str, str]:
    """Those of a run: as ``make verify`` has them, with the programs of the environment."""
    variables = recipe.environment(folder)
    return variables | {
        "PATH": f"{installed.python.parent}{os.pathsep}{variables['PATH']}",
        "VIRTUAL_ENV": str(installed.folder),
        "TORCHINDUCTOR_CACHE_DIR": str(installed.folder / "compiled"),
    }


def result(recipe: Published, installed: Installed) -> tuple[str, str]:
    """Run a recipe's script: how it ended, and the detail of that.

    Raises:
        FileNotFoundError: if the script is not among the site's downloads.
    """
    versions = installed.found.versions
    for need in map(Requirement, recipe.header.dependencies):
        if need.name in versions and not need.specifier.contains(versions[need.name], True):
            return NEEDS, str(need)
    script, python = recipe.download(".py"), [str(installed.python)]
    with tempfile.TemporaryDirectory(prefix="versions-") as name:
        folder = Path(name)
        environ = variables(recipe, installed, folder)
        try:
            outcome, drawn, _ = run_script(script, folder, recipe.timeout, environ, python)
        except subprocess.TimeoutExpired as error:
            return FAILS, f"was still running after {error.timeout:.0f} s"
    if outcome.code:
        last = last_line(outcome.errors) or f"exit status {outcome.code}"
        name = missing_name(last) if is_older(installed.found, recipe.run.made_with) else ""
        return (NEEDS, name) if name else (FAILS, last)
    texts, counts = recipe.printed(outcome.output), (len(recipe.run.figures), len(drawn))
    if counts[0] != counts[1]:
        texts = tuple(f"{text}\n({n} figures)" for text, n in zip(texts, counts, strict=True))
    if texts[0].splitlines() == texts[1].splitlines():
        warning = WARNING.search(outcome.errors)
        return SAME, warning[1] if warning else ""
    return DIFFERS, difference(*texts, installed.found.environment, WHOLE)


def row(recipe: Published, installed: Installed) -> Row:
    """What comes of a recipe in an environment, as a row of the record; raises as ``result``."""
    published = read_json(recipe.root / layout.published(recipe.slug))  # a build may replace it
    how, detail = result(recipe, installed)
    return Row(
        recipe=recipe.slug,
        environment=installed.found.environment,
        result=how,
        date=datetime.now(UTC).date().isoformat(),
        code=published["key"]["code"],
        printed=published["printed"],
        detail=detail,
    )
