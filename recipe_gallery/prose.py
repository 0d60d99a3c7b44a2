"""What a recipe's prose says, as docutils reads it: the one source of page, notebook and twin.

Problem: what a role or a directive means depends on where it stands, in a table, a heading or
in code that only shows it; a conversion of raw text knows nothing of that.
Usage: ``Prose(texts)`` for the text cells of a recipe, then its ``markdown(links)`` and
``titles()``; ``heading(docstring)`` for its title and outcome.
Result: the text is parsed as Sphinx parses it for the page, with the same roles and directives, and
written as Markdown. What is wrong with it, Sphinx says when it reads the page.
"""

from collections.abc import Sequence
from functools import cache

from docutils import nodes

from .links import Links
from .markdown import BREAK, Writer
from .sphinx_markup import read

NOWHERE = Links()
WORDS = {"ref", "doc", "numref", "term", "any", "download", "eq", "index", "keyword"}


def resolve(node: nodes.inline, document: nodes.document, links: Links, docname: str) -> nodes.Node:
    """A link, or the words of one where its target has no address."""
    kind, target, title = node["role"], node["target"], node["title"]
    if kind in ("pep", "rfc"):
        number, _, anchor = target.partition("#")
        pages = {
            "pep": f"https://peps.python.org/pep-{number.zfill(4)}/",
            "rfc": f"https://datatracker.ietf.org/doc/html/rfc{number}.html",
        }
        address = pages[kind] + (f"#{anchor}" if anchor else "")
        return link(nodes.Text(title or f"{kind.upper()} {number}"), address)
    if target.startswith("!") or title.startswith("!"):  # "no link", for Sphinx
        return words(kind, (title or target).removeprefix("!"))
    place = links.place(target, docname) if kind in ("ref", "doc", "any") else None
    if place:
        return link(nodes.Text(title or place.title), links.address(place))
    if kind in WORDS:
        own = document.ids.get(document.nameids.get(nodes.fully_normalize_name(target)) or "")
        heading = own.next_node(nodes.title) if isinstance(own, nodes.section) else None
        return words(kind, title or (heading.astext() if heading else target.split("/")[-1]))
    label = title or target
    target = target.removesuffix("()")
    if target.startswith("~"):
        label = label if title else target[1:].rsplit(".", 1)[-1]
        target = target[1:]
    elif not title:
        label = target.lstrip(".")
    if kind in ("meth", "func") and not title:
        label += "()"
    if address := links.names.get(target):
        return link(nodes.Text(label), address)
    return words(kind, label)


def words(kind: str, text: str) -> nodes.Node:
    """The words of a link that has no address."""
    return nodes.Text(text) if kind in WORDS else nodes.literal(text, text)


def link(child: nodes.Node, address: str) -> nodes.Node:
    """A link, if there is an address."""
    return nodes.reference("", "", child, refuri=address) if address else child


class Prose:
    """The text cells of a recipe, read together: headings and notes refer to each other.

    Args:
        texts: the rst of each cell.
        source: the path of the page, which files are named from.
        docname: of the page.
        default_role: of text between single backquotes; "" for that of docutils.
    """

    def __init__(
        self, texts: Sequence[str], source: str = "", docname: str = "", default_role: str = ""
    ) -> None:
        self.docname, self.count = docname, len(texts)
        text = f"\n\n{BREAK}\n\n".join(texts)
        self.document = read(text, source, default_role)

    def markdown(self, links: Links) -> list[str]:
        """The cells as Markdown.

        Raises:
            ValueError: if markup goes on from one cell into the next.
        """
        document = self.document.deepcopy()
        for node in list(document.findall(nodes.inline)):
            if "role" in node:
                node.replace_self(resolve(node, self.document, links, self.docname))
        parts = Writer(links.image).cells(document)
        if len(parts) != max(1, self.count):
            raise ValueError("its text cells run into each other: is markup left open in one?")
        return parts

    def titles(self) -> list[nodes.section]:
        """The sections that have none above them, if the text begins with one: its title is its."""
        visible = [n for n in self.document.children if not isinstance(n, nodes.Invisible)]
        visible = [n for n in visible if not isinstance(n, nodes.system_message)]
        found = [node for node in visible if isinstance(node, nodes.section)]
        return found if found and found[0] is visible[0] else []


@cache
def heading(docstring: str) -> tuple[str, str]:
    """The title and the first paragraph of a docstring, "" where there is none.

    Both are plain text but for the double backquotes around code in the paragraph.
    """
    prose = Prose([docstring])
    section = next(iter(prose.titles()), None)
    if section is None:
        return "", ""
    for node in list(section.findall(nodes.inline)):
        if "role" in node:
            node.replace_self(resolve(node, prose.document, NOWHERE, ""))
    for message in list(section.findall(nodes.system_message)):
        message.parent.remove(message)
    paragraph = next(section.findall(nodes.paragraph), None)
    return spoken(section[0]).replace("``", ""), spoken(paragraph) if paragraph else ""


def spoken(node: nodes.Node) -> str:
    """The words of a line of text, with double backquotes around code."""
    if isinstance(node, nodes.footnote_reference | nodes.raw):
        return ""
    text = node.astext()
    if isinstance(node, nodes.literal):
        return text.replace("``", "") if "`" in text else f"``{text.strip()}``"
    if isinstance(node, nodes.Text):
        return text.replace("``", "")
    text = "".join(map(spoken, node.children))
    return text if isinstance(node, nodes.Inline) else " ".join(text.split())
