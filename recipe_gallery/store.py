"""What is kept of each recipe's last good execution, and what was published of it.

Problem: a build that is killed at any moment must leave nothing false.
Usage: one :class:`Store` per build; ``run`` and ``published`` say what is there, ``keep`` and
``publish`` replace it.
Result: below the state's folder two JSON files per recipe. ``<docname>.run.json`` holds
an execution whole and is replaced in one step. ``<docname>.published.json`` names a page's files
before the first of them is written, and holds their checksums after the last, so a page that was
half replaced is seen and typeset again from the execution, and one that is gone leaves no file.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from .files import digest, read_json, write, write_json
from .model import Recipe, Run

PUBLISHED, RUN = ".published.json", ".run.json"
STAGED = "typeset-"  # how the names of folders begin in which a page is made


class Store:
    """The state of one documentation's recipes.

    Args:
        srcdir: the documentation's root; pages are published below it.
        state: the folder for the records.
    """

    def __init__(self, srcdir: Path, state: Path) -> None:
        self.srcdir, self.state = srcdir, state

    def file(self, docname: str, ending: str) -> Path:
        """One of a recipe's records."""
        return self.state / f"{docname}{ending}"

    def run(self, docname: str) -> Run | None:
        """The last good execution of a recipe, None if there is none or it cannot be read."""
        try:
            return Run.from_json(self.file(docname, RUN).read_bytes())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def run_digest(self, docname: str) -> str:
        """A checksum of the last good execution, "" if there is none."""
        with suppress(OSError):
            return digest(self.file(docname, RUN).read_bytes())
        return ""

    def published(self, docname: str) -> dict:
        """What stands in the documentation's sources for a recipe, empty if nothing does."""
        record = read_json(self.file(docname, PUBLISHED))
        return record if record.get("made of") else {}

    def docnames(self) -> list[str]:
        """The pages that were ever begun."""
        files = self.state.rglob(f"*{PUBLISHED}")
        return sorted(
            file.relative_to(self.state).as_posix().removesuffix(PUBLISHED)
            for file in files
            if not file.name.startswith(".")
        )

    @contextmanager
    def staged(self, recipe: Recipe) -> Iterator[Path]:
        """A folder that stands for the documentation's root, with a recipe's source in it.

        The source is the text that was read, not the file as it is now.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.state, prefix=STAGED) as folder:
            source = Path(folder, f"{recipe.docname}{recipe.path.suffix}")
            source.parent.mkdir(parents=True)
            source.write_bytes(recipe.source)
            yield Path(folder)

    def keep(self, recipe: Recipe, run: Run) -> None:
        """Keep an execution that went well.

        Raises:
            ValueError: if it brings files that are not the recipe's own.
            OSError: if it cannot be written; the one before stays.
        """
        name = rf"sphx_glr_{re.escape(recipe.slug)}_\d{{3}}(_\d_\d\dx)?"
        own = re.compile(rf"{name}\.(png|svg|jpg|gif|webp)")  # what Sphinx-Gallery can show
        figures = [figure.name for cell in run.cells for figure in cell.figures]
        if strange := [name for name in figures if not own.fullmatch(name)]:
            raise ValueError(f"came back with a file that is not its own: {strange[0]!r}")
        write(self.file(recipe.docname, RUN), run.to_json())

    def is_current(self, docname: str, made_of: str) -> bool:
        """Whether a page is there, whole, and made of what ``made_of`` is the checksum of."""
        record = self.published(docname)
        return record.get("made of") == made_of and all(
            (self.srcdir / name).is_file() and digest((self.srcdir / name).read_bytes()) == sum_
            for name, sum_ in record["files"].items()
        )

    def publish(self, docname: str, staged: Path, record: dict) -> None:
        """Put typeset files in the place of the old ones.

        Args:
            docname: of the page.
            staged: a folder that stands for the documentation's root; all in it is published.
            record: what to remember of it; ``made of`` must be among it.

        Raises:
            OSError: if a file cannot be written; the next build finds the page not current.
        """
        contents = {
            path.relative_to(staged).as_posix(): path.read_bytes()
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
        place = self.file(docname, PUBLISHED)
        sums = {name: digest(content) for name, content in contents.items()}
        before = read_json(place).get("files", {})
        if set(contents) - set(before):  # should the recipe be deleted after a kill in between
            write_json(place, {**read_json(place), "files": {**dict.fromkeys(sums, ""), **before}})
        for name, content in contents.items():
            write(self.srcdir / name, content)
        for name in set(before) - set(sums):
            (self.srcdir / name).unlink(missing_ok=True)
        write_json(place, {**record, "files": sums})

    def tidy(self, docnames: Collection[str]) -> None:
        """Remove what belongs to none of these pages, and what a killed build left."""
        for docname in self.docnames():
            if docname not in docnames:
                place = self.file(docname, PUBLISHED)
                for name in read_json(place).get("files", ()):
                    (self.srcdir / name).unlink(missing_ok=True)
                self.file(docname, RUN).unlink(missing_ok=True)
                place.unlink()
        for folder in self.state.glob(f"{STAGED}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def summary(self, docnames: Collection[str]) -> dict[str, dict]:
        """What the last execution of each page cost, and what it was made with."""
        wanted = ("wall", "cpu", "peak", "made with", "executed", "skipped", "made of", "timeout")
        return {
            docname: {k: record[k] for k in wanted if k in record}
            for docname in sorted(docnames)
            if (record := self.published(docname))
        }
