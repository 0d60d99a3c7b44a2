"""Where the names, labels and pictures in a recipe's prose lead, for those who left the site.

Problem: Sphinx knows where a role leads when it writes the page; a notebook is read elsewhere.
Usage: ``Links(...)`` once per build.
Result: addresses and titles: of other recipes, of the hand-written pages, of API names.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

TARGET = re.compile(r":(?:ref|doc):`(?:[^`]*?<)?([^`<>]+)>?`")
LABEL = re.compile(
    r"^(?:\.\. _`?(?P<label>[^\n]+?)`?:\n\s*)?"
    r"(?P<title>\S[^\n]*)\n(?P<line>[=~^\"'*#+-])(?P=line)+$",
    re.M,
)


class Place(NamedTuple):
    """Something with a title that prose can lead to."""

    docname: str  # of its page
    title: str
    anchor: str = ""  # on that page


@dataclass(frozen=True)
class Links:
    """Where the names and labels in prose lead.

    Args:
        recipes: of each recipe's label its page.
        names: addresses of API names.
        base: the site's address, for what lies on the site the way to its root; "" if not known.
        labels: of each label of a hand-written page its place.
        ending: of the files that readers find beside each other.
    """

    recipes: Mapping[str, Place] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    labels: Mapping[str, Place] = field(default_factory=dict)
    ending: str = ".ipynb"

    @cached_property
    def pages(self) -> dict[str, Place]:
        """Of each page its title, by docname."""
        written = [p for p in self.labels.values() if not p.anchor]
        return {place.docname: place for place in (*written, *self.recipes.values())}

    def place(self, target: str, docname: str) -> Place | None:
        """What a label or, from the page ``docname`` on, the name of a page stands for."""
        path = posixpath.join("/", posixpath.dirname(docname), target)
        page = posixpath.normpath(path).lstrip("/")
        label = " ".join(target.lower().split())
        return self.recipes.get(target) or self.labels.get(label) or self.pages.get(page)

    def address(self, place: Place) -> str:
        """Its address: on the site or beside the file at hand; "" if there is none."""
        if place in self.recipes.values() and not (self.ending == ".ipynb" and self.base):
            return f"{posixpath.basename(place.docname)}{self.ending}"
        return f"{self.base}{place.docname}.html{place.anchor}" if self.base else ""

    def image(self, uri: str) -> str:
        """The address of a picture, "" if there is none."""
        if "://" in uri or uri.startswith("data:"):
            return uri
        return f"{self.base}_images/{posixpath.basename(uri)}" if self.base else ""


def label_of(docname: str) -> str:
    """The label that Sphinx-Gallery gives a recipe's page."""
    return f"sphx_glr_{docname.replace('/', '_')}.py"


def targets(text: str) -> set[str]:
    """The labels and pages that a text leads to."""
    return {" ".join(target.split()) for target in TARGET.findall(text)}


def first_title(text: str) -> str:
    """The first title in some rst, "" if there is none."""
    match = LABEL.search(text)
    return match["title"].strip().replace("``", "") if match else ""


def written_labels(root: Path, without: Iterable[str]) -> dict[str, Place]:
    """The labels and, by ``/`` and their names, the titles of the hand-written pages.

    Args:
        root: the documentation's root.
        without: folders of pages that are generated.
    """
    labels: dict[str, Place] = {}
    inside = [f"{folder}/" for folder in without]
    for path in sorted(root.rglob("*.rst")):
        docname = path.relative_to(root).with_suffix("").as_posix()
        if docname.startswith((*inside, "_", ".")) or "/." in docname:
            continue
        for match in LABEL.finditer(path.read_text("utf-8", errors="replace")):
            title = match["title"].strip().replace("``", "")
            labels.setdefault(f"/{docname}", Place(docname, title))
            if label := match["label"]:
                anchor = "#" + re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
                labels.setdefault(" ".join(label.lower().split()), Place(docname, title, anchor))
    return labels


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
