"""A command, stopped when it begins to write a certain file.

``python stopped_build.py kill "*/index.html" sphinx OPTIONS`` kills the module with its children,
and leaves the first such file empty; with ``full``, the disk is full from there on; with ``deny``,
nobody may read or write such files.
"""

import errno
import fnmatch
import os
import runpy
import signal
import sys
from typing import Any


def stop_at(how: str, pattern: str) -> None:
    """Watch all files that this process opens for writing or renames."""
    here = os.getcwd() + os.sep
    reached = False

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal reached
        if event not in ("open", "os.rename"):
            return
        path, flags = args[0], args[2] if event == "open" else 0
        if how == "deny" and fnmatch.fnmatch(os.path.abspath(str(path)), pattern):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        if not isinstance(path, str | os.PathLike) or (event == "open" and not flags & os.O_CREAT):
            return
        path = os.path.abspath(path)
        if how == "kill" and not reached and fnmatch.fnmatch(path, pattern):
            reached = True  # what follows is no such event
            if event == "open":
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
            os.killpg(0, signal.SIGKILL)
        elif how == "full" and event == "open":
            reached = reached or fnmatch.fnmatch(path, pattern)
            if reached and path.startswith(here):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    sys.addaudithook(watch)


if __name__ == "__main__":  # not in the recipes' processes
    stop_at(sys.argv.pop(1), sys.argv.pop(1))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
