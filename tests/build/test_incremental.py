"""Whatever changed since the last build, the next one makes what a clean one makes.

Each kind of change starts from one built site, which uses all that the real one uses; see
``tests/sites/whole``. A clean build has nothing but the sources and the kept executions,
so that both show the same times; which recipes must be executed is said here.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import warm
from mini_site import PACKAGES, Site, assert_equal

from tools import pack_site

pytestmark = pytest.mark.build
STATE = "_build/recipe_runs"
RECIPES = "recipes_source/recipes"
ALPHA, BETA, GAMMA = (f"{RECIPES}/{slug}.py" for slug in ("alpha", "beta", "gamma"))
Change = Callable[[Site], object]


class Whole(Site):
    """The site of these tests, in one folder, as Sphinx begins anew in another."""

    def build(self, *options: str) -> subprocess.CompletedProcess:
        """Build in a process that has Sphinx; else as any other."""
        arguments = ["-d", "_build/doctrees", *options, ".", "_build/html"]
        return warm.build(self.root, arguments, self.environ())

    def restore(self, saved: Path) -> None:
        """Let all be as it was saved."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(saved, self.root, symlinks=True)

    def clean(self, root: Path) -> "Whole":
        """The same sources and executions in another folder, with nothing made of them."""
        shutil.copytree(self.root, root, symlinks=True)
        kept = [*(root / STATE).rglob("*.run.json"), root / STATE / "verified.json"]
        contents = {path: path.read_bytes() for path in kept if path.exists()}
        for folder in (STATE, "_build/html", "_build/doctrees", "recipes"):
            shutil.rmtree(root / folder)
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return Whole(root)


def edit(name: str, old: str, new: str) -> Change:
    """Replace a text in a file."""

    def change(site: Site) -> None:
        text = (site.root / name).read_text("utf-8")
        assert old in text, f"{old!r} is not in {name}"
        (site.root / name).write_text(text.replace(old, new), "utf-8")

    return change


def write(name: str, text: str) -> Change:
    return lambda site: (site.root / name).write_text(text, "utf-8")


def append(name: str, text: str) -> Change:
    return lambda site: write(name, (site.root / name).read_text("utf-8") + text)(site)


def conf(text: str) -> Change:
    return append("conf.py", text + "\n")


def remove(name: str) -> Change:
    return lambda site: (site.root / name).unlink()


def rename(name: str, new: str) -> Change:
    return lambda site: (site.root / name).rename(site.root / new)


def older(name: str) -> Change:
    """Have a file be older than all others, as one that is put back by tar or cp -p."""
    return lambda site: os.utime(site.root / name, (10**9, 10**9))


def add(slug: str, code: str = "print(1)", tags: str = "", prose: str = "") -> Change:
    """Add a recipe."""

    def change(site: Site) -> None:
        path = site.add(slug, code, prose)
        header = f'# [tool.recipe]\n# tags = {tags}\n# ///\n"""' if tags else '# ///\n"""'
        path.write_text(path.read_text("utf-8").replace('# ///\n"""', header), "utf-8")

    return change


def git(*words: str) -> Change:
    command = ["git", "-c", "user.name=A test", "-c", "user.email=test@example.org", *words]
    return lambda site: subprocess.run(command, cwd=site.root, check=True, capture_output=True)


