"""``make screenshots``: a PNG of each page, light and dark, wide and narrow, of a gateway that somebody might have.

Four of them stand in the README (``docs/images``): ``--readme`` writes those alone, there.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.browser.conftest import BROWSER, FLAGS
from tests.browser.kit import PAGES, ask, open_page, settled
from tests.browser.world import World
from tests.support import anthropic_double, client, openai_words
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Connection

#: What the models say in the pictures.
SAID = tuple(
    " " + word
    for word in "Each request goes to the upstream that will answer first: by the time to its first token, and by "
    "what it has to do already.".split()
)
README = {
    ("now", 1280, False): "console-now.png",
    ("requests", 1280, False): "console-request.png",
    ("playground", 1280, True): "console-playground.png",
    ("configuration", 1280, False): "console-configuration.png",
}
_ACCESS = {
    "keys": {
        "alice-laptop": row("alice", team="research", limits={"rpm": 60, "tpm": 200_000}),
        "nightly-eval": row("bob", team="research", priority="bulk"),
        "console": row("root", admin="write"),
    },
    "teams": {"research": {"budgets": ["research-month"]}},
    "budgets": {"research-month": {"usd": 5, "per": "month", "unpriced": "free"}},
    "prices": {
        "gpt-4o": {"input": 250, "output": 1000},
        "claude-sonnet": {"input": 300, "output": 1500},
        "gemini-flash": {"input": 30, "output": 250},
        "llama3.2": {"input": 0, "output": 0},
        "qwen3": {"input": 0, "output": 0},
    },
}


def _rows(world: World) -> dict[str, Any]:
    """A gateway in front of vendors and of two machines of one's own, one of which is down."""
    return {
        "$models": {"default": {"alias": "gpt-4o"}, "llama3.1": {"fallbacks": ["mistral-small"]}},
        "openai": {
            "defaults": {"api_type": "openai", "api_host": world.openai.base},
            "gpt-4o": {"model": "gpt-double"},
        },
        "anthropic": {
            "defaults": {"api_type": "anthropic", "api_host": world.anthropic.url},
            "claude-sonnet": {"model": "claude-double-4-5"},
        },
        "google": {
            "defaults": {"api_type": "gemini", "api_host": world.gemini.url},
            "gemini-flash": {"model": "gemini-3-double"},
        },
        "ollama": {
            "defaults": {"api_type": "ollama", "api_host": world.ollama.url},
            "qwen3": {"model": "qwen3:8b"},
        },
        "gpu-new": {"defaults": {"api_type": "demo"}, "mistral-small": {}},
        "gpu-box": {
            "defaults": {"api_type": "openai", "api_host": world.slow.base},
            "llama3.2": {"model": "gpt-double"},
        },
        "gpu-old": {
            "defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"},
            "llama3.1": {},
        },
    }


async def _load(world: World, seconds: float) -> None:
    """Requests of every kind for so long, so that there is something to draw."""
    question = [{"role": "user", "content": "How does a gateway balance load between its upstreams?"}]
    chance, end = random.Random(7), time.monotonic() + seconds

    async def one(model: str, stream: bool) -> None:
        path = "/v1/chat/completions" if stream else "/api/chat"
        body = {"model": model, "messages": question, "stream": stream}
        await client.request(world.url, "POST", path, body, headers=bearer("alice" if stream else "bob"))

    tasks = [asyncio.create_task(one("llama3.1", True)) for _ in range(3)]
    while time.monotonic() < end:
        model = chance.choice(("gpt-4o", "claude-sonnet", "gemini-flash", "qwen3", *["mistral-small"] * 4))
        tasks.append(asyncio.create_task(one(model, chance.random() < 0.8)))
        await asyncio.sleep(chance.expovariate(1.5))
    await asyncio.gather(*tasks)


