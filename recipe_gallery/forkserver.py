"""Imports what all recipes need, once, in the process that theirs are forks of.

Problem: while Python imports torch it looks for garbage, in vain, for a quarter of the time, and
every fork would look through all of torch again, which also copies that memory.
Usage: ``start(context, modules, environment)`` before the first recipe of a forkserver
``context``; the server then imports this file.
Result: a server that has the modules and never takes them for garbage. What cannot be imported
is left to the recipe that needs it, which says so.
"""

import contextlib
import gc
import importlib
import os
import signal
from collections.abc import Mapping
from multiprocessing.context import BaseContext
from pathlib import Path

MODULES = "RECIPE_GALLERY_PRELOAD"  # in the environment of the server, and only there


def start(context: BaseContext, modules: list[str], environment: Mapping[str, str]) -> None:
    """Start the server, which needs PYTHONPATH to find this file, with these variables alone.

    A process has one server: where it runs already, it stays as it is.
    """
    from multiprocessing import forkserver  # not on every platform

    context.set_forkserver_preload([__name__])
    before = dict(os.environ)
    paths = [str(Path(__file__).parents[1]), *filter(None, [environment.get("PYTHONPATH")])]
    # Ctrl-C reaches the server, too, but is for the build: while the server imports, it would print
    # a traceback below the build's last words. Who is started inherits that a signal is ignored.
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.environ.update({MODULES: " ".join(modules), "PYTHONPATH": os.pathsep.join(paths)})
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, interrupt)
        os.environ.clear()
        os.environ.update(before)


def serve() -> None:
    """Import the modules, and leave no trace of how this file was found."""
    os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]
    if not os.environ["PYTHONPATH"]:
        del os.environ["PYTHONPATH"]
    gc.disable()
    for name in os.environ.pop(MODULES).split():
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # for recipes, as scripts have it


if MODULES in os.environ:
    serve()
