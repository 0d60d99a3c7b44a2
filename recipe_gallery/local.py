"""Where recipes are executed: in processes of this machine.

Problem: a recipe that crashes or hangs must end alone, and starting a Python with
torch for each recipe costs seconds.
Usage: ``LocalExecutor(modules, environment).run(task)`` from as many threads as there are jobs.
Result: a ``Run``, always; whatever ended the process is in its ``failure``. Where the
platform has ``forkserver``, what all recipes need is imported once and
every recipe's process is a fork of that; elsewhere each is spawned.
"""

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from pathlib import Path

from pebble import ProcessExpired
from pebble.concurrent import process

from . import forkserver
from .child import execute
from .limits import kill_group
from .model import Failure, Run, Task

ALWAYS = ("pebble.concurrent", f"{__package__}.child", "matplotlib.pyplot", "numpy")
GRACE = 3  # seconds beyond a time limit, to end by itself


class LocalExecutor:
    """Runs each task in a process of its own on this machine.

    Args:
        modules: what to import once for all recipes.
        environment: variables that each recipe's process, and what it starts, has.
        work: what the process does with a task; for tests.
    """

    def __init__(
        self,
        modules: Sequence[str],
        environment: Mapping[str, str],
        work: Callable[[Task], Run] = execute,
    ) -> None:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        self.context = multiprocessing.get_context(method)
        self.scratch_dirs: set[Path] = set()
        self.work = work
        os.environ.update(environment)  # from which processes inherit it
        if method == "forkserver":
            forkserver.start(self.context, [*ALWAYS, *modules])

    def run(self, task: Task) -> Run:
        """Execute a task and wait for it; it cannot take this process with it."""
        scratch = Path(tempfile.mkdtemp(prefix=f"recipe-{task.slug}-")).resolve()
        self.scratch_dirs.add(scratch)
        late = task.header.timeout + GRACE  # the process looks at the time itself
        call = process(daemon=False, timeout=late, context=self.context)(self.work)
        try:
            return call(replace(task, scratch=str(scratch))).result()
        except FutureTimeoutError:
            reason = f"was still running after its time limit of {task.header.timeout:g} s"
        except ProcessExpired as error:
            reason = how_it_ended(error.exitcode)
        except Exception as error:  # a fault of ours rather than the recipe's
            reason = f"could not be executed: {type(error).__name__}: {error}"
        finally:
            details = last_words(scratch, task.name)
            self.scratch_dirs.discard(scratch)
        return Run(failure=Failure(details.get("reason") or reason, details["console"]))

    def stop(self) -> None:
        """End whatever is still running."""
        for scratch in list(self.scratch_dirs):
            last_words(scratch, "")


def last_words(scratch: Path, name: str) -> dict[str, str]:
    """Kill what is left of a run, read what it left to read, remove its folder.

    Returns:
        ``console``, and the files ``pid`` and ``reason`` if they are there.
    """
    words = {"console": ""}
    for file in ("pid", "reason", "console"):
        if (scratch / file).is_file():
            words[file] = (scratch / file).read_text("utf-8", errors="replace")
    if pid := words.get("pid"):
        kill_group(int(pid))
    shutil.rmtree(scratch, ignore_errors=True)
    folder = name.rpartition("/")[0]
    words["console"] = own_lines(words["console"].replace(str(scratch / "work"), folder))
    return words


def own_lines(text: str) -> str:
    """What a recipe left on its console, without the frames of what runs it."""
    ours = (str(Path(__file__).parent), "/sphinx_gallery/", "/pebble/", "/multiprocessing/")
    drop = (*ours, "/threading.py", 'File "<string>"', "Extension modules:", "Thread 0x")
    kept = [line for line in text.strip().splitlines() if not any(word in line for word in drop)]
    return "\n".join(line for line in kept if line.strip())[-4000:]


def how_it_ended(exitcode: int) -> str:
    """A sentence on a process that ended without a result."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have been out of memory)" if name == "SIGKILL" else ""
        return f"was ended by the signal {name}{hint}"
    return f"ended its process with exit code {exitcode}"
