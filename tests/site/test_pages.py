"""Every recipe's page has the elements of the format, in order, with real content."""

import ast
import itertools
import json
import re
import runpy
import zipfile
from datetime import UTC, date, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from conftest import AROUND, every_page, parse
from docutils import nodes
from PIL import Image
from sphinx.util.inventory import InventoryFile

from recipe_gallery import gallery
from recipe_gallery.varying import varies
from recipe_site import catalogue, layout
from recipe_site.catalogue import TAGS, title_and_outcome

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
PAGES = SITE / "recipes" / "recipes"

# -- The elements ----------------------------------------------------------------------

START = ["note", "label", "title"]
END = ["timing", "download label", "footer", "jupyter", "python", "signature"]
CLASSES = {
    "sphx-glr-download-link-note": "note",
    "sphx-glr-script-out": "output",
    "sphx-glr-timing": "timing",
    "sphx-glr-footer": "footer",
    "sphx-glr-download-python": "python",
    "sphx-glr-download-jupyter": "jupyter",
    "sphx-glr-signature": "signature",
}


def page_id(slug: str, part: str = "") -> str:
    """The id that Sphinx makes of a page's label."""
    return f"sphx_glr_{part}recipes_recipes_{slug}.py".lower().replace("_", "-").replace(".", "-")


def elements_of_doctree(page) -> list[str]:
    """The names of the format's elements in the document tree, in order."""
    labels = {page_id(page.slug): "label", page_id(page.slug, "download_"): "download label"}
    found = []
    for node in page.doctree.findall(nodes.Element):
        if isinstance(node, nodes.target) and node.get("refid") in labels:
            found.append(labels[node["refid"]])
        elif isinstance(node, nodes.title) and "sphx-glr-example-title" in node.parent["classes"]:
            found.append("title")
        elif isinstance(node, nodes.literal_block) and node.get("language") == "Python":
            found.append("code")
        elif type(node).__name__ == "imgsgnode":
            found.append("figure")
        else:
            found += [CLASSES[name] for name in node["classes"] if name in CLASSES]
    return found


def elements_of_html(page) -> list[str]:
    """The names of the format's elements in the HTML, in order."""
    labels = {page_id(page.slug): "label", page_id(page.slug, "download_"): "download label"}
    found = []
    for tag in page.main.find_all(True):
        if tag.get("id") in labels:
            found.append(labels[tag["id"]])
        if tag.name == "h1" and "sphx-glr-example-title" in tag.parent.get("class", ()):
            found.append("title")
        for name in tag.get("class", ()):
            if name == "highlight-Python":
                found.append("code")
            elif name in ("sphx-glr-single-img", "sphx-glr-multi-img"):
                found.append("figure")
            elif name in CLASSES:
                found.append(CLASSES[name])
    return found


@every_page
def test_elements_stand_in_order(page) -> None:
    """Note, label, title, cells, timing, downloads, signature: each once, none missing."""
    for elements in (elements_of_doctree, elements_of_html):
        found = elements(page)
        body = [name for name in found if name in ("code", "output", "figure")]
        footer = sorted(found[-3:-1])  # the two containers, in either order
        assert [*found[:-3], *footer, found[-1]] == [*START, *body, *END]
        assert body[0] == "code", "an output before the first code cell"


@every_page
def test_note_links_to_the_downloads(page) -> None:
    """The note at the top leads to the downloads at the end of the same page."""
    link = page.main.select_one(".sphx-glr-download-link-note a")
    target = page.main.find(id=link["href"].removeprefix("#"))
    assert target is not None, f"{link['href']} leads nowhere"
    footer = page.main.select_one(".sphx-glr-footer")
    assert target is footer or footer in target.find_all(True)


@every_page
def test_labels_lead_to_the_page(page) -> None:
    """The labels that other projects link to stand in the inventory and resolve."""
    inventory = InventoryFile.loads((SITE / "objects.inv").read_bytes(), uri="")
    for part in ("", "download_"):
        label = f"sphx_glr_{part}recipes_recipes_{page.slug}.py".lower()  # as Sphinx does
        assert ("std:label", label) in inventory
        address, anchor = urldefrag(inventory["std:label", label].uri)
        assert address == f"recipes/recipes/{page.slug}.html"
        assert page.main.find(id=anchor), f"no id {anchor}"


