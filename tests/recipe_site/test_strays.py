"""What lies among the recipes is known, or told."""

from types import SimpleNamespace

import pytest

from recipe_site import layout, strays

pytestmark = pytest.mark.unit
IGNORED = (
    "a.py", "_shared.py", ".hidden.py", "._a.py", "a.py~", "GALLERY_HEADER.rst", "named.csv",
    "of_module.txt", "__pycache__/a.pyc",
)  # fmt: skip
REFUSED = {
    "loud.PY": "in small letters",
    "sub/inner.py": "in no folder of their own",
    "old.ipynb": "it is no recipe",
    "notes.txt": "it is no recipe",
    "README": "it is no recipe",
}


@pytest.fixture
def root(tmp_path):
    """Recipes with all that is ignored beside them."""
    for name in IGNORED:
        path = tmp_path / layout.SOURCES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("open('named.csv')" if name == "a.py" else 'open("of_module.txt")')
    (path.parents[2] / "template.py").write_text("")
    return tmp_path


def test_what_is_known_is_left_alone(root) -> None:
    """Also the lock that an editor makes while a recipe is edited."""
    (root / layout.SOURCES / ".#a.py").symlink_to("me@host.1234:5678")
    assert strays.strays(root) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_told(root, name) -> None:
    path = root / layout.SOURCES / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    (line,) = strays.strays(root)
    top = name.partition("/")[0]
    assert line.startswith(f"{layout.SOURCES}/{top}: ") and REFUSED[name] in line


def test_recipe_beside_the_folder_and_link_to_nothing(root) -> None:
    (root / "recipes_source/lost.py").write_text("")
    (root / layout.SOURCES / "gone.py").symlink_to("nowhere.py")
    gone, lost = strays.strays(root)
    assert "gone.py: it leads nowhere" in gone and "lost.py: recipes lie in recipes_source" in lost


def test_build_ends_with_an_error(root, monkeypatch) -> None:
    """And goes on: the recipes are built."""
    told = []
    monkeypatch.setattr(strays.logger, "error", told.append)
    app = SimpleNamespace(srcdir=root, statuscode=0)
    assert strays.check(app, None) == [] and app.statuscode == 0
    (root / layout.SOURCES / "loud.PY").write_text("")
    assert strays.check(app, None) == [] and app.statuscode == 1
    assert told == strays.strays(root)
