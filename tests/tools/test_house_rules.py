"""Every recipe keeps the house rules, and every rule finds what it is there for.

What needs a run is asked by ``make verify``: see ``test_downloads.py`` and ``test_comparison.py``.
"""

import re
from pathlib import Path

import pytest
from conftest import SOURCES

from tools import house_rules

pytestmark = pytest.mark.lint
RECIPES = house_rules.sources(SOURCES)


def test_every_recipe_keeps_the_rules() -> None:
    assert len(RECIPES) >= 20
    found = [problem for path in RECIPES for problem in house_rules.problems(path)]
    assert not found, "\n".join(found)


def test_command_says_what_is_wrong(monkeypatch, capsys, tmp_path) -> None:
    """With exit status 1; else that nothing is."""
    with pytest.raises(SystemExit) as ended:
        house_rules.main()
    assert (ended.value.code, capsys.readouterr().out) == (0, "no problems\n")
    write(tmp_path, BASE.replace("x = ", "# TBD\nx = "))
    monkeypatch.setattr(house_rules, "__file__", str(tmp_path / "tools" / "house_rules.py"))
    with pytest.raises(SystemExit) as ended:
        house_rules.main()
    assert ended.value.code == 1
    (tmp_path / "recipes_source/recipes/notes.txt").write_text("")
    with pytest.raises(SystemExit):
        house_rules.main()
    out = capsys.readouterr().out
    assert re.search(r"(?m)^recipes_source/recipes/base.py:\d+: TBD", out)
    assert "recipes_source/recipes/notes.txt: it is no recipe" in out


def test_exceptions_are_recipes() -> None:
    """An exception whose recipe is gone goes too."""
    assert set(house_rules.EXCEPTIONS) <= {path.stem for path in RECIPES}


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
# In your project
# ---------------

y = x + 1  # new

# %%
# - :ref:`sphx_glr_recipes_recipes_left.py`
# - :ref:`to the
#   right <sphx_glr_recipes_recipes_right.py>`
'''
BACK = '# tags = ["Deployment"]\n# :ref:`sphx_glr_recipes_recipes_base.py`\n'
MESH = 'end = """init_device_mesh("cpu", (2,))\ndestroy_process_group()"""'
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
    ("A title\n=======", "", "no title", ""),
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
    ("# timeout", '# after = ["left"]\n# timeout', "left is in a later group", "# after"),
    ("x = ", "torch.onnx.export\nx = ", "declare onnx, onnxscript, torch, t", "# depend"),
    ("x = ", "from torch.utils import tensorboard\nx = ", "declare tensorboard, torch", "# depend"),
    ("print(x", "print(__file__, x", "__file__ does not work", "__file__"),
    ("x = ", "import sys\nprint(sys.argv)\nx = ", "sys.argv does not work", "sys.argv"),
    ("x = ", "from sys import exit\nexit(0)\nx = ", "sys.exit does not work", "exit(0)"),
    ("x = ", "raise SystemExit\nx = ", "it exits, and the rest", "raise SystemExit"),
    ("x = ", "if x:\n    raise SystemExit(1)\nx = ", "it exits, and the rest", "SystemExit(1)"),
    ("x = ", "import asyncio\nasyncio.run(f())\nx = ", "asyncio.run does not", "asyncio.run("),
    ("x = ", "parser.parse_args()\nx = ", "parse_args reads", "parse_args"),
    ("x = ", f"loader = {LOADER}\nx = ", "num_workers at module level", LOADER),
    ("x = ", f"if __debug__:\n    {LOADER}\nx = ", "num_workers at module level", LOADER),
    ("x = ", f"{MESH}\nx = ", "gloo can abort this program", "end ="),
]
ALLOWED = [
    ("assert x.sum() == 3", "torch.testing.assert_close(x.sum(), 3)"),
    ("assert x.sum() == 3", "import numpy.testing as t\nt.assert_equal(x, 3)"),
    ("x = ", "parser.parse_args(['--help'])\nx = "),
    ("x = ", f"if __name__ == '__main__':\n    {LOADER}\nx = "),
    ("x = ", f"{MESH}\nend += 'time.sleep(1)'\nx = "),
    ("x = ", f"def loader():\n    return {LOADER}\nx = "),
    ("x = ", "open('worker.py', 'w').close()\nimport worker\nx = ".replace("'", '"')),
    ("x = ", "x = 1  # sys.argv, __file__\nx = 'inspect.getsource'\nx = "),
    ("x = ", "x = 1\n\n" * 9 + "x = "),
]


def write(folder: Path, text: str, back: str = BACK) -> Path:
    """Write a recipe that has two siblings, one of which links back; its path."""
    sources = folder / "recipes_source" / "recipes"
    sources.mkdir(parents=True)
    for slug, content in (("base", text), ("left", back), ("right", "")):
        (sources / f"{slug}.py").write_text(content, "utf-8")
    return sources / "base.py"


def problems(folder: Path, text: str, back: str = BACK) -> list[str]:
    """What is wrong with a recipe that has two siblings, one of which links back."""
    return house_rules.problems(write(folder, text, back))


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
    """Its name begins with _; it counts as no sibling, and its imports are the recipe's."""
    text = BASE.replace("import torch\n", "import _right\nimport torch\n")
    text = text.replace("recipes_right", "recipes__right")
    path = write(tmp_path, text)
    path.with_name("right.py").rename(path.with_name("_right.py"))
    path.with_name("_right.py").write_text("import numpy\n")
    found = house_rules.problems(path)
    what = ["fewer than two links", "declare numpy, torch, torchvision", "no recipe _right"]
    assert all(words in line for words, line in zip(what, found, strict=True)), found
    assert house_rules.sources(path.parent) == [path, path.with_name("left.py")]


BROKEN = {
    "not UTF-8": (BASE.replace("matters", "é").encode("latin-1"), "can't decode byte 0xe9"),
    "a NUL": (f'{BASE}y = "\0"\n'.encode(), "cannot contain null bytes"),
    "no docstring": (re.sub(r'(?s)""".*"""', "", BASE).encode(), "Could not find docstring"),
    "no header": (BASE[BASE.index('"""') :].encode(), "expected one '# /// script' block"),
    "nothing": (b"", "expected one '# /// script' block"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_recipe_is_one_line(tmp_path, what) -> None:
    """And its siblings are checked as if it were whole."""
    content, message = BROKEN[what]
    path = write(tmp_path, BASE)
    broken = path.with_name("right.py")
    broken.write_bytes(content)
    (problem,) = house_rules.problems(broken)
    assert problem.startswith("recipes_source/recipes/right.py:1: ") and message in problem
    assert "\n" not in problem
    assert house_rules.problems(path) == []


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
