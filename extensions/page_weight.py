"""Pages load, and the site holds, only what is used.

Problem: Sphinx-Gallery puts files for features that this site does not use into every page, and
the theme brings 9 MB of fonts, none of which is used since site.css.
Usage: list this extension.
Result: those files are in no page, scripts run once the text is there, the fonts are not in the
site, and the pictures of cards have 128 colours. Figures stay as they were drawn.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

UNUSED = {
    "_static/sg_gallery-binder.css",
    "_static/sg_gallery-dataframe.css",
    "_static/sg_gallery-rendered-html.css",
    "_static/sg-tags.js",
    "_static/_sphinx_javascript_frameworks_compat.js",
}
FONTS = "_static/fonts", "_static/css/fonts"


def drop_files(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Take what is not used out of a page."""
    for kind in ("css_files", "script_files"):
        context[kind] = [f for f in context[kind] if str(getattr(f, "filename", "")) not in UNUSED]
    for script in context["script_files"]:
        script.attributes["defer"] = "defer"


def drop_fonts(app: Sphinx, error: Exception | None) -> None:
    """Remove the theme's fonts from the site and from its stylesheet."""
    style = Path(app.outdir, "_static", "css", "theme.css")
    if style.is_file():
        style.write_text(re.sub(r"@font-face\s*{[^}]*}", "", style.read_text("utf-8")), "utf-8")
    for folder in FONTS:
        shutil.rmtree(Path(app.outdir, folder), ignore_errors=True)


def reduce_colours(path: Path) -> None:
    """Give the picture of a card a palette: a quarter of the bytes. Its page is typeset with it."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, Image.Quantize.FASTOCTREE)
    small.save(path, optimize=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", drop_files, priority=900)  # after Sphinx-Gallery added them
    app.connect("build-finished", drop_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
