"""What search engines, feed readers and language models take from the site.

Problem: they read a recipe worse than people do, from HTML made for people, and do not know
what is new.
Usage: ``head_tags`` and ``write_files`` are for events. Addresses need ``html_baseurl``; dates
need git's history.
Result: on each recipe's page JSON-LD (TechArticle) and a link to its twin in Markdown,
``<slug>.md`` beside ``<slug>.html``, made of the page's blocks and of the execution;
``llms.txt`` lists the twins. If the address is known, also ``sitemap.xml``, ``robots.txt`` and
``feed.xml``, an Atom feed of the 50 recipes that changed last.
"""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sphinx.application import Sphinx

from recipe_gallery import Cell
from recipe_gallery.files import read_json, write
from recipe_gallery.markdown_text import code, escaped
from recipe_gallery.store import Store
from recipe_gallery.terminal import fenced, shown, visible
from recipe_gallery.varying import varies

from . import catalogue, layout
from .addresses import dates
from .catalogue import Entry

NO_CONTENT = {"404", "genindex", "search"}
FEED = 50  # entries


def article(app: Sphinx, entry: Entry) -> dict[str, Any]:
    """The JSON-LD of a recipe."""
    root, base = Path(app.srcdir), app.config.html_baseurl
    made_with = read_json(root / layout.published(entry.slug)).get("made with", {})
    names = ("python", "torch", "torchvision")
    return {
        "@context": "https://schema.org",
        "@type": "TechArticle",
        "headline": entry.title,
        "description": entry.summary,
        "keywords": entry.tags,
        "timeRequired": f"PT{entry.minutes}M",
        "author": {"@type": "Organization", "name": app.config.author},
        **({"url": f"{base}{entry.docname}.html"} if base else {}),
        **dates(root, entry.slug),
        "dependencies": [f"{name} {made_with[name]}" for name in names if name in made_with],
    }


def head_tags(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Put JSON-LD and a link to the twin into a recipe's page."""
    if app.builder.name == "epub":
        return
    links, base = "", app.config.html_baseurl
    if base:
        feed = f'{base}feed.xml" title="{escape(app.config.project)}'
        links = f'<link rel="alternate" type="application/atom+xml" href="{feed}">\n'
    if entry := catalogue.find(Path(app.srcdir), page):
        data = json.dumps(article(app, entry), indent=1).replace("<", "\\u003c")
        links += f'<link rel="alternate" type="text/markdown" href="{entry.slug}.md">\n'
        links += f'<script type="application/ld+json">\n{data}\n</script>\n'
    context["metatags"] = context.get("metatags", "") + links


def twin(store: Store, entry: Entry) -> str:
    """A recipe as Markdown: prose, code, what the code printed, its figures."""
    record = store.published(entry.docname)
    run = store.run(entry.docname) if record.get("executed") else None
    cells, parts = iter(run.cells if run else ()), []
    for kind, text in record.get("twin", ()):
        if kind == "text":
            parts.append(text)
        else:
            parts += [fenced(text, "python")] if text else []
            parts += outputs(next(cells, Cell()), text)
    return "\n\n".join(parts) + "\n"


def outputs(cell: Cell, code: str) -> list[str]:
    """What a cell printed and drew, as Markdown."""
    text = shown(cell.text).strip("\n")
    label = "Output, which differs from run to run" if varies(code) else "Output"
    parts = [f"{label}:\n\n{fenced(text, 'text')}"] if text.strip() else []
    figures = (figure for figure in cell.figures if figure.alt)
    return parts + [
        f"![{escaped(visible(figure.alt))}](../../_images/{figure.name})" for figure in figures
    ]


def in_markdown(text: str) -> str:
    """A title or an outcome, in which code is between double backquotes, as Markdown."""
    parts = text.split("``")
    parts[::2], parts[1::2] = map(escaped, parts[::2]), map(code, parts[1::2])
    return "".join(parts)


def overview(app: Sphinx, recipes: Iterable[Entry]) -> str:
    """``llms.txt``: what the site is, and each recipe's twin with its outcome."""
    base, lines = app.config.html_baseurl, [f"# {app.config.project}", ""]
    lines += [f"> {app.config.site_summary}"]
    group = None
    for entry in recipes:
        if group != (group := entry.group):
            lines += ["", f"## {group}", ""]
        link = f"[{in_markdown(entry.title)}]({base}{entry.docname}.md)"
        lines.append(f"- {link}: {in_markdown(entry.outcome)}")
    return "\n".join(lines) + "\n"


def sitemap(app: Sphinx) -> str:
    """The addresses of all pages, with the last change of the recipes."""
    root = Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for page in sorted(app.env.found_docs - NO_CONTENT):
        url = SubElement(root, "url")
        SubElement(url, "loc").text = f"{app.config.html_baseurl}{page}.html"
        slug = layout.slug_of(page)
        if slug and (changed := dates(Path(app.srcdir), slug).get("dateModified")):
            SubElement(url, "lastmod").text = changed
    return xml(root)


def feed(app: Sphinx, recipes: Iterable[Entry]) -> str:
    """The Atom feed of new and changed recipes."""
    base, root = app.config.html_baseurl, Element("feed", xmlns="http://www.w3.org/2005/Atom")
    dated = [(dates(Path(app.srcdir), entry.slug), entry) for entry in recipes]
    dated = [(when["dateModified"], when["datePublished"], entry) for when, entry in dated if when]
    dated.sort(key=lambda item: item[2].slug)
    dated.sort(key=lambda item: item[0], reverse=True)
    SubElement(root, "title").text = app.config.project
    SubElement(root, "id").text = base
    SubElement(root, "link", href=f"{base}feed.xml", rel="self")
    SubElement(root, "link", href=base)
    SubElement(root, "updated").text = dated[0][0] if dated else "1970-01-01T00:00:00Z"
    SubElement(SubElement(root, "author"), "name").text = app.config.author
    for changed, published, entry in dated[:FEED]:
        item, address = SubElement(root, "entry"), f"{base}{entry.docname}.html"
        SubElement(item, "title").text = entry.title
        SubElement(item, "id").text = address
        SubElement(item, "link", href=address)
        SubElement(item, "published").text = published
        SubElement(item, "updated").text = changed
        SubElement(item, "summary").text = entry.summary
    return xml(root)


def xml(root: Element) -> str:
    """The text of a document."""
    indent(root)
    return tostring(root, "utf-8", xml_declaration=True).decode() + "\n"


def write_files(app: Sphinx) -> None:
    """Write what is beside the pages.

    Raises:
        CannotWrite: if one of the files cannot be written.
    """
    site, root = Path(app.outdir), Path(app.srcdir)
    recipes = [e for e in catalogue.read(root) if e.docname in app.env.found_docs]
    store = Store(root, root / layout.STATE)
    for entry in recipes:
        # An execution whose page could not be typeset is newer than the page; the twin stays.
        if store.published(entry.docname).get("run") == store.run_digest(entry.docname):
            write(site / f"{entry.docname}.md", twin(store, entry).encode())
    for file in (site / layout.PAGES).glob("*.md"):
        if file.stem not in {entry.slug for entry in recipes}:
            file.unlink()
    write(site / "llms.txt", overview(app, recipes).encode())
    base = app.config.html_baseurl
    robots = f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n"
    files = {"sitemap.xml": sitemap(app), "feed.xml": feed(app, recipes), "robots.txt": robots}
    for name, content in files.items():
        if base:
            write(site / name, content.encode())
        else:
            (site / name).unlink(missing_ok=True)
