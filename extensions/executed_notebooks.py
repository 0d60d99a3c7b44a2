"""The notebook of a recipe, with the outputs that its page shows.

Problem: galleries offer notebooks without outputs, in half-converted rst, so nobody sees
what to expect before running them.
Usage: ``make_notebook(...)`` where a recipe is typeset; ``api_links(...)`` once per build.
Result: nbformat 4.5 as stable bytes: prose as Markdown (by pandoc), code with the text and
figures captured at the one execution, links to the API and to other recipes, a first cell
that installs what is missing, and where the outputs come from in the metadata.
"""

import hashlib
import re
import textwrap
from functools import cache
from pathlib import Path

ROLE = re.compile(
    r"``[^`].*?``(?!`)|:(?P<role>[a-z:+]+):`(?:(?P<text>[^`<]+?)\s*<(?P<target>[^`>]+)>|(?P<name>[^`]+))`"
)
LABEL = re.compile(r"sphx_glr_recipes_recipes_(\w+)\.py")
SCRIPT_OUT = ".. rst-class:: sphx-glr-script-out\n\n .. code-block:: none\n\n"
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


def printed(output: str) -> str:
    """The text that a cell printed, from its output as Sphinx-Gallery's rst."""
    _, found, text = output.partition(SCRIPT_OUT)
    if not found:
        return ""
    lines = text.removesuffix("\n\n\n").removesuffix("\n").splitlines(keepends=True)
    return "".join(line[4:] if line.strip() else line for line in lines)  # undoes its indent


def figures(output: str) -> list[tuple[str, str]]:
    """File name and alternative text of each figure that a cell drew."""
    found = re.findall(r"image-sg:: \S*/(\S+)\n\s+:alt: ?(.*)", output)
    return [(name, alt.strip()) for name, alt in found]


def api_links(mapping: dict, root: Path) -> dict[str, str]:
    """Addresses of API names, from the local text inventories of intersphinx."""
    links = {}
    for base, inventory in mapping.values():
        path = root / inventory
        for line in path.read_text("utf-8").splitlines()[3:] if path.is_file() else ():
            name, _, page = line.split()
            links[name] = f"{base}{page}#{name}"
    return links


def plain_rst(text: str, titles: dict[str, str], links: dict[str, str], base: str) -> str:
    """Replace the roles that only Sphinx knows by ordinary links, and what pandoc overlooks."""

    def link(match: re.Match) -> str:
        if match["role"] is None:  # a literal stays as it is
            return match[0]
        target = " ".join((match["target"] or match["name"]).split()).removesuffix("()")
        label = match["text"] or target
        if label.startswith("!"):  # "no link", for Sphinx
            return f"``{label[1:]}``"
        if recipe := LABEL.fullmatch(target):
            slug = recipe[1]
            url = f"{base}recipes/recipes/{slug}.html" if base else f"{slug}.ipynb"
            return f"`{match['text'] or titles.get(slug, slug)} <{url}>`__"
        if match["role"] in ("math", "sub", "sup"):
            return match[0]
        if match["role"] == "pep":
            return f"`PEP {target} <https://peps.python.org/pep-{target.zfill(4)}/>`__"
        if target.startswith("~"):
            label = label[1:].rsplit(".", 1)[-1] if not match["text"] else label
            target = target[1:]
        if match["role"].endswith(("meth", "func")) and not match["text"]:
            label += "()"
        url = links.get(target)
        return f"`{label} <{url}>`__" if url else f"``{label}``"

    code = ".. code-block:: pycon\n\n"
    text = DOCTEST.sub(lambda match: code + textwrap.indent(match[0], "   "), text)
    return ROLE.sub(link, text)


def prose_of(blocks: list, titles: dict[str, str], links: dict[str, str], base: str) -> list[str]:
    """The text blocks of a recipe as Markdown; arguments as for ``make_notebook``."""
    texts = [block.content for block in blocks if block.type == "text"]
    return to_markdown(*(plain_rst(text, titles, links, base) for text in texts))


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
    slug: str,
    blocks: list,
    run: dict | None,
    dependencies: tuple[str, ...],
    titles: dict[str, str],
    links: dict[str, str],
    base: str,
) -> bytes:
    """The notebook of a recipe.

    ``blocks`` are Sphinx-Gallery's blocks of the source; ``run`` holds ``outputs`` (rst, per
    code cell), ``images`` (base64, by file name) and ``environment``; ``titles`` are those of
    all recipes; ``base`` is the site's address, "" if it is not known.
    """
    import nbformat  # see above
    from nbformat import v4

    prose = iter(prose_of(blocks, titles, links, base))
    outputs = iter(run["outputs"] if run else ())
    names = tuple(re.split(r"[^\w.-]", dependency)[0] for dependency in dependencies)
    cells = [v4.new_code_cell(INSTALL.format(names=names))] if names else []
    for block in blocks:
        if block.type == "text":
            cells.append(v4.new_markdown_cell(next(prose)))
            continue
        cell = v4.new_code_cell(block.content.strip())
        output = next(outputs, "")
        if text := printed(output):
            cell.outputs.append(v4.new_output("stream", name="stdout", text=text))
        for name, alt in figures(output):
            data = {"image/png": run["images"][name], "text/plain": alt}
            cell.outputs.append(v4.new_output("display_data", data))
        cell.execution_count = len([c for c in cells if c.cell_type == "code"]) + 1
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
        "recipe": {"slug": slug, **(run["environment"] if run else {})},
    }
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, indent=1, sort_keys=True) + "\n").encode()
