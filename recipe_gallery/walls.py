"""Keeps a recipe from writing where others read.

Problem: a recipe runs with the rights of whoever builds the site, and may by mistake or intent
change the sources, another recipe's records, or files of its user.
Usage: ``keep_inside(protected, writable)`` in the process of a recipe, before its first cell.
Result: to write elsewhere raises PermissionError, also in what it starts, where Linux offers
Landlock; elsewhere only what Python itself opens for writing in the protected folder. It is no
prison: reading, the network and, without Landlock, compiled code remain free.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# From linux/landlock.h: the rights that have to do with writing, for folders and for files.
WRITE_FILE, TRUNCATE, REFER = 1 << 1, 1 << 14, 1 << 13
CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))  # remove and make entries of each kind
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all processors
ABI_VERSION, PATH_BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
SYSTEM = ("/dev", "/proc")  # terminals, shared memory
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.utime",
}  # fmt: skip


class PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def keep_inside(protected: Path, writable: Sequence[Path]) -> None:
    """Let this process, and what it starts, write into some folders alone.

    Args:
        protected: where Linux does not help, at least nobody writes below it, but for what is
            ``writable`` in it.
        writable: folders, which are there.
    """
    if sys.platform == "linux" and landlock_version() > 0:
        landlock([*writable, *map(Path, SYSTEM)])
    else:
        watch_python(protected, writable)


def landlock_version() -> int:
    """The version of Landlock that the kernel offers, below 1 if none."""
    return ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, ABI_VERSION)


def landlock(allowed: Sequence[Path]) -> None:
    """Let this thread, and what it starts, write only below some paths.

    Raises:
        OSError: if the kernel refuses.
    """
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = landlock_version()
    handled = WRITE_FILE | CHANGE_FOLDER | (REFER if version > 1 else 0)
    handled |= TRUNCATE if version > 2 else 0
    rules = call(CREATE_RULESET, ctypes.byref(ctypes.c_uint64(handled)), 8, 0)
    checked(rules)
    for path in allowed:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # is gone, or may not be looked at
            continue
        rights = handled if path.is_dir() else handled & (WRITE_FILE | TRUNCATE)
        checked(call(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(PathBeneath(rights, folder)), 0))
        os.close(folder)
    checked(ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    checked(call(RESTRICT_SELF, rules, 0))
    os.close(rules)


def checked(result: int) -> None:
    """Raise what a call of the C library left in ``errno``."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def watch_python(protected: Path, writable: Sequence[Path]) -> None:
    """Refuse what Python opens or changes below a folder; for good, as no hook can be removed."""
    inside, free = f"{protected}{os.sep}", tuple(f"{folder}{os.sep}" for folder in writable)

    def look(event: str, arguments: tuple) -> None:
        if event == "open":
            paths = arguments[:1] if (arguments[2] or 0) & WRITES else ()
        else:
            paths = arguments[:2] if event in CHANGES else ()
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike):
                full = os.path.abspath(os.fsdecode(path))
                if full.startswith(inside) and not full.startswith(free):
                    text = "a recipe may write only into its own folder"
                    raise PermissionError(errno.EACCES, text, full)

    sys.addaudithook(look)
