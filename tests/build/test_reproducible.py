"""Two clean builds of one commit give the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from mini_site import Site, assert_equal

pytestmark = pytest.mark.build

EPOCH = "1700000000"  # 2023-11-14
RECIPE = """\
import random

import matplotlib.pyplot as plt

from _beside import COLORS

print("of a set:", {"alpha", "beta", "gamma", "delta"})
print("a hash:", hash("recipe"))

# %%
# Two figures in one cell, whose points are drawn at random from a seed.

random.seed(0)
for color in COLORS:
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.plot([random.random() for _ in range(20)], color=color)
    ax.set(title=f"In {color}", xlabel="x", ylabel="y")
plt.show()
print("drawn")
"""
MORE = """
.. recipe-cards::

.. recipe-times::

:class:`torch.Tensor`
"""


def commit(root: Path) -> str:
    """Make a repository with one commit of what is there; its abbreviated name."""
    git = ["git", "-c", "user.name=A test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    subprocess.run([*git, "add", "."], cwd=root, check=True)
    subprocess.run([*git, "commit", "-q", "-m", "A site"], cwd=root, check=True)
    name = [*git, "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(name, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[Path, str]:
    """A repository that uses what the real site uses, and its commit."""
    root = tmp_path_factory.mktemp("original") / "site"
    site = Site(root)
    site.add("draws", RECIPE, prose="Of :ref:`sphx_glr_recipes_recipes_writes_a_file.py`.")
    (site.sources / "_beside.py").write_text('COLORS = ("red", "blue")\n')
    inventory = "# Sphinx inventory version 1\n# Project: torch\n# Version: 2\n"
    (root / "torch.txt").write_text(f"{inventory}torch.Tensor class tensors.html\n")
    with (root / "conf.py").open("a") as conf:
        conf.write(
            'extensions += ["recipe_site", "sphinx.ext.intersphinx"]\n'
            'recipe_gallery_conf = {"plugin": "recipe_site.torch_plugin"}\n'
            'intersphinx_mapping = {"torch": ("https://docs.pytorch.org/", "torch.txt")}\n'
            'sphinx_gallery_conf["backreferences_dir"] = "recipes/backreferences"\n'
            'sphinx_gallery_conf["doc_module"] = ("torch",)\n'
            'html_theme = "sphinx_rtd_theme"\n'
        )
    with (root / "index.rst").open("a") as index:
        index.write(MORE)
    return root, commit(root)


def build(original: Path, root: Path, *options: str) -> dict[str, bytes]:
    """All files that a clean build of a copy makes."""
    shutil.copytree(original, root)
    site = Site(root)
    result = site.build("-W", *options)
    assert result.returncode == 0, result.stdout
    assert len(site.executed(result)) == 4
    folders = (root / "recipes", root / "_build" / "html")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(autouse=True)
def epoch(monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)


@pytest.fixture(scope="module")
def first(original, tmp_path_factory) -> tuple[dict[str, bytes], Path]:
    """The files of a build, and the times that it recorded."""
    root = tmp_path_factory.mktemp("first") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        files = build(original[0], root, "-D", "recipe_jobs=1")
    return files, root / "_build" / "recipe_runs" / "summary.json"


def test_builds_hold_what_could_differ(original, first) -> None:
    """The date, the commit, costs, figures, cards and links; otherwise equality says little."""
    files, _ = first
    page = files["_build/html/recipes/recipes/draws.html"].decode()
    assert "Executed on 2023-11-14 with torch" in page and f"commit {original[1]}." in page
    figures = [name for name in files if name.startswith("_build/html/_images/sphx_glr_draws_0")]
    assert len(figures) == 4, "two, each as it was drawn and as the page shows it"
    index = files["_build/html/index.html"].decode()
    assert "recipe-card" in index and "4 recipes" in index and "tensors.html" in index
    suffixes = {Path(name).suffix for name in files}
    assert {".ipynb", ".py", ".zip", ".png", ".json", ".inv", ".js", ".rst"} <= suffixes


@pytest.mark.parametrize("folder", ["another-folder", "mit Leerzeichen, é и 漢字"])
def test_builds_in_other_folders_are_equal(original, first, tmp_path, monkeypatch, folder) -> None:
    """Several recipes at once, and with another order of Sphinx's own sets."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    options = ("-D", "recipe_jobs=2", "-D", f"recipe_costs={first[1]}")
    assert_equal(first[0], build(original[0], tmp_path / folder, *options))


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_builds_in_other_time_zones_are_equal(original, first, tmp_path, monkeypatch, zone) -> None:
    """East of Greenwich and west of it."""
    monkeypatch.setenv("TZ", zone)
    assert_equal(first[0], build(original[0], tmp_path / "a", "-D", f"recipe_costs={first[1]}"))


def test_builds_of_other_people_are_equal(original, first, tmp_path) -> None:
    """Whose files have other permissions."""
    before = os.umask(0o007)
    try:
        second = build(original[0], tmp_path / "a", "-D", f"recipe_costs={first[1]}")
    finally:
        os.umask(before)
    assert_equal(first[0], second)


def test_recorded_costs_are_shown(original, first, tmp_path) -> None:
    """Without them, two builds differ in the times that they took, and in nothing else."""
    costs = {"wall": 61.25, "cpu": 3.0, "peak": 99.0}
    slugs = ("changes_settings", "draws", "writes_a_file", "zz_sees_nothing")
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({f"recipes/recipes/{slug}": costs for slug in slugs}))
    shown, taken = build(original[0], tmp_path / "a", "-D", f"recipe_costs={file}"), first[0]
    assert b"(1 minutes 1.250 seconds)" in shown["recipes/recipes/draws.rst"]
    assert sorted(shown) == sorted(taken)
    different = {name for name in shown if shown[name] != taken[name]}
    page = {
        "_build/html/recipes/recipes/{}.html",
        "_build/html/_sources/recipes/recipes/{}.rst.txt",
    }
    page |= {"recipes/recipes/{}.rst"}
    expected = {name.format(slug) for name in page for slug in slugs}
    cards = {"_build/html/index.html", "_build/html/_static/search_texts/index.js"}  # and its text
    assert different == expected | cards
