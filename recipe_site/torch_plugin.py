"""What recipes of PyTorch need of the run stage: compilers, data, threads, provenance.

Problem: ``recipe_gallery`` knows neither torch nor CIFAR-10, and a recipe whose needs are not
met fails with a message about something else.
Usage: ``recipe_gallery_conf = {"plugin": "recipe_site.torch_plugin"}`` in ``conf.py``. The names
at the top are those of :class:`recipe_gallery.Plugin`, which says when each is used.
Result: a recipe that needs a tool which pip cannot install is skipped where that is missing, and
its page, the build's last lines and the table of costs say so. Two are known: "c++", a compiler
as torch.compile looks for it, and "torchrun", which torch's packages for Windows lack a library
for (github.com/pytorch/pytorch/issues/178600).

Each recipe's process imports this file: Sphinx is not imported here, nor torch before it must.
"""

import getpass
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from recipe_gallery import Header, NotHere, Task
from recipe_gallery.files import digest
from recipe_gallery.header import EXPECTED, HeaderError

from . import layout
from .drawn_cifar10 import DRAWN_VERSION, REAL_FOLDER, has_real_data, install

# The first optimizer that a recipe makes imports torch._dynamo (1 s of CPU time).
preload = {"torch": "torch._dynamo", "torchvision": "torchvision"}
packages = ("torch", "torchvision")
install_command = "pip install {packages} -c constraints.txt"
fields = ("searched_as", "errors", "older_errors")
environment = {
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no processes that outlive a recipe
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait leave the cores to other recipes
    "KINETO_LOG_LEVEL": "7",  # the profiler would tell stderr when it starts
    "ORT_DISABLE_TELEMETRY": "1",  # it would warn that it may not write an identifier
}
# Which compiler and which GPU; where the real data is.
keep = ("CXX", "CC", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "RECIPE_DATA")
one_title = True  # its card, its links and its notebook show it
writable = (layout.COMPILED,)  # and nothing but that and a recipe's own folder

TOOLS = {
    "c++": "no C++ compiler (Debian and Ubuntu: apt install g++; macOS: xcode-select --install;"
    " Windows: the Build Tools for Visual Studio)",
    "torchrun": "Windows, where torchrun does not work yet (use WSL, its Linux)",
}
DATASETS = {"CIFAR10": "CIFAR-10, 170 MB from www.cs.toronto.edu"}  # what a download fetches
# For notebooks: where an older torch stays, a message later on should surprise nobody.
OLDER = """\
from importlib.metadata import version

from packaging.version import Version

if Version(version("torch")) < Version("{oldest}"):
    print(f"torch {{version('torch')}} is older than {oldest}, the oldest that this was run on.")"""
# What ``enter`` found out about this process's recipe, for ``made_with``.
data_of_recipe: dict[str, str] = {}


def skip(header: Header) -> str:
    """What this machine lacks for a recipe, "" if nothing.

    Raises:
        HeaderError: if the header requires a tool that is not in ``TOOLS``.
    """
    if unknown := sorted(set(header.requires) - set(TOOLS)):
        raise HeaderError(f"requires {unknown[0]!r}, which is unknown; known: {', '.join(TOOLS)}")
    if "c++" in header.requires and not cpp_compiler():
        return TOOLS["c++"]
    if "torchrun" in header.requires and sys.platform == "win32":
        return TOOLS["torchrun"]
    return ""


