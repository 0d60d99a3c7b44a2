"""Scripts run and print the same in other folders, with other threads and start methods.

Tried with the lead recipe and with some that start processes.
"""

import multiprocessing
import re
import subprocess
import sys

import pytest
from conftest import LEAD, SOURCES

from recipe_gallery.gallery import code_cells
from recipe_gallery.varying import varies

pytestmark = pytest.mark.downloads

STARTS = re.compile(r"^\s*(?:import|from) .*\b(?:multiprocessing|subprocess)|num_workers", re.M)
FOLDER = "Meine Rezepte, é и 漢字"
METHOD = """
import multiprocessing, runpy, sys

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
WAYS = {
    "another folder": ([], {}),
    "two threads": ([], {"OMP_NUM_THREADS": "2"}),
    "warnings are errors": (["-W", "error"], {}),
    "spawn": (["-c", METHOD, "spawn"], {}),
    "forkserver": (["-c", METHOD, "forkserver"], {}),
}


def chosen() -> list[str]:
    """The lead recipe, and of those whose code starts processes the first two.

    What declares that it prints something else each time is not among them.
    """
    cells = {path.stem: code_cells(path) for path in sorted(SOURCES.glob("*.py"))}
    slugs = [
        slug
        for slug, codes in cells.items()
        if slug != LEAD and STARTS.search("\n".join(codes)) and not any(map(varies, codes))
    ]
    return [LEAD, *slugs[:2]]


def test_recipes_that_start_processes_are_among_them() -> None:
    """Otherwise the start methods are tried on nothing."""
    assert len(chosen()) > 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("chosen_slug", chosen())
def test_script_prints_the_same(get_page, chosen_slug, reader_env, tmp_path, way) -> None:
    """To the byte, without a word on stderr, and nothing is left beside it."""
    page = get_page(chosen_slug)
    options, variables = WAYS[way]
    if way == "forkserver" and way not in multiprocessing.get_all_start_methods():
        pytest.skip("this platform has no forkserver")
    script = page.download(".py")
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / script.name).write_bytes(script.read_bytes())
    environ = {**reader_env, "PYTHONHASHSEED": "0", **variables}
    done = subprocess.run(
        [sys.executable, *options, script.name], cwd=folder, env=environ, timeout=300,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == page.run.text
    assert {path.name for path in folder.iterdir()} <= {script.name, "data"}
