"""A miniature of the real site: what that one uses, each once."""

import os
import sys

sys.path.insert(0, os.environ["RECIPE_PACKAGES"])

project = "whole"
author = copyright = "A test"
release = version = "1"
extensions = ["recipe_gallery", "recipe_site", "sphinx.ext.intersphinx", "sphinx_reredirects"]
exclude_patterns = ["_build", "_templates", "recipes_source"]
warnings_are_errors = True
recipe_gallery_conf = {"plugin": "recipe_site.torch_plugin", "index": False}
sphinx_gallery_conf = {
    "examples_dirs": "recipes_source/recipes",
    "gallery_dirs": "recipes/recipes",
    "filename_pattern": r"\.py$",
    "doc_module": ("torch",),
    "capture_repr": (),
    "image_srcset": ("2x",),
    "default_thumb_file": os.path.abspath("docs/_static/no_figure.png"),
    "download_all_examples": False,
    "write_computation_times": False,
}
intersphinx_mapping = {"torch": ("https://docs.pytorch.org/docs/stable/", "docs/torch.txt")}
intersphinx_mapping["torchvision"] = ("https://docs.pytorch.org/vision/stable/", "docs/vision.txt")
html_theme = "sphinx_rtd_theme"
html_static_path = ["docs/_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_math_renderer = "mathml"
html_use_index = False
html_copy_source = False
site_summary = "A site of a test."
html_baseurl = "https://example.org/site/"
redirects = {}
github_repository = "somebody/recipes"
