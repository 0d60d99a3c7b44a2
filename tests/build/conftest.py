"""A miniature site for one test, or for those of a module."""

from pathlib import Path

import pytest
from mini_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A miniature site with three recipes that do no harm."""
    return Site(tmp_path / "site")


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory):
    """Make a miniature site that several tests look at."""
    return lambda: Site(tmp_path_factory.mktemp("site") / "site")
