"""One recipe by the hands of Sphinx-Gallery: split into blocks, executed, typeset.

Problem: Sphinx-Gallery executes and typesets an example in one function, so a changed
word of prose executes everything again, and a failure leaves half a page.
Usage: ``execute`` in the process that runs a recipe; ``typeset`` wherever its run is at hand.
Result: the files that Sphinx-Gallery's own ``generate_file_rst`` writes, in two steps, without
those that only tell Sphinx-Gallery not to execute again.

This file and ``sections`` are the only ones that call functions of Sphinx-Gallery which it does
not document. ``tests/recipe_gallery/test_gallery.py`` compares with what Sphinx-Gallery itself
writes, and asks for another look when its version is not the one named here.
"""

import ast
import codeop
import json
import re
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sphinx_gallery import backreferences, gen_gallery, gen_rst, py_source_parser, scrapers

from .as_script import main_module
from .model import Cell, Failure, Figure, Run
from .printed import Printed, TooMuch

TESTED_VERSION = "0.22.1"
WITH_ALT = re.compile(r"image-sg:: \S*/(\S+)\n\s+:alt: ?(.*)")
DOUBLE = re.compile(r"_\d_\d\dx\.png$")  # a copy for screens with more pixels, see image_srcset
DEFERRED = re.compile(r"(?m)^[ \t]*#\s*sphinx_gallery_defer_figures[ \t]*$")
TRACEBACK = "Traceback (most recent call last):\n"
MIME = {"_repr_html_": "text/html", "__repr__": "text/plain", "__str__": "text/plain"}


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


