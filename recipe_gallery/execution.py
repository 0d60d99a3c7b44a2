"""The cells of one recipe, executed by the hands of Sphinx-Gallery in the recipe's own process.

Problem: Sphinx-Gallery gives a cell streams that lack half of their methods, goes back to the
recipe's folder after each, and looks at figures at a cell's end, however often they were shown.
Usage: ``execute`` in the process that runs a recipe; see ``gallery`` for what is done with it.
Result: cells whose rst is the one of Sphinx-Gallery, of a recipe that ran as a script does.

It calls functions of Sphinx-Gallery which that does not document; see ``gallery``.
"""

import ast
import codeop
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sphinx_gallery import gen_gallery, gen_rst, py_source_parser, scrapers

from .as_script import main_module
from .gallery import split, used_names
from .model import Cell, Failure, Figure
from .printed import CannotShow, Printed

WITH_ALT = re.compile(r"image-sg:: \S*/(\S+)\n\s+:alt: ?(.*)")
DOUBLE = re.compile(r"_\d_\d\dx\.png$")  # a copy for screens with more pixels, see image_srcset
DEFERRED = re.compile(r"(?m)^[ \t]*#\s*sphinx_gallery_defer_figures[ \t]*$")
TRACEBACK = "Traceback (most recent call last):\n"
MIME = {"_repr_html_": "text/html", "__repr__": "text/plain", "__str__": "text/plain"}


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
        CannotShow: if it printed what no page can show.
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
        try:
            cells.append(execute_cell(compiler, block, script_vars, conf, printed))
        except CannotShow:
            raise
        except Exception as error:
            failure = Failure(headline(error), traceback_of(error))
            rst = gen_rst.codestr2rst(failure.details, lang="pytb")
            rst = f"\n.. rst-class:: sphx-glr-script-out\n\n{rst}\n\n\n\n"
            cells.append(Cell(printed.take(), rst))
            break
    else:
        failure = None
    found = vars(main) if conf["inspect_global_variables"] else None
    return cells, used_names(blocks, conf, found, node), failure


def execute_cell(
    compiler: codeop.Compile, block: Any, script_vars: dict, conf: Mapping, printed: Printed
) -> Cell:
    """Execute one cell.

    Raises:
        BaseException: what the cell raises, or a scraper that looks at what it drew.
    """
    main = script_vars["example_globals"]
    images = Path(script_vars["target_file"]).parent / "images"
    main.pop("___", None)  # the value of a cell's last line
    before = {path.name for path in images.iterdir()}
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
    rst = gen_rst._get_code_output(has_value, main, conf, tee, "".join(pictures), wanted)
    value = last_value(main["___"], wanted, conf) if has_value else {}
    return Cell(text, rst, drawn_since(images, before, rst), value)


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


def last_value(value: Any, wanted: tuple[str, ...], conf: Mapping[str, Any]) -> dict[str, str]:
    """The value of a cell's last line as the page shows it, by MIME type."""
    ignored = conf["ignore_repr_types"]
    if not wanted or (ignored and re.search(ignored, str(type(value)))):
        return {}
    text, method = gen_rst._get_last_repr(wanted, value)
    return {MIME[method]: text} if method and text else {}