def heading(tag: Tag) -> str:
    """The text of a heading without the link to itself."""
    return "".join(c.get_text() for c in tag.children if c.name != "a" or not c.get("href"))


@every_page
def test_title_is_the_only_h1(page) -> None:
    """The title is that of the docstring."""
    titles = page.main.find_all("h1")
    assert [heading(tag) for tag in titles] == [
        title_and_outcome(page.source.read_text("utf-8"))[0]
    ]
    assert "sphx-glr-example-title" in titles[0].parent["class"]


@every_page
def test_python_download_is_the_source(page) -> None:
    """What readers take away is the recipe itself."""
    assert page.download(".py").read_bytes() == page.source.read_bytes()


@every_page
def test_code_cells_are_those_of_the_source(page) -> None:
    """Every code cell, non-empty and in order, on the page and in the notebook.

    The notebook has one before them, which installs what the recipe depends on.
    """
    assert page.code and all(page.code)
    assert [cell["code"] for cell in page.cells()] == page.code
    blocks = page.doctree.findall(nodes.literal_block)
    in_doctree = [b.astext().strip() for b in blocks if b.get("language") == "Python"]
    assert in_doctree == page.code
    in_notebook = [c.source.strip() for c in page.notebook.cells if c.cell_type == "code"]
    if page.header.dependencies:
        assert in_notebook.pop(0).startswith("# Installs what is missing")
    assert in_notebook == page.code
    assert gallery.code_cells(page.download(".py")) == page.code


@every_page
def test_cells_stand_in_source_order(page) -> None:
    """The generated rst holds each text and code cell whole, one after the other."""
    rst = (ROOT / "recipes" / "recipes" / f"{page.slug}.rst").read_text("utf-8")
    blocks = gallery.split(page.source)[1]
    lines, position = [line.strip() for line in rst.splitlines()], 0
    for block in blocks:
        text = [line.strip() for line in block.content.strip().splitlines()]
        starts = range(position, len(lines) - len(text) + 1)
        found = next((i for i in starts if lines[i : i + len(text)] == text), None)
        assert found is not None, f"not on the page, or not here: {block.content[:80]!r}"
        position = found + len(text)


def calls(code: str) -> set[str]:
    """The functions that a cell calls at its top level, as they are written."""
    statements = [node.value for node in ast.parse(code).body if isinstance(node, ast.Expr)]
    return {ast.unparse(node.func) for node in statements if isinstance(node, ast.Call)}


@every_page
def test_cells_are_followed_by_their_outputs(page) -> None:
    """A cell that prints has one block of text; a cell that shows has a figure."""
    assert any(cell["outputs"] for cell in page.cells()), "nothing is printed"
    for cell in page.cells():
        assert len(cell["outputs"]) <= 1
        assert all(text.strip() for text in cell["outputs"]), "an empty output block"
        if "print" in calls(cell["code"]):
            assert cell["outputs"], f"no output after {cell['code'][-80:]!r}"
        if "plt.show" in calls(cell["code"]):
            assert cell["figures"], f"no figure after {cell['code'][-80:]!r}"


def assert_is_picture(path: Path, width: int) -> None:
    """A file that can be decoded, of a useful size and not of one colour."""
    assert path.is_file(), f"{path.name} is missing"
    with Image.open(path) as image:
        assert image.width >= width
        low, high = image.convert("L").getextrema()
    assert high - low > 100, f"{path.name} is blank"


def pixels(content: Path | bytes) -> bytes:
    """What is seen of a picture, from its file or from its content."""
    with Image.open(BytesIO(content) if isinstance(content, bytes) else content) as image:
        return image.convert("RGB").tobytes()


