"""Times this build beside others that execute documentation, on this project's recipes.

Problem: "fast" means nothing without the same work done by others on the same machine.
Usage: ``make bench`` (or ``python -m benchmarks.bench --runs 3 --scale 10 100``), on a
machine that does nothing else. It makes a scratch environment for what the others need.
Result: two tables, printed and written to docs/benchmark_results.rst: medians of whole
commands and their ratio to this build; and cost per recipe against the number of recipes.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

import psutil

from recipe_site.catalogue import TAGS
from tools import downloads

from .contestants import CONTESTANTS, MYST, ROOT, SMALL, make_site, write_recipe

RESULTS = ROOT / "docs" / "benchmark_results.rst"


def scratch_python(folder: Path) -> Path:
    """A virtual environment with what the others need and all that we have."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    Path(site, "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    needed = str(Path(__file__).with_name("requirements.txt"))
    pins = str(ROOT / "constraints.txt")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", needed, "-c", pins], check=True)
    return python


def build(python: Path, folder: Path) -> tuple[float, float]:
    """Build a site; seconds, and the peak of the memory of all its processes in MB."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(downloads.READER),
        "RECIPE_DATA": str(ROOT / "data"),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
    }
    # As `make html` does; jupyter-cache sometimes breaks its data base if pages are read at once.
    jobs = "1" if "myst_nb" in (folder / "conf.py").read_text() else "auto"
    options = ("-q", "-j", jobs, "-d", "_build/doctrees")
    command = [python, "-m", "sphinx", *options, ".", "_build/html"]
    with open(folder / "log", "w") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
        peak, over = [0.0], threading.Event()
        sampler = threading.Thread(target=sample, args=(process.pid, peak, over))
        sampler.start()
        process.wait()
        seconds = time.perf_counter() - start
        over.set()
        sampler.join()
    return seconds, peak[0]


def sample(pid: int, peak: list[float], over: threading.Event) -> None:
    """Note the largest memory of a process and its descendants; shared pages count once.

    To count them once takes up to a tenth of a core, so only what may be the peak is counted.
    """
    most = 0
    while not over.wait(0.5):
        try:
            parent = psutil.Process(pid)
            family = (parent, *parent.children(recursive=True))
            resident = sum(process.memory_info().rss for process in family)
            if resident > 0.95 * most:
                total = sum(process.memory_full_info().pss for process in family)
                most, peak[0] = max(most, resident), max(peak[0], total / 2**20)
        except psutil.Error:
            continue  # one has just ended


def project_recipes() -> dict[str, str]:
    """The recipes of this project."""
    folder = ROOT / "recipes_source" / "recipes"
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.py"))}


def compare(python: Path, work: Path, runs: int) -> list[tuple[str, ...]]:
    """One row per contestant: medians of five measures, with ratios to this build."""
    recipes = project_recipes()
    slug = sorted(recipes)[0]
    code = recipes[slug] + "\n# %%\n\nprint('edited', RUN)\n"
    seen: dict[str, dict[str, list[float]]] = {}
    for run in range(runs):
        for name, conf in CONTESTANTS.items():  # in turn, so that drift hits all alike
            if run and conf is MYST:  # once: it takes as long as all others together
                continue
            folder = make_site(work / "site", conf, recipes)
            measures = seen.setdefault(name, {})
            seconds, peak = build(python, folder)
            measures.setdefault("peak MB", []).append(peak)
            measures.setdefault("clean", []).append(seconds)
            measures.setdefault("no-op", []).append(build(python, folder)[0])
            edited = code.replace("RUN", str(run))
            write_recipe(folder, slug, edited)
            measures.setdefault("code edited", []).append(build(python, folder)[0])
            write_recipe(folder, slug, edited.replace(" the ", " that ", 1))
            measures.setdefault("prose edited", []).append(build(python, folder)[0])
            if name == "this build":
                costs = json.loads((folder / "_build/recipe_runs/summary.json").read_text())
                total = sum(cost["cpu"] for cost in costs.values())
                floor = seen.setdefault("floor", {})
                floor.setdefault("clean", []).append(total / (os.cpu_count() or 1))
                floor.setdefault("peak MB", []).append(max(c["peak"] for c in costs.values()))
            print(run, name, {k: round(v[-1], 1) for k, v in measures.items()}, flush=True)
    ours = {k: statistics.median(v) for k, v in seen["this build"].items()}
    columns = ("clean", "no-op", "code edited", "prose edited", "peak MB")
    rows = [("", *(c if c == "peak MB" else f"{c}, s" for c in columns))]
    for name in (*CONTESTANTS, "floor"):
        row = [name]
        for column in columns:
            if column not in seen[name]:
                row.append("")
                continue
            value = statistics.median(seen[name][column])
            row.append(f"{value:.{0 if column == 'peak MB' else 1}f}")
            if name != "this build":
                row[-1] += f" ({value / ours[column]:.2f} ×)"
        rows.append(tuple(row))
    return rows


def only_headers(folder: str, names: list[str]) -> list[str]:
    """What not to copy: the recipes, of which there are others."""
    return [name for name in names if name.endswith(".py") and Path(folder).name == "recipes"]


def scale(python: Path, work: Path, counts: list[int]) -> list[tuple[str, ...]]:
    """Seconds per recipe, and of a no-op build, for generated recipes in this very site."""
    rows = [("recipes", "clean, s", "per recipe, s", "no-op, s")]
    for count in counts:
        folder = work / "site"
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("conf.py", "index.rst", "_templates", "docs", "recipe_gallery", "recipe_site"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            folder.mkdir(exist_ok=True)
            copy(ROOT / name, folder / name)
        shutil.copytree(ROOT / "recipes_source", folder / "recipes_source", ignore=only_headers)
        for n in range(count):
            text = SMALL.format(number=n, tag=TAGS[n % len(TAGS)])
            (folder / f"recipes_source/recipes/recipe_{n:04}.py").write_text(text)
        clean, _ = build(python, folder)
        rows.append(
            (str(count), f"{clean:.1f}", f"{clean / count:.2f}", f"{build(python, folder)[0]:.1f}")
        )
        print(rows[-1], flush=True)
    return rows


def table(rows: list[tuple[str, ...]]) -> str:
    """An rst table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=int, nargs="*", default=[10, 100, 1000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        work = Path(scratch)
        python = scratch_python(work / "venv")
        compared = compare(python, work, options.runs)
        scaled = scale(python, work, options.scale)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    RESULTS.write_text(
        f".. Written by make bench; do not edit.\n\n"
        f"{len(project_recipes())} recipes, {machine}, Python {platform.python_version()}; "
        f"medians of {options.runs} runs (MyST-NB: one); in brackets, ratios to this build.\n\n"
        f"{table(compared)}\n{table(scaled)}"
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
