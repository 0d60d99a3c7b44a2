"""The notebook of a recipe, with the outputs that its page shows.

Problem: galleries offer notebooks without outputs, in half-converted rst, so nobody sees
what to expect before running them.
Usage: ``make_notebook(...)`` where a recipe is typeset.
Result: nbformat 4.5 as stable bytes: prose as Markdown, code with the text and figures captured
at the one execution, a first code cell that installs what is missing, and where the outputs
come from in the metadata.
"""

import base64
import hashlib
from collections.abc import Sequence

from .model import Cell, Run
from .varying import TAG, varies

INSTALL = """\
# Installs what is missing; does nothing where all is there.
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement


def is_there(text, extra=""):
    need = Requirement(text)
    if need.marker and not need.marker.evaluate({{"extra": extra}}):
        return True  # not needed here
    try:
        fits = need.specifier.contains(version(need.name), prereleases=True)
    except PackageNotFoundError:
        return False
    more = [line for line in requires(need.name) or () if "extra ==" in line]
    return fits and all(is_there(line, extra) for extra in need.extras for line in more)


missing = [need for need in {needs} if not is_there(need)]
if missing:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *missing])"""


def make_notebook(
    slug: str,
    blocks: list,
    run: Run | None,
    dependencies: Sequence[str],
    prose: Sequence[str],
    first: str = "",
) -> bytes:
    """The notebook of a recipe, nbformat 4.5 in UTF-8.

    Args:
        slug: the recipe's name, for the cells' ids.
        blocks: Sphinx-Gallery's blocks of its source, one for each cell.
        run: its execution; None for a notebook without outputs.
        dependencies: what its first code cell installs.
        prose: of its text cells, as Markdown.
        first: what its first code cell does after that.

    Raises:
        nbformat.ValidationError: if the result is no notebook.
    """
    import nbformat  # here, as most builds make no notebook
    from nbformat import v4

    texts = iter(prose)
    executed = iter(run.cells if run else ())
    installs = INSTALL.format(needs=list(dependencies)) if dependencies else ""
    install = "\n\n".join(filter(None, (installs, first)))
    cells = [v4.new_code_cell(install)] if install else []
    for block in blocks:
        if block.type == "text":
            cells.append(v4.new_markdown_cell(next(texts)))
            continue
        cell, result = v4.new_code_cell(block.content.strip()), next(executed, Cell())
        if not cell.source:  # nothing but settings, as on the page
            continue
        count = len([c for c in cells if c.cell_type == "code"]) + 1
        cell.outputs = outputs_of(result, count)
        cell.execution_count = count
        if varies(block.content):
            cell.metadata["tags"] = [TAG]
        cells.append(cell)
    # The install cell comes second: a notebook's first cell is its title.
    if install and len(cells) > 1:
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
            kind = "jpeg" if kind == "jpg" else kind
            data = {f"image/{kind}": base64.b64encode(figure.content).decode()}
        outputs.append(v4.new_output("display_data", {**data, "text/plain": figure.alt}))
    if cell.values:
        data = {"text/plain": "", **cell.values}
        outputs.append(v4.new_output("execute_result", data, execution_count=count))
    return outputs
