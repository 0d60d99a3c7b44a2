"""The site for everyone: by keyboard, on a phone, without JavaScript, with a screen reader."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from served_site import DESKTOP, INDEX, LANDING, LEAD, PAGES, PHONE, SEARCH, with_settings

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("page", PAGES)
@with_settings(
    *({"color_scheme": s, "viewport": v} for s in ("light", "dark") for v in (PHONE, DESKTOP))
)
def test_axe_finds_nothing(tab, http, page) -> None:
    """In both themes, on a phone and on a desk."""
    tab.goto(http + page)
    wait_for_hits(tab, page)
    found = Axe().run(tab, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


# -- By keyboard -----------------------------------------------------------------------


def wait_for_hits(tab: Page, page: str) -> None:
    """On the page of the search."""
    if page == SEARCH:
        tab.locator("#search-results > li").first.wait_for()


# What has the focus: its name, how it is marked, and whether it can be seen.
FOCUS = """() => {
  const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
  if (e === document.body) return null;
  window.seen ??= new Set(); const again = seen.has(e); seen.add(e);
  return {again, name: `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    visible: box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0 &&
      box.top < innerHeight && style.visibility === "visible" && style.opacity !== "0"};
}"""


def tab_stops(tab: Page) -> list[dict]:
    """All places that the tabulator key leads to."""
    stops = []
    for _ in range(600):
        tab.keyboard.press("Tab")
        stop = tab.evaluate(FOCUS)
        if stop is None or stop["again"]:
            return stops
        stops.append(stop)
    pytest.fail("the tabulator key does not come to an end")


@pytest.mark.parametrize("page", [LANDING, INDEX, LEAD, SEARCH])
@with_settings({"viewport": DESKTOP}, {"viewport": PHONE})
def test_all_is_reached_by_keyboard_with_visible_focus(tab, http, page) -> None:
    """Every link and control that is shown, and nothing that is not."""
    tab.goto(http + page)
    wait_for_hits(tab, page)
    stops = tab_stops(tab)
    assert stops[0]["name"].startswith("A.skip-link")
    assert not [stop["name"] for stop in stops if not stop["visible"]]
    assert not [stop["name"] for stop in stops if not stop["ring"]]
    controls = tab.locator("a[href], button, input:not([type=hidden])").all()
    # The links of headings are shown when the pointer is over them, or they have the focus.
    shown = [c for c in controls if c.is_visible()]
    assert len(stops) >= len(shown)


def test_skip_link_leads_past_the_menu(tab, http) -> None:
    """The next stop is in the page's content."""
    tab.goto(http + LEAD)
    tab.keyboard.press("Tab")
    expect(tab.locator(".skip-link")).to_be_in_viewport()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("!!document.activeElement.closest('[role=main]')")


@with_settings({"viewport": PHONE})
def test_menu_of_the_phone_opens_by_keyboard(tab, http) -> None:
    """It shows where one is, and says whether it is open; Escape closes it."""
    tab.goto(http + LEAD)
    menu, here = tab.get_by_role("button", name="Menu"), tab.locator("#navigation a[aria-current]")
    expect(here).to_be_hidden()
    menu.focus()
    tab.keyboard.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(here).to_be_in_viewport()
    tab.keyboard.press("Escape")
    expect(here).to_be_hidden()
    expect(menu).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "false")


def test_focus_goes_on_from_the_section_that_a_link_leads_to(tab, http) -> None:
    """Not from the menu, whose line of this page is scrolled into sight."""
    tab.goto(f"{http}{LEAD}#setup")
    tab.keyboard.press("Tab")
    assert tab.evaluate("!!document.activeElement.closest('#setup')")


@with_settings({"viewport": PHONE})
def test_menu_of_the_phone_closes_by_a_tap_beside_it(tab, http) -> None:
    tab.goto(http + LEAD)
    menu = tab.get_by_role("button", name="Menu")
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    tab.mouse.click(PHONE["width"] - 8, PHONE["height"] / 2)
    expect(menu).to_have_attribute("aria-expanded", "false")


# -- Pictures ---------------------------------------------------------------------------


def test_pictures_have_names_and_sizes(tab, http) -> None:
    """A figure says what it shows; a card's picture is beside the name that it would repeat."""
    for page in (LANDING, INDEX, LEAD):
        tab.goto(http + page)
        for picture in tab.locator("img").all():
            assert picture.get_attribute("width") and picture.get_attribute("height")
            in_card = picture.evaluate("i => !!i.closest('.recipe-card')")
            assert bool(picture.get_attribute("alt")) != in_card


# -- Without JavaScript ----------------------------------------------------------------


@with_settings(*({"java_script_enabled": False, "viewport": v} for v in (DESKTOP, PHONE)))
def test_all_can_be_read_without_javascript(tab, site) -> None:
    """Text, cards and menu are there; what needs JavaScript is not."""
    tab.goto(site + LANDING)
    expect(tab.locator(".recipe-card").last).to_be_visible()
    for part in (".recipe-filter", ".theme-switch", ".menu-button"):
        expect(tab.locator(part).first).to_be_hidden()
    link = tab.locator("#navigation").get_by_role("link", name="Basics")
    expect(link).to_be_visible()
    link.scroll_into_view_if_needed()
    expect(link).to_be_in_viewport()
    tab.locator(".recipe-card").get_by_role("link", name="Zeroing out gradients").first.click()
    for part in ("h1", ".highlight-Python pre", ".sphx-glr-script-out pre", "a.download"):
        expect(tab.locator(part).first).to_be_visible()


@with_settings({"java_script_enabled": False, "color_scheme": "dark"})
def test_dark_needs_no_javascript(tab, site) -> None:
    """The system's setting is enough."""
    tab.goto(site + LEAD)
    tab.screenshot()
    colour = tab.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert max(map(int, re.findall(r"\d+", colour)[:3])) < 50
