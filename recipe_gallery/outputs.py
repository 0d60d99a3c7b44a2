"""What pages have left in the built site, and no page shows or offers any more.

Problem: Sphinx never removes what it once wrote: the page of a deleted recipe, or a figure that a
recipe draws no more, stays in the output folder, where its address, the site's zip file, the
book and whoever publishes the folder find it.
Usage: ``remove_pages`` for each folder of pages, and ``remove_files``, when all pages are written.
Result: the site holds no page without a source, and no figures and downloads that none has.
"""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def remove_pages(site: Path, folder: Path, kept: Collection[Path]) -> None:
    """Remove the pages of one folder that no source has any more.

    Args:
        site: the output folder.
        folder: of the pages, in it.
        kept: the files of the pages that have a source.
    """
    for page in sorted(folder.glob("*.*html")):  # in a book they are xhtml
        if page not in kept:
            name = page.relative_to(site).with_suffix("").as_posix()
            for file in (page, page.with_suffix(".md"), site / "_sources" / f"{name}.rst.txt"):
                file.unlink(missing_ok=True)


def remove_files(site: Path, figures: Collection[str], downloads: Collection[str]) -> None:
    """Remove the figures and downloads that belong to no page any more.

    Args:
        site: the output folder.
        figures: the names of those that pages may show; other pictures are not ours.
        downloads: the paths of those that pages offer, below Sphinx's folder for them.
    """
    for file in (site / "_images").glob("sphx_glr_*"):
        if file.name not in figures:
            file.unlink()
    for file in (site / "_downloads").glob("*/*"):
        if f"{file.parent.name}/{file.name}" not in downloads:
            file.unlink()
            with suppress(OSError):  # it holds another
                file.parent.rmdir()
