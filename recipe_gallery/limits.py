"""The processes that a recipe started: what they use, and how all of them end.

Problem: a process leaves its group by a session of its own, and its parent by a double fork.
Usage: ``adopt_orphans()`` in the process that watches a recipe, then a :class:`Family`.
Result: on Linux every descendant is found, as orphans come to the one who watches; elsewhere those
that were seen once are remembered.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # from linux/prctl.h


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """End this process when the one ends that watches it, on Linux."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended in between
            os._exit(1)


class Family:
    """The descendants of this process."""

    def __init__(self) -> None:
        self.me = psutil.Process()
        self.seen: set[psutil.Process] = set()
        self.peak = 0.0  # bytes
        self.most = 0.0  # bytes, with what is shared counted for each

    def members(self) -> list[psutil.Process]:
        """Those that are running."""
        found = self.seen | set(self.me.children(recursive=True))
        self.seen = {process for process in found if is_running(process)}
        return list(self.seen)

    def memory(self, limit: float) -> float:
        """Resident bytes of all together.

        Args:
            limit: in bytes; only near it, memory that they share is counted once, which takes
                time, and only on Linux.
        """
        members = self.members()
        used = memory_used(members)
        if used <= min(limit, 1.05 * self.most):
            return used
        self.most = max(self.most, used)
        exact = memory_used(members, once="pss") if len(members) > 1 else used
        self.peak = max(self.peak, exact)
        return exact

    def left_by(self, patience: float) -> list[str]:
        """The commands that are still running some seconds after the recipe's end."""
        _, alive = psutil.wait_procs(self.members(), timeout=patience)
        names = []
        for process in alive:
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline())
                if process.cmdline() == self.me.cmdline():
                    names.append("a fork of itself")
                elif "multiprocessing." not in command:  # Python's helpers end by themselves
                    names.append(command[:80])
        return names

    def end(self) -> None:
        """Kill all, also those that are started meanwhile."""
        for _ in range(50):
            if not (members := self.members()):
                return
            for process in members:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(members, timeout=0.1)


def is_running(process: psutil.Process) -> bool:
    """Whether a process can still do something."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def memory_used(family: list[psutil.Process], once: str = "") -> float:
    """Resident bytes of some processes; ``"pss"``: shared ones divided among them, on Linux."""
    total = 0.0
    for process in family:
        try:
            info = process.memory_full_info() if once and psutil.LINUX else process.memory_info()
            total += getattr(info, once, info.rss)
        except psutil.Error:
            continue  # it has just ended
    return total


def peak_of_children() -> float:
    """Peak resident memory of the largest descendant that has ended, in MiB; 0 if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit


def end_tree(pid: int) -> None:
    """Kill a process and all its descendants, the youngest last, so that none is lost sight of."""
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for _ in range(50):
            family = [p for p in (*top.children(recursive=True), top) if is_running(p)]
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            if not family:
                return
            time.sleep(0.02)
