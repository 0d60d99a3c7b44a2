"""Recipes that crash, hang, exit or litter end alone; all others are built."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bs4 import BeautifulSoup

from recipe_gallery import Run

pytestmark = pytest.mark.build

# What the build's last words must say about each file in tests/sites/faults.
REPORTS = {
    "raises": (r"raised ValueError: the value is wrong", r"raises\.py\", line 22"),
    "exits_zero": (r"called sys\.exit\(0\)", r"exits_zero\.py\", line 24"),
    "exits_one": (r"called sys\.exit\(1\)", r"exits_one\.py\", line 24"),
    "exits_hard": (r"ended its process with exit code 3", r""),
    "segfaults": (r"was ended by the signal SIGSEGV", r"segfaults\.py\", line 24"),
    "hangs": (r"was still running after its time limit of 15 s", r"hangs\.py\", line 28"),
    "eats_memory": (r"used more than its limit of 0\.7 GiB of memory", r""),
    "prints_endlessly": (
        r"printed more than 1,000,000 characters, from \['before', 'on and on'",
        r"",
    ),
    "prints_no_unicode": (r"raised UnicodeEncodeError|printed text that is not valid UTF-8", r""),
    "leaves_a_process": (r"left 1 process\(es\) running", r""),
    "deletes_its_folder": (r"raised FileNotFoundError", r"deletes_its_folder\.py\", line 30"),
    "syntax_error": (r"raised SyntaxError: invalid syntax", r"syntax_error\.py\", line 22"),
    "opens_a_window": (r"raised _tkinter\.TclError|raised ModuleNotFoundError", r""),
}


@pytest.fixture(scope="module", params=["here", "like_windows"])
def built(make_site, request):
    """One build of all faults beside recipes that do no harm; by forks, and by spawning."""
    site = make_site()
    if request.param == "like_windows":
        site.sphinx = [str(Path(__file__).with_name("like_windows.py"))]
    names = sorted(p.stem for p in (Path(__file__).parents[1] / "sites" / "faults").glob("*.py"))
    assert names == sorted(REPORTS), "each fault declares what must be said of it"
    for name in names:
        site.add_fault(name)
    started = time.time()
    result = site.build()
    return site, result, started


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_fault_is_reported(built, name):
    """The report names the file, what happened and, where it can be known, the line."""
    _, result, _ = built
    report = result.stdout[result.stdout.index("recipes failed:") :]
    parts = re.split(r"^recipes_source/recipes/(?=\w+\.py )", report, flags=re.M)
    (mine,) = [part for part in parts if part.startswith(f"{name}.py ")]
    reason, line = REPORTS[name]
    assert re.search(reason, mine), mine
    assert re.search(line, mine), mine


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_fault_has_no_page(built, name):
    """Not even a half page, a download or a figure of it."""
    site, _, _ = built
    assert not [path for path in site.generated() if Path(path).name.startswith(f"{name}.")]


def test_build_fails_and_the_others_are_built(built):
    """The exit code says so, and what can be built is."""
    site, result, _ = built
    assert result.returncode != 0
    assert f"{len(REPORTS)} recipes failed:" in result.stdout
    for slug in ("writes_a_file", "changes_settings", "zz_sees_nothing"):
        assert site.page(slug).is_file()


def test_nothing_leaks_between_recipes(built):
    """Each recipe starts in an empty folder, with a fresh environment and settings."""
    site, _, _ = built
    text = (site.root / "recipes/recipes/zz_sees_nothing.rst").read_text("utf-8")
    assert "files: []" in text and "LEAK: None" in text and "dpi: 100" in text
    assert not (site.sources / "left.txt").exists()


def test_no_process_is_left(built):
    """Also those that a recipe started are gone."""
    _, _, started = built
    left = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        command = " ".join(process.info["cmdline"] or ())
        if process.info["create_time"] > started and "time.sleep(600.625)" in command:
            left.append(command)
    assert not left


def test_old_page_stays_when_a_recipe_breaks(site):
    """A page is replaced by a good one or not at all, and comes back in step."""
    site.add("breaks", 'print("good")')
    assert site.build().returncode == 0
    good = site.page("breaks").read_bytes()
    products = {k: v for k, v in site.generated().items() if "breaks" in k}
    site.add("breaks", 'raise OSError("bad")')
    result = site.build()
    assert result.returncode != 0 and "raised OSError: bad" in result.stdout
    assert site.page("breaks").read_bytes() == good
    assert {k: v for k, v in site.generated().items() if "breaks" in k} == products
    site.add("breaks", 'print("better")')
    assert site.build().returncode == 0
    assert b"better" in site.page("breaks").read_bytes()


def test_wrong_header_is_named(site):
    """A mistake in the header is one sentence, and costs only that recipe."""
    path = site.add("typo", "print(1)")
    path.write_text(path.read_text().replace('# ///\n"', '# [tool.recipe]\n# wait = 3\n# ///\n"'))
    result = site.build()
    assert result.returncode != 0
    assert "typo.py cannot be read: unknown key 'wait' in [tool.recipe]" in result.stdout
    assert site.page("zz_sees_nothing").is_file()


@pytest.mark.parametrize(
    ("exception", "told"),
    [("KeyboardInterrupt", "raised KeyboardInterrupt"), ("Stop('now')", r"raised .*Stop: now")],
)
def test_exception_that_would_end_a_program_ends_its_recipe(site, exception, told):
    """With its line; the others are executed."""
    code = f"class Stop(BaseException):\n    pass\n\n\nraise {exception}"
    site.add("stops", code)
    result = site.build()
    assert result.returncode == 1
    assert re.search(rf"stops\.py {told}\n.*stops\.py\", line 19", result.stdout), result.stdout
    assert site.page("zz_sees_nothing").is_file() and not site.page("stops").exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_console_that_lacks_letters_ends_nothing(site, monkeypatch, encoding):
    """What a failed recipe says is shown as far as the console can; the others are executed."""
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    site.add("says", 'print("漢字 →")\nraise ValueError("Ж ≠")')
    site.add("prints", 'print("漢字 → é")')
    result = site.build()
    assert result.returncode == 1 and "says.py raised ValueError: \\u0416" in result.stdout
    assert "Extension error" not in result.stdout
    assert "漢字 → é" in site.page("prints").read_text("utf-8")


UNTYPESETTABLE = {
    "no_title": ('"""\n{title}\n{line}\n\nA recipe made by a test.\n"""', '""" """', "title"),
    "no_docstring": ('"""\n{title}\n{line}\n\nA recipe made by a test.\n"""', "", "docstring"),
    "wrong_option": ("print(1)", "# sphinx_gallery_thumbnail_number = 'two'\nprint(1)", "number"),
    "open_ignore": ("print(1)", "# sphinx_gallery_start_ignore\nprint(1)", "ignore"),
    "huge_figure": (
        "print(1)",
        "import matplotlib.pyplot as plt\n\n_ = plt.figure(figsize=(150, 125))",
        "decompression bomb",
    ),
}


def test_what_cannot_be_typeset_is_one_sentence_each(make_site):
    """Whatever is wrong with a recipe's text; the others are built, also the next time."""
    site = make_site()
    for slug, (old, new, _) in UNTYPESETTABLE.items():
        path = site.add(slug, "print(1)")
        text, old = path.read_text(), old.format(title=slug, line="=" * len(slug))
        assert old in text
        path.write_text(text.replace(old, new))
    (site.sources / "with space.py").write_text((site.sources / "writes_a_file.py").read_text())
    for _ in range(2):
        result = site.build("-q")
        assert result.returncode == 1 and "Traceback" not in result.stdout
        for slug, (_, _, word) in UNTYPESETTABLE.items():
            told = [line for line in result.stdout.splitlines() if f"/{slug}.py cannot be" in line]
            assert len(told) == 1 and word in told[0], result.stdout
        assert "with space.py cannot be read: 'with space.py' cannot be the name" in result.stdout
        for slug in ("writes_a_file", "changes_settings", "zz_sees_nothing"):
            assert site.page(slug).is_file()


