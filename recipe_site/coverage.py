"""The directive that shows what this site has for each card of the official recipes index.

Problem: a promise to cover an index is forgotten with the next recipe that is renamed.
Usage: ``.. coverage::``, without arguments; ``docs/official_recipes.toml`` has the cards.
Result: a table of the cards, each with its recipe here or the reason why there is none. A card with
neither is a warning that names its line, and so is one with both.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from docutils import nodes
from sphinx.util import logging

from . import catalogue, layout
from .directives import Directive, as_rst, link
from .tables import table

logger = logging.getLogger(__name__)
OFFICIAL = "https://docs.pytorch.org/tutorials/recipes/"


class Card(msgspec.Struct, forbid_unknown_fields=True):
    """A card of the official index: its title, our recipe if the name differs, or why none."""

    title: str
    here: str = ""
    why: str = ""


def read(root: Path) -> dict[str, Card]:
    """The cards in the order of the index, by their pages there.

    Raises:
        ValueError: if the file has something else in it.
    """
    try:
        cards = tomllib.loads((root / layout.OFFICIAL).read_text("utf-8"))
        return msgspec.convert(cards, dict[str, Card])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{layout.OFFICIAL}: {error}") from None


def recipe_for(page: str, card: Card) -> str:
    """The slug that our recipe for a card has, or would have."""
    return card.here or page.rpartition("/")[2]


def problems(root: Path, cards: dict[str, Card]) -> Iterator[tuple[int, str]]:
    """The cards of which the file says too little or too much: the line, and what to do."""
    lines = (root / layout.OFFICIAL).read_text("utf-8").splitlines()
    for page, card in cards.items():
        written = (root / layout.source(recipe_for(page, card))).is_file()
        line = next((n for n, text in enumerate(lines, 1) if text.strip("[]\"' ") == page), 1)
        if not written and not card.why:
            yield line, f"no recipe {recipe_for(page, card)!r} for this card: write it, or say why"
        elif written and card.why:
            yield line, f"the recipe {recipe_for(page, card)!r} is there: leave 'why' out"


class Coverage(Directive):
    """A table with a row for each card, and how many of them have a recipe here."""

    def run(self) -> list[nodes.Node]:
        """The nodes of the sentence and of the table."""
        self.depends_on(layout.CATALOGUE)
        self.depends_on(layout.OFFICIAL)
        try:
            cards = read(self.root)
        except ValueError as error:
            raise self.error(str(error)) from None
        for line, what in problems(self.root, cards):
            logger.warning(what, location=f"{self.root / layout.OFFICIAL}:{line}")
        ours = {entry.slug for entry in catalogue.read(self.root)}
        rows, count = [], 0
        for page, card in cards.items():
            slug = recipe_for(page, card)
            count += slug in ours
            here = link(slug) if slug in ours else as_rst(card.why or "It could not be built.")
            rows.append([f"`{as_rst(card.title)} <{OFFICIAL}{page}.html>`__", here])
        head = ["Official card", "Here"]
        said = f"{count} of {len(rows)} cards have a recipe here; {len(ours)} recipes in all."
        return self.parsed([said, "", *table(head, rows, "coverage")])