@every_page
def test_figures_are_pictures(page) -> None:
    """All figures of the execution are on the page, to the pixel what it drew, sharp, and small."""
    images = ROOT / "recipes" / "recipes" / "images"
    shown = [path for cell in page.cells() for path in cell["figures"]]
    made = images.glob(f"sphx_glr_{page.slug}_[0-9][0-9][0-9].png")
    assert sorted(path.stem for path in shown) == sorted(path.stem for path in made)
    drawn = {f.name: f.content for cell in page.run.cells for f in cell.figures}
    for path, tag in zip(shown, page.main.select("img[class^=sphx-glr-]"), strict=True):
        assert_is_picture(path, width=400)
        double = path.parent / urlsplit(tag["srcset"].split(", ")[1]).path.split()[0]
        double = path.with_name(double.name)
        for file in (path, double):
            content = drawn[f"{file.stem}.png"]
            assert pixels(file) == pixels(content), file.name
            assert file.stat().st_size < len(content), file.name
        with Image.open(path) as one, Image.open(double) as two:
            assert two.size == tuple(2 * side for side in one.size)
        assert tag.parent["href"].endswith(double.name)


@every_page
def test_figures_are_told_in_words(page) -> None:
    """The titles within a figure are its text, whatever characters are in them."""
    text = (ROOT / "recipes" / "recipes" / f"{page.slug}.rst").read_text("utf-8")
    titles = re.findall(r"(?m)^ +:alt: (.+)$", text.partition("sphx-glr-timing")[0])
    assert [tag["alt"] for tag in page.main.select("img[class^=sphx-glr-]")] == titles


@every_page
def test_timing_is_that_of_an_execution(page) -> None:
    """The running time is more than 0.000 seconds."""
    text = page.main.select_one(".sphx-glr-timing").get_text()
    minutes, seconds = re.search(r"\((\d+) minutes ([\d.]+) seconds\)", text).groups()
    assert 60 * int(minutes) + float(seconds) > 0


PROVENANCE = re.compile(
    r"Executed on (?P<date>[\d-]+) with torch (?P<torch>\S+), torchvision (?P<torchvision>\S+), "
    r"Python (?P<python>\S+) on (?P<platform>\S+ \S+), device: (?P<device>\w+)"
    r"(?:, data: (?P<data>.+))?, commit (?P<commit>\S+)\."
)


@every_page
def test_page_says_where_it_comes_from(page) -> None:
    """When, with what, on what, with which data, at which commit: as the notebook says."""
    lines = [" ".join(tag.get_text().split()) for tag in page.main.select(".recipe-provenance")]
    assert len(lines) == 1 and PROVENANCE.fullmatch(lines[0]), lines
    made = PROVENANCE.fullmatch(lines[0]).groupdict(default="")
    assert made == page.run.made_with
    today = datetime.now(UTC).date()
    assert date(2026, 1, 1) <= date.fromisoformat(made["date"]) <= today
    assert made["torch"] == version("torch") and made["torchvision"] == version("torchvision")
    found = re.findall(r"(\w+) \((?:real|drawn stand-in)\)(?:, |$)", made["data"])
    assert found == list(page.header.datasets) and bool(found) == bool(made["data"])
    assert page.notebook.metadata["recipe"] == {"slug": page.slug, **made}


@every_page
def test_archive_holds_script_and_notebook(page) -> None:
    """The very files that are offered beside it."""
    with zipfile.ZipFile(page.download(".zip")) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(files) == [f"{page.slug}.ipynb", f"{page.slug}.py"]
    for name, content in files.items():
        assert content == page.download(Path(name).suffix).read_bytes(), name


@every_page
def test_page_shows_no_header(page) -> None:
    """The PEP 723 block is for tools: in the script, not on the page."""
    assert "# /// script" in page.download(".py").read_text("utf-8")
    assert "/// script" not in page.main.get_text()
    assert "/// script" not in page.doctree.astext()


@every_page
def test_page_was_executed(page) -> None:
    """No page says that its code was not run."""
    assert "typeset without running" not in " ".join(page.main.get_text().split())


@every_page
def test_outputs_hold_no_addresses(page) -> None:
    """An object's address differs from run to run."""
    for cell in page.cells():
        for text in () if varies(cell["code"]) else cell["outputs"]:
            assert not re.findall(r"0x[0-9a-f]{6,}", text)


