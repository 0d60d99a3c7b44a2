"""Runs what readers download as they would, in an empty folder and in a process of its own.

Problem: in the checkout, a script finds our modules, our settings and what other recipes left.
Usage: ``run_script`` and ``run_notebook``, each with a scratch folder in which the file is copied
into ``work``; ``environment`` is what else such a process sees.
Result: what the process printed and drew. With the build's data, so that none
is fetched, and with its threads.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from recipe_gallery.key import ENVIRONMENT, made_environment
from recipe_gallery.limits import end_tree
from recipe_site import layout, torch_plugin

READER = Path(__file__).with_name("reader")
# What torch logs where it finds nvcc but no GPU, whatever the recipe.
OF_THE_MACHINE = re.compile(r"(?m)^W\d{4} .*cpp_extension.*No CUDA runtime is found.*\n?")
# A reader's next version of a package must not break what is there to learn from.
WARNINGS = ["-W", "error::FutureWarning", "-W", "error::DeprecationWarning"]
# The notebook draws a figure as savefig does; by default it would crop the margins.
KERNEL = "c.InlineBackend.print_figure_kwargs = {'bbox_inches': None}\n"
RUN_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=float(sys.argv[2]), kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


RUNNING: set[subprocess.Popen] = set()  # by threads
STOPPED = threading.Event()  # nothing is begun any more


class Stopped(Exception):
    """A run was ended, or not begun, as somebody has enough of it."""


class Outcome(NamedTuple):
    """How a process ended."""

    code: int  # its exit status
    output: str
    errors: str  # what it wrote to stderr, but for what torch says of the machine


def environment(root: Path, folder: Path, threads: int, device: str = "") -> dict[str, str]:
    """The variables of a run.

    Args:
        root: of the project whose data it has.
        folder: for the figures of a script and the settings of a kernel.
        threads: how many it may use, as in the build.
        device: the accelerator that it may use, "" for none.
    """
    hidden = {} if device else {"CUDA_VISIBLE_DEVICES": ""}
    return {
        **made_environment({**ENVIRONMENT, **torch_plugin.environment}, torch_plugin.keep),
        **hidden,
        "PYTHONUNBUFFERED": "1",  # what its children print stands where they printed it
        "PYTHONPATH": str(READER),
        "RECIPE_DATA": str(root / layout.DATA),
        "RECIPE_FIGURES": str(folder / "figures"),
        "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": str(threads),
        **torch_plugin.cache_of_compiler(root),
    }


def execute(command: list, timeout: float, **options: Any) -> Outcome:
    """Run a command that ends, with all that it started, at the time limit.

    Args:
        command: what to run.
        timeout: seconds.
        options: for ``subprocess.Popen``.

    Raises:
        subprocess.TimeoutExpired: if it was ended.
        Stopped: if ``stop`` was called before it ended.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    process = subprocess.Popen(command, start_new_session=True, **pipes, **options)
    RUNNING.add(process)
    try:
        if STOPPED.is_set():
            end_tree(process.pid)
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_tree(process.pid)
        process.communicate()
        raise
    finally:
        RUNNING.discard(process)
    if STOPPED.is_set():
        raise Stopped
    return Outcome(process.returncode, output, OF_THE_MACHINE.sub("", errors))


def stop() -> None:
    """End all that runs, with what it started."""
    STOPPED.set()
    for process in list(RUNNING):
        end_tree(process.pid)


def run_script(
    script: Path,
    folder: Path,
    timeout: float,
    environ: dict[str, str],
    python: Sequence[str] = (sys.executable, *WARNINGS),
) -> tuple[Outcome, list[bytes], str]:
    """Run a script; by default, FutureWarning and DeprecationWarning are errors.

    Args:
        script: to run, in the folder ``work`` of its own.
        folder: an empty one.
        timeout: seconds.
        environ: its variables.
        python: what runs it, with options.

    Returns:
        how it ended, the figures that it showed, as PNG, and what these lack, a line each.

    Raises:
        subprocess.TimeoutExpired: if it was still running after ``timeout`` seconds.
    """
    work = folder / "work"
    work.mkdir()
    (work / script.name).write_bytes(script.read_bytes())
    command = [*python, script.name]
    outcome = execute(command, timeout, cwd=work, env=environ)
    # As on the page: warnings name the file with its folder.
    outcome = outcome._replace(output=outcome.output.replace(f"{work}{os.sep}", ""))
    drawn = [file.read_bytes() for file in sorted((folder / "figures").glob("*.png"))]
    lacks = folder / "figures" / "problems"
    return outcome, drawn, lacks.read_text("utf-8").strip() if lacks.is_file() else ""


def run_notebook(
    notebook: Path, folder: Path, timeout: float, environ: dict[str, str]
) -> tuple[Outcome, list[list], list[list]]:
    """Run a notebook in a fresh kernel.

    Returns:
        how it ended; of each code cell the outputs that it had, and those that it has now.

    Raises:
        subprocess.TimeoutExpired: if it was still running a minute after ``timeout`` seconds.
    """
    work = folder / "work"
    profile = folder / "ipython" / "profile_default"
    for new in (work, profile):
        new.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL)
    copy = work / notebook.name
    content = nbformat.read(notebook, 4)
    stored = outputs(content)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(content, copy)
    # With a backend from outside, a kernel would draw nothing.
    variables = {name: value for name, value in environ.items() if name != "MPLBACKEND"}
    command = [sys.executable, "-c", RUN_NOTEBOOK, copy.name, str(timeout)]
    outcome = execute(command, timeout + 60, cwd=work, env=variables)
    return outcome, stored, outputs(nbformat.read(copy, 4))


def outputs(notebook: Any) -> list[list]:
    """The outputs of each code cell of a notebook."""
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
