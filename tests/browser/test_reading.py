"""What a reader does with the site, in a real browser.

Every test fails, too, if a page asks another host for something, asks for what is not there, or
writes an error to the console. A failure leaves a picture and a trace in ``_build/browser``; look
at the trace with ``playwright show-trace``.
"""

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from served_site import LANDING, LEAD, PHONE, ROOT, SITE, with_settings

pytestmark = pytest.mark.browser

CODE = ".highlight-Python pre"


# -- Finding ---------------------------------------------------------------------------


def test_index_is_filtered_by_tags_and_words(tab, site) -> None:
    """Several tags at once; the address keeps them; nothing found is said."""
    tab.goto(site + LANDING)
    section = tab.locator("#all-recipes")
    cards, shown = section.locator(".recipe-card"), section.locator(".recipe-card:visible")
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
    # The page is told a moment later.
    expect(tab.locator("html")).to_have_attribute("data-theme", "light" if dark else "dark")
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
    tab.locator(".recipe-facts .copybtn").click()
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
    """They fit a phone; a dialog shows them larger than the page; Escape closes it."""
    tab.set_viewport_size(PHONE)
    tab.goto(site + LEAD)
    figure = tab.locator(".sphx-glr-single-img").first
    figure.scroll_into_view_if_needed()
    width = figure.bounding_box()["width"]
    assert width <= PHONE["width"]
    figure.click()
    large = tab.locator("dialog[open] img")
    expect(large).to_be_visible()
    assert large.bounding_box()["width"] > 2 * width
    assert large.evaluate("i => i.decode().then(() => i.naturalWidth)") > 1600
    tab.keyboard.press("Escape")
    expect(tab.locator("dialog")).to_have_count(0)


@with_settings(*({"device_scale_factor": scale} for scale in (1, 2)))
def test_figures_are_sharp(tab, http, settings) -> None:
    """As many pixels as the screen has."""
    tab.goto(http + LEAD)
    figure = tab.locator(".sphx-glr-single-img").first
    figure.scroll_into_view_if_needed()
    shown = figure.evaluate("i => i.decode().then(() => i.currentSrc)")
    assert shown.endswith("_2_00x.webp") == (settings["device_scale_factor"] == 2)


@with_settings({"color_scheme": "dark"}, {"color_scheme": "light"})
@pytest.mark.parametrize("page", [LEAD, "recipes/recipes/loading_data_recipe.html"])
def test_figures_have_the_colour_of_the_page(tab, http, page, settings) -> None:
    """No white slab in the dark; and photographs stay as they are."""
    tab.goto(http + page)
    figure = tab.locator(".figure-link").first
    figure.scroll_into_view_if_needed()
    figure.locator("img").evaluate("i => i.decode()")
    picture = Image.open(BytesIO(figure.screenshot())).convert("RGB")
    paper = tab.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    expected = tuple(map(int, re.findall(r"\d+", paper)[:3]))
    seen = picture.getpixel((2, 2))
    assert max(abs(a - b) for a, b in zip(seen, expected, strict=True)) < 8
    for mark in tab.locator(".photograph").all()[:2]:
        assert mark.is_visible() == (settings["color_scheme"] == "dark")


@with_settings({"viewport": {"width": 1440, "height": 800}}, {"viewport": PHONE})
def test_contents_lead_to_sections(tab, http, settings) -> None:
    """Closed above the text of a phone; beside that of a wide screen, with a mark."""
    tab.goto(http + LEAD)
    contents = tab.locator(".page-contents")
    link = contents.get_by_role("link", name="Setup")
    wide = settings["viewport"] != PHONE
    assert link.is_visible() == wide
    if not wide:
        contents.locator("summary").click()
    expect(contents.get_by_role("link", name="Zeroing out gradients")).to_be_hidden()
    link.click()
    expect(tab.locator("#setup h2")).to_be_in_viewport()
    if wide:
        expect(link).to_have_attribute("aria-current", "true")


@with_settings({"viewport": PHONE})
def test_front_page_is_short_on_a_phone(tab, http) -> None:
    """Groups open one by one, by a link of the menu too, and for what the filter finds."""
    tab.goto(http + LANDING)
    assert tab.evaluate("document.documentElement.scrollHeight") < 4 * PHONE["height"]
    shown = tab.locator("#all-recipes .recipe-card:visible")
    expect(shown).to_have_count(0)
    tab.get_by_role("button", name="Basics").click()
    assert shown.count() > 3
    tab.get_by_role("button", name="Basics").click()
    expect(shown).to_have_count(0)
    tab.get_by_label("Filter by words").fill("zeroing out gradients")
    expect(shown.filter(has_text="Zeroing out gradients").first).to_be_visible()
    tab.goto(f"{http}{LANDING}#basics")
    assert shown.count() > 3


def test_index_of_names_is_filtered(tab, http) -> None:
    """By parts of a name; modules without a hit are gone."""
    tab.goto(http + "docs/api_index.html")
    tab.get_by_label("Filter by name").fill("dataloader")
    expect(tab.locator(".api-index > dt:visible").first).to_contain_text("DataLoader")
    assert tab.locator("h2:visible").count() <= 2


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
    """No fonts, nothing twice; at most 75 KB compressed and 12 requests without the figure."""
    answers = []
    tab.on("response", lambda answer: answers.append(answer))
    tab.goto(http + LEAD, wait_until="networkidle")
    sizes = {answer.url: int(answer.headers["content-length"]) for answer in answers}
    own = {url: size for url, size in sizes.items() if "/_images/" not in url}
    assert len(sizes) == len(answers) and len(own) <= 12
    assert sum(own.values()) <= 75 * 1024
    assert not [url for url in sizes if "font" in url]
    assert not list(SITE.rglob("*.woff*"))
