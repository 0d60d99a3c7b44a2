"""The notebook of a recipe, with the outputs that its page shows.

Problem: galleries offer notebooks without outputs, in half-converted rst, so nobody sees
what to expect before running them.
Usage: ``make_notebook(...)`` where a recipe is typeset; ``api_links(...)`` once per build.
Result: nbformat 4.5 as stable bytes: prose as Markdown (by pandoc), code with the text and
figures captured at the one execution, links to the API and to other recipes, a first cell
that installs what is missing, and where the outputs come from in the metadata.
"""

import base64
import hashlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .model import Cell, Run
from .varying import TAG, varies

ROLE = re.compile(
    r"``[^`].*?``(?!`)|:(?P<role>[a-z:+]+):`(?:(?P<text>[^`<]+?)\s*<(?P<target>[^`>]+)>|(?P<name>[^`]+))`"
)
LABEL = re.compile(r"sphx_glr_[\w.-]+?\.py")
BREAK = "cell-break-7f3a"  # a paragraph of its own, between the blocks of a recipe
ALERT = re.compile(r"^([ >]*)> \[!(\w+)\]$", re.M)  # also in a list or in another note
DOCTEST = re.compile(r"(?:\A|(?<=\n\n))>>> .*(?:\n.+)*")
INSTALL = """\
# Installs what is missing; does nothing where all is there.
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

missing = []
for package in {names}:
    try:
        version(package)
    except PackageNotFoundError:
        missing.append(package)
if missing:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *missing])"""


@dataclass(frozen=True)
class Links:
    """Where the names and labels in a recipe's prose lead.

    Args:
        recipes: of each recipe's label its docname and title.
        names: addresses of API names.
        base: the site's address, "" if it is not known.
    """

    recipes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    base: str = ""


def label_of(docname: str) -> str:
    """The label that Sphinx-Gallery gives a recipe's page."""
    return f"sphx_glr_{docname.replace('/', '_')}.py"


def api_links(mapping: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Addresses of API names, from the local inventories of intersphinx that are plain text.

    Args:
        mapping: ``intersphinx_mapping``, as in conf.py or as Sphinx normalizes it.
        root: the folder that inventories are named from.
    """
    links = {}
    for value in mapping.values():
        base, files = value[1] if isinstance(value[1], tuple) and value[1][1:] else value
        for file in files if isinstance(files, tuple) else (files,):
            if not file or "://" in file or not (root / file).is_file():
                continue
            first, *lines = (root / file).read_text("utf-8", errors="replace").splitlines()
            for line in lines[2:] if first.endswith("version 1") else ():
                name, _, page = line.split()
                links[name] = f"{base}{page}#{name}"
    return links


def plain_rst(text: str, links: Links) -> str:
    """Replace the roles that only Sphinx knows by ordinary links, and what pandoc overlooks."""

    def link(match: re.Match) -> str:
        if match["role"] is None:  # a literal stays as it is
            return match[0]
        target = " ".join((match["target"] or match["name"]).split()).removesuffix("()")
        label = match["text"] or target
        if label.startswith("!"):  # "no link", for Sphinx
            return f"``{label[1:]}``"
        if target in links.recipes:
            docname, title = links.recipes[target]
            local = f"{docname.rpartition('/')[2]}.ipynb"
            url = f"{links.base}{docname}.html" if links.base else local
            return f"`{match['text'] or title} <{url}>`__"
        if match["role"] in ("math", "sub", "sup"):
            return match[0]
        if match["role"] == "pep":
            return f"`PEP {target} <https://peps.python.org/pep-{target.zfill(4)}/>`__"
        if target.startswith("~"):
            label = label[1:].rsplit(".", 1)[-1] if not match["text"] else label
            target = target[1:]
        if match["role"].endswith(("meth", "func")) and not match["text"]:
            label += "()"
        url = links.names.get(target)
        return f"`{label} <{url}>`__" if url else f"``{label}``"

    code = ".. code-block:: pycon\n\n"
    text = DOCTEST.sub(lambda match: code + textwrap.indent(match[0], "   "), text)
    return ROLE.sub(link, text)


def prose_of(blocks: list, links: Links) -> list[str]:
    """The text blocks of a recipe as Markdown."""
    texts = [block.content for block in blocks if block.type == "text"]
    return to_markdown(*(plain_rst(text, links) for text in texts))


@cache
def to_markdown(*texts: str) -> list[str]:
    """Convert rst texts to Markdown together, so that their headings have one hierarchy."""
    import pypandoc  # here, as most builds make no notebook

    joined = f"\n\n{BREAK}\n\n".join(texts)
    options = ["--wrap=none", "--markdown-headings=atx"]
    flavour = "gfm+tex_math_dollars-tex_math_gfm"  # mathematics as Jupyter reads it
    markdown = pypandoc.convert_text(joined, flavour, format="rst", extra_args=options)
    markdown = ALERT.sub(lambda match: f"{match[1]}> **{match[2].capitalize()}:**", markdown)
    return [part.strip() for part in markdown.split(BREAK)]


def make_notebook(
    slug: str, blocks: list, run: Run | None, dependencies: Sequence[str], links: Links
) -> bytes:
    """The notebook of a recipe, nbformat 4.5 in UTF-8.

    Args:
        slug: the recipe's name, for the cells' ids.
        blocks: Sphinx-Gallery's blocks of its page.
        run: its execution; None for a notebook without outputs.
        dependencies: what its first code cell installs.
        links: see there.

    Raises:
        nbformat.ValidationError: if the result is no notebook.
    """
    import nbformat  # here, as most builds make no notebook
    from nbformat import v4

    prose = iter(prose_of(blocks, links))
    executed = iter(run.cells if run else ())
    names = tuple(re.split(r"[^\w.-]", dependency)[0] for dependency in dependencies)
    cells = [v4.new_code_cell(INSTALL.format(names=names))] if names else []
    for block in blocks:
        if block.type == "text":
            cells.append(v4.new_markdown_cell(next(prose)))
            continue
        cell = v4.new_code_cell(block.content.strip())
        count = len([c for c in cells if c.cell_type == "code"]) + 1
        cell.outputs = outputs_of(next(executed, Cell()), count)
        cell.execution_count = count
        if varies(block.content):
            cell.metadata["tags"] = [TAG]
        cells.append(cell)
    # The install cell comes second: a notebook's first cell is its title.
    if names and len(cells) > 1:
        cells[0], cells[1] = cells[1], cells[0]
    notebook = v4.new_notebook(cells=cells)
    for number, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{slug}-{number}".encode()).hexdigest()[:12]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "recipe": {"slug": slug, **(run.made_with if run else {})},
    }
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, indent=1, sort_keys=True) + "\n").encode()


def outputs_of(cell: Cell, count: int) -> list:
    """What a cell printed, drew and ended with, as a notebook's outputs."""
    from nbformat import v4

    outputs = []
    if cell.text.strip():  # nothing to see, as on the page
        outputs.append(v4.new_output("stream", name="stdout", text=cell.text))
    for figure in (figure for figure in cell.figures if figure.alt):
        kind = figure.name.rpartition(".")[2]
        if kind == "svg":
            data = {"image/svg+xml": figure.content.decode()}
        else:
            data = {f"image/{kind}": base64.b64encode(figure.content).decode()}
        outputs.append(v4.new_output("display_data", {**data, "text/plain": figure.alt}))
    if cell.values:
        data = {"text/plain": "", **cell.values}
        outputs.append(v4.new_output("execute_result", data, execution_count=count))
    return outputs
