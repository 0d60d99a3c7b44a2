"""What a reader does with the site, in a real browser.

Every test fails, too, if a page asks another host for something, asks for what is not there, or
writes an error to the console. A failure leaves a picture and a trace in ``_build/browser``; look
at the trace with ``playwright show-trace``.
"""

import json
import re
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from served_site import INDEX, LANDING, LEAD, PHONE, ROOT, SITE, with_settings

pytestmark = pytest.mark.browser

CODE = ".highlight-Python pre"


# -- Finding ---------------------------------------------------------------------------


def test_index_is_filtered_by_tags_and_words(tab, site) -> None:
    """Several tags at once; the address keeps them; nothing found is said."""
    tab.goto(site + INDEX)
    cards, shown = tab.locator(".recipe-card"), tab.locator(".recipe-card:visible")
    total = cards.count()
    tab.get_by_label("Training").check()
    training = shown.count()
    assert 0 < training < total
    assert all("Training" in text for text in shown.locator(".recipe-tags").all_inner_texts())
    tab.get_by_label("Basics").check()
    assert 0 < shown.count() < training
    assert parse_qs(urlsplit(tab.url).query) == {"tag": ["Basics", "Training"]}
    tab.reload()
    expect(tab.get_by_label("Basics")).to_be_checked()
    tab.get_by_label("Filter by words").fill("gradients missing line")
    expect(shown.locator("a").first).to_have_text("Zeroing out gradients in PyTorch")
    assert 0 < shown.count() < 3
    tab.get_by_label("Filter by words").fill("zebra")
    expect(tab.locator("output")).to_have_text(f"0 of {total} recipes")
    tab.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(total)
    assert not urlsplit(tab.url).query


def test_tags_of_a_recipe_lead_to_its_like(tab, site) -> None:
    """To the cards with this tag."""
    tab.goto(site + LEAD)
    tab.locator(".recipe-facts").get_by_role("link", name="Training").click()
    expect(tab.get_by_label("Training")).to_be_checked()
    assert tab.locator("#all-recipes .recipe-card:not([hidden])").count() > 3


# -- Light and dark --------------------------------------------------------------------


def brightness(tab: Page, selector: str = "body") -> float:
    """How bright the background is, from 0 to 1."""
    script = "e => getComputedStyle(e).backgroundColor"
    colour = tab.locator(selector).first.evaluate(script)
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765


@with_settings({"color_scheme": "dark"}, {"color_scheme": "light"})
def test_theme_follows_the_system_until_it_is_chosen(tab, site, settings) -> None:
    """And the choice is kept on other pages."""
    dark = settings["color_scheme"] == "dark"
    tab.goto(site + LEAD)
    assert (brightness(tab) < 0.2) == dark
    switch = tab.get_by_role("button", name="Dark theme")
    expect(switch).to_have_attribute("aria-pressed", str(dark).lower())
    switch.click()
    assert (brightness(tab) > 0.8) == dark
    tab.goto(site + LANDING)
    assert (brightness(tab) > 0.8) == dark
    switch.click()  # back to the system's: follow it again
    tab.emulate_media(color_scheme="light" if dark else "dark")
    assert (brightness(tab) > 0.8) == dark


@with_settings({"color_scheme": "dark"})
def test_theme_is_known_before_anything_is_painted(tab, http) -> None:
    """No flash of the other theme."""
    tab.add_init_script(
        "new MutationObserver(() => document.body && (window.first ??= "
        "document.documentElement.dataset.theme))"
        ".observe(document, {childList: true, subtree: true})"
    )
    tab.goto(http + LEAD)
    assert tab.evaluate("first") == "dark"


# -- Taking along ----------------------------------------------------------------------


@with_settings({"permissions": ["clipboard-read", "clipboard-write"]})
def test_code_is_copied(tab, http) -> None:
    """A cell as it stands, and the command; outputs have no button."""
    tab.goto(http + LEAD)
    clipboard = "navigator.clipboard.readText()"
    tab.locator(CODE).nth(1).hover()
    tab.locator(".highlight-Python .copybtn").nth(1).click()
    assert tab.evaluate(clipboard).strip() == tab.locator(CODE).nth(1).inner_text().strip()
    for button in tab.locator(".recipe-facts .copybtn").all():  # at the top and at the end
        tab.evaluate("navigator.clipboard.writeText('')")
        button.click()
        assert tab.evaluate(clipboard) == "uv run zeroing_out_gradients.py"
    expect(tab.locator(".sphx-glr-script-out .copybtn")).to_have_count(0)


def test_files_are_downloaded(tab, http, tmp_path) -> None:
    """The script is the source; notebook and archive can be read."""
    tab.goto(http + LEAD)
    files = {}
    for link in tab.locator(".sphx-glr-footer a.download").all():
        with tab.expect_download() as started:
            link.click()
        name = started.value.suggested_filename
        started.value.save_as(tmp_path / name)
        files[Path(name).suffix] = tmp_path / name
    source = ROOT / "recipes_source" / "recipes" / "zeroing_out_gradients.py"
    assert set(files) == {".py", ".ipynb", ".zip"}
    assert files[".py"].read_bytes() == source.read_bytes()
    assert json.loads(files[".ipynb"].read_text("utf-8"))["cells"]
    assert zipfile.ZipFile(files[".zip"]).testzip() is None


def test_figures_scale_and_open_in_full_size(tab, site) -> None:
    """They fit a phone; the link leads to the file."""
    tab.set_viewport_size(PHONE)
    tab.goto(site + LEAD)
    figure = tab.locator(".sphx-glr-single-img").first
    figure.scroll_into_view_if_needed()
    assert figure.bounding_box()["width"] <= PHONE["width"]
    figure.click()
    assert tab.locator("img").evaluate("i => i.naturalWidth") > 800


def test_print_shows_the_recipe_alone(tab, site) -> None:
    """Text, code, output and figure on white; nothing to click on."""
    tab.goto(site + LEAD)
    tab.emulate_media(media="print", color_scheme="dark")
    for part in (".wy-nav-side", ".sphx-glr-footer", ".copybtn", ".theme-switch", "footer"):
        expect(tab.locator(part).first).to_be_hidden()
    for part in ("h1", CODE, ".sphx-glr-script-out pre", ".sphx-glr-single-img"):
        expect(tab.locator(part).first).to_be_visible()
    assert brightness(tab, ".wy-nav-content") == 1


def test_page_loads_little(tab, http) -> None:
    """No fonts, nothing twice; under 120 KB compressed without the figure."""
    answers = []
    tab.on("response", lambda answer: answers.append(answer))
    tab.goto(http + LEAD, wait_until="networkidle")
    sizes = {answer.url: int(answer.headers["content-length"]) for answer in answers}
    assert len(sizes) == len(answers) < 20
    assert sum(size for url, size in sizes.items() if "/_images/" not in url) < 120 * 1024
    assert not [url for url in sizes if "font" in url]
    assert not list(SITE.rglob("*.woff*"))
