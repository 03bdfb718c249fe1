"""A real Chromium that watches for errors and for requests to any other host."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from models.bundle import BUNDLES_VARIABLE
from tests.bundles import TWO, write_bundle
from tests.conftest import Server, StartServer

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120_000  # milliseconds; the first film waits for TensorFlow

OpenPage = Callable[..., Page]
OpenWindow = Callable[[str, str], BrowserContext]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as Debian installs it; where there is none, these tests are skipped, but never in CI."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"No Chromium on the path (looked for {', '.join(NAMES)}): install it for the browser tests."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lungs_server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose bundle judges the lungs alone, whatever the shipped one judges; nothing was learnt for its verdicts."""
    root = tmp_path_factory.mktemp("bundles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BUNDLES_VARIABLE, str(root))
        write_bundle(root, labels=TWO, field="lungs")
    with start_server(environment={BUNDLES_VARIABLE: str(root)}) as running:
        yield running


@pytest.fixture(scope="session")
def windows(browser: Browser) -> OpenWindow:
    """A window for each scheme and language; what its pages have fetched and compiled once, Streamlit itself, they share."""
    return cache(partial(open_window, browser))


def open_window(browser: Browser, scheme: str, locale: str) -> BrowserContext:
    """A window that knows of nothing before, of a visitor who wants nothing to move: processors draw each picture of it."""
    context = browser.new_context(color_scheme=scheme, locale=locale, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def open_page(windows: OpenWindow) -> Iterator[OpenPage]:
    """See `watched_pages`."""
    with watched_pages(windows) as start:
        yield start


@pytest.fixture(scope="module")
def open_shared_page(windows: OpenWindow) -> Iterator[OpenPage]:
    """See `watched_pages`; what is opened stays open for all tests of a file, and is asked about at the last one's end."""
    with watched_pages(windows) as start:
        yield start


@contextmanager
def watched_pages(windows: OpenWindow) -> Iterator[OpenPage]:
    """Open the Screen page at an address, a session of its own, in a tab of a shared window.

    At the end, no console error and no foreign request is tolerated.
    """
    complaints: list[str] = []
    opened: list[Page] = []
    visited: set[str] = set()

    def watch_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text} {message.location}")

    def watch_request(url: str) -> None:
        own = (*visited, *(one.replace("http", "ws") for one in visited))
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(own):
            complaints.append(f"request: {url}")

    def start(url: str, *, width: int = 1280, height: int = 900, scheme: str = "light", locale: str = "en-GB") -> Page:
        visited.add(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}")
        page = windows(scheme, locale).new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", watch_console)
        page.on("pageerror", lambda error: complaints.append(f"page: {error}"))
        page.on("request", lambda request: watch_request(request.url))
        page.on("websocket", lambda socket: watch_request(socket.url))
        page.goto(url)
        page.locator("input[type=file]").wait_for(state="attached")
        return page

    yield start
    for one in opened:
        one.close()
    assert complaints == []
