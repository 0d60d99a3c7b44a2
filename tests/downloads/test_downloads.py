"""The Python file says what it needs, and holds nothing that works only here.

That it runs and prints what the page shows is the subject of ``test_verify.py``.
"""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from recipe_header import BLOCK

pytestmark = pytest.mark.downloads


@pytest.fixture(scope="module")
def source(page) -> str:
    return page.download(".py").read_text("utf-8")


@pytest.fixture(scope="module")
def header(source) -> dict:
    """The PEP 723 block, read as any other tool would."""
    block = BLOCK.search(source)
    assert block and source.startswith(block[0])
    return tomllib.loads(re.sub(r"(?m)^# ?", "", block["content"]))


def test_script_holds_no_trace_of_this_project(source) -> None:
    """Nothing that works only here."""
    assert not re.findall(r"(?i)\bstand-?in\b|\bextensions\b|RECIPE_DATA", source)


def test_script_downloads_its_data(source, header) -> None:
    """A declared data set is torchvision's, with download=True; no other is used."""
    names, calls = {}, []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                module = getattr(node, "module", None)
                full = f"{module}.{alias.name}" if module else alias.name
                names[alias.asname or alias.name.split(".")[0]] = full
        elif isinstance(node, ast.Call):
            first, *rest = ast.unparse(node.func).split(".")
            full = ".".join([names.get(first, first), *rest])
            if full.startswith("torchvision.datasets."):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                calls.append((full, keywords.get("download")))
    declared = header["tool"]["recipe"].get("datasets", [])
    assert set(calls) == {(f"torchvision.datasets.{name}", "True") for name in declared}


def test_script_declares_what_it_imports(source, header) -> None:
    """``uv run`` installs every package that it needs."""
    declared = {canonicalize_name(Requirement(d).name) for d in header["dependencies"]}
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    packages = packages_distributions()
    own = {name for name in imported if f'"{name}.py"' in source}  # the script writes it
    for name in imported - sys.stdlib_module_names - own:
        providers = {canonicalize_name(d) for d in packages.get(name, [name])}
        assert providers & declared, f"{name} is imported and not declared"
