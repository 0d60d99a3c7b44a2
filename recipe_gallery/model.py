"""What the run stage passes from one step to the next, and nothing that does anything.

One form of a run goes all the way: made in the process of a recipe, kept as JSON, read by the
page, the notebook, its twin and the verification.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Limit = Annotated[float, msgspec.Meta(gt=0, le=1e6)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recipe declares about itself; all of it may be left out."""

    declared: bool = False  # whether there is a header at all
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()  # PEP 508
    timeout: Limit = 120  # seconds of wall time
    memory: Limit = 4  # GiB of resident memory, the recipe's children included
    cpus: Amount = 1  # cores on a cluster, and threads anywhere
    gpus: Amount = 0
    tags: tuple[str, ...] = ()
    after: tuple[str, ...] = ()  # recipes to read before this one, by their slugs
    datasets: tuple[str, ...] = ()  # for the plugin
    requires: tuple[str, ...] = ()  # tools that pip cannot install, for the plugin
    extra: dict[str, Any] = {}  # the plugin's ``fields``, for the site; no result depends on it

    @property
    def threads(self) -> int:
        """How many threads it may use, from the header alone, as digits depend on it."""
        return max(1, int(self.cpus))


@dataclass
class Recipe:
    """One example of a gallery as it stands in the sources, read once for a whole build."""

    path: Path  # of its source
    name: str  # that path from the documentation's root on, as messages show it
    docname: str  # of its page
    source: bytes
    header: Header = Header()
    key: dict[str, str] = field(default_factory=dict)  # what its result depends on
    beside: dict[str, bytes] = field(default_factory=dict)  # files that go along with it
    executable: bool = True  # whether the gallery wants it executed
    may_fail: bool = False  # whether the gallery expects an exception
    reason: str = ""  # why it is executed now; "" if its last execution is still right
    skip: str = ""  # what this machine lacks for it
    cost: float = 0.0  # CPU seconds of its last execution

    @property
    def slug(self) -> str:
        """The name of its file without the ending."""
        return self.path.stem


@dataclass(frozen=True)
class Task:
    """One recipe to execute: all that the process needs which does it."""

    docname: str
    name: str
    files: dict[str, bytes]  # the recipe's own file first
    settings: dict[str, Any]  # of the gallery, those that results depend on
    header: Header
    key: dict[str, str]
    plugin: str = ""  # the module's name
    srcdir: str = ""  # of the documentation; "" on another machine
    may_fail: bool = False
    scratch: str = ""  # a folder for this run alone, which the executor makes and removes

    @property
    def slug(self) -> str:
        """The name of the recipe's file without the ending."""
        return self.docname.rpartition("/")[2]


@dataclass(frozen=True)
class Failure:
    """Why a recipe has no new page: a sentence, and what the recipe left to read."""

    reason: str  # goes on where the recipe's name ends: "raised ValueError: …"
    details: str = ""


@dataclass(frozen=True)
class Figure:
    """One picture that a cell drew."""

    name: str  # of its file
    alt: str  # what it shows, in words; "" for a larger copy of the figure before it
    content: bytes


@dataclass(frozen=True)
class Cell:
    """What one code cell printed and drew."""

    text: str = ""  # as printed
    rst: str = ""  # all of it, as the page shows it
    figures: tuple[Figure, ...] = ()
    values: dict[str, str] = field(default_factory=dict)  # of its last line, by MIME type


@dataclass
class Run:
    """What one execution produced."""

    cells: tuple[Cell, ...] = ()
    names: dict[str, list[dict]] = field(default_factory=dict)  # Python names used, for links
    wall: float = 0.0  # seconds
    cpu: float = 0.0  # seconds, child processes included
    peak: float = 0.0  # MiB, child processes included
    made_with: dict[str, str] = field(default_factory=dict)  # versions, platform, date
    key: dict[str, str] = field(default_factory=dict)  # of the recipe that was executed
    raised: str = ""  # the traceback of an exception that the gallery expects
    failure: Failure | None = None

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(cell.text for cell in self.cells)

    @property
    def figures(self) -> list[Figure]:
        """All pictures in order, without the larger copies."""
        return [figure for cell in self.cells for figure in cell.figures if figure.alt]

    def to_json(self) -> bytes:
        """As text with sorted keys; figures in base64."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def from_json(cls, text: bytes) -> "Run":
        """The inverse of ``to_json``.

        Raises:
            ValueError: if the text is not of this form.
        """
        return msgspec.json.decode(text, type=cls)


class Executor(Protocol):
    """Whoever can execute tasks; called from several threads at once."""

    def run(self, task: Task) -> Run:
        """Execute a task and wait for it; what went wrong is in the run's ``failure``."""

    def stop(self) -> None:
        """End what is running, because the build ends."""
