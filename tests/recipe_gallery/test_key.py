"""What a result depends on decides whether it is made again, and nothing else does."""

import ast
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ROOT
from small_gallery import gallery_defaults

from recipe_gallery import key
from recipe_gallery.files import digest
from recipe_gallery.typesetting import LOOKS

pytestmark = pytest.mark.unit

# The code that makes results out of recipes, as it was when somebody last decided whether
# ``key.RESULT_VERSION`` must rise; see the sentence below.
ANSWERED = {
    "2": {
        "as_script.py": "e332b3adcb52319d",
        "child.py": "5e3c76048a2e1c08",
        "execution.py": "d0318bdaccf4c7a4",
        "gallery.py": "491a69b7cfd46ed3",
        "printed.py": "7a3ebf0949f2b6e7",
    }
}
QUESTION = """
{name} has changed, which executes recipes. Does it make another result of the same recipe: other
text, figures or names? If so, raise RESULT_VERSION in recipe_gallery/key.py, and all recipes
are executed again; if not, leave it. Then, either way, write into ANSWERED in this file:
{now!r}"""


def code_of(path: Path) -> str:
    """A checksum of a module without comments, docstrings and blank lines."""
    lines = path.read_text("utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            lines[text.lineno - 1 : text.end_lineno] = [""] * (text.end_lineno - text.lineno + 1)
    kept = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    return digest("\n".join(kept))


def test_somebody_asked_whether_results_change() -> None:
    """When the code changes that makes them."""
    answered = ANSWERED.get(key.RESULT_VERSION, dict.fromkeys(*ANSWERED.values(), ""))
    folder = ROOT / "recipe_gallery"
    now = {key.RESULT_VERSION: {name: code_of(folder / name) for name in answered}}
    for name, before in answered.items():
        assert now[key.RESULT_VERSION][name] == before, QUESTION.format(name=name, now=now)


def test_comments_raise_no_question(tmp_path) -> None:
    """Nor do docstrings; code does."""
    path = tmp_path / "x.py"
    found = []
    for text in ("# a", '"""Doc."""\nx = 1\n', '"""Other\n\ndoc."""\n\n# b\nx = 1\n', "x = 2\n"):
        path.write_text(text)
        found.append(code_of(path))
    assert found[1] == found[2] and len(set(found)) == 3


# -- What all recipes of a build share -------------------------------------------------

PROGRAM = "from recipe_gallery import key; print(sorted(key.common_key({}).items()))"


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the package, to be edited."""
    return Path(shutil.copytree(ROOT / "recipe_gallery", tmp_path / "recipe_gallery"))


def common(package: Path) -> str:
    """The key that a copy of the package makes."""
    env = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, env=env, cwd=package, capture_output=True, text=True, check=True
    ).stdout


def test_comment_in_a_file_of_ours_executes_nothing(copied) -> None:
    """Nor does other code, unless somebody raises the version of results."""
    before = common(copied)
    for path in copied.glob("*.py"):
        with path.open("a") as file:
            file.write("\n# A comment.\n")
    assert common(copied) == before
    path = copied / "key.py"
    path.write_text(path.read_text().replace('RESULT_VERSION = "', 'RESULT_VERSION = "9'))
    assert common(copied) != before


def test_environment_of_recipes_is_in_the_key(copied) -> None:
    """Whichever variable changes."""
    before = common(copied)
    path = copied / "key.py"
    text = path.read_text()
    assert '"PYTHONHASHSEED": "0"' in text
    path.write_text(text.replace('"PYTHONHASHSEED": "0"', '"PYTHONHASHSEED": "1"'))
    assert common(copied) != before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"environment": {"MPLBACKEND": "svg"}}, "environment changed"),
        ({"environment": {}}, "environment changed"),
        ({"gallery": {"capture_repr": ()}}, "gallery settings changed"),
        ({"gallery": {"image_srcset": ["2x"]}}, "gallery settings changed"),
        ({"gallery": {"reset_modules": (print,)}}, "gallery settings changed"),
        ({"packages": ["pillow"]}, f"pillow undeclared → {version('pillow')}"),
        ({"packages": ["nothing-such"]}, "nothing-such undeclared → none"),
    ],
)
def test_what_changes_results_changes_the_key(change, reason) -> None:
    """And the reason says which it was."""
    old = key.common_key(**{"gallery": gallery_defaults()})
    new = key.common_key(**{"gallery": gallery_defaults(), **whole(change)})
    assert key.why(old, new) == reason


def whole(change: dict) -> dict:
    """Changes of single settings, as settings."""
    if "gallery" in change:
        return {"gallery": {**gallery_defaults(), **change["gallery"]}}
    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("css", ["sg_gallery"]), ("show_signature", False), ("line_numbers", True),
        ("thumbnail_size", (10, 10)), ("examples_dirs", "elsewhere"), ("parallel", 2),
    ],
)  # fmt: skip
def test_looks_are_no_part_of_the_key(name, value) -> None:
    """Nor is what Sphinx-Gallery would do instead of us."""
    old = key.common_key(gallery_defaults())
    assert key.common_key({**gallery_defaults(), name: value}) == old


# Settings of Sphinx-Gallery that neither results nor recipes' pages depend on, by why.
OTHERS = {
    "which files are recipes, which is found out anew in each build": {
        "filename_pattern", "ignore_pattern", "examples_dirs", "gallery_dirs",
        "example_extensions", "expected_failing_examples",
    },
    "lists of recipes, which are written anew in each build": {
        "subsection_order", "within_subsection_order", "minigallery_sort_order",
        "backreferences_dir", "doc_module", "exclude_implicit_doc", "prefer_full_module",
        "download_all_examples", "nested_sections", "copyfile_regex",
    },
    "how Sphinx-Gallery itself executes": {
        "plot_gallery", "abort_on_example_error", "only_warn_on_example_error", "parallel",
        "failing_examples", "passing_examples", "stale_examples", "run_stale_examples", "junit",
        "log_level", "write_computation_times",
    },
    "Sphinx's own pages": {"css", "show_api_usage", "api_usage_ignore"},
    "its file's content counts": {"default_thumb_file"},
    "its notebooks, in place of which ours are published": {
        "promote_jupyter_magic", "first_notebook_cell", "last_notebook_cell", "notebook_images",
        "pypandoc",
    },
    "without effect": {"reference_url"},
    "what Sphinx-Gallery notes there for itself": {
        "builder_name", "exclude_implicit_doc_regex", "rst_link_targets",
        "source_suffix", "titles",
    },
    "how a file that is no Python is split; its text is the same": {"filetype_parsers"},
}  # fmt: skip


def test_every_setting_has_its_place() -> None:
    """Makes results, changes looks, or neither; a new setting needs a decision."""
    groups = [set(key.RESULT_SETTINGS), set(LOOKS), *OTHERS.values()]
    named = [name for group in groups for name in group]
    assert sorted(named) == sorted(gallery_defaults())


def test_functions_are_named_and_not_addressed() -> None:
    """So that the key is the same in the next build; a setting's items are looked at, too."""

    class Sorter:
        pass

    assert key.stable(Sorter()) == key.stable(Sorter()) and key.stable(Sorter).endswith("Sorter")
    assert key.stable(["matplotlib", Sorter()]) == key.stable(["matplotlib", Sorter()])
    assert key.stable(print) != key.stable(len) and "print" in key.stable(print)
    assert key.stable({".py", ".rs"}) == key.stable({".rs", ".py"}) != key.stable({".py"})
    assert key.stable(1) != key.stable("1") and key.stable((1, 2)) != key.stable((1, 3))


# -- One recipe ------------------------------------------------------------------------


def test_key_of_a_recipe_has_all_its_parts() -> None:
    """Code, files, versions; threads only where they are not one."""
    parts = ({"numpy": "1"}, {"data": "drawn"})
    made = key.make_key("abc", {"_helper.py": b"x"}, 1, *parts)
    data = {"numpy": "1", "data": "drawn"}
    assert made == {"code": "abc", **data, "file _helper.py": digest(b"x")}
    assert key.make_key("abc", {}, 2)["threads"] == "2"


def test_code_is_told_apart_by_cells() -> None:
    """A line that moves to another cell changes where its output stands."""
    assert key.code_digest(["a\nb"]) != key.code_digest(["a", "b"]) != key.code_digest(["b", "a"])
    assert key.code_digest(["a"]) == key.code_digest(("a",))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({}, {"code": "a"}, "never run"),
        ({"code": "a"}, {"code": "a"}, ""),
        ({"code": "a"}, {"code": "b"}, "code changed"),
        ({"code": "a", "numpy": "1"}, {"code": "a", "numpy": "2"}, "numpy 1 → 2"),
        ({"code": "a"}, {"code": "a", "numpy": "2"}, "numpy undeclared → 2"),
        ({"code": "a", "numpy": "1"}, {"code": "a"}, "numpy 1 → undeclared"),
        ({"file a.txt": "1"}, {"file a.txt": "2"}, "file a.txt changed"),
        ({"run stage": "1"}, {"run stage": "2"}, "run stage changed"),
        ({"environment": "1"}, {"environment": "2"}, "environment changed"),
        ({}, {"code": "1", "expected failure": "yes"}, "never run"),
        ({"code": "1"}, {"code": "1", "expected failure": "yes"}, "expected failure changed"),
        ({"codecov": "1"}, {"codecov": "2"}, "codecov 1 → 2"),
        ({"threads": "2", "numpy": "1"}, {"numpy": "2"}, "numpy 1 → 2"),
    ],
)
def test_reason_names_what_differs(old, new, reason) -> None:
    """The first of them, in words that a person knows."""
    assert key.why(old, new) == reason


def test_versions_of_what_is_installed() -> None:
    """And "none" for what is not."""
    found = key.package_versions(["numpy", "nothing-such"])
    assert found == {"numpy": version("numpy"), "nothing-such": "none"}
