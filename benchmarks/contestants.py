"""The sites of the benchmark: the same recipes, executed and typeset by one tool or another.

Usage: ``make_site`` writes the site of one of ``CONTESTANTS``; ``write_recipe`` changes a recipe.
"""

import shutil
from pathlib import Path

import nbformat

from recipe_gallery import gallery

ROOT = Path(__file__).parents[1]
GALLERY = """
import sys
sys.path[:0] = {path!r}
extensions = [{extension!r}]
exclude_patterns = ["_build", "recipes_source"]
sphinx_gallery_conf = dict(
    examples_dirs="recipes_source", gallery_dirs="recipes", filename_pattern=r"\\.py$",
    capture_repr=(), download_all_examples=False, write_computation_times=False,
    only_warn_on_example_error=True{more},
)
"""
MYST = """
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
nb_execution_mode = "cache"
nb_execution_timeout = 600
"""
PLAIN = "sphinx_gallery.gen_gallery"
CONTESTANTS = {
    "this build": GALLERY.format(path=[str(ROOT)], extension="recipe_gallery", more="")
    + 'recipe_gallery_conf = {"plugin": "recipe_site.torch_plugin"}\n',
    "Sphinx-Gallery, serial": GALLERY.format(path=[], extension=PLAIN, more=""),
    "Sphinx-Gallery, parallel=2": GALLERY.format(path=[], extension=PLAIN, more=", parallel=2"),
    "MyST-NB, jupyter-cache": MYST,
}
SMALL = '''\
# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# tags = ["{tag}"]
# ///
"""
Recipe {number}
==============

A recipe of a tenth of a second.
"""

# %%
# Some work.

import time

end = time.process_time() + 0.1
while time.process_time() < end:
    pass
print("done", {number})
'''


def make_site(folder: Path, conf: str, recipes: dict[str, str]) -> Path:
    """Write a site of these recipes for one contestant."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = folder / "recipes_source" / "recipes"
    sources.mkdir(parents=True)
    (folder / "conf.py").write_text(conf)
    toctree = "Site\n====\n\n.. toctree::\n   :glob:\n\n   {}\n"
    myst = "myst_nb" in conf
    (folder / "index.rst").write_text(toctree.format("pages/*" if myst else "recipes/index"))
    for header in (sources, sources.parent):
        (header / "GALLERY_HEADER.rst").write_text("Recipes\n=======\n")
    (folder / "pages").mkdir()
    for slug, text in recipes.items():
        write_recipe(folder, slug, text)
    return folder


def write_recipe(folder: Path, slug: str, text: str) -> None:
    """Write one recipe, for MyST-NB as a notebook of the same cells."""
    if "myst_nb" not in (folder / "conf.py").read_text():
        (folder / "recipes_source" / "recipes" / f"{slug}.py").write_text(text)
        return
    source = folder / "source.py"
    source.write_text(text)
    _, blocks, _ = gallery.split(source)
    cells = [nbformat.v4.new_markdown_cell(f"# {slug}")]
    for block in blocks:
        if block.type == "code":
            cells.append(nbformat.v4.new_code_cell(block.content.strip()))
        else:
            cells.append(nbformat.v4.new_markdown_cell(f"```\n{block.content}\n```"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "name": "python3"}
    nbformat.write(notebook, folder / "pages" / f"{slug}.ipynb")
