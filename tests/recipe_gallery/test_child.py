"""A recipe is executed as if it were alone, and nothing that it does goes further."""

import json
import sys
import textwrap

import pytest
from conftest import ROOT
from small_gallery import gallery_defaults

from recipe_gallery import Header, Run, Task, child, key
from recipe_gallery.child import readable, unseen, where

pytestmark = pytest.mark.unit
TITLE = '"""\nA title\n=======\n\nAn outcome.\n"""\n\n'


def task(code: str, files: dict[str, bytes] | None = None, **changes) -> Task:
    """A recipe with this code; ``# %%`` begins another cell."""
    files = {"a.py": (TITLE + textwrap.dedent(code)).encode(), **(files or {})}
    settings = key.result_settings(gallery_defaults())
    values = {"header": Header(timeout=30), "key": {"code": "1"}, "srcdir": "/nowhere"}
    return Task("auto/sub/a", "examples/sub/a.py", files, settings, **{**values, **changes})


@pytest.fixture
def execute(executor):
    """Execute a recipe in a process, as a build does."""
    return lambda code, files=None, **changes: executor.run(task(code, files, **changes))


# -- Its cells -------------------------------------------------------------------------


def test_cells_are_executed_in_their_folder(execute) -> None:
    """With the files that go along; what was printed and drawn is each cell's own."""
    run = execute(
        """
        import os
        print(sorted(os.listdir()))
        # %%
        # Prose.
        import _helper, matplotlib.pyplot as plt
        plt.plot([0, 1])
        plt.title("A title")
        print(_helper.x, open("data.txt").read())
        """,
        {"_helper.py": b"x = 17\n", "data.txt": b"some data"},
    )
    assert not run.failure and run.raised == ""
    assert [cell.text for cell in run.cells] == [
        "['_helper.py', 'a.py', 'data.txt']\n",
        "17 some data\n",
    ]
    assert [figure.name for figure in run.figures] == ["sphx_glr_a_001.png"]
    assert run.figures[0].alt == "A title" and run.figures[0].content.startswith(b"\x89PNG")
    assert run.wall > 0 and "plt.plot" in run.names


def test_exception_names_the_line_of_the_source(execute) -> None:
    """Not that of a copy in a folder that is gone; in the report and on the page."""
    run = execute("print('before')\n\n# %%\n# Prose.\n\n1 / 0")
    assert run.failure.reason == "raised ZeroDivisionError: division by zero"
    assert 'File "examples/sub/a.py", line 13' in run.failure.details
    assert run.cells[0].text == "before\n" and "examples/sub/a.py" in run.cells[1].rst


def test_expected_exception_is_a_result(execute) -> None:
    """With its traceback on the page; the cells after it did nothing."""
    code = "import numpy as np\n\nx = np.zeros(1)\n1 / 0\n\n# %%\n# Prose.\n\nprint('after')"
    run = execute(code, may_fail=True)
    assert "np.zeros" in run.names  # what is in the code is linked, also below the exception
    assert not run.failure and run.raised.strip().endswith("division by zero")
    assert "ZeroDivisionError" in run.cells[0].rst


def test_exception_that_did_not_come_is_a_failure(execute) -> None:
    """Somebody mended the recipe, and has to say so in conf.py."""
    run = execute("print(1)", may_fail=True)
    assert run.failure.reason == "ran to its end, though conf.py expects it to fail"


def test_syntax_error_is_the_recipes_own(execute) -> None:
    """Named with its line."""
    run = execute("x = = 1")
    assert run.failure.reason.startswith("raised SyntaxError: ")
    assert "examples/sub/a.py" in run.failure.details


def test_text_that_is_no_unicode_is_a_failure(execute) -> None:
    """Half of a pair cannot be printed, as in a script; bytes can, but nobody can show them."""
    run = execute(r"print('\ud83d')")
    assert run.failure.reason.startswith("raised UnicodeEncodeError: 'utf-8' codec can't encode")
    run = execute(r"import os; os.write(1, b'\xff\n')")
    assert run.failure.reason == r"printed text that is not valid UTF-8: b'\xff'"
    assert Run.from_json(run.to_json()).failure == run.failure


@pytest.mark.parametrize("kind", ["ValueError", "KeyboardInterrupt"])
def test_exception_that_is_no_unicode_can_be_told(execute, kind) -> None:
    """On a console that takes UTF-8."""
    run = execute(rf"raise {kind}('\ud83d')")
    assert run.failure.reason == rf"raised {kind}: \ud83d"
    assert run.failure.details.encode()
    assert Run.from_json(run.to_json()).failure == run.failure


