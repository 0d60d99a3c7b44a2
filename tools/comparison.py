"""Compares what a recipe's page shows with its execution, its script and its notebook.

Problem: "it works" must mean the same for all who read, download or run a recipe.
Usage: ``check_page``, ``check_script`` and ``check_notebook``, each with a published recipe and an
empty scratch folder.
Result: what is wrong, as lines of text, "" if nothing is. Text is compared to the byte, figures
by their pixels; a page cannot show tabs, colours and blanks at a line's end. Of a cell that
declares that its output differs, two runs are compared without numbers, its figures by size.
"""

import base64
import difflib
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from bs4 import BeautifulSoup
from PIL import Image

from recipe_gallery import gallery, terminal
from recipe_gallery.header import read_header
from recipe_gallery.model import Header, Run
from recipe_gallery.store import Store
from recipe_gallery.varying import varies
from recipe_site import layout

from . import downloads

# A number that begins no name, an address among them, with its unit if that is one of time.
NUMBER = r"(?<![\w.])[-+]?(?:0x[\da-f]+|\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)(?: ?(?:[num]?s|%)(?!\w))?"
# What a Measurement shows only where the machine is busy, or only of several blocks.
AT_TIMES = r"(?m)^ *WARNING: Interquartile range .*\n? *This .*\n?|^ *IQR: .*\n|^ *Median: "
BLOCKS = r"(\d+) measurements?, (\d+) runs (?:per measurement)?,"
FILE = r"[\w/.-]+\.py\b"  # a cell of a notebook is a file, too
MASKS = (
    (AT_TIMES, ""),
    (BLOCKS, r"\1 measurements, \2 runs,"),
    (FILE, "file"),
    (r"(?<=\d)_(?=\d)", " "),  # between a date and its time
    (NUMBER, "#"),
    (r"--+", "--"),
    (r" +", " "),
    (r"(?m)^ | $", ""),
)


@dataclass(frozen=True)
class Published:
    """A recipe as the built site has it."""

    root: Path  # of the project
    slug: str
    device: str = ""  # the accelerator to verify it on, "" for none

    @cached_property
    def run(self) -> Run:
        """The execution that its page shows; an empty one if it is not there."""
        store = Store(self.root, self.root / layout.STATE)
        return store.run(layout.docname(self.slug)) or Run()

    @cached_property
    def header(self) -> Header:
        """What it says of itself."""
        return read_header((self.root / layout.script(self.slug)).read_text("utf-8"))

    @cached_property
    def varying(self) -> list[bool]:
        """Of each code cell, whether it declares that its output differs from run to run."""
        return [varies(code) for code in gallery.code_cells(self.root / layout.script(self.slug))]

    @property
    def timeout(self) -> float:
        """Seconds after which a download is given up: twice the limit, and the start."""
        return 60 + 2 * self.header.timeout

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables for a run, with the threads that the build gave it."""
        return downloads.environment(self.root, folder, self.header.threads, self.device)

    @property
    def site(self) -> Path:
        """The built site."""
        return self.root / "_build" / "html"

    def printed(self, output: str) -> tuple[str, str]:
        """What its page shows, and what its script printed, both without what may differ."""
        return without_varying([cell.text for cell in self.run.cells], self.varying, output)

    def download(self, suffix: str) -> Path:
        """Its file among the downloads of the site.

        Raises:
            FileNotFoundError: if it is not there.
        """
        found = sorted(self.site.glob(f"_downloads/*/{self.slug}{suffix}"))
        if len(found) != 1:
            name = f"{self.slug}{suffix}"
            raise FileNotFoundError(f"{name} is not among the downloads: run 'make html'")
        return found[0]

    def page_blocks(self) -> list[str]:
        """What its page shows below its cells, without the empty lines around each block."""
        page = (self.site / f"{layout.docname(self.slug)}.html").read_text("utf-8")
        blocks = BeautifulSoup(page, "html.parser").select(".sphx-glr-script-out")
        return [block.get_text().strip("\n") for block in blocks]


def shown(text: str) -> str:
    """What a page can show of printed text, without the empty lines around it."""
    return terminal.shown(text).strip("\n")


def difference(expected: str, got: str, what: str, around: int = 3) -> str:
    """A unified diff with this many lines around what differs, "" if the texts are equal."""
    if expected == got:
        return ""
    lines = (text.splitlines() for text in (expected, got))
    return "\n".join(difflib.unified_diff(*lines, "the page", what, lineterm="", n=around)) or (
        "they differ in white space at a line's or the text's end"
    )


def masked(text: str) -> str:
    """A text without what differs: numbers, and the widths of the columns they stand in."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def without_varying(texts: Sequence[str], varying: Sequence[bool], output: str) -> tuple[str, str]:
    """The texts of some cells and one output of all, both masked where they may differ.

    A cell that may differ ends where the next one that may not begins.
    """
    expected, got = [], []
    shown = [(text, may) for text, may in zip(texts, varying, strict=True) if text]
    groups = [list(group) for _, group in itertools.groupby(shown, key=lambda pair: pair[1])]
    parts = [("".join(text for text, _ in group), group[0][1]) for group in groups]
    for (text, may_differ), following in itertools.zip_longest(parts, parts[1:]):
        end = output.find(following[0]) if following and may_differ else len(text)
        if end < 0:  # what follows differs too: as many lines
            end = len("".join(output.splitlines(True)[: text.count("\n")]))
        end = end if following else len(output)
        pair, output = (text, output[:end]), output[end:]
        one, other = map(masked, pair) if may_differ else pair
        expected.append(one)
        got.append(other)
    return "".join(expected), "".join(got) + output


