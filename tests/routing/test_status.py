"""``GET /status/models`` says how each upstream stands; an edit that leaves it alone changes nothing of that."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.routing.kit import STREAM, WHOLE, Fleet, serves, status
from tests.routing.test_queue import Gate
from tests.support.addresses import refused_url
from tests.support.logs import expect_log
from tests.support.loops import wait_until


async def standing(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """The rows by provider."""
    told = (await fleet.proxy.request("GET", "/status/models")).json()
    return {row["provider"]: row for row in told["models"]}


async def test_how_each_stands(tmp_path: Path) -> None:
    """Well, full, asleep, ejected and out of the rotation, with times and reasons, and what was measured."""
    gate = Gate()
    tiers = {at: {"order": at} for at in range(1, 6)}
    tiers[1]["max_concurrent"] = 1
    tiers[5]["weight"] = 0
    scripts = gate, status(429, {"Retry-After": "90"}), status(401), serves, serves
    async with Fleet(tmp_path, *scripts, fields=tiers) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        with expect_log("llm_proxy.relay.router", "rejects our key"):
            assert (await fleet.ask(STREAM)).status == 200
        rows = await standing(fleet)
        gate.release()
        assert (await first).status == 200

    now = time.time()
    assert [rows[f"gpu-{at}"]["state"] for at in range(1, 6)] == ["full", "asleep", "ejected", "ok", "out"]
    assert rows["gpu-1"]["in_flight"] == 1
    assert 60 < rows["gpu-2"]["until"] - now <= 90
    assert 30 < rows["gpu-3"]["until"] - now <= 60
    assert rows["gpu-3"]["reason"] == "it refuses our key"
    assert rows["gpu-5"]["reason"] == "weight 0"
    assert rows["gpu-4"]["first_token_ms"]["p50"] > 0
    assert rows["gpu-4"]["until"] is None


async def test_a_refused_key_is_told_once(tmp_path: Path) -> None:
    """Every upstream refuses our key, and each request tries all the same: one line for each of them a minute, which is not begun
    anew by that."""
    async with Fleet(tmp_path, status(401), status(401)) as fleet:
        with expect_log("llm_proxy.relay.router", "rejects our key") as told:
            assert (await fleet.ask(WHOLE)).status == 502
            until = [row["until"] for row in (await standing(fleet)).values()]
            assert [(await fleet.ask(body)).status for body in (WHOLE, STREAM, WHOLE)] == [502] * 3
            later = [row["until"] for row in (await standing(fleet)).values()]

    assert len(told) == 2
    assert later == pytest.approx(until, abs=0.1)


async def test_an_edit_heals_nobody(tmp_path: Path) -> None:
    """Prompts, weights, policies, timeouts: all may change, and who was asleep or ejected still is; a new key starts anew."""
    scripts = status(429, {"Retry-After": "90"}), status(500), serves
    fields: dict[int, dict[str, Any]] = {1: {"order": 1}, 2: {"order": 2}, 3: {"order": 3}}
    models = {"m": {"retries": 4}}
    async with Fleet(tmp_path, *scripts, fields=fields, models=models) as fleet:
        for _ in range(6):
            assert (await fleet.ask(WHOLE)).status == 200
        assert [(await standing(fleet))[f"gpu-{at}"]["state"] for at in (1, 2, 3)] == [
            "asleep",
            "ejected",
            "ok",
        ]
        asked = fleet.asked()

        for edit in (
            {"timeouts": {"idle": 7}, "prompt": "conversation"},
            {"weight": 5},
            {"options": {"temperature": 0.5}},
        ):
            known = fleet.proxy.service.gateway.registry.current.generation
            fleet._models = {"m": {"policy": "weighted", "retries": 1}}
            fleet.proxy.write_config(fleet.config(**edit))
            await wait_until(lambda: fleet.proxy.service.gateway.registry.current.generation > known)  # noqa: B023
            assert (await fleet.ask(WHOLE)).status == 200
        assert fleet.asked()[:2] == asked[:2]

        known = fleet.proxy.service.gateway.registry.current.generation
        fleet.proxy.write_config(fleet.config(api_token="another-key"))
        await wait_until(lambda: fleet.proxy.service.gateway.registry.current.generation > known)
        assert (await fleet.ask(WHOLE)).headers["x-llm-attempts"].startswith("gpu-1:429:")


async def test_a_failure_that_is_relayed_counts(tmp_path: Path) -> None:
    """A 500 that is sent on as it is is a failure of its upstream, and a 429 lets it sleep; what a path was refused with is not."""
    scripts = status(500), status(429, {"Retry-After": "90"}), status(404), status(403)
    async with Fleet(tmp_path, *scripts) as fleet:
        for at, code in enumerate((500, 429, 404, 403), 1):
            for _ in range(5):
                assert (await fleet.ask({}, f"/passthrough/gpu-{at}/some/where")).status == code
        rows = await standing(fleet)

    assert [rows[f"gpu-{at}"]["state"] for at in range(1, 5)] == ["ejected", "asleep", "ok", "ok"]
    assert rows["gpu-1"]["reason"] == "it fails"


async def test_passthrough_counts(tmp_path: Path) -> None:
    """A request that is sent on as it is is one attempt, counts as being there, and shows that nobody is at that address."""
    gate = Gate()
    async with Fleet(tmp_path, gate, refused_url(), fields={2: {"order": -1}}) as fleet:
        body = {"model": "m", "messages": [], "stream": False}
        first = asyncio.create_task(fleet.ask(body, "/passthrough/gpu-1/chat/completions"))
        await wait_until(lambda: gate.now == 1)
        assert fleet.in_flight() == 1
        gate.release()
        assert (await first).status == 200
        for _ in range(5):
            assert (await fleet.ask(body, "/passthrough/gpu-2/chat/completions")).status == 502
        gate.release()
        # Although it would come first.
        assert (await fleet.ask(WHOLE)).headers["x-llm-attempts"].startswith("gpu-1:200:")
        row = (await standing(fleet))["gpu-2"]

    assert (row["state"], row["reason"]) == ("ejected", "it cannot be reached")


async def test_passthrough_goes_where_a_chat_would(tmp_path: Path) -> None:
    """By the name of a model: to the lowest tier, as long as it is well, and to one that fails rather than to nobody. It is one
    attempt, which is told."""
    body = {"model": "m", "path": "/chat/completions", "body": {"messages": []}}
    async with Fleet(tmp_path, status(500), serves, fields={1: {"order": -1}}) as fleet:
        for turn in range(12):
            got = await fleet.ask(body, "/passthrough")
            assert got.status == (500 if turn < 5 else 200)
        assert fleet.asked() == [5, 7]
        assert got.headers["x-llm-attempts"].startswith("gpu-2:200:")
    (tmp_path / "sick").mkdir()
    fields: dict[int, dict[str, Any]] = {1: {"max_concurrent": 3}}
    async with Fleet(tmp_path / "sick", refused_url(), fields=fields) as fleet:
        for _ in range(8):
            got = await fleet.ask(body, "/passthrough")
            assert (got.status, got.json()["error"]["code"]) == (502, "upstream_unreachable")
            assert got.headers["x-llm-attempts"].startswith("gpu-1:refused:")


async def test_one_upstream_alone_is_told_too(tmp_path: Path) -> None:
    """Where there is no choice routing measures nothing: what runs there is counted, and its times are those of the metrics."""
    gate, other = Gate(), tmp_path / "other"
    other.mkdir()
    async with Fleet(tmp_path, gate) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        running = (await standing(fleet))["gpu-1"]
        gate.release()
        assert (await first).status == 200
    async with Fleet(other, serves) as fleet:
        assert (await fleet.ask(STREAM)).status == 200
        told = (await standing(fleet))["gpu-1"]

    assert running["in_flight"] == 1
    assert told["in_flight"] == 0
    assert told["first_token_ms"]["p50"] > 0
    assert told["first_token_ms"]["p95"] >= told["first_token_ms"]["p50"]
