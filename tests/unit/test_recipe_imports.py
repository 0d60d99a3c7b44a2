"""The process that recipes are forks of has what they need, and nothing of how it got there."""

import json
import multiprocessing
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPT = """
import gc, json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
sys.path.insert(0, {folder!r})
import recipe_imports

def look():
    loaded = [name for name in ("colorsys", "torch") if name in sys.modules]
    own = [os.environ.get(name) for name in ("PYTHONPATH", "RECIPE_IMPORTS")]
    return loaded, gc.get_freeze_count() > 1000, gc.isenabled(), own

if __name__ == "__main__":
    before = dict(os.environ)
    context = multiprocessing.get_context("forkserver")
    recipe_imports.start(context, ["colorsys", "no_such_module"])
    assert dict(os.environ) == before
    with ProcessPoolExecutor(1, context) as pool:
        print(json.dumps(pool.submit(look).result()))
"""


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no forkserver"
)
@pytest.mark.parametrize("path", [None, "/somewhere"])
def test_forks_have_the_modules(tmp_path, monkeypatch, path) -> None:
    """Those that exist, out of the garbage collector's sight; the environment is the builder's."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if path:
        monkeypatch.setenv("PYTHONPATH", path)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(ROOT / "extensions")), "utf-8")
    command = [sys.executable, str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded, frozen, enabled, own = json.loads(result.stdout)
    assert loaded == ["colorsys"] and frozen and enabled and own == [path, None]
