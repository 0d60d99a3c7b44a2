"""What a recipe's prose says, as docutils reads it: the one source of page, notebook and twin.

Problem: what a role or a directive means depends on where it stands, in a table, a heading or
in code that only shows it; a conversion of raw text knows nothing of that.
Usage: ``to_markdown(texts, links)`` for the text cells of a recipe; ``heading(docstring)`` for its
title and outcome.
Result: the text is parsed as Sphinx parses it for the page, with the same roles and directives, and
written as Markdown. What is wrong with it, Sphinx says when it reads the page.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

from docutils import nodes, utils
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

from .links import Links
from .markdown import BREAK, Writer

SETTINGS = {
    "report_level": 5, "halt_level": 6, "doctitle_xform": False, "docinfo_xform": False,
    "syntax_highlight": "none", "_disable_config": True, "warning_stream": False,
}  # fmt: skip
NOWHERE = Links()
ONE_AT_A_TIME = Lock()  # docutils finds roles and directives in tables of its module
EXPLICIT = re.compile(r"(?s)(?P<title>.+?)\s*(?<!\x00)<(?P<target>[^<>]*)>")
NATIVE = {"code", "math", "subscript", "superscript", "emphasis", "strong", "literal", "raw",
          "title-reference"}  # fmt: skip
EMPHASIS = {"dfn", "mimetype", "manpage", "newsgroup", "mailheader", "makevar"}
STRONG = {"command", "program", "guilabel", "menuselection"}
WORDS = {"ref", "doc", "numref", "term", "any", "download", "eq", "index",
         "keyword"}  # fmt: skip
VERSIONS = {
    "versionadded": "Added in version {}", "version-added": "Added in version {}",
    "versionchanged": "Changed in version {}", "version-changed": "Changed in version {}",
    "deprecated": "Deprecated since version {}", "versionremoved": "Removed in version {}",
    "version-deprecated": "Deprecated since version {}", "version-removed": "Removed in version {}",
}  # fmt: skip
CODE = {"code", "code-block", "sourcecode", "highlight"}
NO_PROSE = {
    "contents", "currentmodule", "default-domain", "highlight", "image-sg", "index", "meta",
    "minigallery", "py:currentmodule", "sectnum", "tabularcolumns", "toctree", "todo", "todolist",
}  # fmt: skip
HTML = {"html": True, "builder_html": True, "format_html": True}


class AnyOptions(dict):
    """All options of a directive are allowed; what they say is for Sphinx."""

    def __missing__(self, name: str) -> Any:
        return directives.unchanged


class OfSphinx(Directive):
    """A directive that Sphinx knows and docutils does not, or not in the same way."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = AnyOptions(name=directives.unchanged)

    def run(self) -> list[nodes.Node]:
        """What of it a reader reads."""
        argument = self.arguments[0] if self.arguments else ""
        if self.name in NO_PROSE:
            return []
        if self.name in CODE:
            text = "\n".join(self.content)
            block = nodes.literal_block(text, text, language=argument)
            return [*self.parsed(self.options.get("caption", "")), block]
        if self.name == "math":
            text = "\n\n".join(filter(None, (argument, "\n".join(self.content))))
            return [nodes.math_block(text, text)]
        if self.name == "only" and not is_shown(argument):
            return []
        if self.name in VERSIONS:
            return [self.changed(*argument.split(None, 1))]
        if self.name == "seealso":
            title = nodes.title("", "See also")
            return [nodes.admonition("", title, *self.parsed(argument), *self.body())]
        if self.name == "centered":
            return self.parsed(argument)
        return self.body()  # of one that is not known

    def changed(self, version: str = "", note: str = "") -> nodes.Node:
        """What was changed in a version."""
        box = nodes.container("", *self.parsed(note), *self.body())
        label = VERSIONS[self.name].format(version)
        if len(box) and isinstance(box[0], nodes.paragraph):
            box[0].insert(0, [nodes.emphasis("", f"{label}:"), nodes.Text(" ")])
        else:
            box.insert(0, nodes.paragraph("", "", nodes.emphasis("", f"{label}.")))
        return box

    def body(self) -> list[nodes.Node]:
        """The nodes of its content."""
        box = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, box, match_titles=True)
        return box.children

    def parsed(self, text: str) -> list[nodes.Node]:
        """A paragraph of an argument."""
        if not text:
            return []
        found, _ = self.state.inline_text(text, self.lineno)
        return [nodes.paragraph(text, "", *found)]


