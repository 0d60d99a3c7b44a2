"""What is kept of each recipe's last good execution, and what was published of it.

Problem: a page must be made again when anything that it depends on has changed, never
without reason, and a build that is killed at any moment must leave nothing false.
Usage: one :class:`Store` per build; ``key`` says what a recipe depends on, ``run`` and
``published`` what is there, ``publish`` replaces the files of a page.
Result: below ``_build/recipe_runs`` two JSON files per recipe. ``<slug>.run.json`` holds
an execution whole and is replaced in one step. ``<slug>.published.json`` is written
after the page's files and holds their checksums, so a page that was half replaced is
seen and typeset again from the execution.
"""

import ast
import base64
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

import gallery_adapter
import standin_data
from atomic_files import digest, read_json, write, write_json
from executed_notebooks import LABEL, make_notebook, prose_of
from page_weight import reduce_colours
from recipe_catalogue import title_and_outcome
from recipe_header import Header, read_header
from recipe_needs import identity, missing_tool
from recipe_process import SUBDIR, Run

LAYOUT = ("examples_dirs", "gallery_dirs", "default_thumb_file", "thumbnail_size")
LAYOUT += ("within_subsection_order",)  # settings that are no part of any output
IMPORTED = re.compile(rb"\b(?:from|import)\b([\w.,\s\\]+)")  # and some words of prose
CHECKSUMS = ("code", "gallery settings", "run stage", "import ", "data ")  # in a key
PACKAGES = ("torch", "torchvision", "numpy", "matplotlib", "sphinx-gallery")


@dataclass
class Recipe:
    """One recipe as it stands in the sources, and why it would be executed."""

    slug: str
    path: Path
    source: bytes
    header: Header
    key: dict[str, str]
    modules: dict[str, bytes] = field(default_factory=dict)  # local imports
    reason: str = ""  # to execute it; "" if its last execution is still right
    skip: str = ""  # why it cannot be executed on this machine
    cost: float = 0.0  # CPU seconds of its last execution


