"""Every recipe keeps the house rules, and every rule finds what it is there for.

The rules are in ``extensions/house_rules.py``; those that need a run are in
``run_cells.py``, and have the marker ``downloads`` too, as they take minutes.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gallery_adapter
import house_rules
from recipe_store import Store

pytestmark = pytest.mark.lint

ROOT = Path(__file__).parents[2]
STORE = Store(ROOT, {})
RECIPES = [pytest.param(STORE.sources / f"{slug}.py", id=slug) for slug in STORE.slugs()]


@pytest.mark.parametrize("path", RECIPES)
def test_recipe_keeps_the_rules(path) -> None:
    found = house_rules.problems(path)
    assert not found, "\n".join(found)


def test_exceptions_are_recipes() -> None:
    """An exception whose recipe is gone goes too."""
    assert set(house_rules.EXCEPTIONS) <= set(STORE.slugs())


# -- Each rule finds its mutation, and nothing else ------------------------------------

FILLER = "# Prose is made of sentences, and of words in them, ten a line.\n" * 14
BASE = f'''# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision"]
# [tool.recipe]
# tags = ["Basics"]
# timeout = 60
# ///
"""
A title
=======

Say in one sentence what a reader can do.

Then say why that matters.
"""

# %%
{FILLER}
import torch
from torchvision import datasets

data = datasets.FakeData(3)
x = torch.arange(3.0)
print(x.sum())
assert x.sum() == 3

# %%
# - :ref:`sphx_glr_recipes_recipes_left.py`
# - :ref:`to the
#   right <sphx_glr_recipes_recipes_right.py>`
'''
BACK = "# :ref:`sphx_glr_recipes_recipes_base.py`\n"
LOADER = "torch.utils.data.DataLoader(data, num_workers=2)"
MUTATIONS = [  # what is replaced, by what, the problem, and what stands in its line
    ("# /// script", "# On top.\n# /// script", "not at the top", "# /// script"),
    ("# /// script", "# /// pyproject", "expected one '# /// script' block", "# /// pyproject"),
    ("# timeout", "# minutes", "unknown key 'minutes'", "# /// script"),
    ("x = torch", "x = = torch", "invalid syntax", "x = = torch"),
    (">=3.11", ">=3.10", "other requires-python", "# requires-python"),
    ("# timeout = 60\n", "", "no timeout", "# [tool.recipe]"),
    ('["Basics"]', "[]", "no tag", "# tags"),
    ('["Basics"]', '["Basics", "Misc"]', "an unknown one", "# tags"),
    ("x = ", "import numpy.linalg\nx = ", "declare numpy, torch, torchvision", "# depend"),
    ("x = ", "def f():\n    from PIL import Image\nx = ", "declare pillow", "# depend"),
    ('["torch", ', '["torch", "numpy", ', "other imports: declare torch, t", "# depend"),
    ("FakeData(3)", 'CIFAR10("data")', "other data sets: declare ['CIFAR10']", "[tool.recipe]"),
    ("# timeout", '# datasets = ["MNIST"]\n# timeout', "declare []", "[tool.recipe]"),
    ("A title\n=======", "T" * 71 + "\n" + "=" * 71, "a long one", "TTT"),
    ("A title\n=======", "=======", "no title", "======="),
    ("Say in", f"Say in\n{70 * 'a'}\n", "write one sentence, 110", "Say in"),
    ("reader can do.", "reader can do", "no outcome", "Say in"),
    ("in one sentence", "it. In one sentence", "no outcome", "Say it."),
    ("can do.\n\n", "can do.\n", "no outcome", "Say in"),
    ("x = ", "# " + "a" * 87 + "\nx = ", "89 characters", "aaa"),
    ("x = ", "# TBD\nx = ", "TBD: do it", "TBD"),
    ("x = ", "# FIXME: x\nx = ", "FIXME: do it", "FIXME"),
    ("matters.", "matters. XXX", "XXX: do it", "XXX"),
    ("x = ", "x = 1  # TODO\nx = ", "TODO: do it", "TODO"),
    ("x = ", "x = 1\n\n" * 10 + "x = ", "16 lines in a cell", ""),
    (FILLER, "# Short.\n", "words of prose: write 150", "# /// script"),
    (FILLER, FILLER * 5, "words of prose: write 150 to 600", "# /// script"),
    ("print(x", "str(x", "nothing is printed", "# /// script"),
    ("assert x.sum() == 3\n", "", "no assertion", "# /// script"),
    ("assert x.sum() == 3", "assert True", "no assertion", "# /// script"),
    ("assert x.sum() == 3", "assert 1 + 1 == 2", "no assertion", "# /// script"),
    ("assert x.sum() == 3", "assert x.shape == x.shape", "no assertion", "# /// script"),
    ("assert x.sum() == 3", "torch.testing.assert_close(x, x)", "no assertion", "# /// script"),
    ("_right", "_left", "fewer than two links", "# /// script"),
    ("# - :ref:`s", "# :ref:`sphx_glr_recipes_recipes_no.py`\n# - :ref:`s", "no recipe no", "_no."),
    ("# timeout", '# after = ["gone"]\n# timeout', "no other recipe gone", "# after"),
    ("# timeout", '# after = ["base"]\n# timeout', "no other recipe base", "# after"),
    ("x = ", "torch.onnx.export\nx = ", "declare onnx, onnxscript, torch, t", "# depend"),
    ("x = ", "from torch.utils import tensorboard\nx = ", "declare tensorboard, torch", "# depend"),
    ("print(x", "print(__file__, x", "__file__ does not work", "__file__"),
    ("x = ", "import sys\nprint(sys.argv)\nx = ", "sys.argv does not work", "sys.argv"),
    ("x = ", "from sys import exit\nexit(0)\nx = ", "sys.exit does not work", "exit(0)"),
    ("x = ", "import inspect as i\ni.getsource(f)\nx = ", "inspect.getsource does", "getsource"),
    ("x = ", f"loader = {LOADER}\nx = ", "num_workers at module level", LOADER),
    ("x = ", f"if __debug__:\n    {LOADER}\nx = ", "num_workers at module level", LOADER),
]
ALLOWED = [
    ("assert x.sum() == 3", "torch.testing.assert_close(x.sum(), 3)"),
    ("assert x.sum() == 3", "import numpy.testing as t\nt.assert_equal(x, 3)"),
    ("x = ", f"if __name__ == '__main__':\n    {LOADER}\nx = "),
    ("x = ", f"def loader():\n    return {LOADER}\nx = "),
    ("x = ", "open('worker.py', 'w').close()\nimport worker\nx = ".replace("'", '"')),
    ("x = ", "x = 1  # sys.argv, __file__\nx = 'inspect.getsource'\nx = "),
    ("x = ", "x = 1\n\n" * 9 + "x = "),
]


def problems(folder: Path, text: str, back: str = BACK) -> list[str]:
    """What is wrong with a recipe that has two siblings, one of which links back."""
    sources = folder / "recipes_source" / "recipes"
    sources.mkdir(parents=True)
    for slug, content in (("base", text), ("left", back), ("right", "")):
        (sources / f"{slug}.py").write_text(content, "utf-8")
    return house_rules.problems(sources / "base.py")


@pytest.mark.parametrize(("old", "new", "problem", "place"), MUTATIONS)
def test_rule_finds_its_mutation(tmp_path, old, new, problem, place) -> None:
    assert old in BASE
    text = BASE.replace(old, new, 1)
    found = problems(tmp_path, text)
    assert len(found) == 1, "\n".join(found)
    line, what = re.fullmatch(r"recipes_source/recipes/base\.py:(\d+): (.+)", found[0]).groups()
    assert problem in what
    assert place in text.splitlines()[int(line) - 1]


@pytest.mark.parametrize(("old", "new"), [("", ""), *ALLOWED])
def test_rules_find_nothing_else(tmp_path, old, new) -> None:
    text = BASE.replace(old, new, 1)
    text = text.replace('"torch", ', '"torch", "numpy", ') if "numpy" in new else text
    assert problems(tmp_path, text) == []


def test_orphan_is_found(tmp_path) -> None:
    found = problems(tmp_path, BASE, back="# no link\n")
    assert len(found) == 1 and "no other recipe links here" in found[0]


def test_imported_module_is_no_recipe(tmp_path) -> None:
    """It counts as no sibling, and its imports are the recipe's."""
    text = BASE.replace("import torch\n", "import right\nimport torch\n")
    found = problems(tmp_path, text)
    assert ["no recipe right" in line for line in found] == [False, True], found
    assert "fewer than two links" in found[0]


