"""Whatever ends a build, and whenever, the next build is right."""

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import pytest
from mini_site import PACKAGES, Site, assert_equal

pytestmark = pytest.mark.build
DRAWS = "import matplotlib.pyplot as plt\n\n_ = plt.plot([1, 2])\nprint('drawn')"
EDITED = DRAWS.replace("[1, 2]", "[2, 1]").replace("drawn", "edited")
# Files of each step of a build, our own and Sphinx's; wildcards stand for folders and endings.
WRITTEN = (
    "_build/recipe_runs/recipes/recipes/.draws.run.json*",
    "recipes/recipes/.draws.rst*",
    "_build/recipe_runs/recipes/recipes/.draws.published.json*",
    "_build/recipe_runs/.summary.json*",
    "recipes/recipes/.index.rst*",
    "_build/doctrees/recipes/recipes/draws.doctree",
    "_build/doctrees/environment.pickle",
    "_build/html/_downloads/*/draws.ipynb",
    "_build/html/_static/basic.css",
    "_build/html/index.html",
    "_build/html/recipes/recipes/draws.html",
    "_build/html/search.html",
    "_build/html/_images/sphx_glr_draws_thumb.png",
    "_build/html/.buildinfo",
    "_build/html/searchindex.js*",
)


def stable(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files that must be equal whenever a recipe was executed: without its times."""
    skip = ("searchindex.js", ".zip")
    lines = {}
    for name, content in files.items():
        if not name.endswith(skip):
            lines[name] = b"\n".join(
                line for line in content.splitlines() if b"Total running time" not in line
            )
    return lines


def edit(site: Site) -> None:
    """Change a recipe's code, and the words that a list of recipes shows."""
    path = site.add("draws", EDITED)
    path.write_text(path.read_text("utf-8").replace("A recipe made", "A recipe edited"), "utf-8")


@pytest.fixture(scope="module", autouse=True)
def one_day() -> Iterator[None]:
    """Pages say when they were built: what is compared may be built before and after midnight."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1780000000")
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A built site, and what it becomes after an edit."""
    root = tmp_path_factory.mktemp("undisturbed") / "site"
    site = Site(root)
    site.add("draws", DRAWS)
    assert site.build("-W").returncode == 0
    saved = root.with_name("saved")
    shutil.copytree(root, saved)
    edit(site)
    assert site.build("-W").returncode == 0
    return saved, stable(site.generated())


@pytest.fixture
def stop(undisturbed):
    """Stop a build after an edit, then build again without another and compare.

    All in the folder of the first build: in another, Sphinx would begin anew by itself.
    """
    saved, expected = undisturbed
    shutil.rmtree(saved.with_name("site"))
    site = Site(Path(shutil.copytree(saved, saved.with_name("site"))))
    edit(site)

    def stopped(how: str, name: str) -> subprocess.CompletedProcess:
        site.sphinx = [
            str(Path(__file__).with_name("stopped_build.py")),
            how,
            f"{site.root}/{name}",
            "sphinx",
        ]
        result = subprocess.run(
            site.command("-q"), cwd=site.root, env=site.environ(), text=True,
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        site.sphinx = ["-m", "sphinx"]
        again = site.build("-W")
        assert again.returncode == 0, again.stdout
        assert_equal(expected, stable(site.generated()))
        return result

    return site, stopped


@pytest.mark.parametrize("clean", [False, True], ids=["second-build", "first-build"])
@pytest.mark.parametrize("name", WRITTEN)
def test_killed_while_it_writes(stop, clean, name):
    """A file is left empty, and nothing changes before the next build."""
    site, stopped = stop
    if clean:
        shutil.rmtree(site.root / "_build")
        shutil.rmtree(site.root / "recipes")
    result = stopped("kill", name)
    assert result.returncode == -signal.SIGKILL, result.stdout


@pytest.mark.parametrize("name", WRITTEN)
def test_no_space_for_a_file(stop, name):
    """One sentence says so in the end, at whichever file it begins, and nothing is lost."""
    _, stopped = stop
    result = stopped("full", name)
    assert result.returncode == 1, result.stdout
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith("cannot write") and "No space left on device; what was finished" in last
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("_build/html/recipes/recipes/draws.html", "error writing file"),
        ("recipes_source/recipes/draws.py", "draws.py cannot be read: "),
    ],
)
def test_no_right_to_one_file(stop, name, told):
    """One sentence names it, the others are built, and the next build makes it good."""
    site, _ = stop
    site.add("zz_sees_nothing", "print('seen')")
    site.sphinx = [str(Path(__file__).with_name("stopped_build.py")), "deny"]
    site.sphinx += [f"{site.root}/{name}", "sphinx"]
    result = site.build("-q")
    assert result.stdout.count(told) == 1 and "Permission denied" in result.stdout
    assert "Traceback" not in result.stdout
    assert b"seen" in site.page("zz_sees_nothing").read_bytes()
    assert b"edited" not in site.page("draws").read_bytes()
    site.sphinx = ["-m", "sphinx"]
    assert site.build("-W").returncode == 0
    assert b"edited" in site.page("draws").read_bytes()


