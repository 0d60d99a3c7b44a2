"""What lies among the recipes and is none: ignored for a reason, or refused with a sentence.

Problem: a recipe in a folder of its own, or whose name ends with ``.PY``, and a file that nobody
reads are passed over in silence, and their writer looks for the page.
Usage: ``strays(root)`` for lint and ``make new``; ``check`` is for an event of the build.
Result: a sentence for each. Left alone are names that begin with a dot or end with ``~``, which
editors and systems leave, Python's cache, modules whose names begin with ``_``, the text at
the top of the list, and what a recipe or module names in quotation marks.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from . import layout

logger = logging.getLogger(__name__)
TEMPLATE = "template.py"
KNOWN = {"__pycache__", Path(layout.INDEX_SOURCE).name}


def strays(root: Path) -> list[str]:
    """A sentence for each file or folder that is in the way, by name.

    Args:
        root: of the project.
    """
    folder = root / layout.SOURCES
    code = [path for path in folder.glob("[!.]*.py") if path.is_file()]
    texts = [path.read_text("utf-8", errors="replace") for path in code]
    found = {path: what for path in sorted(folder.glob("*")) if (what := wrong(path, texts))}
    for path in sorted(folder.parent.glob("*.[pP][yY]")):
        if path.name != TEMPLATE:
            found[path] = f"recipes lie in {layout.SOURCES}: move it there"
    return [f"{path.relative_to(root).as_posix()}: {what}" for path, what in found.items()]


def wrong(path: Path, texts: list[str]) -> str:
    """What is wrong with one of the entries, "" if nothing is; ``texts`` are those of all code."""
    name = path.name
    if name.startswith(".") or name.endswith("~") or name in KNOWN:
        return ""
    if path.is_dir():
        return "recipes lie side by side, in no folder of their own: move them up, or it away"
    if not path.is_file():
        return "it leads nowhere: remove the link"
    if path.suffix == ".py":
        return ""
    if path.suffix.lower() == ".py":
        return "the name of a recipe ends with .py, in small letters: rename it"
    if any(f'"{name}"' in text or f"'{name}'" in text for text in texts):
        return ""
    return "it is no recipe, and none names it in quotation marks: move it away"


def check(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have the build end with an error if something is in the way; no page is read for it."""
    for problem in strays(Path(app.srcdir)):
        logger.error(problem)
        app.statuscode = 1
    return []
