"""Gives any Python process the build's data sets, without a change to what it runs.

Problem: downloaded scripts and notebooks are checked offline, as they are.
Usage: run them with ``PYTHONPATH=extensions RECIPE_DATA=<the data folder>``, and with
``RECIPE_FIGURES=<a folder>`` to keep the figures that a script shows.
Result: Python imports this file at its start; torch is not loaded until the process
itself imports torchvision.
"""

import os

if data_dir := os.environ.get("RECIPE_DATA"):
    from pathlib import Path

    from standin_data import install

    install(Path(data_dir))

if figures := os.environ.get("RECIPE_FIGURES"):
    from wrapt.importer import register_post_import_hook

    def keep_figures(pyplot) -> None:
        """Have ``show`` without a window write each figure as the gallery does."""
        os.makedirs(figures, exist_ok=True)

        def show(*args, **kwargs) -> None:
            for number in pyplot.get_fignums():
                count = len(os.listdir(figures))
                pyplot.figure(number).savefig(os.path.join(figures, f"{count:03}.png"))
            pyplot.close("all")

        if os.environ.get("MPLBACKEND") == "agg":
            pyplot.show = show

    register_post_import_hook(keep_figures, "matplotlib.pyplot")