def test_killed_before_publishing_and_edited_back(site):
    """The execution that is kept is newer than the page, and of code that is gone again."""
    recipe = site.add("draws", "print('old')")
    assert site.build("-W").returncode == 0
    text, saved = recipe.read_text(), site.root.with_name("saved")
    shutil.copytree(site.root, saved)
    recipe.write_text(text.replace("old", "new"))
    assert site.build("-W").returncode == 0
    kept = (site.root / "_build/recipe_runs/recipes/recipes/draws.run.json").read_bytes()
    shutil.rmtree(site.root)
    shutil.move(saved, site.root)
    (site.root / "_build/recipe_runs/recipes/recipes/draws.run.json").write_bytes(kept)
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    page = site.page("draws").read_text("utf-8")
    assert "typeset without running" not in page
    assert "script-out" in page and "new" not in page


def test_full_disk_is_one_sentence_and_loses_nothing(site):
    """Here a limit on the size of files stands for the disk."""
    assert site.build("-W").returncode == 0
    before = stable(site.generated())
    site.add("large", "print('x' * 90 + '\\n', end='')\n" * 3000)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    result = subprocess.run(
        site.command("-q"), cwd=site.root, env=site.environ(), text=True, preexec_fn=limit,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert result.returncode != 0
    assert "cannot write" in result.stdout and "run the build again" in result.stdout
    after = stable(site.generated())
    assert_equal(before, {name: content for name, content in after.items() if name in before})
    result = site.build("-W")
    assert result.returncode == 0 and site.page("large").is_file()


# -- The book and the packs ------------------------------------------------------------

BOOK = (
    "_build/epub/recipes/recipes/alpha.xhtml",
    "_build/epub/content.opf",
    "_build/epub/*.epub",
    "_build/doctrees/epub/environment.pickle",
)
PACKED = ("_build/take_away/.pytorch-recipes-scripts.zip*", "_build/take_away/.*-site.zip*")
EPUB = ("sphinx", "-q", "-b", "epub", "-D", "epub_show_urls=no", ".", "_build/epub")
HTML = ("sphinx", "-q", ".", "_build/html")
ZIPS = ("tools.pack_site", ".")


def command(site: Site, *words: str, stop: str = "") -> subprocess.CompletedProcess:
    """Run a module, killed when it begins to write a file if one is named."""
    how = [str(Path(__file__).with_name("stopped_build.py")), "kill", f"{site.root}/{stop}"]
    environ = {**site.environ(), "PYTHONPATH": str(PACKAGES), "SOURCE_DATE_EPOCH": "1700000000"}
    return subprocess.run(
        [sys.executable, *(how if stop else ["-m"]), *words], cwd=site.root, env=environ,
        text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def contents(site: Site) -> dict[str, bytes]:
    """The files of the site, of the book and of the packs; those of archives one by one."""
    skip = (".buildinfo", ".bak", ".epub")  # the copy of the last has its times
    found = {n: c for n, c in stable(site.generated()).items() if not n.endswith(skip)}
    for archive in [*site.root.glob("_build/epub/*.epub"), *site.root.glob("_build/take_away/*")]:
        with ZipFile(archive) as opened:
            for name in opened.namelist():
                if "take_away" in name or "search_index" in name:
                    continue  # they tell of what was packed until then
                found[f"{archive.name}/{name}"] = opened.read(name)
    return stable(found)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> tuple[Site, Path, dict[str, bytes]]:
    """A site that was packed, as it was saved, and what it becomes without a recipe."""
    site = Site(tmp_path_factory.mktemp("packed") / "site", "whole")
    saved = site.root.with_name("saved")
    for words in (HTML, EPUB, ZIPS, HTML):
        done = command(site, *words)
        assert done.returncode == 0, done.stdout
    shutil.copytree(site.root, saved)
    (site.sources / "gamma.py").unlink()
    for words in (HTML, EPUB, ZIPS, HTML):
        assert command(site, *words).returncode == 0
    found = contents(site)
    assert any("alpha.xhtml" in name for name in found) and any("scripts.zip/" in n for n in found)
    assert not [name for name in found if "gamma" in name], "in the book and in the packs, too"
    return site, saved, found


@pytest.mark.parametrize("name", [*BOOK, *PACKED])
def test_book_and_packs_are_whole_after_a_kill(packed, name) -> None:
    """And hold no recipe that is gone; nothing torn is offered before they are made again."""
    site, saved, expected = packed
    shutil.rmtree(site.root)
    shutil.copytree(saved, site.root)
    (site.sources / "gamma.py").unlink()
    assert command(site, *HTML).returncode == 0
    killed = command(site, *(EPUB if name in BOOK else ZIPS), stop=name)
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    assert command(site, *HTML).returncode == 0
    assert all(map(is_zipfile, site.root.rglob("_build/html/_downloads/*/*.zip")))
    assert all(map(is_zipfile, site.root.rglob("_build/html/_downloads/*/*.epub")))
    for words in (EPUB, ZIPS, HTML):
        done = command(site, *words)
        assert done.returncode == 0, done.stdout
    assert_equal(expected, contents(site))
