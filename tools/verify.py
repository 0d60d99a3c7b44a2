"""Runs what readers download, and compares it with what the pages show.

Problem: sites offer scripts and notebooks that nobody has ever run.
Usage: ``make verify`` after ``make html`` (``RECIPE=slug``, ``JOBS=n``, ``DEVICE=cuda``).
Result: each script, in an empty folder, and each notebook, in a fresh kernel, prints what its
page shows, to the byte, and draws the same pixels, but for cells that declare otherwise; neither
uses what is deprecated, and each figure has a title and labels. A table, a difference for each
mismatch, exit status 1 if there is one; and ``verified.json``, which docs/recipe_times.rst shows.
With ``DEVICE`` the scripts run on that accelerator, and the result is recorded in
docs/verified_devices.json.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.progress import Progress

from recipe_gallery.files import digest, read_json, write_json
from recipe_gallery.settings import BuildError, nearest, number_of_jobs
from recipe_site import layout

from . import downloads
from .comparison import Published, check_notebook, check_page, check_script
from .needs import lacking

ROOT = Path(__file__).parents[1]
FORMS: dict[str, Callable[[Published, Path], str]] = {
    "page": check_page,
    "script": check_script,
    "notebook": check_notebook,
}
ENDINGS = {"script": ".py", "notebook": ".ipynb"}


def check(recipe: Published) -> dict[str, dict]:
    """All forms of a recipe: of each what is wrong ("" for nothing), and seconds.

    Of what was run also a checksum, as ``of``.

    Raises:
        downloads.Stopped: if ``downloads.stop`` was called meanwhile.
    """
    results = {}
    for form, check_form in FORMS.items():
        if recipe.device and form == "notebook":
            continue
        start, ran = time.perf_counter(), ""
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            try:
                if form in ENDINGS:
                    ran = digest(recipe.download(ENDINGS[form]).read_bytes())
                problem = check_form(recipe, Path(folder))
            except subprocess.TimeoutExpired as error:
                problem = f"was still running after {error.timeout:.0f} s"
            except FileNotFoundError as error:
                problem = str(error)
        seconds = recipe.run.wall if form == "page" else time.perf_counter() - start
        results[form] = {"problem": problem, "seconds": seconds} | ({"of": ran} if ran else {})
    return results


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


def chosen(root: Path, slug: str) -> list[str]:
    """The slugs of the recipes to verify; says which are skipped.

    Raises:
        SystemExit: if there is nothing to compare with.
    """
    summary = read_json(root / layout.SUMMARY)
    records = {layout.slug_of(docname): record for docname, record in sorted(summary.items())}
    records = {name: record for name, record in records.items() if slug in ("", name)}
    if not records and summary:
        known = [layout.slug_of(docname) for docname in summary]
        raise SystemExit(f"no recipe {slug!r} was built; {nearest(slug, known)}")
    if not records:
        raise SystemExit("nothing to verify: run 'make html'")
    for name in [name for name, record in records.items() if record.get("skipped")]:
        print(f"skipped: {name}: {records.pop(name)['skipped']}")
    if waiting := [name for name, record in records.items() if not record.get("executed")]:
        raise SystemExit(f"{waiting[0]} has not been executed: run 'make html' first")
    return list(records)


def in_parallel(
    check: Callable[[Published], Any], recipes: Sequence[Published], jobs: int, doing: str
) -> Iterator[tuple[str, Any]]:
    """Check recipes, several at once, and show how far it is.

    Args:
        check: what to do with each.
        recipes: those to check.
        jobs: how many at once.
        doing: what stands before the bar.

    Yields:
        the slug of each recipe that is done, with what ``check`` said of it. Ctrl-C ends those
        that run, and none begins.
    """
    downloads.STOPPED.clear()
    with Progress(disable=not sys.stdout.isatty()) as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task(doing, total=len(recipes))
        futures = {pool.submit(check, recipe): recipe.slug for recipe in recipes}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
                progress.advance(bar)
        except KeyboardInterrupt:  # what is done counts
            downloads.stop()
            print("interrupted; what was done is recorded")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def report(results: Mapping[str, dict]) -> None:
    """Print a table, and the differences."""
    width = max(map(len, results), default=0)
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


def good(forms: Mapping[str, dict]) -> bool:
    """Whether nothing is wrong with a recipe."""
    return not any(form["problem"] for form in forms.values())


def record(
    root: Path, results: Mapping[str, dict], device: str, summary: dict, whole: bool = True
) -> None:
    """Write down what was verified, for the site.

    Args:
        root: of the project.
        results: of ``check``, by slug.
        device: the accelerator's name, "" for none.
        summary: what the site was built of when the verification began.
        whole: whether all recipes were asked for, or one, which joins those of the device.
    """
    day = datetime.now(UTC).date().isoformat()
    file = root / (layout.VERIFIED_DEVICES if device else layout.VERIFIED)
    verified = read_json(file)
    if device:
        import torch

        before = [] if whole else verified.get(device, {}).get("recipes", [])
        slugs = {slug for slug in before if slug not in results}
        slugs = sorted(slugs | {slug for slug, forms in results.items() if good(forms)})
        verified[device] = {"date": day, "torch": torch.__version__, "recipes": slugs}
    else:
        for slug, forms in results.items():
            name = layout.docname(slug)
            sums = read_json(root / layout.published(slug)).get("files", {})
            ran = {f"{name}{end}": forms.get(form, {}).get("of") for form, end in ENDINGS.items()}
            same = all(sums.get(file) == of for file, of in ran.items() if of)
            # A site that is older than what was published has proved something else.
            made_of = summary[name]["made of"] if same else ""
            verified[name] = {"date": day, "made of": made_of, **forms}
    write_json(file, verified)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """The command; ``arguments`` are those of the command line if they are not given.

    Raises:
        SystemExit: with a sentence, if something differs or nothing can be compared.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.verify")
    parser.add_argument("--recipe", default="", help="the slug of one; by default all")
    parser.add_argument("--jobs", default="0", help="how many at once")
    parser.add_argument("--device", default="", help="an accelerator, such as cuda")
    options = parser.parse_args(arguments)
    if problem := lacking("verify", () if options.device else ("nbclient", "ipykernel")):
        raise SystemExit(problem)  # else each notebook would seem to differ
    try:
        jobs = number_of_jobs(options.jobs)
    except BuildError as error:
        raise SystemExit(str(error)) from None
    device = device_name(options.device) if options.device else ""
    lock = FileLock(root / layout.STATE / "lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock.acquire(timeout=0):  # a build would replace what is verified
            verify(root, options.recipe, options.device, device, 1 if device else jobs)
    except Timeout:
        raise SystemExit("a build is at work in this folder: verify when it has ended") from None


def verify(root: Path, recipe: str, kind: str, device: str, jobs: int) -> None:
    """Verify one recipe, or all if it is "", on a device of a kind, "" for the CPU.

    Raises:
        SystemExit: as ``main``.
    """
    slugs = chosen(root, recipe)
    summary, results = read_json(root / layout.SUMMARY), {}
    recipes = [Published(root, slug, kind) for slug in slugs]
    for slug, result in in_parallel(check, recipes, jobs, "verifying"):
        results[slug] = result
    report(results)
    record(root, results, device, summary, whole=not recipe)
    if left := len(slugs) - len(results):
        raise SystemExit(f"{left} recipe{'s were' if left > 1 else ' was'} not verified")
    if not all(map(good, results.values())):
        raise SystemExit("verification failed: see the differences above")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    main()