def test_processes_start_as_in_a_script(site):
    """By the platform's method, and with semaphores that nobody has to clean up."""
    code = "import multiprocessing\n\nlock = multiprocessing.RLock()\nprint({})"
    site.add("starts", code.format("multiprocessing.get_start_method()"))
    result = site.build("-W")
    assert result.returncode == 0 and "leaked" not in result.stdout, result.stdout
    default = "import multiprocessing; print(multiprocessing.get_start_method())"
    script = subprocess.run([sys.executable, "-c", default], capture_output=True, text=True)
    page = BeautifulSoup(site.page("starts").read_text("utf-8"), "html.parser")
    shown = page.select_one(".sphx-glr-script-out").get_text()
    assert shown.strip() == script.stdout.strip()


def test_what_is_no_recipe_is_left_alone(make_site):
    """Editors and systems leave locks, links, folders and copies of their own."""
    site = make_site()
    (site.sources / ".#writes_a_file.py").symlink_to("somebody@host.1234:5678")
    (site.sources / "._writes_a_file.py").write_bytes(b"\0\x05\x16\x07")
    (site.sources / "gone.py").symlink_to("nowhere.py")
    (site.sources / "folder.py").mkdir()
    result = site.build("-W", "-q")
    assert result.returncode == 0, result.stdout
    pages = sorted(path.stem for path in site.page("x").parent.glob("*.html"))
    assert pages == ["changes_settings", "index", "writes_a_file", "zz_sees_nothing"]


