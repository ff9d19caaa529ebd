"""What the browser tests do again and again. The pages, in the order of the navigation; their headings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PAGES = {
    "now": "Now",
    "models": "Models",
    "configuration": "Configuration",
    "requests": "Requests",
    "money": "Keys and money",
    "playground": "Playground",
    "prompts": "Prompts",
    "clients": "Clients",
}


def open_page(page: Any, name: str) -> None:
    """Follow the link of the navigation (by its menu, where there is one), and wait until that page stands there."""
    if page.locator(".menu").is_visible():
        page.click(".menu")
    page.click(f'#nav a[href="#/{name}"]')
    page.wait_for_selector(f'main h1:text-is("{PAGES[name]}")')
    settled(page)


def until(page: Any, condition: str, deadline: float = 20.0) -> None:
    """Wait until the expression is true there. The driver's own way evaluates text later, which the page's policy forbids."""
    end = time.monotonic() + deadline
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def when(condition: Callable[[], T | None], deadline: float = 30.0) -> T:
    """What it returns as soon as that is something: what has no event of its own."""
    end = time.monotonic() + deadline
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def settled(page: Any) -> None:
    """Nothing is being fetched but the events, and two frames have been drawn."""
    page.evaluate(
        """async () => {
          let quiet = 0;
          let seen = performance.getEntriesByType("resource").length;
          while (quiet < 4) {
            await new Promise((done) => setTimeout(done, 50));
            const now = performance.getEntriesByType("resource").length;
            quiet = now === seen ? quiet + 1 : 0;
            seen = now;
          }
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )


def ask(page: Any, model: str, text: str = "Hello!", face: str | None = None) -> Any:
    """In the playground: ask, and wait for the end of the answer, whose element is returned."""
    before = page.locator(".turn.assistant").count()
    page.get_by_label("Model", exact=True).first.fill(model)
    if face:
        page.get_by_label("API", exact=True).first.select_option(face)
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    turn = page.locator(".turn.assistant").nth(before)
    ended(turn)
    return turn


def ended(turn: Any) -> None:
    """The answer has ended: then its line of facts has the buttons."""
    turn.get_by_role("button", name="as curl").wait_for()
