"""Every built notebook says what the page says: its prose, its code and its outputs."""

import base64
import json
import re
from urllib.parse import urldefrag

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from conftest import AROUND, every_page
from markdown_it import MarkdownIt

from recipe_gallery import terminal

pytestmark = pytest.mark.site

MARKDOWN = MarkdownIt("commonmark").enable("table")
RST = re.compile(
    r":[a-z:+-]+:`|`_|\|\w+\||^\s*\.\. |::\s*$"  # roles, links, substitutions, directives
    r"|cell-break|\[!\w+\]",  # what a conversion leaves when it goes wrong
    re.M,
)


def prose(page) -> list[BeautifulSoup]:
    """The text cells, as a reader sees them."""
    sources = [cell.source for cell in page.notebook.cells if cell.cell_type == "markdown"]
    return [BeautifulSoup(MARKDOWN.render(source), "html.parser") for source in sources]


def code_cells(page) -> list[nbformat.NotebookNode]:
    """The cells that the page has, too."""
    cells = [cell for cell in page.notebook.cells if cell.cell_type == "code"]
    return cells[1:] if page.header.dependencies else cells


@every_page
def test_notebook_is_valid(page) -> None:
    """Of the format it names, with its own ids, for any Python 3; executed from top to end."""
    content = json.loads(page.download(".ipynb").read_bytes())
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]  # nbformat mends them when it validates
    assert len(set(ids)) == len(ids)
    nbformat.validate(content, relax_add_props=False)
    assert page.notebook.metadata.kernelspec.name == "python3"
    counts = [cell.execution_count for cell in code_cells(page)]
    first = 2 if page.header.dependencies else 1
    assert counts == list(range(first, first + len(counts)))


@every_page
def test_install_cell_comes_second(page) -> None:
    """After the title; it names what the recipe depends on, and has not been run."""
    cells = [cell for cell in page.notebook.cells if "PackageNotFoundError" in cell.source]
    needs = list(page.header.dependencies)
    assert cells == ([page.notebook.cells[1]] if needs else [])
    for cell in cells:
        assert f" in {needs} if " in cell.source
        assert cell.outputs == [] and cell.execution_count is None
    assert page.notebook.cells[0].source.startswith("# ")


@every_page
def test_outputs_are_those_of_the_page(page) -> None:
    """The text of each cell, and the very bytes of its figures."""
    cells = code_cells(page)
    assert any(cell.outputs for cell in cells)
    for cell, shown in zip(cells, page.cells(), strict=True):
        assert cell.source.strip() == shown["code"]
        texts = [out.text for out in cell.outputs if out.output_type == "stream"]
        on_page = [plain(terminal.shown(text)) for text in texts]
        assert on_page == [plain(text) for text in shown["outputs"]]
        pictures = [out.data for out in cell.outputs if out.output_type == "display_data"]
        assert len(texts) + len(pictures) == len(cell.outputs)
        pngs = [base64.b64decode(data["image/png"]) for data in pictures]
        assert pngs == [path.with_suffix(".png").read_bytes() for path in shown["figures"]]
        assert all(data["text/plain"].strip() for data in pictures), "no alternative text"


def plain(text: str) -> str:
    """Without blanks at the ends of lines, which no page shows."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@every_page
def test_prose_has_no_rst_left(page) -> None:
    """Outside of code, nothing of the markup that the page was written in."""
    for html in prose(page):
        for tag in html.select("code"):
            tag.replace_with("`code`")
        assert not html.select("span, div"), "markup that Jupyter shows in its own way"
        found = RST.findall(html.get_text())
        assert not found, f"{found} in {html.get_text()[:500]}"


def without_permalink(tag: Tag) -> str:
    """The text of a heading on a page."""
    return "".join(part.get_text() for part in tag.children if part.name != "a")


@every_page
def test_headings_are_those_of_the_page(page) -> None:
    """The same words on the same levels, over all cells."""
    level = re.compile("h[1-6]")
    expected = [(tag.name, without_permalink(tag)) for tag in page.main.find_all(level)]
    found = [(tag.name, tag.get_text()) for html in prose(page) for tag in html.find_all(level)]
    assert found == expected


@every_page
def test_no_word_of_the_prose_is_lost(page) -> None:
    """The words of the page in their order, but for mathematics."""
    main = BeautifulSoup(str(page.main), "html.parser")
    for tag in main.select(
        ".sphx-glr-download-link-note, .highlight-Python, .sphx-glr-script-out, .headerlink, "
        ".recipe-provenance, .sphx-glr-timing, .sphx-glr-footer, .sphx-glr-signature, math, "
        + AROUND
    ):
        tag.decompose()
    text = "\n".join(html.get_text() for html in prose(page))
    text = re.sub(r"\$`?[^$]+?`?\$", " ", text)
    words = (re.findall(r"\w+", t) for t in (main.get_text(), text))
    expected, found = words
    assert found == expected


@every_page
def test_links_lead_somewhere(page) -> None:
    """To an address, or to a notebook that is offered beside this one."""
    for html in prose(page):
        targets = [tag["href"] for tag in html.select("a")]
        targets += [tag["src"] for tag in html.select("img")]
        for target in targets:
            if re.match(r"https://[\w.-]+(/|$)", target):
                continue
            sibling = re.fullmatch(r"(\w+)\.ipynb", target)
            assert sibling, f"{target} leads nowhere from a reader's folder"
            assert list(page.path.parents[2].glob(f"_downloads/*/{target}")), f"no {target}"


@every_page
def test_links_are_those_of_the_page(page) -> None:
    """As many, and the same where they leave the site; those in code are the page's own."""
    links = page.main.select("a.reference.external")
    own = f".highlight-Python, .sphx-glr-signature, {AROUND}"
    outside = [tag["href"] for tag in links if not tag.css.closest(own)]
    found = [tag["href"] for html in prose(page) for tag in html.select("a[href^=http]")]
    assert found == outside
    inside = page.main.select("p a.reference.internal[href*=html] .std-ref")
    inside = [tag for tag in inside if not tag.css.closest(own)]
    beside = [tag["href"] for html in prose(page) for tag in html.select("a[href$=ipynb]")]
    pages = [urldefrag(tag.parent["href"]).url.replace(".html", ".ipynb") for tag in inside]
    assert beside == [name for name in pages if "/" not in name]


@every_page
def test_mathematics_is_what_jupyter_reads(page) -> None:
    """Between dollar signs, without the backticks that only GitHub knows."""
    sources = [cell.source for cell in page.notebook.cells if cell.cell_type == "markdown"]
    assert not re.findall(r"\$`.*?`\$|^``` ?math", "\n".join(sources), re.M)
    formulas = re.findall(r"(?<!\\)\$\$?[^$`]+\$", "\n".join(sources))
    assert len(formulas) == len(page.main.select("math"))
