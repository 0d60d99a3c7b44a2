"""Executes one recipe, alone in a process that may die of it.

Problem: a recipe is arbitrary code: it can hang, crash, exit, fill memory or the
screen, and leave settings or processes behind.
Usage: ``execute(task)`` in a process of its own (see ``recipe_runner``); everything
that goes in and comes out can be pickled, so that any executor can carry it.
Result: a :class:`Run`: what each cell printed and drew, as Sphinx-Gallery's rst and as
files, with its costs; or a :class:`Failure` in ``Run.failure``.
"""

import base64
import faulthandler
import logging
import multiprocessing
import os
import platform
import re
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path

import psutil

from recipe_needs import missing_package

OUTPUT_LIMIT = 1_000_000  # characters that a recipe may print
GIB = 2**30
SUBDIR = "recipes/recipes"  # of the pages, below the documentation's root


@dataclass(frozen=True)
class Task:
    """One recipe to execute."""

    slug: str
    files: dict[str, bytes]  # the recipe and the local modules that it imports
    gallery: dict  # the site's sphinx_gallery_conf, with defaults
    threads: int
    timeout: float  # seconds
    memory: float  # GiB
    datasets: tuple[str, ...]
    dependencies: tuple[str, ...]
    data_dir: str
    real_data: bool = False  # whether the build has the real data sets
    cpus: float = 1
    gpus: float = 0
    cache_dir: str = ""  # for what torch.compile makes, so that the next build finds it
    scratch: str = ""  # a folder for this run alone, which the executor makes and removes


@dataclass(frozen=True)
class Failure:
    """Why a recipe has no page: a sentence and what the recipe left to read."""

    reason: str
    details: str = ""


@dataclass
class Run:
    """What one execution produced."""

    outputs: list[str] = field(default_factory=list)  # rst, one item per block
    names: dict = field(default_factory=dict)  # Python names used, for links
    images: dict[str, bytes] = field(default_factory=dict)  # by file name
    wall: float = 0.0  # seconds
    cpu: float = 0.0  # seconds, child processes included
    peak: float = 0.0  # MiB
    environment: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None

    def to_dict(self) -> dict:
        """As values that JSON can hold."""
        images = {name: base64.b64encode(data).decode() for name, data in self.images.items()}
        return {**asdict(self), "images": images}

    @classmethod
    def from_dict(cls, values: dict) -> "Run":
        """The inverse of ``to_dict``; other keys are ignored."""
        known = {f.name: values[f.name] for f in fields(cls)}
        known["images"] = {n: base64.b64decode(data) for n, data in known["images"].items()}
        if known["failure"]:
            known["failure"] = Failure(**known["failure"])
        return cls(**known)


def execute(task: Task) -> Run:
    """Run the recipe cell by cell, in the scratch folder."""
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
    # Shortly before the time limit, so that a hanging recipe says where it hangs.
    faulthandler.dump_traceback_later(0.8 * task.timeout, file=console)
    watch(task, scratch, peak := [0.0])
    os.environ["OMP_NUM_THREADS"] = str(task.threads)
    os.environ["NO_COLOR"] = "1"  # else Python colors a traceback where FORCE_COLOR is set
    if task.cache_dir:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", task.cache_dir)
    if torch := sys.modules.get("torch"):  # imported before it could see that
        torch.set_num_threads(task.threads)
    # Where it finds nvcc but no GPU, it warns, with the date and a path, on the page.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    sys.path.insert(0, os.path.dirname(__file__))
    from standin_data import has_real_data, install

    # A node of a cluster may have its data elsewhere.
    data_dir = Path(os.environ.get("RECIPE_DATA", task.data_dir))
    install(data_dir, task.datasets)
    try:
        if not enough_gpus(task):
            run = Run(failure=Failure(f"needs {task.gpus:g} GPU(s); this machine has fewer"))
        elif problem := missing_package(task.dependencies):
            run = Run(failure=Failure(problem))
        elif task.datasets and has_real_data(data_dir) != task.real_data:
            kind = "real data" if task.real_data else "drawn stand-in"
            run = Run(failure=Failure(f"needs the {kind} of this build, unlike {data_dir}"))
        else:
            run = run_cells(task, scratch)
    except SystemExit as error:
        reason = f"called sys.exit({error.code!r}), which would end the page here"
        run = Run(failure=Failure(reason, where(error, scratch, task.slug)))
    except FileNotFoundError as error:
        if (scratch / "work").exists():
            raise
        reason = "deleted the folder that it runs in"
        run = Run(failure=Failure(reason, where(error, scratch, task.slug)))
    run.failure = run.failure or left_behind()
    usage = os.times()
    run.cpu = usage.user + usage.system + usage.children_user + usage.children_system
    run.peak = max(peak_mib(), peak[0])
    return run


