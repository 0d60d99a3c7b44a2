"""What a recipe needs of the machine: packages, and tools that pip cannot install.

Problem: a recipe whose needs are not met fails with a message about something else, and
a build that leaves it out in silence is green for nothing.
Usage: ``dependencies`` and ``[tool.recipe] requires`` in a recipe's header;
``installed(header)`` where its key is made, ``missing_tool(header)`` and
``missing_package(header)`` before it is executed.
Result: a missing package is a failure with a sentence that says what to install. A missing
tool is a skip, which the page, the build's last lines and the table of costs show. Two are
known: "c++", a compiler as torch.compile looks for it, and "torchrun", which torch's packages
for Windows lack a library for (github.com/pytorch/pytorch/issues/178600).
"""

import os
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement

TOOLS = {
    "c++": "no C++ compiler (Debian and Ubuntu: apt install g++; macOS: xcode-select --install;"
    " Windows: the Build Tools for Visual Studio)",
    "torchrun": "Windows, where torchrun does not work yet (use WSL, its Linux)",
}


@cache
def cpp_compiler() -> str:
    """The C++ compiler's name and version, "" if there is none.

    Looked for as ``torch._inductor.cpp_builder.get_cpp_compiler`` does.
    """
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", default)
    option = "/help" if sys.platform == "win32" else "--version"
    try:
        run = subprocess.run([compiler, option], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (run.stdout or run.stderr).splitlines() if run.returncode == 0 else []
    return lines[0].strip() if lines else ""


def missing_tool(requires: tuple[str, ...]) -> str:
    """What keeps a recipe from being executed here; "" if nothing does."""
    if "c++" in requires and not cpp_compiler():
        return TOOLS["c++"]
    return TOOLS["torchrun"] if "torchrun" in requires and sys.platform == "win32" else ""


@cache
def installed_version(requirement: str) -> str:
    """The version of a package that is installed, "" if none or not a fitting one is.

    Raises:
        ValueError: if the text is not a requirement as pip takes it.
    """
    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise ValueError(f"dependency {requirement!r} cannot be read: {error}") from None
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return ""
    return found if wanted.specifier.contains(found, prereleases=True) else ""


def missing_package(dependencies: tuple[str, ...]) -> str:
    """A sentence on the packages that a recipe needs and that are not here; "" if none."""
    missing = [name for name in dependencies if not installed_version(name)]
    if not missing:
        return ""
    return (
        f"needs {', '.join(missing)}, which is not installed; install all that recipes need"
        " with: pip install -r requirements-recipes.txt -c constraints.txt"
    )


def identity(dependencies: tuple[str, ...], requires: tuple[str, ...]) -> dict[str, str]:
    """The part of a recipe's key that says with what it was executed."""
    found = {name: installed_version(name) or "not installed" for name in dependencies}
    if "c++" in requires:
        found["C++ compiler"] = cpp_compiler() or "none"
    return found
