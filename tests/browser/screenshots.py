"""``make screenshots``: the pictures of the README and the one that messengers show.

They are committed: make them again when the site looks different.
"""

import sys
from io import BytesIO

from PIL import Image
from playwright.sync_api import sync_playwright
from served_site import DESKTOP, INDEX, LANDING, LEAD, ROOT, find_browser, options, serve

FOLDER = ROOT / "docs" / "screenshots"
SOCIAL_CARD = ROOT / "docs" / "_static" / "social_card.png"
PAGES = {"landing": LANDING, "index": INDEX, "recipe": LEAD}
LOOKS = {
    "desktop": {"viewport": DESKTOP},
    "phone": {"viewport": {"width": 390, "height": 800}, "device_scale_factor": 1.5},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
}


def main() -> None:
    if not find_browser():
        sys.exit("screenshots: no browser found; install Chromium")
    FOLDER.mkdir(exist_ok=True)
    with serve() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options())

        def shoot(page: str, **look: object) -> Image.Image:
            tab = browser.new_page(**look)
            tab.goto(site + page, wait_until="networkidle")
            return Image.open(BytesIO(tab.screenshot())).convert("RGB")

        for look, settings in LOOKS.items():
            for name, page in PAGES.items():
                shoot(page, **settings).save(FOLDER / f"{name}_{look}.webp", quality=50, method=6)
        card = shoot(LANDING, viewport={"width": 1200, "height": 630})
        card.quantize(128).save(SOCIAL_CARD, optimize=True)


if __name__ == "__main__":
    main()
