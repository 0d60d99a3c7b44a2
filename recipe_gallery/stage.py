"""The run stage as a Sphinx extension: which event of Sphinx it takes part in, and why then.

Problem: what happens when, in a build of several extensions, must not depend on the order in
which a conf.py lists them.
Usage: ``recipe_gallery`` in ``extensions``; ``recipe_gallery_conf`` has the keys of ``Conf``.
For the command line (``-D``): ``recipe_only`` (execute just this one, even if nothing
changed), ``recipe_jobs`` (how many at once; default: the cores), ``recipe_cluster``
(address of a Ray cluster), ``recipe_costs`` (a summary.json of an earlier build whose costs
the pages show, for builds that must be equal), ``plot_gallery=0`` (execute nothing).
Result: Sphinx-Gallery has an empty gallery and brings its directives and links in code; all
pages are made here. When they are, the event ``recipes-published`` tells the other extensions,
with the :class:`~recipe_gallery.build.Build`. A recipe that failed is listed when the
build is done, which then ends with an error; its old page stays as it was.

Nothing else in this package knows Sphinx.
"""

import atexit
import gc
import logging as python_logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from filelock import FileLock, Timeout
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util import logging

from . import interrupted, outputs, plugin
from .build import Build
from .files import CannotWrite, digest, sentence
from .links import api_links
from .model import Executor, Header
from .settings import BuildError, Conf, Settings, number_of_jobs

logger = logging.getLogger(__name__)
MOST_ON_CLUSTER = 64  # recipes that wait for a cluster at once

# What Sphinx-Gallery would do with its own galleries.
EMPTY = {
    "examples_dirs": [],
    "gallery_dirs": [],
    "recommender": {"enable": False},
    "write_computation_times": False,
    "junit": "",  # of no examples, it would be a report without failures
    "show_memory": False,  # it would ask for a package that measures its own examples
}


@dataclass
class State:
    """What one build of Sphinx knows between its events."""

    taken: dict[str, Any]  # settings of Sphinx-Gallery that it does not see: folders, show_memory
    conf: Conf
    lock: FileLock
    build: Build | None = None
    heard: interrupted.Warnings = field(default_factory=interrupted.Warnings)


def take_gallery(app: Sphinx, config: Any) -> None:
    """Take the galleries from Sphinx-Gallery, which then finds nothing to execute or list."""
    gallery = config.sphinx_gallery_conf
    try:
        conf = msgspec.convert(config.recipe_gallery_conf, Conf)
    except msgspec.ValidationError as error:
        known = ", ".join(Conf.__struct_fields__)
        raise SystemExit(f"conf.py: recipe_gallery_conf: {error}; known: {known}") from None
    taken = {
        "examples_dirs": gallery.get("examples_dirs", "../examples"),
        "gallery_dirs": gallery.get("gallery_dirs", "auto_examples"),
        "show_memory": gallery.get("show_memory", False),
    }
    config.sphinx_gallery_conf = {**gallery, **EMPTY}
    # Pages are read again when the code that makes them, or what they link to, has changed.
    folders = [Path(__file__).parent]
    try:
        folders += [plugin.module_file(name).parent for name in (conf.plugin,) if name]
    except ImportError as error:
        raise SystemExit(f"conf.py: the plugin of recipe_gallery_conf: {error}") from None
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    links = api_links(getattr(config, "intersphinx_mapping", {}), Path(app.srcdir))
    code = b"".join(file.read_bytes() for file in files)
    config.recipe_pages_from = digest(code + repr(sorted(links.items())).encode())
    lock = Path(app.srcdir, conf.state, "lock")
    app.recipe_gallery = State(taken, conf, FileLock(lock))


def run_stage(app: Sphinx) -> None:
    """Bring the pages of all recipes up to date."""
    state: State = app.recipe_gallery
    app.config.sphinx_gallery_conf.update(state.taken)  # from here on, for minigalleries
    try:
        wait_for_others(state.lock)
        state.build = Build(settings_of(app, state), executor_of(app))
        state.build.run()
    except (BuildError, CannotWrite, SphinxError) as error:
        end_with(app, str(error))
    except OSError as error:
        end_with(app, f"cannot use {error.filename or 'a file'}: {error.strerror or error}")
    app.emit("recipes-published", state.build)


def end_with(app: Sphinx, text: str) -> None:
    """End the whole build with one sentence; Sphinx would add a page of its own to an exception."""
    app.recipe_gallery.lock.release()
    raise SystemExit(text)


def wait_for_others(lock: FileLock) -> None:
    """Have builds of one folder come one after the other."""
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("another build (or verify) is at work in this folder; waiting for it to end")
        lock.acquire()


def settings_of(app: Sphinx, state: State) -> Settings:
    """The settings of this build, from those of Sphinx."""
    config, srcdir = app.config, Path(app.srcdir)
    return Settings(
        gallery=config.sphinx_gallery_conf,
        srcdir=srcdir,
        state=srcdir / state.conf.state,
        plugin=plugin.load(state.conf.plugin),
        plugin_name=state.conf.plugin,
        links=api_links(getattr(config, "intersphinx_mapping", {}), srcdir),
        base=config.html_baseurl,
        only=config.recipe_only,
        execute=config.plot_gallery not in (False, "0", "False"),
        jobs=MOST_ON_CLUSTER if config.recipe_cluster else number_of_jobs(config.recipe_jobs),
        costs=config.recipe_costs,
        typeset_by=config.recipe_pages_from,
        index=state.conf.index,
        defaults=Header(timeout=state.conf.timeout, memory=state.conf.memory),
    )


