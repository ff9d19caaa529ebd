"""What ``/metrics`` and the access line tell where there are keys, limits and budgets; and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.handlers.kit import access_lines
from tests.handlers.test_limits import PRICES, ask, serving
from tests.handlers.test_metrics import told
from tests.support.access_kit import KEYS, bearer
from tests.support.client import request


async def test_money_and_refusals_are_told_to_administrators(tmp_path: Path) -> None:
    """What answers cost, by team; what limits have refused; how much of a budget is used; the line has all of it too. No
    other key, and nobody without one, is told, and no key is on the page."""
    fields = {"team": "lab", "budgets": ["pot"], "limits": {"rpm": 2}}
    document: dict[str, Any] = {
        "teams": {"lab": {}},
        "budgets": {"pot": {"usd": 50, "per": "month"}},
        "prices": PRICES,
    }
    async with serving(tmp_path, fields, **document) as (gateway, _, _turn):
        with access_lines() as lines:
            answers = [await ask(gateway) for _ in range(3)]
        page = await request(gateway.origin, "GET", "/metrics", headers=bearer("root"))
        others = [
            await request(gateway.origin, "GET", "/metrics", headers=headers)
            for headers in (bearer("alice"), {})
        ]
    found = told(page)
    spent = sum(line.get("micro_usd") or 0 for line in lines) / 1e6

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert spent == 10.0
    assert found["cost_usd_total m lab"] == spent
    assert found["budget_used_ratio pot"] == spent / 50
    assert found["limit_refusals_total lab limit"] == 1
    assert [answer.status for answer in others] == [403, 401]
    assert (lines[0]["key"], lines[0]["team"]) == ("alice", "lab")
    assert not any(key in page.body.decode() for key in KEYS.values())


async def test_a_key_in_a_name_is_no_fact(tmp_path: Path) -> None:
    """Where the line lists names that a client chose, a key among them is not repeated."""
    key = KEYS["alice"].lower()
    async with serving(tmp_path, {"passthrough": True}) as (gateway, _, _turn):
        with access_lines() as lines:
            got = await request(
                gateway.origin,
                "GET",
                "/api/passthrough/peer/x",
                headers={**bearer("alice"), key: "1", "x_y": "1"},
            )

    assert got.status == 200, got.body
    assert lines[0]["dropped_headers"] == ["lpk_***", "x_y"]


async def test_a_budget_of_each_key_is_told_by_its_fullest(tmp_path: Path) -> None:
    """Of a budget that every key has for itself, the one that is used most, so that a rule can warn of it."""
    document: dict[str, Any] = {
        "budgets": {"pot": {"usd": 50, "per": "month", "scope": "each"}},
        "prices": PRICES,
    }
    async with serving(tmp_path, {"budgets": ["pot"]}, **document) as (gateway, _, _turn):
        with access_lines() as lines:
            for name in ("alice", "bob", "alice"):
                assert (await ask(gateway, name)).status == 200
        page = await request(gateway.origin, "GET", "/metrics", headers=bearer("root"))
    spent = sum(line["micro_usd"] for line in lines if line["key"] == "alice") / 1e6

    assert spent > 0
    assert told(page)["budget_used_ratio pot"] == spent / 50
