"""Writes ``docs/inventories``: where the reference describes the names that we use.

Problem: links into the references of PyTorch and others need their inventories, of tens of
thousands of names and behind a network; a build must work without one.
Usage: ``make inventories`` after ``make html``, takes them from the real inventories;
``make inventories OFFLINE=1`` keeps the lines that are there and adds new names by rule.
Result: a line per name that prose (roles) or code (``recipes/recipes/*.codeobj.json``) uses
and that the installed packages have, written only if something changed. What cannot be
found is named with file and line.
"""

import builtins
import importlib
import inspect
import json
import re
import runpy
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from sphinx.util.inventory import InventoryFile

ROLE = re.compile(r":(?:py:)?(class|func|meth|attr|mod|data|exc|obj):`(?:[^`<!]*<)?~?([\w.]+)")
TORCH = {  # names, or what they begin with, whose page is not generated/<name>.html; "": none
    "torch.GradScaler": "amp.html",
    "torch.Size": "size.html",
    "torch.Tensor": "tensors.html",
    "torch.amp": "amp.html",
    "torch.autocast": "amp.html",
    "torch.autograd.graph": "autograd.html",
    "torch.device": "tensor_attributes.html",
    "torch.distributed": "distributed.html",
    "torch.distributed.checkpoint": "distributed.checkpoint.html",
    "torch.distributed.fsdp": "distributed.fsdp.fully_shard.html",
    "torch.distributed.tensor": "distributed.tensor.html",
    "torch.dtype": "tensor_attributes.html",
    "torch.export": "user_guide/torch_compiler/export/api_reference.html",
    "torch.fx": "fx.html",
    "torch.inference_mode": "generated/torch.autograd.grad_mode.inference_mode.html",
    "torch.nn.Parameter": "generated/torch.nn.parameter.Parameter.html",
    "torch.profiler": "profiler.html",
    "torch.serialization": "notes/serialization.html",
    "torch.special": "special.html",
    "torch.testing": "testing.html",
    "torch.utils.benchmark": "benchmark_utils.html",
    "torch.utils.checkpoint": "checkpoint.html",
    "torch.utils.data": "data.html",
    "torch.utils.hooks": "",
    "torch.utils.tensorboard": "tensorboard.html",
}
OWN_PAGES = ("torch.Tensor", "torch.optim.Optimizer")  # classes each of whose methods has one
HEADER = "# Sphinx inventory version 1\n# Project: {}\n# Version: {}\n"
BUILTIN = {"class": "stdtypes", "exception": "exceptions", "function": "functions"}


def find(name: str) -> tuple[object, object]:
    """The object of a full name, and the module or class that it is in.

    Raises:
        LookupError: if the installed packages have no such name.
    """
    parts = name.split(".")
    for end in range(len(parts), -1, -1):
        try:
            found = importlib.import_module(".".join(parts[:end])) if end else builtins
        except ImportError:
            continue
        inside = found
        for part in parts[end:]:
            if not hasattr(found, part):
                raise LookupError(name)
            inside, found = found, getattr(found, part)
        return found, inside
    raise LookupError(name)


def kind(name: str) -> str:
    """The type of a name, as inventories call it."""
    found, inside = find(name)
    if inspect.ismodule(found):
        return "mod"
    if inspect.isclass(found):
        return "exception" if issubclass(found, BaseException) else "class"
    if inspect.isclass(inside):
        return "method" if callable(found) else "attribute"
    return "function" if callable(found) else "data"


def page(project: str, name: str) -> str:
    """Where a project's reference should describe a name, "" if there is no rule."""
    inside = name.rpartition(".")[0]
    if project == "python":
        while inside and not inspect.ismodule(find(inside)[0]):
            inside = inside.rpartition(".")[0]
        module = name if kind(name) == "mod" else inside
        return f"library/{module or BUILTIN.get(kind(name), 'constants')}.html"
    if project == "numpy":
        return f"reference/generated/{name}.html"
    if project == "matplotlib":
        ruled = name.startswith(("matplotlib.pyplot.", "matplotlib.axes.Axes."))
        return f"api/_as_gen/{name}.html" if ruled else ""
    if inside in OWN_PAGES:
        return f"generated/{name}.html"
    for start in sorted(TORCH, key=len, reverse=True):
        if f"{name}.".startswith(f"{start}."):
            return TORCH[start]
    if name.startswith("torchvision.models."):  # a page per function that makes a model
        return f"models/generated/{name}.html" if kind(name) == "function" else ""
    return f"generated/{inside if inspect.isclass(find(inside)[0]) else name}.html"


