"""The roles and directives of Sphinx, for docutils alone.

Problem: a notebook is made before Sphinx reads the page, and docutils knows only half of what a
page may be written in.
Usage: ``read(text)``.
Result: a tree with what a reader of the page reads; in the place of a role that leads somewhere is
an ``inline`` node with its ``role``, ``target`` and ``title``, as that is known later.
"""

import re
from importlib import import_module
from threading import Lock
from typing import Any

from docutils import nodes, utils
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

SETTINGS = {
    "report_level": 5, "halt_level": 6, "doctitle_xform": False, "docinfo_xform": False,
    "syntax_highlight": "none", "_disable_config": True, "warning_stream": False,
}  # fmt: skip
ONE_AT_A_TIME = Lock()  # docutils finds roles and directives in tables of its module
EXPLICIT = re.compile(r"(?s)(?P<title>.+?)\s*(?<!\x00)<(?P<target>[^<>]*)>")
NATIVE = {"code", "math", "subscript", "superscript", "emphasis", "strong", "literal", "raw",
          "title-reference"}  # fmt: skip
EMPHASIS = {"dfn", "mimetype", "manpage", "newsgroup", "mailheader", "makevar"}
STRONG = {"command", "program", "guilabel", "menuselection"}
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


def read(text: str, source: str = "", default_role: str = "") -> nodes.document:
    """The tree of some rst; ``source`` is the path of the page, which files are named from."""
    with Dispatcher(default_role):
        return publish_doctree(text, source_path=source, settings_overrides=SETTINGS)
