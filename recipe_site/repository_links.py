"""Links from a page to the site's repository on GitHub, and from there to Colab.

Problem: a reader who wants to try a recipe, or to mend one, should not have to search for it.
Usage: set ``github_repository = "owner/name"``; ``launch_links`` are put among a recipe's facts
(see ``recipe_page``).
Result: on a recipe *Open in Colab* (its notebook, from the branch that holds the built site),
*View on GitHub* and *Report a problem* (a form that is filled in as far as it can be); on
every page the theme's own link to edit the source, never a generated file. Without a
repository there are none of these.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sphinx.application import Sphinx
from sphinx.config import Config

from . import layout

GITHUB, COLAB = "https://github.com", "https://colab.research.google.com/github"
ADDRESS = r"[\w.-]+/[\w.-]+"


def launch_links(slug: str, config: Config, made_with: Mapping[str, str]) -> list[str]:
    """The rst of a recipe's links; ``made_with`` are the versions that it was executed with."""
    if not (repository := config.github_repository):
        return []
    notebook = f"{layout.docname(slug)}.ipynb"
    folder = hashlib.md5(notebook.encode(), usedforsecurity=False).hexdigest()  # as Sphinx does
    built = f"blob/{config.github_site_branch}/_downloads/{folder}/{slug}.ipynb"
    source = f"blob/{config.github_branch}/{layout.source(slug)}"
    names = ("python", "torch", "platform")
    versions = ", ".join(f"{name} {made_with[name]}" for name in names if name in made_with)
    form = {"template": "recipe_problem.yml", "title": f"{slug}: ", "recipe": slug}
    report = f"issues/new?{urlencode(form | {'versions': versions})}"
    return [
        f"`Open in Colab <{COLAB}/{repository}/{built}>`__",
        f"`View on GitHub <{GITHUB}/{repository}/{source}>`__",
        f"`Report a problem <{GITHUB}/{repository}/{report}>`__",
    ]


def edit_link(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Let the theme link to the source of a page."""
    config = app.config
    if not config.github_repository:
        return
    user, _, name = config.github_repository.partition("/")
    context |= {"display_github": True, "github_user": user, "github_repo": name}
    context |= {"github_version": config.github_branch, "conf_py_path": "/"}
    form = f"{GITHUB}/{config.github_repository}/issues/new?template=new_recipe.yml"
    context["new_recipe_form"] = form  # for the search page
    slug = layout.slug_of(page)
    source = layout.source(slug) if slug else {layout.INDEX: layout.INDEX_SOURCE}.get(page)
    if source:
        edit = f"{GITHUB}/{user}/{name}/edit/{config.github_branch}/{source}"
        context["meta"] = {**(context.get("meta") or {}), "github_url": edit}


def check_repository(app: Sphinx, config: Config) -> None:
    """End a build at its start if the setting names no repository.

    Raises:
        SystemExit: with a sentence.
    """
    if config.github_repository and not re.fullmatch(ADDRESS, config.github_repository):
        raise SystemExit(
            f"GITHUB_REPOSITORY is {config.github_repository!r}: make it owner/name, or unset it"
        )
