"""One browser for all, a page for each test; a page that complains or asks another origin fails its test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.world import World

BROWSER = shutil.which("chromium-headless-shell") or "/usr/bin/chromium-headless-shell"
#: It must not speak to its maker.
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
)
#: Only `make test-console` has a browser's driver, and says so.
if os.environ.get("LLM_PROXY_BROWSER") != "1":
    collect_ignore_glob = ["test_*.py"]

_ENDED = ("ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET")

Visit = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The usual one, in which nothing is edited."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


class Sights:
    """What a page did that it should not: errors in its console, requests elsewhere."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.complaints = list[str]()
        #: What the test itself brings about. A gateway of a test's own ends before its page does.
        self.expected: tuple[str, ...] = ()

    def watch(self, page: Any) -> None:
        """Listen to it."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(
            one in message.text for one in (*_ENDED, *self.expected)
        ):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.complaints.append(f"another origin: {request.url}")


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    """``visit(url, "models", width=390, dark=True)``: a page that is shown and listened to; ``page.sights``."""
    contexts = []
    seen: list[Sights] = []

    def go(url: str, path: str = "now", *, width: int = 1280, dark: bool = False, **more: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", **more
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.sights = Sights(url)
        page.sights.watch(page)
        seen.append(page.sights)
        page.goto(f"{url}/console#/{path}")
        page.wait_for_selector("main h1")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not [complaint for one in seen for complaint in one.complaints]


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's source, which ``scripts/test-console.sh`` has fetched."""
    return Path(os.environ["AXE_CORE"]).read_text("utf-8")
