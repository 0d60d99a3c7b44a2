"""Whatever a process does with a task, the build goes on and knows what happened."""

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import small_gallery

from recipe_gallery import Failure, Header, Run, Task, local
from recipe_gallery.files import CannotWrite
from recipe_gallery.limits import is_running
from recipe_gallery.local import LocalExecutor, last_words, own_lines
from recipe_gallery.supervisor import how_it_ended

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
        assert len(Path(one["scratch"]).name) < 20, "sockets in it need a short path"
    assert executor.running == set()


def test_fault_of_ours_is_told(run) -> None:
    """It is one recipe's failure, too."""
    assert reason(run(small_gallery.raises)) == (
        "could not be executed: RuntimeError: a fault of ours"
    )


def test_result_that_cannot_be_sent_is_told(run) -> None:
    """Nobody waits for it for ever."""
    assert reason(run(small_gallery.cannot_return)).startswith("could not be executed: TypeError")


def test_task_that_cannot_be_sent_is_told(executor) -> None:
    """Such as one with a function of a conf.py among its settings."""
    task = Task("a", "a.py", {}, {"reset_modules": [lambda *args: None]}, Header(), {})
    assert reason(executor.run(task)).startswith("could not be executed: ")


def test_process_that_exits_is_told(run) -> None:
    """With what it left on its console, in the words of the source."""
    failure = run(small_gallery.exits).failure
    words = 'File "examples/a.py"\nIt had printed:\nthe last words'
    assert failure == Failure("ended its process with exit code 3", words)


def test_process_that_is_killed_is_told(run) -> None:
    """With what it may have been."""
    assert reason(run(small_gallery.dies)) == (
        "was ended by the signal SIGKILL (the system may have been out of memory)"
    )


def test_process_that_was_being_started_when_all_were_stopped_ends(run, executor, monkeypatch):
    """Ctrl-C comes while the server still imports: the build does not wait for time limits."""
    monkeypatch.setattr(executor, "stopped", True)
    began = time.monotonic()
    assert run(small_gallery.hangs, timeout=500).failure
    assert time.monotonic() - began < 100


def test_process_that_hangs_is_ended(run, tmp_path) -> None:
    """With what it started in a session of its own."""
    assert reason(run(small_gallery.hangs, timeout=5)) == (
        "was still running after its time limit of 5 s"
    )
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or will within a moment."""
    for _ in range(100):
        if not psutil.pid_exists(pid):
            return True
        with suppress(psutil.NoSuchProcess):
            if not is_running(psutil.Process(pid)):
                return True
        time.sleep(0.05)
    return False


def test_end_of_the_build_ends_what_is_running(run, executor, tmp_path, monkeypatch) -> None:
    """Also what that has started, and its folder."""
    monkeypatch.setattr(executor, "stopped", False)  # other tests use this executor after it
    results = []
    thread = threading.Thread(target=lambda: results.append(run(small_gallery.hangs, timeout=60)))
    thread.start()
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        time.sleep(0.02)
    executor.stop()
    thread.join(30)
    assert not thread.is_alive() and results[0].failure
    assert is_gone(int((tmp_path / "child").read_text()))
    assert not Path((tmp_path / "scratch").read_text()).exists()


def test_folder_that_cannot_be_made_concerns_all_recipes(run, monkeypatch) -> None:
    """As a disk that is full."""

    def full(prefix: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp")

    monkeypatch.setattr(local.tempfile, "mkdtemp", full)
    with pytest.raises(CannotWrite, match="No space left"):
        run(small_gallery.exits)


def test_process_has_only_the_variables_that_it_is_given(monkeypatch) -> None:
    """And the few that it is to inherit."""
    monkeypatch.setattr(local.forkserver, "start", lambda *arguments: None)
    for name in ("A_SECRET", "KEPT_BY_SITE", "HOME", "PYTHONOPTIMIZE", "MATPLOTLIBRC"):
        monkeypatch.setenv(name, "before")
    found = LocalExecutor(["a"], {"SET_BY_TEST": "now"}, ["KEPT_BY_SITE"]).environment
    assert (found["SET_BY_TEST"], found["KEPT_BY_SITE"], found["HOME"]) == ("now", *["before"] * 2)
    assert not {"A_SECRET", "PYTHONOPTIMIZE"} & set(found)
    assert Path(found["MATPLOTLIBRC"]).is_file() and "SET_BY_TEST" not in os.environ


@pytest.mark.parametrize(("methods", "used"), [(["fork", "spawn"], "spawn"), (None, None)])
def test_without_a_fork_server_processes_are_spawned(monkeypatch, methods, used) -> None:
    """And never forked from the build, which has threads."""
    import multiprocessing

    there = methods or multiprocessing.get_all_start_methods()
    started = []
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: there)
    monkeypatch.setattr(local.forkserver, "start", lambda c, modules, e: started.extend(modules))
    method = LocalExecutor(["first"], {}).context.get_start_method()
    assert method == (used or ("forkserver" if "forkserver" in there else "spawn"))
    assert started == ([] if method == "spawn" else [*local.ALWAYS, "first"])


# -- The last words --------------------------------------------------------------------


def test_last_words_of_a_run(tmp_path) -> None:
    """Where it was and what it had printed; bytes that are no text do no harm."""
    source = tmp_path / "work" / "a.py"
    (tmp_path / "faults").write_text(f'File "{source}", line 3\n\n')
    (tmp_path / "printed").write_bytes(b"one \xff\n\n" * 30)
    first, second, *printed = last_words(tmp_path, "examples/sub/a.py").splitlines()
    assert (first, second) == ('File "examples/sub/a.py", line 3', "It had printed:")
    assert printed == ["one \ufffd"] * local.LINES
    assert last_words(tmp_path / "nowhere", "a.py") == ""


def test_lines_of_what_runs_a_recipe_are_left_out() -> None:
    """Only its own are of use to its author; of very many, the last."""
    folder = Path(local.__file__).parent
    text = f'Fatal error\n\n  File "{folder}/child.py", line 3\n  File "x/sphinx_gallery/gen.py"\n'
    text += '  File "examples/a.py", line 7\n  File "/usr/lib/threading.py", line 1\nThread 0x12\n'
    assert own_lines(text) == 'Fatal error\n  File "examples/a.py", line 7'
    assert len(own_lines("x" * 10_000)) == 500


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
