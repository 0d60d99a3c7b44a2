"""Whether the search finds what people ask for, measured in the search page itself.

Problem: a search that finds by title seems to work, and people ask in other words.
Usage: ``python -m tools.questions`` after a build; ``measure(page, questions)`` with an open page.
Result: a table, for each way to ask: how many questions have a recipe, for how many of these it
comes first and among the first five; below it each question whose recipe does not come first.
Questions whose recipes are not written yet do not count.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
QUESTIONS = ROOT / "tests" / "browser" / "questions.json"
SITE = ROOT / "_build" / "html"
CARDS = "cards => cards.map(card => card.href.split('/').pop().replace('.html', ''))"


class Answer(NamedTuple):
    """What the search page showed for one question."""

    way: str  # of asking
    typed: str
    wanted: tuple[str, ...]  # slugs, any of which answers it
    shown: tuple[str, ...]  # the first five, pages that are no recipes among them

    @property
    def place(self) -> int:
        """Of the first recipe that answers it, from 1 on; 0 if none of the first five does."""
        return next((i for i, slug in enumerate(self.shown, 1) if slug in self.wanted), 0)


def read(file: Path, recipes: Iterable[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The questions that recipes answer: the way of asking, what is typed, the recipes' slugs.

    Args:
        file: JSON, a list of ``{"keywords": …, "sentence": …, "recipes": […]}`` and of
            ``{"error": …, "recipes": […]}``.
        recipes: the slugs of those that are on the site.
    """
    there = set(recipes)
    for question in json.loads(file.read_text("utf-8")):
        wanted = tuple(slug for slug in question["recipes"] if slug in there)
        if "error" in question:
            whole = question["error"]
            ways = {"error, whole": whole, "error, first line": whole.splitlines()[0]}
        else:
            ways = {way: question[way] for way in ("keywords", "sentence")}
        if wanted:
            yield from ((way, typed, wanted) for way, typed in ways.items())


def measure(page: Page, questions: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Answer]:
    """Type each question into an open search page, and read the cards."""
    page.wait_for_function("typeof searchIndex === 'object'")
    field, cards = page.locator("#search-query"), page.locator("#search-results > li > a")
    answers = []
    for way, typed, wanted in questions:
        field.fill(typed)
        answers.append(Answer(way, typed, wanted, tuple(cards.evaluate_all(CARDS)[:5])))
    return answers


def shares(answers: Iterable[Answer]) -> dict[str, tuple[int, float, float]]:
    """For each way of asking: how many, the share that is first, the share in the first five."""
    found: dict[str, list[int]] = {}
    for answer in answers:
        found.setdefault(answer.way, []).append(answer.place)
    return {
        way: (len(places), places.count(1) / len(places), 1 - places.count(0) / len(places))
        for way, places in found.items()
    }


def table(answers: Iterable[Answer]) -> str:
    """The shares in lines, as people read them."""
    lines = [f"{'':18}{'asked':>6}{'first':>8}{'in five':>9}"]
    for way, (count, first, five) in shares(answers).items():
        lines.append(f"{way:18}{count:6}{first:8.0%}{five:9.0%}")
    return "\n".join(lines)


def misses(answers: Iterable[Answer]) -> str:
    """A line for each question whose recipe is not the first."""
    return "\n".join(
        f"{answer.place or '-'}  {' '.join(answer.typed.split())[:90]}\n"
        f"   wanted: {', '.join(answer.wanted)}; first: {', '.join(answer.shown[:2]) or 'nothing'}"
        for answer in answers
        if answer.place != 1
    )


def find_browser() -> str | None:
    """The system's Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def browser_options() -> dict[str, Any]:
    """How to start it; it cannot confine itself where it is run by root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {"executable_path": find_browser(), "args": ["--no-sandbox"] if root else []}


def main() -> None:
    """The command.

    Raises:
        SystemExit: if the site is not built, or there is no browser.
    """
    if not (SITE / "search.html").is_file():
        sys.exit("the site is not built: run make html")
    if not find_browser():
        sys.exit("no browser found; install Chromium (Debian: apt install chromium)")
    slugs = [path.stem for path in (SITE / "recipes" / "recipes").glob("*.html")]
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(**browser_options()).new_page()
        page.goto((SITE / "search.html").as_uri())
        answers = measure(page, read(QUESTIONS, slugs))
    print(f"{table(answers)}\n\n{misses(answers)}")


if __name__ == "__main__":
    main()
