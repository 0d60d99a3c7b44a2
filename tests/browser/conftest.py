"""A reader: the system's browser, pointed at the site, with an eye on its errors."""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from served_site import DESKTOP, MISSING, ROOT, SITE, serve

from tools.questions import browser_options, find_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not find_browser():
        stop = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        stop("no browser found; install Chromium (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(**browser_options())


@pytest.fixture(scope="session")
def http() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(params=["http", "file"])
def site(request) -> str:
    """The address of the site, from a server and from the disk."""
    return request.getfixturevalue("http") if request.param == "http" else f"{SITE.as_uri()}/"


@pytest.fixture
def settings() -> dict:
    """How the browser is set; tests override it by parametrizing."""
    return {}


@pytest.fixture
def context(browser, settings, request) -> Iterator[BrowserContext]:
    """A new reader, who sees no error and meets no other host."""
    settings = {"viewport": DESKTOP, **settings}
    traced = settings.pop("traced", True)  # which takes most of the time of many pages
    context = browser.new_context(**settings)
    if traced:
        context.tracing.start(screenshots=True, snapshots=True)
    context.set_default_timeout(60_000)
    faults: list[str] = []
    context.on("console", lambda m: m.type == "error" and faults.append(m.text))
    context.on("weberror", lambda e: faults.append(str(e.error)))
    # Going to another page ends what is still on its way; that is no fault.
    context.on(
        "requestfailed",
        lambda r: r.failure == "net::ERR_ABORTED" or faults.append(f"{r.url}: {r.failure}"),
    )
    own = ("http://127.0.0.1:", f"{SITE.as_uri()}/", "data:", "blob:")
    context.on("request", lambda r: r.url.startswith(own) or faults.append(f"asks for {r.url}"))
    failed = request.session.testsfailed
    yield context
    faults = [f for f in faults if MISSING.split("/")[0] not in f and "404" not in f]
    if request.session.testsfailed > failed or faults:
        kept = ROOT / "_build" / "browser" / re.sub(r"\W+", "-", request.node.name)
        for number, page in enumerate(context.pages):
            page.screenshot(path=f"{kept}-{number}.png")
        if traced:
            context.tracing.stop(path=f"{kept}.zip")
    context.close()
    assert not faults


@pytest.fixture
def tab(context) -> Page:
    return context.new_page()
