"""Writes lines of text of a tree of docutils as Markdown.

Problem: what is marked must stay marked, and nothing else may become markup.
Usage: ``Inline(image).inline(node)``; ``escaped`` and ``code`` on plain text.
Result: text for one line.
"""

import re
from collections.abc import Callable

from docutils import nodes

SPECIAL = re.compile(r"[\\`*\[\]<$~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
AT_START = re.compile(r"^(?:([-+>])(?=\s|$|>)|(#{1,6}(?=\s|$)|[=-]+\s*$)|(\d+)([.)](?=\s|$)))")
SILENT = (
    nodes.comment, nodes.target, nodes.substitution_definition, nodes.system_message,
    nodes.pending, nodes.meta, nodes.decoration,
)  # fmt: skip
ENDS = {"emphasis": ("*", "em"), "title_reference": ("*", "em"), "strong": ("**", "strong")}


class Inline:
    """Writes lines.

    Args:
        image: gives the address of a picture; "" if it has none where the text is read.
    """

    def __init__(self, image: Callable[[str], str] = str) -> None:
        self.address, self.in_table = image, False

    def inline(self, node: nodes.Node) -> str:
        """A line of text."""
        if isinstance(node, nodes.Text):
            return escaped(re.sub(r"\s*\n\s*", " ", node.astext()))
        parts = [(child, self.span(child)) for child in node.children]
        found = ""
        for place, (child, text) in enumerate(parts):
            after = parts[place + 1][1][:1] if place + 1 < len(parts) else ""
            name = child.tagname
            if name in ENDS and text.strip():
                mark, tag = ENDS[name]
                edges = (found[-1:], text[0]), (after, text[-1])
                plain = all(inner.isalnum() or not far.isalnum() for far, inner in edges)
                plain = plain and "*" not in (found[-1:], after)
                text = f"{mark}{text}{mark}" if plain else f"<{tag}>{text}</{tag}>"
            found += text
        return found

    def span(self, node: nodes.Node) -> str:
        """A part of a line; emphasis is added to it where its neighbours are known."""
        text = node.astext()
        match node.tagname:
            case "literal":
                return code(" ".join(text.split("\n")))
            case "math":
                return "$" + (text.replace("|", r"\vert ") if self.in_table else text) + "$"
            case "subscript" | "superscript":
                return f"<{node.tagname[:3]}>{self.inline(node)}</{node.tagname[:3]}>"
            case "reference" if "refuri" in node:
                return self.link(node)
            case "image":
                return self.picture(node)
            case "footnote_reference" | "citation_reference":
                return f"\\[{self.inline(node)}\\]"
            case "raw":
                return text if "html" in node["format"].split() else ""
        return "" if isinstance(node, SILENT) and not text.strip() else self.inline(node)

    def link(self, node: nodes.reference) -> str:
        """A link; to what its text says, in the short form."""
        address = re.sub(r"[\s()<>]", lambda match: f"%{ord(match[0]):02X}", node["refuri"])
        if node.astext() == node["refuri"]:
            return f"<{address}>"
        if f"mailto:{node.astext()}" == node["refuri"]:
            return f"<{node.astext()}>"
        return f"[{self.inline(node)}]({address})"

    def picture(self, node: nodes.image) -> str:
        """A picture; where it has no address, what it shows in words."""
        alt = escaped(" ".join(node.get("alt", "").split()))
        address = self.address(node["uri"])
        return f"![{alt}]({address})" if address else alt and f"*{alt}*"


def escaped(text: str) -> str:
    """A text in which nothing is markup."""
    return SPECIAL.sub(r"\\\g<0>", text)


def at_start(text: str) -> str:
    """A paragraph that does not begin like a list, a heading or a quotation."""
    return AT_START.sub(lambda m: f"{m[3]}\\{m[4]}" if m[3] else f"\\{m[0]}", text)


def code(text: str) -> str:
    """Code in a line of text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def quoted(text: str) -> str:
    """Some blocks as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
