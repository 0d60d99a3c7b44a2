"""Writes ``docs/inventories``: where the reference describes the names that we use.

Problem: links into the references of PyTorch and others need their inventories, of tens of
thousands of names and behind a network; a build must work without one.
Usage: ``make inventories`` after ``make html``, takes them from the real inventories; with
``OFFLINE=1`` it keeps lines that are there, and adds names of prose as their neighbours are, which
it says, as that is a guess.
Result: a line per name that prose (roles) or code (``*.codeobj.json`` beside the pages) uses,
written only if something changed. What cannot be found is named with file and line.
"""

import builtins
import inspect
import json
import logging
import pydoc
import re
import runpy
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from sphinx.util.inventory import InventoryFile

from recipe_site import layout

from .house_rules import sources

ROLE = re.compile(r":(?:py:)?(class|func|meth|attr|mod|data|exc|obj):`(?:[^`<!]*<)?~?([\w.]+)")
HEADER = "# Sphinx inventory version 1\n# Project: {}\n# Version: {}\n"

# Where the reference of PyTorch describes a name and all below it, if not on a page of its own as
# its neighbours are. Looked up in stored copies of the reference: each page is there, and
# no page "generated/<name>.html".
PAGES = {
    "torch.__future__": "future_mod",
    "torch.autograd.detect_anomaly": "autograd",
    "torch.autograd.set_detect_anomaly": "autograd",
    "torch.backends": "backends",
    "torch.device": "tensor_attributes",
    "torch.distributed.optim": "distributed.optim",
    "torch.distributions": "distributions",
    "torch.dtype": "tensor_attributes",
    "torch.finfo": "type_info",
    "torch.futures": "futures",
    "torch.hub": "hub",
    "torch.iinfo": "type_info",
    "torch.layout": "tensor_attributes",
    "torch.library": "library",
    "torch.memory_format": "tensor_attributes",
    "torch.multiprocessing": "multiprocessing",
    "torch.nested": "nested",
    "torch.nn.init": "nn.init",
    "torch.onnx.ONNXProgram": "onnx_export",
    "torch.onnx.export": "onnx_export",
    "torch.optim.swa_utils.get_ema_multi_avg_fn": "optim",
    "torch.optim.swa_utils.update_bn": "optim",
    "torch.overrides": "torch.overrides",
    "torch.random": "random",
    "torch.utils.cpp_extension": "cpp_extension",
}


def kind(name: str) -> str:
    """The type of a name, as inventories call it, "" if no installed package has it."""
    found, inside = pydoc.locate(name), pydoc.locate(name.rpartition(".")[0])
    if found is None:
        return ""
    if inspect.ismodule(found):
        return "mod"
    if inspect.isclass(found):
        return "exception" if issubclass(found, BaseException) else "class"
    if inspect.isclass(inside):
        return "method" if callable(found) else "attribute"
    return "function" if callable(found) else "data"


def page_of(name: str) -> str:
    """The page in ``PAGES`` of a name or of what it is in, "" if there is none."""
    while name:
        if name in PAGES:
            return f"{PAGES[name]}.html"
        name = name.rpartition(".")[0]
    return ""


def guess(name: str, known: Mapping[str, str]) -> str:
    """The line of a name, as ``PAGES`` or its neighbours have it; "" if they show nothing.

    Args:
        name: that is in none of the lines.
        known: an inventory's line of each name.
    """
    inside, type_ = name.rpartition(".")[0], kind(name)
    if page := page_of(name):
        return f"{name} {type_} {page}\n"
    beside = [line.split() for other, line in known.items() if other.rpartition(".")[0] == inside]
    alike = [line for line in beside if line[1] == type_] or beside
    # "generated/torch.cat.html" says: the name and ".html".
    places = Counter(place.replace(other, "{name}") for other, _, place in alike)
    if not alike and type_ in ("method", "attribute") and inside in known:
        places[known[inside].split()[2]] = 1  # on the page of its class
    for place, _ in places.most_common(1):
        return f"{name} {type_} {place.format(name=name)}\n"
    return ""


def project_of(name: str, mapping: dict) -> str:
    """The project whose reference describes a name."""
    top = name.partition(".")[0]
    python = top in sys.stdlib_module_names or hasattr(builtins, top)
    return top if top in mapping else "python" if python else ""


