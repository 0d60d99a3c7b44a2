"""What a site may add to the run stage, and what it is without.

Problem: which packages, data and tools results depend on differs from site to site; a run stage
that knows those of one is of no use to another.
Usage: ``recipe_gallery_conf = {"plugin": "package.module"}`` in ``conf.py``; ``load(name)``
here. The module has some of the names of :class:`Plugin` at its top, as functions or values.
Result: an object that has all of them.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .model import Header, Task


class NotHere(Exception):
    """This machine lacks something that a recipe needs; the text says what."""


class Plugin:
    """What a site adds to the run stage: a module with some of these names at its top.

    ``recipe_gallery_conf = {"plugin": "package.module"}`` names it. It is imported by the
    build, and by each process that executes a recipe.
    """

    preload: Mapping[str, str] = {}  # by dependency, the module to import once for all recipes
    packages: tuple[str, ...] = ()  # whose versions every result depends on
    environment: Mapping[str, str] = {}  # variables of every recipe's process
    keep: tuple[str, ...] = ()  # names of those that it has from the build's, if that has them
    # Folders in which recipes may write, from the documentation's root on, beside their own; None:
    # wherever whoever builds may.
    writable: tuple[str, ...] | None = None
    install_command = "pip install {packages}"  # what is told to do where some are missing
    one_title = False  # whether to refuse a recipe that does not begin with its one title
    fields: tuple[str, ...] = ()  # what headers may say for the site alone: lists of strings

    @staticmethod
    def skip(header: Header) -> str:
        """What this machine lacks for a recipe, "" if nothing; then it is not executed.

        Raises:
            ValueError: if the header asks for what nobody knows.
        """
        return ""

    @staticmethod
    def key(header: Header, srcdir: Path) -> dict[str, str]:
        """What a result depends on beyond code, versions and settings, by its name.

        Raises:
            ValueError: if the header asks for what nobody knows.
        """
        return {}

    @staticmethod
    def enter(task: Task) -> None:
        """Called in the recipe's process before its first cell: threads, data, caches.

        Raises:
            NotHere: if the task cannot be executed here.
        """

    @staticmethod
    def made_with() -> dict[str, str]:
        """Called in the recipe's process after its last cell: what its results were made with."""
        return {}

    @staticmethod
    def provenance(made_with: dict[str, str]) -> str:
        """The sentence on a page, from all that is known of its execution."""
        return (
            f"Executed on {made_with['date']} with Python {made_with['python']} on "
            f"{made_with['platform']}, commit {made_with['commit']}."
        )

    @staticmethod
    def first_cell(slug: str, code: str, srcdir: Path) -> str:
        """Code for the first code cell of a recipe's notebook, where its packages are installed.

        Args:
            slug: of the recipe.
            code: the checksum of its code.
            srcdir: of the documentation.
        """
        return ""

    @staticmethod
    def finish(folder: Path) -> None:
        """May rewrite what was typeset, before it is published: page, downloads, pictures."""


@cache
def load(name: str) -> Plugin:
    """The plugin of this name, the default one for "".

    Raises:
        ImportError: if there is no module of this name.
    """
    plugin = Plugin()
    module = importlib.import_module(name) if name else None
    for wanted in vars(Plugin):
        if not wanted.startswith("_") and hasattr(module, wanted):
            setattr(plugin, wanted, getattr(module, wanted))
    return plugin


def module_file(name: str) -> Path:
    """The file of a plugin, which is not imported for that.

    Raises:
        ImportError: if there is no module of this name.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise ImportError(f"no module is called {name!r}")
    return Path(spec.origin)
