"""A real Chromium that watches for errors and for requests to any other host."""

import os
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import Server

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


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Open the Screen page in a window of its own; at the end, no console error and no foreign request is tolerated."""
    complaints: list[str] = []
    contexts = []

    def watch_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text} {message.location}")

    def watch_request(url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(
            (server.url, server.url.replace("http", "ws"))
        ):
            complaints.append(f"request: {url}")

    def start(*, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", watch_console)
        page.on("pageerror", lambda error: complaints.append(f"page: {error}"))
        page.on("request", lambda request: watch_request(request.url))
        page.on("websocket", lambda socket: watch_request(socket.url))
        page.goto(server.url)
        page.locator("input[type=file]").wait_for(state="attached")
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
