"""Another model answers when none of the asked one's upstreams can: under which condition, in which order, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import access_lines
from tests.routing.kit import STREAM, TEXT, WHOLE, Fleet, serves, status
from tests.support.logs import expect_log
from tests.support.peer import Exchange, Script
from tests.support.scripts import answer_json

TWO = {1: ("m",), 2: ("other",), 3: ("third",)}


@pytest.mark.parametrize(
    ("fails", "on"),
    [
        (status(503), None),
        (status(429, {"Retry-After": "600"}), None),
        (status(429, {"Retry-After": "600"}), ["rate_limit"]),
        (status(400, code="context_length_exceeded"), ["context_length"]),
        (status(400, code="content_filter"), ["content_filter"]),
        (status(401), ["auth"]),
    ],
    ids=["unavailable", "rate limit", "only a rate limit", "context", "content", "auth"],
)
async def test_a_fallback_answers(fails: Script, on: list[str] | None, tmp_path: Path) -> None:
    """The failure is one of its conditions: the other model answers, under the name that was asked for, and the head says so."""
    fallback: Any = "other" if on is None else {"model": "other", "on": on}
    models = {"m": {"fallbacks": [fallback]}}
    async with Fleet(tmp_path, fails, serves, models=models, names=TWO) as fleet:
        with (
            expect_log("llm_proxy.relay.router", "rejects our key", required=on == ["auth"]),
            access_lines() as lines,
        ):
            got = await fleet.ask(STREAM)
            again = await fleet.ask(WHOLE)

    assert (got.status, got.text(), got.events()[-1]) == (200, TEXT, "[DONE]")
    assert (got.headers["x-llm-fallback"], got.headers["x-llm-provider"]) == ("m->other", "gpu-2")
    assert {event["model"] for event in got.events()[:-1]} == {"m"}
    assert (again.status, again.json()["model"], again.headers["x-llm-fallback"]) == (200, "m", "m->other")
    assert [line["model"] for line in lines] == ["m", "m"]


@pytest.mark.parametrize(
    ("fails", "on"),
    [
        (status(503), ["rate_limit"]),
        (status(429, {"Retry-After": "600"}), ["unavailable"]),
        (status(400), ["unavailable", "rate_limit", "context_length", "content_filter", "auth"]),
        (status(400, code="context_length_exceeded"), ["unavailable"]),
    ],
)
async def test_a_fallback_for_other_reasons_is_not_asked(
    fails: Script, on: list[str], tmp_path: Path
) -> None:
    """The failure is none of its conditions: the client is told the failure, and nobody else is asked."""
    models = {"m": {"fallbacks": [{"model": "other", "on": on}]}}
    async with Fleet(tmp_path, fails, serves, models=models, names=TWO) as fleet:
        got = await fleet.ask(WHOLE)

        assert (got.status >= 400, fleet.asked()[1]) == (True, 0)
    assert "x-llm-fallback" not in got.headers


async def test_a_fallback_brings_its_own(tmp_path: Path) -> None:
    """A fallback that fails too falls back to its own; the header names the asked and the serving model only."""
    models = {"m": {"fallbacks": ["other"]}, "other": {"fallbacks": ["third"]}}
    async with Fleet(tmp_path, status(503), status(500), serves, models=models, names=TWO) as fleet:
        got = await fleet.ask(WHOLE)

        assert (got.status, fleet.asked()) == (200, [1, 1, 1])
    assert got.headers["x-llm-fallback"] == "m->third"
    assert [one.split(":")[:2] for one in got.headers["x-llm-attempts"].split(", ")] == [
        ["gpu-1", "503"],
        ["gpu-2", "500"],
        ["gpu-3", "200"],
    ]


async def test_of_another_dialect(tmp_path: Path) -> None:
    """A fallback to an upstream of another dialect is a translation like any other, and what it drops is named."""

    async def messages(exchange: Exchange) -> None:
        assert exchange.request.path == "/v1/messages"
        told = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": TEXT}]}
        usage = {"input_tokens": 3, "output_tokens": 2}
        await answer_json({"id": "msg_1", **told, "model": "c", "stop_reason": "end_turn", "usage": usage})(
            exchange
        )

    models = {"m": {"fallbacks": ["other"]}}
    fields = {2: {"api_type": "anthropic"}}
    async with Fleet(tmp_path, status(503), messages, models=models, names=TWO, fields=fields) as fleet:
        got = await fleet.ask({**WHOLE, "logit_bias": {"5": 1}})

        assert fleet.peers[0].requests[0].json()["logit_bias"] == {"5": 1}
    assert (got.status, got.json()["choices"][0]["message"]["content"]) == (200, TEXT)
    assert "logit_bias" in got.headers["x-dropped-params"]
    assert got.headers["x-llm-model"] == "up-2"


async def test_nobody_left(tmp_path: Path) -> None:
    """The model and its fallback fail: the last attempt's error, with all attempts named."""
    models = {"m": {"fallbacks": ["other"]}}
    async with Fleet(tmp_path, status(503), status(500), models=models, names=TWO) as fleet:
        got = await fleet.ask(WHOLE)

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_error")
    assert [one.split(":")[1] for one in got.headers["x-llm-attempts"].split(", ")] == ["503", "500"]


async def test_a_provider_s_own_upstream_may_stand_in(tmp_path: Path) -> None:
    """A model may fall back on an upstream of its own that is out of rotation, by its provider's name; ``/explain`` knows."""
    models = {"m": {"fallbacks": ["gpu-2/m"]}}
    async with Fleet(tmp_path, status(503), serves, models=models, fields={2: {"weight": 0}}) as fleet:
        got = await fleet.ask(WHOLE)
        for _ in range(5):
            assert (await fleet.ask(WHOLE)).status == 200
        told = (await fleet.proxy.request("POST", "/explain", {"path": "/chat", "body": WHOLE})).json()

    assert (got.status, got.headers["x-llm-fallback"]) == (200, "m->gpu-2/m")
    assert [row["provider"] for row in told["candidates"] if row["chosen"]] == ["gpu-2"]
