"""A site adds what it names, and nothing is needed of it."""

import sys
from pathlib import Path

import pytest

from recipe_gallery import Header, Plugin, Task
from recipe_gallery.plugin import load, module_file

pytestmark = pytest.mark.unit
TASK = Task("a", "a.py", {}, {}, Header(), {})


@pytest.fixture
def site(tmp_path, monkeypatch) -> str:
    """The name of a plugin that has two of the names."""
    (tmp_path / "site_of_a_test").mkdir()
    (tmp_path / "site_of_a_test" / "__init__.py").write_text("")
    (tmp_path / "site_of_a_test" / "adds.py").write_text(
        "packages = ('numpy',)\n_hidden = 1\n\n\ndef skip(header):\n    return 'a compiler'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "site_of_a_test.adds"
    for name in [name for name in sys.modules if name.startswith("site_of_a_test")]:
        del sys.modules[name]
    load.cache_clear()


def test_without_a_plugin_nothing_is_added() -> None:
    """Each function is there and harmless."""
    plugin = load("")
    assert plugin.skip(Header()) == "" and plugin.key(Header(), Path()) == {}
    assert plugin.enter(TASK) is None and plugin.made_with() == {}
    assert plugin.finish(Path()) is None and plugin.first_cell("a", "c0de", Path()) == ""
    assert (dict(plugin.preload), plugin.packages, dict(plugin.environment)) == ({}, (), {})
    assert plugin.fields == ()


def test_plugin_replaces_what_it_names(site) -> None:
    """The rest is as without it; the next plugin does not inherit from this one."""
    plugin = load(site)
    assert plugin.skip(Header()) == "a compiler" and plugin.packages == ("numpy",)
    assert plugin.key(Header(), Path()) == {} and not hasattr(plugin, "_hidden")
    assert load("").packages == () == Plugin.packages


def test_provenance_names_what_is_always_known() -> None:
    """One sentence, from what the run stage itself records."""
    made_with = {"date": "2026-01-02", "python": "3.1", "platform": "Linux", "commit": "abc"}
    assert load("").provenance({**made_with, "more": "x"}) == (
        "Executed on 2026-01-02 with Python 3.1 on Linux, commit abc."
    )


def test_file_of_a_plugin_is_found_without_import(site) -> None:
    """It may import torch, which most builds have no use for."""
    assert module_file(site).name == "adds.py" and site not in sys.modules


def test_missing_plugin_is_named() -> None:
    """By whoever looks for it first."""
    for find in (load, module_file):
        with pytest.raises(ImportError, match="no_such_plugin"):
            find("no_such_plugin")
