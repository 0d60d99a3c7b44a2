"""Which recipes are most like a recipe, by their words.

Problem: a list of related pages that is kept by hand goes stale.
Usage: ``find(scripts, kept)`` in each build.
Result: for each recipe the nearest others. To compare all their words
takes time, so what was found is kept in a file until a text changes.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from sphinx_gallery.recommender import ExampleRecommender

from recipe_gallery.files import digest, read_json, write_json

MOST = 3  # how many a page names
# Words that stand fewer than two times in all recipes together, or more often than 0.4 times the
# number of recipes, say nothing: Sphinx-Gallery compares these bounds with sums of occurrences.
RARE, COMMON = 2, 0.4


def find(scripts: Mapping[Path, str], kept: Path) -> dict[str, list[str]]:
    """For each recipe, those whose words are most like its own, the nearest first, by slugs.

    Args:
        scripts: the texts of the recipes, by their files.
        kept: the file that keeps what was found.

    Raises:
        CannotWrite: if that is not possible.
    """
    rules = MOST, RARE, COMMON, version("sphinx-gallery")
    made_of = digest(repr((rules, [(path.name, text) for path, text in scripts.items()])))
    found = read_json(kept)
    if found.get("made of") != made_of:
        found = {"made of": made_of, "related": compare(list(scripts))}
        write_json(kept, found)
    return found["related"]


def compare(scripts: Sequence[Path]) -> dict[str, list[str]]:
    """The same, without a look at what was kept."""
    if len(scripts) < 4:  # nothing to choose from
        return {script.stem: [] for script in scripts}
    # One more, as a recipe may itself be among those that are most like it.
    recommender = ExampleRecommender(n_examples=MOST + 1, min_df=RARE, max_df=COMMON)
    recommender.fit([str(script) for script in scripts])
    near = {}
    for script in scripts:
        others = [Path(name).stem for name in recommender.predict(str(script))]
        near[script.stem] = [slug for slug in others if slug != script.stem][:MOST]
    return near
