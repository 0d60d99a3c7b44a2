"""``make repeat`` finds what prints something else in some of its runs, and only that."""

import pytest

from tools import repeat

pytestmark = pytest.mark.downloads
BY_CHANCE = 'import os\nprint("equal:", os.environ["PYTHONHASHSEED"])'


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> None:
    """The cores that it keeps busy are those of other tests, too."""
    monkeypatch.setattr(repeat, "BUSY", "pass")


def test_all_runs_are_as_the_page(timed, copy_of, capsys) -> None:
    """The numbers of a cell that may differ aside: this recipe prints another time."""
    copy = copy_of(timed)
    copy.edit_script("12.34 us", "56.78 us")
    repeat.main(["--times=2", "--jobs=1", "--seed=8"], copy.root)
    assert capsys.readouterr().out == "run 8 of 9: 1 recipes\nrun 9 of 9: 1 recipes\n"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (BY_CHANCE, "-equal: 1\n+equal: 2"),
        (
            'import os\nassert os.environ["PYTHONHASHSEED"] == "1"\nprint("equal: 1")',
            "exit status 1",
        ),
        ('import time\nprint("equal: 1", flush=True)\ntime.sleep(60)', "still running after"),
    ],
)
def test_a_run_that_is_not_is_told(timed, copy_of, capsys, monkeypatch, new, expected) -> None:
    """With the recipe and the seed of the hash, and the command says no."""
    copy = copy_of(timed)
    copy.edit_script('print("equal: 1")', new)
    if "sleep" in new:
        monkeypatch.setattr(type(copy.sample), "timeout", 8)
    with pytest.raises(SystemExit, match="runs were not as the page: see above"):
        repeat.main(["--times=2", "--jobs=1"], copy.root)
    out = capsys.readouterr().out
    assert "sample, run 2: " in out and expected in out
    assert "run 2 of 2: 1 recipes" in out


def test_nobody_keeps_the_cores_busy_afterwards(monkeypatch) -> None:
    """Nor when a run is interrupted."""
    monkeypatch.setattr(repeat, "BUSY", "import time\nwhile True: time.sleep(1)")
    started = []
    real = repeat.subprocess.Popen
    monkeypatch.setattr(
        repeat.subprocess, "Popen", lambda *args: started.append(real(*args)) or started[-1]
    )
    with pytest.raises(KeyboardInterrupt), repeat.load(2):
        raise KeyboardInterrupt
    assert [process.returncode for process in started] == [-9, -9]


@pytest.mark.parametrize(("jobs", "idle"), [(1, 3), (2, 2), (4, 0), (5, 0)])
def test_a_recipe_has_half_of_a_core(timed, monkeypatch, jobs, idle) -> None:
    """However many run at once: what is missing of two processes for each core does nothing."""
    asked = []
    real = repeat.load
    monkeypatch.setattr(repeat, "load", lambda count: asked.append(count) or real(0))
    monkeypatch.setattr(repeat.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(repeat, "problem", lambda recipe, seed: "")
    repeat.main(["--times=1", f"--jobs={jobs}"], timed.root)
    assert asked == [idle]
