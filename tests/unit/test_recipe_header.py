"""A recipe's header is read whole, or refused with one sentence."""

import pytest

from recipe_header import Header, HeaderError, read_header

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
            'datasets = ["CIFAR10"]\nrequires = ["c++"]',
            dependencies='["torch", "numpy>=2"]',
        )
    )
    assert header == Header(
        requires_python=">=3.11",
        dependencies=("torch", "numpy>=2"),
        tags=("Data", "Training"),
        timeout=60,
        memory=1.5,
        cpus=2,
        gpus=1,
        datasets=("CIFAR10",),
        requires=("c++",),
    )


def test_defaults() -> None:
    """What holds for a recipe that declares nothing."""
    assert read_header(source()) == Header(
        ">=3.11", ("torch",), (), timeout=120, memory=4, cpus=1, gpus=0, datasets=()
    )


def test_other_blocks_and_comments_are_left_alone() -> None:
    """A block of another type is no header, nor is a comment that looks like one."""
    text = "# /// other\n# x = 1\n# ///\n\n" + source() + "# /// not a block\nx = 1\n"
    assert read_header(text).dependencies == ("torch",)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_header(count) -> None:
    """None and two are errors, with their number."""
    with pytest.raises(HeaderError, match=f"one '# /// script' block .*got {count}"):
        read_header('"""\nTitle\n"""\n' + "\n".join([source()] * count))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("tags = [", "not valid TOML"),
        ('tag = ["Data"]', "unknown key 'tag'.*known: after, cpus, datasets"),
        ('dependencies = ["torch"]', "unknown key 'dependencies'"),
        ("timeout = -1", "timeout must be a number that is not negative"),
        ('memory = "4 GB"', "memory must be a number"),
        ("gpus = true", "gpus must be a number"),
        ('requires = ["rust"]', "requires .rust., which is unknown; known: c"),
        ("tags = [1]", "tags must be a list of strings"),
        ('datasets = ["CIFAR10", 1]', "datasets must be a list of strings"),
    ],
)
def test_a_wrong_header_is_refused(table, sentence) -> None:
    """One sentence that names the key."""
    with pytest.raises(HeaderError, match=sentence) as caught:
        read_header(source(table))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", ['tags = "Data"', 'datasets = "CIFAR10"', "tags = 5"])
def test_a_list_is_a_list(table) -> None:
    """A forgotten pair of brackets is an error of the header."""
    with pytest.raises(HeaderError, match="must be a list of strings"):
        read_header(source(table))


@pytest.mark.parametrize("dependencies", ['"torch"', "5", "[5]"])
def test_dependencies_are_a_list(dependencies) -> None:
    """The same for what ``uv run`` reads."""
    with pytest.raises(HeaderError, match="dependencies"):
        read_header(source(dependencies=dependencies))


def test_line_ends_of_windows() -> None:
    """A checkout with CRLF has the same header."""
    assert read_header(source().replace("\n", "\r\n")) == read_header(source())
