"""The page of a recipe that failed says so, as long as it shows an execution before that.

Problem: the old page stays, and a writer who looks at the browser takes it for the new one.
Usage: the two functions are for the events that :mod:`recipe_site.events` names.
Result: a warning at the top of the page, with what happened; gone after the next good build.
"""

from html import escape
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

MARK = (
    '<div class="admonition warning recipe-failed"><p class="admonition-title">Not up to date</p>'
    "<p>This recipe {why}. The page shows what was built before.</p></div>\n"
)


def changed(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages to write anew, because their recipes failed or do not fail any more."""
    build = app.recipe_gallery.build
    names = {build.reader.name(path): docname for docname, path in build.reader.paths.items()}
    before = getattr(env, "recipe_failures", {})
    env.recipe_failures = {names[n]: f.reason for n, f in build.failures.items() if n in names}
    pages = {*before, *env.recipe_failures}
    differ = {page for page in pages if before.get(page) != env.recipe_failures.get(page)}
    return sorted(differ & env.found_docs)


def mark(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Put the warning above a page's text."""
    if why := getattr(app.env, "recipe_failures", {}).get(page):
        context["body"] = MARK.format(why=escape(why)) + context["body"]
