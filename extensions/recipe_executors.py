"""Where recipes are executed: in processes of this machine.

Problem: a recipe that crashes or hangs must end alone, and starting a Python with
torch for each recipe costs seconds.
Usage: ``LocalExecutor(threads, packages, tasks).run(task)`` from as many threads as there are jobs.
Result: a ``Run``, always; whatever ended the process is in its ``failure``. Where the
platform has ``forkserver``, torch, matplotlib and Sphinx-Gallery are imported once and
every recipe's process is a fork of that; elsewhere each is spawned.
"""

import multiprocessing
import os
import shutil
import signal
import tempfile
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from pathlib import Path

from pebble import ProcessExpired
from pebble.concurrent import process

import recipe_imports
from recipe_process import Failure, Run, Task, execute, kill_group

# What to import once for all: for every recipe, and by the packages that they depend on.
# The first optimizer that a recipe makes imports torch._dynamo (1 s of CPU time).
ALWAYS = ["pebble.concurrent", "recipe_process", "gallery_adapter", "standin_data"]
ALWAYS += ["matplotlib.pyplot", "numpy", "wrapt.importer"]
GRACE = 3  # seconds beyond a time limit, to end by itself
PRELOADS = {"torch": "torch._dynamo", "torchvision": "torchvision"}


class LocalExecutor:
    """Runs each task in a process of its own on this machine."""

    def __init__(self, threads: int, packages: set[str], tasks: int = 2) -> None:
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        self.context = multiprocessing.get_context(method)
        self.scratch_dirs: set[Path] = set()
        # Recipe processes, and what they start, inherit these from us.
        os.environ["PYTHONHASHSEED"] = "0"
        os.environ["OMP_NUM_THREADS"] = str(threads)
        os.environ["MPLBACKEND"] = "agg"
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no processes that outlive a recipe
        if method == "forkserver":
            # For a single recipe, what only some need is not worth the time.
            wanted = [m if tasks > 1 else p for p, m in PRELOADS.items() if p in packages]
            recipe_imports.start(self.context, [*ALWAYS, *wanted])

    def run(self, task: Task) -> Run:
        """Execute a task and wait for it; it cannot take this process with it."""
        scratch = Path(tempfile.mkdtemp(prefix=f"recipe-{task.slug}-")).resolve()
        self.scratch_dirs.add(scratch)
        # The process looks at the time itself; later it is ended from here.
        late = task.timeout + GRACE
        call = process(daemon=False, timeout=late, context=self.context)(execute)
        try:
            return call(replace(task, scratch=str(scratch))).result()
        except FutureTimeoutError:
            reason = f"was still running after its time limit of {task.timeout:g} s"
        except ProcessExpired as error:
            reason = how_it_ended(error.exitcode)
        except Exception as error:  # a fault of ours rather than the recipe's
            reason = f"could not be executed: {type(error).__name__}: {error}"
        finally:
            details = end(scratch)
            self.scratch_dirs.discard(scratch)
        return Run(failure=Failure(details.get("reason") or reason, details["console"]))

    def stop(self) -> None:
        """End whatever is still running."""
        for scratch in list(self.scratch_dirs):
            end(scratch)


def end(scratch: Path) -> dict[str, str]:
    """Kill what is left of a run, read its last words, remove its folder."""
    words = {"console": ""}
    for name in ("pid", "reason", "console"):
        if (scratch / name).is_file():
            words[name] = (scratch / name).read_text("utf-8", errors="replace")
    if pid := words.get("pid"):
        kill_group(int(pid))
    shutil.rmtree(scratch, ignore_errors=True)
    words["console"] = own_lines(words["console"].replace(str(scratch / "work"), "recipes_source"))
    return words


def own_lines(text: str) -> str:
    """What a recipe left on its console, without the frames of what runs it."""
    lines = text.replace("recipes_source/", "recipes_source/recipes/").strip().splitlines()
    ours = (str(Path(__file__).parent), "/sphinx_gallery/", "/pebble/", "/multiprocessing/")
    drop = (*ours, "/threading.py", 'File "<string>"', "Extension modules:", "Thread 0x")
    kept = [line for line in lines if not any(word in line for word in drop)]
    return "\n".join(line for line in kept if line.strip())[-4000:]


def how_it_ended(exitcode: int) -> str:
    """A sentence on a process that ended without a result."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have been out of memory)" if name == "SIGKILL" else ""
        return f"was ended by the signal {name}{hint}"
    return f"ended its process with exit code {exitcode}"
