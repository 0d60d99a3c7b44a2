"""What a recipe of PyTorch needs is looked up, and named when it is missing."""

from pathlib import Path

import pytest
from conftest import ROOT, SOURCES
from packaging.requirements import Requirement

from recipe_gallery import Header, Task
from recipe_gallery.header import HeaderError, read_header
from recipe_site import torch_plugin

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def look_again():
    """The compiler is looked for once in a build; here, once in a test."""
    torch_plugin.cpp_compiler.cache_clear()
    yield
    torch_plugin.cpp_compiler.cache_clear()


def test_torchrun_is_missing_on_windows(monkeypatch) -> None:
    """And nowhere else; recipes that start it say so in their headers."""
    needs = Header(declared=True, requires=("torchrun",))
    monkeypatch.setattr("sys.platform", "win32")
    assert "WSL" in torch_plugin.skip(needs) and torch_plugin.skip(Header()) == ""
    monkeypatch.setattr("sys.platform", "darwin")
    assert torch_plugin.skip(needs) == ""
    for path in sorted(Path(SOURCES).glob("*.py")):
        text = path.read_text("utf-8")
        starts = '"torch.distributed.run"' in text
        assert ("torchrun" in read_header(text).requires) == starts, path.name


def test_unknown_tool_is_named() -> None:
    """With those that are known."""
    with pytest.raises(HeaderError, match="requires 'rust', which is unknown; known: c"):
        torch_plugin.skip(Header(declared=True, requires=("rust",)))


def test_missing_compiler_is_a_skip(monkeypatch, tmp_path) -> None:
    """And one that is there is part of what results depend on."""
    needs = Header(declared=True, requires=("c++",))
    monkeypatch.setenv("CXX", str(tmp_path / "nowhere"))
    assert "no C++ compiler" in torch_plugin.skip(needs)
    assert torch_plugin.key(needs, tmp_path) == {"C++ compiler": "none"}
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho c++ 1.0\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    torch_plugin.cpp_compiler.cache_clear()
    assert torch_plugin.skip(needs) == ""
    assert torch_plugin.key(needs, tmp_path) == {"C++ compiler": "c++ 1.0"}


def test_recipe_here_has_a_header(tmp_path) -> None:
    """Other galleries need none."""
    with pytest.raises(HeaderError, match=r"one '# /// script' block \(PEP 723\) .*got 0"):
        torch_plugin.key(Header(), tmp_path)


def test_requirements_cover_all_recipes() -> None:
    """README's installation brings every package that a recipe declares, new enough."""
    names = ("requirements.txt", "requirements-recipes.txt")
    lines = "\n".join((ROOT / name).read_text("utf-8") for name in names).splitlines()
    pinned = dict(line.split()[0].split("==") for line in lines if "==" in line)
    for path in sorted(Path(SOURCES).glob("*.py")):
        for need in map(Requirement, read_header(path.read_text("utf-8")).dependencies):
            assert need.specifier.contains(pinned[need.name]), path.name


def test_compiler_gets_no_path_that_it_would_take_for_two(tmp_path) -> None:
    """PyTorch does not quote the folder of its cache; a project may lie in any folder."""
    (variable,) = torch_plugin.cache_of_compiler(tmp_path / "büro").values()
    assert variable.startswith(str(tmp_path / "büro"))
    for name in ("Mein Büro", "Anna's", 'the "site"'):
        assert torch_plugin.cache_of_compiler(tmp_path / name) == {}


@pytest.mark.parametrize(
    ("compiler", "shared"), [("g++-13 (Debian) 13.2", True), ("Debian clang version 14", False)]
)
def test_recipes_share_precompiled_headers(tmp_path, monkeypatch, compiler: str, shared) -> None:
    """Two recipes, each with a temporary folder of its own; those of clang are left alone."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    # What is for a process of its own is left out here: it would stay for other tests.
    monkeypatch.setattr(torch_plugin, "install", lambda *args: None)
    monkeypatch.setattr("torch.set_num_threads", lambda number: None)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "set below, and restored")
    for number, expected in enumerate(([], ["made by the other"] if shared else [])):
        (tmp_path / f"{number}").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / f"{number}"))
        key = {"C++ compiler": compiler}
        torch_plugin.enter(Task("a", "a.py", {}, {}, Header(), key, srcdir=str(tmp_path)))
        folder = Path(default_cache_dir(), "precompiled_headers")
        folder.mkdir(parents=True, exist_ok=True)  # as torch does
        assert [path.name for path in folder.iterdir()] == expected
        (folder / "made by the other").touch()
