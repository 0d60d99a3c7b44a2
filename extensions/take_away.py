"""Packs the built site to take it away: all of it, all scripts, all notebooks.

Problem: a course room or a train has no network.
Usage: ``make zips`` after ``make html``; ``make epub`` adds the book.
Result: zip files in ``_build/take_away``, the same bytes for the same site, and their sizes.
``site.zip`` is read from a folder, without a server, search included.
"""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

DAY = (2000, 1, 1, 0, 0, 0)  # a zip keeps times; these would differ from build to build
PACKS = {  # name: folder, pattern, and what is left out
    "site": ("_build/html", "**/*", (".buildinfo", ".buildinfo.bak")),
    "scripts": ("recipes/recipes", "*.py", ()),
    "notebooks": ("recipes/recipes", "*.ipynb", ()),
}


def pack(root: Path, name: str) -> Path:
    """Write one zip file and return its path.

    Raises:
        FileNotFoundError: if there is nothing to pack.
    """
    folder, pattern, left_out = PACKS[name]
    files = sorted(p for p in (root / folder).glob(pattern) if p.is_file())
    files = [path for path in files if path.name not in left_out]
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
            archive.writestr(info, path.read_bytes())
    return target


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    try:
        packed = [pack(root, name) for name in PACKS]
    except FileNotFoundError as error:
        sys.exit(str(error))
    for path in [*packed, *sorted((root / "_build/epub").glob("*.epub"))]:
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path.relative_to(root).as_posix()}")