def test_unknown_recipe_lists_the_nearest(site):
    """``RECIPE=`` with a wrong name helps and fails."""
    result = site.build("-D", "recipe_only=writes_file")
    assert result.returncode != 0
    assert "no recipe is called 'writes_file'; did you mean writes_a_file" in result.stdout


def header(path, *lines):
    """Put lines into a recipe's header."""
    text = path.read_text("utf-8")
    added = "".join(f"# {line}\n" for line in ("[tool.recipe]", *lines))
    path.write_text(text.replace('# ///\n"""', f'{added}# ///\n"""'), "utf-8")


def test_missing_package_says_what_to_install(site):
    """The recipe that needs it fails with the command that helps; the others are built."""
    path = site.add("needs_more", "import left_pad_of_python")
    path.write_text(path.read_text().replace("= []", '= ["left-pad-of-python"]'), "utf-8")
    result = site.build()
    assert result.returncode != 0
    assert "needs_more.py needs left-pad-of-python, which is not installed" in result.stdout
    assert "pip install left-pad-of-python" in result.stdout
    assert site.page("zz_sees_nothing").is_file() and not site.page("needs_more").exists()


def test_missing_compiler_is_a_visible_skip(site, monkeypatch):
    """On the page and in the build's last lines; with a compiler, the recipe is executed."""
    with (site.root / "conf.py").open("a") as conf:
        conf.write('recipe_gallery_conf = {"plugin": "recipe_site.torch_plugin"}\n')
    header(site.add("compiles", "print('one', 'cell')"), 'requires = ["c++"]')
    monkeypatch.setenv("CXX", "/nowhere/g++")
    for _ in range(2):  # the second build has nothing to do, and says so again
        result = site.build()
        assert result.returncode == 0
        last = result.stdout[result.stdout.index("skipped: ") :]
        assert "recipes/compiles.py was not executed: no C++ compiler" in last
        assert not [line for line in site.executed(result) if line.startswith("compiles")]
        page = site.page("compiles").read_text("utf-8")
        assert "without running its code: the machine that made it has no C++ compiler" in page
    assert not site.executed(result)
    asked = site.build("-D", "recipe_only=compiles")
    assert asked.returncode == 0 and "was not executed" in asked.stdout
    monkeypatch.setenv("CXX", str(fake_compiler(site.root)))
    result = site.build()
    assert site.executed(result) == ["compiles: start (never run)"]
    assert "skipped:" not in result.stdout
    assert "one cell" in site.page("compiles").read_text("utf-8")
    monkeypatch.setenv("CXX", "/nowhere/g++")  # and back: no outputs that this machine cannot make
    site.build()
    assert "without running its code" in site.page("compiles").read_text("utf-8")


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells which memory is shared")
def test_shared_memory_counts_once(site):
    """Four processes that share 300 MiB are far below a limit of 0.9 GiB."""
    header(site.add("shares", SHARES), "memory = 0.9")
    result = site.build()
    assert result.returncode == 0, result.stdout
    assert "all four saw it" in site.page("shares").read_text("utf-8")


SHARES = """\
import os, time
data = b"x" * (300 * 2**20)
children = [os.fork() for _ in range(3) if os.getpid() == os.getsid(0)]
if 0 in children:
    time.sleep(2)
    os._exit(data[-1] != ord("x"))
print("all four saw it:", {os.waitpid(child, 0)[1] for child in children})"""


def fake_compiler(folder):
    """An executable that says which version it is."""
    path = folder / "c++"
    path.write_text("#!/bin/sh\necho c++ 1.0\n")
    path.chmod(0o755)
    return path


# -- A recipe runs as a reader's script does, and nothing that it starts outlives it ---------------

