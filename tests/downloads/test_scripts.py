"""The Python file says what it needs, and holds nothing that works only here.

That it runs and prints what the page shows is the subject of ``tests/tools/test_verify.py``.
"""

import ast
import inspect
import pkgutil
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from conftest import every_page
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from recipe_gallery.header import BLOCK

pytestmark = pytest.mark.downloads


def script(page) -> str:
    """The text of the download."""
    return page.download(".py").read_text("utf-8")


def header(source: str) -> dict:
    """The PEP 723 block, read as any other tool would."""
    block = BLOCK.search(source)
    assert block and source.startswith(block[0])
    return tomllib.loads(re.sub(r"(?m)^# ?", "", block["content"]))


@every_page
def test_script_holds_no_trace_of_this_project(page) -> None:
    """Nothing that works only here."""
    ours = (
        r"(?i)\bstand-?in\b|\bdrawn_cifar|\brecipe_(gallery|site)\b|(from|import) tools\b|RECIPE_"
    )
    assert not re.findall(ours, script(page))


def can_download(name: str) -> bool:
    """Whether it gets files from the internet, as ``ImageFolder`` does not."""
    return "download" in inspect.signature(pkgutil.resolve_name(name)).parameters


@every_page
def test_script_downloads_its_data(page) -> None:
    """A declared data set is torchvision's, with download=True; no other is fetched."""
    source = script(page)
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
            if full.startswith("torchvision.datasets.") and can_download(full):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                calls.append((full, keywords.get("download")))
    declared = header(source)["tool"]["recipe"].get("datasets", [])
    assert set(calls) == {(f"torchvision.datasets.{name}", "True") for name in declared}


@every_page
def test_script_declares_what_it_imports(page) -> None:
    """``uv run`` installs every package that it needs."""
    source = script(page)
    declared = {canonicalize_name(Requirement(d).name) for d in header(source)["dependencies"]}
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
