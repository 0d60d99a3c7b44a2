"""The house rules on how a recipe is written: what it hands over, shows and says.

Problem: a recipe can prove a technique and never show the lines that one would write.
Usage: ``writing(recipe)``, one of the rules of ``tools.house_rules``.
Result: as in ``tools.house_rules``.
"""

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_gallery.varying import VARIES, varies
from recipe_site import layout

if TYPE_CHECKING:
    from .house_rules import Found, Recipe

SECTION_LINES = 12
SENTENCE = 28  # words
# The colours of figures: the mended way, the naive one; others and what is neither.
ROLES = {"tab:blue", "tab:orange", "tab:gray", "black", "white", "gray", "silver", "none"}
ROLES |= {f"C{number}" for number in range(4)}  # in matplotlib's order, blue and orange first
COLOURED = {"color", "c", "facecolor", "facecolors", "edgecolor", "edgecolors"}
AVOIDED = ("that of", "those of", "of its own", "of their own")
# What is left of prose when names, links and directives are taken out.
NOT_PROSE = (
    (r"(?m)^ *\.\. .*\n(?:\n* +.*\n?)*", "\n\n"),
    (r":[a-z:]+:`[^`]*`|``[^`]*``|`[^`]*`_{1,2}", "name"),
)
UNDERLINE = re.compile(r"(?m)^[=~^-]{4,}$")


def headings(text: str) -> list[str]:
    """The headings in a block of prose."""
    return re.findall(r"(?m)^(\S.*)\n[=~^-]{4,}$", text)


def sentences(text: str) -> Iterator[str]:
    """The sentences in a block of prose, without its headings."""
    for pattern, new in NOT_PROSE:
        text = re.sub(pattern, new, text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        if not UNDERLINE.search(paragraph):
            yield from re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split()))


def section(recipe: "Recipe") -> tuple[int, str] | None:
    """The line and the code of what is under the heading; None if there is no such section."""
    line, code = 0, ""
    for block in recipe.blocks:
        found = headings(block.content) if block.type == "text" else []
        if layout.IN_YOUR_PROJECT in found:
            line = recipe.line(f"# {layout.IN_YOUR_PROJECT}")
        elif line and found:
            break
        if line and block.type == "code":
            code += block.content
    return (line, code) if line else None


def lines_are_ready_to_use(recipe: "Recipe") -> "Found":
    if not (found := section(recipe)):
        yield 1, f"no section {layout.IN_YOUR_PROJECT!r}: write the lines that one would use"
        return
    line, code = found
    count = len(re.findall(r"(?m)^ *[^\s#]", code))
    if not 1 <= count <= SECTION_LINES:
        yield line, f"{count} lines of code in your project: write 1 to {SECTION_LINES}"
    if code and not re.search(r"#.*\w", code):
        yield line, "no comment in your project: mark the line that is new"
    if re.search(r"\.backward\(", code) and not re.search(r"\bdevice\b|\brank\b", code):
        yield line, "it trains a model and names no device: move the model and the data to one"
    definitions = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    body = ast.parse(code).body
    defined = {getattr(node, "name", "") for node in body}
    used = any(n.id in defined for n in recipe.nodes(ast.Name))
    if code and not used and all(isinstance(node, definitions) for node in body):
        yield line, "nothing is executed in your project: call what is defined"


def messages_are_whole(recipe: "Recipe") -> "Found":
    for handler in (node for node in recipe.nodes(ast.ExceptHandler) if node.name):
        for node in ast.walk(handler):
            if not isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.Return):
                continue
            text = ast.unparse(node)
            rest = text.replace(f"type({handler.name})", "")
            if rest != text and not re.search(rf"\b{handler.name}\b", rest):
                yield node.lineno, "a message by its class only: print the exception itself"


def figures_do_not_deceive(recipe: "Recipe") -> "Found":
    scale = {"bar": "y", "barh": "x"}
    for block in (block for block in recipe.blocks if block.type == "code"):
        for kind, axis in scale.items():
            log = rf"{axis}scale=.log|set_{axis}scale\(.log|semilog{axis}\(|loglog\("
            if (bars := re.search(rf"\.{kind}\(", block.content)) and re.search(log, block.content):
                below = block.content.count("\n", 0, bars.start())
                yield block.lineno + below, "bars on a logarithmic axis: draw points"


def colours_have_roles(recipe: "Recipe") -> "Found":
    given = [keyword.value for keyword in recipe.nodes(ast.keyword) if keyword.arg in COLOURED]
    for node in recipe.nodes(ast.Constant):
        value = node.value if isinstance(node.value, str) else ""
        if value in ROLES or re.fullmatch(r"0\.\d+", value):  # or a gray
            continue
        if value.startswith("tab:") or (value and node in given):
            yield node.lineno, f"the colour {value!r}: choose from {', '.join(sorted(ROLES))}"


def nothing_is_there_for_the_build(recipe: "Recipe") -> "Found":
    for node in (n for n in recipe.names if recipe.names[n] == "os._exit"):
        yield node.lineno, "os._exit skips what Python does at its end: let the function return"
    for number, line in enumerate(recipe.text.splitlines(), 1):
        if re.search(r"# fmt: (skip|off)", line):
            yield number, "a comment for a formatter: lay it out as you like, without"
    for node in recipe.nodes(ast.Assign):
        if ast.unparse(node.targets[0]) == "_":
            yield node.lineno, "_ = hides a value: use the value, or do not end the cell with it"


def what_differs_is_declared_at_the_top(recipe: "Recipe") -> "Found":
    cells = [block.content for block in recipe.blocks if block.type == "code"]
    if recipe.text.count(VARIES) != sum(map(varies, cells)):
        yield recipe.line(VARIES), "not the first line of a code cell: move it there"


def prose_is_its_own(recipe: "Recipe") -> "Found":
    template = recipe.path.parents[1] / "template.py"
    text = template.read_text("utf-8") if template.is_file() else ""
    theirs = {line.strip("# ") for line in text.splitlines() if not recipe.is_code(line)}
    for number, line in enumerate(recipe.text.splitlines(), 1):
        if len(line.split()) > 6 and not recipe.is_code(line) and line.strip("# ") in theirs:
            yield number, "this is the template's prose: write your own"
            return  # the first is enough


def prose_is_plain(recipe: "Recipe") -> "Found":
    for block in (block for block in recipe.blocks if block.type == "text"):
        for sentence in sentences(block.content):
            if (count := len(re.findall(r"\S*\w\S*", sentence))) > SENTENCE:
                start = " ".join(sentence.split()[:5])
                yield block.lineno, f"{count} words from {start!r} on: {SENTENCE} at most"
            for words in AVOIDED:
                if re.search(rf"(?i)\b{words}\b", sentence):
                    yield block.lineno, f"{words!r}: repeat the noun"


RULES = [
    lines_are_ready_to_use, messages_are_whole, figures_do_not_deceive, colours_have_roles,
    nothing_is_there_for_the_build, what_differs_is_declared_at_the_top, prose_is_its_own,
    prose_is_plain,
]  # fmt: skip


def writing(recipe: "Recipe") -> "Found":
    """What these rules say of a recipe."""
    for rule in RULES:
        yield from rule(recipe)
