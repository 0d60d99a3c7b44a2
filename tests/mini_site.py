"""A copy of the miniature site (``sites/mini``) to build, break and build again."""

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
SITES = TESTS / "sites"
PACKAGES = TESTS.parent
HEADER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
\"\"\"
{title}
{line}

A recipe made by a test.
\"\"\"

# %%
# The only cell.

"""


class Site:
    """One miniature site in a folder of its own, which may be there already.

    Args:
        root: the folder.
        kind: which of those in ``sites`` is copied, if it is not there.
    """

    def __init__(self, root: Path, kind: str = "mini") -> None:
        self.root = root
        if not root.exists():
            shutil.copytree(SITES / kind, root)
        self.sources = root / "recipes_source" / "recipes"
        self.sphinx = ["-m", "sphinx"]  # or a file that runs it

    def add(self, slug: str, code: str, prose: str = "") -> Path:
        """Add a recipe of one cell."""
        text = HEADER.format(title=slug, line="=" * len(slug))
        if prose:
            text = text.replace("The only cell.", prose)
        path = self.sources / f"{slug}.py"
        path.write_text(text + code + "\n", "utf-8")
        return path

    def add_fault(self, slug: str) -> Path:
        """Add one of the recipes in tests/sites/faults."""
        return Path(shutil.copy(SITES / "faults" / f"{slug}.py", self.sources))

    def command(self, *options: str) -> list[str]:
        """The command line of a build."""
        return [
            sys.executable,
            *self.sphinx,
            "-d",
            "_build/doctrees",
            *options,
            ".",
            "_build/html",
        ]

    def environ(self) -> dict[str, str]:
        """The environment of a build, without what colors its output.

        Sphinx does so where ``CI`` is set, though nobody looks at a terminal.
        """
        return {
            **os.environ,
            "RECIPE_PACKAGES": str(PACKAGES),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }

    def start(self, *options: str) -> subprocess.Popen:
        """Start a build and return without waiting for it."""
        return subprocess.Popen(
            self.command(*options), cwd=self.root, env=self.environ(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def build(self, *options: str) -> subprocess.CompletedProcess:
        """Build and return what it printed; both streams in ``stdout``."""
        return subprocess.run(
            self.command(*options), cwd=self.root, env=self.environ(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def executed(self, result: subprocess.CompletedProcess) -> list[str]:
        """The recipes that a build executed, with the reasons it gave."""
        lines = [line for line in result.stdout.splitlines() if ": start (" in line]
        return sorted(line.removeprefix("recipe ") for line in lines)

    def page(self, slug: str) -> Path:
        """The HTML page of a recipe."""
        return self.root / "_build" / "html" / "recipes" / "recipes" / f"{slug}.html"

    def generated(self) -> dict[str, bytes]:
        """All pages and downloads, by their paths."""
        files = {}
        for folder in ("recipes", "_build/html"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and path.suffix not in (".pickle", ".buildinfo"):
                    files[path.relative_to(self.root).as_posix()] = path.read_bytes()
        return files


def explain(name: str, one: bytes, other: bytes) -> str:
    """The first lines of a difference."""
    try:
        texts = [content.decode().splitlines() for content in (one, other)]
    except UnicodeDecodeError:
        return f"{name}: {len(one)} and {len(other)} bytes"
    lines = list(difflib.unified_diff(*texts, name, name, n=0, lineterm=""))[:12]
    return "\n".join(line[:300] for line in lines)


def assert_equal(first: dict[str, bytes], second: dict[str, bytes], when: str = "") -> None:
    """The same files with the same bytes; else only what differs is told."""
    assert not set(first) ^ set(second), f"{when} only in one: {sorted(set(first) ^ set(second))}"
    different = [name for name in first if first[name] != second[name]]
    explained = [explain(name, first[name], second[name]) for name in different]
    assert not different, f"{when} {len(different)} files differ\n" + "\n\n".join(explained)
