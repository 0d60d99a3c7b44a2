"""Executes one recipe, alone in a process that may die of it.

Problem: a recipe is arbitrary code: it can hang, crash, exit, fill memory or the
screen, and leave settings or processes behind.
Usage: ``execute(task)`` in a process of its own, which ``supervisor`` watches; everything
that goes in and comes out can be pickled, so that any executor can carry it.
Result: a :class:`Run`: what each cell printed and drew, and the time that all took (``supervisor``
adds CPU time and memory); or a :class:`Failure` in ``Run.failure``.
"""

import faulthandler
import os
import platform
import re
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from . import as_script, execution, plugin
from .header import missing_packages
from .model import Failure, Run, Task
from .plugin import NotHere
from .printed import CannotShow, Printed, too_late
from .supervisor import FAULTS, PRINTED, SHOWN
from .walls import keep_inside

OURS = Path(__file__).parents[1]  # the folder that holds this package
INSTALLED = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}


def execute(task: Task) -> Run:
    """Execute a recipe in this process, in its scratch folder."""
    scratch = Path(task.scratch)
    workdir = scratch / "work"  # the current folder of the recipe
    for folder in (workdir, scratch / "tmp"):
        folder.mkdir()
    os.environ |= {"TMPDIR": str(scratch / "tmp"), "OMP_NUM_THREADS": str(task.header.threads)}
    tempfile.tempdir = None  # it may have been looked up before
    faults = open(scratch / FAULTS, "w")  # noqa: SIM115
    faulthandler.enable(faults)
    faulthandler.dump_traceback_later(0.8 * task.header.timeout, file=faults)
    as_script.begin()
    site = plugin.load(task.plugin)
    with Printed(scratch / PRINTED, f"{workdir}{os.sep}") as printed:
        try:
            if problem := missing_packages(task.header, site.install_command):
                raise NotHere(problem)
            site.enter(task)
            if site.writable is not None:
                keep_inside(*walls(task, scratch, site.writable))
            with unseen(OURS, task.plugin):
                run = run_cells(task, scratch, printed)
            run.made_with = {
                "python": platform.python_version(),
                "platform": f"{platform.system()} {platform.machine()}",
                **site.made_with(),
            }
        except (NotHere, CannotShow) as error:
            run = Run(failure=Failure(str(error)))
        except SystemExit as error:
            reason = f"called sys.exit({error.code!r}), which would end the page here"
            run = Run(failure=Failure(reason, where(error, scratch, task)))
        except Exception:  # a fault of ours, which the executor reports
            raise
        except BaseException as error:  # such as KeyboardInterrupt, which would end the build
            reason = f"raised {readable(execution.headline(error), scratch, task)}"
            run = Run(failure=Failure(reason, where(error, scratch, task)))
    (scratch / SHOWN).write_text(str(printed.place))
    return run


def walls(task: Task, scratch: Path, wanted: tuple[str, ...]) -> tuple:
    """The arguments of ``walls.keep_inside``, from the folders that the plugin names."""
    root = Path(task.srcdir) if task.srcdir else OURS
    folders = [root / name for name in wanted] if task.srcdir else []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return root, [scratch, *folders]


@contextmanager
def unseen(folder: Path, plugin_name: str) -> Iterator[None]:
    """Let a recipe import what a script would: nothing from our folder, no module of ours."""
    names = {__package__, *filter(None, [plugin_name.partition(".")[0]])}
    ours = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in names}
    paths = list(sys.path)
    for name in ours:
        del sys.modules[name]
    hidden = {folder} - INSTALLED
    sys.path[:] = [path for path in paths if path and Path(path).resolve() not in hidden]
    try:
        yield
    finally:
        sys.path[:] = paths
        sys.modules.update(ours)


def run_cells(task: Task, scratch: Path, printed: Printed) -> Run:
    """Execute the code blocks, and do what a script does at its end."""
    workdir, root = scratch / "work", scratch / "pages"
    for name, content in task.files.items():
        (workdir / name).write_bytes(content)
    source = workdir / next(iter(task.files))
    target = (root / task.docname).parent
    os.chdir(workdir)
    sys.path.insert(0, str(workdir))
    start = time.perf_counter()
    cells, names, raised = execution.execute(source, target, root, task.settings, printed)
    wall = time.perf_counter() - start
    if raised:  # it is on the page, too
        texts = [readable(text, scratch, task) for text in (raised.reason, raised.details)]
        raised = Failure(*texts)
        cells = [replace(cell, rst=readable(cell.rst, scratch, task)) for cell in cells]
    run = Run(tuple(cells), names, wall=wall, raised=raised.details if raised else "")
    try:
        "".join(cell.rst for cell in cells).encode()  # values of last lines are in it
    except UnicodeEncodeError as error:
        reason = f"printed text that is not valid UTF-8: {error.object[error.start]!r}"
        return Run(failure=Failure(reason))  # nobody could write down the rest
    if raised:  # without waiting for its threads, which may wait for what will not come
        if not task.may_fail:
            run.failure = replace(raised, reason=f"raised {raised.reason}")
        return run
    as_script.end()
    if late := printed.take():
        run.failure = Failure(too_late(late))
    if task.may_fail:
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
