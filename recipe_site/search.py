"""What the search knows of the pages: the words of each with their weights, and its text.

Problem: Sphinx's search finds only pages that have every word, in an order that hardly depends on
how often and where they stand. It finds nothing for a pasted error whose sizes differ.
Usage: ``write`` is for the event of further pages; ``_static/search.js`` ranks and shows.
Result: ``_static/search_index.js``, the same for the search page, the suggestions and the filter
of the cards, and in ``_static/search_texts/`` a file for each page, from which it is quoted. All
are scripts, which browsers load from ``file://``, too.

A word is found as a whole and by its parts: ``CrossEntropyLoss`` by "cross" and by "losses". The
weight of a word on a page is that of BM25 with fields, in five steps, so that browsers only add.
The index grows with each recipe, so nothing is in it that is found without it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish

from recipe_gallery import files
from recipe_gallery.files import digest

from . import catalogue, error_index, layout

# What pages show of each other, and what they all say.
AROUND = {
    "recipe-facts", "recipe-after", "recipe-cards", "recipe-related", "recipe-provenance",
    "output-varies",
    "sphx-glr-download-link-note", "sphx-glr-footer", "sphx-glr-timing", "sphx-glr-signature",
}  # fmt: skip
WEIGHTS = {"title": 16, "searched_as": 12, "outcome": 8, "errors": 6, "headings": 6, "text": 1}
SATURATION, BY_LENGTH = 6.0, 0.4  # k1 and b of BM25
STEPS, GAPS = 5, 18  # of a weight, and of pages left out, that a character can say; as in search.js
# Pages whose text is that of other pages, which are found by it themselves.
LISTS = {"index", layout.INDEX, "docs/api_index", "docs/errors", "docs/recipe_times"}
WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9]*(?:[_'-][A-Za-z0-9]+)*")  # as in search.js
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # likewise
TURNS = {"no", "not", "of", "off", "out"}  # what comes next means another thing behind them
ENGLISH = SearchEnglish({})  # whose stemmer and stop words Sphinx gives to browsers, too


@dataclass
class Page:
    """What the search knows of one page, by the names in ``WEIGHTS``."""

    doc: str
    texts: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WEIGHTS})

    @property
    def searched(self) -> dict[str, list[str]]:
        """The texts by whose words it is found."""
        return {**self.texts, "text": []} if self.doc in LISTS else self.texts

    def counts(self) -> Counter:
        """How often the page has each term, every one by the weight of its place."""
        found = Counter()
        for name, texts in self.searched.items():
            for text in texts:
                for term in [*terms(text), *PHRASES.get(name, lambda _: ())(text)]:
                    found[term] += WEIGHTS[name]
        return found

    def passages(self) -> list[str]:
        """What can be quoted beside title and outcome; last, why words find it that it lacks."""
        shown = {"", *self.texts["outcome"]}
        texts = [text for text in self.texts["text"] if text not in shown]
        texts = [text for text in texts if "sphx_glr_" not in text]  # the template's labels
        names = ", ".join(self.texts["searched_as"])
        texts += [f"Also searched as: {names}"] if names else []
        return texts + [text for text in self.texts["errors"] if text not in texts]


def terms(text: str) -> Iterator[str]:
    """The words of a text and their parts, in small letters, without those that say nothing."""
    for word in WORD.findall(text):
        if word.lower() in ENGLISH.stopwords:
            continue
        whole = re.sub(r"\W|_", "", word.lower())
        parts = [part.lower() for part in PART.findall(word)]
        for term in dict.fromkeys([whole, re.sub(r"\d+d?$", "", whole), *parts]):
            if len(term) > 1 and term not in ENGLISH.stopwords:
                yield term


def pairs(text: str) -> Iterator[str]:
    """Words with the small one before them that turns them: "of memory", "not learning"."""
    words = [re.sub(r"\W|_", "", word.lower()) for word in WORD.findall(text)]
    for before, word in zip(words, words[1:], strict=False):
        if before in TURNS and word not in ENGLISH.stopwords:
            yield before + word


def threes(text: str) -> Iterator[str]:
    """Three words at a time, which tell a pasted message from others with the same words."""
    words = [word for word in WORD.findall(text) if word.lower() not in ENGLISH.stopwords]
    words = [re.sub(r"\W|_", "", word.lower()) for word in words if len(word) > 1]
    for at in range(0, len(words) - 2, 3):
        yield "".join(words[at : at + 3])


PHRASES = {"searched_as": pairs, "errors": threes}


def pages(env: BuildEnvironment, root: Path) -> list[Page]:
    """All pages, recipes first, in the order of the learning path."""
    recipes = {entry.docname: entry for entry in catalogue.read(root)}
    order = [doc for doc in recipes if doc in env.found_docs]
    found = []
    for doc in [*order, *sorted(env.found_docs - recipes.keys())]:
        page, tree = Page(doc), env.get_doctree(doc)
        name_references(tree, env)
        texts = page.texts
        texts["title"].append(env.titles[doc].astext())
        texts["headings"] = [title.astext() for title in list(tree.findall(nodes.title))[1:]]
        texts["text"] = list(texts_of(tree))
        if entry := recipes.get(doc):
            texts["title"].append(entry.slug)
            texts["outcome"].append(entry.outcome.replace("``", ""))
            texts["searched_as"] += entry.searched_as
            texts["errors"] += [*error_index.printed_messages(entry, root), *entry.older_errors]
        found.append(page)
    return found


def name_references(tree: nodes.document, env: BuildEnvironment) -> None:
    """Put the titles of pages in the place of their labels, as links are not resolved yet."""
    labels = env.domaindata["std"]["labels"]
    for link in list(tree.findall(addnodes.pending_xref)):
        if link["reftype"] == "ref" and not link["refexplicit"]:
            title = labels.get(link["reftarget"], ("", "", link.astext()))[2]
            link.replace_self(nodes.inline(title, title))


def texts_of(node: nodes.Element) -> Iterator[str]:
    """The texts below a node that a reader of this page reads, headings not among them."""
    for child in node.children:
        if isinstance(child, nodes.comment | nodes.raw | nodes.title):
            continue
        if AROUND.intersection(child.get("classes", ())):
            continue
        if isinstance(child, nodes.literal_block):
            yield from filter(None, map(str.strip, child.astext().splitlines()))
        elif isinstance(child, nodes.TextElement):
            yield " ".join(child.astext().split())
        else:
            yield from texts_of(child)


def index(found: list[Page]) -> dict:
    """What browsers load before they rank.

    Returns:
        ``pages``: name, title and outcome of each; ``recipes``: how many of them, the first, are
        recipes; ``terms``: each in its most frequent form, sorted: a capital letter, how many
        letters it shares with the one before (A is none), and its others; ``places``: for each
        term, in the same order, its pages and weights.
    """
    counts = [page.counts() for page in found]
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / max(1, len(lengths))
    forms: dict[str, Counter] = {}
    weights: dict[str, dict[int, float]] = {}
    for number, (count, length) in enumerate(zip(counts, lengths, strict=True)):
        grouped = Counter()
        for term, times in count.items():
            root = ENGLISH.stem(term)
            grouped[root] += times
            forms.setdefault(root, Counter())[term] += times
        for root, times in grouped.items():
            slow = SATURATION * (1 - BY_LENGTH + BY_LENGTH * length / mean)
            weights.setdefault(root, {})[number] = times / (times + slow)
    by_parts = compounds(found)
    places = {}
    for root, by_page in weights.items():
        form = min(forms[root].most_common(), key=lambda item: (-item[1], item[0]))[0]
        if form not in by_parts:
            places[form] = postings(by_page)
    order = sorted(places)
    return {
        "pages": [[page.doc, page.texts["title"][0], *page.texts["outcome"]] for page in found],
        "recipes": len([page for page in found if page.texts["outcome"]]),
        "terms": "".join(map(shortened, ["", *order], order)),
        "places": " ".join(places[form] for form in order),
    }


def compounds(found: list[Page]) -> set[str]:
    """Names of several words that only texts have, variables mostly: their words find them."""
    wholes, others = set(), set()
    for page in found:
        for name, texts in page.searched.items():
            for word in WORD.findall(" ".join(texts)):
                parts = [part.lower() for part in PART.findall(word)]
                if name == "text" and len(parts) > 1:
                    wholes.add(re.sub(r"\W|_", "", word.lower()))
                    others.update(parts)
                else:
                    others.update(terms(word))
            for text in texts:
                others.update(PHRASES.get(name, lambda _: ())(text))
    return wholes - others


def shortened(before: str, term: str) -> str:
    """A term without the beginning that it shares with the one before."""
    shared = min(25, len(commonprefix([before, term])))
    return chr(65 + shared) + term[shared:]


def postings(weights: dict[int, float]) -> str:
    """Pages and weights, a character for each page that has the term.

    It says the weight and how many pages without the term lie before, ! that there are GAPS more.
    """
    parts, last = [], -1
    for number, weight in weights.items():
        skipped, gap = divmod(number - last - 1, GAPS)
        step = round((STEPS - 1) * weight)
        parts.append("!" * skipped + chr(35 + GAPS * step + gap))
        last = number
    return "".join(parts)


def write(app: Sphinx) -> list:
    """Write index and texts when all pages are read; adds no page."""
    if not app.builder.search:  # a book
        return []
    static, known = Path(app.outdir, "_static"), Path(app.doctreedir, "search.read")
    # When each page was read: unless one was read since, the search knows all of them.
    read = digest(repr(sorted(app.env.all_docs.items())))
    if (static / "search_index.js").is_file() and known.is_file() and known.read_text() == read:
        return []
    found = pages(app.env, Path(app.srcdir))
    save(static / "search_index.js", "const searchIndex", index(found))
    folder, written = static / "search_texts", set()
    folder.mkdir(parents=True, exist_ok=True)
    for page in found:
        file = folder / f"{page.doc.replace('/', '-')}.js"
        save(file, f"(globalThis.searchTexts ??= {{}})[{json.dumps(page.doc)}]", page.passages())
        written.add(file.name)
    for file in folder.iterdir():
        if file.name not in written:  # of a page that is gone
            file.unlink()
    files.write(known, read.encode())
    return []


def save(file: Path, name: str, content: object) -> None:
    """Write a script that gives a name to what JSON can say."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    files.write(file, f"{name} = {text};\n".encode())