def in_prose(root: Path) -> Iterator[tuple[str, str]]:
    """Each name in a role, and where it stands."""
    patterns = ("*.rst", "docs/*.rst", "recipes_source/**/*.py", "recipes_source/**/*.rst")
    for file in sorted(file for pattern in patterns for file in root.glob(pattern)):
        text = file.read_text("utf-8")
        for role in ROLE.finditer(text):
            line = text.count("\n", 0, role.start()) + 1
            yield role[2], f"{file.relative_to(root).as_posix()}:{line}"


def in_code(root: Path) -> Iterator[list[str]]:
    """For each object that code uses the names that it could be linked by, the best first."""
    for file in sorted(root.glob(f"{layout.PAGES}/*.codeobj.json")):
        for candidates in json.loads(file.read_text("utf-8")).values():
            yield [f"{c['module_short']}.{c['name']}" for c in candidates]


def read(file: Path) -> tuple[str, dict[str, str]]:
    """An inventory's header, and its line of each name."""
    lines = file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []
    return "".join(lines[:3]), {line.split()[0]: line for line in lines[3:]}


def real(base: str) -> tuple[str, dict[str, str]]:
    """The same from a project's own inventory, over the network."""
    with urllib.request.urlopen(f"{base}objects.inv", timeout=20) as answer:
        types = InventoryFile.loads(answer.read(), uri=base).data
    lines, header = {}, ""
    for type_, items in types.items():
        for name, item in items.items() if type_.startswith("py:") else ():
            place = item.uri.removeprefix(base).partition("#")[0]
            lines[name] = f"{name} {type_[3:].replace('module', 'mod')} {place}\n"
            header = HEADER.format(item.project_name, item.project_version)
    return header, lines


def update(root: Path, offline: bool) -> list[str]:
    """Write the inventories anew and say what is wrong, a line each.

    Raises:
        OSError: if a real inventory cannot be had.
    """
    mapping = runpy.run_path(str(root / "conf.py"))["intersphinx_mapping"]
    kept = {project: read(root / file) for project, (_, file) in mapping.items()}
    known = kept if offline else {p: real(base) for p, (base, _) in mapping.items()}
    ours, theirs = (
        {name: of[p][1][name] for p in of for name in of[p][1] if project_of(name, mapping) == p}
        for of in (kept, known)
    )
    wanted, wrong = {}, []
    for name, where in in_prose(root):
        # What is kept can be there by another name.
        line = theirs.get(name) or ours.get(name) or (guess(name, ours) if offline else "")
        if line and name not in {**theirs, **ours} and not page_of(name) and name not in wanted:
            print(f"{where}: {line.split()[2]} is a guess, as {name} is new here: look it up")
        if not kind(name):
            wrong.append(f"{where}: the installed packages have no {name}: mend the name")
        elif line:
            wanted[name] = line
        else:
            what = f"write ``{name}``, or a line '{name} {kind(name)} PAGE' in docs/inventories"
            wrong.append(f"{where}: no reference is known to describe {name}: {what}")
    for names in in_code(root):  # of each object, the first name that is described
        wanted |= {name: theirs[name] for name in [n for n in names if n in theirs][:1]}
    written = {path.stem for path in sources(root / layout.SOURCES)}
    built = {path.name.split(".")[0] for path in root.glob(f"{layout.PAGES}/*.codeobj.json")}
    if written - built:
        print(f"left out the code of what is not built: {', '.join(sorted(written - built))}")
        wanted = ours | wanted
    for project, (_, file) in mapping.items():
        names = sorted(name for name in wanted if project_of(name, mapping) == project)
        content = known[project][0] or HEADER.format(project, "stable")
        content += "".join(wanted[name] for name in names)
        if not (root / file).is_file() or (root / file).read_text("utf-8") != content:
            (root / file).write_text(content, "utf-8")
            new = [wanted[name].strip() for name in names if name not in ours]
            print("\n  new: ".join([f"{file}: {len(names)} names", *new]))
    return wrong


def main() -> None:
    """The command; ``--offline`` asks no other host.

    Raises:
        SystemExit: with what is wrong.
    """
    # torch logs where it finds nvcc but no GPU, when its extensions are imported.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        problems = update(Path(__file__).resolve().parents[1], "--offline" in sys.argv)
    except OSError as error:
        what = f"cannot reach the real inventories ({error}), nothing was changed: try again with a"
        raise SystemExit(f"{what} network, or use what is known: OFFLINE=1") from None
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
