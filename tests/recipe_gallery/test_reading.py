"""Each recipe is read once; what is wrong with one is its own, and why it runs has a reason."""

from importlib.metadata import version

import pytest
from small_gallery import FakeExecutor, Gallery

from recipe_gallery import Header, Plugin
from recipe_gallery.build import Build
from recipe_gallery.reading import imported_modules, one_line
from recipe_gallery.settings import BuildError

pytestmark = pytest.mark.unit


def failures(small: Gallery, **changes) -> dict[str, str]:
    """What a build finds wrong with which recipe."""
    build = Build(small.settings(**changes), FakeExecutor())
    build.reader.read()
    return {name: failure.reason for name, failure in build.failures.items()}


def reasons(small: Gallery, **changes) -> dict[str, str]:
    """Why a build would execute which recipe."""
    return {slug: recipe.reason for slug, recipe in small.read(**changes).items()}


def plugin(**names) -> Plugin:
    """A plugin that differs in these names from the one that adds nothing."""
    found = Plugin()
    for name, value in names.items():
        setattr(found, name, value)
    return found


# -- What is read ----------------------------------------------------------------------


def test_recipe_is_as_it_stands_in_the_sources(small) -> None:
    """With the name that messages show, and the docname of its page."""
    path = small.add("sub/a", "print(2)")
    recipe = small.read()["a"]
    assert (recipe.path, recipe.source) == (path, path.read_bytes())
    assert (recipe.name, recipe.docname) == ("examples/sub/a.py", "auto/sub/a")
    assert recipe.executable and not recipe.may_fail and recipe.header == Header()


def test_what_the_gallery_does_not_want_executed(small) -> None:
    """Is read, without a reason to run; also where its header is wrong."""
    small.add("plot_a")
    path = small.add("other")
    path.write_text(path.read_text() + "# /// script\n# dependencies = 5\n# ///\n")
    found = small.read(gallery={"filename_pattern": "/plot_"})
    assert found["plot_a"].executable and not found["other"].executable
    assert found["other"].reason == ""


def test_site_has_limits_for_recipes_without_a_header(small) -> None:
    """And a recipe's own limit wins."""
    small.add("a")
    path = small.add("b")
    path.write_text("# /// script\n# [tool.recipe]\n# timeout = 7\n# ///\n" + path.read_text())
    found = small.read(defaults=Header(timeout=5, memory=2))
    assert (found["a"].header.timeout, found["a"].header.memory) == (5, 2)
    assert (found["b"].header.timeout, found["b"].header.memory) == (7, 2)


def test_what_a_header_says_for_the_site_alone_runs_nothing(small) -> None:
    """Its fields go along; the key is the same, and unknown ones are refused."""
    path, site = small.add("a"), {"plugin": plugin(fields=("looked_for",))}
    plain = path.read_text()
    text = "# /// script\n# [tool.recipe]\n# looked_for = ['{}']\n# ///\n" + plain
    keys = []
    for word in ("loss", "gradient"):
        path.write_text(text.format(word))
        recipe = small.read(**site)["a"]
        assert recipe.header.extra == {"looked_for": [word]}
        keys.append(recipe.key)
    assert keys[0] == keys[1]
    assert "unknown key 'looked_for'" in failures(small)["examples/a.py"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'"""\xff"""', "cannot be read: 'utf-8' codec"),
        (b"# /// script\n# [tool.recipe]\n# wait = 3\n# ///\n'''A\n=\n'''", "unknown key 'wait'"),
        (b'# /// script\n# dependencies = ["num py"]\n# ///\n"""A\n=\n"""', "'num py' cannot be"),
        (b"x = 1\n", "cannot be read: "),
        (b"", "cannot be read: "),
    ],
)
def test_unreadable_recipe_is_one_sentence(small, content, reason) -> None:
    """The others are read."""
    small.add("good")
    (small.examples / "bad.py").write_bytes(content)
    found = failures(small)
    assert list(found) == ["examples/bad.py"]
    assert reason in found["examples/bad.py"] and "\n" not in found["examples/bad.py"]


@pytest.mark.parametrize("name", ["with space.py", "ä.py", "index.py", "a,b.py"])
def test_name_that_cannot_be_an_address(small, name) -> None:
    """Or is that of the list."""
    small.add("good").rename(small.examples / name)
    assert "cannot be the name of a page" in failures(small)[f"examples/{name}"]


def test_what_is_no_recipe_is_not_read(small) -> None:
    """Locks of editors, links to nowhere, folders, helpers."""
    small.add("good")
    (small.examples / ".#good.py").symlink_to("somebody@host")
    (small.examples / "gone.py").symlink_to("nowhere.py")
    (small.examples / "folder.py").mkdir()
    (small.examples / "_helper.py").write_text("(")
    assert list(small.read()) == ["good"]


def test_plugin_can_refuse_a_header(small) -> None:
    """Such as a data set that nobody knows; that recipe is not read."""
    small.add("a")

    def refuse(header, srcdir):
        raise ValueError("data set 'X' is unknown")

    assert failures(small, plugin=plugin(key=refuse)) == {
        "examples/a.py": "cannot be read: data set 'X' is unknown"
    }


