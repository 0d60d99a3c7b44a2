"""Writes a tree of docutils as Markdown, as Jupyter and GitHub read it.

Problem: docutils has no writer for Markdown, and what it marks must stay marked: a table a table,
code code, and nothing else may become markup.
Usage: ``Writer(image).cells(document)``.
Result: the texts between the paragraphs that are ``BREAK``. What has no counterpart, such as a
footnote, is text; of comments, labels and what only HTML uses nothing is left.
"""

import re
from collections.abc import Callable, Iterable
from textwrap import indent

from docutils import nodes

from .markdown_text import SILENT, Inline, at_start, code, escaped, quoted
from .terminal import fenced

BREAK = "cell-break-7f3a"  # a paragraph of its own, between the text cells of a recipe


class Writer(Inline):
    """Writes one document.

    Args:
        image: gives the address of a picture; "" if it has none where the text is read.
    """

    def __init__(self, image: Callable[[str], str] = str) -> None:
        super().__init__(image)
        self.level = 0

    def cells(self, document: nodes.document) -> list[str]:
        """The text of each cell."""
        cells: list[list[str]] = [[]]
        for block in self.blocks(document):
            if block == BREAK:
                cells.append([])
            else:
                cells[-1].append(block)
        return ["\n\n".join(cell).strip() for cell in cells]

    def blocks(self, node: nodes.Element) -> list[str]:
        """What is below a node, block by block."""
        found: list[str] = []
        before = None
        for child in node.children:
            if isinstance(child, SILENT):
                continue
            name = child.tagname
            if name == before and name.endswith("_list"):  # else they were one
                found.append("<!-- -->")
            before = name
            write = getattr(self, f"write_{name}", None)
            if write:
                found += write(child)
            elif isinstance(child, nodes.Admonition):
                title = child[0] if isinstance(child[0], nodes.title) else None
                label = self.inline(title) if title else f"{name.capitalize()}"
                found += self.box(label, child)
            elif isinstance(child, nodes.TextElement | nodes.Text | nodes.Inline):
                found += [text] if (text := at_start(self.inline(child))) else []
            else:
                found += self.blocks(child)
        return found

    # -- Blocks ------------------------------------------------------------------------

    def write_section(self, node: nodes.section) -> list[str]:
        """A heading and what is below it."""
        self.level += 1
        found = self.blocks(node)
        self.level -= 1
        return found

    def write_title(self, node: nodes.title) -> list[str]:
        """A heading; of anything else but a section, a line."""
        text = self.inline(node)
        if not isinstance(node.parent, nodes.section):
            return [] if isinstance(node.parent, nodes.Admonition | nodes.topic) else [f"*{text}*"]
        return ["#" * min(6, self.level) + " " + re.sub(r"(#+)$", r"\\\1", text)]

    def write_rubric(self, node: nodes.rubric) -> list[str]:
        """A heading that is in no table of contents."""
        return [f"**{self.inline(node)}**"]

    def write_literal_block(self, node: nodes.literal_block) -> list[str]:
        """Code, or what looks like it."""
        if self.in_table:
            return ["<br>".join(code(line) for line in node.astext().split("\n"))]
        return [fenced(node.astext(), node.get("language", ""))]

    def write_doctest_block(self, node: nodes.doctest_block) -> list[str]:
        """A session in the interpreter."""
        return self.write_literal_block(nodes.literal_block("", node.astext(), language="pycon"))

    def write_math_block(self, node: nodes.math_block) -> list[str]:
        """A formula by itself."""
        return [f"$${node.astext().strip()}$$"]

    def write_raw(self, node: nodes.raw) -> list[str]:
        """HTML, which is in pages."""
        return [node.astext()] if "html" in node["format"].split() else []

    def write_transition(self, node: nodes.transition) -> list[str]:
        """A line across the page."""
        return ["* * *"]

    def write_block_quote(self, node: nodes.block_quote) -> list[str]:
        """A quotation."""
        return [quoted("\n\n".join(self.blocks(node)))]

    def write_attribution(self, node: nodes.attribution) -> list[str]:
        """Who is quoted."""
        return [f"— {self.inline(node)}"]

    def box(self, label: str, node: nodes.Element) -> list[str]:
        """A note, or what stands beside the text."""
        below = self.blocks(node)
        text = "\n\n".join(below)
        gap = "\n" if below and below[0][0].isalnum() else "\n\n"
        return [quoted(f"**{label}:**{gap}{text}" if text else f"**{label}**")]

    def write_topic(self, node: nodes.topic) -> list[str]:
        """A part with a title of its own."""
        title = isinstance(node[0], nodes.title) if len(node) else False
        return self.box(self.inline(node[0]), node) if title else self.write_block_quote(node)

    write_sidebar = write_topic

    def write_line_block(self, node: nodes.line_block, depth: int = 0) -> list[str]:
        """Lines that stay as they are."""
        lines = []
        for child in node.children:
            if isinstance(child, nodes.line_block):
                lines += self.write_line_block(child, depth + 1)
            else:
                lines.append("\u2003" * depth + self.inline(child))
        return lines if depth else ["  \n".join(lines)]

    def write_image(self, node: nodes.image) -> list[str]:
        """A picture by itself."""
        return list(filter(None, [self.picture(node)]))

    def write_footnote(self, node: nodes.footnote) -> list[str]:
        """A note, where it stands in the text."""
        label, *rest = node.children
        first, *others = self.blocks(nodes.container("", *[n.deepcopy() for n in rest])) or [""]
        return [f"\\[{self.inline(label)}\\] {first}", *others]

    write_citation = write_footnote

    # -- Lists -------------------------------------------------------------------------

    def write_bullet_list(self, node: nodes.bullet_list) -> list[str]:
        """A list; without empty lines if no item has more than one paragraph."""
        return [self.items(node, ("- " for _ in node.children))]

    def write_enumerated_list(self, node: nodes.enumerated_list) -> list[str]:
        """A list with numbers."""
        start = node.get("start", 1)
        return [self.items(node, (f"{start + i}. " for i in range(len(node.children))))]

    def items(self, node: nodes.Element, markers: Iterable[str]) -> str:
        """The items of a list."""
        gap = "\n" if is_tight(node) else "\n\n"
        found = []
        for child, marker in zip(node.children, markers, strict=False):
            text = gap.join(self.blocks(child))
            found.append((marker + indent(text, " " * len(marker)).lstrip()).rstrip())
        return gap.join(found)

    def write_definition_list(self, node: nodes.Element) -> list[str]:
        """Terms and what they mean; also names and values, options and descriptions."""
        found = []
        for child in node.children:
            *names, body = child.children
            term = "** : **".join(self.inline(name) for name in names)
            below = self.blocks(body)
            found.append("\n\n".join([f"- **{term}**", *(indent(text, "  ") for text in below)]))
        return ["\n\n".join(found)]

    write_field_list = write_definition_list

    def write_option_list(self, node: nodes.option_list) -> list[str]:
        """Options of a command and what they do."""
        found = []
        for child in node.children:
            names = ", ".join(code(option.astext()) for option in child[0].children)
            below = self.blocks(child[1])
            found.append("\n\n".join([f"- {names}", *(indent(text, "  ") for text in below)]))
        return ["\n\n".join(found)]

    # -- Tables ------------------------------------------------------------------------

    def write_table(self, node: nodes.table) -> list[str]:
        """A table; a cell that spans several stands in the first of them."""
        if self.in_table:
            return [re.sub(r"\s+", " ", escaped(node.astext()))]
        (group,) = node.findall(nodes.tgroup)
        self.in_table = True
        head, rows = [], []
        for part in group.children:
            if isinstance(part, nodes.thead):
                head = self.rows(part, group["cols"])
            elif isinstance(part, nodes.tbody):
                rows = self.rows(part, group["cols"])
        self.in_table = False
        first, *others = head or [[""] * group["cols"]]
        lines = [first, ["---"] * group["cols"], *others, *rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        titles = [child for child in node.children if isinstance(child, nodes.title)]
        return [*(line for title in titles for line in self.write_title(title)), text]

    def rows(self, part: nodes.Element, columns: int) -> list[list[str]]:
        """The cells of some rows."""
        taken: set[tuple[int, int]] = set()
        rows = []
        for y, row in enumerate(part.children):
            line = [""] * columns
            for entry in row.children:
                x = next(i for i in range(columns) if (y, i) not in taken)
                right, down = entry.get("morecols", 0), entry.get("morerows", 0)
                taken |= {(y + j, x + i) for i in range(right + 1) for j in range(down + 1)}
                text = "<br>".join(self.blocks(entry))
                line[x] = re.sub(r"\s*\n", "<br>", text).replace("|", "\\|")
            rows.append(line)
        return rows


def is_tight(node: nodes.Element) -> bool:
    """Whether each item of a list is a paragraph, with lists of that kind below it."""
    for item in node.children:
        first, *others = item.children or [nodes.paragraph()]
        lists = [isinstance(c, nodes.bullet_list | nodes.enumerated_list) for c in others]
        if not isinstance(first, nodes.paragraph) or not all(lists):
            return False
        if not all(is_tight(child) for child in others):
            return False
    return True
