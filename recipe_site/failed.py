"""The page of a recipe that failed, or had to be executed and was not, says so.

Problem: the old outputs stay, and a writer who looks at the browser takes them for new ones.
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
    """The pages to write anew, because what is said of their recipes has changed."""
    build = app.recipe_gallery.build
    names = {build.reader.name(path): docname for docname, path in build.reader.paths.items()}
    before = getattr(env, "recipe_failures", {})
    env.recipe_failures = {
        docname: f"had to be executed again ({reason}) and was not"
        for docname, reason in build.reader.stale.items()
        if build.store.published(docname).get("executed")  # else the page says that it was not
    }
    env.recipe_failures |= {names[n]: f.reason for n, f in build.failures.items() if n in names}
    pages = {*before, *env.recipe_failures}
    differ = {page for page in pages if before.get(page) != env.recipe_failures.get(page)}
    return sorted(differ & env.found_docs)


def mark(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Put the warning above a page's text."""
    if why := getattr(app.env, "recipe_failures", {}).get(page):
        context["body"] = MARK.format(why=escape(why)) + context["body"]