def test_every_rule_has_a_mutation(tmp_path) -> None:
    """All that the rules can say is said of one of the mutations."""
    found = problems(tmp_path / "orphan", BASE, back="# no link\n")
    for number, (old, new, *_) in enumerate(MUTATIONS):
        found += problems(tmp_path / str(number), BASE.replace(old, new, 1))
    source = Path(house_rules.__file__).read_text("utf-8")
    messages = re.findall(r'yield .*, f?"(.+)"\n', source)
    assert len(messages) == source.count("yield ")
    for message in messages:
        pattern = ".*".join(map(re.escape, re.split(r"\{[^}]*\}", message)))
        assert re.search(pattern, "\n".join(found)), f"no mutation for {message!r}"


# -- What a run shows ------------------------------------------------------------------

RUN_BASE = """
import warnings

import matplotlib.pyplot as plt

print("one")

# %%
# A figure.

fig, ax = plt.subplots()
ax.plot([1, 2])
ax.set(title="title", xlabel="x", ylabel="y")
plt.show()
"""
RUN_MUTATIONS = [
    ('title="title", ', "", "base.py:11: a figure without a title"),
    ('xlabel="x", ', "", "base.py:11: an axis without a label: call set_xlabel"),
    (', ylabel="y"', "", "an axis without a label: call set_ylabel"),
    ("plt.show()", "plt.subplots()", "a figure without a title"),  # shown, as pages do
    ("plt.show()", "plt.show()\nax.set_title('')", "a figure without a title"),
    ('print("one")', "1 + 1", "base.py:7: the cell ends with a value: print it"),
    ('print("one")', "raise SystemExit", "it exits, and the rest does not run"),
    ('print("one")', "warnings.warn('old', FutureWarning)", "FutureWarning: old"),
    ('print("one")', "warnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
]
RUN_ALLOWED = """
import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 2, sharex=True, layout="constrained")
image = axes[0, 0].imshow([[1, 2]])
fig.colorbar(image, ax=axes[0, 0])
axes[0, 1].axis("off")
axes[0, 0].twinx()
axes[1, 0].set_xlabel("shared")
fig.supylabel("y")
fig.suptitle("title")
plt.show()
"""


def run(path: Path, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    """Run a recipe's cells in an empty folder; deprecated API is an error."""
    blocks = gallery_adapter.split(path, {"filetype_parsers": {}})[1]
    cells = [(block.lineno, block.content) for block in blocks if block.type == "code"]
    folder.mkdir()
    return subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-W", "error::DeprecationWarning",
         Path(__file__).with_name("run_cells.py"), path],
        input=json.dumps(cells), cwd=folder, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.downloads
@pytest.mark.parametrize(("old", "new", "problem"), RUN_MUTATIONS)
def test_run_finds_its_mutation(tmp_path, reader_env, old, new, problem) -> None:
    assert old in RUN_BASE
    path = tmp_path / "base.py"
    path.write_text(f'"""Title"""\n{RUN_BASE.replace(old, new)}', "utf-8")
    done = run(path, tmp_path / "empty", reader_env)
    assert done.returncode == 1
    assert problem in done.stderr


@pytest.mark.downloads
@pytest.mark.parametrize("text", [RUN_BASE, RUN_ALLOWED])
def test_run_finds_nothing_else(tmp_path, reader_env, text) -> None:
    path = tmp_path / "base.py"
    path.write_text(f'"""Title"""\n{text}', "utf-8")
    done = run(path, tmp_path / "empty", reader_env)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.downloads
@pytest.mark.parametrize("path", RECIPES)
def test_recipe_keeps_the_rules_of_a_run(path, tmp_path, reader_env) -> None:
    done = run(path, tmp_path / "empty", reader_env)
    assert done.returncode == 0, done.stderr
