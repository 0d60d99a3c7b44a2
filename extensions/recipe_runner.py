"""The run stage: executes the recipes that need it before Sphinx typesets the site.

Problem: Sphinx-Gallery runs all examples of a site in one process, without a time
limit, and knows only by the source's checksum whether a result is still right.
Usage: list this extension before ``sphinx_gallery.gen_gallery``. Settings, all of them
for the command line (``-D``): ``recipe_only`` (execute just this one, even if nothing
changed), ``recipe_jobs`` (how many at once; default: the cores), ``recipe_cluster``
(address of a Ray cluster), ``recipe_costs`` (a summary.json of an earlier build whose times
the pages show, for builds that must be equal), ``plot_gallery=0`` (execute nothing).
Result: ``recipes/`` holds the pages, downloads and figures of all recipes, each made
from an execution of what stands in the sources now; Sphinx-Gallery finds them current
and only adds the indexes. A recipe that failed is listed when the build is done, which
then ends with an error; its old page stays as it was.
"""

import atexit
import difflib
import gc
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sphinx.application import Sphinx
from sphinx.util import logging

import recipe_catalogue
from atomic_files import digest, read_json, write_json
from executed_notebooks import api_links
from recipe_header import HeaderError
from recipe_process import Failure, Task
from recipe_store import PACKAGES, Recipe, Store
from standin_data import has_real_data
from unfinished_builds import sentence

logger = logging.getLogger(__name__)
MOST_ON_CLUSTER = 64  # recipes that wait for a cluster at once


@dataclass
class Build:
    """What one build knows between its events."""

    store: Store
    lock: FileLock
    failures: dict[str, Failure] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # why, by recipe


def prepare(app: Sphinx, config: Any) -> None:
    """Have Sphinx-Gallery read the sources that were published, not those being edited."""
    root = Path(app.srcdir)
    links = api_links(getattr(config, "intersphinx_mapping", {}), root)
    store = Store(root, dict(config.sphinx_gallery_conf), links, config.html_baseurl)
    config.sphinx_gallery_conf = {
        **config.sphinx_gallery_conf,
        "examples_dirs": os.path.relpath(store.snapshot, root),
    }
    # Sphinx-Gallery's warning is meant for names of recipes, but looks at the whole path.
    config.suppress_warnings = [*config.suppress_warnings, "sphinx_gallery.space_in_filename"]
    # Pages are read again when this code or what they link to has changed.
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    config.recipe_pages_from = digest(code + repr(sorted(links.items())).encode())
    store.state.mkdir(parents=True, exist_ok=True)
    app.recipe_build = Build(store, FileLock(store.state / "lock"))


def run_stage(app: Sphinx) -> None:
    """Bring the pages of all recipes up to date."""
    build: Build = app.recipe_build
    try:
        build.lock.acquire(timeout=0)
    except Timeout:
        logger.info("another build is at work in this folder; waiting for it to end")
        build.lock.acquire()
    try:
        recipes = read_recipes(build, app.config.recipe_only)
        if app.config.plot_gallery in (False, "0", "False"):
            for recipe in recipes:
                publish(build, recipe)
        else:
            execute_recipes(build, recipes, app.config)
        write_summary(build.store)
        recipe_catalogue.update(build.store.root)
    except ValueError as error:
        raise SystemExit(f"recipes_source/recipes: {error}") from None
    except OSError as error:
        raise SystemExit(sentence(error.strerror or error, error.filename or "a file")) from error
    app.config.plot_gallery = False  # whatever Sphinx-Gallery finds, it executes nothing


def read_recipes(build: Build, only: str) -> list[Recipe]:
    """All recipes with a valid header, those that must be executed with a reason."""
    store = build.store
    slugs = store.slugs()
    if only and only not in slugs:
        near = difflib.get_close_matches(only, slugs, n=3, cutoff=0.3)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {len(slugs)}"
        raise SystemExit(f"no recipe is called {only!r}; {hint}")
    store.tidy(slugs)
    recipes = []
    for slug in slugs:
        try:
            recipe = store.recipe(slug)
        except (HeaderError, SyntaxError, UnicodeDecodeError, ValueError) as error:
            build.failures[slug] = Failure(f"cannot be read: {error}")
            continue
        if recipe.skip:
            build.skipped[slug] = recipe.skip
        if only:  # this one in any case, the others as they stand
            recipe.reason = "asked for" if slug == only and not recipe.skip else ""
        recipes.append(recipe)
    return recipes


def publish(build: Build, recipe: Recipe) -> None:
    """Typeset a recipe from its last execution if that is of the code at hand."""
    if not build.store.is_current(recipe):
        run = build.store.run(recipe.slug)
        # With RECIPE= and without execution, outputs of this code are better than none.
        same = run and not recipe.skip and run["key"]["code"] == recipe.key["code"]
        build.store.publish(recipe, run if same else None)


