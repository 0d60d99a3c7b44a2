"""What search engines, feed readers and language models take from the site.

Problem: they read a recipe worse than people do, from HTML made for people, and do not know
what is new.
Usage: list this extension. Addresses need ``html_baseurl``; dates need git's history.
Result: on each recipe's page JSON-LD (TechArticle) and a link to its twin in Markdown,
``<slug>.md`` beside ``<slug>.html``, made of the notebook; ``llms.txt`` lists the twins. If
the address is known, also ``sitemap.xml``, ``robots.txt`` and ``feed.xml``, an Atom feed of
the recipes, the last changed first.
"""

import base64
import json
import posixpath
import re
from html import escape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError

import recipe_catalogue
from atomic_files import read_json, write
from executed_notebooks import INSTALL
from git_history import commits
from kept_addresses import SOURCES
from recipe_process import SUBDIR

NO_CONTENT = {"404", "genindex", "search"}
FEED = 50  # entries


def dates(root: Path, slug: str) -> dict[str, str]:
    """When a recipe was published and last changed, as schema.org names it."""
    days = commits(root).get(f"{SOURCES}{slug}.py")
    return {"datePublished": days[-1], "dateModified": days[0]} if days else {}


def article(app: Sphinx, entry: dict) -> dict:
    """The JSON-LD of a recipe."""
    root, slug, base = Path(app.srcdir), entry["slug"], app.config.html_baseurl
    record = read_json(root / f"_build/recipe_runs/{slug}.published.json")
    made = record.get("environment", {})
    return {
        "@context": "https://schema.org",
        "@type": "TechArticle",
        "headline": entry["title"],
        "description": entry["outcome"].replace("``", ""),
        "keywords": entry["tags"],
        "timeRequired": f"PT{entry['minutes']}M",
        "author": {"@type": "Organization", "name": app.config.author},
        **({"url": f"{base}{SUBDIR}/{slug}.html"} if base else {}),
        **dates(root, slug),
        "dependencies": [f"{n} {made[n]}" for n in ("python", "torch", "torchvision") if n in made],
    }


def describe(app: Sphinx, pagename: str, _: str, context: dict, __: Any) -> None:
    """Put JSON-LD and a link to the twin into a recipe's page."""
    if app.builder.name == "epub":
        return
    links = ""
    if app.config.html_baseurl:
        feed = f'{app.config.html_baseurl}feed.xml" title="{escape(app.config.project)}'
        links = f'<link rel="alternate" type="application/atom+xml" href="{feed}">\n'
    for entry in recipe_catalogue.read(Path(app.srcdir)):
        if f"{SUBDIR}/{entry['slug']}" == pagename:
            data = json.dumps(article(app, entry), indent=1).replace("<", "\\u003c")
            links += f'<link rel="alternate" type="text/markdown" href="{entry["slug"]}.md">\n'
            links += f'<script type="application/ld+json">\n{data}\n</script>\n'
    context["metatags"] = context.get("metatags", "") + links


def markdown(app: Sphinx, slug: str) -> str:
    """A recipe as Markdown: prose, code, what the code printed, its figures."""
    folder, parts, figure = Path(app.srcdir, SUBDIR), [], 0
    notebook = json.loads((folder / f"{slug}.ipynb").read_text("utf-8"))
    pictures = {base64.b64encode(p.read_bytes()): p.name for p in folder.glob(f"images/*_{slug}_*")}
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            # Other recipes have a twin, too.
            parts.append(re.sub(r"\]\(([\w/:.-]*?\w+)\.(?:ipynb|html)\)", twin_of, text))
            continue
        if not text.startswith(INSTALL.splitlines()[0]):
            parts.append(f"```python\n{text}\n```")
        for output in cell["outputs"]:
            if "text" in output:
                parts.append(f"Output:\n\n```text\n{''.join(output['text']).rstrip()}\n```")
            else:
                figure += 1
                data = "".join(output["data"]["image/png"]).replace("\n", "").encode()
                alt = "".join(output["data"]["text/plain"])
                parts.append(f"![{alt}](../../_images/{pictures.get(data, '')})")
    return "\n\n".join(parts) + "\n"


def twin_of(link: re.Match) -> str:
    """The link to a recipe's twin instead of its notebook or page."""
    ours = "/" not in link[1] or f"/{SUBDIR}/" in link[1]
    return f"]({posixpath.basename(link[1])}.md)" if ours else link[0]