def torn(name: str) -> Change:
    """Leave the first half of a file."""
    return lambda site: (path := site.root / name).write_bytes(
        path.read_bytes()[: path.stat().st_size // 2]
    )


def old(name: str) -> Change:
    """Put a file back as it was in the first build."""
    return lambda site: shutil.copy2(site.root.with_name("saved") / name, site.root / name)


def build(site: Site) -> None:
    result = site.build()
    assert result.returncode == 0, result.stdout


def pack(site: Site) -> None:
    pack_site.main(site.root)


FIGURE = """
# %%
# Another line.

fig, ax = plt.subplots(figsize=(2, 1))
ax.plot([1, 0])
plt.show()
"""
CATALOGUE, RECORD = f"{STATE}/catalogue.json", f"{STATE}/recipes/recipes/alpha.published.json"
RETITLED = edit(BETA, "The second recipe\n====", "The other recipe\n====")
A, B, C = "alpha: start", "beta: start", "gamma: start"
# What changed, and which recipes must be executed for it.
KINDS: dict[str, tuple[list[Change], list[str]]] = {
    # -- A recipe's text
    "code": ([edit(GAMMA, "print(3)", "print(4)")], [f"{C} (code changed)"]),
    "prose": ([edit(GAMMA, "# A number.", "# One number.")], []),
    "title": ([RETITLED], []),
    "outcome": ([edit(ALPHA, "Draw one line.", "Draw a line.")], []),
    "a cell more": ([append(GAMMA, "\n# %%\n# More.\n\nprint(5)\n")], [f"{C} (code changed)"]),
    "a figure more": ([append(ALPHA, FIGURE)], [f"{A} (code changed)"]),
    "no figure": ([edit(ALPHA, "plt.show()", "plt.close()")], [f"{A} (code changed)"]),
    "an output that varies": (
        [edit(GAMMA, "# A number.", "# A number.\n\n# output: varies")],
        [f"{C} (code changed)"],
    ),
    "a link to another": ([edit(GAMMA, "# A number.", "# See :ref:`sphx_glr_recipes_recipes_alpha.py`.")], []),
    "a name": ([edit(GAMMA, "# A number.", "# A :class:`torch.Tensor`.")], []),
    "an older recipe": ([edit(GAMMA, "# A number.", "# Older."), older(GAMMA)], []),
    # -- Its header
    "first of a group": ([edit(GAMMA, '["Training", "Basics"]', '["Errors"]')], []),
    "last of a group": ([edit(BETA, '["Data"]', '["Basics"]')], []),
    "another tag": ([edit(ALPHA, '["Basics"]', '["Basics", "Errors"]')], []),
    "read after": ([edit(GAMMA, "# timeout", '# after = ["alpha"]\n# timeout')], []),
    "read after nothing": ([edit(BETA, '# after = ["alpha"]\n', "")], []),
    "searched as": ([edit(BETA, '["second"]', '["second", "third"]')], []),
    "a message": ([edit(BETA, '"a value is wrong"]', '"a value is"]')], []),
    "no message": ([edit(BETA, '# errors = ["a value is wrong"]\n', "")], []),
    "time limit": ([edit(ALPHA, "timeout = 30", "timeout = 40")], []),
    "threads": ([edit(ALPHA, "# timeout", "# cpus = 2\n# timeout")], [f"{A} (threads undeclared → 2)"]),
    "dependency": ([edit(GAMMA, "= []", '= ["packaging"]')], [f"{C} (packaging undeclared → "]),
    "needs a tool": ([edit(GAMMA, "# timeout", '# requires = ["c++"]\n# timeout')], [f"{C} (C++ compiler undeclared → "]),
    # -- Recipes that come and go, and what lies beside them
    "a recipe more": ([add("delta", tags='["Losses"]')], ["delta: start (never run)"]),
    "a recipe without tags": ([add("delta")], ["delta: start (never run)"]),
    "a recipe less": ([remove(GAMMA)], []),
    "a recipe less that others name": (
        [
            edit(ALPHA, "\n\nIt leads to :ref:`sphx_glr_recipes_recipes_beta.py`.", ""),
            edit("index.rst", "alpha beta", "alpha"),
            remove(BETA),
            remove(f"{RECIPES}/values.txt"),  # which no recipe reads any more
        ],
        [],
    ),
    "a recipe renamed": (
        [rename(GAMMA, f"{RECIPES}/omega.py"), conf('redirects["recipes/recipes/gamma"] = "omega.html"')],
        ["omega: start (never run)"],
    ),
    "a module beside": ([edit(f"{RECIPES}/_beside.py", "1", "2")], [f"{B} (file _beside.py changed)"]),
    "a file beside": ([edit(f"{RECIPES}/values.txt", "1", "2")], [f"{B} (file values.txt changed)"]),
    "the head of the list": ([append(f"{RECIPES}/GALLERY_HEADER.rst", "\nAnd a line.\n")], []),
    # -- Pages
    "a page": ([append("docs/data.rst", "\nMore.\n")], []),
    "a page's title": ([edit("docs/data.rst", "Data\n====", "Files\n=====")], []),
    "a page more": (
        [write("docs/more.rst", "More\n====\n"), append("index.rst", "   docs/more\n")],
        [],
    ),
    "a page less": ([remove("docs/shown.rst"), edit("index.rst", "   docs/shown\n", "")], []),
    "an older page": ([append("docs/data.rst", "\nMore.\n"), older("docs/data.rst")], []),
    "an included file": ([write("docs/shown.txt", "a second text\n")], []),
    "an older included file": ([write("docs/shown.txt", "a second text\n"), older("docs/shown.txt")], []),
    "a section's name": ([edit("index.rst", ":caption: About", ":caption: More")], []),
    "the order of pages": (
        [edit("index.rst", "   docs/data\n   docs/shown\n", "   docs/shown\n   docs/data\n")],
        [],
    ),
    "cards by name": ([edit("index.rst", "alpha beta", "gamma")], []),
    # -- What is beside them
    "verified": ([write(f"{STATE}/verified.json", "{}")], []),
    "a device verified": (
        [write("docs/verified_devices.json", '{"A GPU": {"date": "2026-01-02", "torch": "2", "recipes": []}}')],
        [],
    ),
    "the licence": ([write("LICENSE", "Another licence\n")], []),
    "a commit": ([git("init", "-q"), git("add", "index.rst", RECIPES), git("commit", "-qm", "A commit")], []),
    # -- Settings
    "the project": ([conf('project = "another"')], []),
    "the site's address": ([conf('html_baseurl = "https://example.com/"')], []),
    "no address": ([conf('html_baseurl = ""')], []),
    "the summary": ([conf('site_summary = "Another."')], []),
    "the repository": ([conf('github_repository = ""')], []),
    "the branch": ([conf('github_branch = "master"')], []),
    "a redirect": ([conf('redirects["recipes/recipes/old"] = "alpha.html"')], []),
    "a redirect from where a longer name begins": ([conf('redirects["recipes/recipes/bet"] = "alpha.html"')], []),
    "size of cards": ([conf('sphinx_gallery_conf["thumbnail_size"] = (200, 100)')], []),
    "line numbers": ([conf('sphinx_gallery_conf["line_numbers"] = True')], []),
    "no signature": ([conf('sphinx_gallery_conf["show_signature"] = False')], []),
    "colors of code": ([conf('pygments_style = "bw"')], []),
    "another style sheet": (
        [write("docs/_static/more.css", "a {}"), conf('html_css_files.append("more.css")')],
        [],
    ),
    "a style": ([write("docs/_static/site.css", "body { color: blue }")], []),
    "the picture of those without": (
        [lambda site: shutil.copy(site.root / "recipes/recipes/images/sphx_glr_alpha_001.png", site.root / "docs/_static/no_figure.png")],
        [],
    ),
    "a static file less": (
        [write("docs/_static/more.txt", "a"), build, remove("docs/_static/more.txt")],
        [],
    ),
    "a style sheet less": (
        [
            write("docs/_static/more.css", "a {}"),
            conf('html_css_files.append("more.css")'),
            build,
            edit("conf.py", 'html_css_files.append("more.css")', ""),
            remove("docs/_static/more.css"),
        ],
        [],
    ),
    "a template": ([append("_templates/footer.html", "<p>More</p>")], []),
    "an older template": ([append("_templates/footer.html", "<p>More</p>"), older("_templates/footer.html")], []),
    "a template less": ([remove("_templates/breadcrumbs.html")], []),
    "an inventory": ([edit("docs/torch.txt", "tensors.html", "tensor.html")], []),
    "a name less": ([edit("docs/torch.txt", "torch.arange function generated/torch.arange.html\n", "")], []),
    # -- Files of the build that are torn, or older or newer than others
    "half a catalogue": ([torn(CATALOGUE)], []),
    "half a catalogue, and an edit": ([RETITLED, torn(CATALOGUE)], []),
    "an old catalogue": ([RETITLED, build, old(CATALOGUE)], []),
    "a catalogue of an edit that was undone": ([edit(CATALOGUE, "second recipe", "other recipe")], []),
    "half of what is most alike": ([torn(f"{STATE}/related.json")], []),
    "half a summary": ([torn(f"{STATE}/summary.json")], []),
    "an old summary": ([edit(GAMMA, "timeout = 30", "timeout = 40"), build, old(f"{STATE}/summary.json")], []),
    "half a verification": ([torn(f"{STATE}/verified.json")], []),
    "half a record": ([torn(RECORD)], []),
    "an old record": ([edit(ALPHA, "Draw one", "Draw a"), build, old(RECORD)], []),
    "half an execution": ([torn(RECORD.replace("published", "run"))], [f"{A} (never run)"]),
    "half a page": ([torn("recipes/recipes/alpha.rst")], []),
    "half a list of recipes": ([torn("recipes/recipes/index.rst")], []),
    "half a notebook": ([torn("recipes/recipes/alpha.ipynb")], []),
    "old packs": ([pack, build, edit(GAMMA, "# A number.", "# One number.")], []),
    "packs of a recipe that is gone": ([pack, build, remove(GAMMA)], []),
    "packs of another style": ([pack, build, write("docs/_static/site.css", "a {}")], []),
    "a page of an older checkout": ([write("_build/html/genindex.html", "old"), conf('html_title = "x"')], []),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """The built site as it was saved, beside the folder in which it was built."""
    root = tmp_path_factory.mktemp("incremental") / "site"
    site = Whole(root, "whole")
    shutil.copytree(PACKAGES / "_templates", root / "_templates")
    (root / "LICENSE").write_text("A licence\n")
    result = site.build()
    assert result.returncode == 0, result.stdout
    return Path(shutil.copytree(root, root.with_name("saved")))


@pytest.mark.parametrize("kind", KINDS)
def test_incremental_build_equals_a_clean_one(saved, tmp_path, kind) -> None:
    """To the byte, and it executes what it must."""
    changes, executed = KINDS[kind]
    site = Whole(saved.with_name("site"))
    site.restore(saved)
    for change in changes:
        change(site)
    result = site.build()
    assert result.returncode == 0, result.stdout
    started = site.executed(result)
    assert len(started) == len(executed)
    assert all(map(str.startswith, started, executed)), started
    clean = site.clean(tmp_path / "clean")
    result = clean.build()
    assert result.returncode == 0 and clean.executed(result) == [], result.stdout
    assert_equal(made(clean), made(site), kind)


def test_what_was_packed_is_offered_until_the_site_changes(saved) -> None:
    """Without a touch of any source; a build that changes nothing keeps it."""
    site = Whole(saved.with_name("site"))
    site.restore(saved)
    pack(site)
    for _ in range(2):
        build(site)
        page = (site.root / "_build/html/docs/take_away.html").read_text("utf-8")
        assert len(re.findall(r'href="../_downloads/\w+/pytorch-recipes-\w+\.zip"', page)) == 3
    torn("_build/take_away/pytorch-recipes-site.zip")(site)
    build(site)
    assert len(list((site.root / "_build/html/_downloads").rglob("pytorch-recipes-*"))) == 2
    edit(GAMMA, "# A number.", "# One number.")(site)
    build(site)
    page = (site.root / "_build/html/docs/take_away.html").read_text("utf-8")
    assert "of a built site are made by" in page and "recipes-notebooks.zip" not in page
    assert not list((site.root / "_build").rglob("pytorch-recipes-*"))


def made(site: Site) -> dict[str, bytes]:
    """All that is published; when Sphinx itself searches, its index has no order of its own."""
    skip = ("searchindex.js", ".buildinfo", ".bak")
    return {name: text for name, text in site.generated().items() if not name.endswith(skip)}
