"""Shows how the execution of the recipes goes, and what it cost.

Problem: a build of minutes should say what it is doing, and when it will be done.
Usage: ``with Progress(recipes, jobs) as progress`` and call ``started`` and ``finished``.
Result: on a terminal a live line with what is running, the time so far and an estimate
from the last costs; elsewhere one plain line per start and per finish.
"""

import sys
import time
from collections.abc import Mapping
from io import TextIOWrapper

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from .model import Recipe, Run


class Progress:
    """A display of the recipes of one build."""

    def __init__(self, recipes: list[Recipe], jobs: int) -> None:
        if isinstance(sys.stdout, TextIOWrapper):  # a letter that a console lacks ends no build
            sys.stdout.reconfigure(errors="backslashreplace")
        # Not what rich takes for a terminal: FORCE_COLOR in CI asks for colours alone.
        self.live = sys.stdout.isatty()
        self.console = Console(highlight=False, soft_wrap=True, force_terminal=self.live)
        self.left = {r.docname: r.cost for r in recipes}  # sections may share slugs
        self.jobs, self.total, self.done = jobs, len(recipes), 0
        self.running: dict[str, float] = {}
        columns = (
            TextColumn("recipes"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )  # fmt: skip
        self.bar = RichProgress(*columns, console=self.console, disable=not self.live)
        self.task = self.bar.add_task("", total=self.total)

    def __enter__(self) -> "Progress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def started(self, recipe: Recipe) -> None:
        self.running[recipe.docname] = time.monotonic()
        if not self.live:
            self.console.print(f"recipe {recipe.slug}: start ({recipe.reason})", markup=False)
        self.describe()

    def finished(self, recipe: Recipe, run: Run) -> None:
        del self.running[recipe.docname]
        self.left.pop(recipe.docname)
        self.done += 1
        text = f"FAILED, it {run.failure.reason}" if run.failure else f"{run.wall:.1f} s"
        line = f"recipe {recipe.slug}: {text} ({self.done}/{self.total})"
        if self.live:
            line += f" [{recipe.reason}]"
        self.bar.console.print(line, markup=False)
        self.bar.advance(self.task)
        self.describe()

    def describe(self) -> None:
        # Copies, as recipes start in other threads meanwhile.
        running, costs = dict(self.running), dict(self.left)
        longest, *others = [*sorted(running, key=running.get), ""]
        text = longest.rpartition("/")[2][:30]  # what stands before it must fit beside it
        text += f" and {len(others) - 1} more" if len(others) > 1 else ""
        ran = {docname: time.monotonic() - start for docname, start in running.items()}
        left = sum(max(0, cost - ran.get(docname, 0)) for docname, cost in costs.items())
        wait = f", about {left / self.jobs:.0f} s left" if costs else ""
        self.bar.update(self.task, description=f"{text}{wait}")


def cost_table(records: Mapping[str, dict]) -> str:
    """The costs of executions as lines of text, the most expensive first.

    Args:
        records: of each page what is published, with ``wall`` and ``cpu`` (seconds) and
            ``peak`` (MiB), by docname.
    """
    rows = sorted(records.items(), key=lambda row: (-row[1]["cpu"], row[0]))
    names = {docname: docname.rpartition("/")[2] for docname, _ in rows}
    width = max(map(len, ["recipe", *names.values()]))
    lines = [f"{'recipe':{width}}  wall s   CPU s  peak MB"]
    for docname, cost in rows:
        lines.append(
            f"{names[docname]:{width}}  {cost['wall']:6.1f}  {cost['cpu']:6.1f}  "
            f"{cost['peak']:7.0f}"
        )
    return "\n".join(lines)
