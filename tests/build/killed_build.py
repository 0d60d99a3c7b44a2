"""Sphinx, killed with its children as soon as it begins to write a certain file.

``python killed_build.py "*/index.html" OPTIONS`` leaves the first such file empty.
"""

import fnmatch
import os
import runpy
import signal
import sys
from typing import Any


def end_at(pattern: str) -> None:
    """Watch all files that this process opens for writing or renames."""
    reached = False

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal reached
        if reached or event not in ("open", "os.rename"):
            return
        path, flags = args[0], args[2] if event == "open" else 0
        if not isinstance(path, str | os.PathLike) or (event == "open" and not flags & os.O_CREAT):
            return
        if fnmatch.fnmatch(os.path.abspath(path), pattern):
            reached = True
            if event == "open":
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":  # not in the recipes' processes
    end_at(sys.argv.pop(1))
    runpy.run_module("sphinx", run_name="__main__")