def execute_recipes(build: Build, recipes: list[Recipe], config: Any) -> None:
    """Execute what has a reason to be, longest first, and publish each when done."""
    todo = sorted((r for r in recipes if r.reason), key=lambda r: (-r.cost, r.slug))
    for recipe in recipes:
        if not recipe.reason:
            publish(build, recipe)
    if not todo:
        return
    from recipe_progress import Progress, cost_table  # only here: most builds have no use

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = int(config.recipe_jobs) or cores
    threads = max(1, cores // jobs)
    packages = {name for recipe in todo for name in recipe.header.dependencies}
    if config.recipe_cluster:
        from recipe_cluster import ClusterExecutor

        versions = {k: build.store.common_key[k] for k in (*PACKAGES, "Python")}
        executor = ClusterExecutor(config.recipe_cluster, versions, packages)
        jobs = MOST_ON_CLUSTER
    else:
        from recipe_executors import LocalExecutor

        executor = LocalExecutor(threads, packages, len(todo))
    with Progress(todo, jobs) as progress, ThreadPoolExecutor(min(jobs, len(todo))) as pool:

        def one(recipe: Recipe) -> Any:
            progress.started(recipe)
            task = Task(
                slug=recipe.slug,
                files={recipe.path.name: recipe.source, **recipe.modules},
                gallery=build.store.full_gallery,
                threads=max(threads, int(recipe.header.cpus)),
                timeout=recipe.header.timeout,
                memory=recipe.header.memory,
                datasets=recipe.header.datasets,
                dependencies=recipe.header.dependencies,
                data_dir=str(build.store.data_dir),
                real_data=has_real_data(build.store.data_dir),
                cpus=recipe.header.cpus,
                gpus=recipe.header.gpus,
                cache_dir="" if config.recipe_cluster else str(build.store.compiled),
            )
            return executor.run(task)

        here = origin(build.store.root)
        recorded = read_json(Path(config.recipe_costs)) if config.recipe_costs else {}
        futures = {pool.submit(one, recipe): recipe for recipe in todo}
        try:
            for recipe in todo:  # a core is idle while torch is imported
                if any(future.done() for future in futures):
                    break
                build.store.convert_prose(recipe)
            for future in as_completed(futures):
                recipe, run = futures[future], future.result()
                if not run.failure:
                    run.environment.update(here, data=data_used(recipe))
                    for cost in ("wall", "cpu", "peak"):
                        setattr(run, cost, recorded.get(recipe.slug, vars(run))[cost])
                    try:
                        build.store.keep(recipe, run)
                    except ValueError as error:
                        run.failure = Failure(str(error))
                progress.finished(recipe, run)
                if run.failure:
                    build.failures[recipe.slug] = run.failure
                else:
                    build.store.publish(recipe, build.store.run(recipe.slug))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            executor.stop()
            raise
    print(cost_table(build.store, [r.slug for r in todo]))


def origin(root: Path) -> dict[str, str]:
    """The date of this build (that of the commit if SOURCE_DATE_EPOCH says so), the commit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        git = subprocess.run(describe, cwd=root, capture_output=True, text=True)
        commit = git.stdout.strip()
    except OSError:  # there is no git
        commit = ""
    return {"date": day.date().isoformat(), "commit": commit or "unknown"}


def data_used(recipe: Recipe) -> str:
    """The data sets of a recipe, and whether they were real; "" if it uses none."""
    real = [recipe.key[f"data {name}"].startswith("real") for name in recipe.header.datasets]
    kinds = ["real" if is_real else "drawn stand-in" for is_real in real]
    return ", ".join(f"{n} ({k})" for n, k in zip(recipe.header.datasets, kinds, strict=True))


def write_summary(store: Store) -> None:
    """One JSON file with the costs of all recipes, for the site and for other tools."""
    costs = {}
    for slug in store.slugs():
        published = store.published(slug)
        costs[slug] = {
            k: published[k]
            for k in ("wall", "cpu", "peak", "environment", "executed", "skipped", "made of")
            if k in published
        }
    write_json(store.state / "summary.json", costs)


def report(app: Sphinx, exception: Exception | None) -> None:
    """Release the folder, and end with an error if recipes failed."""
    build: Build | None = getattr(app, "recipe_build", None)
    if build is None:
        return
    build.lock.release()
    for slug, why in sorted(build.skipped.items()):
        print(f"skipped: recipes_source/recipes/{slug}.py was not executed: {why}")
    if not build.failures:
        return
    parts = []
    for slug, failure in sorted(build.failures.items()):
        parts.append(f"\nrecipes_source/recipes/{slug}.py {failure.reason}")
        parts.extend("    " + line for line in failure.details.splitlines())
    count = len(build.failures)
    text = f"{count} recipe{'s' if count > 1 else ''} failed:\n" + "\n".join(parts)
    if exception is not None:
        logger.error(text)
    else:
        raise SystemExit(text)  # Sphinx would add a page of its own to an exception


def setup(app: Sphinx) -> dict[str, Any]:
    # Sphinx keeps millions of objects to the end; to look for garbage as often as Python does
    # by default takes a fifth of the time.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)  # another second, for a last look before the memory goes anyway
    app.add_config_value("recipe_only", "", "")
    app.add_config_value("recipe_jobs", "0", "")
    app.add_config_value("recipe_cluster", "", "")
    app.add_config_value("recipe_costs", "", "")
    app.add_config_value("recipe_pages_from", "", "env")  # set by ``prepare``
    app.connect("config-inited", prepare, priority=5)  # before Sphinx-Gallery reads it
    app.connect("builder-inited", run_stage, priority=400)  # before it looks for pages
    app.connect("build-finished", report, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