def is_public(name: str) -> bool:
    """Whether a name found in code is one that a reference describes."""
    if re.search(r"\._|\.modules\.|^__|^builtins\.", name):
        return False
    try:
        inside = find(name)[1]
    except LookupError:
        return False
    if inspect.isclass(inside):
        inherited = name.rpartition(".")[2] not in vars(inside)
        return kind(name) == "method" and (not inherited or inside.__name__ == "Tensor")
    return inspect.ismodule(inside) and kind(name) in ("class", "exception", "function")


def project_of(name: str, mapping: dict) -> str:
    """The project whose reference describes a name."""
    top = name.partition(".")[0]
    python = top in sys.stdlib_module_names or hasattr(builtins, top)
    return top if top in mapping else "python" if python else ""


def in_prose(root: Path) -> Iterator[tuple[str, str]]:
    """Each name in a role, and where it stands."""
    files = [*root.glob("*.rst"), *root.glob("docs/*.rst"), *root.glob("recipes_source/**/*.py")]
    for file in sorted([*files, *root.glob("recipes_source/**/*.rst")]):
        text = file.read_text("utf-8")
        for role in ROLE.finditer(text):
            line = text.count("\n", 0, role.start()) + 1
            yield role[2], f"{file.relative_to(root).as_posix()}:{line}"


def in_code(root: Path) -> Iterator[list[str]]:
    """For each object that code uses the names that it could be linked by, the best first."""
    for file in sorted(root.glob("recipes/recipes/*.codeobj.json")):
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
    wanted, wrong = {project: {} for project in mapping}, []

    def want(name: str, in_text: bool) -> bool:
        """Take a name over, if it is described."""
        if not (project := project_of(name, mapping)):
            return False
        line = known[project][1].get(name, "")
        if not line and in_text:  # by another name, maybe
            line = kept[project][1].get(name, "")
        if not line and offline and (in_text or is_public(name)) and page(project, name):
            line = f"{name} {kind(name)} {page(project, name)}\n"
        if line:
            wanted[project][name] = line
        return bool(line)

    for name, where in in_prose(root):
        try:
            find(name)
        except LookupError:
            wrong.append(f"{where}: the installed packages have no {name}: mend the name")
        else:
            if not want(name, True):
                wrong.append(f"{where}: no reference describes {name}: write ``{name}``")
    for names in in_code(root):
        any(want(name, False) for name in names)  # the first that is described
    sources = {path.stem for path in root.glob("recipes_source/recipes/*.py")}
    built = {path.name.split(".")[0] for path in root.glob("recipes/recipes/*.codeobj.json")}
    if sources - built:
        print(f"left out the code of what is not built: {', '.join(sorted(sources - built))}")
    for project, (_, file) in mapping.items():
        lines = (kept[project][1] if sources - built else {}) | wanted[project]
        content = known[project][0] or HEADER.format(project, "stable")
        content += "".join(lines[name] for name in sorted(lines))
        if not (root / file).is_file() or (root / file).read_text("utf-8") != content:
            (root / file).write_text(content, "utf-8")
            print(f"{file}: {len(lines)} names")
    return wrong


if __name__ == "__main__":
    try:
        problems = update(Path(__file__).resolve().parents[1], "--offline" in sys.argv)
    except OSError as error:
        sys.exit(
            f"cannot reach the real inventories ({error}), nothing was changed: try again with "
            "a network, or add new names by rule with 'make inventories OFFLINE=1'"
        )
    sys.exit("\n".join(problems) or 0)