def test_what_this_machine_lacks_is_no_reason(small) -> None:
    """It is said at the end of each build."""
    small.add("a")
    build = Build(small.settings(plugin=plugin(skip=lambda header: "no GPU")), FakeExecutor())
    build.reader.read()
    assert build.skipped == {"examples/a.py": "no GPU"} and not build.failures
    assert [recipe.reason for recipe in build.reader.recipes] == [""]


# -- Files beside a recipe -------------------------------------------------------------


def test_helpers_and_data_go_along(small) -> None:
    """Modules whose names begin with _, those that they import, and files that are named."""
    code = "import os\nfrom _one import x\nopen('data.csv')\nopen(\"more.txt\")\nx = '_three.py'"
    small.add("a", code)
    (small.examples / "_one.py").write_text("import _two\nx = 1\n")
    (small.examples / "_two.py").write_text("import _one\n")
    (small.examples / "_three.py").write_text("")
    for name in ("data.csv", "more.txt", "other.txt"):
        (small.examples / name).write_text(name)
    beside = small.read()["a"].beside
    assert sorted(beside) == ["_one.py", "_two.py", "data.csv", "more.txt"]
    assert beside["data.csv"] == b"data.csv"


@pytest.mark.parametrize("line", ["import other", "from other import x", "import other.x as y"])
def test_recipe_that_imports_another_is_told(small, line) -> None:
    """And keeps its own page: what a file is does not depend on who imports it."""
    small.add("other")
    small.add("a", line)
    found = failures(small)
    assert list(found) == ["examples/a.py"]
    assert "it imports other.py, which is a recipe" in found["examples/a.py"]
    assert "begins with _" in found["examples/a.py"]
    build = Build(small.settings(), FakeExecutor())
    build.reader.read()
    assert [recipe.slug for recipe in build.reader.recipes] == ["other"]


def test_helper_that_imports_a_recipe_is_told(small) -> None:
    """It would bring the other's code into this page."""
    small.add("other")
    small.add("a", "import _helper")
    (small.examples / "_helper.py").write_text("import other\n")
    assert "it imports other.py" in failures(small)["examples/a.py"]


def test_other_sections_are_not_beside(small) -> None:
    """A module of the same name is somewhere else."""
    small.add("sub/other")
    small.add("a", "import other")
    assert not failures(small)


def test_imports_are_those_of_the_code() -> None:
    """Not words of the prose; an import of the package itself is none."""
    wanted = {"a", "b", "c", "d", "e", "f"}
    text = '"""Learn from a, import b."""\nimport c.x, d as z\nfrom e import f\nfrom . import f\n'
    assert imported_modules(text, wanted) == ["c", "d", "e"]
    assert imported_modules("import (", wanted) == [] == imported_modules("import a b", {"a"})


# -- Reasons ---------------------------------------------------------------------------


def test_recipe_runs_once(small) -> None:
    """Until its code changes; prose is no code."""
    small.add("a")
    assert reasons(small) == {"a": "never run"}
    small.build()
    assert reasons(small) == {"a": ""}
    small.add("a", prose="Other words.")
    assert reasons(small) == {"a": ""}
    small.add("a", "print(2)")
    assert reasons(small) == {"a": "code changed"}


def test_files_beside_are_reasons(small) -> None:
    """One that is new, changed, or gone."""
    small.add("a", 'import _helper\nopen("data")')
    (small.examples / "_helper.py").write_text("1")
    small.build()
    (small.examples / "_helper.py").write_text("2")
    assert reasons(small) == {"a": "file _helper.py changed"}
    small.build()
    (small.examples / "data").write_text("1")
    assert reasons(small) == {"a": "file data changed"}
    small.build()
    (small.examples / "data").unlink()
    assert reasons(small) == {"a": "file data changed"}


def test_versions_are_reasons(small, monkeypatch) -> None:
    """Of what all depend on and of what a recipe imports; its header says it better."""
    small.add("a", "import nbformat")
    small.add("b")
    path = small.add("c", "import nbformat")
    header = '# /// script\n# dependencies = ["pillow"]\n# ///\n'
    path.write_text(header + path.read_text())
    recipes = small.read()
    assert recipes["a"].key["nbformat"] == version("nbformat")
    assert "nbformat" not in recipes["b"].key and "numpy" in recipes["b"].key
    assert recipes["c"].key["pillow"] == version("pillow") and "nbformat" not in recipes["c"].key
    small.build()
    newer = {"nbformat": "9.9"}
    monkeypatch.setattr("recipe_gallery.key.version", lambda name: newer.get(name) or version(name))
    expected = {"a": f"nbformat {version('nbformat')} → 9.9", "b": "", "c": ""}
    assert reasons(small) == expected


