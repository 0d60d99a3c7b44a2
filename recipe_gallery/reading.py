"""Reads all recipes, each once for a whole build, and finds out which must be executed.

Problem: a file that is read twice may have changed in between, and one that cannot be read must
not keep the others from being built.
Usage: ``Reader(settings, store, found).read()`` with the sections that were found.
Result: ``recipes``, each with a ``reason`` if it must be executed; ``failures`` and ``skipped``
for those with which something is wrong, ``stale`` for those that had to be and are not.
"""

import ast
import os
import re
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from . import gallery, header, key, sections
from .files import digest
from .model import Failure, Recipe
from .settings import BuildError, Settings, nearest
from .store import STAGED, Store

IMPORTS = re.compile(r"\b(?:from|import)\b([\w.,\s\\]+)")  # and some words of prose
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.A)  # of a file that can be an address


class Reader:
    """Reads the recipes of some sections."""

    def __init__(self, settings: Settings, store: Store, found: list[sections.Section]) -> None:
        self.settings, self.store = settings, store
        self.paths = {part.docname(path): path for part in found for path in part.files}
        self.recipes: list[Recipe] = []
        self.failures: dict[str, Failure] = {}  # by the recipe's name
        self.skipped: dict[str, str] = {}
        self.stale: dict[str, str] = {}  # the docnames of those left as they stand, and why
        self.environment = {**key.ENVIRONMENT, **settings.plugin.environment}
        self.common_key = key.common_key(
            settings.gallery, settings.plugin.packages, self.environment
        )

    def name(self, path: Path) -> str:
        """A source as messages show it: from the documentation's root on."""
        return Path(os.path.relpath(path, self.settings.srcdir)).as_posix()

    def read(self) -> None:
        """Read all recipes.

        Raises:
            BuildError: if the one that was asked for is not among them.
        """
        only, slugs = self.settings.only, {path.stem for path in self.paths.values()}
        if only and only not in slugs:
            raise BuildError(f"no recipe is called {only!r}; {nearest(only, slugs)}")
        for docname, path in sorted(self.paths.items()):
            try:
                recipe = self.read_recipe(docname, path)
            except Exception as error:  # whatever its author did; the others go on
                self.failures[self.name(path)] = Failure(f"cannot be read: {one_line(error)}")
                continue
            if recipe.skip:
                self.skipped[recipe.name] = recipe.skip
            asked = recipe.slug == only and recipe.executable and not recipe.skip
            if only and asked and self.settings.execute:  # in any case
                recipe.reason = "asked for"
            elif only or not self.settings.execute:  # as it stands
                self.stale |= {docname: recipe.reason} if recipe.reason else {}
                recipe.reason = ""
            self.recipes.append(recipe)

    def read_recipe(self, docname: str, path: Path) -> Recipe:
        """Read one recipe.

        Raises:
            Exception: whatever is wrong with it.
        """
        if not NAME.fullmatch(path.name) or path.stem == "index":
            raise ValueError(
                f"{path.name!r} cannot be the name of a page: use letters, digits, _ and -"
            )
        options, source = self.settings, path.read_bytes()
        recipe = Recipe(path, self.name(path), docname, source)
        published = self.store.published(docname)
        recipe.executable = sections.is_executable(options.gallery, path)
        if not recipe.executable:
            recipe.key = {"code": digest(source)}
            return recipe
        recipe.may_fail = path in sections.expected_failures(options.gallery, options.srcdir)
        text = source.decode()
        recipe.header = header.read_header(text, options.defaults)
        header.check_extra(recipe.header, options.plugin.fields)
        recipe.beside = self.files_beside(path, text)
        if published.get("executed") and published["source"] == digest(source):
            code = published["key"]["code"]  # no need to parse it
        else:
            with self.store.staged(recipe) as folder:
                code = key.code_digest(gallery.code_cells(folder / f"{docname}{path.suffix}"))
        recipe.key = key.make_key(
            code,
            recipe.beside,
            recipe.header.threads,
            self.common_key,
            self.versions(recipe, text),
            {"expected failure": "yes"} if recipe.may_fail else {},
            options.plugin.key(recipe.header, options.srcdir),
        )
        recipe.skip = options.plugin.skip(recipe.header)
        # Before the first execution, the time limit is the best guess of what it costs.
        recipe.cost = published.get("cpu", recipe.header.timeout / 20)
        is_right = (True, recipe.key, self.store.run_digest(docname))
        known = (published.get("executed"), published.get("key"), published.get("run"))
        if not recipe.skip and known != is_right:
            # A build that was killed may have left an execution newer than the page.
            kept = self.store.run(docname)
            recipe.reason = key.why(kept.key if kept else {}, recipe.key)
        return recipe

    def versions(self, recipe: Recipe, text: str) -> dict[str, str]:
        """The versions of what a recipe declares or, if it has no header, imports."""
        if recipe.header.declared:
            return header.versions(recipe.header)
        words = set(re.findall(r"\w+", " ".join(IMPORTS.findall(text))))
        return key.package_versions(
            sorted({name for word in words for name in distributions().get(word, ())})
        )

    def files_beside(self, path: Path, text: str) -> dict[str, bytes]:
        """The files beside a recipe that it needs: modules it imports, data it names.

        Raises:
            ValueError: if it imports another recipe.
        """
        here = {entry.name for entry in os.scandir(path.parent) if entry.is_file()} - {path.name}
        recipes = {
            other.name
            for other in self.paths.values()
            if other.parent == path.parent and sections.is_executable(self.settings.gallery, other)
        }
        found = {
            name: (path.parent / name).read_bytes()
            for name in sorted(here)
            if not name.endswith(".py") and (f'"{name}"' in text or f"'{name}'" in text)
        }
        todo = [text]
        while todo:
            for module in imported_modules(todo.pop(), {Path(name).stem for name in here}):
                file = f"{module}.py"
                if file in recipes:
                    raise ValueError(
                        f"it imports {file}, which is a recipe with a page of its own; move what "
                        "several recipes share into a module whose name begins with _"
                    )
                if file in here and file not in found:
                    found[file] = (path.parent / file).read_bytes()
                    todo.append(found[file].decode())
        return found


def imported_modules(text: str, wanted: set[str]) -> list[str]:
    """The modules among ``wanted`` that some code imports."""
    words = set(re.findall(r"\w+", " ".join(IMPORTS.findall(text))))
    if wanted.isdisjoint(words):  # as good as always; parsing is slow
        return []
    try:
        tree = ast.parse(text)
    except SyntaxError:  # reported when the recipe is executed
        return []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return sorted(names & wanted)


@cache
def distributions() -> dict[str, list[str]]:
    """The installed distributions that bring a module, by the module's name."""
    return dict(packages_distributions())


def one_line(error: Exception) -> str:
    """An exception as one sentence, without the folder in which a recipe is read or typeset."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(rf"[^\s\"']*[/\\]{STAGED}[^\s\"']*[/\\]", "", text)
