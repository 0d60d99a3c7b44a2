"""Whatever a process does with a task, the build goes on and knows what happened."""

import os
import time
from pathlib import Path

import psutil
import pytest
import small_gallery

from recipe_gallery import Failure, Header, Run, Task, local
from recipe_gallery.local import LocalExecutor, how_it_ended, last_words, own_lines

pytestmark = pytest.mark.unit


@pytest.fixture
def run(executor, tmp_path, monkeypatch):
    """Let a process do something with a task."""

    def run(work, timeout: float = 20) -> Run:
        monkeypatch.setattr(executor, "work", work)
        header = Header(timeout=timeout)
        task = Task("auto/a", "examples/a.py", {"a.py": b""}, {}, header, {}, srcdir=str(tmp_path))
        return executor.run(task)

    return run


def reason(run: Run) -> str:
    return run.failure.reason


def test_task_is_done_in_a_process_of_its_own(run, executor) -> None:
    """In a folder of its own, which is gone afterwards."""
    seen = [run(small_gallery.says_what_it_got).made_with for _ in range(2)]
    assert len({os.getpid(), *(one["pid"] for one in seen)}) == 3
    assert len({one["scratch"] for one in seen}) == 2
    for one in seen:
        assert one["there"] == "True" and not Path(one["scratch"]).exists()
        assert Path(one["scratch"]).name.startswith("recipe-a-")
    assert executor.scratch_dirs == set()


def test_fault_of_ours_is_told(run) -> None:
    """It is one recipe's failure, too."""
    assert reason(run(small_gallery.raises)) == (
        "could not be executed: RuntimeError: a fault of ours"
    )


def test_result_that_cannot_be_sent_is_told(run) -> None:
    """Nobody waits for it for ever."""
    assert reason(run(small_gallery.cannot_return)) == "ended its process with exit code 1"


def test_task_that_cannot_be_sent_is_told(executor) -> None:
    """Such as one with a function of a conf.py among its settings."""
    task = Task("a", "a.py", {}, {"reset_modules": [lambda *args: None]}, Header(), {})
    assert reason(executor.run(task)).startswith("could not be executed: ")


def test_process_that_exits_is_told(run) -> None:
    """With what it left on its console, in the words of the source."""
    failure = run(small_gallery.exits).failure
    assert failure == Failure("ended its process with exit code 3", 'File "examples/a.py"')


def test_process_that_is_killed_is_told(run) -> None:
    """With what it may have been."""
    assert reason(run(small_gallery.dies)) == (
        "was ended by the signal SIGKILL (the system may have been out of memory)"
    )


def test_process_that_does_not_look_at_the_time_is_ended(run, tmp_path, monkeypatch) -> None:
    """Some seconds after its limit, with what it started."""
    monkeypatch.setattr(local, "GRACE", 0.3)
    assert reason(run(small_gallery.hangs, timeout=0.5)) == (
        "was still running after its time limit of 0.5 s"
    )
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or will within a moment."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_end_of_the_build_ends_what_is_running(executor, tmp_path) -> None:
    """Also what that has started."""
    import subprocess
    import sys

    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(command, start_new_session=True)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "pid").write_text(str(process.pid))
    executor.scratch_dirs.add(scratch)
    executor.stop()
    executor.scratch_dirs.clear()
    assert process.wait(10) == -9 and not scratch.exists()


def test_variables_reach_the_process(monkeypatch) -> None:
    """By the environment of the build, which it starts with."""
    monkeypatch.setenv("SET_BY_TEST", "before")
    monkeypatch.setattr(local.forkserver, "start", lambda context, modules: None)
    LocalExecutor(["a"], {"SET_BY_TEST": "now"})
    assert os.environ["SET_BY_TEST"] == "now"


@pytest.mark.parametrize(("methods", "used"), [(["fork", "spawn"], "spawn"), (None, None)])
def test_without_a_fork_server_processes_are_spawned(monkeypatch, methods, used) -> None:
    """And never forked from the build, which has threads."""
    import multiprocessing

    there = methods or multiprocessing.get_all_start_methods()
    started = []
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: there)
    monkeypatch.setattr(local.forkserver, "start", lambda context, modules: started.extend(modules))
    method = LocalExecutor(["first"], {}).context.get_start_method()
    assert method == (used or ("forkserver" if "forkserver" in there else "spawn"))
    assert started == ([] if method == "spawn" else [*local.ALWAYS, "first"])


# -- The last words --------------------------------------------------------------------


def test_last_words_of_a_run(tmp_path) -> None:
    """Its reason before ours; bytes that are no text do no harm."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "reason").write_text("printed too much")
    (scratch / "console").write_bytes(b"one \xff\n\n" + f"{scratch}/work/a.py:3\n".encode())
    words = last_words(scratch, "examples/sub/a.py")
    assert words == {"reason": "printed too much", "console": "one \ufffd\nexamples/sub/a.py:3"}
    assert not scratch.exists() and last_words(scratch, "a.py") == {"console": ""}


def test_lines_of_what_runs_a_recipe_are_left_out() -> None:
    """Only its own are of use to its author; of very many, the last."""
    folder = Path(local.__file__).parent
    text = f'Fatal error\n\n  File "{folder}/child.py", line 3\n  File "x/sphinx_gallery/gen.py"\n'
    text += '  File "examples/a.py", line 7\n  File "/usr/lib/threading.py", line 1\nThread 0x12\n'
    assert own_lines(text) == 'Fatal error\n  File "examples/a.py", line 7'
    assert len(own_lines("x" * 10_000)) == 4000


@pytest.mark.parametrize(
    ("exitcode", "sentence"),
    [
        (-11, "was ended by the signal SIGSEGV"),
        (-9, "was ended by the signal SIGKILL (the system may have been out of memory)"),
        (0, "ended its process with exit code 0"),
        (None, "ended its process with exit code None"),
    ],
)
def test_how_a_process_ended(exitcode, sentence) -> None:
    """In a person's words."""
    assert how_it_ended(exitcode) == sentence
