"""The one place that calls functions of Sphinx-Gallery which it does not document.

Problem: Sphinx-Gallery executes and typesets an example in one function, so a changed
word of prose executes everything again, and a failure leaves half a page.
Usage: ``execute_blocks`` in the process that runs a recipe; ``typeset`` wherever its
outputs are at hand; both take settings ``with_defaults``.
Result: the files that Sphinx-Gallery's own ``generate_file_rst`` writes, in two steps.
``tests/unit/test_gallery_adapter.py`` compares the two and asks for another look
when Sphinx-Gallery's version is not the one named here.
"""

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from sphinx_gallery import backreferences, gen_gallery, gen_rst, scrapers, utils

TESTED_VERSION = "0.22.1"


def with_defaults(gallery: dict) -> dict:
    """The site's gallery settings with Sphinx-Gallery's defaults; this starts pandoc."""
    return gen_gallery._fill_gallery_conf_defaults({**gallery, "pypandoc": False})


def at(gallery: dict, root: Path) -> dict:
    """The same for pages below ``root``."""
    conf = copy.deepcopy(gallery)
    gen_gallery._update_gallery_conf_builder_inited(conf, root)
    return conf


def split(source: Path, conf: dict) -> tuple:
    """``(file_conf, blocks, syntax tree)`` of a recipe."""
    parser, _ = gen_rst._get_parser(source.name, conf)
    return parser.split_code_and_text_blocks(str(source), return_node=True)


def provenance(made: dict[str, str]) -> str:
    """One sentence on what a page's results were made with."""
    data = f", data: {made['data']}" if made["data"] else ""
    return (
        f"Executed on {made['date']} with torch {made['torch']}, torchvision "
        f"{made['torchvision']}, Python {made['python']} on {made['platform']}, device: "
        f"{made['device']}{data}, commit {made['commit']}."
    )


def code_cells(source: Path) -> list[str]:
    """The code of a recipe, cell by cell: what decides whether it must run again."""
    _, blocks, _ = split(source, {"filetype_parsers": {}})
    return [block.content.strip() for block in blocks if block.type == "code"]


def used_names(blocks: list, conf: dict, found: dict | None, node) -> dict:
    """Python names in a recipe's code and prose, resolved with its variables."""
    regex = backreferences._make_ref_regex(conf["default_role"])
    return backreferences.identify_names(blocks, regex, found, node)


def execute_blocks(
    source: Path, target: Path, root: Path, gallery: dict
) -> tuple[list[str], dict, str]:
    """Execute a recipe's cells in this process.

    Returns:
        one rst text per code cell, the names used, and the traceback of the exception
        that ended it ("" if none did). Figures are in ``target/images``.
    """
    conf = at(gallery, root)
    (target / "images").mkdir(parents=True, exist_ok=True)
    file_conf, blocks, node = split(source, conf)
    template = target / "images" / f"sphx_glr_{source.stem}_{{0:03}}.png"
    script_vars = {
        "execute_script": True,
        "image_path_iterator": scrapers.ImagePathIterator(template),
        "src_file": str(source),
        "target_file": str(target / source.name),
    }
    (target / source.name).write_bytes(source.read_bytes())  # its checksum is taken
    scrapers.clean_modules(conf, source.name, "before")
    outputs, _ = gen_rst.execute_script(blocks, script_vars, conf, file_conf)
    traceback = script_vars.get("formatted_exception", "")
    names = {}
    if not traceback:
        names = used_names(blocks, conf, script_vars["example_globals"], node)
    shown = [out for out, b in zip(outputs, blocks, strict=True) if b.type == "code"]
    return shown, names, traceback


def typeset(
    source: Path,
    target: Path,
    root: Path,
    gallery: dict,
    run: dict | None,
    make_notebook: Callable[[list], bytes],
    skipped: str = "",
) -> None:
    """Write a recipe's page, downloads and thumbnail into ``target``, below ``root``.

    ``run`` holds ``outputs``, ``names``, ``wall``, ``peak`` and ``environment`` of its
    execution; its images are in ``target/images``. None typesets a page that says it was not
    run, because of ``skipped``. ``make_notebook`` turns the blocks of the page into the bytes
    of its notebook.
    """
    conf = at(gallery, root)
    file_conf, blocks, node = split(source, conf)
    parser, language = gen_rst._get_parser(source.name, conf)
    code = iter(run["outputs"] if run else ())
    outputs = [next(code, "") if b.type == "code" else "" for b in blocks]
    wall, peak = (run["wall"], run["peak"]) if run else (0.0, 0.0)
    names = used_names(blocks, conf, None, node)
    if run:  # what the variables were is known from the execution, the prose is new
        names = {
            name: [o for o in run["names"].get(name, ()) if not o["is_explicit"]]
            + [o for o in names.get(name, ()) if o["is_explicit"]]
            for name in {**run["names"], **names}
        }
        names = {name: found for name, found in names.items() if found}

    script = target / source.name
    script.write_bytes(source.read_bytes())
    blocks, outputs = gen_rst._clean_script_blocks(conf, parser, blocks, outputs)
    rst = gen_rst.rst_blocks(blocks, outputs, file_conf, conf, language=language)
    if run:
        rst += f"\n.. rst-class:: recipe-provenance\n\n   {provenance(run['environment'])}\n\n"
    else:
        text = "This page was typeset without running its code"
        why = f": the machine that made it has {skipped}" if skipped else ""
        rst += f"\n.. warning::\n\n   {text}{why}.\n\n"
    gen_rst.save_rst_example(rst, script, wall, peak, conf, language=language, file_conf=file_conf)
    images = sorted((target / "images").glob("sphx_glr_*.*"))
    script_vars = {"image_path_iterator": images}
    template = target / "images" / f"sphx_glr_{source.stem}_{{0:03}}.png"
    gen_rst.save_thumbnail(template, source, script_vars, file_conf, conf)
    script.with_suffix(".ipynb").write_bytes(make_notebook(blocks))
    downloads = [script, script.with_suffix(".ipynb")]
    with zipfile.ZipFile(script.with_suffix(".zip"), "w") as archive:
        for file in downloads:  # without this machine's time, time zone and file modes
            entry = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    script.with_suffix(".codeobj.json").write_text(json.dumps(names, sort_keys=True))
    gen_rst._write_cached_cost(script, (wall, peak))
    checksum = utils.get_md5sum(script, mode="t")
    script.with_name(script.name + ".md5").write_text(checksum)
