"""A script runs as a reader would run it, and what its figures lack is told."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from tools import downloads

pytestmark = pytest.mark.downloads
BASE = """
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
TITLE = "base.py:15: a figure without a title: give it one"
X_LABEL = "base.py:15: an axis without a label: call set_xlabel"
Y_LABEL = "base.py:15: an axis without a label: call set_ylabel"
MUTATIONS = [
    ('title="title", ', "", TITLE),
    ('title="title"', 'title=""', TITLE),
    ('xlabel="x", ', "", X_LABEL),
    (', ylabel="y"', "", Y_LABEL),
    ('title="title", xlabel="x", ', "", f"{TITLE}\n{X_LABEL}"),
    ("ax.plot", "plt.figure()\nax.plot", TITLE.replace("15", "16")),  # the other is empty
    (
        "plt.show()",
        "def draw():\n    plt.show()\n\n\nax.set_title('')\ndraw()",
        TITLE.replace("15", "16"),
    ),
]
ALLOWED = """
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


def run(folder: Path, text: str, **variables: str) -> tuple[downloads.Outcome, list[bytes], str]:
    """Run the script ``base.py``, whose second line is the first of this text."""
    path = folder / "base.py"
    path.write_text(f'"""Title"""\n{text}', "utf-8")
    environ = {**downloads.environment(ROOT, folder, 1), **variables}
    return downloads.run_script(path, folder, 120, environ)


@pytest.mark.parametrize(("old", "new", "problem"), MUTATIONS)
def test_what_a_figure_lacks_is_told(tmp_path, old, new, problem) -> None:
    """With the line that shows it."""
    assert old in BASE
    outcome, drawn, lacks = run(tmp_path, BASE.replace(old, new))
    assert (outcome.code, outcome.errors) == (0, "")
    assert lacks.startswith(problem) and lacks.count("\n") == problem.count("\n")
    assert drawn


@pytest.mark.parametrize("text", [BASE, ALLOWED])
def test_nothing_else_is_told(tmp_path, text) -> None:
    """Also of axes that share a label, of a color bar, and of axes that are not drawn."""
    outcome, drawn, lacks = run(tmp_path, text)
    assert (outcome.code, outcome.errors, lacks, len(drawn)) == (0, "", "", 1)


@pytest.mark.parametrize("kind", ["FutureWarning", "DeprecationWarning"])
def test_what_is_deprecated_is_an_error(tmp_path, kind) -> None:
    """With its traceback."""
    text = BASE.replace('print("one")', f"warnings.warn('old', {kind})")
    outcome, *_ = run(tmp_path, text)
    assert outcome.code == 1
    assert outcome.errors.startswith("Traceback") and f"{kind}: old" in outcome.errors


def test_what_torch_says_of_the_machine_is_left_out(tmp_path) -> None:
    """Any other word on stderr stays."""
    line = "W0102 03:04:05.6 7 torch/utils/cpp_extension.py:118] No CUDA runtime is found, using x"
    text = f"import sys\nprint({line!r}, file=sys.stderr)\nprint('else', file=sys.stderr)\n"
    assert run(tmp_path, text)[0].errors == "else\n"


def test_process_imports_nothing_of_ours(tmp_path) -> None:
    """It has the data of the build, and neither our modules nor torch."""
    text = """
import importlib.util
import sys

for name in ("recipe_gallery", "recipe_site", "tools", "conf", "drawn_cifar10"):
    assert importlib.util.find_spec(name) is None, name
assert "torch" not in sys.modules

from torchvision.datasets import CIFAR10

print(len(CIFAR10("data", download=True)))
"""
    outcome, *_ = run(tmp_path, text, RECIPE_DATA=str(tmp_path / "none"))
    assert outcome.code == 0, outcome.errors
    assert outcome.output.endswith("5000\n")


def test_script_ends_at_its_limit(tmp_path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        downloads.execute([sys.executable, "-c", "import time; time.sleep(60)"], 1)
