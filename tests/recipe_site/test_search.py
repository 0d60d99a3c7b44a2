"""The index of the search: words and their parts, weighed by where they stand."""

import re
from collections import Counter
from types import SimpleNamespace

import pytest
from docutils.core import publish_doctree
from sphinx import addnodes

from recipe_site import search
from recipe_site.search import Page, index, pairs, postings, terms, texts_of

pytestmark = pytest.mark.unit


def page(doc: str, title: str, text: str = "", **fields: str) -> Page:
    """A page of which the search knows this."""
    made = Page(doc)
    for name, value in {"title": title, "text": text, **fields}.items():
        made.texts[name].append(value)
    return made


def words_of(found: dict, number: int) -> dict[str, int]:
    """The terms of one page, with the steps of their weights, from what browsers load."""
    weights, term = {}, ""
    terms = re.findall("([A-Z])([a-z0-9]+)", found["terms"])
    for (shared, rest), places in zip(terms, found["places"].split(" "), strict=True):
        term = term[: ord(shared) - 65] + rest
        at = -1
        for code in (ord(letter) - 35 for letter in places):
            at += search.GAPS if code < 0 else code % search.GAPS + 1
            if at == number and code >= 0:
                weights[term] = code // search.GAPS
    return weights


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CrossEntropyLoss", {"crossentropyloss", "cross", "entropy", "loss"}),
        ("torch.no_grad()", {"torch", "nograd", "grad"}),  # "no" says nothing
        ("the fine-tuned head", {"finetuned", "fine", "tuned", "head"}),
        ("BatchNorm1d", {"batchnorm1d", "batchnorm", "batch", "norm"}),
        ("HTTPServer", {"httpserver", "http", "server"}),
        ("shapes (4x256 and 512x10), 0.5e3", {"shapes"}),  # sizes and numbers are no words
        ("don't _reset_ __init__", {"reset", "init"}),
        ("x = y", set()),
    ],
)
def test_words_and_their_parts_are_found(text, found) -> None:
    assert set(terms(text)) == found


def test_a_word_with_a_small_one_before_it_is_a_term() -> None:
    assert list(pairs("out of memory in a model")) == ["ofmemory"]
    assert list(pairs("parameters not updating")) == ["notupdating"]


def test_place_decides_the_weight() -> None:
    """A word of the title weighs more than one of the text, often more than once."""
    found = index([page("a", "Clip gradients", "Losses spike once."), page("b", "Other", "Clip.")])
    assert found["pages"] == [["a", "Clip gradients"], ["b", "Other"]]
    first, second = words_of(found, 0), words_of(found, 1)
    assert first["clip"] > first["spike"] and first["clip"] > second["clip"]
    often = words_of(index([page("a", "T", "loss " * 9 + "rate"), page("b", "T")]), 0)
    assert often["loss"] > often["rate"]


def test_forms_of_a_word_are_one_term() -> None:
    """Under the most frequent form, which spelling help may show."""
    found = index([page("a", "T", "gradient"), page("b", "T", "gradients, gradients")])
    assert words_of(found, 0).keys() == words_of(found, 1).keys() == {"gradients"}


def test_what_is_found_without_is_left_out() -> None:
    """The index grows with each recipe: words of other pages, and names made of known words."""
    found = index([page("a", "Title", "my_losses = DataLoader()", errors="KeyError")])
    known = {"title", "my", "losses", "data", "loader", "key", "error", "keyerror"}
    assert words_of(found, 0).keys() <= known
    assert "keyerror" in words_of(found, 0)
    found = index([page("a", "Clip"), page("docs/api_index", "Names", "Clip, zip")])
    assert words_of(found, 0).keys() == {"clip"} and words_of(found, 1).keys() == {"names"}


def test_recipes_are_counted() -> None:
    found = index([page("a", "T", outcome="Do it."), page("b", "T")])
    assert found["recipes"] == 1 and found["pages"][0] == ["a", "T", "Do it."]


def test_places_far_apart_are_encoded() -> None:
    """What is read back is what was written, also past the alphabet."""
    weights = {0: 1.0, 17: 0.01, 18: 0.5, 37: 0.7, 300: 0.3}
    lines = {"terms": "Aword", "places": postings(weights)}
    read = {n: words_of(lines, n)["word"] for n in range(400) if words_of(lines, n)}
    assert read == {0: 4, 17: 0, 18: 2, 37: 3, 300: 1}


def test_terms_are_written_by_what_is_new_in_them() -> None:
    """Sorted, most begin as the one before; the longest beginning is 25 letters."""
    words = ["gradient", "gradual", "a" * 30, "a" * 31]
    found = index([page("a", " ".join(words))])
    assert "gradient" in found["terms"] and found["terms"].endswith("Eual")
    assert words_of(found, 0).keys() == set(words)


def test_order_does_not_matter() -> None:
    """The same pages give the same bytes."""
    one, two = page("a", "Tensors", "copy share"), page("a", "Tensors", "share copy")
    assert index([one]) == index([two])


def test_text_is_that_of_the_page() -> None:
    """Prose and code, line by line; no heading, and nothing of other pages."""
    tree = publish_doctree(
        "Title\n=====\n\nProse *here*.\n\n::\n\n  x = 1\n\n  print(x)\n\n"
        ".. container:: recipe-related\n\n  Another page\n\n.. comment\n"
    )
    assert list(texts_of(tree)) == ["Prose here.", "x = 1", "print(x)"]


def test_labels_become_titles() -> None:
    """A reader never sees a raw label."""
    link = addnodes.pending_xref("", reftype="ref", reftarget="sphx_a.py", refexplicit=False)
    tree = publish_doctree("See this:\n")
    tree[0] += link
    env = SimpleNamespace(domaindata={"std": {"labels": {"sphx_a.py": ("a", "id", "How to A")}}})
    search.name_references(tree, env)
    assert list(texts_of(tree)) == ["See this:How to A"]


def test_what_is_quoted_is_not_shown_twice() -> None:
    """Nor is a page's outcome quoted below its outcome; synonyms say that they are some."""
    made = page("a", "T", "Do it.", outcome="Do it.", searched_as="DIY")
    assert made.passages() == ["Also searched as: DIY"]
    assert made.counts()["diy"] == search.WEIGHTS["searched_as"]
    assert isinstance(made.counts(), Counter)


def test_index_is_made_when_a_page_was_read(tmp_path, monkeypatch) -> None:
    """Or when it is gone; a build that has nothing to do has nothing to do here."""
    made = []
    monkeypatch.setattr(search, "pages", lambda env, root: made.append(1) or [page("a", "One")])
    env, builder = SimpleNamespace(all_docs={"a": 1.0}), SimpleNamespace(search=True)
    folders = {"srcdir": tmp_path, "outdir": tmp_path / "html", "doctreedir": tmp_path / "trees"}
    app = SimpleNamespace(env=env, builder=builder, **folders)
    for _ in range(2):
        assert search.write(app) == [] and len(made) == 1
    env.all_docs["a"] = 2.0
    search.write(app)
    assert len(made) == 2
    (tmp_path / "html" / "_static" / "search_index.js").unlink()
    search.write(app)
    assert len(made) == 3
