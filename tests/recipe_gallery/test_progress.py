"""What is going on is told, in a log and on a terminal."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recipe_gallery import Failure, Recipe, Run
from recipe_gallery.progress import Progress, cost_table

pytestmark = pytest.mark.unit


def recipe(docname: str, reason: str = "code changed", cost: float = 4.0) -> Recipe:
    return Recipe(Path(f"{docname}.py"), f"{docname}.py", docname, b"", reason=reason, cost=cost)


def test_log_has_a_line_per_start_and_finish(capsys) -> None:
    """With the reason, the outcome and how many are done; brackets are no markup."""
    one, other = recipe("auto/one"), recipe("auto/other", "numpy 1 → 2 [bold]")
    with Progress([one, other], 2) as progress:
        progress.started(one)
        progress.started(other)
        progress.finished(other, Run(failure=Failure("raised ValueError: [red]", "details")))
        progress.finished(one, Run())
    lines = re.sub(r"\d+\.\d s", "0.0 s", capsys.readouterr().out).splitlines()
    assert lines == [
        "recipe one: start (code changed)",
        "recipe other: start (numpy 1 → 2 [bold])",
        "recipe other: FAILED, it raised ValueError: [red] (1/2)",
        "recipe one: 0.0 s (2/2)",
    ]


def test_two_sections_may_have_a_recipe_of_one_name(capsys) -> None:
    """Both are told, and each is counted once."""
    both = [recipe("auto/a/same"), recipe("auto/b/same")]
    with Progress(both, 2) as progress:
        for one in both:
            progress.started(one)
        for one in both:
            progress.finished(one, Run())
    assert capsys.readouterr().out.count("(2/2)") == 1


def test_recipes_start_in_several_threads() -> None:
    """While others end: what is left is counted meanwhile."""
    interval = sys.getswitchinterval()
    recipes = [recipe(f"auto/{number}") for number in range(400)]

    def run(one) -> None:
        progress.started(one)
        progress.finished(one, Run())

    try:
        sys.setswitchinterval(1e-6)
        with Progress(recipes, 16) as progress, ThreadPoolExecutor(16) as pool:
            list(pool.map(run, recipes))
    finally:
        sys.setswitchinterval(interval)
    assert not progress.running and not progress.left


def test_terminal_has_a_live_line(capsys, monkeypatch) -> None:
    """With what is running and the work that is left, of all that is known by then."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    one, other = recipe("auto/one"), recipe("auto/other", cost=20)
    with Progress([one, other], 2) as progress:
        progress.started(one)
        progress.started(other)
        progress.bar.refresh()
        progress.finished(one, Run())
        assert progress.bar.tasks[0].description == "other, about 10 s left"
        progress.finished(other, Run())
        assert progress.bar.tasks[0].description == "" and progress.bar.finished
    shown = capsys.readouterr().out
    assert "one and 1 more, about 12 s left" in shown and "0/2" in shown
    assert re.search(r"recipe one: \d+\.\d s \(1/2\) \[code changed\]", shown)
    assert ": start" not in shown


def test_costs_are_listed_from_the_most_expensive() -> None:
    """In columns, by the recipes' own names."""
    records = {
        "auto/a": {"wall": 1.0, "cpu": 2.0, "peak": 300.0, "title": "A"},
        "auto/sub/longer": {"wall": 12.34, "cpu": 20.0, "peak": 4000.4},
        "auto/b": {"wall": 1.0, "cpu": 2.0, "peak": 300.0},
    }
    assert cost_table(records).splitlines() == [
        "recipe  wall s   CPU s  peak MB",
        "longer    12.3    20.0     4000",
        "a          1.0     2.0      300",
        "b          1.0     2.0      300",
    ]
    del records["auto/sub/longer"]
    assert cost_table(records).splitlines()[1] == "a          1.0     2.0      300"
    assert cost_table({}) == "recipe  wall s   CPU s  peak MB"
