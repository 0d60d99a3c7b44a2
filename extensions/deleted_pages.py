"""A page that was deleted or renamed leaves nothing in the built site.

Problem: Sphinx never removes what it once wrote: the page of a deleted recipe stays in the
output folder, where its address, the site's zip file and whoever publishes the folder find it.
Usage: list this extension in ``conf.py``; redirects are written later, over what is removed.
Result: the folders of recipes and of hand-written pages hold no page without a source, nor the
downloads and figures of a recipe that is gone.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from recipe_process import SUBDIR


def remove(app: Sphinx) -> list:
    """Compare what is there with the sources that this build found; adds no page."""
    site = Path(app.outdir)
    for page in [*site.glob(f"{SUBDIR}/*.html"), *site.glob("docs/*.html")]:
        name = page.relative_to(site).with_suffix("").as_posix()
        if name in app.env.found_docs:
            continue
        left = [page, page.with_suffix(".md"), site / "_sources" / f"{name}.rst.txt"]
        if name.startswith(SUBDIR):
            figures = f"_images/sphx_glr_{page.stem}_"
            left += [*site.glob(f"{figures}[0-9][0-9][0-9]*"), *site.glob(f"{figures}thumb.*")]
            left += site.glob(f"_downloads/*/{page.stem}.*")
        for file in left:
            file.unlink(missing_ok=True)
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-collect-pages", remove, priority=400)  # redirects are written at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
