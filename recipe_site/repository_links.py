"""Links from a page to the site's repository on GitHub, and from there to Colab.

Problem: a reader who wants to try a recipe, or to mend one, should not have to search for it.
Usage: set ``github_repository = "owner/name"``; ``launch_links`` are put among a recipe's facts
(see ``recipe_page``).
Result: on a recipe *Colab* (its notebook, from the branch that holds the built site) and *GitHub*,
at its foot *Report a problem* (a form that is filled in as far as it can be); at the foot of every
page a link to edit its source, never a generated file. Without a repository there are none.
"""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from sphinx.application import Sphinx
from sphinx.config import Config

from . import layout

GITHUB, COLAB = "https://github.com", "https://colab.research.google.com/github"
ADDRESS = r"[\w.-]+/[\w.-]+"


def launch_links(slug: str, config: Config) -> list[str]:
    """The rst of the links to a recipe elsewhere."""
    if not (repository := config.github_repository):
        return []
    notebook = f"{layout.docname(slug)}.ipynb"
    folder = hashlib.md5(notebook.encode(), usedforsecurity=False).hexdigest()  # as Sphinx does
    built = f"blob/{config.github_site_branch}/_downloads/{folder}/{slug}.ipynb"
    return [
        f"`Colab <{COLAB}/{repository}/{built}>`__",
        f"`GitHub <{file_link(config, layout.source(slug), 'blob')}>`__",
    ]


def report_link(slug: str, config: Config, made_with: Mapping[str, str]) -> str:
    """The address of the form for a problem of a recipe, "" without a repository.

    Args:
        slug: the recipe's.
        config: of the site.
        made_with: the versions that it was executed with, with which the form is filled in.
    """
    if not (repository := config.github_repository):
        return ""
    names = ("python", "torch", "platform")
    versions = ", ".join(f"{name} {made_with[name]}" for name in names if name in made_with)
    form = {"template": "recipe_problem.yml", "title": f"{slug}: ", "recipe": slug}
    return f"{GITHUB}/{repository}/issues/new?{urlencode(form | {'versions': versions})}"


def file_link(config: Config, path: str, action: str) -> str:
    """The address of one of the project's files on GitHub, "" without a repository.

    Args:
        config: of the site.
        path: from the project's root on.
        action: ``blob`` to look at it, ``edit`` to mend it.
    """
    if not (repository := config.github_repository):
        return ""
    return f"{GITHUB}/{repository}/{action}/{config.github_branch}/{path}"


def new_recipe_form(config: Config) -> str:
    """The address of the form that asks for a recipe."""
    return f"{GITHUB}/{config.github_repository}/issues/new?template=new_recipe.yml"


def check_repository(app: Sphinx, config: Config) -> None:
    """End a build at its start if the setting names no repository.

    Raises:
        SystemExit: with a sentence.
    """
    if config.github_repository and not re.fullmatch(ADDRESS, config.github_repository):
        raise SystemExit(
            f"GITHUB_REPOSITORY is {config.github_repository!r}: make it owner/name, or unset it"
        )
