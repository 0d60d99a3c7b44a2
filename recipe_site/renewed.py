"""Pages are made again when what they show has changed, whatever the clock says.

Problem: Sphinx compares times, so a file that is older than the one in whose place it comes
changes nothing. And it knows what a page is read from, but not all that stands around the text: the
menu, the neighbours, a style sheet's checksum, what there is to take away.
Usage: the functions are for the events that :mod:`recipe_site.events` names.
Result: each page is read again when its source, or a file that it depends on, has other content,
and written again when anything around it has. What was packed of an earlier site is removed, and so
are static files without a source, which Sphinx leaves.
"""

from collections.abc import Iterable
from pathlib import Path
from zipfile import is_zipfile

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from recipe_gallery.files import digest

from . import layout, menu

logger = logging.getLogger(__name__)
AROUND = {".html", ".css", ".js"}  # endings of templates and of what pages name with a checksum


def content(file: Path) -> str:
    """A checksum of a file, "" if there is none."""
    return digest(file.read_bytes()) if file.is_file() else ""


def sources(env: BuildEnvironment, pages: Iterable[str]) -> dict[str, str]:
    """Of each of these pages, a checksum of its source and of the files that it depends on."""
    known: dict[Path, str] = {}
    found = {}
    for page in pages:
        files = [env.doc2path(page), *sorted(env.dependencies.get(page, ()))]
        files = [Path(env.srcdir, file) for file in files]
        known |= {file: content(file) for file in files if file not in known}
        found[page] = digest(repr([known[file] for file in files]))
    return found


def around(app: Sphinx) -> str:
    """A checksum of what stands around the text of all pages."""
    root, config = Path(app.srcdir), app.config
    folders = [root / name for name in (*config.templates_path, *config.html_static_path)]
    files = [file for folder in folders for file in sorted(folder.rglob("*.*"))]
    files = [root / "LICENSE", *(file for file in files if file.suffix in AROUND)]
    return digest(repr([(file.name, content(file)) for file in files]))


def read_again(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """The pages to read, because what they are made of has other content."""
    pages = env.found_docs & env.all_docs.keys()
    before, now = getattr(env, "page_sources", {}), sources(env, pages)
    found = {page for page in pages if before.get(page) != now[page]}
    new = (found | added | changed | removed) - {layout.TAKE_AWAY}
    old = bool(new) or getattr(env, "around_pages", "") != around(app)
    if app.builder.format == "html" and app.builder.name != "epub":
        drop_packs(Path(app.srcdir), old)
    packs = [(path.name, content(path)) for path in layout.packs(Path(app.srcdir))]
    if getattr(env, "packs", packs) != packs:
        found.add(layout.TAKE_AWAY)
    env.packs = packs
    return sorted(found)


def drop_packs(root: Path, old: bool) -> None:
    """Remove what was packed of an earlier site, or was not packed to its end."""
    packs = layout.packs(root)
    if gone := [path for path in packs if old or not is_zipfile(path)]:
        for path in gone:
            path.unlink()
        names = ", ".join(path.name for path in gone)
        logger.info("removed, as the site has changed since: %s", names)


def write_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages to write, because what stands around their text has changed."""
    env.page_sources = sources(env, env.found_docs)
    env.around_pages = around(app)
    sections, neighbours = menu.sections_of(app), env.collect_relations()
    before, now = getattr(env, "page_frames", {}), {}
    for page in env.found_docs:
        titles = [env.titles[near].astext() for near in neighbours.get(page, ()) if near]
        frame = (env.around_pages, menu.lines(app, sections, page), neighbours.get(page), titles)
        now[page] = digest(repr(frame))
    env.page_frames = now
    return sorted(page for page in now if before.get(page) != now[page])


def drop_static(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Remove the static files whose source is gone; a page to write if any came or went.

    Sphinx keeps the environment, and with it the list of them, only if there is such a page.
    """
    folders = [Path(app.srcdir, name) for name in app.config.html_static_path]
    files = [(folder, file) for folder in folders for file in folder.rglob("*") if file.is_file()]
    now = {file.relative_to(folder).as_posix() for folder, file in files}
    before = getattr(env, "static_files", now)
    for name in before - now:
        Path(app.outdir, "_static", name).unlink(missing_ok=True)
    env.static_files = now
    return [] if now == before else [app.config.root_doc]