@every_page
def test_outputs_hold_no_log_lines(page) -> None:
    """What a library logs has a date and a path of this machine."""
    for cell in page.cells():
        for text in cell["outputs"]:
            assert not re.findall(r"(?m)^[EWI]\d{4} .*|.*Warning: .*", text)


# -- The front page --------------------------------------------------------------------


@pytest.fixture(scope="module")
def cards() -> dict[str, list[Tag]]:
    """The cards below "All recipes" on the front page, by where they lead."""
    path = SITE / "index.html"
    if not path.is_file():
        pytest.fail("the site is not built: run make html", pytrace=False)
    section = parse(path).find(id="all-recipes")
    found: dict[str, list[Tag]] = {}
    for card in section.select(".recipe-card"):
        found.setdefault(urldefrag(card.a["href"]).url, []).append(card)
    return found


@every_page
def test_front_page_has_one_card(page, cards) -> None:
    """A picture, the title, and the first sentence of the page as its outcome."""
    assert len(cards.get(f"recipes/recipes/{page.slug}.html", ())) == 1
    card = cards[f"recipes/recipes/{page.slug}.html"][0]
    assert card.a.get_text() == heading(page.main.h1)
    outcome = " ".join(card.find_all("p")[1].get_text().split())
    first = page.main.select_one("h1 ~ p:not(.recipe-after)")
    assert outcome == " ".join(first.get_text().split())
    assert 0 < len(outcome) <= 110
    assert_is_picture(SITE / card.img["src"], width=100)


def test_front_page_has_no_other_cards(cards) -> None:
    """Nothing is shown that has no source."""
    sources = (ROOT / "recipes_source" / "recipes").glob("*.py")
    assert set(cards) <= {f"recipes/recipes/{path.stem}.html" for path in sources}


def test_front_page_has_the_groups_in_order(cards) -> None:
    """One heading per group; below each, the recipes of that first tag."""
    html = parse(SITE / "index.html")
    groups = html.find(id="all-recipes").find_all("section", recursive=False)
    names = [heading(group.find("h3")) for group in groups]
    assert names == [tag for tag in TAGS if tag in names] and len(names) >= 4
    for name, group in zip(names, groups, strict=True):
        for card in group.select(".recipe-card"):
            assert f"· {name}" in card.select_one(".recipe-tags").get_text()


def test_front_page_is_in_the_order_of_the_path(cards) -> None:
    """As the pages' buttons lead from one recipe to the next, none before what it builds on."""
    path = [entry.slug for entry in catalogue.read(ROOT)]
    assert [Path(url).stem for url in cards] == path
    for entry in catalogue.read(ROOT):
        assert all(path.index(b) < path.index(entry.slug) for b in entry.after)
    for slug, following in itertools.pairwise(path):
        html = parse(PAGES / f"{slug}.html")
        assert html.select_one('a[rel="next"]')["href"] == f"{following}.html"


# -- The menu --------------------------------------------------------------------------


@every_page
def test_menu_shows_the_groups_and_the_siblings(page) -> None:
    """All groups; the recipes of this one's group, and of no other; this one marked."""
    menu = page.html.select_one(".wy-menu-vertical")
    texts = [a.get_text() for a in menu.ul.select(".toctree-l1 > a")]
    groups = dict.fromkeys(recipe.tags[0] for recipe in catalogue.read(ROOT))
    assert [text for text in texts if text in groups] == list(groups)
    mine = page.header.tags[0]
    siblings = [r.title for r in catalogue.read(ROOT) if r.tags[0] == mine]
    assert [a.get_text() for a in menu.select(".toctree-l2 > a")] == siblings
    (here,) = menu.select('[aria-current="page"]')
    assert here.get_text() == heading(page.main.h1)


@every_page
def test_menu_links_lead_somewhere(page) -> None:
    """To pages that are there, and to headings on them."""
    for link in page.html.select(".wy-menu-vertical a"):
        address, anchor = urldefrag(link["href"])
        target = (page.path.parent / address).resolve() if address else page.path
        assert target.is_file(), address
        if anchor:
            html = parse(target)
            assert html.find(id=anchor), f"{address} has no {anchor}"


# -- Around the recipe -----------------------------------------------------------------


