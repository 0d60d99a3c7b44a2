"""Links from a page to the site's repository on GitHub, and from there to Colab.

Problem: a reader who wants to try a recipe, or to mend one, should not have to search for it.
Usage: list this extension and set ``github_repository = "owner/name"``; ``launch_links`` are
put among a recipe's facts (see ``recipe_page``).
Result: on a recipe *Open in Colab* (its notebook, from the branch that holds the built site),
*View on GitHub* and *Report a problem* (a form that is filled in as far as it can be); on
every page the theme's own link to edit the source, never a generated file. Without a
repository there are none of these.
"""

import hashlib
import re
from typing import Any
from urllib.parse import urlencode

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

from recipe_process import SUBDIR

GITHUB, COLAB = "https://github.com", "https://colab.research.google.com/github"
ADDRESS = "[\\w.-]+/[\\w.-]+"


def launch_links(slug: str, config: Config, made: dict[str, str]) -> list[str]:
    """The rst of a recipe's links; ``made`` are the versions that it was executed with."""
    if not (repository := getattr(config, "github_repository", "")):
        return []
    place = hashlib.md5(f"{SUBDIR}/{slug}.ipynb".encode(), usedforsecurity=False).hexdigest()
    notebook = f"blob/{config.github_site_branch}/_downloads/{place}/{slug}.ipynb"
    source = f"blob/{config.github_branch}/recipes_source/recipes/{slug}.py"
    versions = ", ".join(f"{n} {made[n]}" for n in ("python", "torch", "platform") if n in made)
    form = {"template": "recipe_problem.yml", "title": f"{slug}: ", "recipe": slug}
    report = f"issues/new?{urlencode(form | {'versions': versions})}"
    return [
        f"`Open in Colab <{COLAB}/{repository}/{notebook}>`__",
        f"`View on GitHub <{GITHUB}/{repository}/{source}>`__",
        f"`Report a problem <{GITHUB}/{repository}/{report}>`__",
    ]


def edit_link(app: Sphinx, pagename: str, _: str, context: dict, __: Any) -> None:
    """Let the theme link to the source of a page."""
    config = app.config
    if not config.github_repository:
        return
    user, _, name = config.github_repository.partition("/")
    context |= {"display_github": True, "github_user": user, "github_repo": name}
    context |= {"github_version": config.github_branch, "conf_py_path": "/"}
    folder, _, slug = pagename.rpartition("/")
    source = f"recipes_source/recipes/{slug}.py" if folder == SUBDIR else ""
    if slug == "index" and folder.startswith("recipes"):
        source = f"{folder.replace('recipes', 'recipes_source', 1)}/GALLERY_HEADER.rst"
    if source:
        edit = f"{GITHUB}/{user}/{name}/edit/{config.github_branch}/{source}"
        context["meta"] = {**(context.get("meta") or {}), "github_url": edit}


def check(_: Sphinx, config: Config) -> None:
    """Refuse what is no repository."""
    if config.github_repository and not re.fullmatch(ADDRESS, config.github_repository):
        raise ConfigError(
            f"GITHUB_REPOSITORY is {config.github_repository!r}: make it owner/name, or unset it"
        )


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("github_repository", "", "env", str)
    app.add_config_value("github_branch", "main", "env", str)
    app.add_config_value("github_site_branch", "gh-pages", "env", str)
    app.connect("config-inited", check)
    app.connect("html-page-context", edit_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
