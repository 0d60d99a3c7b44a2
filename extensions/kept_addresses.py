"""Every address that was ever published leads somewhere.

Problem: people link to a recipe; when it is renamed or deleted, their links break, and
nobody notices.
Usage: list this extension beside ``sphinx_reredirects``, and write each move into
``redirects`` in ``conf.py``: ``{"recipes/recipes/old_name": "new_name.html"}``.
Result: the build fails if git knows a recipe or page that is gone and not in ``redirects``,
or if a redirect leads to no page. Git's history is the list of what was published; without
a history (see ``git_history``) only the redirects are checked.
"""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError
from sphinx.util.matching import Matcher

from git_history import commits
from recipe_process import SUBDIR

SOURCES = "recipes_source/recipes/"


def gone(app: Sphinx) -> Iterator[tuple[str, str]]:
    """The source and the page of what was published and is not there any more."""
    no_page = Matcher([*app.config.exclude_patterns, "recipes_source/**"])
    root = Path(app.srcdir)
    for path in sorted(commits(root)):
        if (root / path).exists():
            continue
        if path.startswith(SOURCES) and path.endswith(".py"):
            yield path, f"{SUBDIR}/{path.removeprefix(SOURCES).removesuffix('.py')}"
        elif path.endswith(".rst") and not any(map(no_page, [path, *map(str, Path(path).parents)])):
            yield path, path.removesuffix(".rst")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Fail if an address is lost.

    Raises:
        ConfigError: with a line for each.
    """
    redirects, wrong = app.config.redirects, []
    for path, page in gone(app):
        if page not in redirects:
            wrong.append(
                f"{path} was published and is gone: put it back, or say in 'redirects' in "
                f'conf.py where its readers should go: "{page}": "<page>.html"'
            )
    for page, target in redirects.items():
        if page in env.found_docs:
            wrong.append(f"conf.py: 'redirects' has {page}, which is a page: remove the redirect")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page), target.split("#")[0]))
        known = place.removesuffix(".html") in {*env.found_docs, *redirects}
        if not known and not target.startswith("https://"):
            wrong.append(f"conf.py: 'redirects' leads from {page} to {target}, which is no page")
    if wrong:
        raise ConfigError("\n".join(wrong))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
