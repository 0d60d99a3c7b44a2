"""Where recipes are executed: in processes of this machine.

Problem: a recipe that crashes or hangs must end alone, and starting a Python with
torch for each recipe costs seconds.
Usage: ``LocalExecutor(modules, environment).run(task)`` from as many threads as there are jobs.
Result: a ``Run``; whatever ended the process is in its ``failure``, and only a full disk raises
``CannotWrite``. Where the platform has ``forkserver``, what all recipes need is imported once and
every recipe's process is a fork of that; elsewhere each is spawned.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from . import forkserver
from .child import execute
from .files import DISK, CannotWrite
from .key import made_environment
from .limits import end_tree
from .model import Failure, Run, Task
from .printed import read
from .supervisor import FAULTS, FULL, PRINTED, RESULT, Work, supervise

ALWAYS = (f"{__package__}.child", "matplotlib.pyplot", "numpy")
LINES, TAIL = 20, 20_000  # lines that a report shows, of so many last bytes
GRACE = 90  # seconds beyond a time limit for all that is not the recipe's


class LocalExecutor:
    """Runs each task in a process of its own on this machine.

    Args:
        modules: what to import once for all recipes.
        environment: variables that each recipe's process has, beside those it is to inherit.
        keep: names of variables to inherit, beside ``key.KEPT``.
        work: what the process does with a task; for tests.
    """

    def __init__(
        self,
        modules: Sequence[str],
        environment: Mapping[str, str],
        keep: Sequence[str] = (),
        work: Work = execute,
    ) -> None:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        self.context = multiprocessing.get_context(method)
        self.running: set[multiprocessing.Process] = set()
        self.stopped = False
        self.work = work
        self.environment = made_environment(environment, keep)
        sys.warnoptions.clear()  # a child would have them
        if method == "forkserver":
            forkserver.start(self.context, [*ALWAYS, *modules], self.environment)

    def run(self, task: Task) -> Run:
        """Execute a task and wait for it; it cannot take this process with it."""
        # A short name: the addresses of sockets in it have some 100 characters at most.
        try:
            scratch = Path(tempfile.mkdtemp(prefix="recipe-")).resolve()
        except OSError as error:
            raise CannotWrite(error.errno, error.strerror, error.filename) from error
        arguments = (replace(task, scratch=str(scratch)), self.work, self.environment)
        process = self.context.Process(target=supervise, args=arguments)
        try:
            process.start()
            self.running.add(process)
            if self.stopped:  # while the process was being started, so that none ended it
                process.terminate()
            process.join(task.header.timeout + GRACE)
            if (number := (process.exitcode or 0) - FULL) in DISK:
                raise CannotWrite(number, os.strerror(number), str(scratch))
            run = Run.from_json((scratch / RESULT).read_bytes())
        except CannotWrite:  # concerns all recipes
            raise
        except (OSError, ValueError):
            run = Run(failure=Failure("was lost with the process that watched it"))
        except Exception as error:  # such as a task that cannot be sent
            reason = f"could not be executed: {type(error).__name__}: {error}"
            run = Run(failure=Failure(reason))
        finally:
            self.running.discard(process)
            if process.pid and process.is_alive():
                end_tree(process.pid)
            words = last_words(scratch, task.name)
            shutil.rmtree(scratch, ignore_errors=True)
        if run.failure:
            details = "\n".join(filter(None, [run.failure.details.rstrip(), words]))
            run.failure = replace(run.failure, details=details)
        return run

    def stop(self) -> None:
        """End whatever is still running, or is just being started."""
        self.stopped = True
        for process in list(self.running):
            process.terminate()


def last_words(scratch: Path, name: str) -> str:
    """The last lines that a recipe left: where it was when it ended, and what it printed."""
    faults, printed = [
        own_lines(read(file, -TAIL, TAIL).decode(errors="replace")) if file.is_file() else ""
        for file in (scratch / FAULTS, scratch / PRINTED)
    ]
    text = "\n".join(filter(None, [faults, f"It had printed:\n{printed}" if printed else ""]))
    return text.replace(str(scratch / "work"), name.rpartition("/")[0])


def own_lines(text: str) -> str:
    """What a recipe left on its console, without the frames of what runs it."""
    ours = (str(Path(__file__).parent), "/sphinx_gallery/", "/multiprocessing/")
    drop = (*ours, "/threading.py", 'File "<string>"', "Extension modules:", "Thread 0x")
    kept = [line for line in text.strip().splitlines() if not any(word in line for word in drop)]
    return "\n".join([line[:500] for line in kept if line.strip()][-LINES:])
