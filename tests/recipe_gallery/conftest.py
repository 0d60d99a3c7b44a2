"""What tests of the run stage share: a small gallery, and processes to execute in."""

import multiprocessing
from pathlib import Path

import pytest
from small_gallery import Gallery

from recipe_gallery.key import ENVIRONMENT
from recipe_gallery.local import LocalExecutor


@pytest.fixture
def small(tmp_path: Path) -> Gallery:
    """An empty gallery."""
    return Gallery(tmp_path / "docs")


@pytest.fixture(scope="session")
def executor() -> LocalExecutor:
    """Executes in processes, as a build does.

    A process has one fork server. That of miniature builds has imported this site already, which
    a recipe without its plug-in would then find in place of a module of its own.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver  # not on every platform

        forkserver._forkserver._stop()  # there for tests, as its docstring says
    return LocalExecutor([], ENVIRONMENT)
