"""Where things of this site are, and how pages, labels and groups are called.

Problem: a folder or a label that several modules spell is renamed in all but one of them.
Usage: constants are paths with ``/``, from the documentation's root on; functions take a
recipe's slug, the name of its file without the ending.
Result: no other module of this package spells any of these, but ``error_index`` the groups and
``search`` some pages.
"""

from pathlib import Path

from recipe_gallery.links import label_of
from recipe_gallery.store import PUBLISHED

SOURCES = "recipes_source/recipes"  # what people write
PAGES = "recipes/recipes"  # what the run stage publishes: pages, scripts, notebooks
INDEX = f"{PAGES}/index"  # the page that lists them
INDEX_SOURCE = f"{SOURCES}/GALLERY_HEADER.rst"  # the text at its top
THUMBNAILS = f"{PAGES}/images/thumb"
DOCS = "docs"  # pages that are written by hand

STATE = "_build/recipe_runs"
CATALOGUE = f"{STATE}/catalogue.json"
RELATED = f"{STATE}/related.json"
SUMMARY = f"{STATE}/summary.json"
VERIFIED = f"{STATE}/verified.json"
VERIFIED_DEVICES = "docs/verified_devices.json"  # kept in the repository
VERSIONS = "docs/versions.toml"  # the environments in which ``make versions`` tries the recipes
TRIED = "docs/versions.jsonl"  # what came of it, kept in the repository
OFFICIAL = "docs/official_recipes.toml"  # the cards of the index that everyone knows

DATA = "data"  # the real data sets
COMPILED = "_build/compiled"  # what torch.compile made, to be found again
TAKE_AWAY = f"{DOCS}/take_away"  # the page that offers what is in these
PACKS = "_build/take_away"
BOOK = "_build/epub"

IN_YOUR_PROJECT = "In your project"  # the section of a recipe with the lines to copy

# In the order to learn them.
TAGS = (
    "Basics", "Tensors", "Data", "Losses", "Training", "Sequences", "Saving and loading",
    "Inspection", "Performance", "Compile and export", "Distributed", "Deployment", "Errors",
)  # fmt: skip


def docname(slug: str) -> str:
    """The name of a recipe's page, as Sphinx names documents."""
    return f"{PAGES}/{slug}"


def slug_of(document: str) -> str:
    """The recipe of a page, "" if the page is not one of a recipe."""
    folder, _, slug = document.rpartition("/")
    return slug if folder == PAGES and document != INDEX else ""


def label(slug: str) -> str:
    """The label of a recipe's page."""
    return label_of(docname(slug))


def source(slug: str) -> str:
    """The file of a recipe."""
    return f"{SOURCES}/{slug}.py"


def script(slug: str) -> str:
    """The text of a recipe that was published last, not the one being edited."""
    return f"{PAGES}/{slug}.py"


def published(slug: str) -> str:
    """The file that says what was published of a recipe, and what its execution cost."""
    return f"{STATE}/{docname(slug)}{PUBLISHED}"


def packs(root: Path) -> list[Path]:
    """What there is to take away, zip files before the book."""
    return sorted(root.glob(f"{PACKS}/*.zip")) + sorted(root.glob(f"{BOOK}/*.epub"))
