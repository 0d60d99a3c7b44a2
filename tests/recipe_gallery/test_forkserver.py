"""The process that recipes are forks of has what they need, and nothing of how it got there."""

import gc
import json
import multiprocessing
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from recipe_gallery import forkserver

pytestmark = pytest.mark.unit
SCRIPT = """
import gc, json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
sys.path.insert(0, {folder!r})
from recipe_gallery import forkserver

def look():
    loaded = [name for name in ("colorsys", "torch") if name in sys.modules]
    own = [os.environ.get(name) for name in ("PYTHONPATH", "RECIPE_GALLERY_PRELOAD")]
    return loaded, gc.get_freeze_count() > 1000, gc.isenabled(), own

if __name__ == "__main__":
    before = dict(os.environ)
    context = multiprocessing.get_context("forkserver")
    forkserver.start(context, ["colorsys", "no_such_module"], before)
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
    script.write_text(SCRIPT.format(folder=str(ROOT)), "utf-8")
    command = [sys.executable, str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded, frozen, enabled, own = json.loads(result.stdout)
    assert loaded == ["colorsys"] and frozen and enabled and own == [path, None]


def test_server_leaves_no_trace_of_how_it_was_found(monkeypatch) -> None:
    """Its first step, taken in this process: with a path of the builder's own, and without."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    for path, left in (("/ours", None), (f"/ours{os.pathsep}/theirs", "/theirs")):
        monkeypatch.setenv("PYTHONPATH", path)
        monkeypatch.setenv(forkserver.MODULES, "colorsys no_such_module")
        forkserver.serve()
        assert os.environ.get("PYTHONPATH") == left and forkserver.MODULES not in os.environ
        assert gc.isenabled() and "colorsys" in sys.modules


INTERRUPTS = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no forkserver"
)
def test_interrupt_while_it_imports_is_for_the_build(tmp_path) -> None:
    """It would print a traceback below the build's own last words; recipes hear theirs."""
    (tmp_path / "interrupts.py").write_text(INTERRUPTS, "utf-8")
    look = "signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    text = SCRIPT.format(folder=str(ROOT)).replace("no_such_module", "interrupts")
    text = text.replace("gc.isenabled()", look).replace("import gc", "import gc, signal")
    script = tmp_path / "script.py"
    script.write_text(text.replace("before = dict(", f"{look}\n    before = dict("), "utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    loaded, _, as_in_scripts, _ = json.loads(result.stdout)
    assert loaded == ["colorsys"] and as_in_scripts and not result.stderr
