"""``scripts/test-console.sh --paint``: how soon the console is seen, by the browser's own clock, with nothing in its cache; and how soon the
page Now stands there. No test: times depend on the machine."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.browser.conftest import BROWSER, FLAGS
from tests.browser.world import World

_SEEN = """() => {
  const paints = Object.fromEntries(performance.getEntriesByType("paint").map((one) => [one.name, one.startTime]));
  const files = performance.getEntriesByType("resource").filter((one) => !one.name.includes("/api/"));
  return [paints["first-contentful-paint"], window.drawn, files.length];
}"""
_WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("main h1")) return;
  observer.disconnect();
  requestAnimationFrame(() => { window.drawn = performance.now(); });
}).observe(document, { childList: true, subtree: true });
"""


def main(times: int) -> None:
    """Print a row."""
    from playwright.sync_api import sync_playwright

    with (
        World(Path(tempfile.mkdtemp()), {"demo": {"demo": {}}}) as world,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        # By turns. What the first brings about, the browser's own processes, is not counted.
        both = [(_once(browser, world.url), _text(browser, world.url)) for _ in range(times + 1)][1:]
        browser.close()
    rows = [(*row, text) for row, text in both]
    for title, column in (("first paint", 0), ("page Now drawn", 1), ("a line of text, to compare", 3)):
        found = sorted(row[column] for row in rows)
        print(f"{title}: median {median(found):.0f} ms, {found[0]:.0f} to {found[-1]:.0f}, of {times}, cold")
    print(f"files: {rows[-1][2]}")


def _once(browser: Any, url: str) -> tuple[float, float, int]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(_WATCH)
    page = context.new_page()
    page.goto(f"{url}/console")
    page.wait_for_selector("main h1")
    seen = page.evaluate(_SEEN)
    while seen[0] is None or seen[1] is None:
        page.wait_for_timeout(20)
        seen = page.evaluate(_SEEN)
    context.close()
    return seen[0], seen[1], seen[2]


def _text(browser: Any, url: str) -> float:
    """The least that this browser needs on this machine."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/api/ping")
    paint = (
        "performance.getEntriesByType('paint').find((one) => one.name == 'first-contentful-paint')?.startTime"
    )
    while (seen := page.evaluate(paint)) is None:
        page.wait_for_timeout(20)
    context.close()
    return float(seen)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
