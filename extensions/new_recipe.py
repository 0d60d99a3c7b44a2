"""Starts a recipe from the template.

Problem: the header, the labels and the arc of a recipe are tedious to copy by hand.
Usage: ``make new RECIPE=slug``.
Result: ``recipes_source/recipes/<slug>.py``, which builds, and keeps the house rules but one:
only its writer knows which other recipe should link to it. ``recipes_source/template.py``
is what it starts from, and what :doc:`/docs/writing_a_recipe` shows.
"""

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from recipe_process import SUBDIR

TITLE = "Title, a verb or the name the community knows"


def create(root: Path, slug: str) -> Path:
    """Write a new recipe and return its path.

    Raises:
        ValueError: if there can be no recipe of this name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise ValueError(f"'{slug}' is no name: use small letters, digits and _")
    if keyword.iskeyword(slug) or importlib.util.find_spec(slug):  # other recipes may import it
        raise ValueError(f"Python has a module or word '{slug}': choose another name")
    path = root / "recipes_source" / "recipes" / f"{slug}.py"
    if path.exists():
        raise ValueError(f"{path.relative_to(root).as_posix()} is there already: edit it")
    title = slug.replace("_", " ").capitalize()
    text = (root / "recipes_source" / "template.py").read_text("utf-8")
    text = text.replace(f"{TITLE}\n{'=' * len(TITLE)}", f"{title}\n{'=' * len(title)}")
    path.write_text(text, "utf-8", newline="\n")
    return path


if __name__ == "__main__":
    try:
        path = create(Path(__file__).resolve().parents[1], sys.argv[1] if sys.argv[1:] else "")
    except ValueError as error:
        sys.exit(f"make new RECIPE=slug: {error}")
    slug = path.stem
    print(f"wrote recipes_source/recipes/{slug}.py")
    print(f"link to it from another recipe: :ref:`sphx_glr_{SUBDIR.replace('/', '_')}_{slug}.py`")
    print("'make serve' shows it while you write, 'make lint' says what is missing")
