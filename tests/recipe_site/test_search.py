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
    """The terms of one page, with their weights, from what browsers load."""
    weights = {}
    for line in found["terms"].splitlines():
        term, places = line.split(" ")
        at = -1
        for far, letter, digit in re.findall(r"(z*)([a-y])(\d)", places):
            at += 25 * len(far) + ord(letter) - 96
            if at == number:
                weights[term] = int(digit)
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
    assert "gradients ab"[:10] in found["terms"] and "gradient a" not in found["terms"]
    assert words_of(found, 0)["gradients"] and words_of(found, 1)["gradients"]


def test_recipes_are_counted() -> None:
    found = index([page("a", "T", outcome="Do it."), page("b", "T")])
    assert found["recipes"] == 1 and found["pages"][0] == ["a", "T", "Do it."]


def test_places_far_apart_are_encoded() -> None:
    """What is read back is what was written, also past the alphabet."""
    weights = {0: 1.0, 24: 0.01, 25: 0.5, 51: 1.0, 300: 0.3}
    lines = {"terms": f"word {postings(weights)}"}
    read = {n: words_of(lines, n)["word"] for n in range(400) if words_of(lines, n)}
    assert read == {0: 9, 24: 1, 25: 4, 51: 9, 300: 3}


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
