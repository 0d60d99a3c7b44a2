"""Printed text as pages, books and Markdown can show it.

Problem: a page takes away what is not text: rst the indentation that all lines share and what
follows a carriage return, XML control characters; three backquotes end a block of Markdown.
Usage: ``typeset`` for a page; ``shown`` and ``fenced`` for Markdown.
Result: what a terminal would show at the end, and instead of the other control characters their
pictures, such as ``␇``.
"""

import re
from dataclasses import replace
from itertools import takewhile
from textwrap import indent

from .model import Run

ANSI = re.compile(r"\x1B(?:[@-Z\\-_]|\[[0-?]*[ -/]*[@-~])")  # colours and the like
# Also what ends a line, and what turns the direction of those that follow.
CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]"
)
# As Sphinx-Gallery writes it; the option's line keeps the indentation of those that follow.
OUTPUT = ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n"
KEPT = ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n    :force:\n\n"


def visible(text: str) -> str:
    """A text with a picture in place of each control character."""

    def picture(match: re.Match) -> str:
        code = ord(match[0])
        if code < 0x20:
            return chr(0x2400 + code)
        return "␡" if code == 0x7F else f"\\u{code:04x}"

    return CONTROL.sub(picture, text)


def overwritten(line: str) -> str:
    """What is left of a line after its carriage returns."""
    left = ""
    for part in line.split("\r"):
        left = part + left[len(part) :]
    return left


def shown(text: str) -> str:
    """What can be shown of printed text: no tabs, no colours, no blanks at a line's end."""
    lines = ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    lines = [visible(overwritten(line.expandtabs())).rstrip() for line in lines]
    return "\n".join(lines)


def page_rst(text: str, rst: str) -> str:
    """The rst of a cell's output with the printed text as it was printed.

    Args:
        text: what the cell printed.
        rst: what Sphinx-Gallery made of that and of its figures.
    """
    before, output, rest = rst.partition(OUTPUT)
    plain = ANSI.sub("", text.expandtabs())
    printed = indent(plain, " " * 4)
    lines = [line.rstrip() for line in plain.split("\n")]
    block = takewhile(lambda line: line[:4].isspace() or not line, rest.split("\n"))
    shared = all(line.startswith(" " * 5) for line in block if line.strip())
    if not output or (not shared and "\n".join(lines) == shown(text)):
        return visible_lines(rst)  # as Sphinx-Gallery made it
    after = rest
    if rest.startswith(printed):  # else a value is among it, or a path is another
        after = f"{indent(shown(text).strip(chr(10)), ' ' * 4)}\n{rest[len(printed) :]}"
    return visible_lines(f"{before}{KEPT}{after}")


def typeset(run: Run) -> Run:
    """An execution for its page: outputs as they were printed, texts without control characters."""
    cells = [replace(cell, rst=page_rst(cell.text, cell.rst)) for cell in run.cells]
    return replace(run, cells=tuple(cells))


def visible_lines(rst: str) -> str:
    """The rst of figures and values without control characters."""
    return visible(rst.replace("\r\n", "\n").replace("\r", "\n"))


def fenced(text: str, language: str = "") -> str:
    """A block of code in Markdown, whatever is in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
