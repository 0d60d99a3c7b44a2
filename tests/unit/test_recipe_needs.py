"""What a recipe needs is looked up, and named when it is missing."""

from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ROOT, SOURCES

from recipe_header import read_header
from recipe_needs import identity, installed_version, missing_package, missing_tool

pytestmark = pytest.mark.unit


def test_versions_are_compared() -> None:
    """An older package than the recipe asks for is as good as none."""
    assert installed_version("numpy") == installed_version("numpy>=1") == version("numpy")
    assert installed_version("numpy<1") == ""
    assert "needs numpy<1, nothing-such, which is" in missing_package(("numpy<1", "nothing-such"))
    assert missing_package(("numpy",)) == ""


def test_unreadable_requirement_is_named() -> None:
    """A mistake in a header is one sentence."""
    with pytest.raises(ValueError, match="dependency 'num py' cannot be read"):
        installed_version("num py")


def test_identity_changes_with_what_is_installed(monkeypatch) -> None:
    """So that a recipe is executed again when a package comes, goes or changes."""
    found = identity(("numpy", "nothing-such"), ())
    assert found == {"numpy": version("numpy"), "nothing-such": "not installed"}


def test_torchrun_is_missing_on_windows(monkeypatch) -> None:
    """And nowhere else; recipes that start it say so in their headers."""
    monkeypatch.setattr("sys.platform", "win32")
    assert "WSL" in missing_tool(("torchrun",)) and missing_tool(()) == ""
    monkeypatch.setattr("sys.platform", "darwin")
    assert missing_tool(("torchrun",)) == ""
    for path in sorted(Path(SOURCES).glob("*.py")):
        text = path.read_text("utf-8")
        starts = '"torch.distributed.run"' in text
        assert ("torchrun" in read_header(text).requires) == starts, path.name


def test_requirements_cover_all_recipes() -> None:
    """README's installation brings every package that a recipe declares."""
    names = ("requirements.txt", "requirements-recipes.txt")
    lines = "\n".join((ROOT / name).read_text("utf-8") for name in names).splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    for path in sorted(Path(SOURCES).glob("*.py")):
        declared = set(read_header(path.read_text("utf-8")).dependencies)
        assert declared <= pinned, path.name
