"""Files that are written whole, or not at all, and only when they change.

Problem: a build can be killed while it writes, and a file that is written anew without need
makes other tools work again.
Usage: ``write(path, content)``, ``write_json(path, value)``, ``read_json(path)``.
Result: a reader finds the old content or the new one, never a part.
"""

import errno
import hashlib
import json
import os
from pathlib import Path

# No space, no quota left, a file too large, a disk that is only to be read; not all on all systems.
NAMES = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS")
DISK = [getattr(errno, name) for name in NAMES if hasattr(errno, name)]


class CannotWrite(OSError):
    """A file of ours could not be written, which concerns the whole build."""

    def __str__(self) -> str:
        return sentence(self.strerror or "unknown error", self.filename or "a file")


def sentence(why: object, file: object) -> str:
    """What to tell who runs the build."""
    return (
        f"cannot write {file}: {why}; what was "
        "finished is kept, so mend that and run the build again"
    )


def digest(data: bytes | str) -> str:
    """A short checksum of content."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step, unless it already has this content.

    Raises:
        CannotWrite: if that is not possible; the old file is still there.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)  # of a build that was killed here
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_bytes(content)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror, str(path)) from error


def write_json(path: Path, value: dict) -> None:
    """Replace a JSON file in one step; keys sorted, so that equal content is equal.

    Raises:
        CannotWrite: as ``write``.
    """
    write(path, json.dumps(value, indent=1, sort_keys=True).encode())


def read_json(path: Path) -> dict:
    """The content of a JSON file, empty if it is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
