"""Labels and names have the addresses that readers elsewhere need."""

import pytest

from recipe_gallery.links import Links, Place, api_links, label_of, targets, written_labels

pytestmark = pytest.mark.unit
A_B = "sphx_glr_recipes_recipes_a_b.py"


def test_labels_are_those_of_sphinx_gallery() -> None:
    """And are found in prose, also over two lines."""
    assert label_of("recipes/recipes/a_b") == A_B
    text = f":ref:`{A_B}`, :ref:`x\ny <{A_B}>`, :std:ref:`my\nlabel`, :doc:`/docs/a`, :class:`X`"
    assert targets(text) == {A_B, "my label", "/docs/a"}


def test_addresses_are_those_of_the_inventories(tmp_path) -> None:
    """An inventory that is not there gives none."""
    (tmp_path / "torch.txt").write_text(
        "# Sphinx inventory version 1\n# Project: torch\n# Version: 2\n"
        "torch.Tensor class tensors.html\ntorch.add function generated/torch.add.html\n"
    )
    (tmp_path / "zipped.inv").write_bytes(b"# Sphinx inventory version 2\n# Project: x\n\x00")
    mapping = {
        "torch": ("https://t.org/", "torch.txt"),
        "other": ("https://o.org/", "none.txt"),
        "online": ("https://online.org/", None),
        "zipped": ("https://zipped.org/", "zipped.inv"),
    }
    expected = {
        "torch.Tensor": "https://t.org/tensors.html#torch.Tensor",
        "torch.add": "https://t.org/generated/torch.add.html#torch.add",
    }
    assert api_links(mapping, tmp_path) == expected
    normalized = {
        "torch": ("torch", ("https://t.org/", ("torch.txt",))),
        "several": ("several", ("https://s.org/", (None, "https://s.org/objects.inv"))),
    }
    assert api_links(normalized, tmp_path) == expected
    assert api_links({}, tmp_path) == {}


PAGES = {"/docs/data": Place("docs/data", "The data"), "far": Place("docs/data", "Far", "#far")}
HERE = "recipes/recipes/own"
LINKS = Links({A_B: Place("recipes/recipes/a_b", "A b")}, labels=PAGES)


@pytest.mark.parametrize(
    ("target", "title"),
    [(A_B, "A b"), ("a_b", "A b"), ("../../docs/data", "The data"), ("/docs/data", "The data"),
     ("Far", "Far"), ("gone", None), ("../data", None)],
)  # fmt: skip
def test_places_are_found_by_label_and_by_page(target, title) -> None:
    """From a recipe's page on."""
    place = LINKS.place(target, HERE)
    assert (place and place.title) == title


@pytest.mark.parametrize(
    ("base", "ending", "recipe", "page", "image"),
    [
        ("", ".ipynb", "a_b.ipynb", "", ""),
        ("https://s.org/", ".ipynb", "https://s.org/recipes/recipes/a_b.html",
         "https://s.org/docs/data.html#far", "https://s.org/_images/x.png"),
        ("../../", ".md", "a_b.md", "../../docs/data.html#far", "../../_images/x.png"),
    ],
)  # fmt: skip
def test_addresses_are_right_where_the_text_is_read(base, ending, recipe, page, image) -> None:
    """A notebook is far from the site, a twin is in it."""
    links = Links(LINKS.recipes, base=base, labels=PAGES, ending=ending)
    assert links.address(links.recipes[A_B]) == recipe
    assert links.address(PAGES["far"]) == page
    assert links.image("/docs/_static/x.png") == image
    assert links.image("https://o.org/y.png") == "https://o.org/y.png"


def test_labels_of_written_pages_are_read(tmp_path) -> None:
    """Not those of generated ones, nor of what no page is made of."""
    for name in ("docs/a.rst", "auto/b.rst", "_build/c.rst", "z_notes/d.rst"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("``A`` page\n==========\n\n.. _My label:\n\nPart\n----\n")
    expected = {
        "/docs/a": Place("docs/a", "A page"),
        "my label": Place("docs/a", "Part", "#my-label"),
    }
    found = written_labels(tmp_path, ["auto", "z"])
    assert {name: found[name] for name in expected} == expected
    assert {name for name in found if "notes" in name} == {"/z_notes/d"}
