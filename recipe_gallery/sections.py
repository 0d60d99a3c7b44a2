"""The folders of a gallery: which files are its recipes, and the pages that list them.

Problem: Sphinx-Gallery finds examples, executes them and lists them in one function.
Usage: ``find`` before anything is executed; ``write_indexes`` when all is published.
Result: the same sections in the same order, and the same ``index.rst`` and lists of examples
that use a name (``backreferences_dir``), as Sphinx-Gallery itself makes.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphinx_gallery import backreferences, downloads, gen_gallery, gen_rst, utils

from .files import write

SIGNATURE = gen_rst.SPHX_GLR_SIG


@dataclass(frozen=True)
class Section:
    """One folder of a gallery."""

    source: Path  # absolute
    target: str  # folder of its pages, from the documentation's root on
    header: str  # text above the list; "" if the folder brings an index of its own
    files: tuple[Path, ...]  # its recipes, by name
    top: bool  # whether it is the gallery's own folder

    def docname(self, path: Path) -> str:
        """The name of a recipe's page."""
        return f"{self.target}/{path.stem}"


def pairs(gallery: Mapping[str, Any]) -> list[tuple[str, str]]:
    """``examples_dirs`` and ``gallery_dirs``, one of each."""
    lists = [gallery[name] for name in ("examples_dirs", "gallery_dirs")]
    both = [item if isinstance(item, list | tuple) else [item] for item in lists]
    return [(str(source), Path(target).as_posix()) for source, target in zip(*both, strict=False)]


def find(gallery: Mapping[str, Any], srcdir: Path) -> list[Section]:
    """All sections of all galleries: each gallery's own folder, then its subfolders.

    Args:
        gallery: ``sphinx_gallery_conf`` with all defaults.
        srcdir: the documentation's root.

    Raises:
        sphinx.errors.SphinxError: if a gallery has no header.
        OSError: if a folder cannot be read.
    """
    found = []
    for folder, target in pairs(gallery):
        source = Path(os.path.normpath(srcdir / folder))
        top = section(gallery, source, target, top=True)
        found.append(top)
        names = gen_gallery.get_subsections(srcdir, source, gallery, bool(top.header))
        found += [section(gallery, source / name, f"{target}/{name}", top=False) for name in names]
    return found


def section(gallery: Mapping[str, Any], source: Path, target: str, top: bool) -> Section:
    """One folder, as it is."""
    header = gen_rst._get_gallery_header(source, gallery)
    files = [
        name
        for name in utils._collect_gallery_files([source], gallery)
        if not name.startswith((".", "_")) and (source / name).is_file()
    ]
    return Section(
        source,
        target,
        Path(header).read_text("utf-8") if header else "",
        tuple(source / name for name in sorted(files)),
        top,
    )


def is_executable(gallery: Mapping[str, Any], path: Path) -> bool:
    """Whether a gallery wants this file executed, and we can."""
    return path.suffix == ".py" and bool(re.search(gallery["filename_pattern"], str(path)))


def expected_failures(gallery: Mapping[str, Any], srcdir: Path) -> set[Path]:
    """The recipes that a gallery expects to raise."""
    names = gallery.get("expected_failing_examples") or ()
    return {Path(os.path.normpath(srcdir / name)) for name in names}


def copy_other_files(gallery: Mapping[str, Any], srcdir: Path, sections: list[Section]) -> None:
    """Copy the files that a gallery wants beside its pages; arguments as for ``write_indexes``."""
    for part in sections:
        (srcdir / part.target).mkdir(parents=True, exist_ok=True)  # no recipe may have a page yet
        header = gen_rst._get_gallery_header(part.source, gallery)
        gen_rst._copy_non_example_files(gallery, part.source, header, srcdir / part.target)


def write_indexes(
    gallery: Mapping[str, Any], srcdir: Path, sections: list[Section], records: Mapping[str, dict]
) -> None:
    """Write the lists of recipes, as far as they changed.

    Args:
        gallery: ``sphinx_gallery_conf`` with all defaults.
        srcdir: the documentation's root.
        sections: see ``find``.
        records: of each published page its ``title``, ``intro`` and ``tags``, by docname.
    """
    for place, top in enumerate(sections):
        if not top.top:
            continue
        below = []
        for other in sections[place + 1 :]:
            if other.top:
                break
            below.append(other)
        content, items = thumbnails(gallery, srcdir, top, records)
        text = f":orphan:\n\n{content}{utils._format_toctree(items) if items else ''}"
        for part in below:
            content, items = thumbnails(gallery, srcdir, part, records)
            toctree = utils._format_toctree(items) if items else ""
            if not part.header:
                continue
            if gallery["nested_sections"]:
                label = f"\n\n.. _sphx_glr_{part.target.replace('/', '_')}:\n\n"
                write(srcdir / part.target / "index.rst", (label + content + toctree).encode())
                text += gen_gallery._filter_tags(content)
            else:
                text += content + toctree
        if not top.header:
            continue
        if gallery["nested_sections"] and below:
            files = [f"/{part.target}/index.rst" for part in below]
            text += utils._format_toctree(files, includehidden=True)
        if gallery["download_all_examples"]:
            text += downloads.generate_zipfiles(srcdir / top.target, srcdir, gallery)
        text += SIGNATURE if gallery["show_signature"] else ""
        write(srcdir / top.target / "index.rst", text.encode())


def thumbnails(
    gallery: Mapping[str, Any], srcdir: Path, part: Section, records: Mapping[str, dict]
) -> tuple[str, list[str]]:
    """The rst that shows a section, and the entries of its toctree."""
    text = part.header + (
        "\n\n.. raw:: html\n\n  <div id='sg-tag-list' class='sphx-glr-tag-list'></div>\n\n"
    )
    text += backreferences.THUMBNAIL_PARENT_DIV
    items = []
    for path in ordered(gallery, part, records):
        docname = part.docname(path)
        record = records[docname]
        text += backreferences._thumbnail_div(
            srcdir / part.target, srcdir, path.name, record["intro"], record["title"],
            tags=record.get("tags"),
        )  # fmt: skip
        items.append(f"/{docname}")
    return text + backreferences.THUMBNAIL_PARENT_DIV_CLOSE, items


def ordered(gallery: Mapping[str, Any], part: Section, records: Mapping[str, dict]) -> list[Path]:
    """The published recipes of a section in the order of ``within_subsection_order``."""
    (key,) = gen_rst._get_callables(gallery, "within_subsection_order", part.source)
    published = [path for path in part.files if part.docname(path) in records]
    try:
        return sorted(published, key=lambda path: key(path.name))
    except Exception:  # a key that reads the files: one cannot be read any more, as is told
        return published


def write_backreferences(
    gallery: Mapping[str, Any], srcdir: Path, sections: list[Section], records: Mapping[str, dict]
) -> None:
    """Write, for each documented name, the list of recipes that use it."""
    if not (folder := gallery["backreferences_dir"]):
        return
    (srcdir / folder).mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    everything: dict[str, list] = {}
    for part in sections:
        for path in ordered(gallery, part, records):
            record = records[part.docname(path)]
            used = gen_rst._read_cached_backrefs(gallery, srcdir / part.target / path.name)
            found = backreferences._write_backreferences(
                used, seen, gallery, part.source, srcdir / part.target, path.name,
                record["intro"], record["title"],
            )  # fmt: skip
            utils._combine_backreferences(everything, found)
    utils._write_json(srcdir / folder / "backreferences_all", everything)
    backreferences._finalize_backreferences(seen, gallery)
