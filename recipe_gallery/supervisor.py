"""Executes one recipe in a process of its own, and watches it from outside.

Problem: a recipe can hang, fill memory or the screen in one call that lets nothing else in its
process run, and it can leave processes behind, also in sessions of their own.
Usage: ``supervise(task, work, environment)`` in a process for this recipe alone (see ``local``).
Result: a file ``result`` in the task's scratch folder, with a :class:`Run`. What the recipe
started ends with it: at its end, at a limit, when this process is told to end, and when the
build is gone, whatever ended that.
"""

import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from .files import DISK
from .limits import Family, adopt_orphans, die_with_parent, peak_of_children
from .model import Failure, Run, Task
from .printed import LIMIT, read, too_late, too_much

INTERVAL, LONGEST = 0.1, 0.5  # seconds between two looks
SHARE = 0.01  # of a core, for looking: a look asks about every process of the machine
FULL = 100  # exit codes from here on: the disk is full, and the error's number
PATIENCE = 60  # seconds until a recipe's process must have begun
GIB, MIB = 2**30, 2**20
OWN_ANSWER, RESULT = "answer", "result"  # files in scratch: of the recipe's process, and ours
FAULTS, PRINTED, SHOWN = "faults", "printed", "shown"  # and how much of that the page shows
Work = Callable[[Task], Run]


class Ended(Exception):
    """This process was told to end, or the build is gone."""


def supervise(task: Task, work: Work, environment: Mapping[str, str]) -> None:
    """Execute a recipe and write down its run.

    Args:
        task: the recipe; its scratch folder is there.
        work: what its process does with it.
        environment: all variables that the process has.
    """
    os.environ.clear()  # where processes are spawned, they have those of the build
    os.environ.update(environment)
    scratch, build = Path(task.scratch), multiprocessing.parent_process()
    if hasattr(os, "setsid"):
        os.setsid()  # out of the reach of the terminal's signals
    adopt_orphans()
    told: list[int] = []  # an exception could be raised, and lost, in what happens at a fork
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))

    def is_over() -> bool:
        return bool(told) or (build is not None and not build.is_alive())

    # Started by a fork, it has all that is imported here.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    process = context.Process(target=answer, args=(task, work))
    family, ended = Family(), False
    try:
        process.start()
        reason = watch(task, process, family, is_over)
        left = [] if reason else family.left_by(1.0)
    except Ended:
        ended = True
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        family.end()
    if ended:
        shutil.rmtree(scratch, ignore_errors=True)
        return
    # Only then is the exit code ours; a recipe may end with the same.
    if not reason and unfinished(scratch / OWN_ANSWER).exists():
        os._exit(process.exitcode or 1)
    run = result_of(scratch, process.exitcode, reason)
    if left and not run.failure:
        run.failure = Failure(f"left {len(left)} process(es) running: {left[0]}")
    if (late := late_words(scratch)) and not run.failure:
        run.failure = Failure(late)
    usage = os.times()
    run.cpu = usage.children_user + usage.children_system
    run.peak = max(family.peak / MIB, peak_of_children())
    if not run.failure and run.peak * MIB > task.header.memory * GIB:
        run.failure = Failure(over_memory(task))
    run.key = task.key
    write(scratch / RESULT, run.to_json())


def write(path: Path, content: bytes) -> None:
    """Write a file in one step; where the disk is full, this process ends with ``FULL`` + errno."""
    try:
        unfinished(path).write_bytes(content)
        os.replace(unfinished(path), path)
    except OSError as error:
        os._exit(FULL + error.errno if error.errno in DISK else 1)


def unfinished(path: Path) -> Path:
    """What a file is called while it is written."""
    return path.with_suffix(".new")


def answer(task: Task, work: Work) -> None:
    """What the recipe's own process does: execute it, and leave the run in a file."""
    die_with_parent()
    me = os.getpid()
    try:
        run = work(task)
        content = run.to_json()
    except Exception as error:  # a fault of ours rather than the recipe's
        reason = f"could not be executed: {type(error).__name__}: {error}"
        content = Run(failure=Failure(reason, traceback.format_exc())).to_json()
    except BaseException:
        if os.getpid() == me:
            raise
        content = b""
    if os.getpid() == me:  # a fork that the recipe made must not answer in its place
        write(Path(task.scratch, OWN_ANSWER), content)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # without a second round of what is done at the end of a process


def watch(task: Task, process: BaseProcess, family: Family, is_over: Callable[[], bool]) -> str:
    """Wait for the end of a recipe's process; the limit that it broke, "" if none.

    Raises:
        Ended: as soon as ``is_over`` says so.
    """
    printed, start = Path(task.scratch, PRINTED), time.monotonic()
    limit, begun, took = task.header.memory * GIB, False, 0.0
    while process.exitcode is None:
        wait([process.sentinel], min(max(INTERVAL, took / SHARE), LONGEST))
        if is_over():
            raise Ended
        if not begun and printed.exists():  # a spawned process has been importing until now
            begun, start = True, time.monotonic()
        if time.monotonic() - start > task.header.timeout + (0 if begun else PATIENCE):
            return f"was still running after its time limit of {task.header.timeout:g} s"
        if begun and printed.stat().st_size > 4 * LIMIT:
            return too_much(read(printed, 0, 200))
        before = time.process_time()
        if family.memory(limit) > limit:
            return over_memory(task)
        took = time.process_time() - before
    return ""


def late_words(scratch: Path) -> str:
    """What is wrong if processes that the recipe started printed when its page was complete."""
    try:
        shown = int((scratch / SHOWN).read_text())
    except (OSError, ValueError):
        return ""
    late = read(scratch / PRINTED, shown, 200) if (scratch / PRINTED).is_file() else b""
    return too_late(late.decode(errors="replace")) if late else ""


def over_memory(task: Task) -> str:
    """The sentence on a recipe that used too much."""
    return f"used more than its limit of {task.header.memory:g} GiB of memory"


def result_of(scratch: Path, exitcode: int | None, reason: str) -> Run:
    """The run that a process left, or why there is none.

    Args:
        scratch: the task's folder.
        exitcode: of the process.
        reason: the limit that it broke, "" if none.
    """
    try:
        run = Run.from_json((scratch / OWN_ANSWER).read_bytes())
    except (OSError, ValueError):
        return Run(failure=Failure(reason or how_it_ended(exitcode)))
    if reason and not run.failure:
        run.failure = Failure(reason)
    return run


def how_it_ended(exitcode: int | None) -> str:
    """A sentence on a process that ended without a result."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have been out of memory)" if name == "SIGKILL" else ""
        return f"was ended by the signal {name}{hint}"
    return f"ended its process with exit code {exitcode}"
