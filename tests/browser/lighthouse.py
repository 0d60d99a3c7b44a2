"""``make lighthouse``: the table of Lighthouse's scores of the built site, medians of several runs.

Needs Chromium and npm, with which it fetches Lighthouse into ``_build/node`` once.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys

from served_site import DOCS, LANDING, LEAD, ROOT, SEARCH, serve

from tools.questions import find_browser

VERSION = "13.5.0"
RUNS = int(os.environ.get("RUNS", "5"))
FLAGS = "--headless=new --no-sandbox"
PAGES = (
    LANDING, LEAD, "recipes/recipes/loading_data_recipe.html", "docs/api_index.html",
    "docs/errors.html", DOCS, SEARCH, "404.html",
)  # fmt: skip
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
HEADER = "page                                      preset   perf  a11y  best   seo   LCP s    CLS      KB  requests"  # noqa: E501


def install(folder) -> str:
    """The command, fetched if it is not there."""
    command = folder / "node_modules" / ".bin" / "lighthouse"
    if not command.exists():
        if not shutil.which("npm"):
            sys.exit("lighthouse: npm is not installed; it comes with Node.js")
        arguments = ["--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run(["npm", "install", *arguments, f"lighthouse@{VERSION}"], check=True)
    return str(command)


def measure(command: str, address: str, preset: str) -> list[float]:
    """The numbers of one run."""
    options = ["--preset=desktop"] if preset == "desktop" else []
    report = subprocess.run(
        [command, address, "--quiet", "--output=json", f"--chrome-flags={FLAGS}", *options],
        env={**os.environ, "CHROME_PATH": find_browser()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if report.returncode:
        sys.exit(f"lighthouse: {address}: {report.stderr.strip().splitlines()[-1]}")
    found = json.loads(report.stdout)
    failed = [a["id"] for a in found["audits"].values() if a["score"] == 0]
    scores = [100 * (found["categories"][name]["score"] or 0) for name in CATEGORIES]
    if min(scores[1:]) < 100:
        print(f"  failed: {', '.join(failed)}", file=sys.stderr)
    audits = found["audits"]
    requests = audits["network-requests"]["details"]["items"]
    return [
        *scores,
        audits["largest-contentful-paint"]["numericValue"] / 1000,
        audits["cumulative-layout-shift"]["numericValue"],
        sum(item["transferSize"] for item in requests) / 1024,
        len(requests),
    ]


def main() -> None:
    if not find_browser():
        sys.exit("lighthouse: no browser found; install Chromium")
    command = install(ROOT / "_build" / "node")
    print(HEADER)
    with serve() as site:
        for preset in ("mobile", "desktop"):
            for page in PAGES:
                runs = [measure(command, site + page, preset) for _ in range(RUNS)]
                m = [statistics.median(column) for column in zip(*runs, strict=True)]
                scores = "".join(f"{score:6.0f}" for score in m[:4])
                print(f"{page:41} {preset:7}{scores}{m[4]:8.2f}{m[5]:8.4f}{m[6]:8.1f}{m[7]:8.0f}")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
