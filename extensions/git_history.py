"""When each file was committed, from git.

Problem: dates and lists of what was ever published, kept by hand, are soon wrong.
Usage: ``commits(root)``, relative paths with ``/``.
Result: for each path that was ever committed the days of its commits in UTC, the newest
first; of a merge only what it brought, so what a branch did on its way is left out. Empty
where there is no history: no git, no repository of this folder's own, or a shallow clone.
"""

import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    """What a git command prints; "" if it fails."""
    command = ["git", "-C", str(root), "-c", "core.quotePath=false", *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


@cache
def commits(root: Path) -> dict[str, list[str]]:
    """The days on which each path was committed."""
    found: dict[str, list[str]] = {}
    if git(root, "rev-parse", "--show-prefix", "--is-shallow-repository") != "\nfalse\n":
        return found
    how = ("--first-parent", "-m", "--no-renames", "--name-only", "--format=%x00%ct")
    for commit in git(root, "log", *how).split("\0")[1:]:
        seconds, *paths = commit.split("\n")
        when = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for path in filter(None, paths):
            found.setdefault(path, []).append(when)
    return found
