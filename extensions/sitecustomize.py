"""Gives any Python process the build's data sets, without a change to what it runs.

Problem: downloaded scripts and notebooks are checked offline, as they are.
Usage: run them with ``PYTHONPATH=extensions RECIPE_DATA=<the data folder>``.
Result: Python imports this file at its start; torch is not loaded until the process
itself imports torchvision.
"""

import os

if data_dir := os.environ.get("RECIPE_DATA"):
    from pathlib import Path

    from standin_data import install

    install(Path(data_dir))