class Store:
    """The state of one project's recipes."""

    def __init__(
        self, root: Path, gallery: dict, links: dict | None = None, base: str = ""
    ) -> None:
        self.links, self.base = links or {}, base  # for notebooks, see there
        self.root = root
        self.sources = root / "recipes_source" / "recipes"
        self.target = root / SUBDIR
        self.state = root / "_build" / "recipe_runs"
        self.snapshot = root / "_build" / "published_sources"
        self.data_dir = root / "data"
        self.compiled = root / "_build" / "compiled"  # what torch.compile made, to be found again
        self.gallery = gallery
        own = sorted(Path(__file__).parent.glob("*.py"))
        typeset = (
            "executed_notebooks.py",
            "gallery_adapter.py",
            "page_weight.py",
            "recipe_store.py",
        )
        self.own_code = digest(b"".join(p.read_bytes() for p in own if p.name in typeset))
        shown = {k: v for k, v in gallery.items() if k not in LAYOUT}
        self.common_key = {
            **{package: version(package) for package in PACKAGES},
            "Python": ".".join(platform.python_version_tuple()[:2]),
            "gallery settings": digest(repr(sorted(shown.items()))),
        }
        runner = ("gallery_adapter.py", "recipe_process.py", "standin_data.py")
        self.common_key["run stage"] = digest(
            b"".join(p.read_bytes() for p in own if p.name in runner)
        )

    @cached_property
    def full_gallery(self) -> dict:
        """The gallery's settings with all defaults."""
        return gallery_adapter.with_defaults(self.gallery)

    def slugs(self) -> list[str]:
        """The names of all recipes, in alphabetical order."""
        modules = {m for p in self.sources.glob("*.py") for m in self.local_imports(p)}
        return sorted(p.stem for p in self.sources.glob("*.py") if p.name not in modules)

    @cached_property
    def neighbours(self) -> set[bytes]:
        """The names of all modules beside the recipes, recipes included."""
        return {path.stem.encode() for path in self.sources.glob("*.py")}

    def local_imports(self, path: Path) -> dict[str, bytes]:
        """The modules beside a recipe that it imports, theirs included."""
        found: dict[str, bytes] = {}
        todo = [path]
        while todo:
            text = todo.pop().read_bytes()
            words = re.findall(rb"\w+", b" ".join(IMPORTED.findall(text)))
            if self.neighbours.isdisjoint(words):  # as good as always; parsing is slow
                continue
            try:
                tree = ast.parse(text)
            except SyntaxError:  # reported when the recipe is executed
                continue
            names = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.split(".")[0])
            for name in sorted(names):
                module = self.sources / f"{name}.py"
                if module.is_file() and module.name not in found:
                    found[module.name] = module.read_bytes()
                    todo.append(module)
        return found

    def recipe(self, slug: str) -> Recipe:
        """Read a recipe and find out whether it has to be executed, and why.

        Raises:
            HeaderError: if its header is wrong.
        """
        path = self.sources / f"{slug}.py"
        source = path.read_bytes()
        published = self.published(slug)
        header = read_header(source.decode())
        modules = self.local_imports(path)
        if published.get("source") == digest(source):  # no need to parse it
            code = published["key"]["code"]
        else:
            code = digest("\0".join(gallery_adapter.code_cells(path)))
        key = {"code": code, **identity(header.dependencies, header.requires), **self.common_key}
        key.update({f"import {name}": digest(data) for name, data in modules.items()})
        for name in header.datasets:
            key[f"data {name}"] = standin_data.identity(name, self.data_dir)
        recipe = Recipe(slug, path, source, header, key, modules)
        recipe.skip = missing_tool(header.requires)
        # Before the first execution, the time limit is the best guess of what it costs.
        recipe.cost = published.get("cpu", header.timeout / 20)
        made = (published.get("executed"), published.get("key"), published.get("run"))
        if not recipe.skip and made != (True, key, self.run_digest(slug)):
            # A build that was killed may have left an execution newer than the page.
            recipe.reason = why(self.run(slug).get("key", {}), key)
        return recipe

    def run(self, slug: str) -> dict:
        """The last good execution of a recipe, empty if there is none."""
        return read_json(self.state / f"{slug}.run.json")

    def run_digest(self, slug: str) -> str:
        """A checksum of the last good execution, "" if there is none."""
        path = self.state / f"{slug}.run.json"
        return digest(path.read_bytes()) if path.is_file() else ""

    def published(self, slug: str) -> dict:
        """What stands in the site's sources for a recipe, empty if nothing does."""
        return read_json(self.state / f"{slug}.published.json")

    def keep(self, recipe: Recipe, run: Run) -> None:
        """Keep an execution that went well."""
        own = re.compile(rf"sphx_glr_{re.escape(recipe.slug)}_\d{{3}}(_2_00x)?\.(png|svg|gif)")
        if strange := [name for name in run.images if not own.fullmatch(name)]:
            raise ValueError(f"came back with a file that is not its own: {strange[0]!r}")
        write_json(self.state / f"{recipe.slug}.run.json", {**run.to_dict(), "key": recipe.key})

    def is_current(self, recipe: Recipe) -> bool:
        """Whether a recipe's page is there, whole, and made of what is there now."""
        published = self.published(recipe.slug)
        return published.get("made of") == self.made_of(recipe) and all(
            (self.root / name).is_file() and digest((self.root / name).read_bytes()) == sum_
            for name, sum_ in published["files"].items()
        )

    def made_of(self, recipe: Recipe) -> str:
        """A checksum over all that a page is typeset from."""
        result = self.run_digest(recipe.slug)
        linked = {slug: self.titles.get(slug) for slug in LABEL.findall(recipe.source.decode())}
        made = (recipe.source, recipe.key, recipe.skip, result, linked, self.site)
        return digest(repr(made))

    @cached_property
    def site(self) -> str:
        """A checksum over what all pages are typeset from."""
        size = self.gallery.get("thumbnail_size")
        return digest(repr((self.own_code, self.base, size, sorted(self.links.items()))))

    @cached_property
    def titles(self) -> dict[str, str]:
        """The titles of all recipes, for links between notebooks."""
        titles = {}
        for slug in self.slugs():
            try:
                source = (self.sources / f"{slug}.py").read_text("utf-8")
                titles[slug] = title_and_outcome(source)[0]
            except (SyntaxError, UnicodeDecodeError):  # reported when it is read
                continue
        return titles

    def convert_prose(self, recipe: Recipe) -> None:
        """Have the prose of a notebook ready, which is much of the work of publishing it."""
        blocks = gallery_adapter.split(recipe.path, self.full_gallery)[1]
        prose_of(blocks, self.titles, self.links, self.base)

    def publish(self, recipe: Recipe, run: dict | None) -> None:
        """Typeset a recipe's page and put it in the place of the old one."""
        record = {
            "source": digest(recipe.source),
            "key": run["key"] if run else recipe.key,
            "made of": self.made_of(recipe),
            "run": self.run_digest(recipe.slug),
            "executed": bool(run),
            "timeout": recipe.header.timeout,
            "skipped": recipe.skip,
            **{k: run[k] for k in ("wall", "cpu", "peak", "environment") if run},
        }
        self.state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.state, prefix="typeset-") as folder:
            staged = Path(folder)
            images = staged / SUBDIR / "images"
            images.mkdir(parents=True)
            for name, content in (run["images"] if run else {}).items():
                (images / name).write_bytes(base64.b64decode(content))
            notebook = partial(
                make_notebook,
                recipe.slug,
                run=run,
                dependencies=recipe.header.dependencies,
                titles=self.titles,
                links=self.links,
                base=self.base,
            )
            gallery_adapter.typeset(
                recipe.path, staged / SUBDIR, staged, self.full_gallery, run, notebook, recipe.skip
            )
            for thumbnail in staged.rglob("*_thumb.png"):
                reduce_colours(thumbnail)
            files = sorted(p.relative_to(staged) for p in staged.rglob("*") if p.is_file())
            record["files"] = {
                name.as_posix(): digest((staged / name).read_bytes()) for name in files
            }
            for name in files:
                write(self.root / name, (staged / name).read_bytes())
        copy = self.snapshot / "recipes" / recipe.path.name
        write(copy, recipe.source)
        record["files"][copy.relative_to(self.root).as_posix()] = digest(recipe.source)
        stale = set(self.published(recipe.slug).get("files", ())) - set(record["files"])
        write_json(self.state / f"{recipe.slug}.published.json", record)
        for name in stale:
            (self.root / name).unlink(missing_ok=True)

    def tidy(self, slugs: list[str]) -> None:
        """Remove what belongs to no recipe, and take over the galleries' headers."""
        for path in self.state.glob("*.published.json"):
            slug = path.name.removesuffix(".published.json")
            if slug not in slugs:
                for name in self.published(slug).get("files", ()):
                    (self.root / name).unlink(missing_ok=True)
                path.with_name(f"{slug}.run.json").unlink(missing_ok=True)
                path.unlink()
        for folder in self.state.glob("typeset-*"):  # of a build that was killed
            shutil.rmtree(folder, ignore_errors=True)
        source = self.sources.parent
        headers = {p.relative_to(source) for p in source.rglob("*.rst")}
        for name in headers:
            write(self.snapshot / name, (source / name).read_bytes())
        for copy in self.snapshot.rglob("*.rst"):
            if copy.relative_to(self.snapshot) not in headers:
                copy.unlink()


def why(old: dict[str, str], new: dict[str, str]) -> str:
    """The reason to execute, "" if there is none: what differs between two keys."""
    if not old:
        return "never run"
    for name in sorted(set(old) | set(new)):
        before, now = old.get(name), new.get(name)
        if before != now:
            if not name.startswith(CHECKSUMS):
                return f"{name} {before or 'undeclared'} → {now or 'undeclared'}"
            return f"{name} changed"
    return ""
