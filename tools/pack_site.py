"""Packs the built site to take it away: all of it, all scripts, all notebooks.

Problem: a course room or a train has no network.
Usage: ``make zips`` after ``make html``; ``make epub`` adds the book. docs/take_away.rst shows
what is there, from the next ``make html`` on.
Result: zip files in ``_build/take_away``, the same bytes for the same site, and their sizes.
``pytorch-recipes-site.zip`` is read from a folder, without a server, search included.
"""

import io
import re
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from recipe_gallery.files import CannotWrite, write
from recipe_site import layout

ROOT = Path(__file__).resolve().parents[1]
DAY = (2000, 1, 1, 0, 0, 0)  # a zip keeps times; these would differ from build to build
PACKS = {  # name: folder and pattern
    "site": ("_build/html", "**/*"),
    "scripts": (layout.PAGES, "*.py"),
    "notebooks": (layout.PAGES, "*.ipynb"),
}
PAGE = "docs/take_away.rst"
PACK_LINE = re.compile(rb"<li><p><a class=\"reference download[^>]*\.(?:zip|epub)\".*?</li>\n?")


def pack(root: Path, name: str) -> Path:
    """Write one zip file and return its path.

    Args:
        root: of the project.
        name: one of ``PACKS``.

    Raises:
        FileNotFoundError: if there is nothing to pack.
        CannotWrite: if it cannot be written; an older one stays.
    """
    folder, pattern = PACKS[name]
    files = sorted(p for p in (root / folder).glob(pattern) if p.is_file())
    own = {path.name for path in layout.packs(root)}  # a pack does not hold packs
    files = [p for p in files if p.name not in own]
    # No .buildinfo, and no pickles that a builder kept in its output.
    files = [p for p in files if not str(p.relative_to(root / folder)).startswith(".")]
    if not files:
        raise FileNotFoundError(f"{folder} is empty: run 'make html' first")
    target = root / layout.PACKS / f"pytorch-recipes-{name}.zip"
    with ZipFile(packed := io.BytesIO(), "w") as archive:
        for path in files:
            inside = f"pytorch-recipes-{name}/{path.relative_to(root / folder).as_posix()}"
            info = ZipInfo(inside, DAY)
            info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
            info.create_system = 3
            content = path.read_bytes()
            if path.name == Path(PAGE).with_suffix(".html").name:
                content = PACK_LINE.sub(b"", content)
            archive.writestr(info, content)
    write(target, packed.getvalue())  # in one step, so that no half of it is offered
    return target


def main(root: Path = ROOT) -> None:
    """The command.

    Raises:
        SystemExit: with a sentence, if there is nothing to pack or it cannot be written.
    """
    try:
        for name in PACKS:
            pack(root, name)
    except (CannotWrite, FileNotFoundError) as error:
        raise SystemExit(str(error)) from None
    for path in layout.packs(root):
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path.relative_to(root).as_posix()}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
