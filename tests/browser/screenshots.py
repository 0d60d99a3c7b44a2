"""``make screenshots``: the pictures of the README and of messengers, and all pages at a glance.

The first are committed: make them again when the site looks different. The contact sheets in
``_build/browser``, one for each width, show the top of every page: look at them.
"""

import sys
from io import BytesIO

from PIL import Image
from playwright.sync_api import sync_playwright
from served_site import DESKTOP, INDEX, LANDING, LEAD, ROOT, all_pages, serve

from tools.questions import browser_options, find_browser

FOLDER = ROOT / "docs" / "screenshots"
SOCIAL_CARD = ROOT / "docs" / "_static" / "social_card.png"
SHEETS = ROOT / "_build" / "browser"
PAGES = {"landing": LANDING, "index": INDEX, "recipe": LEAD}
LOOKS = {
    "desktop": {"viewport": DESKTOP},
    "phone": {"viewport": {"width": 390, "height": 800}, "device_scale_factor": 1.5},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
}
WIDTHS = {320: "light", 800: "dark", 1440: "light"}  # of the contact sheets
TOP, ACROSS, SMALL = 2400, 10, 320  # pixels of a page, pages in a row, pixels that one is wide


def sheet(tab, site: str) -> Image.Image:
    """The tops of all pages beside each other."""
    pictures = []
    width = tab.viewport_size["width"]
    for page in all_pages():
        tab.goto(site + page, wait_until="networkidle")
        height = min(TOP, tab.evaluate("document.documentElement.scrollHeight"))
        area = {"x": 0, "y": 0, "width": width, "height": height}
        picture = Image.open(BytesIO(tab.screenshot(clip=area, full_page=True))).convert("RGB")
        picture.thumbnail((SMALL, TOP))
        pictures.append(picture)
    tallest = max(picture.height for picture in pictures)
    rows = -(-len(pictures) // ACROSS)
    whole = Image.new("RGB", (ACROSS * (SMALL + 8), rows * (tallest + 8)), "gray")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % ACROSS * (SMALL + 8), i // ACROSS * (tallest + 8)))
    return whole


def main() -> None:
    if not find_browser():
        sys.exit("screenshots: no browser found; install Chromium")
    FOLDER.mkdir(exist_ok=True)
    SHEETS.mkdir(exist_ok=True)
    with serve() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**browser_options())

        def shoot(page: str, **look: object) -> Image.Image:
            tab = browser.new_page(**look)
            tab.goto(site + page, wait_until="networkidle")
            return Image.open(BytesIO(tab.screenshot())).convert("RGB")

        for look, settings in LOOKS.items():
            for name, page in PAGES.items():
                shoot(page, **settings).save(FOLDER / f"{name}_{look}.webp", quality=50, method=6)
        card = shoot(LANDING, viewport={"width": 1200, "height": 630})
        card.quantize(128).save(SOCIAL_CARD, optimize=True)
        for width, scheme in WIDTHS.items():
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            sheet(tab, site).save(SHEETS / f"all_pages_{width}.png")
    print(f"all pages at a glance: {SHEETS}/all_pages_*.png")


if __name__ == "__main__":
    main()
