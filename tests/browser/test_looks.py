"""The pages as they are: eight of them, wide and narrow, light and dark, by keyboard, and for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.kit import PAGES, ask, open_page, settled
from tests.browser.world import World

SERIOUS = ("serious", "critical")
LEAST_OF_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
#: The one of them that colours make a difference to.
LIGHT_OR_DARK = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
_SHIFTS = """
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted = (window.shifted || 0) + one.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page(world: World, visit: Visit, axe: str, width: int) -> None:
    """Each page is there at both widths and in both colours: without a complaint, without overflow, without moving, and axe finds
    nothing serious."""
    world.chat("words")
    page = visit(world.url, width=width)
    page.context.add_init_script(_SHIFTS)
    for name in PAGES:
        page.goto("about:blank")
        page.goto(f"{world.url}/console#/{name}")
        page.wait_for_selector(f'main h1:text-is("{PAGES[name]}")')
        settled(page)

        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate("window.shifted || 0") < 0.1, name
        assert page.locator("#nav a[aria-current=page]").get_attribute("href") == f"#/{name}"
        _judge(page, axe, name)
        page.emulate_media(color_scheme="dark")
        _judge(page, axe, name, LIGHT_OR_DARK)
        page.emulate_media(color_scheme="light")


def _judge(page: Any, axe: str, name: str, rules: dict[str, Any] = LEAST_OF_AXE) -> None:
    """By axe; its source is no inline script: the driver evaluates it beside the page's policy."""
    if not page.evaluate("'axe' in window"):
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe})
    found = page.evaluate("(options) => axe.run(document, options)", rules)["violations"]
    told = [
        (one["id"], node["target"], node.get("failureSummary", "")[:300])
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]

    assert not told, (name, told)


@pytest.mark.parametrize("width", [1280, 390])
def test_drawers(world: World, visit: Visit, axe: str, width: int) -> None:
    """What opens at the side is as good as the pages: nothing overflows, axe finds nothing serious, Escape leads back."""
    world.chat("words")
    page = visit(world.url, "requests", width=width)
    for name in ("requests", "models"):
        page.goto(f"{world.url}/console#/{name}")
        page.locator(".rows button.open").first.click()
        page.wait_for_selector("#drawer[open]")
        _judge(page, axe, name)

        assert page.evaluate("document.querySelector('#drawer').scrollWidth <= innerWidth")

        page.keyboard.press("Escape")

        assert page.locator("#drawer[open]").count() == 0
        assert page.evaluate("document.activeElement.className") == "open"


def test_keyboard(world: World, visit: Visit) -> None:
    """Without a mouse: the first key leads past the navigation, the links lead to the pages, a list's row opens and closes,
    a model is asked."""
    page = visit(world.url)
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"

    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('href')"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"

    assert [f"#/{name}" for name in PAGES] == [href for href in seen if href and href.startswith("#/")][1:9]

    page.focus('#nav a[href="#/models"]')
    page.keyboard.press("Enter")
    page.wait_for_selector('main h1:text-is("Models")')
    page.wait_for_selector(".rows .tr")

    assert page.evaluate("document.activeElement.id") == "main"

    while page.evaluate("document.activeElement.className") != "open":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer[open]")
    page.keyboard.press("Escape")

    assert page.evaluate("document.activeElement.className") == "open"

    open_page(page, "playground")
    page.get_by_label("Model", exact=True).first.fill("words")
    page.get_by_label("Message").focus()
    page.keyboard.type("Hello!")
    page.keyboard.press("Enter")
    page.get_by_text("from the double").wait_for()


def test_colours(world: World, visit: Visit) -> None:
    """Light and dark follow the system; a switch is kept, also when the page is loaded anew."""
    page = visit(world.url, dark=True)
    shade = "parseInt(getComputedStyle(document.body).backgroundColor.slice(4))"

    assert page.evaluate(shade) < 64

    page.select_option("#theme", "light")

    assert page.evaluate(shade) > 192

    page.reload()

    assert page.evaluate(shade) > 192

    page.select_option("#theme", "")

    assert page.evaluate(shade) < 64


def test_tabular_figures(world: World, visit: Visit) -> None:
    """Numbers do not dance: figures are as wide as each other."""
    page = visit(world.url)

    assert page.evaluate("getComputedStyle(document.body).fontVariantNumeric") == "tabular-nums"


def test_docs(world: World, visit: Visit, axe: str) -> None:
    """/docs has the same look: it begins with what this is, nothing overflows at either width, its list can be filtered."""
    page = visit(world.url)
    page.goto(f"{world.url}/docs")
    _judge(page, axe, "docs")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})

        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert page.locator("body").inner_text().index("curl") < 2500

    shown = "document.querySelectorAll('details.operation:not([hidden])').length"
    before = page.evaluate(shown)
    page.get_by_label("Filter").fill("responses")

    assert 0 < page.evaluate(shown) < before


def test_newcomer(world: World, visit: Visit) -> None:
    """Whoever opens the address in a browser sees the console: that it runs, which models there are, and a playground that answers."""
    page = visit(world.url)
    page.goto(world.url)
    page.wait_for_selector("text=served")

    assert page.url.endswith("/console")

    open_page(page, "models")
    page.wait_for_selector('.rows button:text-is("demo")')
    open_page(page, "playground")
    turn = ask(page, "demo", "Good morning!")

    assert "Good morning!" in turn.locator(".said").last.inner_text()
