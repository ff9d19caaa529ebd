"""What the pages tell is true, and is for those who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.browser.kit import PAGES, ask, open_page, when
from tests.browser.world import SECRETS, World
from tests.support.access_kit import KEYS, bearer, row, write_access

BUDGET = {"month": {"usd": 5, "per": "month", "unpriced": "free"}}
PRICE = {"input": 1000, "output": 2000}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway with keys, a budget, and a usage database."""
    tmp_path = tmp_path_factory.mktemp("guarded")
    access = {
        "keys": {
            "alice": row("alice", team="research", limits={"rpm": 600}),
            "root": row("root", admin="write"),
            "reader": row("reader", admin="read"),
        },
        "teams": {"research": {"budgets": ["month"]}},
        "budgets": BUDGET,
        "prices": {"words": PRICE},
    }
    settings: dict[str, Any] = {"access": write_access(tmp_path, access), "state": tmp_path / "state"}
    with World(tmp_path, **settings) as world:
        yield world


def sign_in(page: Any, name: str) -> None:
    """Type that key."""
    page.get_by_label("Key").fill(KEYS[name])
    page.keyboard.press("Enter")
    page.wait_for_selector('main h1:text-is("Now")')


def test_secrets(guarded: World, visit: Visit) -> None:
    """No key, no token, no header of the configuration reaches the browser: not in an answer, not on a page."""
    guarded.ask("POST", "/v1/chat/completions", {"model": "words", "messages": []}, bearer("alice"))
    page = visit(guarded.url)
    page.sights.expected = ("401",)
    bodies: list[str] = []
    page.on("response", lambda answer: _keep(answer, bodies))
    sign_in(page, "root")
    planted = [*SECRETS, *KEYS.values()]
    for name in PAGES:
        open_page(page, name)
        for opener in page.locator(".rows button.open").all()[:2]:
            opener.click()
            page.wait_for_selector("#drawer[open]")
            page.keyboard.press("Escape")
        shown = page.evaluate(
            "document.documentElement.outerHTML + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join(' ')"
        )

        assert not [secret for secret in planted if secret in shown], name
    page.goto("about:blank")

    assert bodies
    assert not [secret for secret in planted for body in bodies if secret in body]
    assert not [cookie for cookie in page.context.cookies() if not cookie["httpOnly"]]


def _keep(answer: Any, bodies: list[str]) -> None:
    """All that was sent to the page and is at hand at once: not the events, which do not end."""
    if "/console/api/" in answer.url and answer.status == 200:
        try:
            bodies.append(answer.text())
        except Exception:  # noqa: BLE001 (the page was left before it had come)
            return


def test_who_may(guarded: World, visit: Visit) -> None:
    """With keys: a wrong one is refused in words, one that may read sees and stops nothing, signing out ends it."""
    page = visit(guarded.url)
    page.sights.expected = ("401", "403")
    page.get_by_label("Key").fill("wrong")
    page.keyboard.press("Enter")
    page.locator("main [role=alert]:not(:empty)").wait_for()
    page.get_by_label("Key").fill(KEYS["alice"])
    page.keyboard.press("Enter")
    page.get_by_text("admin", exact=False).first.wait_for()
    sign_in(page, "reader")
    page.get_by_text("read only").wait_for()
    open_page(page, "configuration")
    page.get_by_role("button", name="Try an edit").click()
    page.get_by_role("button", name="What would this do?").wait_for()
    page.click("#leave")
    page.get_by_label("Key").wait_for()
    page.reload()
    page.get_by_label("Key").wait_for()


def test_the_playground_acts_as_the_session(guarded: World, visit: Visit) -> None:
    """Whoever is signed in asks models as that key, without typing it again; another key can be given."""
    page = visit(guarded.url)
    sign_in(page, "root")
    open_page(page, "playground")
    ask(page, "words")
    page.get_by_label("Ask with another key").fill(KEYS["alice"])
    turn = ask(page, "words")

    assert "from the double" in turn.locator(".said").last.inner_text()

    open_page(page, "money")
    page.locator(".usage .tr", has_text="alice").wait_for()
    page.locator(".usage .tr", has_text="root").wait_for()


def test_every_number(guarded: World, visit: Visit) -> None:
    """After a mixed load each number on the page is that of /status, /metrics, /usage and /keys: they have one source."""
    asked = {"messages": [{"role": "user", "content": "Hello!"}]}
    before = _counted(guarded)
    for model in ("words", "words", "error-400", "error-503", "qwen", "claude", "gemini", "words"):
        for stream in (True, False):
            guarded.ask(
                "POST", "/v1/chat/completions", {**asked, "model": model, "stream": stream}, bearer("alice")
            )
    admin = bearer("root")

    def usage() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = guarded.ask("GET", "/api/usage?by=key,team,model", None, admin).json()[
            "rows"
        ]
        return rows if sum(one["requests"] for one in rows) >= 12 else []

    page = visit(guarded.url)
    sign_in(page, "root")
    rows = when(usage)
    status = guarded.ask("GET", "/api/status", None, admin).json()
    open_page(page, "money")
    page.locator(".usage .tr", has_text="claude").wait_for()
    facts = _facts(page, "main .panel")

    assert _number(facts["requests"]) == sum(one["requests"] for one in rows)
    assert _number(facts["tokens read"]) == sum(one["input"] for one in rows)
    assert _number(facts["tokens written"]) == sum(one["output"] for one in rows)
    assert _number(facts["errors"]) == sum(one["errors"] for one in rows)
    spent = sum(one["micro_usd"] for one in rows) / 1e6
    assert _number(facts["cost"]) == pytest.approx(spent, rel=0.01)
    keys = guarded.ask("GET", "/api/keys", None, admin).json()["keys"]
    budget = next(one for key in keys for one in key["budgets"] if key["name"] == "alice")
    shown = page.locator(".panel", has=page.get_by_role("meter", name="budget month")).inner_text()
    assert f"of ${budget['limit']:.2f}" in shown
    of_alice = sum(one["micro_usd"] for one in rows if one["key"] == "alice") / 1e6
    assert budget["used"] == pytest.approx(of_alice, abs=1e-6)

    open_page(page, "models")

    assert page.locator('#nav a[href="#/models"] span').inner_text() == str(status["models"])
    assert page.locator('#nav a[href="#/configuration"] span').inner_text() == str(status["generation"])

    open_page(page, "requests")
    page.locator(".rows .tr").first.wait_for()
    listed = page.evaluate("document.querySelector('[role=table]').getAttribute('aria-rowcount') - 1")

    assert _counted(guarded) - before == 16
    assert listed >= 16


def _counted(world: World) -> float:
    """Requests, as /metrics counts them."""
    metrics = world.ask("GET", "/metrics", None, bearer("root")).body.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("llm_proxy_requests_total{")
    )


def _facts(page: Any, where: str) -> dict[str, str]:
    found: dict[str, str] = page.evaluate(
        "(where) => Object.fromEntries([...document.querySelector(where).querySelectorAll('dt')].map((one) => [one.textContent, one.nextSibling.textContent]))",
        where,
    )
    return found


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("$", ""))