async def _running(world: World) -> AsyncExitStack:
    """Requests that go on while the pictures are taken."""
    stack = AsyncExitStack()
    for at, path in enumerate(("/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/chat/completions")):
        body = {
            "model": "llama3.2",
            "stream": True,
            "max_tokens": 500,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        connection = await stack.enter_async_context(Connection(world.url))
        await connection.send("POST", path, body, headers=bearer("alice" if at % 2 else "bob"))
        await asyncio.sleep(0.7)  # so that they are not of one age
    return stack


def main(folder: Path, *, readme: bool) -> None:
    """Write them."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    openai_words.WORDS = anthropic_double.WORDS = SAID  # type: ignore[assignment]
    place = Path(tempfile.mkdtemp())
    settings: dict[str, Any] = {
        "access": write_access(place, _ACCESS),
        "state": place / "state",
        "console_write": 1,
    }
    with World(place, {"demo": {"demo": {}}}, **settings) as world, sync_playwright() as driver:
        world.edit(_rows(world))
        browser = driver.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        world.run(world.program.logged("configuration applied"))
        world.run(_load(world, 15), 120)
        running = world.run(_running(world))
        for width in (1280,) if readme else (1280, 390):
            for dark in (False, True):
                page = _signed_in(browser, world, width, dark)
                for name in PAGES:
                    file = (
                        README.get((name, width, dark))
                        if readme
                        else f"{name}-{width}-{'dark' if dark else 'light'}.png"
                    )
                    if file:
                        _prepare(page, name, world)
                        page.screenshot(path=folder / file)
                        print(folder / file, flush=True)
                        page.keyboard.press("Escape")  # what is open at the side
                page.context.close()
        world.run(running.aclose())
        browser.close()


def _history(route: Any) -> None:
    """Fifteen minutes that nobody wants to wait for."""
    answer = route.fetch()
    told, chance = answer.json(), random.Random(3)
    end, points = told["points"][-1]["at"], []
    for at in range(180):
        busy = 9 + 5 * math.sin(at / 23) + chance.random() * 3
        first = 90 + 25 * math.sin(at / 17) + chance.random() * 20
        point = {
            "at": end - 5 * (179 - at),
            "requests": round(busy),
            "errors": 2 if at in (61, 62, 63) else 0,
            "cancelled": 1 if chance.random() < 0.06 else 0,
            "input": 4000,
            "output": round(busy * 180),
            "first_token_ms": {"p50": first, "p95": first * 2.3 + chance.random() * 60},
            "tokens_per_second": 62 + 6 * math.sin(at / 9) + chance.random() * 4,
            "running": 4,
        }
        points.append(point)
    told["points"] = points
    route.fulfill(response=answer, json=told)


def _signed_in(browser: Any, world: World, width: int, dark: bool) -> Any:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.route("**/console/api/history", _history)
    page.goto(f"{world.url}/console")
    page.get_by_label("Key").fill(KEYS["root"])
    page.keyboard.press("Enter")
    page.wait_for_selector('main h1:text-is("Now")')
    return page


def _prepare(page: Any, name: str, world: World) -> None:
    """The page as somebody has it in front of him."""
    open_page(page, name)
    if name == "requests":
        page.get_by_label("model", exact=True).fill("llama3.1")
        page.keyboard.press("Enter")
        page.locator(".rows .tr", has_text="llama3.1").first.locator("button.open").click()
        page.wait_for_selector("#drawer[open]")
    if name == "playground" and not page.locator(".turn").count():
        page.get_by_label("Two models side by side").check()
        page.get_by_label("Model", exact=True).nth(1).fill("claude-sonnet")
        page.get_by_label("Model", exact=True).nth(1).press("Tab")
        page.get_by_label("API", exact=True).nth(1).select_option("anthropic")
        ask(page, "gpt-4o", "How does a gateway balance load?")
        page.locator(".turn.assistant").nth(1).get_by_role("button", name="as curl").wait_for()
        page.wait_for_timeout(1500)  # what it cost comes a moment later
    if name == "configuration":
        page.get_by_role("button", name="Generations").click()
        page.locator(".changes").first.wait_for()
    settled(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]), readme="--readme" in sys.argv)
