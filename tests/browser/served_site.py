"""The built site on a port of this machine, compressed as web servers do; and a browser for it."""

import contextlib
import gzip
import re
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
LANDING = "index.html"
INDEX = "recipes/recipes/index.html"
LEAD = "recipes/recipes/zeroing_out_gradients.html"
SEARCH, DOCS, MISSING = "search.html?q=zero_grad", "docs/recipe_times.html", "no/such/page.html"
PAGES = [LANDING, INDEX, LEAD, SEARCH, DOCS, MISSING, "docs/api_index.html", "docs/errors.html"]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".xml", ".txt"}


def all_pages() -> list[str]:
    """The addresses of all pages of the built site, redirects left out, and one that is missing."""
    found = [p.relative_to(SITE).as_posix() for p in sorted(SITE.rglob("*.html"))]
    pages = [p for p in found if '<div role="main"' in (SITE / p).read_text("utf-8")]
    return [SEARCH if page == "search.html" else MISSING if page == "404.html" else page
            for page in pages]  # fmt: skip


class Handler(SimpleHTTPRequestHandler):
    """Sends text compressed, and 404.html where there is nothing."""

    protocol_version = "HTTP/1.1"

    def send_head(self):
        path, status = Path(self.translate_path(self.path)), 200
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            path, status = Path(self.directory, "404.html"), 404
        content = path.read_bytes()
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(path) + self.charset(path))
        self.send_header("Cache-Control", "max-age=600")
        if path.suffix in COMPRESSED:
            content = gzip.compress(content, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return BytesIO(content)

    def charset(self, path: Path) -> str:
        return "; charset=utf-8" if path.suffix in COMPRESSED else ""

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *where: object) -> None:
        """Be quiet, too, about a browser that closes a connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*where)


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The address of the site, which is served meanwhile."""
    if not (SITE / LANDING).is_file():
        raise SystemExit("the site is not built: run make html")
    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(SITE)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def with_settings(*values: dict) -> pytest.MarkDecorator:
    """Run a test with each of these settings of the browser."""
    names = [" ".join(re.findall(r"\w*(?:dark|light|\d+)", str(value))) for value in values]
    return pytest.mark.parametrize("settings", values, ids=names)
