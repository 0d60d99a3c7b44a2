"""Runs what readers download, and compares it with what the pages show.

Problem: sites offer scripts and notebooks that nobody has ever run.
Usage: ``make verify`` after ``make html`` (``RECIPE=slug``, ``JOBS=n``, ``DEVICE=cuda``).
Result: each script, with plain ``python`` in an empty folder, and each notebook, in a fresh
kernel, prints what its page shows, to the byte, and draws the same pixels. A table, a
difference for each mismatch, exit code 1 if there is one; and ``verified.json``, which
docs/recipe_times.rst shows. With ``DEVICE`` the scripts run on that accelerator, and the
result is recorded in docs/verified_devices.json.
"""

import argparse
import base64
import difflib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from bs4 import BeautifulSoup
from PIL import Image
from rich.progress import Progress

from atomic_files import read_json, write_json
from executed_notebooks import figures, printed
from recipe_process import kill_group

ROOT = Path(__file__).parents[1]
STATE = ROOT / "_build" / "recipe_runs"
SITE = ROOT / "_build" / "html"
DEVICES = ROOT / "docs" / "verified_devices.json"
# What torch logs where it finds nvcc but no GPU, whatever the recipe.
OF_THE_MACHINE = re.compile(r"(?m)^W\d{4} .*cpp_extension.*No CUDA runtime is found.*\n?")
# The notebook draws a figure as savefig does; by default it would crop the margins.
KERNEL = "c.InlineBackend.print_figure_kwargs = {'bbox_inches': None}\n"
RUN_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=float(sys.argv[2]), kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def page_blocks(slug: str) -> list[str]:
    """What a page shows below its cells, without the empty lines around each block."""
    page = (SITE / "recipes" / "recipes" / f"{slug}.html").read_text("utf-8")
    shown = BeautifulSoup(page, "html.parser").select(".sphx-glr-script-out")
    return [block.get_text().strip("\n") for block in shown]


def difference(expected: str, got: str, what: str) -> str:
    """A unified diff, "" if the texts are equal."""
    if expected == got:
        return ""
    lines = (text.splitlines() for text in (expected, got))
    return "\n".join(difflib.unified_diff(*lines, "the page", what, lineterm="")) or (
        "they differ in white space at a line's or the text's end"
    )


def different_pixels(name: str, ours: bytes, theirs: bytes) -> str:
    """A sentence if two PNG differ when decoded, else ""."""
    one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")) for png in (ours, theirs))
    if one.shape != other.shape:
        return f"{name}: {one.shape[1::-1]} pixels on the page, {other.shape[1::-1]} here"
    count = int((one != other).any(axis=-1).sum())
    return f"{name}: {count} of {one.shape[0] * one.shape[1]} pixels differ" if count else ""


def environment(folder: Path, device: str) -> dict[str, str]:
    """Variables for a run outside of the checkout, with the build's data and threads."""
    (folder / "profile_default").mkdir()
    (folder / "profile_default" / "ipython_kernel_config.py").write_text(KERNEL)
    hidden = {} if device else {"CUDA_VISIBLE_DEVICES": ""}
    # With a backend from outside, a kernel would draw nothing.
    ours = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return {
        **ours,
        **hidden,
        "PYTHONPATH": str(ROOT / "extensions"),
        "RECIPE_DATA": str(ROOT / "data"),
        "RECIPE_FIGURES": str(folder / "figures"),
        "IPYTHONDIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "NO_COLOR": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(ROOT / "_build" / "compiled"),
    }


