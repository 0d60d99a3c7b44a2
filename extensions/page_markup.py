"""Pictures in pages know their size, come when they are needed, and open in full.

Problem: a picture without a size moves the text below it when it arrives; the figures of
Sphinx-Gallery have none, and cannot be enlarged.
Usage: list this extension.
Result: every picture has ``width`` and ``height``; those below the first screen are loaded
late; a figure is a link to its file, and its text is its title, whatever characters are in it.
"""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx_gallery.directives import imgsgnode

FOLDERS = ("recipes/recipes/images", "recipes/recipes/images/thumb", "docs/_static")
PICTURE = re.compile(r'<img\b[^>]*?\bsrc="([^"]+)"[^>]*>')
FIGURE = "sphx-glr-single-img", "sphx-glr-multi-img"


@cache
def size(root: Path, name: str) -> tuple[int, int] | None:
    """Width and height of a picture of the site, if it is one."""
    for folder in FOLDERS:
        if (path := root / folder / name).is_file() and path.suffix != ".svg":
            with Image.open(path) as image:
                return image.size
    return None


def improve(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Rewrite the pictures in the body of a page."""

    def picture(match: re.Match) -> str:
        tag, address = match[0], match[1]
        if " width=" not in tag and (found := size(Path(app.srcdir), Path(address).name)):
            tag = tag.replace("<img", f'<img width="{found[0]}" height="{found[1]}"', 1)
        if not any(name in tag for name in FIGURE):
            return tag
        # One picture of one size: the set of sources says nothing.
        tag = re.sub(r' srcset="[^"]*"', ' loading="lazy"', tag).replace("class = ", "class=")
        return f'<a class="figure-link" href="{address}">{tag}</a>'

    if "body" in context:
        body = PICTURE.sub(picture, context["body"])
        context["body"] = body.replace(
            ">\uf0c1</a>", ">#</a>"
        )  # the theme insists on its icon font


def escape_titles(app: Sphinx, doctree: nodes.document) -> None:
    """Sphinx-Gallery writes a figure's title into the page as it is, quotation marks included."""
    for figure in doctree.findall(imgsgnode):
        figure["alt"] = escape(figure["alt"])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", escape_titles)
    app.connect("html-page-context", improve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