def different_pixels(name: str, ours: bytes, theirs: bytes, may_differ: bool = False) -> str:
    """A sentence if two PNG differ when decoded, or if only their sizes count, in these."""
    one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")) for png in (ours, theirs))
    if one.shape != other.shape:
        return f"{name}: {one.shape[1::-1]} pixels on the page, {other.shape[1::-1]} here"
    count = 0 if may_differ else int((one != other).any(axis=-1).sum())
    return f"{name}: {count} of {one.shape[0] * one.shape[1]} pixels differ" if count else ""


def check_page(recipe: Published, folder: Path) -> str:
    """Compare the built page with the execution; what is wrong with it, "" if nothing is."""
    texts = filter(None, (shown(cell.text) for cell in recipe.run.cells))
    problems = [difference("\n".join(texts), "\n".join(recipe.page_blocks()), "the HTML")]
    for figure in (figure for cell in recipe.run.cells for figure in cell.figures):
        image = recipe.site / "_images" / figure.name
        if not image.is_file() or image.read_bytes() != figure.content:
            problems.append(f"{figure.name} is not the figure that was drawn")
    return lines(problems)


def check_script(recipe: Published, folder: Path) -> str:
    """Run the downloaded script; what is wrong with it, "" if nothing is."""
    script, environ = recipe.download(".py"), recipe.environment(folder)
    outcome, drawn, lacks = downloads.run_script(script, folder, recipe.timeout, environ)
    if outcome.code or outcome.errors:
        return f"exit code {outcome.code}\n{outcome.errors.strip()}"
    cells, varying = recipe.run.cells, recipe.varying
    problems = [difference(*recipe.printed(outcome.output), "the script"), lacks]
    problems += left_behind(recipe, folder)
    figures = recipe.run.figures
    if len(drawn) != len(figures):
        problems.append(f"{len(drawn)} figures instead of {len(figures)}")
    if not recipe.device:  # a chart of a training run on another device has other pixels
        pairs = zip(cells, varying, strict=True)
        free = [may for cell, may in pairs for figure in cell.figures if figure.alt]
        for figure, png, may in zip(figures, drawn, free, strict=False):
            problems.append(different_pixels(figure.name, figure.content, png, may))
    return lines(problems)


def check_notebook(recipe: Published, folder: Path) -> str:
    """Run the downloaded notebook; what is wrong with it, "" if nothing is."""
    notebook, environ = recipe.download(".ipynb"), recipe.environment(folder)
    outcome, stored, fresh = downloads.run_notebook(notebook, folder, recipe.timeout, environ)
    if outcome.code:
        return outcome.errors.strip()[-3000:]
    problems = left_behind(recipe, folder)
    texts = [cell.text if cell.text.strip() else "" for cell in recipe.run.cells]
    if len(stored) < len(texts):
        return f"the notebook has {len(stored)} code cells, the page {len(texts)}"
    before = len(stored) - len(texts)  # the cell that installs prints nothing
    texts, varying = [""] * before + texts, [False] * before + recipe.varying
    cells = zip(texts, stored, fresh, varying, strict=True)
    for number, (text, old, new, may_differ) in enumerate(cells, 1):
        where = f"code cell {number} of the notebook"
        problems.append(difference(text, streams(old), f"the stored {where}"))
        pair = [masked(streams(o)) if may_differ else streams(o) for o in (old, new)]
        problems.append(difference(*pair, where))
        ours, theirs = pictures(old), pictures(new)
        if len(ours) != len(theirs):
            problems.append(f"cell {number}: {len(theirs)} figures, not {len(ours)}")
        for one, other in zip(ours, theirs, strict=False):
            problems.append(different_pixels(f"cell {number}", one, other, may_differ))
        if any(output.output_type == "execute_result" for output in new):
            problems.append(f"cell {number} ends with a value that the page does not show")
    return lines(problems)


def left_behind(recipe: Published, folder: Path) -> list[str]:
    """What a run left in the reader's folder, where the data that it downloads may stay."""
    known = {f"{recipe.slug}.py", f"{recipe.slug}.ipynb", "data"}
    left = {path.name for path in (folder / "work").iterdir()} - known
    return [f"{name} is left beside it: remove it in the last cell" for name in sorted(left)]


def streams(outputs: Sequence) -> str:
    """What a notebook's cell printed; "" if there is nothing to see."""
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    text = downloads.OF_THE_MACHINE.sub("", text)
    return text if text.strip() else ""


def pictures(outputs: Sequence) -> list[bytes]:
    """The PNG that a notebook's cell drew."""
    data = (output.get("data", {}).get("image/png") for output in outputs)
    return [base64.b64decode(png) for png in data if png]


def lines(problems: Iterable[str]) -> str:
    """Those problems that there are, below each other."""
    return "\n".join(filter(None, problems))