def is_shown(condition: str) -> bool:
    """Whether ``only`` shows something in HTML."""
    from jinja2 import Environment

    try:
        names = Environment().compile_expression(condition, undefined_to_none=True)
        return bool(names(**HTML))
    except Exception:  # Sphinx says so, and shows it
        return True


class Dispatcher:
    """Has docutils know, for a while, the roles and directives of Sphinx.

    Args:
        default_role: of text between single backquotes; "" for that of docutils.
    """

    def __init__(self, default_role: str = "") -> None:
        self.default_role = default_role

    def __enter__(self) -> None:
        ONE_AT_A_TIME.acquire()
        self.directive_of, self.role_of = directives.directive, roles.role
        directives.directive, roles.role = self.directive, self.role

    def __exit__(self, *error: object) -> None:
        directives.directive, roles.role = self.directive_of, self.role_of
        ONE_AT_A_TIME.release()

    def directive(self, name: str, language: Any, document: nodes.document) -> tuple:
        """The class of a directive."""
        known = "class" if name == "rst-class" else language.directives.get(name.lower())
        if known in CODE | NO_PROSE | {None, "math"} or known not in directives._directive_registry:
            return OfSphinx, []
        module, found = directives._directive_registry[known]  # whatever Sphinx registered since
        return getattr(import_module(f"{directives.__name__}.{module}"), found), []

    def role(self, name: str, language: Any, line: int, reporter: Any) -> tuple:
        """The function of a role."""
        name = name or self.default_role
        known = language.roles.get(name.lower() or "title-reference")
        if known in NATIVE:
            return roles._role_registry[known], []
        found, _ = self.role_of(name, language, line, reporter)
        if isinstance(found, roles.CustomRole):  # defined in the text itself, or by Sphinx
            return found, []
        return lambda _, raw, text, *rest, **more: ([role_of_sphinx(name, raw, text)], []), []


def role_of_sphinx(name: str, raw: str, text: str) -> nodes.Node:
    """The words of a role, or a place for what it leads to, which is known when all is read."""
    kind = name.lower().rpartition(":")[2]
    match = EXPLICIT.fullmatch(text)
    title, target = (match["title"], match["target"]) if match else ("", text)
    title, target = (" ".join(utils.unescape(part).split()) for part in (title, target))
    plain = utils.unescape(text)
    if kind in ("file", "samp"):
        return nodes.literal(raw, re.sub(r"[{}]", "", plain))
    if kind in ("kbd", "regexp"):
        return nodes.literal(raw, plain)
    if kind in EMPHASIS:
        return nodes.emphasis(raw, plain)
    if kind in STRONG:
        plain = re.sub(r"&(&?)", r"\1", plain) if kind in ("guilabel", "menuselection") else plain
        return nodes.strong(raw, plain.replace("-->", "\N{TRIANGULAR BULLET}"))
    if kind == "abbr":
        return nodes.Text(re.sub(r"\s*\([^()]*\)$", "", plain))
    return nodes.inline(raw, "", role=kind, target=target, title=title)


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
        default_role: see ``Dispatcher``.
    """

    def __init__(
        self, texts: Sequence[str], source: str = "", docname: str = "", default_role: str = ""
    ) -> None:
        self.docname, self.count = docname, len(texts)
        text = f"\n\n{BREAK}\n\n".join(texts)
        with Dispatcher(default_role):
            self.document = publish_doctree(text, source_path=source, settings_overrides=SETTINGS)

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


def to_markdown(*texts: str, links: Links = NOWHERE) -> list[str]:
    """Some rst as Markdown."""
    return Prose(texts).markdown(links)


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
