"""What readers take away runs as it is, and prints what the page shows."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import nbclient
import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from recipe_header import BLOCK

pytestmark = pytest.mark.downloads


def shown_lines(page) -> list[list[str]]:
    """What the page prints, per code cell, without blank lines at the borders."""
    return [lines("".join(cell["outputs"])) for cell in page.cells()]


def lines(text: str) -> list[str]:
    """The lines of a text, without blank lines at its borders."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def test_three_recipes_are_taken(taken_slugs) -> None:
    """The links in the lead recipe's source were found."""
    assert len(taken_slugs) >= 3


def test_script_prints_what_the_page_shows(taken, reader_env, tmp_path) -> None:
    """The Python file, with plain python, in an empty folder."""
    script = taken.download(".py")
    copy = tmp_path / script.name
    copy.write_bytes(script.read_bytes())
    run = subprocess.run(
        [sys.executable, copy.name], cwd=tmp_path, env=reader_env, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    printed = lines(run.stdout)
    for block in filter(None, shown_lines(taken)):
        while printed and not printed[0]:  # between blocks
            printed.pop(0)
        assert printed[: len(block)] == block
        del printed[: len(block)]
    assert not printed, "it prints more than the page shows"


def test_notebook_prints_what_the_page_shows(taken, reader_env, tmp_path) -> None:
    """The notebook, in a fresh kernel, in an empty folder, cell by cell."""
    notebook = nbformat.read(taken.download(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=reader_env)
    printed = [
        lines("".join(out.text for out in cell.outputs if out.output_type == "stream"))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert printed == shown_lines(taken)


# -- What the Python file says ---------------------------------------------------------


@pytest.fixture(scope="module")
def source(taken) -> str:
    return taken.download(".py").read_text("utf-8")


@pytest.fixture(scope="module")
def header(source) -> dict:
    """The PEP 723 block, read as any other tool would."""
    block = BLOCK.search(source)
    assert block and source.startswith(block[0])
    return tomllib.loads(re.sub(r"(?m)^# ?", "", block["content"]))


def test_script_holds_no_trace_of_this_project(source) -> None:
    """Nothing that works only here."""
    assert not re.findall(r"(?i)stand-?in|extensions|RECIPE_DATA", source)


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
    for name in imported - sys.stdlib_module_names:
        providers = {canonicalize_name(d) for d in packages.get(name, [name])}
        assert providers & declared, f"{name} is imported and not declared"
