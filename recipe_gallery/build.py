"""One build of the run stage: what must be executed is, and every page is brought up to date.

Problem: one recipe may go wrong in any way while it is read, executed or typeset; the others
must be there when the build ends, and each must show what its own code printed.
Usage: ``Build(settings, make_executor).run()``; see ``stage`` for who calls it.
Result: the pages of all good recipes; ``failures`` and ``skipped`` say what is wrong with the
others. Nothing here knows Sphinx or Sphinx-Gallery.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

from . import header, key, sections
from .files import DISK, CannotWrite, read_json, write_json
from .model import Executor, Failure, Recipe, Run, Task
from .reading import Reader, one_line
from .settings import BuildError, Settings
from .store import Store
from .typesetting import Typesetter


class Build:
    """The state of one build.

    Args:
        settings: see there.
        make_executor: called with the modules to import once and with the environment of
            recipes; once, and only if something is executed.
    """

    def __init__(
        self,
        settings: Settings,
        make_executor: Callable[[list[str], Mapping[str, str]], Executor],
    ) -> None:
        self.settings, self.make_executor = settings, make_executor
        self.store = Store(settings.srcdir, settings.state)
        self.sections = sections.find(settings.gallery, settings.srcdir)
        self.reader = Reader(settings, self.store, self.sections)
        self.typesetter = Typesetter(settings, self.store, self.reader.recipes)
        self.failures, self.skipped = self.reader.failures, self.reader.skipped
        self.executed: list[str] = []  # docnames of those that went well

    def run(self) -> None:
        """Bring the pages of all recipes up to date.

        Raises:
            BuildError: if it cannot go on.
            CannotWrite: if the disk is full or cannot be written.
        """
        self.reader.read()
        self.store.tidy(self.reader.paths)
        todo = []
        for recipe in self.reader.recipes:
            if recipe.reason:
                todo.append(recipe)
            else:
                self.attempt(recipe, lambda r=recipe: self.typesetter.bring_up_to_date(r))
        if todo:
            self.execute(sorted(todo, key=lambda recipe: (-recipe.cost, recipe.docname)))
        records = self.records()
        write_json(self.settings.state / "summary.json", self.store.summary(records))
        where = (self.settings.gallery, self.settings.srcdir, self.sections)
        sections.copy_other_files(*where)
        if self.settings.index:
            sections.write_indexes(*where, records)
        sections.write_backreferences(*where, records)

    def records(self) -> dict[str, dict]:
        """What is published, by docname."""
        found = {docname: self.store.published(docname) for docname in self.reader.paths}
        return {docname: record for docname, record in found.items() if record}

    def attempt(self, recipe: Recipe, step: Callable[[], None]) -> Failure | None:
        """Take a step with one recipe; what goes wrong with it is its own failure.

        Raises:
            CannotWrite: which concerns all recipes.
        """
        try:
            step()
            return None
        except CannotWrite:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK:
                raise CannotWrite(error.errno, error.strerror, error.filename) from error
            self.failures[recipe.name] = Failure(f"cannot be typeset: {one_line(error)}")
            return self.failures[recipe.name]

    def execute(self, todo: list[Recipe]) -> None:
        """Execute recipes, the longest first, and publish each when it is done."""
        from .progress import Progress, cost_table  # only here: most builds have no use

        if sys.flags.optimize:
            raise BuildError(
                "Python runs without assert here (PYTHONOPTIMIZE, or the option -O), so recipes "
                "would prove nothing: unset it and build again"
            )
        options = self.settings
        executor = self.make_executor(self.preload(todo), self.reader.environment)
        recorded = read_json(Path(options.costs)) if options.costs else {}
        jobs = min(options.jobs, len(todo))
        with Progress(todo, options.jobs) as progress, ThreadPoolExecutor(jobs) as pool:

            def one(recipe: Recipe) -> Run:
                progress.started(recipe)
                return executor.run(self.task(recipe))

            futures = {pool.submit(one, recipe): recipe for recipe in todo}
            try:
                for future in as_completed(futures):
                    recipe, run = futures[future], future.result()
                    self.finish(recipe, run, recorded.get(recipe.docname, {}))
                    progress.finished(recipe, run)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                executor.stop()
                raise
        print(cost_table({docname: self.store.published(docname) for docname in self.executed}))

    def preload(self, todo: list[Recipe]) -> list[str]:
        """The modules to import once for all these recipes."""
        plugin, name = self.settings.plugin, self.settings.plugin_name
        declared = {header.requirement(d).name for r in todo for d in r.header.dependencies}
        # For a single recipe, what only some need is not worth the time.
        wanted = [
            module if len(todo) > 1 else package
            for package, module in plugin.preload.items()
            if package in declared
        ]
        return [name, *wanted] if name else wanted

    def task(self, recipe: Recipe) -> Task:
        """What the process needs that executes a recipe."""
        return Task(
            docname=recipe.docname,
            name=recipe.name,
            files={recipe.path.name: recipe.source, **recipe.beside},
            settings=key.result_settings(self.settings.gallery),
            header=recipe.header,
            key=recipe.key,
            plugin=self.settings.plugin_name,
            srcdir=str(self.settings.srcdir),
            may_fail=recipe.may_fail,
        )

    def finish(self, recipe: Recipe, run: Run, recorded: Mapping[str, float]) -> None:
        """Keep and publish an execution, or note in ``run.failure`` and here why not."""
        if not run.failure:
            run.made_with = {**run.made_with, **origin(self.settings.srcdir)}
            for cost in ("wall", "cpu", "peak"):
                setattr(run, cost, recorded.get(cost, getattr(run, cost)))
            try:
                self.store.keep(recipe, run)
            except ValueError as error:
                run.failure = Failure(str(error))
            else:
                run.failure = self.attempt(recipe, lambda: self.typesetter.publish(recipe, run))
        if run.failure:
            self.failures[recipe.name] = run.failure
        else:
            self.executed.append(recipe.docname)

    def counts(self) -> dict:
        """What was executed, as Sphinx-Gallery's settings hold it."""
        recipes = {str(r.path): r for r in self.reader.recipes if r.executable}
        fine = {name: r for name, r in recipes.items() if not r.may_fail}
        done = [name for name, r in fine.items() if r.docname in self.executed]
        return {
            "passing_examples": done,
            "stale_examples": sorted(set(fine) - set(done)),
            "failing_examples": {
                name: run.raised if (run := self.store.run(r.docname)) else ""
                for name, r in recipes.items()
                if r.may_fail
            },
        }

    def left(self) -> list[str]:
        """A sentence on each recipe that cannot be executed here, and on those left as they are."""
        reasons: dict[str, list[str]] = {}
        for docname, reason in sorted(self.reader.stale.items()):
            reasons.setdefault(reason, []).append(docname.rpartition("/")[2])
        skipped = sorted(self.skipped.items())
        return [
            *(f"skipped: {name} was not executed: {why}" for name, why in skipped),
            *(f"not executed ({why}): {', '.join(names)}" for why, names in reasons.items()),
        ]

    def report(self) -> str:
        """The failures as text, "" if there are none."""
        if not self.failures:
            return ""
        parts = []
        for name, failure in sorted(self.failures.items()):
            parts.append(f"\n{name} {failure.reason}")
            parts.extend("    " + line for line in failure.details.splitlines())
        count = len(self.failures)
        return f"{count} recipe{'s' if count > 1 else ''} failed:\n" + "\n".join(parts)


def origin(root: Path) -> dict[str, str]:
    """The date of this build (that of the commit if SOURCE_DATE_EPOCH says so), the commit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        git = subprocess.run(describe, cwd=root, capture_output=True, text=True, errors="replace")
        commit = git.stdout.strip()
    except OSError:  # there is no git
        commit = ""
    return {"date": day.date().isoformat(), "commit": commit or "unknown"}
