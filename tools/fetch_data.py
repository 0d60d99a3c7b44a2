"""Fetches the real data sets, so that recipes run on them instead of on drawn ones.

Problem: downloads of hundreds of megabytes belong neither into a build nor half into it.
Usage: ``make data``.
Result: ``data/cifar-10-batches-py``, checked by torchvision's checksums. It appears there
only when it is whole; an interrupted download starts again the next time.
"""

import shutil
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

from torchvision.datasets import CIFAR10

from recipe_site.drawn_cifar10 import REAL_FOLDER


def fetch(data_dir: Path) -> str:
    """Fetch what is missing in ``data_dir`` and say what was done.

    Raises:
        OSError, RuntimeError: if the download failed or is not what it should be.
    """
    final, partial = data_dir / REAL_FOLDER, data_dir / "partial"
    if final.is_dir():
        try:
            CIFAR10(data_dir)
        except RuntimeError:
            shutil.rmtree(final)
        else:
            return f"{final} is there and whole"
    CIFAR10(partial, download=True)  # shows a progress bar
    (partial / REAL_FOLDER).replace(final)
    shutil.rmtree(partial)
    return f"fetched {final}; the next build runs the recipes that use it"


if __name__ == "__main__":
    folder = Path("data")
    try:
        print(fetch(folder))
    except (OSError, RuntimeError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno and error.filename:  # no fault of the network
            sys.exit(f"cannot write {error.filename}: {error.strerror}")
        what = " ".join(str(error).split())
        archive = folder / "partial" / CIFAR10.filename
        sys.exit(
            f"cannot fetch {CIFAR10.filename} from {urlparse(CIFAR10.url).hostname} ({what}): "
            f"try again later, or put the file into {archive.parent} yourself, from "
            f"{CIFAR10.url}, and run "
            "'make data' again; until then, recipes run on drawn images"
        )
    except KeyboardInterrupt:
        sys.exit("interrupted; 'make data' starts again")
