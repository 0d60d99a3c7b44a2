"""What a recipe may use, and how its process ends when it uses more.

Problem: a recipe can hang, fill memory or the screen, and leave processes behind.
Usage: ``watch(...)`` at the start of the process that executes it; ``left_behind()`` at its
end; ``kill_group(pid)`` by whoever waits for it.
Result: the process ends with its children, and a file ``reason`` in its scratch folder says why.

Three timers guard one limit: faulthandler shows at 0.8 of it where the recipe hangs, ``watch``
ends it at the limit, and the executor ends it some seconds later if even that did not work.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

from .model import Failure

OUTPUT_LIMIT = 1_000_000  # characters that a recipe may print
GIB = 2**30


def watch(timeout: float, memory: float, scratch: Path, peak: list[float]) -> None:
    """End this process and its children, with a reason, at a limit or without its parent.

    Args:
        timeout: seconds.
        memory: GiB, the children's included.
        scratch: the folder for the reason.
        peak: ``peak[0]`` becomes what it used at most together with its children, in MiB.
    """
    parent, me = multiprocessing.parent_process(), psutil.Process()

    def stop(reason: str) -> None:
        (scratch / "reason").write_text(reason)
        kill_group(os.getpid())

    def look() -> None:
        most, start = 0, time.monotonic()
        while True:
            time.sleep(0.2)
            if time.monotonic() - start > timeout:
                stop(f"was still running after its time limit of {timeout:g} s")
            printed = getattr(sys.stdout, "output", None)  # Sphinx-Gallery's collector
            if printed is not None and printed.tell() > OUTPUT_LIMIT:
                head = printed.getvalue()[:200].strip().splitlines()[:3]
                stop(f"printed more than {OUTPUT_LIMIT:,} characters, from {head!r} on")
            family = (me, *me.children(recursive=True))
            used = memory_used(family)
            if used > min(1.05 * most, memory * GIB):
                # Processes share most of torch; counting each page once takes time.
                exact = memory_used(family, once="pss") if len(family) > 1 else used
                most, peak[0] = max(most, used), max(peak[0], exact / 2**20)
                if exact > memory * GIB:
                    stop(f"used more than its limit of {memory:g} GiB of memory")
            if parent and not parent.is_alive():
                kill_group(os.getpid())  # the build is gone

    threading.Thread(target=look, daemon=True).start()


def memory_used(family: tuple[psutil.Process, ...], once: str = "") -> int:
    """Resident bytes of some processes; ``"pss"``: shared ones divided among them, on Linux."""
    total = 0
    for process in family:
        try:
            info = process.memory_full_info() if once and psutil.LINUX else process.memory_info()
            total += getattr(info, once, info.rss)
        except psutil.Error:
            continue  # it has just ended
    return total


def kill_group(pid: int) -> None:
    """Kill a recipe's process and everything that it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            return  # nothing is left of it
    else:
        try:
            family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
        except psutil.Error:
            return
        for process in family:
            process.kill()


def left_behind() -> Failure | None:
    """A failure if processes that the recipe started are still running; ends them."""
    children = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=1)
    names = []
    for child in alive:
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if "multiprocessing." not in command:  # Python's own helpers end with us
            names.append(command[:80])
            child.kill()  # where there are no process groups, nobody finds it later
    if names:
        return Failure(f"left {len(names)} process(es) running: {names[0]}")
    return None


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    try:
        import resource
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
