"""What tests of the run stage share: a small gallery, and processes to execute in."""

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
    """Executes in processes, as a build does."""
    return LocalExecutor([], ENVIRONMENT)
