"""Links to the repository lead where its files are, and are absent where there is none."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlparse

import pytest
import yaml
from conftest import LEAD, ROOT

from recipe_site.page_foot import source_of
from recipe_site.repository_links import check_repository, file_link, launch_links, report_link

pytestmark = [pytest.mark.unit, pytest.mark.quick]
MADE = {"python": "3.11.7", "torch": "2.14.1", "platform": "Linux x86_64"}


def config(repository: str) -> SimpleNamespace:
    return SimpleNamespace(
        github_repository=repository, github_branch="main", github_site_branch="gh-pages"
    )


def addresses(repository: str) -> list[str]:
    links = launch_links(LEAD, config(repository))
    return [link.partition("<")[2].partition(">")[0] for link in links]


def test_no_repository_no_links() -> None:
    """Absent, not broken."""
    assert addresses("") == [] and report_link(LEAD, config(""), MADE) == ""
    assert file_link(config(""), "index.rst", "edit") == ""


def test_report_fills_in_the_form() -> None:
    """Fields of the form that is there."""
    url = urlparse(report_link(LEAD, config("o/r"), MADE))
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    form = ROOT / ".github/ISSUE_TEMPLATE" / query.pop("template")
    fields = {field.get("id") for field in yaml.safe_load(form.read_text())["body"]}
    assert query.pop("title") == f"{LEAD}: " and set(query) <= fields
    assert query["recipe"] == LEAD and "torch 2.14.1" in query["versions"]


@pytest.mark.parametrize(
    ("page", "source"),
    [
        (f"recipes/recipes/{LEAD}", f"recipes_source/recipes/{LEAD}.py"),
        ("recipes/recipes/index", "recipes_source/recipes/GALLERY_HEADER.rst"),
        ("docs/building", "docs/building.rst"),
    ],
)
def test_edit_leads_to_what_is_written_by_hand(page: str, source: str) -> None:
    """Never to a generated file."""
    assert source_of(page) == source and (ROOT / source).is_file()
    address = file_link(config("o/r"), source, "edit")
    assert address == f"https://github.com/o/r/edit/main/{source}"


@pytest.mark.parametrize("wrong", ["name", "https://github.com/o/r", "o/r/s", 'o/r"><'])
def test_no_repository_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit, match="make it owner/name"):
        check_repository(None, config(wrong))
