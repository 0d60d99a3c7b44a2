"""The run stage of a gallery: executes examples one by one, and keeps what they printed.

Problem: Sphinx-Gallery executes all examples of a site in one process, without limits, and knows
only by a file's checksum whether a result is still right.
Usage: list ``recipe_gallery`` in ``extensions`` in place of ``sphinx_gallery.gen_gallery``; the
settings stay in ``sphinx_gallery_conf``. docs/other_galleries.rst says what else there is.
Result: each example was executed in a process of its own; its page, script and notebook show
that one execution. It is executed again when what its result depends on has changed.

What others may use is listed here. Imports lead from ``stage`` down to ``model``, never back.
"""

from typing import Any

from .model import Cell, Executor, Failure, Figure, Header, Recipe, Run, Task
from .plugin import NotHere, Plugin

__all__ = [
    "Cell", "Executor", "Failure", "Figure", "Header", "NotHere", "Plugin", "Recipe", "Run", "Task",
    "setup",
]  # fmt: skip


def setup(app: Any) -> dict[str, Any]:
    """Connect the run stage to Sphinx; Sphinx calls this because of ``extensions``."""
    from . import stage  # only here: processes that run a recipe need no Sphinx events

    return stage.setup(app)
