"""The house rules of recipes, as far as they can be seen without running one.

Problem: rules that only a person checks are forgotten, one recipe at a time.
Usage: ``python -m tools.house_rules``, or ``problems(path)`` for one recipe.
Result: a line per problem, ``recipes_source/recipes/x.py:12: what is wrong: what to do``,
and exit status 1 if there are any. What needs a run is asked by ``tools.verify``.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from sphinx.errors import SphinxError

from recipe_gallery import gallery
from recipe_gallery.header import BLOCK, EXPECTED, HeaderError, check_extra, read_header
from recipe_gallery.reading import imported_modules
from recipe_site import error_index, layout, strays, torch_plugin
from recipe_site.catalogue import TAGS, title_and_outcome

from .writing_rules import writing

LIMITS = {
    "title": 70,  # characters at most
    "outcome": 110,  # characters at most, in one sentence
    "line": 88,  # characters at most, but for a label
    "cell": 15,  # lines of code at most, without the empty ones
    "least": 150,  # words of prose at least
    "words": 600,  # words of prose at most
}
EXCEPTIONS = {  # recipes with other limits, and why
    "zeroing_out_gradients": {"cell": 20, "words": 900},  # its sections are fixed
}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # by import
WITHOUT_IMPORT = {  # what some of torch's modules need, but recipes never import themselves
    "torch.onnx": {"onnx", "onnxscript"},
    "torch.utils.tensorboard": {"tensorboard"},
}
NO_DATA = {"DatasetFolder", "FakeData", "ImageFolder", "VisionDataset"}  # nothing to load
# A notebook has no file and no arguments, and a loop of asyncio that runs.
ONLY_IN_SCRIPTS = {"__file__", "sys.argv", "sys.exit", "exit", "quit", "asyncio.run"}
ARGUMENTS = {"parse_args", "parse_known_args"}  # of the kernel
LINK = re.compile(r":ref:`[^`]*\b" + layout.label(r"(\w+)") + ">?`")
Found = Iterator[tuple[int, str]]  # line and message


class Recipe:
    """A recipe's text, and what several rules ask of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text("utf-8")
        self.tree = ast.parse(self.text)
        self.header = read_header(self.text)
        check_extra(self.header, torch_plugin.fields)
        if not self.header.declared:
            raise HeaderError(EXPECTED.format(0))
        self.blocks = gallery.split(path)[1]
        self.limit = LIMITS | EXCEPTIONS.get(path.stem, {})
        full = {}  # imported names; below, every name in full: nn.Linear is torch.nn.Linear
        for node in self.nodes(ast.Import, ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            full |= {a.asname or a.name: module + a.name for a in node.names}
        self.imported = set(full.values())
        self.names: dict[ast.AST, str] = {}
        for node in self.nodes(ast.Name, ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            self.names[node] = ".".join([full.get(first, first), *rest])

    def nodes(self, *kinds: type) -> list:
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    def line(self, text: str) -> int:  # at which it first stands
        return self.text.count("\n", 0, max(0, self.text.find(text))) + 1

    @staticmethod
    def is_code(line: str) -> bool:
        """Whether a line is no sentence, as far as can be seen from itself."""
        return bool(
            re.search(r"[=(\[]\S|^(import|from) |sphx_glr|^# (tags|///|req|dep|time)", line)
        )

    @cached_property
    def siblings(self) -> dict[str, str]:
        """The texts of the other recipes, by their slugs; broken ones are told by themselves."""
        paths = (path for path in sources(self.path.parent) if path != self.path)
        return {path.stem: path.read_text("utf-8", errors="replace") for path in paths}

    def modules(self) -> dict[str, str]:
        """The texts of the modules beside it that it imports, theirs included, by name."""
        beside = {path.stem: path for path in self.path.parent.glob("*.py")}
        found: dict[str, str] = {}
        todo = [self.text]
        while todo:
            for name in imported_modules(todo.pop(), set(beside) - set(found)):
                found[name] = beside[name].read_text("utf-8", errors="replace")
                todo.append(found[name])
        return found


def sources(folder: Path) -> list[Path]:
    """The recipes in a folder: not the modules that they share, whose names begin with _."""
    paths = (path for path in folder.glob("*.py") if not path.name.startswith((".", "_")))
    return sorted(path for path in paths if path.is_file())


def header_is_complete(recipe: Recipe) -> Found:
    if not recipe.text.startswith("# /// script"):
        yield recipe.line("# /// script"), "the header is not at the top: move it there"
    if recipe.header.requires_python != ">=3.11":
        yield recipe.line("# requires-python"), "other requires-python: write '>=3.11'"
    if not re.search(r"(?m)^# timeout *=", BLOCK.search(recipe.text)[0]):
        yield recipe.line("# [tool.recipe]"), "no timeout: give it in seconds"
    if not recipe.header.tags or set(recipe.header.tags) - set(TAGS):
        yield recipe.line("# tags"), f"no tag or an unknown one: choose from {', '.join(TAGS)}"


def dependencies_are_the_imports(recipe: Recipe) -> Found:
    modules, names = recipe.modules(), set()
    for node in ast.walk(ast.parse("\n".join([recipe.text, *modules.values()]))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(getattr(node, "module", "") or a.name).split(".")[0] for a in node.names}
    local = {*modules, *(name for name in names if f'"{name}.py"' in recipe.text)}  # it writes it
    needed = {DISTRIBUTIONS.get(name, name) for name in names - sys.stdlib_module_names - local}
    used = set(recipe.names.values()) | recipe.imported
    for module, packages in WITHOUT_IMPORT.items():
        if any(f"{name}.".startswith(f"{module}.") for name in used):
            needed |= packages
    if {re.match(r"[\w.-]*", text)[0] for text in recipe.header.dependencies} != needed:
        yield recipe.line("# dependencies"), f"other imports: declare {', '.join(sorted(needed))}"


def datasets_are_declared(recipe: Recipe) -> Found:
    classes = re.findall(r"torchvision\.datasets\.([A-Z]\w*)", " ".join(recipe.names.values()))
    if (used := set(classes) - NO_DATA) != set(recipe.header.datasets):
        yield recipe.line("# [tool.recipe]"), f"other data sets: declare {sorted(used)}"


def title_and_outcome_are_short(recipe: Recipe) -> Found:
    line, limit, (title, outcome) = recipe.line('"""'), recipe.limit, title_and_outcome(recipe.text)
    if not re.search(r"\w", title) or len(title) > limit["title"]:
        yield line + 1, f"no title or a long one: write {limit['title']} characters at most"
    good = re.fullmatch(r"(?!.*[.!?] +[A-Z]).+\.", outcome) and len(outcome) <= limit["outcome"]
    if title and not good:
        yield line + 4, f"no outcome: write one sentence, {limit['outcome']} characters at most"


def lines_are_short_and_final(recipe: Recipe) -> Found:
    for number, line in enumerate(recipe.text.splitlines(), 1):
        # A label can be longer than a line, and cannot be broken.
        if len(line) > recipe.limit["line"] > max(map(len, line.split())):
            yield number, f"{len(line)} characters: break it at {recipe.limit['line']}"
        if word := re.search(r"\b(TBD|FIXME|XXX|TODO)\b", line):
            yield number, f"{word[0]}: do it or remove it"


def cells_and_prose_are_short(recipe: Recipe) -> Found:
    limit = recipe.limit
    for block in (block for block in recipe.blocks if block.type == "code"):
        if (length := len(re.findall(r"(?m)^.*\S", block.content))) > limit["cell"]:
            yield block.lineno, f"{length} lines in a cell: split it at {limit['cell']}"
    prose = " ".join(block.content for block in recipe.blocks if block.type == "text")
    if not limit["least"] <= (words := len(re.findall(r"\S*\w\S*", prose))) <= limit["words"]:
        yield 1, f"{words} words of prose: write {limit['least']} to {limit['words']}"


def evidence_is_printed_and_asserted(recipe: Recipe) -> Found:
    calls = {call: recipe.names.get(call.func, "") for call in recipe.nodes(ast.Call)}
    if "print" not in calls.values():
        yield 1, "nothing is printed: print the evidence"
    tests = [call for call in calls if re.match(r"(torch|numpy)\.testing\.assert_", calls[call])]
    for test in [*tests, *(node.test for node in recipe.nodes(ast.Assert))]:
        names = [recipe.names[n] for n in ast.iter_child_nodes(test) if n in recipe.names]
        if len(set(names)) == len(names) and recipe.names.keys() & set(ast.walk(test)):
            return  # it compares no name with itself, and is no constant
    yield 1, "no assertion that could fail: check the lesson against something else"


def place_of_group(text: str) -> int:
    """The place of a recipe's first tag in the learning path, 0 if it has none."""
    tag = re.search(r'(?m)^# tags = \["([^"]+)"', text)
    return TAGS.index(tag[1]) if tag and tag[1] in TAGS else 0


def links_lead_to_siblings_and_back(recipe: Recipe) -> Found:
    slug, linked, others = recipe.path.stem, set(LINK.findall(recipe.text)), recipe.siblings
    for before in recipe.header.after:
        if before not in others:
            yield recipe.line("# after"), f"no other recipe {before}: name what to read before"
        elif place_of_group(others[before]) > place_of_group(recipe.text):
            yield recipe.line("# after"), f"{before} is in a later group: name an earlier recipe"
    for wrong in linked - {slug, *others}:
        yield recipe.line(f"recipes_{wrong}.py"), f"no recipe {wrong}: link to another"
    if len(linked & set(others)) < 2:
        yield 1, "fewer than two links to other recipes: say what to read next"
    if not any(slug in LINK.findall(text) for text in others.values()):
        yield 1, "no other recipe links here: add a link where it helps"


def runs_everywhere(recipe: Recipe) -> Found:
    for node in (n for n in recipe.names if recipe.names[n] in ONLY_IN_SCRIPTS):
        yield node.lineno, f"{recipe.names[node]} does not work in a notebook: do without"
    for node in recipe.nodes(ast.Call):
        if getattr(node.func, "attr", "") in ARGUMENTS and not node.args:
            yield node.lineno, f"{node.func.attr} reads the notebook's own arguments: give it some"
    for node in recipe.nodes(ast.Raise):
        if node.exc and "SystemExit" in ast.unparse(node.exc):
            yield node.lineno, "it exits, and the rest does not run: use if or raise another"
    later = recipe.nodes(ast.FunctionDef, ast.ClassDef, ast.Lambda)
    later += [node for node in recipe.nodes(ast.If) if "__name__" in ast.unparse(node.test)]
    hidden = {inner for node in later for inner in ast.walk(node)}
    for node in set(recipe.nodes(ast.keyword)) - hidden:
        if node.arg == "num_workers" and ast.unparse(node.value) != "0":
            yield node.value.lineno, "num_workers at module level: guard it, or use 0"
    # A mesh in PyTorch's caches keeps gloo's threads; one that ends after Python aborts it.
    ends = [n for n in recipe.nodes(ast.Constant) if "destroy_process_group()" in str(n.value)]
    if ends and "init_device_mesh(" in recipe.text and "time.sleep(" not in recipe.text:
        yield ends[0].lineno, "gloo can abort this program: add time.sleep(1) at its end"


def messages_are_printed(recipe: Recipe) -> Found:
    return error_index.unprinted(recipe.path.stem, recipe.path.parents[2])


RULES = [
    header_is_complete, dependencies_are_the_imports, datasets_are_declared,
    title_and_outcome_are_short, lines_are_short_and_final, cells_and_prose_are_short,
    evidence_is_printed_and_asserted, links_lead_to_siblings_and_back,
    runs_everywhere, writing, messages_are_printed,
]  # fmt: skip


def problems(path: Path) -> list[str]:
    """What is wrong with the recipe in this file, a line each; empty if nothing is."""
    try:
        recipe = Recipe(path)
        found = [problem for rule in RULES for problem in rule(recipe)]
    except (OSError, SphinxError, SyntaxError, ValueError) as error:
        found = [(getattr(error, "lineno", None) or 1, " ".join(str(error).split()))]
    name = path.relative_to(path.parents[2]).as_posix()
    return [f"{name}:{line}: {what}" for line, what in sorted(found)]


def main() -> None:
    """The command: all recipes of this project.

    Raises:
        SystemExit: with status 1 if there are problems.
    """
    root = Path(__file__).resolve().parents[1]
    found = [line for path in sources(root / layout.SOURCES) for line in problems(path)]
    found += strays.strays(root)
    print("\n".join(found) or "no problems")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
