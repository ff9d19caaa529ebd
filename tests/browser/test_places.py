"""Where people put it: behind a prefix, in several processes, on another machine by plain HTTP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.kit import PAGES, ask, open_page, until
from tests.browser.world import World
from tests.llm_proxy.service.test_behind_proxies import _NGINX, NGINX, TRUSTED, in_front, needs_nginx
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Connection

#: As there, but without TLS, which a test's browser does not speak.
PLAIN = Template(_NGINX.template.replace("X-Forwarded-Proto https", "X-Forwarded-Proto http"))
SLOW = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
RUNNING = 6


def begun(world: World, headers: dict[str, str] | None = None) -> AsyncExitStack:
    """So many requests that run until they are stopped."""

    async def go() -> AsyncExitStack:
        stack = AsyncExitStack()

        async def one() -> None:
            connection = await stack.enter_async_context(Connection(world.url))
            await connection.send("POST", "/v1/chat/completions", SLOW, headers=headers)

        await asyncio.gather(*(one() for _ in range(RUNNING)))
        return stack

    return world.run(go())


def sign_in(page: Any, name: str = "root") -> None:
    """Type that key."""
    page.get_by_label("Key").fill(KEYS[name])
    page.keyboard.press("Enter")
    page.wait_for_selector('main h1:text-is("Now")')


def stop_all(page: Any) -> None:
    """One after the other, until nothing runs."""
    for left in range(RUNNING, 0, -1):
        until(page, f"document.querySelector('#nav a[href=\"#/now\"] span').textContent == '{left}'")
        page.locator(".rows .tr").first.get_by_role("button", name="Stop").click()
        page.get_by_text("its upstream was released after").wait_for()
    page.get_by_text("Nothing runs at the moment").wait_for()


@needs_nginx
def test_behind_a_prefix(tmp_path: Path, visit: Visit) -> None:
    """nginx takes a prefix away: every page, the events, what is asked and what is stopped goes through it, and addresses to
    paste have it."""
    with World(tmp_path, **TRUSTED) as world:
        stack = AsyncExitStack()
        front = in_front(world.program, tmp_path, PLAIN, str(NGINX), "-p", str(tmp_path), "-c")
        url = world.run(stack.enter_async_context(front)) + "/llm"
        page = visit(url)
        for name in PAGES:
            open_page(page, name)

            assert page.url.startswith(f"{url}/console#/")

        page.get_by_text(f'"{url}"').first.wait_for()  # what a client is to be told
        page.locator("#link.on").wait_for()
        open_page(page, "playground")
        turn = ask(page, "words", "Hello!")

        assert "from the double" in turn.locator(".said").last.inner_text()

        turn.get_by_role("button", name="as curl").click()

        assert f"curl -N {url}/v1/chat/completions -H" in page.locator("#drawer pre").inner_text()

        page.keyboard.press("Escape")
        open_page(page, "now")
        clients = begun(world)
        stop_all(page)
        world.run(clients.aclose())
        page.click('#nav a[href="docs"]')
        page.get_by_label("Filter").wait_for()

        assert page.locator(".address").first.inner_text() == url

        world.run(stack.aclose())


def test_several_processes(tmp_path: Path, visit: Visit) -> None:
    """Two workers: a session opens both, every page shows the requests of both, and stops them."""
    access = write_access(tmp_path, {"keys": {"root": row("root", admin="write")}})
    with World(tmp_path, access=access, workers=2) as world:
        page = visit(world.url)
        sign_in(page)
        other = page.context.new_page()
        other.goto(f"{world.url}/console")
        other.wait_for_selector('main h1:text-is("Now")')
        clients = begun(world, bearer("root"))
        for one in (page, other):
            until(
                one, f"document.querySelector('[role=table]').getAttribute('aria-rowcount') == {RUNNING + 1}"
            )
        page.get_by_text("2 workers").wait_for()
        stop_all(other)
        page.get_by_text("Nothing runs at the moment").wait_for()
        world.run(clients.aclose())
        for name in PAGES:
            open_page(page, name)
        open_page(page, "requests")
        page.locator(".rows .tr", has_text="slow").first.wait_for()


def _address() -> str | None:
    """This machine's, as others reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        found: str = probe.getsockname()[0]
    return None if found.startswith("127.") else found


@pytest.mark.skipif(_address() is None, reason="this machine has no address but loopback")
def test_from_elsewhere_by_plain_http(tmp_path: Path, visit: Visit) -> None:
    """A browser says less there of who asks: the session still opens every page, asks models, and stops requests."""
    address = _address()
    access = write_access(tmp_path, {"keys": {"root": row("root", admin="write")}})
    with World(tmp_path, access=access, host="0.0.0.0", allowed_hosts=address, port=0) as world:
        port = world.url.rsplit(":", 1)[1]
        page = visit(f"http://{address}:{port}")
        sign_in(page)
        for name in PAGES:
            open_page(page, name)

            assert page.locator("main .note.bad").count() == 0, (name, page.locator("main").inner_text())

        open_page(page, "playground")
        page.get_by_label("Prompt of the library").wait_for()
        turn = ask(page, "words", "Hello!")

        assert "from the double" in turn.locator(".said").last.inner_text()

        turn.get_by_role("button", name="as curl").click()
        page.locator("#drawer").get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Ctrl+C").wait_for()  # there is no clipboard: the text is marked
        page.keyboard.press("Escape")
        open_page(page, "now")
        clients = begun(world, bearer("root"))
        stop_all(page)
        world.run(clients.aclose())