def executor_of(app: Sphinx) -> Callable[[list[str], Mapping[str, str]], Executor]:
    """Who executes the recipes of this build: called if there are any."""

    def make(modules: list[str], environment: Mapping[str, str]) -> Executor:
        state: State = app.recipe_gallery
        if address := app.config.recipe_cluster:
            from .cluster import RayExecutor

            key = state.build.reader.common_key
            return RayExecutor(address, modules, environment, key, state.conf.plugin)
        from .local import LocalExecutor  # only here: most builds execute nothing

        return LocalExecutor(modules, environment, plugin.load(state.conf.plugin).keep)

    return make


def mark_of(app: Sphinx) -> Path:
    """The mark of builds of this kind; not in the output folder, all of which goes into a book."""
    return Path(app.doctreedir, f"unfinished-{app.builder.name}")


def begin(app: Sphinx) -> None:
    """Leave the mark of an unfinished build, and act on one that is there."""
    pages = interrupted.begin(mark_of(app))
    if pages == interrupted.ALL:
        Path(app.outdir, ".buildinfo").unlink(missing_ok=True)  # Sphinx fails if it is empty
        app.connect("env-get-outdated", lambda app, env, *_: env.found_docs)
    elif pages:  # Sphinx asks what to read beside the pages that were added or changed
        app.connect("env-get-outdated", lambda app, env, *_: env.found_docs & {*pages})
    python_logging.getLogger("sphinx").addHandler(app.recipe_gallery.heard)


def remove_outputs(app: Sphinx) -> list:
    """Remove what earlier builds wrote and no page has any more; adds no page."""
    site, srcdir, env = Path(app.outdir), Path(app.srcdir), app.env
    kept = {Path(app.builder.get_outfilename(page)) for page in env.found_docs}
    figures = {name for _, name in env.images.values()}
    for part in app.recipe_gallery.build.sections:
        outputs.remove_pages(site, site / part.target, kept)
        figures |= {file.name for file in (srcdir / part.target / "images").rglob("*.*")}
    outputs.remove_files(site, figures, {Path(p).as_posix() for _, p in env.dlfiles.values()})
    return []


def count(app: Sphinx, exception: Exception | None) -> None:
    """Let Sphinx-Gallery's summary count what was executed here."""
    if build := app.recipe_gallery.build:
        app.config.sphinx_gallery_conf |= build.counts()


def end(app: Sphinx, exception: Exception | None) -> None:
    """Take the mark away if all pages were written well, and let the next build begin."""
    state: State = app.recipe_gallery
    python_logging.getLogger("sphinx").removeHandler(state.heard)
    state.heard.look(str(exception))
    if exception is None and not state.heard.found:
        paths = state.build.reader.paths if state.build else {}
        recipes = {path: docname for docname, path in paths.items()}
        page_of = lambda path: recipes.get(path) or app.env.path2doc(path)  # noqa: E731
        interrupted.end(mark_of(app), state.heard.pages(Path(app.srcdir), page_of))
    state.lock.release()


def report(app: Sphinx, exception: Exception | None) -> None:
    """Say which recipes were skipped, left or failed; these have the build end with an error."""
    state: State = app.recipe_gallery
    for line in state.build.left() if state.build else ():
        print(line)
    if state.build and (text := state.build.report()):
        logger.error(text)
        app.statuscode = 1
    if found := state.heard.found:
        why = os.strerror(int(found[1])) if found[1] else found[0]
        raise SystemExit(sentence(why, app.outdir))  # instead of Sphinx's own page


class Handler(NamedTuple):
    """One line of the table of events."""

    event: str
    priority: int
    call: Callable
    why: str


EVENTS = (
    Handler("config-inited", 5, take_gallery, "before Sphinx-Gallery reads it, at 10"),
    Handler("builder-inited", 600, run_stage, "after its look at an empty gallery, at 500"),
    Handler("builder-inited", 650, begin, "the folder is this build's own by now"),
    Handler("html-collect-pages", 400, remove_outputs, "before redirects are written, at 500"),
    Handler("build-finished", 400, count, "before Sphinx-Gallery sums up, at 500"),
    Handler("build-finished", 890, end, "after everybody who writes"),
    Handler("build-finished", 950, report, "the last words are ours"),
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the table of events."""
    app.setup_extension("sphinx_gallery.gen_gallery")
    # Sphinx keeps millions of objects to the end; to look for garbage as often as Python does
    # by default takes a fifth of the time.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)  # another second, for a last look before the memory goes anyway
    app.add_config_value("recipe_gallery_conf", {}, "env", dict)
    app.add_config_value("recipe_only", "", "")
    app.add_config_value("recipe_jobs", "0", "")
    app.add_config_value("recipe_cluster", "", "")
    app.add_config_value("recipe_costs", "", "")
    app.add_config_value("recipe_pages_from", "", "env")  # set by ``take_gallery``
    app.add_event("recipes-published")
    for handler in EVENTS:
        app.connect(handler.event, handler.call, priority=handler.priority)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
