"""This package as a Sphinx extension: which event of Sphinx each part takes part in, and why then.

Problem: what happens when, in a build of several extensions, must not depend on the order in
which a conf.py lists them.
Usage: ``setup(app)``, which the package's own ``setup`` calls.
Result: all parts are connected by one table. A number is a priority: of those who take part in
one event, the lowest comes first, and 500 is Sphinx's own for those who do not mind.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from recipe_gallery.files import CannotWrite
from recipe_gallery.stage import Handler

from . import (
    addresses,
    catalogue,
    command_line,
    directives,
    failed,
    machines,
    markup,
    menu,
    page_foot,
    recipe_page,
    renewed,
    repository_links,
    search,
    source_lines,
    strays,
    tables,
    version_pages,
)
from .coverage import Coverage
from .error_index import ErrorIndex

logger = logging.getLogger(__name__)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Complete a site, not a book; if the disk is full, the run stage hears of it and ends."""
    if exception or app.builder.format != "html" or app.builder.name == "epub":
        return
    try:
        markup.drop_fonts(app)
        machines.write_files(app)
    except CannotWrite as error:
        logger.error(str(error))


EVENTS = (
    Handler("config-inited", 400, command_line.place_doctrees, "before there is a builder"),
    Handler("config-inited", 500, addresses.end_address, "all addresses begin with it"),
    Handler("config-inited", 500, repository_links.check_repository, "nothing was done yet"),
    Handler("builder-inited", 500, markup.plain_permalinks, "the theme set its own before"),
    Handler("recipes-published", 500, catalogue.update, "before Sphinx looks for pages"),
    Handler("env-get-outdated", 500, renewed.read_again, "says which pages to read"),
    Handler("source-read", 500, recipe_page.frame, "Sphinx parses the page with it"),
    Handler("doctree-read", 500, markup.mark_wrapping, "before it is kept"),
    Handler("env-updated", 500, addresses.check_kept, "in each build, even if it reads no page"),
    Handler("env-updated", 500, strays.check, "in each build, too"),
    Handler("env-updated", 500, page_foot.newly_dated, "says which pages to write"),
    Handler("env-updated", 600, renewed.write_again, "all are read, and all titles are known"),
    Handler("env-updated", 500, renewed.drop_static, "Sphinx has not copied them yet"),
    Handler("env-updated", 500, failed.changed, "says which pages to write"),
    Handler("write-started", 500, menu.begin, "all titles are known, no process has begun"),
    Handler("html-page-context", 400, recipe_page.head_tags, "before opengraph reads it, at 500"),
    Handler("html-page-context", 500, menu.add, "whenever"),
    Handler("html-page-context", 500, page_foot.add, "whenever"),
    Handler("html-page-context", 500, failed.mark, "whenever"),
    Handler("html-page-context", 600, markup.leave_out, "all extensions have added theirs"),
    Handler("html-page-context", 600, machines.head_tags, "below what opengraph adds, at 500"),
    Handler("html-collect-pages", 400, addresses.remove_pages, "before redirects, at 500"),
    Handler("html-collect-pages", 500, search.write, "all pages are read"),
    Handler("build-finished", 500, finish, "all that Sphinx writes is there"),
    Handler("build-finished", 960, command_line.be_strict, "when all have said what is wrong"),
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the table of events, and add what is ours to conf.py, to rst and to HTML."""
    app.setup_extension("recipe_gallery")
    app.add_config_value("site_summary", "", "html", str)  # for llms.txt
    app.add_config_value("warnings_are_errors", False, "")
    app.add_config_value("github_repository", "", "env", str)  # owner/name
    app.add_config_value("github_branch", "main", "env", str)  # of the sources
    app.add_config_value("github_site_branch", "gh-pages", "env", str)  # of the built site
    added = version_pages.DIRECTIVES | {"error-index": ErrorIndex, "coverage": Coverage}
    for name, directive in (directives.DIRECTIVES | tables.DIRECTIVES | added).items():
        app.add_directive(name, directive)
    for node, html in markup.NODES.items():
        app.add_node(node, override=True, html=html)
    app.add_html_math_renderer(*markup.MATH)
    source_lines.translate_warnings(app)
    for handler in EVENTS:
        app.connect(handler.event, handler.call, priority=handler.priority)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
