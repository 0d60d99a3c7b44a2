"""Executes one recipe, alone in a process that may die of it.

Problem: a recipe is arbitrary code: it can hang, crash, exit, fill memory or the
screen, and leave settings or processes behind.
Usage: ``execute(task)`` in a process of its own (see ``local``); everything
that goes in and comes out can be pickled, so that any executor can carry it.
Result: a :class:`Run`: what each cell printed and drew, with its costs; or a
:class:`Failure` in ``Run.failure``.
"""

import faulthandler
import multiprocessing
import os
import platform
import re
import sys
import sysconfig
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from . import gallery, plugin
from .header import missing_packages
from .limits import left_behind, peak_mib, watch
from .model import Failure, Run, Task
from .plugin import NotHere

OURS = Path(__file__).parents[1]  # the folder that holds this package
INSTALLED = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}


def execute(task: Task) -> Run:
    """Execute a recipe in this process, in its scratch folder."""
    scratch = Path(task.scratch)
    if hasattr(os, "setsid"):  # a group of its own: whatever it starts ends with it
        os.setsid()
    (scratch / "pid").write_text(str(os.getpid()))
    console = open(scratch / "console", "w+b", buffering=0)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # what compiled code prints goes there too
        stream.flush()
    os.dup2(console.fileno(), 1)
    os.dup2(console.fileno(), 2)
    faulthandler.enable(console)
    faulthandler.dump_traceback_later(0.8 * task.header.timeout, file=console)
    watch(task.header.timeout, task.header.memory, scratch, peak := [0.0])
    os.environ["OMP_NUM_THREADS"] = str(max(1, int(task.header.cpus)))
    multiprocessing.set_start_method(None, force=True)  # the platform's, as in a script
    site = plugin.load(task.plugin)
    try:
        if problem := missing_packages(task.header):
            raise NotHere(problem)
        site.enter(task)
        with unseen(OURS, task.plugin):
            run = run_cells(task, scratch)
        run.made_with = {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            **site.made_with(),
        }
    except NotHere as error:
        run = Run(failure=Failure(str(error)))
    except SystemExit as error:
        reason = f"called sys.exit({error.code!r}), which would end the page here"
        run = Run(failure=Failure(reason, where(error, scratch, task)))
    except FileNotFoundError as error:
        if (scratch / "work").exists():
            raise
        reason = "deleted the folder that it runs in"
        run = Run(failure=Failure(reason, where(error, scratch, task)))
    except Exception:  # a fault of ours, which the executor reports
        raise
    except BaseException as error:  # such as KeyboardInterrupt, which would end the build
        last = readable(traceback.format_exception_only(error)[-1].strip(), scratch, task)
        run = Run(failure=Failure(f"raised {last}", where(error, scratch, task)))
    run.failure = run.failure or left_behind()
    usage = os.times()
    run.cpu = usage.user + usage.system + usage.children_user + usage.children_system
    run.peak = max(peak_mib(), peak[0])
    run.key = task.key
    return run


@contextmanager
def unseen(folder: Path, plugin_name: str) -> Iterator[None]:
    """Let a recipe import what a script would: nothing from our folder, no module of ours."""
    names = {__package__, *filter(None, [plugin_name.partition(".")[0]])}
    ours = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in names}
    paths = list(sys.path)
    for name in ours:
        del sys.modules[name]
    if folder not in INSTALLED:
        sys.path[:] = [p for p in paths if not p or Path(p).resolve() != folder]
    try:
        yield
    finally:
        sys.path[:] = paths
        sys.modules.update(ours)


def run_cells(task: Task, scratch: Path) -> Run:
    """Execute the code blocks with Sphinx-Gallery; its conventions, its output."""
    workdir = scratch / "work"  # the current folder of the recipe
    workdir.mkdir()
    for name, content in task.files.items():
        (workdir / name).write_bytes(content)
    source = workdir / next(iter(task.files))
    root = scratch / "pages"
    target = (root / task.docname).parent
    start = time.perf_counter()
    cells, names, text = gallery.execute(source, target, root, task.settings)
    wall, text = time.perf_counter() - start, readable(text, scratch, task)
    if text:  # it is on the page, too
        cells = [replace(cell, rst=readable(cell.rst, scratch, task)) for cell in cells]
    run = Run(tuple(cells), names, wall=wall, raised=text)
    try:
        "".join([run.text, *(cell.rst for cell in cells)]).encode()
    except UnicodeEncodeError as error:
        reason = f"printed text that is not valid UTF-8: {error.object[error.start]!r}"
        return Run(failure=Failure(reason))  # nobody could write down the rest
    if text and not task.may_fail:
        last = text.strip().splitlines()[-1]
        run.failure = Failure(f"raised {last}", text)
    elif task.may_fail and not text:
        run.failure = Failure("ran to its end, though conf.py expects it to fail")
    return run


def readable(text: str, scratch: Path, task: Task) -> str:
    """Make a traceback name the source file in place of its copy in scratch, in valid UTF-8."""
    copy = re.escape(str(scratch / "work")) + r"[\\/]"
    text = re.sub(copy, f"{task.name.rpartition('/')[0]}/", text)
    return text.encode(errors="backslashreplace").decode()


def where(error: BaseException, scratch: Path, task: Task) -> str:
    """The recipe's own lines in an exception's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).parent == scratch / "work"]
    return readable("".join(traceback.format_list(own)), scratch, task)