def run_cells(task: Task, scratch: Path) -> Run:
    """Execute the code blocks with Sphinx-Gallery; its conventions, its output."""
    from gallery_adapter import execute_blocks

    workdir = scratch / "work"  # the current folder of the recipe
    workdir.mkdir()
    for name, content in task.files.items():
        (workdir / name).write_bytes(content)
    source = workdir / f"{task.slug}.py"
    start = time.perf_counter()
    outputs, names, traceback = execute_blocks(source, scratch / SUBDIR, scratch, task.gallery)
    run = Run(outputs, names, wall=time.perf_counter() - start)
    try:
        "".join(outputs).encode()
    except UnicodeEncodeError as error:
        run.failure = Failure(
            f"printed text that is not valid UTF-8: {error.object[error.start]!r}"
        )
    if traceback:
        last = traceback.strip().splitlines()[-1]
        run.failure = Failure(f"raised {last}", readable(traceback, scratch, task.slug))
    for image in sorted((scratch / SUBDIR / "images").glob("sphx_glr_*")):
        run.images[image.name] = image.read_bytes()
    run.environment = environment()
    return run


def enough_gpus(task: Task) -> bool:
    """Whether this machine has the accelerators that the recipe asks for."""
    if not task.gpus:
        return True
    import torch

    return torch.accelerator.device_count() >= task.gpus


def environment() -> dict[str, str]:
    """What the results were made with."""
    device = "cpu"
    if torch := sys.modules.get("torch"):
        device = str(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    return {
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
    }


def watch(task: Task, scratch: Path, peak: list[float]) -> None:
    """End this process and its children, with a reason, at a limit or without its parent.

    Meanwhile ``peak[0]`` becomes what it used at most together with its children, in MiB.
    """
    parent, me = multiprocessing.parent_process(), psutil.Process()

    def stop(reason: str) -> None:
        (scratch / "reason").write_text(reason)
        kill_group(os.getpid())

    def look() -> None:
        most, start = 0, time.monotonic()
        while True:
            time.sleep(0.2)
            if time.monotonic() - start > task.timeout:
                stop(f"was still running after its time limit of {task.timeout:g} s")
            printed = getattr(sys.stdout, "output", None)  # Sphinx-Gallery's collector
            if printed is not None and printed.tell() > OUTPUT_LIMIT:
                head = printed.getvalue()[:200].strip().splitlines()[:3]
                stop(f"printed more than {OUTPUT_LIMIT:,} characters, from {head!r} on")
            family = (me, *me.children(recursive=True))
            used = memory_used(family)
            if used > min(1.05 * most, task.memory * GIB):
                # Processes share most of torch; counting each page once takes time.
                exact = memory_used(family, once="pss") if len(family) > 1 else used
                most, peak[0] = max(most, used), max(peak[0], exact / 2**20)
                if exact > task.memory * GIB:
                    stop(f"used more than its limit of {task.memory:g} GiB of memory")
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


def readable(text: str, scratch: Path, slug: str) -> str:
    """Make a traceback name the source file in place of its copy in scratch."""
    copy = re.escape(str(scratch / "work")) + r"[\\/]"
    text = re.sub(copy + re.escape(slug) + r"\.py", f"recipes_source/recipes/{slug}.py", text)
    return re.sub(copy, "recipes_source/recipes/", text)


def where(error: BaseException, scratch: Path, slug: str) -> str:
    """The recipe's own lines in an exception's traceback."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).parent == scratch / "work"]
    return readable("".join(traceback.format_list(own)), scratch, slug)