@cache
def cpp_compiler() -> str:
    """The C++ compiler's name and version, "" if there is none.

    Looked for as ``torch._inductor.cpp_builder.get_cpp_compiler`` does.
    """
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", default)
    command = [compiler, "/help" if sys.platform == "win32" else "--version"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (run.stdout or run.stderr).splitlines() if run.returncode == 0 else []
    return lines[0].strip() if lines else ""


def key(header: Header, srcdir: Path) -> dict[str, str]:
    """The compiler and the data sets that a recipe's result depends on.

    Raises:
        HeaderError: if there is no header, or a tag is unknown.
        ValueError: if it names an unknown data set.
    """
    if not header.declared:
        raise HeaderError(EXPECTED.format(0))
    if unknown := sorted(set(header.tags) - set(layout.TAGS)):
        raise HeaderError(f"the tag {unknown[0]!r} is unknown; known: {', '.join(layout.TAGS)}")
    found = {f"data {name}": data_version(name, srcdir / layout.DATA) for name in header.datasets}
    if "c++" in header.requires:
        found["C++ compiler"] = cpp_compiler() or "none"
    return found


def data_version(name: str, folder: Path) -> str:
    """What a recipe that declares this data set would load: "real ..." or "drawn ...".

    Args:
        name: of a class in ``torchvision.datasets``.
        folder: where the real data would be.

    Raises:
        ValueError: if there is no such data set here.
    """
    if name not in DATASETS:
        raise ValueError(f"no data set {name!r} here; known: {', '.join(DATASETS)}")
    if not has_real_data(folder):
        return DRAWN_VERSION
    files = sorted((folder / REAL_FOLDER).iterdir())
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return f"real {digest(repr(stats))}"


def enter(task: Task) -> None:
    """Set threads, caches and data in a recipe's process.

    Raises:
        NotHere: if this machine has fewer GPUs, or other data, than the recipe needs.
    """
    if torch := sys.modules.get("torch"):  # imported before it could see OMP_NUM_THREADS
        torch.set_num_threads(task.header.threads)
    for name, value in (cache_of_compiler(Path(task.srcdir)) if task.srcdir else {}).items():
        os.environ.setdefault(name, value)
    if task.srcdir and "g++" in task.key.get("C++ compiler", ""):  # clang calls itself "clang"
        share_headers(Path(task.srcdir))
    # Where it finds nvcc but no GPU, it warns, with the date and a path, on the page.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    if task.header.gpus and accelerators() < task.header.gpus:
        raise NotHere(f"needs {task.header.gpus:g} GPU(s); this machine has fewer")
    folder = data_folder(task)
    used = []
    for name in task.header.datasets:
        real = task.key[f"data {name}"] != DRAWN_VERSION
        if real != has_real_data(folder):
            kind = "real data" if real else "drawn stand-in"
            raise NotHere(f"needs the {kind} of this build, unlike {folder or 'this machine'}")
        used.append(f"{name} ({'real' if real else 'drawn stand-in'})")
    data_of_recipe["data"] = ", ".join(used)
    install(folder, task.header.datasets)


def cache_of_compiler(root: Path) -> dict[str, str]:
    """The variable that lets ``torch.compile`` find again what it compiled for this project.

    Without it, each run compiles anew in its temporary folder. So it does where the project's path
    has a blank or a quotation mark, as PyTorch 2.14 does not quote this path for the compiler.
    """
    folder = str(root / layout.COMPILED)
    return {} if set(folder) & set(" \t'\"") else {"TORCHINDUCTOR_CACHE_DIR": folder}


def share_headers(root: Path) -> None:
    """Let ``torch.compile`` find the C++ headers that it precompiled for another recipe.

    Each takes 6 to 24 s of CPU time, and PyTorch 2.14 keeps them in the temporary folder, not in
    that of ``cache_of_compiler``. For g++ alone, which does not ask where they were written.
    """
    folder = root / layout.COMPILED / "precompiled_headers"
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(KeyError, OSError):  # a user without a name: then they are made anew
        link = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}", folder.name)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(folder)


def accelerators() -> int:
    """How many GPUs or the like torch finds."""
    import torch

    return torch.accelerator.device_count()


def data_folder(task: Task) -> Path | None:
    """The folder of the real data; a node of a cluster may have it elsewhere, or not at all."""
    if folder := os.environ.get("RECIPE_DATA"):
        return Path(folder).resolve()
    return Path(task.srcdir, layout.DATA) if task.srcdir else None


def made_with() -> dict[str, str]:
    """Versions, device and data of the recipe that this process has executed."""
    device = "cpu"
    if torch := sys.modules.get("torch"):
        device = str(torch.accelerator.current_accelerator(check_available=True) or "cpu")
    return {
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        "device": device,
        "data": data_of_recipe.get("data", ""),
    }


def provenance(made_with: dict[str, str]) -> str:
    """One sentence on what a page's results were made with."""
    data = f", data: {made_with['data']}" if made_with.get("data") else ""
    return (
        f"Executed on {made_with['date']} with torch {made_with['torch']}, torchvision "
        f"{made_with['torchvision']}, Python {made_with['python']} on {made_with['platform']}, "
        f"device: {made_with['device']}{data}, commit {made_with['commit']}."
    )


def first_cell(slug: str, code: str, srcdir: Path) -> str:
    """Code that says in one sentence when torch is older than the oldest that a recipe ran on."""
    from .versions import oldest_torch  # only here: no recipe's process needs it

    oldest = oldest_torch(slug, code, srcdir)
    return OLDER.format(oldest=oldest) if oldest else ""


def finish(folder: Path) -> None:
    """Make figures small and cards clear, and link code below a folder only on names of APIs."""
    from . import code_links, pictures  # only here: most builds typeset nothing

    pictures.finish(folder)
    code_links.finish(folder)
