"""Links in code stand on names of APIs, not on variables.

Problem: Sphinx-Gallery links every variable to the class of its value. In a recipe that is every
second word, and a third of these links lead to ``torch.Tensor``.
Usage: ``finish(folder)`` on what was typeset, before it is published.
Result: ``nn.Linear`` is a link, and so is a method of a variable, but not the variable itself; the
index of names lists what the pages link to.
"""

import json
from pathlib import Path
from typing import Any


def finish(folder: Path) -> None:
    """Rewrite the names that the pages below a folder link."""
    for file in folder.rglob("*.codeobj.json"):
        names = api_names(json.loads(file.read_text("utf-8")))
        text = json.dumps(names, sort_keys=True, ensure_ascii=False, indent=1)
        file.write_text(text, "utf-8")


def api_names(names: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without variables: a name stays where its last part is also the last part of the object's.

    Args:
        names: for each name as it stands in a recipe, the objects that it may stand for, as
            Sphinx-Gallery keeps them. Those that prose names outright all stay.
    """
    kept = {}
    for name, objects in names.items():
        last = name.rpartition(".")[2]
        own = [o for o in objects if o["is_explicit"] or o["name"].rpartition(".")[2] == last]
        if own:
            kept[name] = own
    return kept
