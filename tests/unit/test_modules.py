"""What holds for every module of our packages."""

import pytest
from conftest import ROOT

pytestmark = pytest.mark.unit
FOLDERS = ("recipe_gallery", "recipe_site", "tools", "benchmarks")
MODULES = [
    path.relative_to(ROOT).as_posix() for name in FOLDERS for path in ROOT.glob(f"{name}/**/*.py")
]


@pytest.mark.parametrize("name", MODULES)
def test_module_is_short_enough_to_be_read(name) -> None:
    """Else a part of it has a purpose of its own, and wants a name."""
    lines = (ROOT / name).read_text("utf-8").count("\n")
    assert lines <= 260, f"{name} has {lines} lines: move a part of it into a module of its own"
