"""A page that was deleted or renamed leaves nothing in the built site.

Problem: Sphinx never removes what it once wrote: the page of a deleted recipe stays in the
output folder, where its address, the site's zip file and whoever publishes the folder find it.
Usage: ``remove_pages(site, folder, docnames, with_files)`` when all pages are written.
Result: a folder of the site holds no page without a source, nor the downloads and figures
of a recipe that is gone.
"""

import re
from collections.abc import Collection
from pathlib import Path


def remove_pages(site: Path, folder: str, docnames: Collection[str], with_files: bool) -> None:
    """Remove pages that no source has any more.

    Args:
        site: the output folder.
        folder: of the pages, below it.
        docnames: the pages that have a source.
        with_files: whether pages have downloads and figures of their own, as recipes do.
    """
    for page in sorted((site / folder).glob("*.html")):
        name = f"{folder}/{page.stem}"
        if name in docnames:
            continue
        left = [page, page.with_suffix(".md"), site / "_sources" / f"{name}.rst.txt"]
        if with_files:
            slug = re.escape(page.stem)
            own = re.compile(rf"sphx_glr_{slug}_(\d{{3}}(_\d_\d\dx)?|thumb)\.\w+")
            left += [p for p in (site / "_images").glob("sphx_glr_*") if own.fullmatch(p.name)]
            left += (site / "_downloads").glob(f"*/{page.stem}.*")
        for file in left:
            file.unlink(missing_ok=True)
