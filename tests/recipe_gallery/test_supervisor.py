"""A recipe that takes too much ends with what it started, and a sentence says why."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import small_gallery

from recipe_gallery import Header, Run, Task, supervisor

pytestmark = pytest.mark.unit


@pytest.fixture
def watched(executor, monkeypatch):
    """Let a process do something under the eyes of the supervisor."""
    monkeypatch.setattr(executor, "work", small_gallery.does_what_it_is_told)

    def watched(code: str, **header: float) -> Run:
        files = {"a.py": code.encode()}
        return executor.run(Task("auto/a", "a.py", files, {}, Header(**header), {}))

    return watched


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    ],
)
def test_time_limit(watched, code) -> None:
    """Also in one call that lets nothing else of the process run."""
    start = time.monotonic()
    run = watched(code, timeout=0.5)
    assert run.failure.reason == "was still running after its time limit of 0.5 s"
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "code",
    [
        "import time\nx = bytearray(300 * 2**20)\ntime.sleep(60)",
        "import subprocess, sys\ncode = 'x = bytearray(300 * 2**20); input()'\n"
        "subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE).wait()",
        "x = bytearray(300 * 2**20)",  # gone before anybody looks
        "x = list(range(100_000_000))",
    ],
)
def test_memory_limit(watched, code) -> None:
    """That of its children counts; also what one call takes, and what was given back."""
    run = watched(code, memory=0.25)
    assert run.failure.reason == "used more than its limit of 0.25 GiB of memory"
    assert run.peak < 3500  # MiB; the last would have 4000


def test_looks_become_rare_where_they_take_long(tmp_path, monkeypatch) -> None:
    """Each asks about every process of the machine, and a laptop may have a thousand."""
    pauses, process = [], SimpleNamespace(exitcode=None, sentinel=0)

    def wait(sentinels: list, seconds: float) -> None:
        pauses.append(round(seconds, 3))
        process.exitcode = 0 if len(pauses) == 4 else None

    clock = iter([0, 0.0005, 1, 1.003, 2, 2.06, 3, 3])  # before and after each look
    times = SimpleNamespace(monotonic=lambda: 0, process_time=lambda: next(clock))
    monkeypatch.setattr(supervisor, "wait", wait)
    monkeypatch.setattr(supervisor, "time", times)
    task = Task("auto/a", "a.py", {}, {}, Header(), {}, scratch=str(tmp_path))
    family = SimpleNamespace(memory=lambda limit: 0)
    assert not supervisor.watch(task, process, family, lambda: False)
    assert pauses == [0.1, 0.1, 0.3, 0.5]


def test_costs_are_known_in_the_end(watched) -> None:
    """Peak in MiB, seconds of all cores; the limit that is not reached does nothing."""
    run = watched("x = bytearray(100 * 2**20)\nsum(range(10**7))")
    assert not run.failure and 100 < run.peak < 1000 and run.cpu > 0.05


def test_output_limit(executor, monkeypatch) -> None:
    """With how the output begins; whoever prints."""
    monkeypatch.setattr(executor, "work", small_gallery.floods)
    run = executor.run(Task("auto/a", "a.py", {"a.py": b""}, {}, Header(), {}))
    head = ["on and on"] * 3
    assert run.failure.reason == f"printed more than 1,000,000 characters, from {head!r} on"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_fork_does_not_answer_in_place_of_its_parent(watched) -> None:
    """One that the recipe made and that runs on, as it does in a script."""
    run = watched("import os, time\nif os.fork():\n    time.sleep(0.5)\n    1 / 0")
    assert run.failure.reason == "could not be executed: ZeroDivisionError: division by zero"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_build(tmp_path, how) -> None:
    """However that ends; not even the scratch folder is left."""
    script = tmp_path / "script.py"
    script.write_text(
        "import small_gallery, sys\n"
        "from recipe_gallery import Header, Task\n"
        "from recipe_gallery.local import LocalExecutor\n\n"
        "if __name__ == '__main__':\n"
        "    task = Task('a', 'a.py', {'a.py': b''}, {}, Header(), {}, srcdir=sys.argv[1])\n"
        "    LocalExecutor([], {}, work=small_gallery.hangs).run(task)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    build = subprocess.Popen([sys.executable, script, tmp_path], env=env)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert build.poll() is None
        time.sleep(0.02)
    child, scratch = ((tmp_path / name).read_text() for name in ("child", "scratch"))
    build.send_signal(how)
    build.wait(30)
    for _ in range(200):
        if not psutil.pid_exists(int(child)) and not os.path.exists(scratch):
            return
        time.sleep(0.05)
    pytest.fail("it goes on")