# -- What it can import ----------------------------------------------------------------


def test_no_module_of_ours_is_seen(monkeypatch, tmp_path) -> None:
    """Neither on the path nor among what was imported; afterwards all is as before."""
    (tmp_path / "site_of_test").mkdir()
    (tmp_path / "site_of_test" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    import site_of_test  # noqa: F401

    paths, modules = list(sys.path), set(sys.modules)
    with unseen(tmp_path, "site_of_test.plugin"):
        assert str(tmp_path) not in sys.path
        assert not [n for n in sys.modules if n.startswith(("recipe_gallery", "site_of_test"))]
        with pytest.raises(ImportError):
            import site_of_test  # noqa: F401, F811
    assert sys.path == paths and set(sys.modules) == modules
    assert sys.modules["recipe_gallery.child"] is child
    del sys.modules["site_of_test"]


def test_folder_of_what_is_installed_is_seen(monkeypatch) -> None:
    """Where this package is installed like any other, numpy lies beside it."""
    folder = next(iter(child.INSTALLED))
    with unseen(folder, ""):
        assert str(folder) in sys.path
        assert "recipe_gallery" not in sys.modules


def test_without_a_plugin_an_example_writes_where_its_script_may(execute, tmp_path) -> None:
    """Also below the documentation's root, and into a home folder that this lies in."""
    run = execute(f"open({str(tmp_path / 'made')!r}, 'w').close()", srcdir=str(tmp_path))
    assert not run.failure and (tmp_path / "made").exists()


def test_helpers_beside_a_recipe_are_its_own(execute) -> None:
    """Whatever our files are called: those that it brings, and those that it writes."""
    run = execute(
        """
        import importlib
        from pathlib import Path
        import _model, _store
        print(_model.x, _store.x)
        # %%
        # Names of this project's own modules and packages.
        names = ["layout", "model", "tools", "recipe_site", "recipe_gallery", "conf"]
        for name in names:
            Path(f"{name}.py").write_text(f"x = {name!r}")
        # Python may know the folder as it was a moment ago, and find folders of these names.
        importlib.invalidate_caches()
        print([__import__(name).x for name in names])
        """,
        {"_model.py": b"x = 1\n", "_store.py": b"x = 2\n"},
    )
    assert not run.failure, run.failure
    assert run.cells[0].text == "1 2\n"
    names = ["layout", "model", "tools", "recipe_site", "recipe_gallery", "conf"]
    assert run.cells[1].text == f"{names}\n"


# -- In a process ----------------------------------------------------------------------


def test_execution_knows_what_it_was_made_with_and_cost(execute) -> None:
    """And which code it was of."""
    run = execute("x = bytearray(50 * 2**20)\nprint(sum(range(10**6)))")
    assert not run.failure and run.text == "499999500000\n"
    assert set(run.made_with) == {"python", "platform"} and run.key == {"code": "1"}
    assert run.cpu > 0 and run.wall > 0 and run.peak > 50


def test_process_is_as_the_key_says(execute) -> None:
    """Its variables, its threads, its arguments; it is main, and nobody answers its questions."""
    run = execute(
        """
        import json, os, sys
        names = ("MPLBACKEND", "NO_COLOR", "PYTHONHASHSEED", "OMP_NUM_THREADS")
        print(json.dumps([__name__, sys.argv[1:], *map(os.environ.get, names)]))
        """,
        header=Header(timeout=30, cpus=2),
    )
    assert json.loads(run.text) == ["__main__", [], "agg", "1", "0", "2"]


def test_recipes_do_not_see_each_other(execute) -> None:
    """Settings, variables, files, seeds and modules of one are not there for the next."""
    leaves = """
        import builtins, os, sys
        import matplotlib.pyplot as plt, numpy as np
        plt.rcParams["lines.linewidth"] = 17
        os.environ["LEFT"] = "yes"
        open("left.txt", "w").close()
        np.set_printoptions(precision=1)
        builtins.left = 1
        sys.path.append("left")
        os.chdir("/")
        """
    assert not execute(leaves).failure
    run = execute(
        """
        import builtins, os, sys
        import matplotlib.pyplot as plt, numpy as np
        print(plt.rcParams["lines.linewidth"], os.environ.get("LEFT"), os.listdir(),
              np.get_printoptions()["precision"], hasattr(builtins, "left"), "left" in sys.path)
        """
    )
    assert run.text == "1.5 None ['a.py'] 8 False False\n"


@pytest.mark.parametrize(
    ("code", "reason", "line"),
    [
        ("import sys\nsys.exit(3)", "called sys.exit(3), which would end the page here", 9),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt", 8),
        ("class Stop(BaseException):\n    pass\nraise Stop('now')", "raised Stop: now", 10),
        ("import os, shutil\nshutil.rmtree(os.getcwd())\n\n# %%\n# Prose.\n\nos.getcwd()",
         "raised FileNotFoundError: ", 14),
        ("import os\nos._exit(3)", "ended its process with exit code 3", 0),
        ("import os\nos._exit(128)", "ended its process with exit code 128", 0),
        ("import os\nos._exit(130)", "ended its process with exit code 130", 0),
        ("b'\\xff'.decode()", "raised UnicodeDecodeError: 'utf-8' codec can't decode", 8),
        ("import threading\nthreading.Thread(target=threading.Event().wait).start()\n1 / 0",
         "raised ZeroDivisionError: division by zero", 10),
        ("import ctypes\nctypes.string_at(0)", "was ended by the signal SIGSEGV", 9),
        ("import subprocess, sys\n"
         "_ = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
         "left 1 process(es) running: ", 0),
        ("while True:\n    print('on and on')", "printed more than 1,000,000 characters", 0),
        ("import time\ntime.sleep(60)", "was still running after its time limit of 6 s", 9),
    ],
)  # fmt: skip
def test_what_would_end_a_program_ends_its_recipe(execute, code, reason, line) -> None:
    """With one sentence and, where it can be known, the line."""
    timeout = 6 if "sleep(60)" in code else 30
    run = execute(code, header=Header(timeout=timeout))
    assert run.failure.reason.replace("__main__.", "").startswith(reason)
    assert not line or f'a.py", line {line}' in run.failure.details, run.failure.details


def test_missing_package_is_told_before_anything_runs(execute) -> None:
    """Neither is there a result."""
    run = execute("print(1)", header=Header(dependencies=("nothing-such",)))
    assert run.failure.reason.startswith("needs nothing-such, which is not installed")
    assert run.cells == ()


PLUGIN = """
from recipe_gallery import NotHere

def enter(task):
    if task.header.datasets:
        raise NotHere("needs a data set, which nobody has")
    import os
    os.environ["ENTERED"] = task.slug

def made_with():
    return {"torch": "2.0"}
"""


def test_plugin_is_there_before_and_after(execute, tmp_path, monkeypatch) -> None:
    """It prepares the process, and says what results were made with; it can refuse."""
    (tmp_path / "plugin_of_test.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    code = "import os, sys\nprint(os.environ['ENTERED'], 'plugin_of_test' in sys.modules)"
    run = execute(code, plugin="plugin_of_test")
    assert run.text == "a False\n" and run.made_with["torch"] == "2.0"
    run = execute(code, plugin="plugin_of_test", header=Header(datasets=("X",)))
    assert run.failure.reason == "needs a data set, which nobody has" and run.cells == ()


def test_fault_of_a_plugin_is_told(execute, tmp_path, monkeypatch) -> None:
    """As a fault of ours."""
    (tmp_path / "plugin_of_test.py").write_text("def enter(task):\n    raise ValueError('x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = execute("print(1)", plugin="plugin_of_test")
    assert run.failure.reason == "could not be executed: ValueError: x"


# -- What is told of it ----------------------------------------------------------------


def test_traceback_names_the_source(tmp_path) -> None:
    """Whatever separates folders."""
    one = task("")
    folder = tmp_path / "work"
    text = f'File "{folder}/a.py", line 3\nFile "{folder}\\b.py"\nFile "x.py"'
    expected = 'File "examples/sub/a.py", line 3\nFile "examples/sub/b.py"\nFile "x.py"'
    assert readable(text, tmp_path, one) == expected


def test_only_its_own_lines_are_told(tmp_path) -> None:
    """Not those of what it called, nor ours."""
    (tmp_path / "work").mkdir()
    source = tmp_path / "work" / "a.py"
    source.write_text("import json\n\njson.loads('x')\n")
    try:
        exec(compile(source.read_text(), str(source), "exec"))
    except ValueError as error:
        told = where(error, tmp_path, task(""))
    assert told.splitlines()[0] == '  File "examples/sub/a.py", line 3, in <module>'
    assert "json" not in told.replace("json.loads('x')", "")
