"""Compares what a recipe's page shows with its execution, its script and its notebook.

Problem: "it works" must mean the same for all who read, download or run a recipe.
Usage: ``check_page``, ``check_script`` and ``check_notebook``, each with a published recipe and an
empty scratch folder.
Result: what is wrong, as lines of text, "" if nothing is. Text is compared to the byte, figures
by their pixels; a page cannot show tabs, colours and blanks at a line's end.
"""

import base64
import difflib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from bs4 import BeautifulSoup
from PIL import Image

from recipe_gallery import terminal
from recipe_gallery.header import read_header
from recipe_gallery.model import Header, Run
from recipe_gallery.store import Store
from recipe_site import layout

from . import downloads


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

    @property
    def timeout(self) -> float:
        """Seconds after which a download is given up: twice the limit, and the start."""
        return 60 + 2 * self.header.timeout

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables for a run, with the threads that the build gave it."""
        threads = max(1, int(self.header.cpus))
        return downloads.environment(self.root, folder, threads, self.device)

    @property
    def site(self) -> Path:
        """The built site."""
        return self.root / "_build" / "html"

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


def difference(expected: str, got: str, what: str) -> str:
    """A unified diff, "" if the texts are equal."""
    if expected == got:
        return ""
    lines = (text.splitlines() for text in (expected, got))
    return "\n".join(difflib.unified_diff(*lines, "the page", what, lineterm="")) or (
        "they differ in white space at a line's or the text's end"
    )


def different_pixels(name: str, ours: bytes, theirs: bytes) -> str:
    """A sentence if two PNG differ when decoded, else ""."""
    one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")) for png in (ours, theirs))
    if one.shape != other.shape:
        return f"{name}: {one.shape[1::-1]} pixels on the page, {other.shape[1::-1]} here"
    count = int((one != other).any(axis=-1).sum())
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
    problems = [difference(recipe.run.text, outcome.output, "the script"), lacks]
    figures = recipe.run.figures
    if len(drawn) != len(figures):
        problems.append(f"{len(drawn)} figures instead of {len(figures)}")
    if not recipe.device:  # a chart of a training run on another device has other pixels
        for figure, png in zip(figures, drawn, strict=False):
            problems.append(different_pixels(figure.name, figure.content, png))
    return lines(problems)


def check_notebook(recipe: Published, folder: Path) -> str:
    """Run the downloaded notebook; what is wrong with it, "" if nothing is."""
    notebook, environ = recipe.download(".ipynb"), recipe.environment(folder)
    outcome, stored, fresh = downloads.run_notebook(notebook, folder, recipe.timeout, environ)
    if outcome.code:
        return outcome.errors.strip()[-3000:]
    problems = []
    texts = [cell.text if cell.text.strip() else "" for cell in recipe.run.cells]
    if len(stored) < len(texts):
        return f"the notebook has {len(stored)} code cells, the page {len(texts)}"
    texts = [""] * (len(stored) - len(texts)) + texts  # the cell that installs prints nothing
    for number, (text, old, new) in enumerate(zip(texts, stored, fresh, strict=True), 1):
        where = f"code cell {number} of the notebook"
        problems.append(difference(text, streams(old), f"the stored {where}"))
        problems.append(difference(streams(old), streams(new), where))
        ours, theirs = pictures(old), pictures(new)
        if len(ours) != len(theirs):
            problems.append(f"cell {number}: {len(theirs)} figures, not {len(ours)}")
        for one, other in zip(ours, theirs, strict=False):
            problems.append(different_pixels(f"cell {number}", one, other))
        if any(output.output_type == "execute_result" for output in new):
            problems.append(f"cell {number} ends with a value that the page does not show")
    return lines(problems)


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
