"""Sphinx without what Windows does not have: fork, process groups, a list of the cores.

Spawned processes import this file as well, so that they are without it, too.
"""

import multiprocessing
import os
import runpy

multiprocessing.get_all_start_methods = lambda: ["spawn"]
for name in ("fork", "killpg", "setsid", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)

if __name__ == "__main__":
    runpy.run_module("sphinx", run_name="__main__")