def execution_conf(settings: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """What Sphinx-Gallery's functions ask for, made from the few settings that matter here."""
    return {
        **gen_gallery.DEFAULT_GALLERY_CONF,
        **settings,
        "src_dir": str(root),
        "builder_name": "html",
        "plot_gallery": True,
        "show_memory": False,
        "abort_on_example_error": False,
        "default_role": "",
        "expected_failing_examples": [],
    }


def execute(
    source: Path, target: Path, root: Path, settings: Mapping[str, Any], printed: Printed
) -> tuple[list[Cell], dict, Failure | None]:
    """Execute a recipe's cells in this process.

    Args:
        source: its file.
        target: folder for its figures, below ``root``, which stands for the documentation's root.
        root: see there.
        settings: those in ``key.RESULT_SETTINGS``.
        printed: what the process prints.

    Returns:
        its cells, the names that the code uses, and, if an exception ended it, that with its
        traceback; no failure of this function.

    Raises:
        BaseException: what a cell raises that is no Exception.
        TooMuch, UnicodeDecodeError: if it printed what no page can show.
    """
    conf = execution_conf(settings, root)
    images = target / "images"
    images.mkdir(parents=True, exist_ok=True)
    file_conf, blocks, node = split(source, conf)
    main = main_module(source, source.read_text("utf-8"))
    script_vars = {
        "image_path_iterator": scrapers.ImagePathIterator(
            str(images / f"sphx_glr_{source.stem}_{{0:03}}.png")
        ),
        "src_file": str(source),
        "target_file": str(target / source.name),
        "fake_main": main,
        "example_globals": vars(main),
        "file_conf": file_conf,
    }
    gen_rst._get_callables(conf, "image_scrapers")  # some set up what they scrape when imported
    scrapers.clean_modules(conf, source.name, "before")
    (reset_argv,) = gen_rst._get_callables(conf, "reset_argv")
    sys.argv = [str(source), *reset_argv(conf, script_vars)]
    compiler = codeop.Compile()
    cells: list[Cell] = []
    for block in (block for block in blocks if block.type == "code"):
        vars(main).pop("___", None)  # the value of a cell's last line
        before = {path.name for path in images.iterdir()}
        try:
            text, rst = execute_cell(compiler, block, script_vars, conf, printed)
        except (TooMuch, UnicodeDecodeError):
            raise
        except Exception as error:
            failure = Failure(headline(error), traceback_of(error))
            rst = gen_rst.codestr2rst(failure.details, lang="pytb")
            rst = f"\n.. rst-class:: sphx-glr-script-out\n\n{rst}\n\n\n\n"
            return [*cells, Cell(printed.take(), rst)], {}, failure
        drawn = drawn_since(images, before, rst)
        cells.append(Cell(text, rst, drawn, last_value(main, block, file_conf, conf)))
    found = vars(main) if conf["inspect_global_variables"] else None
    return cells, used_names(blocks, conf, found, node), None


def execute_cell(
    compiler: codeop.Compile, block: Any, script_vars: dict, conf: Mapping, printed: Printed
) -> tuple[str, str]:
    """Execute one cell; what it printed, and the rst of all that it printed and drew.

    Raises:
        BaseException: what the cell raises, or a scraper that looks at what it drew.
    """
    options = py_source_parser.extract_file_config(block.content)
    script_vars["multi_image"] = options.get("multi_image_block")
    pictures: list[str] = []

    def save(*args: Any, **kwargs: Any) -> None:
        """What ``show`` does where there is no window: as in a notebook."""
        pictures.append(scrapers.save_figures(block, script_vars, conf))

    deferred = bool(DEFERRED.search(block.content))
    with showing((lambda *args, **kwargs: None) if deferred else save):
        tree = compile(
            "\n" * (block.lineno - 1) + block.content,
            script_vars["src_file"],
            "exec",
            ast.PyCF_ONLY_AST | compiler.flags,
            dont_inherit=True,
        )
        script_vars["memory_delta"] = []
        has_value, _ = gen_rst._exec_and_get_memory(
            compiler, code_ast=tree, gallery_conf=conf, script_vars=script_vars
        )
        if not deferred:
            save()
    file_conf = script_vars["file_conf"]
    wanted = options.get("capture_repr_block", file_conf.get("capture_repr", conf["capture_repr"]))
    text = printed.take()
    tee = SimpleNamespace(output=StringIO(text))  # all that is asked of a _LoggingTee
    shown = "".join(pictures)
    rst = gen_rst._get_code_output(
        has_value, script_vars["example_globals"], conf, tee, shown, wanted
    )
    return text, rst


@contextmanager
def showing(show: Callable) -> Iterator[None]:
    """Have matplotlib's ``show`` do something else."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = getattr(pyplot, "show", None)
    if pyplot:
        pyplot.show = show
    try:
        yield
    finally:
        if pyplot:
            pyplot.show = before


def headline(error: BaseException) -> str:
    """An exception's class and the first line of its message."""
    lines = traceback.format_exception_only(error)
    (first, *_) = [line for line in lines if not line.startswith(" ")] or [""]
    return first.strip().partition("\n")[0]


def traceback_of(error: BaseException) -> str:
    """An exception with the frames from the recipe's own on."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, gen_rst.__file__)
    start = max((i for i, frame in enumerate(frames, 1) if frame.filename in ours), default=0)
    own = traceback.format_list(frames[start:])
    return "".join([TRACEBACK, *own, *traceback.format_exception_only(error)])


def drawn_since(images: Path, before: set[str], rst: str) -> tuple[Figure, ...]:
    """The files in ``images`` that were not there ``before``, with the texts that rst gives."""
    texts = dict(WITH_ALT.findall(rst))
    return tuple(
        Figure(
            path.name,
            "" if DOUBLE.search(path.name) else texts.get(path.name, "").strip() or "figure",
            path.read_bytes(),
        )
        for path in sorted(images.iterdir())
        if path.is_file() and path.name not in before
    )


def last_value(main: Any, block: Any, file_conf: dict, conf: Mapping[str, Any]) -> dict[str, str]:
    """The value of a cell's last line as the page shows it, by MIME type."""
    if "___" not in vars(main):
        return {}
    parser, _ = gen_rst._get_parser("cell.py", conf)
    wanted = file_conf.get("capture_repr", conf["capture_repr"])
    wanted = parser.extract_file_config(block.content).get("capture_repr_block", wanted)
    ignored = conf["ignore_repr_types"]
    if not wanted or (ignored and re.search(ignored, str(type(main.___)))):
        return {}
    text, method = gen_rst._get_last_repr(wanted, main.___)
    return {MIME[method]: text} if method and text else {}


def typeset(
    source: Path,
    root: Path,
    srcdir: Path,
    gallery: Mapping[str, Any],
    run: Run | None,
    note: str,
    make_notebook: Callable[[list], bytes],
) -> dict[str, Any]:
    """Write a recipe's page, downloads and thumbnail beside its source.

    Args:
        source: its file, in the folder of its page, below ``root``; the figures of ``run`` are
            in ``images`` beside it.
        root: stands for the documentation's root, so that nothing is written there.
        srcdir: the documentation's root itself.
        gallery: ``sphinx_gallery_conf`` with all defaults.
        run: its execution; None typesets a page without outputs.
        note: rst to add at the end of what the recipe says.
        make_notebook: turns the page's blocks into the bytes of its notebook.

    Returns:
        ``title``, ``intro`` (its first sentences, as plain text) and, if it has any, ``tags``.

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
        downloads[-1].write_bytes(make_notebook(blocks))
    with zipfile.ZipFile(source.with_suffix(".zip"), "w") as archive:
        for file in downloads:  # without this machine's time, time zone and file modes
            entry = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    if names:  # for links in the code
        text = json.dumps(names, sort_keys=True, ensure_ascii=False, indent=1)
        source.with_suffix(".codeobj.json").write_text(text, "utf-8")
    tags = {"tags": file_conf["tags"]} if "tags" in file_conf else {}
    return {"title": title, "intro": intro, **tags}
