"""Docstrings name only what is there.

Looked at is what stands between double backticks and looks like ``module.name`` of our packages,
or like a call of a function, with the names of its arguments; a single word there has to be
somewhere in the code; and what a role such as ``:class:`` names.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit
PACKAGES = ("recipe_gallery", "recipe_site", "tools")
LITERAL = re.compile(r"``([^`\n]+)``")
ROLE = re.compile(r":(?:class|func|meth|mod|data):`~?([\w.]+)`")
CALL = re.compile(r"(?:with |await )?([A-Za-z_][\w.]*)\(([\w, ]*|\.\.\.)\)")
WORD = re.compile(r"[a-z_]\w*")
OTHERS = {"extensions", "generate_file_rst", "sphinx_reredirects"}  # words of Sphinx and others
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def modules() -> Iterator[ModuleType]:
    """All modules of our packages."""
    for package in PACKAGES:
        yield (top := importlib.import_module(package))
        for found in pkgutil.iter_modules(top.__path__, f"{package}."):
            yield importlib.import_module(found.name)


def docstrings(module: ModuleType) -> Iterator[str]:
    """Those of a module, and of its classes and functions."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


MODULES = {module.__name__: module for module in modules()}


def words_of_code() -> set[str]:
    """All names in our code, and all words of its strings but docstrings."""
    words = set()
    for module in MODULES.values():
        nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
        for node in nodes:
            kind = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            if kind and ast.get_docstring(node):
                node.body[0].value.value = ""
        for node in nodes:
            values = [getattr(node, field, None) for field in node._fields]
            words |= {w for v in values if isinstance(v, str) for w in re.findall(r"\w+", v)}
    return words


WORDS = words_of_code() | set(sys.stdlib_module_names) | OTHERS


def find(name: str, near: ModuleType) -> object:
    """What a name means in a docstring of a module, None if nothing.

    Searched in the module, its package's modules, what those have, and our packages.
    """
    first, *rest = name.split(".")
    package = near.__name__.partition(".")[0]
    places = [near, MODULES[package]]
    places += [m for n, m in MODULES.items() if n.startswith(f"{package}.")]
    starts = [MODULES.get(first), MODULES.get(f"{package}.{first}")]
    starts += [vars(place)[first] for place in places if first in vars(place)]
    classes = [c for c in vars(near).values() if inspect.isclass(c) and hasattr(c, first)]
    starts += [getattr(c, first) for c in classes]
    for start in starts:
        if start is None:
            continue
        try:
            for part in rest:
                start = getattr(start, part)
        except AttributeError:
            continue
        return start
    return None


def is_ours(name: str, near: ModuleType) -> bool:
    """Whether a dotted name begins like something of ours: a module or a package."""
    first, package = name.split(".")[0], near.__name__.partition(".")[0]
    return first in PACKAGES or f"{package}.{first}" in MODULES


def wrong_names(text: str, near: ModuleType) -> list[str]:
    """The names in a docstring that nothing has."""
    wrong = [name for name in ROLE.findall(text) if find(name, near) is None]
    for literal in LITERAL.findall(text):
        if call := CALL.match(literal):
            name, arguments = call[1], re.findall(r"\w+", call[2])
            found = find(name, near)
            if found is None:
                wrong.append(literal)
            elif callable(found) and all(a.isidentifier() for a in arguments):
                known = inspect.signature(found).parameters
                wrong += [f"{literal}: {a}" for a in arguments if a not in known]
        elif WORD.fullmatch(literal):
            wrong += [literal] if literal not in WORDS else []
        elif NAME.fullmatch(literal) and is_ours(literal, near) and find(literal, near) is None:
            wrong.append(literal)
    return wrong


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_name_what_is_there(name) -> None:
    """In the module itself, its package, or another package of ours."""
    module = MODULES[name]
    wrong = [w for text in docstrings(module) for w in wrong_names(text, module)]
    assert not wrong, f"{name} speaks of {', '.join(wrong)}, which does not exist"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("``write(path, content)``", 0),
        ("``files.write`` and :func:`files.write`", 0),
        ("``write(path, text)``", 1),
        ("``no_such_function(x)``", 1),
        ("``files.no_such_name``", 1),
        (":class:`NoSuchClass`", 1),
        ("``run`` and ``made of``", 0),
        ("``recipe_needs``", 1),
        ("``conf.py`` and ``a.b``", 0),
    ],
)
def test_a_wrong_name_is_found(text, count) -> None:
    """And words that look like one are left alone."""
    assert len(wrong_names(text, MODULES["recipe_gallery.store"])) == count
