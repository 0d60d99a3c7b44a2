"""What machines read of the built site says what the pages say."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from xml.etree.ElementTree import fromstring

import pytest
from conftest import ROOT, SITE, every_page

from recipe_site import catalogue, layout, machines
from recipe_site.addresses import commits

pytestmark = pytest.mark.site
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def app() -> SimpleNamespace:
    """A site with an address."""
    config = SimpleNamespace(html_baseurl="https://example.org/", project="P", author="A")
    pages = {f"recipes/recipes/{entry.slug}" for entry in catalogue.read(ROOT)}
    env = SimpleNamespace(found_docs={"index", "docs/building", "search", *pages})
    return SimpleNamespace(srcdir=ROOT, config=config, env=env)


@every_page
def test_structured_data_describes_the_page(page) -> None:
    """Its title, its outcome, and the torch that made its output."""
    (script,) = page.html.select('script[type="application/ld+json"]')
    data = json.loads(script.string)
    assert data["@type"] == "TechArticle"
    assert data["headline"] == page.main.select_one("h1").get_text().removesuffix("#").strip()
    assert f"torch {page.run.made_with['torch']}" in data["dependencies"]
    # What is not committed has no date; what was committed since gets it from the next build.
    times = commits(ROOT).get(layout.source(page.slug), ["9"])
    if times[-1] < datetime.fromtimestamp(page.path.stat().st_mtime, UTC).isoformat():
        assert data["datePublished"] <= data["dateModified"]


@every_page
def test_markdown_twin_says_the_same(page) -> None:
    """All code and all output of the page, and figures that exist."""
    (link,) = page.html.select('link[type="text/markdown"]')
    twin = (page.path.parent / link["href"]).read_text("utf-8")
    for cell in page.cells():
        assert cell["code"] in twin
        for output in cell["outputs"]:
            assert output.strip() in twin
        for figure in cell["figures"]:
            assert f"(../../_images/{figure.stem}.png)" in twin and figure.is_file()


def test_overview_names_every_recipe() -> None:
    """With its outcome."""
    text = (SITE / "llms.txt").read_text("utf-8")
    for entry in catalogue.read(ROOT):
        outcome = entry.outcome.replace("``", "`")
        assert f"recipes/recipes/{entry.slug}.md): {outcome}" in text


def test_no_address_no_files_that_need_one() -> None:
    """A local build has no absolute addresses."""
    assert not any((SITE / name).exists() for name in ("sitemap.xml", "feed.xml", "robots.txt"))


def test_sitemap_has_all_pages_but_search(app) -> None:
    """Recipes with the date of their last change."""
    urls = [
        {child.tag.split("}")[1]: child.text for child in url}
        for url in fromstring(machines.sitemap(app))
    ]
    places = [url["loc"] for url in urls]
    assert "https://example.org/docs/building.html" in places and places == sorted(places)
    assert "https://example.org/search.html" not in places
    assert not commits(ROOT) or all("lastmod" in url for url in urls if "/recipes/" in url["loc"])


@pytest.mark.skipif(not commits(ROOT), reason="git's history is not here")
def test_feed_is_ordered_by_change(app) -> None:
    """And has what Atom asks for in every entry."""
    root = fromstring(machines.feed(app, catalogue.read(ROOT)))
    entries = root.findall(f"{ATOM}entry")
    changed = [entry.find(f"{ATOM}updated").text for entry in entries]
    assert changed == sorted(changed, reverse=True) and len(entries) > 10
    assert root.find(f"{ATOM}updated").text == changed[0]
    assert len({entry.find(f"{ATOM}id").text for entry in entries}) == len(entries)
