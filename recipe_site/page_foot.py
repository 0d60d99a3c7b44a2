"""What stands at the foot of every page: version, last change, licence, source, feed, Markdown.

Problem: a reader wants to know how old a page is, what may be done with it, and where to mend it;
a date that is kept by hand is soon wrong.
Usage: ``add`` and ``newly_dated`` are for events; ``footer.html`` shows ``foot``, and
``breadcrumbs.html`` shows ``group``, the group of a recipe and its address.
Result: the date of a page's last commit, and links as far as the repository and the site's address
are known: without a repository there is none to a source, without an address no feed.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from recipe_gallery.files import read_json

from . import catalogue, layout, repository_links
from .addresses import commits

LICENCE = "LICENSE"


def source_of(page: str) -> str:
    """The file that people edit to change a page, from the project's root on."""
    if slug := layout.slug_of(page):
        return layout.source(slug)
    return layout.INDEX_SOURCE if page == layout.INDEX else f"{page}.rst"


def first_line(file: Path) -> str:
    """The first line of a text file, "" if there is none."""
    return file.read_text("utf-8").partition("\n")[0].strip() if file.is_file() else ""


def add(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Give the templates what the foot of this page says, and its group."""
    root, config = Path(app.srcdir), app.config
    entry = catalogue.find(root, page)
    source, known = source_of(page), page in app.env.found_docs
    changed = commits(root).get(source, [""])[0] if known else ""
    made_with = {}
    if entry:
        made_with = read_json(root / layout.published(entry.slug)).get("made with", {})
    if config.github_repository:  # for the search page
        context["new_recipe_form"] = repository_links.new_recipe_form(config)
    context["foot"] = {
        "version": config.release,
        "changed": changed.partition("T")[0],
        "licence": first_line(root / LICENCE),
        "licence_link": repository_links.file_link(config, LICENCE, "blob"),
        "edit": repository_links.file_link(config, source, "edit") if known else "",
        "report": repository_links.report_link(entry.slug, config, made_with) if entry else "",
        "feed": f"{config.html_baseurl}feed.xml" if config.html_baseurl else "",
        "markdown": f"{entry.slug}.md" if entry else "",
    }
    if entry:
        address = app.builder.get_relative_uri(page, config.root_doc)
        context["group"] = entry.group, f"{address}#{nodes.make_id(entry.group)}"


def newly_dated(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages to write anew, because they were committed since they were written."""
    root, before = Path(app.srcdir), getattr(env, "page_dates", {})
    times = commits(root)
    env.page_dates = {page: times.get(source_of(page), []) for page in env.found_docs}
    return sorted(page for page, when in env.page_dates.items() if before.get(page) != when)
