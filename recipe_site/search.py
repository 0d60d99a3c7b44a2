"""What the search shows below a hit: the words of the page around what was sought.

Problem: Sphinx's search fetches each page that it found, to quote from it. That is a request
for every hit, and from ``file://`` browsers forbid it: then there is no quotation at all.
Usage: set ``html_show_search_summary = False``; ``write`` is for the event of further pages.
Result: ``_static/search_texts.js``, the text of all pages, which only search.html loads.
``_static/search.js`` quotes from it, and puts first what holds the sought words as they stand.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from recipe_gallery import files

NOT_READ = (nodes.comment, nodes.raw, nodes.title)
# What pages show of each other, and what they all say.
AROUND = {
    "recipe-facts", "recipe-after", "recipe-cards", "recipe-related", "recipe-provenance",
    "output-varies",
    "sphx-glr-download-link-note", "sphx-glr-footer", "sphx-glr-timing", "sphx-glr-signature",
}  # fmt: skip


def texts_of(node: nodes.Element) -> Iterator[str]:
    """The texts below a node that a reader of this page reads."""
    for child in node.children:
        if isinstance(child, NOT_READ) or AROUND.intersection(child.get("classes", ())):
            continue
        if isinstance(child, nodes.TextElement):
            yield " ".join(child.astext().split())
        else:
            yield from texts_of(child)


def write(app: Sphinx) -> list:
    """Write the texts when all pages are written; adds no page."""
    if not app.builder.search:  # a book
        return []
    documents = sorted(app.env.found_docs)
    texts = {doc: " ".join(texts_of(app.env.get_doctree(doc))) for doc in documents}
    content = f"const SEARCH_TEXTS = {json.dumps(texts, ensure_ascii=False, indent=0)};\n"
    files.write(Path(app.outdir, "_static", "search_texts.js"), content.encode())
    return []
