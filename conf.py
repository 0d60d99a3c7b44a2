# Settings of the site. What needs code is in the packages recipe_gallery and recipe_site.
# Reference: https://www.sphinx-doc.org/en/master/usage/configuration.html

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

# -- Project ---------------------------------------------------------------------------

project = "PyTorch Recipes"
author = "the PyTorch Recipes contributors"
copyright = "2026, the PyTorch Recipes contributors"
release = version = "0.1.0"  # the book asks for the second

# -- Extensions ------------------------------------------------------------------------

extensions = [  # in any order
    "recipe_gallery",  # executes the recipes
    "recipe_site",  # what stands around them
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_reredirects",
    "sphinxext.opengraph",
    "notfound.extension",
]

# -- Sources ---------------------------------------------------------------------------

exclude_patterns = [
    "_build", "_templates", "data", "recipe_gallery", "recipe_site", "recipes_source", "tests",
    "tools", ".venv", ".git", "docs/inventories", "docs/benchmark_results.rst",
    "recipes/index.rst",  # which older checkouts have
]  # fmt: skip
nitpicky = True  # a name or label that leads nowhere is a warning
warnings_are_errors = True
smartquotes = False

# -- Recipes ---------------------------------------------------------------------------

recipe_gallery_conf = {
    "plugin": "recipe_site.torch_plugin",
    "index": False,  # recipe_site writes it, with cards
}
sphinx_gallery_conf = {
    "examples_dirs": "recipes_source/recipes",
    "gallery_dirs": "recipes/recipes",
    "filename_pattern": r"\.py$",  # every recipe is executed
    "doc_module": ("torch", "torchvision"),
    "capture_repr": (),  # a page shows what is printed, as a script does
    "image_scrapers": ("matplotlib",),
    "image_srcset": ("2x",),  # sharp on screens with more pixels
    "thumbnail_size": (480, 240),
    "default_thumb_file": str(ROOT / "docs/_static/no_figure.png"),
    "reset_modules": ("matplotlib",),
    "download_all_examples": False,
    "write_computation_times": False,  # docs/recipe_times.rst shows them
    "min_reported_time": 0,
    "show_signature": True,
    "remove_config_comments": True,
    "css": (),  # site.css has what pages need
}

# -- Links to other projects -----------------------------------------------------------

# Small inventories of the names that we use, so that a build needs no network.
intersphinx_mapping = {
    "torch": ("https://docs.pytorch.org/docs/stable/", "docs/inventories/torch.txt"),
    "torchvision": (
        "https://docs.pytorch.org/vision/stable/",
        "docs/inventories/torchvision.txt",
    ),
    "numpy": ("https://numpy.org/doc/stable/", "docs/inventories/numpy.txt"),
    "python": ("https://docs.python.org/3/", "docs/inventories/python.txt"),
    "matplotlib": ("https://matplotlib.org/stable/", "docs/inventories/matplotlib.txt"),
}
intersphinx_timeout = 5  # seconds
linkcheck_timeout = 20  # seconds
linkcheck_retries = 2
linkcheck_ignore = [  # the filter's addresses, and what is there once the site is published
    r"\.\./\.\./index\.html\?tag=", r"[\w-]+\.md$", r"https://colab\.research", r"https://github\.com/.*/issues/new",
]  # fmt: skip

# -- HTML ------------------------------------------------------------------------------

html_theme = "sphinx_rtd_theme"
html_theme_options = {"navigation_depth": 3, "style_external_links": False}
html_title = "PyTorch Recipes"
html_favicon = "docs/_static/favicon.svg"
html_static_path = ["docs/_static"]
html_css_files = ["site.css", "recipe.css", "search.css"]
html_js_files = ["search.js", "site.js"]  # the second uses the first
templates_path = ["_templates"]
html_math_renderer = "mathml"  # of recipe_site: written by the build, not by a script
html_use_index = False  # docs/api_index.rst is one of names
pygments_style = "bw"  # the colours, for light and dark, are in site.css
html_show_sphinx = False
html_copy_source = False

# Copy buttons on what readers type, not on what it prints.
copybutton_selector = (
    "div:not(.sphx-glr-script-out):not(.highlight-none) > .highlight > pre,"
    ".recipe-facts code:not(.download)"
)
copybutton_exclude = ".linenos, .gp, .go"  # no prompts, no outputs

# What search engines and messengers show. Addresses need the site's own: SITE_URL=https://...
site_url = os.environ.get("SITE_URL", "")
html_baseurl = site_url.rstrip("/") + "/" if site_url else ""
ogp_site_url = html_baseurl
ogp_enable_meta_description = True
ogp_social_cards = {"enable": False}  # drawn ones; a recipe's figure says more
ogp_image = "_static/social_card.png"
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />']

# The server shows this page for any address, so its links start at the site's root.
notfound_urls_prefix = urlsplit(html_baseurl).path or "/"
notfound_context = {
    "title": "Page not found",
    "body": "<h1>Page not found</h1><p>There is no page at this address. Search for its words, or "
    f'look at <a href="{notfound_urls_prefix}index.html">all recipes</a> or at the '
    f'<a href="{notfound_urls_prefix}docs/errors.html">error messages</a> that they explain.</p>',
}

# -- For machines ----------------------------------------------------------------------

site_summary = (
    "PyTorch, one idea at a time. Each recipe is one short Python file that shows a problem in "
    "numbers, mends it, and proves that it is mended; its output is of a real execution."
)
# Where readers of pages that were renamed or removed should go, from their old folder:
# {"recipes/recipes/old_name": "new_name.html"}
redirects = {}

# -- Repository ------------------------------------------------------------------------

github_repository = os.environ.get("GITHUB_REPOSITORY", "")  # owner/name
