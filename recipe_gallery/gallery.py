"""One recipe by the hands of Sphinx-Gallery: split into blocks, and typeset.

Problem: Sphinx-Gallery executes and typesets an example in one function, so a changed
word of prose executes everything again, and a failure leaves half a page.
Usage: ``split`` and ``code_cells`` on a file; ``typeset`` wherever its run is at hand.
``execution`` executes the cells.
Result: the files that Sphinx-Gallery's own ``generate_file_rst`` writes, in two steps, without
those that only tell Sphinx-Gallery not to execute again.

This file, ``execution`` and ``sections`` are the only ones that call functions of Sphinx-Gallery
which it does not document. ``tests/recipe_gallery/test_gallery.py`` compares with what
Sphinx-Gallery itself writes, and asks for another look when its version is not the one named here.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sphinx_gallery import backreferences, gen_rst, scrapers

from .model import Cell, Run


def split(source: Path, gallery: Mapping[str, Any] | None = None) -> tuple:
    """``(file_conf, blocks, syntax tree)`` of a recipe, read from its file.

    Raises:
        OSError, SyntaxError, UnicodeDecodeError, sphinx.errors.SphinxError: if it cannot be read.
    """
    parser, _ = gen_rst._get_parser(source.name, gallery or {"filetype_parsers": {}})
    return parser.split_code_and_text_blocks(str(source), return_node=True)


def title_and_intro(name: str, text: str) -> tuple[str, str]:
    """The title and the first sentences of a recipe's first text, as plain text.

    Raises:
        sphinx.errors.SphinxError: if there is no title.
    """
    intro, title = gen_rst.extract_intro_and_title(name, text)
    return title, intro


def code_cells(source: Path) -> list[str]:
    """The code of a recipe, cell by cell: what decides whether it must run again."""
    return [block.content.strip() for block in split(source)[1] if block.type == "code"]


def used_names(blocks: list, conf: Mapping[str, Any], found: dict | None, node: Any) -> dict:
    """Python names in a recipe's code and prose, resolved with its variables."""
    regex = backreferences._make_ref_regex(conf["default_role"])
    return backreferences.identify_names(blocks, regex, found, node)


def typeset(
    source: Path,
    root: Path,
    srcdir: Path,
    gallery: Mapping[str, Any],
    run: Run | None,
    note: str,
    make_notebook: Callable[[], bytes],
) -> tuple[dict[str, Any], list]:
    """Write a recipe's page, downloads and thumbnail beside its source.

    Args:
        source: its file, in the folder of its page, below ``root``; the figures of ``run`` are
            in ``images`` beside it.
        root: stands for the documentation's root, so that nothing is written there.
        srcdir: the documentation's root itself.
        gallery: ``sphinx_gallery_conf`` with all defaults.
        run: its execution; None typesets a page without outputs.
        note: rst to add at the end of what the recipe says.
        make_notebook: gives the bytes of its notebook.

    Returns:
        ``title``, ``intro`` (its first sentences, as plain text) and, if it has any, ``tags``; and
        the page's blocks.

    Raises:
        Exception: whatever Sphinx-Gallery finds wrong with the recipe.
    """
    conf = {**gallery, "src_dir": str(root)}
    file_conf, blocks, node = split(source, conf)
    parser, language = gen_rst._get_parser(source.name, conf)
    code = iter(run.cells if run else ())
    outputs = [next(code, Cell()).rst if b.type == "code" else "" for b in blocks]
    names = used_names(blocks, conf, None, node)
    if run:  # what the variables were is known from the execution, the prose is new
        names = {
            name: [o for o in run.names.get(name, ()) if not o["is_explicit"]]
            + [o for o in names.get(name, ()) if o["is_explicit"]]
            for name in {**run.names, **names}
        }
        names = {name: found for name, found in names.items() if found}
    title, intro = title_and_intro(source.name, blocks[0].content)
    blocks, outputs = gen_rst._clean_script_blocks(conf, parser, blocks, outputs)
    rst = gen_rst.rst_blocks(blocks, outputs, file_conf, conf, language=language) + note
    wall, peak = (run.wall, run.peak) if run else (0.0, 0.0)
    gen_rst.save_rst_example(rst, source, wall, peak, conf, language=language, file_conf=file_conf)
    images = source.parent / "images"
    template = images / f"sphx_glr_{source.stem}_{{0:03}}.png"
    if not run:
        paths = scrapers.ImagePathIterator(str(template))
        gen_rst._make_dummy_images(False, file_conf, {"image_path_iterator": paths})
    drawn = sorted(images.glob(f"sphx_glr_{source.stem}_*.*"))
    script_vars: dict[str, Any] = {"image_path_iterator": drawn}
    if run and run.raised:
        script_vars["formatted_exception"] = run.raised
    shown = srcdir / source.relative_to(root)  # in warnings
    gen_rst.save_thumbnail(template, shown, script_vars, file_conf, {**conf, "src_dir": srcdir})
    downloads = [source]
    if source.suffix in conf["notebook_extensions"]:
        downloads.append(source.with_suffix(".ipynb"))
        downloads[-1].write_bytes(make_notebook())
    with zipfile.ZipFile(source.with_suffix(".zip"), "w") as archive:
        for file in downloads:  # without this machine's time, time zone and file modes
            entry = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    if names:  # for links in the code
        text = json.dumps(names, sort_keys=True, ensure_ascii=False, indent=1)
        source.with_suffix(".codeobj.json").write_text(text, "utf-8")
    tags = {"tags": file_conf["tags"]} if "tags" in file_conf else {}
    return {"title": title, "intro": intro, **tags}, blocks
