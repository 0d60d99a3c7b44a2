"""Cells that declare that their output differs from run to run, such as a time or a profile.

Problem: where digits must not differ, a page on timing shows no time; where they may, nobody
notices the cell in which they should not.
Usage: the first line of such a cell is ``VARIES``, exactly; ``varies(code)`` asks.
Result: the page says so below the output, the notebook's cell has a tag, and whoever compares
two runs can leave the numbers of this cell aside, and of no other.
"""

from collections.abc import Iterable
from dataclasses import replace

from .files import digest
from .model import Run

VARIES = "# Output differs from run to run."
CAPTION = "This output differs from run to run."
TAG = "output-differs"  # of the notebook's cell


def varies(code: str) -> bool:
    """Whether a code cell declares it."""
    return code.lstrip().partition("\n")[0].rstrip() == VARIES


def printed_digest(run: Run, codes: Iterable[str]) -> str:
    """A checksum of all that a run printed, but for the code cells whose output differs."""
    pairs = zip(run.cells, codes, strict=False)  # an exception may have ended it
    return digest("\0".join(cell.text for cell, code in pairs if not varies(code)))


def captioned(run: Run, codes: Iterable[str]) -> Run:
    """A run whose page says it below those outputs that differ.

    Args:
        run: an execution.
        codes: its code cells.
    """
    caption = f"\n.. rst-class:: output-varies\n\n   {CAPTION}\n\n"
    cells = [
        replace(cell, rst=cell.rst + caption) if cell.rst.strip() and varies(code) else cell
        for cell, code in zip(run.cells, codes, strict=False)  # an exception may have ended it
    ]
    return replace(run, cells=tuple(cells))
