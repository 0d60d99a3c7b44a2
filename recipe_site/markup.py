"""How pictures, tables, outputs and formulas are written into pages, and what pages load.

Problem: a picture without a size moves the text below it when it arrives. The figures of
Sphinx-Gallery have none, cannot be enlarged, and have their text in the page as it is,
quotation marks included. A wide table makes a phone scroll sideways. Formulas are written
by a script of another host. The theme brings 9 MB of fonts, none of which is used since site.css.
Usage: ``NODES`` is for ``app.add_node``, ``MATH`` for ``app.add_html_math_renderer``, the functions
below them are for events.
Result: every picture has ``width`` and ``height``; a figure is a link to its largest file, has the
small copies of ``pictures``, is loaded when it is needed, and its text is its title; a table
scrolls in a box of its own; an output that is no table is marked, so that its lines wrap; formulas
are MathML; the fonts are not in the site, and no page loads what it does without.
"""

import re
import shutil
from collections.abc import Iterator
from functools import cache
from html import escape, unescape
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator
from sphinx_gallery.directives import depart_imgsg_html, imgsgnode, visit_imgsg_html

from recipe_gallery.files import write

from . import pictures

logger = logging.getLogger(__name__)
UNUSED = (  # files of others without which every page does
    "pygments.css", "copybutton.css",  # site.css has what is in them
    "jquery.js", "_sphinx_javascript_frameworks_compat.js", "sg-tags.js",
    "doctools.js", "sphinx_highlight.js",  # shortcuts and marks; search.js has its own
)  # fmt: skip
FONTS = "_static/fonts", "_static/css/fonts"
DOUBLE = "_2_00x"  # in the name of a figure for screens with twice as many pixels
LONG_LINE = 90  # characters; more do not fit into the box of an output on a desk
COLUMNS = re.compile(r"\S {2,}\S")  # in a line, words that stand below others
# A half in TeX; docutils reads a fraction of twelve.
SHORT_FRACTION = re.compile(r"(\\[dt]?frac)(\d)(\d)")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;)\w+;")  # a book, which is XML, knows four by name


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
    """Write a figure: the small copies of its files, where there are any."""
    visit_imgsg_html(self, node)  # which also copies the PNG files
    self.body.pop()
    drawn = self.builder.srcdir / node["uri"].lstrip("/")
    single = PurePosixPath(node["uri"]).name
    files = [single]
    if self.builder.name != "epub":
        small = [drawn.with_suffix(".webp"), drawn.with_name(f"{drawn.stem}{DOUBLE}.webp")]
        for file in filter(Path.is_file, small):
            write(self.builder.outdir / self.builder.imagedir / file.name, file.read_bytes())
            files.append(file.name)
    addresses = [f"{self.builder.imgpath}/{name}" for name in files]
    source, largest = addresses[1] if addresses[1:] else addresses[0], addresses[-1]
    double = f'srcset="{source}, {largest} 2x" ' if largest != source else ""
    names = f' class="{" ".join(node["class"])}"' if node["class"] else ""
    self.body.append(
        f'<a class="figure-link" href="{largest}"><img{size(drawn)} src="{source}" {double}'
        f'loading="lazy" alt="{escape(node["alt"])}"{names}/>{"".join(photographs(drawn))}</a>'
    )


@cache
def photographs(path: Path) -> tuple[str, ...]:
    """A mark over each photograph in a figure, which the dark theme turns back to what it was."""
    if not path.is_file() or path.suffix != ".png":
        return ()
    with Image.open(path) as image:
        (width, height), boxes = image.size, pictures.photographs(image.convert("RGB"))
    return tuple(
        f'<span class="photograph" style="left:{100 * left / width:.2f}%;'
        f"top:{100 * top / height:.2f}%;width:{100 * (right - left) / width:.2f}%;"
        f'height:{100 * (bottom - top) / height:.2f}%"></span>'
        for left, top, right, bottom in boxes
    )


def visit_table(self: HTML5Translator, node: nodes.table) -> None:
    """Write a table in a box that scrolls, if it must, instead of the page."""
    self.body.append('<div class="table-box">')
    type(self).visit_table(self, node)


def depart_table(self: HTML5Translator, node: nodes.table) -> None:
    """As Sphinx does, and end the box."""
    type(self).depart_table(self, node)
    self.body.append("</div>\n")


NODES = {  # how they are written as HTML
    nodes.image: (visit_image, depart_image),
    nodes.table: (visit_table, depart_table),
    imgsgnode: (visit_figure, depart_imgsg_html),
}


def visit_math(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML; one that cannot be read stays TeX, with a warning."""
    try:
        self.body.append(mathml(node.astext(), isinstance(node, nodes.math_block)))
    except Exception as error:  # MathError, or whatever docutils stumbles over
        logger.warning("cannot read this formula: %s", error, location=node)
        self.body.append(f"<code>{escape(node.astext())}</code>")
    raise nodes.SkipNode


def mathml(formula: str, as_block: bool = False) -> str:
    """A formula of TeX as MathML.

    Raises:
        Exception: if docutils cannot read it.
    """
    formula = SHORT_FRACTION.sub(r"\1{\2}{\3}", formula)
    text = re.sub(r">\s+<", "><", tex2mathml(formula, as_block=as_block))
    return ENTITY.sub(lambda match: unescape(match[0]), text)


MATH = ("mathml", (visit_math, None), (visit_math, None))


def mark_wrapping(app: Sphinx, doctree: nodes.document) -> None:
    """Mark outputs whose lines wrap: all but tables, and tables too wide for any screen."""
    for block in outputs(doctree):
        lines = block.astext().splitlines()
        is_table = any(COLUMNS.search(line.strip()) for line in lines)
        if not is_table or max(map(len, lines), default=0) > LONG_LINE:
            block["classes"].append("wraps")


def outputs(doctree: nodes.document) -> Iterator[nodes.literal_block]:
    """The blocks in which a page shows what its cells printed."""
    for box in doctree.findall(nodes.Element):
        if "sphx-glr-script-out" in box["classes"]:
            yield from box.findall(nodes.literal_block)


def plain_permalinks(app: Sphinx) -> None:
    """Mark the link of a heading to itself by a letter, not by one of the theme's icon font."""
    app.config.html_permalinks_icon = "#"


def leave_out(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Have a page ask for no file that it does without."""
    for kind in ("css_files", "script_files"):
        context[kind] = [f for f in context[kind] if not str(f.filename).endswith(UNUSED)]


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
