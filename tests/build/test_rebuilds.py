"""A build executes what changed, says why, and nothing else."""

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.build
ALL = ["changes_settings", "writes_a_file", "zz_sees_nothing"]


@pytest.fixture(scope="module")
def site(make_site):
    """A miniature site, built once; each test restores what it edits."""
    site = make_site()
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    assert site.executed(result) == [f"{slug}: start (never run)" for slug in ALL]
    return site


def test_no_op_executes_nothing(site):
    """Neither a recipe nor a change of any generated page or download."""
    before = site.generated()
    result = site.build("-W")
    assert result.returncode == 0 and site.executed(result) == []
    assert site.generated() == before


def test_no_op_imports_no_torch(site):
    """And starts no process."""
    code = (
        "import sys, subprocess, os, sphinx.cmd.build as b\n"
        "import multiprocessing.process as p\n"
        "p.BaseProcess.start = None\n"
        "assert b.main(['-q', '-d', '_build/doctrees', '.', '_build/html']) == 0\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=site.root, env=site.environ(), check=True)


@pytest.fixture
def edited(site):
    """Edit a recipe for one test."""
    path = site.sources / "writes_a_file.py"
    text = path.read_text()
    yield lambda old, new: path.write_text(text.replace(old, new))
    path.write_text(text)
    assert site.build().returncode == 0


def test_edited_code_executes_this_recipe(site, edited):
    """And no other."""
    edited('print("wrote a file")', 'print("wrote something")')
    result = site.build("-W")
    assert site.executed(result) == ["writes_a_file: start (code changed)"]
    assert b"wrote something" in site.page("writes_a_file").read_bytes()


def test_forced_colors_are_no_terminal(site, edited, monkeypatch):
    """CI services force colors; a log still gets one plain line per start and finish."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    edited('print("wrote a file")', 'print("wrote in colors")')
    result = site.build("-W")
    assert site.executed(result) == ["writes_a_file: start (code changed)"]
    assert "recipe writes_a_file: " in result.stdout and "\x1b" not in result.stdout


def test_edited_prose_executes_nothing(site, edited):
    """The page is new, its outputs are those of the last execution."""
    edited("# The only cell.", "# One new paragraph\n#\n# and another.")
    result = site.build("-W")
    assert result.returncode == 0 and site.executed(result) == []
    page = site.page("writes_a_file").read_text("utf-8")
    assert "One new paragraph" in page and "wrote a file" in page and "Total running" in page


def test_local_module_is_part_of_the_key(site, edited):
    """A module beside a recipe is no recipe, and its change runs those that import it."""
    module = site.sources / "helper.py"
    module.write_text("value = 1\n")
    edited("from pathlib import Path\n", "from pathlib import Path\n\nfrom helper import value\n")
    assert site.executed(site.build("-W")) == ["writes_a_file: start (code changed)"]
    module.write_text("value = 2\n")
    result = site.build("-W")
    assert site.executed(result) == ["writes_a_file: start (import helper.py changed)"]
    assert not site.page("helper").exists()
    module.unlink()


def test_new_version_executes_all(site, monkeypatch):
    """Another torch is another result; the reason names both versions."""
    code = (
        "import importlib.metadata as m, runpy, sys\n"
        "real = m.version\n"
        "m.version = lambda name: '9.9.9' if name == 'torch' else real(name)\n"
        "sys.argv = ['sphinx', '-d', '_build/doctrees', '.', '_build/html']\n"
        "runpy.run_module('sphinx', run_name='__main__')\n"
    )
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, cwd=site.root, env=site.environ(), text=True, capture_output=True)
    started = site.executed(result)
    assert len(started) == len(ALL) and all("→ 9.9.9)" in line for line in started)
    assert len(site.executed(site.build())) == len(ALL)


def test_deleted_recipe_leaves_nothing(site):
    """Its page, downloads and figures go with it."""
    path = site.add("passing_through", "import matplotlib.pyplot as plt\n\n_ = plt.plot([1, 2])")
    assert site.build().returncode == 0
    assert any("passing_through" in name for name in site.generated())
    path.unlink()
    assert site.build().returncode == 0
    assert not [name for name in site.generated() if "passing_through" in name]
    assert site.page("writes_a_file").is_file()


def test_renamed_recipe_leaves_a_redirect(make_site):
    """At the old address, in place of the old page."""
    site = make_site()
    with (site.root / "conf.py").open("a") as conf:
        conf.write('extensions += ["sphinx_reredirects"]\nredirects = {}\n')
    path = site.add("old_name", "print('here')")
    assert site.build("-W").returncode == 0
    path.rename(path.with_name("new_name.py"))
    with (site.root / "conf.py").open("a") as conf:
        conf.write('redirects = {"recipes/recipes/old_name": "new_name.html"}\n')
    assert site.build("-W").returncode == 0
    old = site.page("old_name").read_text("utf-8")
    assert 'url=new_name.html"' in old and "here" not in old
    assert "here" in site.page("new_name").read_text("utf-8")


def test_only_one_recipe_forced(site):
    """``RECIPE=`` executes a recipe although nothing changed."""
    result = site.build("-W", "-D", "recipe_only=writes_a_file")
    assert site.executed(result) == ["writes_a_file: start (asked for)"]


def test_noplot_says_so_and_is_mended(make_site):
    """A page without outputs says so, and the next build executes it."""
    site = make_site()
    result = site.build("-W", "-D", "plot_gallery=0")
    assert result.returncode == 0 and site.executed(result) == []
    assert "typeset without running its code" in site.page("writes_a_file").read_text("utf-8")
    result = site.build("-W")
    assert len(site.executed(result)) == len(ALL)
    assert "typeset without" not in site.page("writes_a_file").read_text("utf-8")


def test_damaged_product_is_typeset_again(site):
    """From the kept execution: nothing runs."""
    page = site.root / "recipes/recipes/writes_a_file.rst"
    good = page.read_bytes()
    page.unlink()
    page.write_bytes(good[:100])
    result = site.build("-W")
    assert site.executed(result) == [] and page.read_bytes() == good


def test_changed_inventory_reaches_all_pages(make_site):
    """Addresses that a command wrote anew; nothing else was edited, and nothing runs."""
    site = make_site()
    inventory = "# Sphinx inventory version 1\n# Project: torch\n# Version: 2\n"
    (site.root / "torch.txt").write_text(f"{inventory}torch.Tensor class old.html\n")
    with (site.root / "conf.py").open("a") as conf:
        conf.write(
            'extensions += ["sphinx.ext.intersphinx"]\n'
            'intersphinx_mapping = {"torch": ("https://docs.pytorch.org/", "torch.txt")}\n'
        )
    site.add("links", "print(1)", prose="A :class:`torch.Tensor`.")
    with (site.root / "index.rst").open("a") as index:
        index.write("\n:class:`torch.Tensor`\n")
    pages = (site.page("links"), site.root / "_build/html/index.html")
    assert site.build("-W").returncode == 0
    assert all("old.html" in page.read_text() for page in pages)
    (site.root / "torch.txt").write_text(f"{inventory}torch.Tensor class new.html\n")
    result = site.build("-W")
    assert result.returncode == 0 and site.executed(result) == []
    for page in pages:
        assert "new.html" in page.read_text() and "old.html" not in page.read_text()


def test_second_build_waits(site):
    """Two builds at once in one folder: the second says that it waits, both end well."""
    site.add("slow", "import time\n\ntime.sleep(4)\nprint('done')")
    first = site.start()
    lines = []
    for line in first.stdout:  # until it is at work
        lines.append(line)
        if "slow: start" in line:
            break
    second = site.build()
    output, _ = first.communicate(timeout=120)
    assert first.returncode == 0, "".join(lines) + output
    assert second.returncode == 0, second.stdout
    assert "another build is at work in this folder" in second.stdout
    assert site.executed(second) == []


def test_interrupt_ends_the_recipes(site):
    """Ctrl-C: the build ends, no recipe goes on, the next build is right."""
    import signal

    import psutil

    site.add("slow", "import time\n\ntime.sleep(30.125)\nprint('done')")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, it is ignored
    build = site.start()
    for line in build.stdout:
        if "slow: start" in line:
            break
    time.sleep(2)
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=20)
    assert build.returncode != 0
    time.sleep(1)
    assert not psutil.pid_exists(build.pid)
    site.add("slow", "print('done')")
    result = site.build("-W")
    assert result.returncode == 0 and site.page("slow").is_file()
