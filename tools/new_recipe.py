"""Starts a recipe from the template.

Problem: the header, the labels and the arc of a recipe are tedious to copy by hand.
Usage: ``make new RECIPE=slug``.
Result: ``recipes_source/recipes/<slug>.py``, which builds, and keeps the house rules but two: only
its writer knows what to say, and which other recipe should link to it.
``recipes_source/template.py`` is what it starts from, and what :doc:`/docs/writing_a_recipe` shows.
"""

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from recipe_site import layout, strays

TITLE = "Title, a verb or the name the community knows"
PAGES = ("index", "genindex", "modindex", "search")  # which Sphinx or the site writes


def create(root: Path, slug: str) -> Path:
    """Write a new recipe and return its path.

    Raises:
        ValueError: if there can be no recipe of this name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise ValueError(f"'{slug}' is no name: use small letters, digits and _")
    if keyword.iskeyword(slug) or importlib.util.find_spec(slug):  # other recipes may import it
        raise ValueError(f"Python has a module or word '{slug}': choose another name")
    if slug in PAGES:
        raise ValueError(f"'{slug}' is a page of the site: choose another name")
    path = root / layout.source(slug)
    if path.exists():
        raise ValueError(f"{path.relative_to(root).as_posix()} is there already: edit it")
    for line in strays.strays(root):
        if Path(line.partition(":")[0]).stem.lower() == slug:  # its writer looks for this one
            raise ValueError(line)
    title = slug.replace("_", " ").capitalize()
    text = (root / "recipes_source" / "template.py").read_text("utf-8")
    text = text.replace(f"{TITLE}\n{'=' * len(TITLE)}", f"{title}\n{'=' * len(title)}")
    path.write_text(text, "utf-8", newline="\n")
    return path


def main() -> None:
    """The command, with a slug as its argument.

    Raises:
        SystemExit: with a sentence, if there can be no recipe of this name.
    """
    slug = sys.argv[1] if sys.argv[1:] else ""
    try:
        create(Path(__file__).resolve().parents[1], slug)
    except ValueError as error:
        raise SystemExit(f"make new RECIPE=slug: {error}") from None
    print(f"wrote {layout.source(slug)}")
    print(f"link to it from another recipe: :ref:`{layout.label(slug)}`")
    print(f"'make serve' shows it while you write, 'make check RECIPE={slug}' says what is missing")


if __name__ == "__main__":
    main()
