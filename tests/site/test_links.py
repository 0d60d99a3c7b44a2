"""What the inventories hold is what the built pages use."""

from types import SimpleNamespace

import pytest
from conftest import ROOT, SITE, every_page

from recipe_site.repository_links import launch_links
from tools import inventories

pytestmark = pytest.mark.site


def test_every_name_in_the_inventories_is_used() -> None:
    """By a role or by code, so that they stay small."""
    used = {name for name, _ in inventories.in_prose(ROOT)}
    used |= {name for names in inventories.in_code(ROOT) for name in names}
    for file in sorted((ROOT / "docs/inventories").glob("*.txt")):
        unused = set(inventories.read(file)[1]) - used
        assert not unused, f"{file.name}: make inventories: {sorted(unused)}"


def test_code_cells_link_to_every_reference(get_page) -> None:
    """To Python's and NumPy's as well as to PyTorch's."""
    page = get_page("saving_and_loading_a_general_checkpoint")
    links = {a["href"].split("/")[2] for a in page.main.select(".highlight-Python a[href]")}
    assert {"docs.pytorch.org", "docs.python.org"} <= links


@every_page
def test_colab_opens_the_notebook_of_the_page(page) -> None:
    """Below a folder whose name Sphinx computes."""
    config = SimpleNamespace(
        github_repository="o/r", github_branch="main", github_site_branch="gh-pages"
    )
    address = launch_links(page.slug, config)[0].partition("<")[2].partition(">")[0]
    start = "https://colab.research.google.com/github/o/r/blob/gh-pages/"
    assert SITE / address.removeprefix(start) == page.download(".ipynb")
