"""A recipe's header is read whole, or refused with one sentence."""

from importlib.metadata import version

import pytest

from recipe_gallery import Header
from recipe_gallery.header import (
    HeaderError,
    check_extra,
    missing_packages,
    read_header,
    version_of,
    versions,
)

pytestmark = pytest.mark.unit


def source(table: str = "", dependencies: str = '["torch"]') -> str:
    """A recipe whose header has these lines in [tool.recipe]."""
    lines = ['requires-python = ">=3.11"', f"dependencies = {dependencies}"]
    lines += ["[tool.recipe]", *table.splitlines()]
    block = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    return f'# /// script\n{block}# ///\n"""\nTitle\n=====\n"""\n'


def test_all_keys() -> None:
    """Everything that a recipe may declare."""
    header = read_header(
        source(
            'tags = ["Data", "Training"]\ntimeout = 60\nmemory = 1.5\ncpus = 2\ngpus = 1\n\n'
            'datasets = ["CIFAR10"]\nrequires = ["c++"]\nafter = ["other"]',
            dependencies='["torch", "numpy>=2"]',
        )
    )
    assert header == Header(
        declared=True,
        requires_python=">=3.11",
        dependencies=("torch", "numpy>=2"),
        tags=("Data", "Training"),
        timeout=60,
        memory=1.5,
        cpus=2,
        gpus=1,
        datasets=("CIFAR10",),
        requires=("c++",),
        after=("other",),
    )


def test_defaults() -> None:
    """What holds for a recipe that declares nothing."""
    found = read_header(source())
    assert found == Header(declared=True, requires_python=">=3.11", dependencies=("torch",))
    assert (found.timeout, found.memory, found.cpus, found.gpus) == (120, 4, 1, 0)


def test_a_site_has_defaults_of_its_own() -> None:
    """For what a header leaves out, and for recipes without one."""
    defaults = Header(timeout=5, memory=2)
    assert read_header("x = 1", defaults) == defaults
    found = read_header(source("memory = 1"), defaults)
    assert (found.timeout, found.memory, found.declared) == (5, 1, True)


def test_no_header_is_no_mistake() -> None:
    """Other galleries have none."""
    assert read_header('"""\nTitle\n"""\n') == Header() and not Header().declared


def test_other_blocks_and_comments_are_left_alone() -> None:
    """A block of another type is no header, nor is a comment that looks like one."""
    text = "# /// other\n# x = 1\n# ///\n\n" + source() + "# /// not a block\nx = 1\n"
    assert read_header(text).dependencies == ("torch",)


def test_there_is_one_header() -> None:
    """Two are an error, with their number."""
    with pytest.raises(HeaderError, match="one '# /// script' block .*got 2"):
        read_header('"""\nTitle\n"""\n' + "\n".join([source()] * 2))


@pytest.mark.parametrize(
    "block",
    ["# tool = 1", "# [tool]\n# recipe = 5", "# [[tool]]\n# recipe = 5", "# [[tool.recipe]]"],
)
def test_table_is_a_table(block) -> None:
    """One sentence, whichever part of ``[tool.recipe]`` is something else."""
    with pytest.raises(HeaderError) as caught:
        read_header(f"# /// script\n{block}\n# ///\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("tags = [", "not valid TOML"),
        ('tag = ["Data"]', "unknown key 'tag'.*known: after, cpus, datasets"),
        ('dependencies = ["torch"]', "unknown key 'dependencies'"),
        ("timeout = -1", "`float` > 0.*timeout"),
        ('memory = "4 GB"', "Expected `float`, got `str`.*memory"),
        ("gpus = true", "Expected `float`, got `bool`.*gpus"),
        ("timeout = nan", "`float` > 0.*timeout"),
        ("memory = inf", "`float` <= .*memory"),
        ("declared = true", "unknown key 'declared'"),
        ("tags = [1]", "Expected `str`, got `int`.*tags"),
        ('datasets = ["CIFAR10", 1]', "Expected `str`, got `int`.*datasets"),
    ],
)
def test_a_wrong_header_is_refused(table, sentence) -> None:
    """One sentence that names the key."""
    with pytest.raises(HeaderError, match=sentence) as caught:
        check_extra(read_header(source(table)), ())
    assert "\n" not in str(caught.value)


def test_a_site_has_fields_of_its_own() -> None:
    """Lists of strings, which the run stage hands on; it refuses what the site does not know."""
    header = read_header(source('tags = ["Data"]\nlooked_for = ["loss", "lr"]'))
    assert header.extra == {"looked_for": ["loss", "lr"]} and header.tags == ("Data",)
    check_extra(header, ("looked_for",))
    with pytest.raises(HeaderError, match="unknown key 'looked_for'.*known:.* other, "):
        check_extra(header, ("other",))
    for wrong in ('"loss"', "5", '["loss", 1]', "[[]]"):
        with pytest.raises(HeaderError, match="looked_for in .*Expected `(array|str)`"):
            check_extra(read_header(source(f"looked_for = {wrong}")), ("looked_for",))


@pytest.mark.parametrize("table", ['tags = "Data"', 'datasets = "CIFAR10"', "tags = 5"])
def test_a_list_is_a_list(table) -> None:
    """A forgotten pair of brackets is an error of the header."""
    with pytest.raises(HeaderError, match="Expected `array`"):
        read_header(source(table))


@pytest.mark.parametrize("dependencies", ['"torch"', "5", "[5]"])
def test_dependencies_are_a_list(dependencies) -> None:
    """The same for what ``uv run`` reads."""
    with pytest.raises(HeaderError, match="dependencies"):
        read_header(source(dependencies=dependencies))


def test_line_ends_of_windows() -> None:
    """A checkout with CRLF has the same header."""
    assert read_header(source().replace("\n", "\r\n")) == read_header(source())


# -- What is installed -----------------------------------------------------------------


def test_versions_are_compared() -> None:
    """An older package than the recipe asks for is as good as none."""
    assert version_of("numpy") == version_of("numpy>=1") == version("numpy")
    assert version_of("numpy<1") == "" == version_of("nothing-such")
    missing = missing_packages(
        Header(dependencies=("numpy<1", "nothing-such", "numpy")), "get {packages}!"
    )
    assert missing.startswith("needs numpy<1, nothing-such, which is not installed; ")
    assert missing.endswith(" with: get 'numpy<1' nothing-such!")
    assert missing_packages(Header(dependencies=("numpy",)), "") == ""


def test_markers_extras_and_prereleases_are_understood() -> None:
    """What pip would not install is not missing."""
    elsewhere = "nothing-such ; sys_platform == 'nowhere'"
    assert missing_packages(Header(dependencies=(elsewhere, "numpy[extra] >= 1")), "") == ""
    assert version_of("nothing-such ; python_version > '3'") == ""


def test_prerelease_fits(monkeypatch) -> None:
    """As nightly builds of torch are."""
    monkeypatch.setattr("recipe_gallery.header.version", lambda name: "2.9.0a1+cpu")
    assert version_of("a-nightly-build >= 2.4") == "2.9.0a1+cpu"


def test_unreadable_requirement_is_named() -> None:
    """A mistake in a header is one sentence."""
    with pytest.raises(HeaderError, match="dependency 'num py' cannot be read"):
        version_of("num py")


def test_key_has_the_version_of_each_dependency() -> None:
    """So that a recipe is executed again when a package comes, goes or changes."""
    found = versions(Header(dependencies=("numpy", "nothing-such")))
    assert found == {"numpy": version("numpy"), "nothing-such": "not installed"}
