"""Pictures in pages know their size, and pages load only what is used.

Problem: a picture without a size moves the text below it when it arrives; the figures of
Sphinx-Gallery have none, cannot be enlarged, and have their text in the page as it is,
quotation marks included. The theme brings 9 MB of fonts, none of which is used since site.css.
Usage: ``NODES`` is for ``app.add_node``, the functions below it are for events.
Result: every picture has ``width`` and ``height``; a figure is a link to its file, is loaded
when it is needed, and its text is its title; the fonts are not in the site. What
else a page loads, ``sphinx_gallery_conf["css"]`` and ``_templates/layout.html`` say.
"""

import re
import shutil
from functools import cache
from html import escape
from pathlib import Path, PurePosixPath

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator
from sphinx_gallery.directives import depart_imgsg_html, imgsgnode, visit_imgsg_html

from recipe_gallery.files import write

FONTS = "_static/fonts", "_static/css/fonts"


@cache
def size(path: Path) -> str:
    """Width and height of a picture as attributes, "" if it has none in pixels."""
    if not path.is_file() or path.suffix == ".svg":
        return ""
    with Image.open(path) as image:
        return f' width="{image.width}" height="{image.height}"'


def visit_image(self: HTML5Translator, node: nodes.image) -> None:
    """Write a picture as Sphinx does, with its size."""
    path = self.builder.srcdir / node["uri"]  # before Sphinx replaces it by the address
    type(self).visit_image(self, node)
    if "width" not in node and "height" not in node:
        self.body[-1] = self.body[-1].replace("<img", f"<img{size(path)}", 1)


def depart_image(self: HTML5Translator, node: nodes.image) -> None:
    """As Sphinx does."""
    type(self).depart_image(self, node)


def visit_figure(self: HTML5Translator, node: imgsgnode) -> None:
    """Write a figure, of which there is one size: a set of sources says nothing."""
    visit_imgsg_html(self, node)  # which also copies the file
    self.body.pop()
    uri = PurePosixPath(node["uri"].lstrip("/"))
    address = f"{self.builder.imgpath}/{uri.name}"
    names = f' class="{" ".join(node["class"])}"' if node["class"] else ""
    self.body.append(
        f'<a class="figure-link" href="{address}"><img{size(self.builder.srcdir / uri)} '
        f'src="{address}" loading="lazy" alt="{escape(node["alt"])}"{names}/></a>'
    )


NODES = {  # how they are written as HTML
    nodes.image: (visit_image, depart_image),
    imgsgnode: (visit_figure, depart_imgsg_html),
}


def plain_permalinks(app: Sphinx) -> None:
    """Mark the link of a heading to itself by a letter, not by one of the theme's icon font."""
    app.config.html_permalinks_icon = "#"


def drop_fonts(app: Sphinx) -> None:
    """Remove the theme's fonts from the site and from its stylesheet.

    Raises:
        CannotWrite: if the stylesheet cannot be written.
    """
    style = Path(app.outdir, "_static", "css", "theme.css")
    if style.is_file():
        write(style, re.sub(r"@font-face\s*{[^}]*}", "", style.read_text("utf-8")).encode())
    for folder in FONTS:
        shutil.rmtree(Path(app.outdir, folder), ignore_errors=True)
