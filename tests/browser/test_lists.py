"""Lists of any length: nothing, one, thousands; and names that mean harm."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.browser.conftest import Visit
from tests.browser.kit import PAGES, open_page, until
from tests.browser.world import LEFTWARD, MARKUP, SCRIPT, TURNED, World
from tests.support.client import Connection

#: More rows than fit into a screen and its margins.
IN_SIGHT = 80
MANY, RUNNING = 5000, 500
#: How many rows a list has, as it tells those who cannot see it.
_TOLD = "document.querySelector('[role=table]').getAttribute('aria-rowcount') - 1"


def test_thousands_of_models(tmp_path: Path, visit: Visit) -> None:
    """5,000 models: only those in sight exist as rows; the last one is reached, a search finds one, the playground offers it."""
    rows = {f"model-{number:04}": {"model": "m"} for number in range(MANY)}
    config = {"many": {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"}, **rows}}
    with World(tmp_path, config) as world:
        page = visit(world.url, "models")
        until(page, f"{_TOLD} == {MANY}")

        assert page.locator(".rows .tr").count() < IN_SIGHT

        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.locator("button.open", has_text="model-4999").wait_for()

        assert page.locator(".rows .tr").count() < IN_SIGHT

        page.get_by_label("Search").fill("model-2345")
        until(page, f"{_TOLD} == 1")
        page.locator("button.open", has_text="model-2345").click()
        page.get_by_text("Ask it").click()
        page.wait_for_selector('main h1:text-is("Playground")')

        assert page.get_by_label("Model", exact=True).first.input_value() == "model-2345"
        assert page.locator("datalist option").count() <= 50


def test_hundreds_of_running_requests(world: World, visit: Visit) -> None:
    """500 requests that run: the page tells all of them, draws those in sight, and empties when they have ended."""
    page = visit(world.url)
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}

    async def many() -> AsyncExitStack:
        stack = AsyncExitStack()

        async def one() -> None:
            connection = await stack.enter_async_context(Connection(world.url))
            await connection.send("POST", "/v1/chat/completions", body)

        await asyncio.gather(*(one() for _ in range(RUNNING)))
        return stack

    clients = world.run(many())
    until(page, f"{_TOLD} == {RUNNING}")

    assert page.locator(".rows .tr").count() < IN_SIGHT
    assert page.locator('#nav a[href="#/now"] span').inner_text() == str(RUNNING)

    world.run(clients.aclose())
    page.get_by_text("Nothing runs at the moment").wait_for()


def test_hostile_names(world: World, visit: Visit) -> None:
    """Names that are markup are shown as what they are, on every page; marks that turn a line or are not seen are written out."""
    for model in (MARKUP, SCRIPT, LEFTWARD, TURNED):
        world.chat(model)
    page = visit(world.url, "models")
    page.locator("button.open", has_text=MARKUP).click()
    page.locator("#drawer h2", has_text=MARKUP).wait_for()
    page.keyboard.press("Escape")
    page.locator("button.open", has_text=LEFTWARD).wait_for()
    for name in PAGES:
        open_page(page, name)
    open_page(page, "requests")
    page.get_by_text(SCRIPT).first.wait_for()
    page.get_by_text("model-\u27e8U+202E\u27e9txt.exe").first.wait_for()

    assert page.evaluate("window.pwned") is None
    assert page.locator("main img[src=x]").count() == 0


def test_in_memory(world: World, visit: Visit) -> None:
    """What an Ollama has loaded is told, with its size."""
    world.chat("qwen")
    page = visit(world.url, "models")
    page.get_by_role("button", name="In memory").click()
    page.locator(".memory .tr", has_text="qwen").get_by_text("GB").first.wait_for()


def test_one_request(world: World, visit: Visit) -> None:
    """A request is found by its outcome and its model; it tells where its time went, where it would go now, and how to do it again."""
    world.chat("error-429")
    page = visit(world.url, "requests")
    page.get_by_label("Outcome").select_option("error")
    page.get_by_label("model", exact=True).fill("error-429")
    page.keyboard.press("Enter")
    row = page.locator(".rows .tr", has_text="429")
    row.first.locator("button.open").click()
    page.locator("#drawer .track i.fail").first.wait_for()
    page.get_by_role("button", name="As curl").click()
    page.locator("#drawer pre", has_text="/v1/chat/completions").wait_for()
    page.get_by_role("button", name="Explain").click()
    page.locator("#drawer .note", has_text="openai-double").wait_for()


def test_new_requests_come_by_themselves(world: World, visit: Visit) -> None:
    """While the top of all is looked at they stand there as they end, and nothing more is asked for; where a filter is set it is told that
    there are some."""
    page = visit(world.url, "requests")
    asked: list[str] = []
    world.chat("claude")
    page.locator(".rows .tr", has_text="claude").first.wait_for()
    page.on("request", lambda request: asked.append(request.url))
    before = page.evaluate(_TOLD)
    world.chat("gemini")
    until(page, f"{_TOLD} == {before + 1}")

    assert "gemini" in page.locator(".rows .tr").first.inner_text()
    assert "200" in page.locator(".rows .tr").first.inner_text()
    assert not [url for url in asked if "/console/api/requests" in url]

    page.get_by_label("model", exact=True).fill("gemini")
    page.keyboard.press("Enter")
    until(page, f"{_TOLD} < {before + 1}")
    world.chat("gemini")
    page.get_by_role("button", name="Show new ones").click()
    page.get_by_role("button", name="Show new ones").wait_for(state="hidden")
