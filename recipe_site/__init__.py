"""This site's pages: what is particular to PyTorch, and what stands around its recipes.

Problem: a reader finds, reads and takes away recipes, and ``recipe_gallery``, which executes
them, knows neither torch nor what a learning path or a menu is.
Usage: list ``recipe_site`` in ``extensions``, in any order, and name ``recipe_site.torch_plugin``
in ``recipe_gallery_conf``.
Result: the catalogue of the published recipes, and all that pages show because of it.

Each recipe's process imports ``recipe_site.torch_plugin``; therefore nothing is imported here.
"""

from typing import Any


def setup(app: Any) -> dict[str, Any]:
    """Connect this site's parts to Sphinx, which calls this because of ``extensions``."""
    from . import events  # only here: processes that run a recipe need no Sphinx

    return events.setup(app)
