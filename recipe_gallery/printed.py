"""All that a recipe's process, and what it starts, print: in one file, in the order of time.

Problem: what child processes and compiled code print does not go through ``sys.stdout``, and is
missing where only that is looked at; a stream that stands for it lacks half of its methods.
Usage: ``Printed`` as a context manager around all cells, and its ``take`` after each.
Result: ``sys.stdout`` and ``sys.stderr`` are streams as in a script on a terminal, line by line;
the file descriptors 1 and 2 lead to the file, for whoever inherits them.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path
from typing import Self

LIMIT = 1_000_000  # characters that a recipe may print
LINE_BUFFERED = 1  # _IOLBF of C, on Linux and macOS


class CannotShow(Exception):
    """Something was printed that no page can show; the text says what."""


class Printed:
    """What is printed goes to a file.

    Args:
        path: of the file.
        hidden: a path that texts are shown without, as it is another in each run.
    """

    def __init__(self, path: Path, hidden: str = "") -> None:
        self.path, self.hidden, self.place = path, hidden, 0

    def __enter__(self) -> Self:
        self.before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
        for stream in self.before[:2]:
            stream.flush()
        self.saved = [os.dup(1), os.dup(2)]
        with open(self.path, "ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        options = {"buffering": 1, "encoding": "utf-8", "newline": "\n", "closefd": False}
        sys.stdout = sys.__stdout__ = open(1, "w", **options)
        sys.stderr = sys.__stderr__ = open(2, "w", errors="backslashreplace", **options)
        with contextlib.suppress(AttributeError, ValueError, OSError, TypeError):  # not everywhere
            name = "__stdoutp" if sys.platform == "darwin" else "stdout"
            stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), name)
            ctypes.CDLL(None).setvbuf(stream, None, LINE_BUFFERED, 0)
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = self.before
        for number, saved in enumerate(self.saved, 1):
            os.dup2(saved, number)
            os.close(saved)

    @staticmethod
    def flush() -> None:
        """Have the file hold all that was printed; a recipe may have closed its streams."""
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):
                stream.flush()
        with contextlib.suppress(AttributeError, OSError, TypeError):  # Windows
            ctypes.CDLL(None).fflush(None)

    def take(self) -> str:
        """What was printed since the last call.

        Raises:
            CannotShow: if it is more than ``LIMIT``, or not UTF-8.
        """
        self.flush()
        content = read(self.path, self.place, 4 * LIMIT + 1)  # no character has more bytes
        self.place = self.path.stat().st_size
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            if len(content) > 4 * LIMIT:
                raise CannotShow(too_much(content)) from None
            byte = content[error.start : error.start + 1]
            raise CannotShow(f"printed text that is not valid UTF-8: {byte!r}") from None
        if len(text) > LIMIT:
            raise CannotShow(too_much(content))
        return text.replace(self.hidden, "") if self.hidden else text


def read(path: Path, start: int, size: int) -> bytes:
    """A part of a file that may be far too large; a negative ``start`` counts from its end."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size + start) if start < 0 else start)
        return file.read(size)


def too_much(content: bytes) -> str:
    """The sentence on a recipe that printed more than its limit."""
    head = content[:200].decode(errors="replace").strip().splitlines()[:3]
    return f"printed more than {LIMIT:,} characters, from {head!r} on"


def too_late(text: str) -> str:
    """The sentence on a recipe that printed when its page was complete."""
    first = (text.strip().splitlines() or [""])[0]
    return f"printed after the end of its last cell, which no page can show: {first!r}"
