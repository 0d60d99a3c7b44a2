"""A built miniature site, whose copies the tests of verification change."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from mini_site import Site

from recipe_site import layout
from tools.comparison import Published

CODE = """\
import matplotlib.pyplot as plt

print("the first number:", "1234\\n")

# %%
# A figure.

fig, ax = plt.subplots()
ax.plot([0, 1, 2])
ax.set(title="A line", xlabel="x", ylabel="y")
plt.show()
print("below the figure,\\n\\n    indented: 5678")
"""
TIMED = """\
import matplotlib.pyplot as plt

print("equal: 1")

# %%
# Then:

# Output differs from run to run.
print("a time: 12.34 us,  a share: 5.0%")
print("-----  ------")
plt.plot([0, 1, 2])
plt.title("A line")
plt.xlabel("x")
plt.ylabel("y")
plt.show()

# %%
# Last.

print("equal: 2")
"""
HEADER_END = '# ///\n"""'


class Copy:
    """A copy of the built miniature site."""

    def __init__(self, built: Site, root: Path) -> None:
        for folder in ("_build", "recipes"):
            shutil.copytree(built.root / folder, root / folder)
        self.root, self.sample = root, Published(root, "sample")
        self.verified = root / layout.VERIFIED
        self.devices = root / layout.VERIFIED_DEVICES

    def file(self, pattern: str) -> Path:
        """A file of the site."""
        (path,) = (self.root / "_build" / "html").glob(pattern)
        return path

    def edit(self, pattern: str, old: str, new: str) -> None:
        """Replace one text in one file of the site."""
        path = self.file(pattern)
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new), "utf-8")

    def edit_page(self, old: str, new: str) -> None:
        self.edit("recipes/recipes/sample.html", old, new)

    def edit_script(self, old: str, new: str) -> None:
        self.edit("_downloads/*/sample.py", old, new)

    def edit_notebook(self, change: Callable, count: int = 2) -> None:
        """Let a function change the last code cells of the notebook, by default without one."""
        path = self.file("_downloads/*/sample.ipynb")
        notebook = nbformat.read(path, 4)
        change([cell for cell in notebook.cells if cell.cell_type == "code"][-count:])
        nbformat.write(notebook, path)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Site:
    """A miniature site with two recipes, one of them with a figure."""
    site = Site(tmp_path_factory.mktemp("verify") / "site")
    for path in site.sources.glob("*.py"):
        path.unlink()
    path = site.add("sample", CODE)
    text = path.read_text("utf-8").replace("dependencies = []", 'dependencies = ["matplotlib"]')
    limit = f"# [tool.recipe]\n# timeout = 20\n{HEADER_END}"
    path.write_text(text.replace(HEADER_END, limit), "utf-8")
    site.add("other", 'print("nothing else")')
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    return site


@pytest.fixture
def copy(built, tmp_path) -> Copy:
    return Copy(built, tmp_path / "site")


@pytest.fixture
def copy_of(tmp_path) -> Callable[[Site], Copy]:
    """Makes a copy of another built site."""
    return lambda site: Copy(site, tmp_path / "site")


@pytest.fixture(scope="session")
def timed(tmp_path_factory) -> Site:
    """A built miniature site with one recipe, one of whose three cells declares it."""
    site = Site(tmp_path_factory.mktemp("timed") / "site")
    for path in site.sources.glob("*.py"):
        path.unlink()
    path = site.add("sample", TIMED)
    path.write_text(path.read_text("utf-8").replace("= []", '= ["matplotlib"]'), "utf-8")
    result = site.build("-W")
    assert result.returncode == 0, result.stdout
    return site
