"""A miniature site: the run stage and the settings of the real one, and little else."""

import os
import sys

sys.path.insert(0, os.environ["RECIPE_PACKAGES"])

project = "mini"
extensions = ["recipe_gallery"]
exclude_patterns = ["_build", "recipes_source"]
sphinx_gallery_conf = {
    "examples_dirs": "recipes_source",
    "gallery_dirs": "recipes",
    "filename_pattern": r"\.py$",
    "capture_repr": (),
    "download_all_examples": False,
    "write_computation_times": False,
}
