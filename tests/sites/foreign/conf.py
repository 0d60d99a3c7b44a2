"""A documentation with a gallery as others have them, which knows nothing of the run stage."""

project = "foreign"
extensions = ["sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "examples"]
html_theme = "basic"
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "generated",
    "doc_module": ("numpy", "matplotlib", "fractions"),
    "expected_failing_examples": ["examples/second/plot_fails.py"],
    "image_srcset": ["2x"],
}
