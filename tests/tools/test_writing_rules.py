"""Every rule on how a recipe is written finds what it is there for, and nothing else.

That the recipes keep them is asked by ``test_house_rules.py``.
"""

import re
from pathlib import Path

import pytest

from tools import house_rules, writing_rules

pytestmark = pytest.mark.lint
BASE = '''# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# ///
"""
A title
=======

Say in one sentence what a reader can do.
"""

# %%
# See the problem
# ---------------
#
# Words, and :func:`a name of several words <torch.cat>`.

# Output differs from run to run.
import torch

x = torch.arange(3.0)
try:
    torch.cat(x)
except TypeError as error:
    print(error)

# %%
# In your project
# ---------------
#
# As one would write it.

device = "cpu"
x = torch.ones(3, device=device, requires_grad=True)
x.sum().backward()  # the new line

# %%
# Learn more
# ----------
#
# Links.

print(1)
'''
SECTION = BASE[BASE.index("device =") : BASE.index("# %%\n# Learn")]
LONG = "and so on " * 9
TEMPLATE = "Say what a reader can do afterwards, in one sentence of at most ten words."
NO_DEVICE = SECTION.replace("device = ", "place = ").replace("device=device, ", "")
DEFINED = "def train():  # new\n    return 1\n"
MUTATIONS = [  # what is replaced, by what, the problem, and what stands in its line
    ("# Words,", f"# {TEMPLATE}\n# Words,", "the template's prose", TEMPLATE),
    ("In your project\n# ---------------", "Yours\n# -----", "no section 'In your", "# /// script"),
    (SECTION, "", "0 lines of code in your project", "# In your project"),
    (SECTION, SECTION + "y = 1\n" * 10, "13 lines of code in your project", "# In your project"),
    ("  # the new line", "", "no comment in your project", "# In your project"),
    (SECTION, NO_DEVICE, "names no device", "# In your project"),
    (SECTION, DEFINED, "nothing is executed in your project", "# In your project"),
    ("print(error)", "print(type(error))", "by its class only", "print(type"),
    ("print(error)", "print(f'{type(error).__name__}')", "by its class only", "print(f"),
    ("print(error)", "x = type(error).__name__", "by its class only", "x = type"),
    ("print(1)", "ax.barh(x, y)\nax.set(xscale='log')", "bars on a log", "barh"),
    ("print(1)", "ax.bar(x, y)\nax.set_yscale('log')", "bars on a log", "bar("),
    ("print(1)", "ax.semilogy()\nax.bar(x, y)", "bars on a log", "bar("),
    ("print(1)", "ax.plot(x, color='green')", "the colour 'green': choose from C0", "green"),
    ("print(1)", "style = ('o', 'tab:red')", "the colour 'tab:red': choose from", "tab:red"),
    ("print(1)", "import os\n\nos._exit(0)", "os._exit skips", "os._exit"),
    ("print(1)", "from os import _exit\n\n_exit(0)", "os._exit skips", "_exit(0)"),
    ("print(1)", "print(1)  # fmt: skip", "a comment for a formatter", "fmt"),
    ("print(1)", "_ = print(1)", "_ = hides a value", "_ ="),
    ("import torch\n\n", "y = 1\n# Output differs from run to run.\n", "not the first", "# Output"),
    ("print(1)", "print(2)\n# Output differs from run to run.", "not the first line", "# Output"),
    ("# Links.", f"# More links {LONG}.", "29 words from 'More links and so on' on: 28", "# Learn"),
    ("# Links.", f"# Links.\n#\n# - A {LONG}and\n#   more.", "words from '- A and", "# Learn"),
    ("# Links.", "# The size is that\n# of x.", "'that of': repeat the noun", "# Learn"),
    ("# Links.", "# Those of x.", "'those of': repeat", "# Learn"),
    ("# Links.", "# It has a size of its own.", "'of its own': repeat", "# Learn"),
    ("# Links.", "# Sizes of their own.", "'of their own': repeat", "# Learn"),
]
ALLOWED = [
    (SECTION, SECTION + "\n# %%\n# And then:\n\n" + "y = 1\n# Why.\n\n" * 9),
    (SECTION, NO_DEVICE.replace(".backward()", ".item()")),
    (SECTION, DEFINED + "\n\ntrain()\n"),
    (SECTION, DEFINED + "\n\n# %%\n# Start it\n# --------\n\nprint(train())\n\n"),  # called below
    ("print(error)", "print(type(error), error)"),
    ("print(1)", "print(type(x).__name__)"),
    ("print(1)", "ax.barh(x, y)\nax.set(yscale='log')"),
    ("print(1)", "ax.bar(x, y)\n\n# %%\n# Next.\n\nax.set(yscale='log')"),
    ("print(1)", "ax.plot(x, color='tab:blue', label='green')\nwords = ['red', 'tab:orange']"),
    ("print(1)", "for _ in range(3):\n    a, _ = 1, 2"),
    ("# Links.", "# Links " + LONG.strip().rpartition(" ")[0].rpartition(" ")[0] + "."),
    ("# Links.", f"# Links. {LONG[:50]}. {LONG[:50]}. {LONG[:50]}."),
    ("# Links.", f"# .. code-block:: sh\n#\n#    {LONG * 3}\n#\n# Links."),
    ("# Links.", f"# Look at :func:`{LONG * 3}<torch.cat>`, ``{LONG * 3}``."),
    ("# Links.", f"# {LONG * 3}\n# {'-' * 300}"),
    ("# Links.", "# ``that of``"),
]


@pytest.fixture
def found(tmp_path):
    """What the rules say of a recipe with this text."""

    def problems(text: str) -> list[tuple[int, str]]:
        path = tmp_path / "recipes" / "base.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        (tmp_path / "template.py").write_text(f"# {TEMPLATE}\n")
        return list(writing_rules.writing(house_rules.Recipe(path)))

    return problems


@pytest.mark.parametrize(("old", "new", "problem", "place"), MUTATIONS)
def test_rule_finds_its_mutation(found, old, new, problem, place) -> None:
    assert BASE.count(old) == 1
    text = BASE.replace(old, new.replace("import torch", "import torch  #"))
    ((line, what),) = found(text)
    assert problem in what
    assert place in "\n".join(text.splitlines()[line - 1 : line + 1])


@pytest.mark.parametrize(("old", "new"), [("# Links.", "# Links."), *ALLOWED])
def test_rules_find_nothing_else(found, old, new) -> None:
    assert BASE.count(old) == 1
    assert found(BASE.replace(old, new)) == []


def test_house_rules_ask_these() -> None:
    assert writing_rules.writing in house_rules.RULES


def test_every_rule_has_a_mutation(found) -> None:
    """All that the rules can say is said of one of the mutations."""
    said = "\n".join(
        what for old, new, *_ in MUTATIONS for _, what in found(BASE.replace(old, new))
    )
    source = Path(writing_rules.__file__).read_text("utf-8")
    messages = re.findall(r'yield .*, f?"(.+)"\n', source)
    assert len(messages) == source.count("yield ") - source.count("yield from")
    for message in messages:
        pattern = ".*".join(map(re.escape, re.split(r"\{[^}]*\}", message)))
        assert re.search(pattern, said), f"no mutation for {message!r}"
