"""What every build of this site does, without a word on its command line.

Problem: a bare ``sphinx-build . _build/html`` would take warnings lightly and put its pickles
into the site. And builders that share pickles leave pages stale: each reads the pages that
changed, and the other then finds nothing to write.
Usage: ``warnings_are_errors`` in ``conf.py``; ``-D warnings_are_errors=0`` for once.
Result: the pickles of ``_build/html`` are in ``_build/doctrees/html``, beside those of the book,
unless ``-d`` names another folder; and a build that warns ends with an error.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def place_doctrees(app: Sphinx, config: Config) -> None:
    """Put a builder's pickles where Sphinx's default would have them in the output."""
    output = Path(app.outdir)
    if Path(app.doctreedir) == output / ".doctrees":
        app.doctreedir = output.parent / "doctrees" / output.name


def be_strict(app: Sphinx, exception: Exception | None) -> None:
    """Have a build that warned end with an error."""
    if app.config.warnings_are_errors and app._warncount:
        app.statuscode = 1