def execute(command: list, timeout: float, **options: Any) -> tuple[int, str, str]:
    """Run a command that ends, with all that it started, at the time limit."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    process = subprocess.Popen(command, start_new_session=True, **pipes, **options)
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.communicate()
        raise
    return process.returncode, output, OF_THE_MACHINE.sub("", errors)


def download(slug: str, suffix: str) -> Path:
    """A recipe's file among the downloads of the site.

    Raises:
        FileNotFoundError: if it is not there.
    """
    found = sorted(SITE.glob(f"_downloads/*/{slug}{suffix}"))
    if len(found) != 1:
        raise FileNotFoundError(f"{slug}{suffix} is not among the downloads: run 'make html'")
    return found[0]


def check_script(slug: str, run: dict, folder: Path, timeout: float, device: str) -> str:
    """Run the downloaded script; what is wrong with it, "" if nothing is."""
    script = download(slug, ".py")
    work = folder / "work"
    work.mkdir()
    (work / script.name).write_bytes(script.read_bytes())
    environ = {**environment(folder, device), "MPLBACKEND": "agg"}
    command = [sys.executable, script.name]
    code, output, errors = execute(command, timeout, cwd=work, env=environ)
    if code or errors:
        return f"exit code {code}\n{errors.strip()}"
    expected = "".join(printed(output) for output in run["outputs"])
    problems = [difference(expected, output, "the script")]
    drawn = sorted((folder / "figures").glob("*.png"))
    names = [name for output in run["outputs"] for name, _ in figures(output)]
    if len(drawn) != len(names):
        problems.append(f"{len(drawn)} figures instead of {len(names)}")
    if not device:  # a chart of a training run on another device has other pixels
        for name, file in zip(names, drawn, strict=False):
            ours = base64.b64decode(run["images"][name])
            problems.append(different_pixels(name, ours, file.read_bytes()))
    return "\n".join(p for p in problems if p)


def check_notebook(slug: str, run: dict, folder: Path, timeout: float, device: str) -> str:
    """Run the downloaded notebook; what is wrong with it, "" if nothing is."""
    source = download(slug, ".ipynb")
    work = folder / "work"
    work.mkdir()
    copy = work / source.name
    notebook = nbformat.read(source, 4)
    problems = []
    stored = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(notebook, copy)
    command = [sys.executable, "-c", RUN_NOTEBOOK, copy.name, str(timeout)]
    environ = environment(folder, device)
    code, _, errors = execute(command, timeout + 60, cwd=work, env=environ)
    if code:
        return errors.strip()[-3000:]
    executed = nbformat.read(copy, 4)
    fresh = [cell.outputs for cell in executed.cells if cell.cell_type == "code"]
    for number, (old, new) in enumerate(zip(stored, fresh, strict=True), 1):
        texts = ["".join(o.text for o in out if o.output_type == "stream") for out in (old, new)]
        texts[1] = OF_THE_MACHINE.sub("", texts[1])
        problems.append(difference(*texts, f"code cell {number} of the notebook"))
        shown = [[o for o in out if "image/png" in o.get("data", {})] for out in (old, new)]
        if len(shown[0]) != len(shown[1]):
            problems.append(f"cell {number}: {len(shown[1])} figures, not {len(shown[0])}")
        for one, other in zip(*shown, strict=False):
            pngs = (base64.b64decode(o["data"]["image/png"]) for o in (one, other))
            problems.append(different_pixels(f"cell {number}", *pngs))
        for out in new:
            if out.output_type == "execute_result":
                problems.append(f"cell {number} shows a value that the page does not")
    return "\n".join(p for p in problems if p)


def check(slug: str, device: str) -> dict[str, dict]:
    """All three forms of a recipe: for each what is wrong ("" for nothing), and seconds."""
    run = read_json(STATE / f"{slug}.run.json")
    timeout = 60 + 2 * read_json(STATE / f"{slug}.published.json").get("timeout", 300)
    shown = [printed(output).strip("\n") for output in run["outputs"]]
    page = difference("\n".join(s for s in shown if s), "\n".join(page_blocks(slug)), "the HTML")
    for name, data in run["images"].items():
        shown_image = SITE / "_images" / name
        if not shown_image.is_file() or shown_image.read_bytes() != base64.b64decode(data):
            page += f"\n{name} is not the figure that was drawn"
    results = {"page": {"problem": page, "seconds": run["wall"]}}
    forms = {"script": check_script} if device else FORMS
    for form, run_form in forms.items():
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            try:
                problem = run_form(slug, run, Path(folder), timeout, device)
            except subprocess.TimeoutExpired:
                problem = f"was still running after {timeout:.0f} s"
            except FileNotFoundError as error:
                problem = str(error)
        results[form] = {"problem": problem, "seconds": time.perf_counter() - start}
    return results


FORMS = {"script": check_script, "notebook": check_notebook}


def device_name(kind: str) -> str:
    """The name of an accelerator of this machine.

    Raises:
        SystemExit: if there is none of that kind.
    """
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or accelerator.type != kind:
        raise SystemExit(f"this machine has no {kind} device; 'make verify' runs on its CPU")
    return torch.cuda.get_device_name() if kind == "cuda" else kind


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", default="")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--device", default="")
    options = parser.parse_args()
    name = device_name(options.device) if options.device else ""
    summary = read_json(STATE / "summary.json")
    slugs = [slug for slug in sorted(summary) if options.recipe in ("", slug)]
    if not slugs:
        raise SystemExit(
            f"nothing to verify for {options.recipe or 'this site'!r}: run 'make html'"
        )
    for slug in [slug for slug in slugs if summary[slug].get("skipped")]:
        print(f"skipped: {slug}: {summary[slug]['skipped']}")
        slugs.remove(slug)
    if waiting := [slug for slug in slugs if not summary[slug].get("executed")]:
        raise SystemExit(f"{waiting[0]} has not been executed: run 'make html' first")
    results = {}
    jobs = 1 if options.device else options.jobs or os.cpu_count() or 1
    with Progress(disable=not sys.stdout.isatty()) as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("verifying", total=len(slugs))
        futures = {pool.submit(check, slug, options.device): slug for slug in slugs}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            progress.advance(bar)
    report(results)
    record(results, options.device, name)
    if any(form["problem"] for forms in results.values() for form in forms.values()):
        raise SystemExit("verification failed: see the differences above")


def report(results: dict) -> None:
    """Print a table, and the differences."""
    width = max(map(len, results))
    for slug in sorted(results):
        cells = [
            f"{form}: {'DIFFERS' if r['problem'] else 'equal'} {r['seconds']:5.1f} s"
            for form, r in results[slug].items()
        ]
        print(f"{slug:{width}}  " + "  ".join(cells))
    for slug in sorted(results):
        for form, r in results[slug].items():
            if r["problem"]:
                print(f"\n{slug}, {form}:\n{r['problem']}")


def record(results: dict, device: str, name: str) -> None:
    """Write down what was verified, for the site."""
    day = datetime.now(UTC).date().isoformat()
    if not device:
        verified = read_json(STATE / "verified.json")
        for slug, forms in results.items():
            made_of = read_json(STATE / f"{slug}.published.json")["made of"]
            verified[slug] = {"date": day, "made of": made_of, **forms}
        write_json(STATE / "verified.json", verified)
        return
    import torch

    good = sorted(
        s for s, forms in results.items() if not any(f["problem"] for f in forms.values())
    )
    devices = read_json(DEVICES)
    devices[name] = {"date": day, "torch": torch.__version__, "recipes": good}
    write_json(DEVICES, devices)


if __name__ == "__main__":
    main()
