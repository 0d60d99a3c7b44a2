"""Makes a process that was forked for a recipe look like one that was started for a script.

Problem: a reader's script is the main process of its own Python. Where ours are forks of a server
that is not the recipe's, processes that a recipe starts do not find its functions, are forks of
that server, and outlive it.
Usage: ``begin()`` before anything of the recipe; ``main_module(source, text)`` for its code;
``end()`` after its last cell.
Result: multiprocessing starts as it does in a script, by the platform's method, and finds what
the recipe defines; what a script does at its end is done.
"""

import ast
import atexit
import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import process
from pathlib import Path
from types import ModuleType


def begin() -> None:
    """Forget that this process is a child: of multiprocessing, and for signals."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    me = process.current_process()  # its class is that of children; all else is as in the main one
    me.__dict__.update(_name="MainProcess", _parent_name=None, _identity=())
    process._parent_process = None
    process._process_counter = itertools.count(1)
    process._children = set()
    multiprocessing.set_start_method(None, force=True)  # the platform's
    for name, server in (("forkserver", "_forkserver"), ("resource_tracker", "_resource_tracker")):
        with contextlib.suppress(KeyError, AttributeError):  # not on every platform
            server = getattr(sys.modules[f"multiprocessing.{name}"], server)
            for inherited in ("_forkserver_alive_fd", "_fd"):
                if number := getattr(server, inherited, None):
                    with contextlib.suppress(OSError):
                        os.close(number)
            server.__init__()  # a recipe that needs one starts its own


def main_module(source: Path, text: str) -> ModuleType:
    """The module of a recipe's code, which is ``__main__`` from here on.

    Args:
        source: the recipe's file, which processes that it spawns execute.
        text: of that file.
    """
    main = ModuleType("__main__")
    with contextlib.suppress(SyntaxError, ValueError):  # reported when it is executed
        main.__doc__ = ast.get_docstring(ast.parse(text), clean=False)
    main.__file__ = str(source)
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main


def end() -> None:
    """Do what Python does at a script's end: wait for threads, call what was registered."""
    threading._shutdown()
    atexit._run_exitfuncs()