@every_page
def test_facts_stand_below_the_title(page) -> None:
    """Tags, times, both downloads, and the command that runs it."""
    facts = page.main.select_one("h1 + p.recipe-outcome + ul.recipe-facts")
    assert len(page.main.select(".recipe-facts")) == 1
    links = {a.get_text(): a["href"] for a in facts.select("a")}
    for tag in page.header.tags:
        assert parse_qs(urlsplit(links[tag]).query) == {"tag": [tag]}
        assert (page.path.parent / urlsplit(links[tag]).path).resolve() == SITE / "index.html"
    for name, suffix in (("Notebook", ".ipynb"), ("Script", ".py")):
        assert (page.path.parent / links[name]).resolve() == page.download(suffix)
    assert (page.path.parent / links["Markdown"]).is_file()
    assert ("Copy the lines" in links) == bool(page.main.find(id="in-your-project"))
    assert links.get("Copy the lines", "#in-your-project") == "#in-your-project"
    text = facts.get_text()
    assert re.search(r"[1-9]\d* min to read · [1-9]\d* s to run", text)
    # As a clock shows it: a recipe may wait, and no reader sees the seconds of CPU time.
    wall = json.loads((ROOT / layout.published(page.slug)).read_text())["wall"]
    assert f" · {max(1, round(wall))} s to run" in text
    assert f"uv run {page.slug}.py" in text
    special = page.header.requires or page.header.gpus or page.header.cpus > 1
    assert ("needs " in text) == bool(special)


@every_page
def test_head_describes_the_recipe(page) -> None:
    """Search engines and messengers get the outcome, and the first figure if there is one."""
    tags = {tag.get("name") or tag.get("property"): tag["content"] for tag in page.html("meta")
            if tag.get("content")}  # fmt: skip
    _, outcome = title_and_outcome(page.source.read_text("utf-8"))
    assert tags["description"] == tags["og:description"] == outcome.replace("``", "")
    figures = [f"{path.stem}.png" for cell in page.cells() for path in cell["figures"]]
    picture = Path(tags["og:image"])
    assert picture.name == (figures[0] if figures else "social_card.png")
    assert (SITE / picture.parent.name / picture.name).is_file()


@every_page
def test_what_to_read_before_is_linked(page) -> None:
    """What the header names in ``after``, and nothing else."""
    links = [urldefrag(a["href"]).url for a in page.main.select(".recipe-after a")]
    assert links == [f"{slug}.html" for slug in page.header.after]


@every_page
def test_related_recipes_end_the_page(page) -> None:
    """Three cards of other recipes."""
    urls = [urldefrag(card.a["href"]).url for card in page.main.select(".recipe-card")]
    assert len(set(urls)) == 3 and f"{page.slug}.html" not in urls
    assert all((page.path.parent / url).is_file() for url in urls)


@every_page
def test_api_index_lists_what_recipes_use(page) -> None:
    """Each documented name in a recipe's prose stands there with a link to that recipe."""
    html = parse(SITE / "docs/api_index.html")
    users = {
        name.get_text().strip(): {
            Path(urldefrag(a["href"]).url).stem for a in name.find_next_sibling("dd").select("a")
        }
        for name in html.select("dl.api-index > dt")
    }

    names = re.findall(r":(?:class|func|meth):`[^`<]*<?~?(torch\.[\w.]+)", page.source.read_text())

    for name in names:
        assert page.slug in users[name], name


# -- The lead recipe -------------------------------------------------------------------

STEPS = [
    "Import necessary libraries for loading our data",
    "Load and normalize the dataset",
    "Build the neural network",
    "Define a Loss function and optimizer",
    "Zero the gradients while training the network",
]
HEADINGS = [
    (1, "Zeroing out gradients in PyTorch"),
    (2, "Introduction"),
    (2, "Setup"),
    (2, "Steps"),
    *((3, f"{number}. {step}") for number, step in enumerate(STEPS, 1)),
]
# The numbers in the prose, as phrases: look at what they claim before adding one.
OF_THE_PAGE = ["step 5", "steps 2 and 3", "minimum of , at 0:", "170 MB from"]
OF_THE_CODE = ["32 by 32", "0...1", "-1...1", "2,048 images", "ln 10", "factor of 1"]
OF_THE_CODE += ["cosine of 1", "near 0", "not 0", "end at 0"]
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?")