def test_what_a_plugin_adds_is_a_reason(small) -> None:
    """Its packages, variables and parts of the key."""
    small.add("a")
    small.build()
    assert reasons(small, plugin=plugin(packages=("pillow",)))["a"].startswith("pillow undeclared")
    assert reasons(small, plugin=plugin(environment={"A": "1"})) == {"a": "environment changed"}
    assert reasons(small, plugin=plugin(key=lambda header, srcdir: {"data": "real"})) == {
        "a": "data undeclared → real"
    }


def test_expectation_of_a_failure_is_a_reason(small) -> None:
    """An execution that was right as a failure is wrong without, and the other way round."""
    small.add("a")
    expected = {"expected_failing_examples": ["examples/a.py"]}
    assert small.read(gallery=expected)["a"].may_fail
    small.build()
    assert reasons(small, gallery=expected) == {"a": "expected failure changed"}
    small.build(gallery=expected)
    assert reasons(small, gallery=expected) == {"a": ""}
    assert reasons(small) == {"a": "expected failure changed"}


def test_recipe_that_comes_to_be_executed(small) -> None:
    """It was published before; its code is known by its cells from then on."""
    small.add("a")
    small.build(gallery={"filename_pattern": "/plot_"})
    assert reasons(small) == {"a": "never run"}
    small.build()
    small.add("a", prose="Other words.")
    assert reasons(small) == {"a": ""}


def test_page_of_a_machine_that_lacked_something_is_mended(small) -> None:
    """Where it is there."""
    small.add("a")
    small.build(plugin=plugin(skip=lambda header: "no GPU"))
    assert reasons(small) == {"a": "never run"}


def test_execution_that_is_newer_than_its_page_is_used(small) -> None:
    """A build that was killed in between has lost nothing."""
    small.add("a", "print(1)")
    build = small.build()
    small.add("a", "print(2)")
    run = build.store.run("auto/a")
    (recipe,) = small.read().values()
    run.key = recipe.key
    build.store.keep(recipe, run)
    assert reasons(small) == {"a": ""}


def test_damaged_execution_is_a_reason(small) -> None:
    """As if it had never been."""
    small.add("a")
    build = small.build()
    build.store.file("auto/a", ".run.json").write_bytes(b"{")
    assert reasons(small) == {"a": "never run"}


def test_source_is_not_split_again_without_need(small, monkeypatch) -> None:
    """A build that has nothing to do is quick; the checksum of the code is kept."""
    small.add("a")
    small.build()

    def split(*args):
        raise AssertionError("nothing changed")

    monkeypatch.setattr("recipe_gallery.gallery.split", split)
    assert reasons(small) == {"a": ""}


def test_cost_is_that_of_the_last_execution(small) -> None:
    """Before the first one, its time limit is the best guess."""
    small.add("a")
    assert small.read()["a"].cost == Header().timeout / 20
    small.build()
    assert small.read()["a"].cost == 2.0


# -- The one that was asked for --------------------------------------------------------


def test_one_recipe_is_executed_in_any_case(small) -> None:
    """And the others stay as they are."""
    small.add("a")
    small.add("b")
    assert reasons(small, only="a") == {"a": "asked for", "b": ""}
    small.build()
    assert reasons(small, only="a") == {"a": "asked for", "b": ""}


def test_what_cannot_be_executed_cannot_be_asked_for(small) -> None:
    """Neither a page without execution nor what this machine lacks the tools for."""
    small.add("a")
    assert reasons(small, only="a", gallery={"filename_pattern": "/plot_"}) == {"a": ""}
    assert reasons(small, only="a", plugin=plugin(skip=lambda header: "no GPU")) == {"a": ""}


@pytest.mark.parametrize("settings", [{"only": "b"}, {"execute": False}])
def test_what_is_left_as_it_stands_is_told(small, settings) -> None:
    """With the reason, as its outputs may be old; what was asked for is executed if it may be."""
    small.add("a", "import _beside")
    small.add("b")
    (small.examples / "_beside.py").write_text("value = 1")
    small.build(FakeExecutor())
    (small.examples / "_beside.py").write_text("value = 2")
    build = Build(small.settings(**settings), FakeExecutor())
    build.reader.read()
    assert build.reader.stale == {"auto/a": "file _beside.py changed"}
    assert build.left() == ["not executed (file _beside.py changed): a"]
    asked = "asked for" if "only" in settings else ""
    assert [recipe.reason for recipe in build.reader.recipes] == ["", asked]
    assert reasons(small) == {"a": "file _beside.py changed", "b": ""}


@pytest.mark.parametrize(
    ("only", "hint"),
    [("zeroing_grads", "did you mean zeroing_gradients?"), ("qqqqqq", "there are 2")],
)
def test_unknown_recipe_ends_the_build(small, only, hint) -> None:
    """With the nearest names, if any is near."""
    small.add("zeroing_gradients")
    small.add("xyz")
    with pytest.raises(BuildError, match=f"no recipe is called '{only}'; {hint}".replace("?", ".")):
        failures(small, only=only)


def test_exception_without_words_has_its_name() -> None:
    """And one of several lines is one."""
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ValueError("a\n  b")) == "a b"