LIKE_A_SCRIPT = {
    "process": "import multiprocessing as m\n"
    "print(m.current_process().name, m.parent_process(), m.get_start_method(), m.active_children())",
    "main": "import os, sys\nmain = sys.modules['__main__']\n"
    "print(main.__name__, os.path.basename(main.__file__), main.__spec__, main.__doc__.strip()[:9],"
    " os.path.basename(sys.argv[0]), sys.argv[1:], os.path.basename(sys.path[0]))",
    "stream": "import sys\nsys.stdout.reconfigure(errors='replace')\nsys.stdout.flush()\n"
    "sys.stdout.buffer.write(b'bytes\\n')\nprint(sys.stdout.encoding, sys.stdout.isatty())\n"
    "print(sys.stdout.fileno(), sys.stderr.fileno())",
    "spawned": "import multiprocessing as m\n\n\ndef square(x):\n    return x * x\n\n\n"
    "if __name__ == '__main__':\n    with m.get_context('spawn').Pool(2) as pool:\n"
    "        print(pool.map(square, [1, 2, 3]))",
    "forkserver": "import multiprocessing as m\n\n\nclass Pair:\n    a = 1\n\n\n"
    "def swap(pair):\n    return type(pair).__name__, pair.a + 1\n\n\n"
    "if __name__ == '__main__' and 'forkserver' in m.get_all_start_methods():\n"
    "    with m.get_context('forkserver').Pool(1) as pool:\n        print(pool.map(swap, [Pair()]))",
    "pool": "from concurrent.futures import ProcessPoolExecutor\n\n\ndef cube(x):\n    return x**3\n\n\n"
    "if __name__ == '__main__':\n    with ProcessPoolExecutor(2) as pool:\n"
    "        print(list(pool.map(cube, [1, 2, 3])))",
    "children": "import os, subprocess, sys\nprint('one')\n"
    "_ = subprocess.run([sys.executable, '-c', 'print(2)'])\nprint('three', file=sys.stderr)\n"
    "_ = os.write(1, b'four\\n')\n_ = os.system('echo five')\nprint('six')",
    "folder": "import os, sys\nos.mkdir('deep')\nos.chdir('deep')\nsys.path.insert(0, 'here')\n\n"
    "# %%\n# The next cell.\n\nprint(os.path.basename(os.getcwd()), sys.path[0])",
    "question": "try:\n    input('what? ')\nexcept EOFError as error:\n    print(error)",
    "warning": "import warnings\n\nwarnings.warn('careful', stacklevel=1)",
}  # fmt: skip


@pytest.fixture(scope="module")
def like_a_script(make_site):
    """A site of recipes that show what process they are in."""
    site = make_site()
    for slug, code in LIKE_A_SCRIPT.items():
        site.add(slug, code)
    return site, site.build("-W", "-q")


