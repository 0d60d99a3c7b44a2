"""No published address is lost, and dates come from git."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from recipe_site import addresses
from recipe_site.addresses import check_kept, commits, dates, end_address, lost, remove_pages

pytestmark = [pytest.mark.unit, pytest.mark.quick]


def git(root: Path, *arguments: str, day: str = "2026-01-01") -> None:
    when = f"{day}T12:00:00+02:00"
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        cwd=root, check=True, capture_output=True,
        env={"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.fixture
def root(tmp_path) -> Path:
    """A repository with two recipes and a page."""
    commits.cache_clear()
    for name in ("recipes_source/recipes/a.py", "recipes_source/recipes/b.py", "docs/page.rst"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "1")
    return tmp_path


@pytest.fixture(autouse=True)
def said(monkeypatch) -> list[str]:
    """What the build says as errors."""
    sentences: list[str] = []
    monkeypatch.setattr(addresses, "logger", SimpleNamespace(error=sentences.append))
    return sentences


def checked(root: Path, **redirects: str) -> str:
    """What the check complains about; "" if nothing."""
    pages = {p.relative_to(root).as_posix() for p in root.rglob("docs/*.rst")}
    pages |= {f"recipes/recipes/{p.name}" for p in root.glob("recipes_source/recipes/*.py")}
    env = SimpleNamespace(found_docs={str(Path(page).with_suffix("")) for page in pages})
    redirects = {name.replace("__", "/"): target for name, target in redirects.items()}
    config = SimpleNamespace(redirects=redirects, exclude_patterns=["recipes_source"])
    app = SimpleNamespace(srcdir=root, config=config, statuscode=0)
    problems = "\n".join(lost(app, env))
    check_kept(app, env)
    assert app.statuscode == bool(problems)
    return problems


def test_nothing_is_gone(root) -> None:
    assert checked(root) == ""


def test_each_lost_address_is_an_error_of_the_build(root, said) -> None:
    """In a sentence that says what to do."""
    for name in ("recipes_source/recipes/a.py", "docs/page.rst"):
        (root / name).unlink()
    assert checked(root) == "\n".join(said) and len(said) == 2
    for sentence, page in zip(said, ("docs/page", "recipes/recipes/a"), strict=True):
        assert f"say in 'redirects' in conf.py where its readers should go: \"{page}\"" in sentence


@pytest.mark.parametrize("is_committed", [True, False])
def test_renamed_recipe_needs_a_redirect(root, is_committed: bool) -> None:
    """From the moment that it is renamed."""
    (root / "recipes_source/recipes/a.py").rename(root / "recipes_source/recipes/c.py")
    if is_committed:
        git(root, "add", ".")
        git(root, "commit", "-qm", "2")
    assert checked(root).startswith("recipes_source/recipes/a.py was published and is gone")
    assert checked(root, recipes__recipes__a="c.html") == ""


def test_module_that_recipes_share_needs_none(root) -> None:
    """It never had a page."""
    (root / "recipes_source/recipes/_shared.py").write_text("1")
    git(root, "add", ".")
    git(root, "commit", "-qm", "2")
    (root / "recipes_source/recipes/_shared.py").unlink()
    assert checked(root) == ""


def test_removed_page_needs_a_redirect(root) -> None:
    (root / "docs/page.rst").unlink()
    assert checked(root).startswith("docs/page.rst was published")
    assert checked(root, docs__page="../recipes/recipes/a.html") == ""


def test_redirect_leads_from_no_page_to_a_page(root) -> None:
    assert "which is a page" in checked(root, recipes__recipes__a="b.html")
    assert "which is no page" in checked(root, recipes__recipes__old="gone.html")
    assert checked(root, recipes__recipes__old="b.html#part") == ""
    assert checked(root, recipes__recipes__old="https://example.org/") == ""


def test_what_a_branch_did_on_its_way_was_never_published(root) -> None:
    """Of a merge only the result counts."""
    git(root, "switch", "-qc", "branch")
    (root / "recipes_source/recipes/first.py").write_text("1")
    git(root, "add", ".")
    git(root, "commit", "-qm", "2")
    git(root, "mv", "recipes_source/recipes/first.py", "recipes_source/recipes/last.py")
    git(root, "commit", "-qm", "3")
    git(root, "switch", "-q", "main")
    git(root, "merge", "--no-ff", "-qm", "4", "branch", day="2026-03-03")
    assert checked(root) == ""
    assert commits(root)["recipes_source/recipes/last.py"] == ["2026-03-03T10:00:00Z"]


def test_dates_are_those_of_commits(root) -> None:
    """The newest first, in UTC."""
    (root / "recipes_source/recipes/a.py").write_text("2")
    git(root, "commit", "-qam", "2", day="2026-02-02")
    days = commits(root)["recipes_source/recipes/a.py"]
    assert days == ["2026-02-02T10:00:00Z", "2026-01-01T10:00:00Z"]


def test_without_a_history_nothing_is_known(root, tmp_path_factory) -> None:
    """A folder inside of another's repository, and a shallow clone."""
    assert commits(root / "docs") == {}
    (root / "docs/page.rst").write_text("2")
    git(root, "commit", "-qam", "2")
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "-q", "--depth=1", f"file://{root}", "clone")
    assert commits(shallow / "clone") == {}


def test_recipe_was_published_with_its_first_commit(root) -> None:
    """And changed with its last; of one that is not committed nothing is known."""
    (root / "recipes_source/recipes/a.py").write_text("2")
    git(root, "commit", "-qam", "2", day="2026-02-02")
    assert dates(root, "a") == {
        "datePublished": "2026-01-01T10:00:00Z",
        "dateModified": "2026-02-02T10:00:00Z",
    }
    assert dates(root, "new") == {}


@pytest.mark.parametrize("with_index", [False, True])
def test_page_without_a_source_is_removed(tmp_path, with_index) -> None:
    """Wherever it is; what Sphinx keeps in folders of its own are no pages."""
    stay = {"docs/page.html", "index.html", "_static/page.html"} | (
        {"genindex.html"} if with_index else set()
    )
    for name in (*stay, "genindex.html", "docs/gone.html", "old/folder/gone.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    file_of = lambda page: str(tmp_path / f"{page}.html")  # noqa: E731
    builder = SimpleNamespace(get_outfilename=file_of, use_index=with_index)
    env = SimpleNamespace(found_docs={"docs/page", "index"})
    assert remove_pages(SimpleNamespace(outdir=tmp_path, env=env, builder=builder)) == []
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")} == stay


# -- The address of the site -----------------------------------------------------------


@pytest.mark.parametrize("address", ["example.org", "/recipes/", "https://"])
def test_address_of_the_site_is_checked(address: str) -> None:
    with pytest.raises(SystemExit, match=f"SITE_URL is '{address}': make it https://"):
        end_address(None, SimpleNamespace(html_baseurl=address))


@pytest.mark.parametrize("address", ["https://example.org/x", "https://example.org/x//"])
def test_address_of_the_site_ends_with_one_slash(address: str) -> None:
    """However many were written."""
    config = SimpleNamespace(html_baseurl=address)
    end_address(None, config)
    assert config.html_baseurl == "https://example.org/x/"


def test_site_needs_no_address() -> None:
    config = SimpleNamespace(html_baseurl="")
    end_address(None, config)
    assert config.html_baseurl == ""
