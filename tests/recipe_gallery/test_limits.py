"""The processes of a recipe are found wherever they hide, and all end."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest

from recipe_gallery import limits

pytestmark = pytest.mark.unit
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# Starts a process in a session of its own, whose parent ends at once; says its number.
DOUBLE = f"""
import subprocess, sys
inner = {SLEEP!r}
code = "import subprocess; print(subprocess.Popen(%r, stdout=-3, stderr=-3, start_new_session=True).pid)" % (inner,)
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
"""


@pytest.fixture
def family():
    """The descendants of this process, but for those that were there before."""
    found = limits.Family()
    before = set(found.me.children(recursive=True))
    members = found.members
    found.members = lambda: [process for process in members() if process not in before]
    yield found
    found.end()


def test_family_ends_whole(family) -> None:
    """Also in sessions of their own."""
    started = [subprocess.Popen(SLEEP, start_new_session=own) for own in (False, True)]
    assert {process.pid for process in family.members()} == {one.pid for one in started}
    family.end()
    for one in started:
        one.wait(10)
    assert family.members() == []
    assert not {process.pid for process in family.seen} & {one.pid for one in started}


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux gives orphans to another process")
def test_orphans_are_found() -> None:
    """Those whose parent has ended belong to the one who watches."""
    code = (
        "import subprocess, sys, psutil\n"
        "from recipe_gallery.limits import Family, adopt_orphans\n"
        "adopt_orphans()\nfamily = Family()\n"
        f"run = subprocess.run([sys.executable, '-c', {DOUBLE!r}], capture_output=True, text=True)\n"
        "pid = int(run.stdout)\n"
        "print([process.pid for process in family.members()] == [pid], family.left_by(0))\n"
        "family.end()\nprint(psutil.pid_exists(pid))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    first, second = result.stdout.splitlines()
    assert first.startswith("True [") and "time.sleep(600)" in first and second == "False"


def test_tree_ends_whole() -> None:
    """From outside; one that is gone is no error."""
    code = f"import subprocess\nprint(subprocess.Popen({SLEEP!r}).pid, flush=True)\ninput()"
    leader = subprocess.Popen(
        [sys.executable, "-c", code], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child = psutil.Process(int(leader.stdout.readline()))
    limits.end_tree(leader.pid)
    leader.wait(10)
    _, alive = psutil.wait_procs([child], timeout=3)
    assert not alive or child.status() == psutil.STATUS_ZOMBIE
    limits.end_tree(leader.pid)


def test_what_is_left_is_named(family) -> None:
    """But Python's own helpers, which end by themselves."""
    helper = [sys.executable, "-c", "import time; time.sleep(600)  # multiprocessing.tracker"]
    started = [subprocess.Popen(command) for command in (SLEEP, helper)]
    assert family.left_by(0.1) == [" ".join(SLEEP)[:80]]
    family.end()
    for one in started:
        one.wait(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_fork_that_is_left_is_named() -> None:
    """Though its command line is that of the process that it is a fork of, a helper's of Python."""
    code = (
        "import os, time  # multiprocessing.forkserver\n"
        "from recipe_gallery.limits import Family\n"
        "family = Family()\n"
        "if not os.fork():\n    time.sleep(600)\n"
        "print(family.left_by(0.1))\nfamily.end()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "['a fork of itself']\n"


def test_memory_of_members(family) -> None:
    """Together, with the most that was seen."""
    code = "x = bytearray(100 * 2**20)\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    for one in started:
        one.stdout.readline()
    used = family.memory(0)
    assert 200 < used / 2**20 < 500 and family.peak == used
    for one in started:
        with contextlib.suppress(BrokenPipeError):
            one.communicate(b"\n")
    assert family.memory(0) == 0 and family.peak == used


def test_memory_of_a_family() -> None:
    """Shared pages once, where the system tells; a member that has ended counts nothing."""
    me = psutil.Process()
    used = limits.memory_used([me])
    assert used > 2**20 and limits.memory_used([me, me]) >= 2 * used * 0.9
    if psutil.LINUX:
        assert 0 < limits.memory_used([me], once="pss") <= 1.5 * used

    class Ended:
        def memory_info(self):
            raise psutil.NoSuchProcess(1)

    assert limits.memory_used([Ended()]) == 0


def test_peak_of_what_has_ended() -> None:
    """In MiB; that of the largest."""
    subprocess.run([sys.executable, "-c", "x = bytearray(300 * 2**20)"], check=True)
    assert limits.peak_of_children() > 300 or psutil.WINDOWS
