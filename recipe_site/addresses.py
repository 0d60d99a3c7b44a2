"""Every address that was ever published leads somewhere, and is the site's own.

Problem: people link to a recipe; when it is renamed or deleted, their links break, and
nobody notices. Dates and lists of what was published, kept by hand, are soon wrong. And Sphinx
never removes what it once wrote.
Usage: list ``sphinx_reredirects``, too, and write each move into ``redirects`` in ``conf.py``:
``{"recipes/recipes/old_name": "new_name.html"}``. For events: ``check_kept``,
``remove_pages`` and ``end_address``.
Result: the build ends with an error if git knows a recipe or page that is gone and not in
``redirects``, or if a redirect leads to no page. Git's history is the list of what was
published; without a history only the redirects are checked. The built site holds no page
without a source.
"""

import posixpath
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.matching import Matcher

from recipe_gallery import outputs

from . import layout

logger = logging.getLogger(__name__)


def git(root: Path, *arguments: str) -> str:
    """What a git command prints; "" if it fails."""
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


@cache
def commits(root: Path) -> dict[str, list[str]]:
    """When each path was committed, from git.

    Returns:
        for each path that was ever committed, with ``/`` and from ``root`` on, the times of its
        commits in UTC, the newest first. Of a merge only what it brought, so what a branch did
        on its way is left out. Empty where there is no history: no git, no repository
        of this folder's own, or a shallow clone.
    """
    found: dict[str, list[str]] = {}
    if git(root, "rev-parse", "--show-prefix", "--is-shallow-repository") != "\nfalse\n":
        return found
    how = ("--first-parent", "-m", "--no-renames", "--name-only", "--format=%x00%ct")
    for commit in git(root, "log", *how).split("\0")[1:]:
        seconds, *paths = commit.split("\n")
        when = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for path in filter(None, paths):
            found.setdefault(path, []).append(when)
    return found


def dates(root: Path, slug: str) -> dict[str, str]:
    """When a recipe was published and last changed, as schema.org names it; empty if unknown."""
    times = commits(root).get(layout.source(slug))
    return {"datePublished": times[-1], "dateModified": times[0]} if times else {}


def gone(root: Path, excluded: list[str]) -> Iterator[tuple[str, str]]:
    """The source and the page of what was published and is not there any more.

    Args:
        root: the documentation's root.
        excluded: ``exclude_patterns``.
    """
    no_page = Matcher(excluded)
    for path in sorted(commits(root)):
        if (root / path).exists():
            continue
        folder, _, name = path.rpartition("/")
        if folder == layout.SOURCES and name.endswith(".py"):
            if not name.startswith("_"):  # a module that recipes share
                yield path, layout.docname(name.removesuffix(".py"))
        elif path.endswith(".rst") and not any(map(no_page, [path, *map(str, Path(path).parents)])):
            yield path, path.removesuffix(".rst")


def lost(app: Sphinx, env: BuildEnvironment) -> Iterator[str]:
    """A sentence for each address that is lost, and for each redirect that leads nowhere."""
    redirects = getattr(app.config, "redirects", {})
    for path, page in gone(Path(app.srcdir), app.config.exclude_patterns):
        if page not in redirects:
            yield (
                f"{path} was published and is gone: put it back, or say in 'redirects' in "
                f'conf.py where its readers should go: "{page}": "<page>.html"'
            )
    for page, target in redirects.items():
        if page in env.found_docs:
            yield f"conf.py: 'redirects' has {page}, which is a page: remove the redirect"
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page), target.split("#")[0]))
        known = place.removesuffix(".html") in {*env.found_docs, *redirects}
        if not known and not target.startswith("https://"):
            yield f"conf.py: 'redirects' leads from {page} to {target}, which is no page"


def check_kept(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have the build end with an error if an address is lost; no page is read again for it."""
    for problem in lost(app, env):
        logger.error(problem)
        app.statuscode = 1
    return []


def remove_pages(app: Sphinx) -> list:
    """Remove what earlier builds wrote of pages that are gone; adds no page."""
    site = Path(app.outdir)
    kept = {Path(app.builder.get_outfilename(page)) for page in app.env.found_docs}
    if app.builder.use_index:  # was written just before, the other pages of Sphinx are behind
        kept.add(Path(app.builder.get_outfilename("genindex")))
    for folder in [site, *site.rglob("*/")]:
        if not folder.relative_to(site).as_posix().startswith("_"):  # no pages of the site
            outputs.remove_pages(site, folder, kept)
    return []


def end_address(app: Sphinx, config: Config) -> None:
    """Let the site's address end with a slash, as addresses are added to it.

    Raises:
        SystemExit: with a sentence, if it is no address.
    """
    if config.html_baseurl:
        if not re.match(r"https?://[^/\s]+", config.html_baseurl):
            raise SystemExit(
                f"SITE_URL is {config.html_baseurl!r}: make it https://..., or unset it"
            )
        config.html_baseurl = config.html_baseurl.rstrip("/") + "/"
