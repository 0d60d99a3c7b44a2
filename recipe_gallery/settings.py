"""What whoever starts a build decides, in one place."""

import difflib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from .model import Header, Limit
from .plugin import Plugin


class BuildError(Exception):
    """The build cannot go on; the text says why and what to do."""


class Conf(msgspec.Struct, forbid_unknown_fields=True):
    """``recipe_gallery_conf``: what a site decides."""

    plugin: str = ""  # the module of this site's plugin
    state: str = "_build/recipe_runs"  # where executions are kept, from the source folder on
    index: bool = True  # whether to write index.rst into the galleries' folders
    timeout: Limit = Header().timeout  # seconds; of recipes whose header does not say
    memory: Limit = Header().memory  # GiB; likewise


@dataclass
class Settings:
    """The settings of one build.

    Args:
        gallery: ``sphinx_gallery_conf`` with all defaults.
        srcdir: the documentation's root.
        state: the folder for what is kept.
        plugin, plugin_name: see ``plugin``.
        links: addresses of API names, for notebooks.
        base: the site's address, "" if it is not known.
        only: the one recipe to execute, in any case; "" for all that need it.
        execute: whether to execute anything.
        jobs: how many recipes at once.
        costs: a summary.json of an earlier build, whose costs pages show; "" for their own.
        typeset_by: a checksum of the code that typesets.
        index: whether to write lists of recipes.
        defaults: what holds for a recipe whose header does not say.
    """

    gallery: Mapping[str, Any]
    srcdir: Path
    state: Path
    plugin: Plugin = field(default_factory=Plugin)
    plugin_name: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    only: str = ""
    execute: bool = True
    jobs: int = 1
    costs: str = ""
    typeset_by: str = ""
    index: bool = True
    defaults: Header = Header()


def cores() -> int:
    """How many cores this process may use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return found or 1


def nearest(slug: str, known: Collection[str]) -> str:
    """The end of a sentence on a recipe that is not there: which are called nearly so."""
    near = difflib.get_close_matches(slug, sorted(known), n=3, cutoff=0.3)
    return f"did you mean {', '.join(near)}?" if near else f"there are {len(known)}"


def number_of_jobs(text: str) -> int:
    """How many recipes at once: a positive number, or the number of cores for 0.

    Raises:
        BuildError: if the text is no such number.
    """
    if not re.fullmatch(r"\d+", text.strip(), re.ASCII):
        raise BuildError(
            f"{text!r} is no number of jobs: write one, 0 for as many as there are cores"
        )
    return int(text) or cores()