@pytest.mark.parametrize("slug", LIKE_A_SCRIPT)
def test_a_recipe_runs_as_the_script_does(like_a_script, slug, tmp_path):
    """The page shows what a reader sees who starts the file that it offers."""
    site, result = like_a_script
    assert site.page(slug).is_file(), result.stdout
    run = Run.from_json(
        (site.root / f"_build/recipe_runs/recipes/recipes/{slug}.run.json").read_bytes()
    )
    folder = tmp_path / "work"  # the name of a recipe's folder
    folder.mkdir()
    copy = shutil.copy(site.sources / f"{slug}.py", folder)
    script = subprocess.run(
        [sys.executable, "-u", Path(copy).name], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert script.returncode == 0, script.stdout
    assert run.text.rstrip() == script.stdout.replace(f"{folder}{os.sep}", "").rstrip()


def test_two_shows_are_two_figures(site):
    """As in the notebook; what was printed in between stands before both."""
    code = (
        "import matplotlib.pyplot as plt\n\nfor name in ('First', 'Second'):\n"
        "    _ = plt.plot([1, 2])\n    _ = plt.title(name)\n    plt.show()"
    )
    site.add("shows", code)
    assert site.build("-q").returncode == 0
    page = BeautifulSoup(site.page("shows").read_text("utf-8"), "html.parser")
    figures = [image["alt"] for image in page.select("img[src*='shows_0']")]
    assert figures == ["First", "Second"]


ENDS = {
    "in_a_session": ("left 1 process", "import subprocess, sys\n\n_ = subprocess.Popen([sys.executable,"
                     " '-c', {code!r}], start_new_session=True)"),
    "daemon": ("left 1 process", "import os, sys\n\nif os.fork() == 0:\n    os.setsid()\n"
               "    if os.fork() == 0:\n        os.execv(sys.executable, [sys.executable, '-c', {code!r}])"
               "\n    os._exit(0)\n_ = os.wait()"),
    "waits_for_it": ("time limit of 4 s", "import subprocess, sys\n\n_ = subprocess.run([sys.executable,"
                     " '-c', {code!r}], start_new_session=True)"),
    "kills_itself": ("signal SIGKILL", "import os, subprocess, sys\n\n_ = subprocess.Popen("
                     "[sys.executable, '-c', {code!r}], start_new_session=True)\nos.kill(os.getpid(), 9)"),
}  # fmt: skip


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux gives orphans to another process")
def test_nothing_that_a_recipe_starts_outlives_it(make_site):
    """However it was started, and however the recipe ends."""
    site = make_site()
    mark = f"import time; time.sleep(600)  # {site.root.name}{id(site)}"
    for slug, (_, code) in ENDS.items():
        header(site.add(slug, code.format(code=mark)), "timeout = 4")
    result = site.build("-q")
    for slug, (reason, _) in ENDS.items():
        (told,) = [
            line for line in result.stdout.splitlines() if f"/{slug}.py " in line and reason in line
        ]
        assert told
    for process in psutil.process_iter(["cmdline"]):
        assert mark not in (process.info["cmdline"] or ())


WRITES = {
    "a_source": "open({root!r} + '/recipes_source/recipes/planted.py', 'w')",
    "a_record": "open({root!r} + '/_build/recipe_runs/recipes/recipes/zz_sees_nothing.run.json', 'w')",
    "by_a_child": "import subprocess, sys\ndone = subprocess.run([sys.executable, '-c', "
    "\"open({root!r} + '/planted.txt', 'w')\"])\nassert done.returncode == 0",
    "removes": "import os\nos.remove({root!r} + '/conf.py')",
}


def test_a_recipe_writes_into_its_own_folder_alone(make_site):
    """Where the plug-in says so: neither into the sources nor into what was kept of others."""
    site = make_site()
    (site.root / "walled.py").write_text("writable = ()\n")
    conf = (site.root / "conf.py").read_text("utf-8")
    conf += "sys.path.insert(0, os.path.dirname(__file__))\n"
    conf += 'recipe_gallery_conf = {"plugin": "walled"}\n'
    (site.root / "conf.py").write_text(conf, "utf-8")
    for slug, code in WRITES.items():
        site.add(slug, code.format(root=str(site.root)))
    site.add("writes_here", "import tempfile\n\nwith tempfile.TemporaryFile() as file, "
             "open('own.txt', 'w') as own:\n    print(file.write(b'x'), own.write('x'))")  # fmt: skip
    result = site.build("-q")
    for slug in WRITES:
        assert f"recipes/{slug}.py raised" in result.stdout and not site.page(slug).exists()
    assert result.stdout.count("PermissionError: ") >= 3
    assert site.page("writes_here").is_file() and (site.root / "conf.py").is_file()
    assert not list(site.root.rglob("planted.*"))


def test_what_changes_a_result_does_not_reach_a_recipe(make_site, monkeypatch):
    """Variables, settings and warnings of whoever builds; without assert, nothing is executed."""
    site = make_site()
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TZ", "LC_ALL", "LANG", "SECRET_TOKEN")
    site.add(
        "shows",
        "import matplotlib, os, sys, time, warnings\n\n"
        f"print([os.environ.get(name) for name in {names}])\n"
        "print(time.tzname[0], sys.warnoptions, warnings.filters[0][0] == 'error')\n"
        "print(matplotlib.rcParams['figure.dpi'])",
    )
    (site.root / "matplotlibrc").write_text("figure.dpi: 55\n")
    assert site.build("-q").returncode == 0
    before = site.page("shows").read_bytes()
    assert b"UTC" in before and b"100.0" in before
    for name in (*names, "MATPLOTLIBRC", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, {"PYTHONWARNINGS": "error", "TZ": "Asia/Tokyo",
                                  "MATPLOTLIBRC": str(site.root), "LC_ALL": "C",
                                  "LANG": "C"}.get(name, "2"))  # fmt: skip
    monkeypatch.setenv("PYTHONWARNINGS", "ignore::UserWarning")
    result = site.build("-q", "-D", "recipe_only=shows")
    assert result.returncode == 0, result.stdout
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    site.add("new", "assert 1 == 2")
    result = site.build("-q")
    assert result.returncode == 1 and "Python runs without assert here" in result.stdout
    assert "Traceback" not in result.stdout
    text = BeautifulSoup(before, "html.parser").select(".sphx-glr-script-out")
    now = BeautifulSoup(site.page("shows").read_text("utf-8"), "html.parser")
    assert text == now.select(".sphx-glr-script-out")
