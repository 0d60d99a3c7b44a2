"""What others may use of the package is there, and costs little to import."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

import recipe_gallery

pytestmark = pytest.mark.unit


def test_public_names_are_there() -> None:
    """Each once, with a docstring."""
    names = recipe_gallery.__all__
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(recipe_gallery, name).__doc__, name


def test_import_is_cheap() -> None:
    """Processes that execute recipes, and nodes of a cluster, need neither Sphinx nor a gallery."""
    code = (
        "import sys, recipe_gallery\n"
        "heavy = {'sphinx', 'sphinx_gallery', 'docutils', 'matplotlib', 'numpy', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