def section(page, title: str) -> Tag:
    """The section with a heading of this text."""
    found = [
        tag.parent for tag in page.main.find_all(re.compile("h[1-6]")) if heading(tag) == title
    ]
    assert len(found) == 1, f"{len(found)} sections {title!r}"
    return found[0]


def test_lead_headings(lead) -> None:
    """None removed, reworded or moved; further ones only below step 5."""
    tags = lead.main.find_all(re.compile("h[1-6]"))
    found = [(int(tag.name[1]), heading(tag)) for tag in tags]
    assert found[: len(HEADINGS)] == HEADINGS
    assert found[-1] == (2, "Learn More")
    assert all(level > 3 for level, _ in found[len(HEADINGS) : -1])


def test_lead_overview(lead) -> None:
    """The list of the five steps stands before the first of them."""
    lists = section(lead, "Steps").find_all("ol", recursive=False)
    assert [[item.get_text() for item in found.find_all("li")] for found in lists] == [STEPS]
    assert lists[0].find_next("h3").parent == section(lead, f"1. {STEPS[0]}")


def test_lead_has_the_evidence(lead) -> None:
    """Step 5 has printed numbers and a figure."""
    step = section(lead, f"5. {STEPS[4]}")
    assert step.select(".sphx-glr-script-out") and step.select("img")


@pytest.mark.parametrize(
    ("step", "sibling"), [(2, "loading_data_recipe"), (3, "defining_a_neural_network")]
)
def test_lead_links_to_its_siblings(lead, step, sibling) -> None:
    """The steps that another recipe explains link to it."""
    links = section(lead, f"{step}. {STEPS[step - 1]}").select("p a.internal")
    assert f"{sibling}.html" in [urldefrag(link["href"]).url for link in links]
    assert (lead.path.parent / f"{sibling}.html").is_file()


def test_lead_learn_more(lead) -> None:
    """Links within the site resolve; others are names of an inventory or known sites."""
    conf = runpy.run_path(str(ROOT / "conf.py"))["intersphinx_mapping"]
    files = {base: ROOT / path for base, path in conf.values()}
    items = section(lead, "Learn More").find_all("li")
    assert items and all(item.find("a", href=True) for item in items)
    for link in section(lead, "Learn More").select("li a[href]"):
        address, anchor = urldefrag(link["href"])
        if "internal" in link["class"]:
            target = lead.path.parent / address
            assert target.is_file(), f"{address} is missing"
            html = parse(target)
            assert html.find(id=anchor), f"{address} has no {anchor}"
            continue
        bases = [base for base in files if address.startswith(base)]
        assert bases, f"look at {address} and add its site here"
        names = {line.split()[0] for line in files[bases[0]].read_text().splitlines()[3:]}
        assert not anchor or anchor in names


def test_lead_numbers_were_reviewed(lead) -> None:
    """Numbers in the prose are few, known, and stand in the code or its outputs."""
    main = BeautifulSoup(str(lead.main), "html.parser")
    other = "h1, h2, h3, h4, h5, h6, a, code, ol, .highlight"
    other += ", .recipe-provenance, .sphx-glr-timing, .sphx-glr-footer"
    other += f", {AROUND}"
    evidence = " ".join(tag.get_text() for tag in main.select(".highlight"))
    for tag in main.select(other):
        tag.replace_with(" ")
    prose = " ".join(main.get_text().split())
    shown = {float(number.replace(",", "")) for number in NUMBER.findall(evidence)}
    for phrase in OF_THE_PAGE + OF_THE_CODE:
        assert phrase in prose, f"{phrase!r} is gone from the page: remove it here"
        prose = prose.replace(phrase, " ")
        if phrase in OF_THE_CODE:
            for number in NUMBER.findall(phrase.replace("...", " ")):
                assert float(number.replace(",", "")) in shown, f"{phrase!r} is in no code"
    assert not re.findall(r".{0,30}(?<!\w)\d.{0,20}", prose), "review these numbers"
