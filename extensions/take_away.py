"""Packs the built site to take it away: all of it, all scripts, all notebooks.

Problem: a course room or a train has no network.
Usage: ``make zips`` after ``make html``; ``make epub`` adds the book. The directive
``.. take-away::`` shows what is there, from the next ``make html`` on.
Result: zip files in ``_build/take_away``, the same bytes for the same site, and their sizes.
``site.zip`` is read from a folder, without a server, search included.
"""

import re
import sys
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DAY = (2000, 1, 1, 0, 0, 0)  # a zip keeps times; these would differ from build to build
PACKS = {  # name: folder and pattern
    "site": ("_build/html", "**/*"),
    "scripts": ("recipes/recipes", "*.py"),
    "notebooks": ("recipes/recipes", "*.ipynb"),
}
PAGE = "docs/take_away.rst"
PACK_LINE = re.compile(rb"<li><p><a class=\"reference download[^>]*\.(?:zip|epub)\".*?</li>\n?")
WORDS = {
    "site.zip": "The site: unpack it and open index.html",
    "scripts.zip": "All scripts",
    "notebooks.zip": "All notebooks, with outputs",
    ".epub": "The book, for an e-reader",
}


def found(root: Path) -> list[Path]:
    """What there is to take away, zip files first."""
    return sorted(root.glob("_build/take_away/*.zip")) + sorted(root.glob("_build/epub/*.epub"))


def pack(root: Path, name: str) -> Path:
    """Write one zip file and return its path.

    Raises:
        FileNotFoundError: if there is nothing to pack.
    """
    folder, pattern = PACKS[name]
    files = sorted(p for p in (root / folder).glob(pattern) if p.is_file())
    own = {path.name for path in found(root)}  # a pack does not hold packs
    files = [p for p in files if p.name not in own and not p.name.startswith(".buildinfo")]
    if not files:
        raise FileNotFoundError(f"{folder} is empty: run 'make html' first")
    target = root / "_build" / "take_away" / f"pytorch-recipes-{name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w") as archive:
        for path in files:
            inside = f"pytorch-recipes-{name}/{path.relative_to(root / folder).as_posix()}"
            info = ZipInfo(inside, DAY)
            info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
            info.create_system = 3
            content = path.read_bytes()
            if path.name == Path(PAGE).with_suffix(".html").name:
                content = PACK_LINE.sub(b"", content)
            archive.writestr(info, content)
    return target


class TakeAway(SphinxDirective):
    """A list of the packs with their sizes, or the commands that make them."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for path in found(Path(self.env.srcdir)):
            self.env.note_dependency(str(path))
            what = next(words for end, words in WORDS.items() if path.name.endswith(end))
            address = path.relative_to(self.env.srcdir).as_posix()
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            lines.append(f"- :download:`{what} </{address}>`, {size}")
        missing = "The book and the zip files are made by ``make epub zips html``."
        return self.parse_text_to_nodes("\n".join(lines) or missing)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("take-away", TakeAway)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    try:
        for name in PACKS:
            pack(root, name)
    except FileNotFoundError as error:
        sys.exit(str(error))
    for path in found(root):
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path.relative_to(root).as_posix()}")
    (root / PAGE).touch()  # so that the next build reads the page again
