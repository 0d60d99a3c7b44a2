"""Builds in processes that need not import Sphinx anew, as many small builds mostly do that."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

IMPORTED = ["sphinx.cmd.build", "sphinx.builders.html", "sphinx_rtd_theme", "recipe_site.events"]


def build(
    root: Path, arguments: list[str], environ: Mapping[str, str]
) -> subprocess.CompletedProcess:
    """Build as the command ``sphinx`` does, and return what it printed, both streams as one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    said = root.with_name(f"{root.name}.txt")
    process = context.Process(target=sphinx, args=(root, arguments, dict(environ), said))
    process.start()
    try:
        process.join()
    finally:
        process.kill()  # if the test was given up meanwhile
    return subprocess.CompletedProcess(arguments, process.exitcode, said.read_text("utf-8"))


def sphinx(root: Path, arguments: list[str], environ: Mapping[str, str], said: Path) -> None:
    """What such a process does."""
    from sphinx.cmd.build import main

    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(root)
    sys.exit(main(arguments))
