"""What all recipes are together: their order, their relatives, the names that they use.

Problem: an order, a list of related pages and an index that are kept by hand go stale; each
recipe knows only itself.
Usage: ``update(root)`` once the run stage is done; ``read(root)`` wherever a page shows
several recipes. A recipe says what to read before it by ``after`` in its header.
Result: ``_build/recipe_runs/catalogue.json``, a list of dictionaries in the order of the
learning path, written only when it changed, so that pages are made again only then.
"""

import ast
import hashlib
import heapq
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sphinx_gallery.recommender import ExampleRecommender
from sphinx_gallery.sorting import _SortKey

from recipe_header import TAGS, Header, read_header

PUBLISHED = Path("_build", "published_sources", "recipes")
CATALOGUE = Path("_build", "recipe_runs", "catalogue.json")
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 20  # of prose and of code, read to be understood
RELATED = 3  # how many a page names


def title_and_outcome(source: str) -> tuple[str, str]:
    """The title and the first paragraph of a recipe's docstring."""
    paragraphs = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")
    outcome = " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else ""
    return paragraphs[0].splitlines()[0] if paragraphs[0] else "", outcome


def reading_minutes(source: str) -> int:
    """How long it takes to read a recipe, prose and code, in whole minutes."""
    lines = source.partition('"""')[2].splitlines()
    comments = [line for line in lines if line.startswith("#")]
    docstring = source.split('"""')[1] if '"""' in source else ""
    words = len(re.findall(r"\w\S*", " ".join([docstring, *comments])))
    code = len([line for line in lines if line.strip() and not line.startswith("#")])
    code -= len(docstring.splitlines())
    return max(1, round(words / WORDS_A_MINUTE + code / LINES_A_MINUTE))


def group(header: Header) -> str:
    """The group of a recipe: its first tag."""
    return header.tags[0] if header.tags else ""


def learning_path(recipes: dict[str, tuple[Header, str]]) -> list[str]:
    """The order in which to read recipes, given their headers and titles.

    Groups in the order of the tags, each recipe behind those that it names in ``after``, and
    otherwise by title.

    Raises:
        ValueError: if recipes wait for each other.
    """
    graph = {
        slug: [before for before in header.after if before in recipes]
        for slug, (header, _) in recipes.items()
    }
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise ValueError(f"'after' in the headers goes in a circle: {circle}") from None

    def rank(slug: str) -> tuple[int, str, str]:
        header, title = recipes[slug]
        place = TAGS.index(group(header)) if group(header) in TAGS else len(TAGS)
        return place, title.lower(), slug

    path: list[str] = []
    ready: list[tuple[int, str, str]] = []
    while sorter.is_active():
        for slug in sorter.get_ready():
            heapq.heappush(ready, rank(slug))
        slug = heapq.heappop(ready)[-1]
        path.append(slug)
        sorter.done(slug)
    return path


def related(paths: list[Path]) -> dict[str, list[str]]:
    """For each recipe, those whose words are most like its own, the nearest first."""
    if len(paths) < 4:  # nothing to choose from
        return {path.stem: [] for path in paths}
    # One more, as a recipe may itself be among those that are most like it.
    recommender = ExampleRecommender(n_examples=RELATED + 1, min_df=2, max_df=0.4)
    recommender.fit([str(path) for path in paths])
    near = {}
    for path in paths:
        others = [Path(name).stem for name in recommender.predict(str(path))]
        near[path.stem] = [slug for slug in others if slug != path.stem][:RELATED]
    return near


def update(root: Path) -> None:
    """Write the catalogue of the published recipes, if it changed.

    Raises:
        ValueError: if recipes wait for each other.
    """
    paths = sorted((root / PUBLISHED).glob("*.py"))
    sources = {path.stem: path.read_text("utf-8") for path in paths}
    rules = Path(__file__).read_text("utf-8")
    made_of = hashlib.sha256(repr((rules, sources)).encode()).hexdigest()
    file, stamp = root / CATALOGUE, root / CATALOGUE.with_suffix(".stamp")
    if file.is_file() and stamp.is_file() and stamp.read_text("utf-8") == made_of:
        return
    headers = {slug: read_header(source) for slug, source in sources.items()}
    texts = {slug: title_and_outcome(source) for slug, source in sources.items()}
    order = learning_path({slug: (headers[slug], texts[slug][0]) for slug in sources})
    near = related(paths)
    entries = [
        {
            "slug": slug,
            "title": texts[slug][0],
            "outcome": texts[slug][1],
            "tags": list(headers[slug].tags),
            "after": [before for before in headers[slug].after if before in sources],
            "minutes": reading_minutes(sources[slug]),
            "related": near[slug],
        }
        for slug in order
    ]
    content = json.dumps(entries, indent=1)
    if not file.is_file() or file.read_text("utf-8") != content:
        file.write_text(content, "utf-8")
    stamp.write_text(made_of, "utf-8")


def read(root: Path) -> list[dict]:
    """The catalogue, in the order of the learning path; empty if there is none yet."""
    file = root / CATALOGUE
    return parsed(file, file.stat().st_mtime_ns) if file.is_file() else []


@lru_cache(maxsize=1)
def parsed(file: Path, changed: int) -> list[dict]:
    """The content of the file, read once for all pages and again when it ``changed``."""
    return json.loads(file.read_text("utf-8"))


def api_names(root: Path, known: Iterable[str]) -> dict[str, list[str]]:
    """For each of the known names that a recipe uses, the recipes, in the path's order.

    From the names that Sphinx-Gallery found, in code and prose, for its links and
    backreferences. Of an object's class and its bases, the first that is known counts.
    """
    known, found = set(known), {}
    for entry in read(root):
        file = root / f"recipes/recipes/{entry['slug']}.codeobj.json"
        objects = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        mine = set()
        for candidates in objects.values():
            names = (f"{c['module_short']}.{c['name']}" for c in candidates)
            mine.update([name for name in names if name in known][:1])
        for name in mine:
            found.setdefault(name, []).append(entry["slug"])
    return dict(sorted(found.items()))


class PathSortKey(_SortKey):
    """Sphinx-Gallery's key to order a section: the learning path."""

    def __init__(self, src_dir: str) -> None:
        super().__init__(src_dir)
        root = Path(src_dir, *[".."] * len(PUBLISHED.parts))
        self.order = {entry["slug"]: number for number, entry in enumerate(read(root))}

    def __call__(self, filename: str) -> tuple[int, str]:
        return self.order.get(Path(filename).stem, len(self.order)), filename
