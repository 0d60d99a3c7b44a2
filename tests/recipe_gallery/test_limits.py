"""A recipe that takes too much ends with what it started, and a sentence says why."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import small_gallery

from recipe_gallery import Header, Run, Task, limits

pytestmark = pytest.mark.unit
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def watched(executor, monkeypatch):
    """Let a process do something while ``watch`` looks at it."""
    monkeypatch.setattr(executor, "work", small_gallery.is_watched)

    def watched(code: str, **header: float) -> Run:
        files = {"a.py": code.encode()}
        return executor.run(Task("auto/a", "a.py", files, {}, Header(**header), {}))

    return watched


def test_time_limit(watched) -> None:
    """Seen by the process itself, even if nothing of Python runs."""
    run = watched("import time; time.sleep(60)", timeout=0.3)
    assert run.failure.reason == "was still running after its time limit of 0.3 s"


def test_memory_limit(watched) -> None:
    """That of its children counts."""
    code = "import time\nx = bytearray(200 * 2**20)\ntime.sleep(60)"
    run = watched(code, memory=0.2)
    assert run.failure.reason == "used more than its limit of 0.2 GiB of memory"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])"
    run = watched(code, memory=0.2)
    assert run.failure.reason == "used more than its limit of 0.2 GiB of memory"


def test_peak_is_known_in_the_end(watched) -> None:
    """In MiB; the limit that is not reached does nothing."""
    run = watched("import time\nx = bytearray(100 * 2**20)\ntime.sleep(0.5)")
    assert not run.failure and 100 < run.peak < 1000


def test_output_limit(watched) -> None:
    """With how the output begins."""
    code = (
        "import io, sys, time\n"
        "class Tee:\n    output = io.StringIO('on and on\\n' * 200_000)\n"
        "sys.stdout = Tee()\nTee.output.seek(0, 2)\ntime.sleep(60)"
    )
    run = watched(code)
    head = ["on and on"] * 3
    assert run.failure.reason == f"printed more than 1,000,000 characters, from {head!r} on"


def test_process_without_its_parent_ends(tmp_path) -> None:
    """A build that was killed leaves nothing running."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, os, pathlib, sys, time\n"
        "from recipe_gallery.limits import watch\n\n"
        "def child(folder):\n"
        "    os.setsid()\n"
        "    watch(60, 4, folder, [0.0])\n"
        "    (folder / 'pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n\n"
        "if __name__ == '__main__':\n"
        "    folder = pathlib.Path(__file__).parent\n"
        "    multiprocessing.get_context('spawn').Process(target=child, args=[folder]).start()\n"
        "    while not (folder / 'pid').exists():\n        time.sleep(0.02)\n"
        "    time.sleep(0.1)\n"
        "    os._exit(0)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, script], env=env, timeout=60, check=True)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    pytest.fail("it goes on")


# -- Processes -------------------------------------------------------------------------


def test_group_ends_whole() -> None:
    """And a group that is gone is no error."""
    code = f"import subprocess\nprint(subprocess.Popen({SLEEP!r}).pid, flush=True)\ninput()"
    leader = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    child = psutil.Process(int(leader.stdout.readline()))
    limits.kill_group(leader.pid)
    assert leader.wait(10) == -signal.SIGKILL
    _, alive = psutil.wait_procs([child], timeout=3)
    assert not alive or child.status() == psutil.STATUS_ZOMBIE
    limits.kill_group(leader.pid)


def test_group_ends_whole_where_there_are_none(monkeypatch) -> None:
    """As on Windows: by the family."""
    monkeypatch.delattr(os, "killpg")
    process = subprocess.Popen(SLEEP)
    limits.kill_group(process.pid)
    assert process.wait(10) != 0
    limits.kill_group(process.pid)


@pytest.fixture
def children(monkeypatch) -> list[psutil.Process]:
    """What ``left_behind`` takes for this process's children, without a second's patience."""
    found: list[psutil.Process] = []
    real = psutil.wait_procs
    monkeypatch.setattr(psutil, "wait_procs", lambda procs, timeout: real(procs, 0.1 * timeout))
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: found)
    return found


def test_processes_left_behind_are_ended(children) -> None:
    """And named; one that ends within a moment is not meant."""
    children.append(psutil.Process(subprocess.Popen([sys.executable, "-c", ""]).pid))
    children[0].wait(10)
    assert limits.left_behind() is None
    left = subprocess.Popen(SLEEP)
    children.append(psutil.Process(left.pid))
    failure = limits.left_behind()
    assert failure.reason.startswith("left 1 process(es) running: ")
    assert "time.sleep(600)" in failure.reason and left.wait(10) != 0


def test_helpers_of_python_are_not_left_behind(monkeypatch) -> None:
    """They end with us."""

    class Helper:
        def cmdline(self) -> list[str]:
            return ["python", "-c", "from multiprocessing.resource_tracker import main;main(5)"]

    class Ended:
        def cmdline(self) -> list[str]:
            raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "wait_procs", lambda *args, **kw: ([], [Helper(), Ended()]))
    assert limits.left_behind() is None


def test_memory_of_a_family() -> None:
    """Shared pages once, where the system tells; a member that has ended counts nothing."""
    me = psutil.Process()
    used = limits.memory_used((me,))
    assert used > 2**20 and limits.memory_used((me, me)) >= 2 * used * 0.9
    if psutil.LINUX:
        assert 0 < limits.memory_used((me,), once="pss") <= 1.5 * used

    class Ended:
        def memory_info(self):
            raise psutil.NoSuchProcess(1)

    assert limits.memory_used((Ended(),)) == 0


def test_peak_of_this_process() -> None:
    """In MiB, on every system."""
    used = psutil.Process().memory_info().rss / 2**20
    assert 0.5 * used < limits.peak_mib() < 100_000
