"""What the result of a recipe depends on, and which of it has changed.

Problem: a recipe must be executed again when anything that its result depends on has changed, and
never without reason.
Usage: ``make_key(...)`` for a recipe, ``why(old, new)`` for two keys.
Result: a dictionary from what a person knows (a package, "code", a file) to a version or a
checksum.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .files import digest

# Raise it when the run stage makes other results of the same recipe; a unit test asks whether to,
# when a file changes that results depend on.
RESULT_VERSION = "2"
PACKAGES = ("numpy", "matplotlib", "sphinx-gallery")
# The settings of Sphinx-Gallery that make results. All others change looks, and run nothing.
RESULT_SETTINGS = (
    "capture_repr", "ignore_repr_types", "image_scrapers", "image_srcset", "compress_images",
    "compress_images_args", "matplotlib_animations", "reset_argv", "reset_modules",
    "reset_modules_order", "inspect_global_variables",
)  # fmt: skip
# Parts of a key whose values say nothing to a person.
WITHOUT_VERSION = ("code", "environment", "expected failure", "gallery settings", "run stage")
# Every recipe's process, and what it starts, has these; threads come from its header alone, so
# that neither the number of jobs nor of cores changes a digit.
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",  # names of months, the order of letters
    "TZ": "UTC",
    "MPLBACKEND": "agg",
    "NO_COLOR": "1",  # else Python colors a traceback where FORCE_COLOR is set
    "PYTHONHASHSEED": "0",  # the order of sets is on pages
}
# What it has from the environment of the build, and nothing else: where programs, libraries,
# packages and the user's own files are, and the way to the network.
KEPT = (
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX",
    "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    # Without these, programs of Windows do not start.
    "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
    "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE",
)  # fmt: skip


def made_environment(added: Mapping[str, str], keep: Sequence[str] = ()) -> dict[str, str]:
    """All variables of a recipe's process: those that are made, and the few that it inherits.

    Args:
        added: what it has in any case.
        keep: names of variables to inherit beside ``KEPT``.
    """
    inherited = {name: os.environ[name] for name in (*KEPT, *keep) if name in os.environ}
    if matplotlib := find_spec("matplotlib"):  # a user's own settings change figures
        defaults = Path(matplotlib.origin).with_name("mpl-data") / "matplotlibrc"
        inherited["MATPLOTLIBRC"] = str(defaults)
    return {**inherited, **added}


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """The installed version of each distribution, "none" where there is none."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def result_settings(gallery: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``sphinx_gallery_conf`` that results depend on."""
    return {name: gallery[name] for name in RESULT_SETTINGS if name in gallery}


def common_key(
    gallery: Mapping[str, Any],
    packages: Sequence[str] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
) -> dict[str, str]:
    """The part of a key that all recipes of a build share.

    Args:
        gallery: ``sphinx_gallery_conf``.
        packages: distributions that all results depend on, beside our own.
        environment: the variables that every recipe's process has.
    """
    settings = {name: stable(value) for name, value in result_settings(gallery).items()}
    return {
        **package_versions([*packages, *PACKAGES]),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "environment": digest(repr(sorted(environment.items()))),
        "gallery settings": digest(repr(sorted(settings.items()))),
        "run stage": RESULT_VERSION,
    }


def stable(value: Any) -> str:
    """A setting as text that is the same in every build: functions by their names."""
    if isinstance(value, list | tuple):
        return repr([stable(item) for item in value])
    if isinstance(value, set | frozenset):  # whose order differs from process to process
        return repr(sorted(map(stable, value)))
    named = getattr(value, "__qualname__", None) or type(value).__qualname__
    plain = isinstance(value, str | int | float | bool | dict | type(None))
    return repr(value) if plain else f"{getattr(value, '__module__', '')}.{named}"


def make_key(
    code: str, beside: Mapping[str, bytes], threads: int, *parts: Mapping[str, str]
) -> dict[str, str]:
    """The key of one recipe.

    Args:
        code: the checksum of its code; prose is no part of a key.
        beside: content of the files that go along with it, by name.
        threads: how many it may use.
        parts: what else it depends on.
    """
    key = {"code": code}
    for part in parts:
        key |= part
    if threads != 1:
        key["threads"] = str(threads)
    return key | {f"file {name}": digest(content) for name, content in beside.items()}


def code_digest(cells: Sequence[str]) -> str:
    """The checksum of a recipe's code, cell by cell."""
    return digest("\0".join(cells))


def why(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The reason to execute, "" if there is none: what differs between two keys."""
    if not old:
        return "never run"
    for name in sorted(set(old) | set(new)):
        before, now = old.get(name), new.get(name)
        if before != now:
            if name in WITHOUT_VERSION or name.split()[0] == "file":
                return f"{name} changed"
            return f"{name} {before or 'undeclared'} → {now or 'undeclared'}"
    return ""
