"""All pages, in light and dark, from the narrowest phone to a wide desk: one browser, one loop.

What a page asks for, and what it writes to the console, the fixture ``context`` looks at.
"""

import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from served_site import LEAD, MISSING, all_pages, with_settings

pytestmark = pytest.mark.browser

WIDTHS = (320, 360, 800, 1280, 1440)
AXE_AT = {"light": 360, "dark": 1280}
# Most of the time goes into the colours of code, of which test_access.py looks at some.
WITHOUT_CODE = {"exclude": [[".highlight"]]}
# What does not depend on colours is looked at once. What passes is not listed: half of the time.
ONLY = {"resultTypes": ["violations"]}
RULES = {"light": ONLY, "dark": ONLY | {"runOnly": ["color-contrast"]}}

# What is wrong with the layout: how far the page scrolls sideways and what sticks out, and boxes
# that scroll but cannot be reached by keyboard, or should not scroll.
LAYOUT = """() => {
  const page = document.documentElement, found = [];
  if (page.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((e) =>
      e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("pre, .table-box"));
    const names = wide.slice(-1).map((e) => e.outerHTML.slice(0, 90));
    found.push(`${page.scrollWidth} px wide: ${names}`);
  }
  for (const e of document.querySelectorAll("pre, .table-box"))
    if (e.scrollWidth > e.clientWidth && e.tabIndex !== 0)
      found.push(`scrolls, but not by keyboard: ${e.textContent.trim().slice(0, 40)}`);
  for (const e of document.querySelectorAll(".wraps pre"))
    if (e.scrollWidth > e.clientWidth)
      found.push(`a message is cut: ${e.textContent.trim().slice(0, 40)}`);
  return found;
}"""

# Texts that the stylesheet writes, with too little contrast to what is behind them.
GENERATED = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const e of document.querySelectorAll("body *"))
    for (const part of ["::before", "::after"]) {
      const style = getComputedStyle(e, part);
      if (!/^".*\\w.*"$/.test(style.content) || style.visibility === "hidden") continue;
      const own = numbers(style.backgroundColor);
      const back = own.length === 3 || own[3] === 1 ? own : behind(e);
      const [high, low] = [light(numbers(style.color)), light(back)].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < 4.5) found.add(`${style.content} of .${e.className}: ${ratio.toFixed(2)}`);
    }
  return [...found];
}"""


def problems(tab: Page, scheme: str) -> list[str]:
    """What is wrong with the page that is shown, at all widths."""
    found = []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 800})
        # Two frames: one in which sizes are observed, one after it.
        tab.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")
        found += [f"{width} px: {problem}" for problem in tab.evaluate(LAYOUT)]
        if width == AXE_AT[scheme]:
            found += [f"{width} px: {problem}" for problem in tab.evaluate(GENERATED)]
            result = Axe().run(tab, WITHOUT_CODE, RULES[scheme])
            for broken in result.response["violations"]:
                places = [" ".join(map(str, node["target"])) for node in broken["nodes"]]
                found.append(f"{width} px: {broken['help']}: {'; '.join(places[:5])}")
    return found


@pytest.mark.timeout(3600)  # all pages in one test
@with_settings(*({"color_scheme": scheme, "traced": False} for scheme in AXE_AT))
def test_every_page_can_be_read(tab, http, settings) -> None:
    """Nothing scrolls sideways but code and tables in their boxes; axe finds nothing."""
    pages = all_pages()
    assert len(pages) > 50 and MISSING in pages
    wrong = {}
    for page in pages:
        tab.goto(http + page, wait_until="load")
        if found := problems(tab, settings["color_scheme"]):
            wrong[page] = found
    lines = [f"{page}: {problem}" for page, found in wrong.items() for problem in found]
    assert not wrong, f"{len(wrong)} of {len(pages)} pages:\n" + "\n".join(lines)


# The longest of all, in the places of a page that exist already.
LONGEST = """() => {
  const word = "warmstarting_model_using_parameters_".repeat(6);
  const all = (s) => document.querySelectorAll(s);
  for (const s of ["h1", "h2", "h3", ".recipe-outcome", ".recipe-facts a", ".recipe-facts code",
    ".recipe-after a", ".neighbours a", ".page-contents a", ".sphx-glr-footer a.download .pre",
    ".recipe-card p > a", ".recipe-tags", ".recipe-provenance", "#navigation a", ".page-top a"])
    for (const e of all(s)) e.firstChild.textContent = word;
  for (const e of all(".highlight pre")) e.prepend(`${word} ${word}\\n`);
  all("h2")[0].insertAdjacentHTML("afterend", `<div class="table-box"><table class="docutils">
    <thead><tr>${"<th>column</th>".repeat(12)}</tr></thead><tbody><tr>
    ${`<td><p>${word.slice(0, 40)} <code class="docutils literal"><span class="pre">${word}</span>
    </code></p></td>`.repeat(12)}</tr></tbody></table></div><ul><li>${word}</li></ul>
    <p>${word} <a href="#x">${word}</a> <code class="docutils literal"><span class="pre">${word}
    </span></code></p><div class="admonition note"><p class="admonition-title">${word}</p>
    <p>${word}</p></div>`);
  const table = all(".table-box")[0];
  table.tabIndex = 0;
}"""


def test_the_longest_of_all_fits(tab, http) -> None:
    """File name, title, table, output, line of code: whatever recipes there will be."""
    tab.goto(http + LEAD)
    tab.evaluate(LONGEST)
    wrong = []
    for width, shown in itertools.product(WIDTHS, (False, True)):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.evaluate(f"document.querySelector('.page-contents').open = {str(shown).lower()}")
        found = tab.evaluate(LAYOUT)
        wrong += [f"{width} px: {text}" for text in found if "sideways" in text or "wide" in text]
    assert not wrong, "\n".join(wrong)