def overview(app: Sphinx, recipes: list[dict]) -> str:
    """``llms.txt``: what the site is, and each recipe's twin with its outcome."""
    base, lines = app.config.html_baseurl, [f"# {app.config.project}", ""]
    lines += [f"> {app.config.for_machines_summary}"]
    group = None
    for entry in recipes:
        if group != (group := (entry["tags"] or ["Others"])[0]):
            lines += ["", f"## {group}", ""]
        link = f"[{entry['title']}]({base}{SUBDIR}/{entry['slug']}.md)"
        lines.append(f"- {link}: {entry['outcome'].replace('``', '`')}")
    return "\n".join(lines) + "\n"


def sitemap(app: Sphinx) -> str:
    """The addresses of all pages, with the last change of the recipes."""
    root = Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for page in sorted(app.env.found_docs - NO_CONTENT):
        url = SubElement(root, "url")
        SubElement(url, "loc").text = f"{app.config.html_baseurl}{page}.html"
        folder, slug = posixpath.split(page)
        if folder == SUBDIR and (changed := dates(Path(app.srcdir), slug).get("dateModified")):
            SubElement(url, "lastmod").text = changed
    return xml(root)


def feed(app: Sphinx, recipes: list[dict]) -> str:
    """The Atom feed of new and changed recipes."""
    base, root = app.config.html_baseurl, Element("feed", xmlns="http://www.w3.org/2005/Atom")
    dated = [(dates(Path(app.srcdir), entry["slug"]), entry) for entry in recipes]
    dated = [(when["dateModified"], when["datePublished"], e) for when, e in dated if when]
    dated.sort(key=lambda item: item[2]["slug"])
    dated.sort(key=lambda item: item[0], reverse=True)
    SubElement(root, "title").text = app.config.project
    SubElement(root, "id").text = base
    SubElement(root, "link", href=f"{base}feed.xml", rel="self")
    SubElement(root, "link", href=base)
    SubElement(root, "updated").text = max(
        (item[0] for item in dated), default="1970-01-01T00:00:00Z"
    )
    SubElement(SubElement(root, "author"), "name").text = app.config.author
    for changed, published, entry in dated[:FEED]:
        item, address = SubElement(root, "entry"), f"{base}{SUBDIR}/{entry['slug']}.html"
        SubElement(item, "title").text = entry["title"]
        SubElement(item, "id").text = address
        SubElement(item, "link", href=address)
        SubElement(item, "published").text = published
        SubElement(item, "updated").text = changed
        SubElement(item, "summary").text = entry["outcome"].replace("``", "")
    return xml(root)


def xml(root: Element) -> str:
    """The text of a document."""
    indent(root)
    return tostring(root, "utf-8", xml_declaration=True).decode() + "\n"


def write_files(app: Sphinx, exception: Exception | None) -> None:
    """Write what is beside the pages."""
    if exception or app.builder.format != "html" or app.builder.name == "epub":
        return
    site, recipes = Path(app.outdir), recipe_catalogue.read(Path(app.srcdir))
    recipes = [entry for entry in recipes if f"{SUBDIR}/{entry['slug']}" in app.env.found_docs]
    for entry in recipes:
        text = markdown(app, entry["slug"])
        write(site / SUBDIR / f"{entry['slug']}.md", text.encode())
    for twin in (site / SUBDIR).glob("*.md"):
        if twin.stem not in {entry["slug"] for entry in recipes}:
            twin.unlink()
    write(site / "llms.txt", overview(app, recipes).encode())
    base = app.config.html_baseurl
    robots = f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n"
    files = {"sitemap.xml": sitemap(app), "feed.xml": feed(app, recipes), "robots.txt": robots}
    for name, content in files.items():
        if base:
            write(site / name, content.encode())
        else:
            (site / name).unlink(missing_ok=True)


def changed_dates(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The recipes to write anew, because they were committed since their pages were written."""
    root, before = Path(app.srcdir), getattr(env, "recipe_dates", {})
    slugs = [entry["slug"] for entry in recipe_catalogue.read(root)]
    env.recipe_dates = {f"{SUBDIR}/{slug}": dates(root, slug) for slug in slugs}
    changed = [page for page, when in env.recipe_dates.items() if before.get(page) != when]
    return sorted(set(changed) & env.found_docs)


def end_address(app: Sphinx, config: Config) -> None:
    """Let the site's address end with a slash, as addresses are added to it.

    Raises:
        ConfigError: if it is no address.
    """
    if config.html_baseurl:
        if not re.match(r"https?://[^/\s]+", config.html_baseurl):
            raise ConfigError(
                f"SITE_URL is {config.html_baseurl!r}: make it https://..., or unset it"
            )
        config.html_baseurl = config.html_baseurl.rstrip("/") + "/"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("for_machines_summary", "", "html", str)
    app.connect("config-inited", end_address)
    app.connect("env-updated", changed_dates)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
