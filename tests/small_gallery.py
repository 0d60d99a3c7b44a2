"""A small gallery in a folder of its own, built without Sphinx and, mostly, without executing.

What processes import of this module is here and not in a test file, as pytest imports those in
a way of its own.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from recipe_gallery import Cell, Recipe, Run, Task

EXAMPLE = '''\
"""
{title}
{line}

An example made by a test.
"""

# %%
# {prose}

{code}
'''
MADE_WITH = {"python": "3.0", "platform": "Nowhere"}


@cache
def gallery_defaults() -> dict:
    """The settings of Sphinx-Gallery as a build has them, without those of a site."""
    from sphinx_gallery import gen_gallery  # here, as processes need it not

    conf = gen_gallery._fill_gallery_conf_defaults({"write_computation_times": False})
    return {**conf, "builder_name": "html", "plot_gallery": True, "filename_pattern": r"\.py$"}


def printed(text: str) -> Cell:
    """A cell that printed something, with what its page shows of it."""
    shown = "".join(f"    {line}\n" for line in text.splitlines())
    return Cell(text, f"\n.. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n{shown}\n")


class FakeExecutor:
    """Executes nothing: says what each task would have printed, and remembers the tasks.

    Args:
        answer: what to return for a task.
    """

    def __init__(self, answer: Callable[[Task], Run] | None = None) -> None:
        self.answer = answer or fake_run
        self.tasks: list[Task] = []
        self.stopped = False

    def __call__(self, modules: list[str], environment: Mapping[str, str]) -> "FakeExecutor":
        self.modules, self.environment = modules, dict(environment)
        return self

    def run(self, task: Task) -> Run:
        self.tasks.append(task)
        return replace(self.answer(task), key=task.key)

    def stop(self) -> None:
        self.stopped = True

    @property
    def slugs(self) -> list[str]:
        """What was executed, by name."""
        return sorted(task.slug for task in self.tasks)


def fake_run(task: Task) -> Run:
    """An execution of one cell that printed the name of the recipe."""
    costs = {"wall": 1.0, "cpu": 2.0, "peak": 3.0}
    return Run((printed(f"this is {task.slug}\n"),), made_with=MADE_WITH, **costs)


class Gallery:
    """A documentation with one gallery in ``examples``, whose pages go to ``auto``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.examples = root / "examples"
        self.examples.mkdir(parents=True)
        (self.examples / "README.rst").write_text("Gallery\n=======\n")

    def add(self, slug: str, code: str = "print(1)", prose: str = "The only cell.") -> Path:
        """Write a recipe of one cell; ``slug`` may have a folder, which then is a section."""
        path = self.examples / f"{slug}.py"
        if not path.parent.is_dir():
            path.parent.mkdir()
            (path.parent / "README.rst").write_text(f"{path.parent.name}\n=====\n")
        text = EXAMPLE.format(title=path.stem, line="=" * len(path.stem), code=code, prose=prose)
        path.write_text(text, "utf-8")
        return path

    def settings(self, gallery: Mapping | None = None, **changes):  # noqa: ANN201
        """The settings of a build; ``gallery`` changes those of Sphinx-Gallery."""
        from recipe_gallery.settings import Settings

        folders = {"examples_dirs": "examples", "gallery_dirs": "auto", "src_dir": str(self.root)}
        conf = {**gallery_defaults(), **folders, **(gallery or {})}
        return Settings(gallery=conf, srcdir=self.root, state=self.root / "state", **changes)

    def build(self, executor: FakeExecutor | None = None, **changes):  # noqa: ANN201
        """Build, and return the :class:`recipe_gallery.build.Build` when it is done."""
        from recipe_gallery.build import Build

        build = Build(self.settings(**changes), executor or FakeExecutor())
        build.run()
        return build

    def read(self, **changes) -> dict[str, Recipe]:
        """What a build would read, by slug; nothing must be wrong with it."""
        from recipe_gallery.build import Build

        reader = Build(self.settings(**changes), FakeExecutor()).reader
        reader.read()
        assert not reader.failures, reader.failures
        return {recipe.slug: recipe for recipe in reader.recipes}

    def page(self, docname: str) -> str:
        """The rst of a page."""
        return (self.root / "auto" / f"{docname}.rst").read_text("utf-8")

    def published(self) -> set[str]:
        """All files of the pages."""
        folder = self.root / "auto"
        return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# -- What a process may do with a task -------------------------------------------------


def says_what_it_got(task: Task) -> Run:
    """Returns what it sees of itself."""
    scratch = Path(task.scratch)
    (scratch / "left.txt").write_text("left")
    values = {"pid": str(os.getpid()), "scratch": task.scratch, "there": str(scratch.is_dir())}
    return Run(made_with={**values, "set": os.environ.get("SET_BY_TEST", "")})


def raises(task: Task) -> Run:
    """As code of ours that has a fault."""
    raise RuntimeError("a fault of ours")


def exits(task: Task) -> Run:
    """As compiled code can."""
    scratch = Path(task.scratch)
    (scratch / "printed").write_text("the last words\n")
    source = scratch / "work" / "a.py"
    (scratch / "faults").write_text(f'File "{source}"\nin /usr/lib/threading.py')
    os._exit(3)


def dies(task: Task) -> Run:
    """As when the system is out of memory."""
    os.kill(os.getpid(), 9)
    raise AssertionError


def hangs(task: Task) -> Run:
    """Until somebody ends it; with a process that it started, in a session of its own."""
    import subprocess
    import sys

    Path(task.srcdir, "scratch").write_text(task.scratch)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(command, start_new_session=True)
    Path(task.srcdir, "child").write_text(str(child.pid))
    Path(task.scratch, "printed").touch()  # as a sign that it has begun
    time.sleep(600)
    raise AssertionError


def cannot_return(task: Task) -> Run:
    """What it returns cannot be sent."""
    return Run(made_with={"a function": lambda: None})


def does_what_it_is_told(task: Task) -> Run:
    """Runs the code of the task as it is."""
    Path(task.scratch, "printed").touch()  # as a sign that it has begun
    exec(next(iter(task.files.values())), {})  # what a test wants to be watched
    return Run()


def floods(task: Task) -> Run:
    """Prints without end, by another process."""
    import subprocess
    import sys

    code = "while True: print('on and on\\n' * 1000)"
    with open(Path(task.scratch, "printed"), "ab") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file)
    raise AssertionError
