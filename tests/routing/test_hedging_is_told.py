"""Two upstreams were asked for one stream: each is an attempt of its own, in metrics, in traces and in the books, whoever wins."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import EVENTS, access_lines
from tests.handlers.test_limits import rows_of
from tests.handlers.test_metrics import told as samples
from tests.llm_proxy.telemetry.traces.test_traces import FAST, GIVEN, TRACE, spans_of, told
from tests.routing.kit import ROLE, STREAM, TEXT, Fleet, serves
from tests.routing.test_hedging import MODELS
from tests.support.access_kit import bearer, row, write_access
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream

PRICES = {"m": {"input": 1_000_000, "output": 1_000_000}}


async def told_of(
    folder: Path, second_wins: bool
) -> tuple[dict[str, Any], dict[str, float], list[Any], list[Any], dict[str, Any]]:
    """The access line, the metrics, the spans, the two upstreams' requests and the ledger's row of one hedged request."""
    go = asyncio.Event()
    first = silent() if second_wins else stream(*ROLE, go, *sse(*EVENTS[1:]))
    keys = {"alice": row("alice"), "root": row("root", admin="read")}
    access = write_access(folder, {"keys": keys, "prices": PRICES})
    async with Peer(answer_json({})) as collector:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **FAST}
        fleet = Fleet(
            folder, first, serves if second_wins else silent(), models=MODELS, env=env, access=access
        )
        async with fleet:
            fleet.router.chance = lambda: 0.0
            hedging = fleet.router.states.model("m", asyncio.get_running_loop().time()).hedging
            for _ in range(20):
                hedging.first_tokens.add(0.01)
            with access_lines() as lines:
                asked = asyncio.create_task(fleet.ask(STREAM, headers={**GIVEN, **bearer("alice")}))
                await fleet.peers[1].received()
                go.set()
                got = await asked
            assert (got.status, got.complete, got.text()) == (200, True, TEXT)
            await wait_until(lambda: len(spans_of(collector)) == 3, 10)
            (paid,) = await rows_of(fleet.proxy, 1)
            page = samples(await fleet.proxy.request("GET", "/metrics", headers=bearer("root")))
            requests = [fleet.requests(at)[0] for at in (1, 2)]
    return lines[0], page, spans_of(collector), requests, paid


@pytest.mark.parametrize("second_wins", [True, False])
async def test_each_is_an_attempt_of_its_own(second_wins: bool, tmp_path: Path) -> None:
    """The loser is ``aborted`` under its own provider, has a span of its own that its upstream was told of, and what it read is
    paid for as an estimate; request, row and span of the model name the one that answered."""
    won, lost = ("gpu-2", "gpu-1") if second_wins else ("gpu-1", "gpu-2")
    line, page, spans, requests, paid = await told_of(tmp_path, second_wins)

    attempts = {name: value for name, value in page.items() if name.startswith("upstream_attempts_total ")}
    assert attempts == {
        f"upstream_attempts_total {won} ok": 1.0,
        f"upstream_attempts_total {lost} aborted": 1.0,
    }
    assert (line["provider"], line["attempts"], line["completion_tokens"]) == (won, 2, 2)

    server, *calls = spans
    by_name = {told(span)["llm_proxy.provider"]: span for span in calls}
    assert {span.parent_span_id for span in calls} == {server.span_id}
    assert told(by_name[lost])["error.type"] == "aborted"
    assert "error.type" not in told(by_name[won])
    assert told(by_name[won])["gen_ai.usage.output_tokens"] == 2
    assert "gen_ai.usage.output_tokens" not in told(by_name[lost])
    for name, request in zip(("gpu-1", "gpu-2"), requests, strict=True):
        assert request.header("traceparent") == f"00-{TRACE}-{by_name[name].span_id.hex()}-01"

    assert (paid["provider"], paid["attempts"], bool(paid["estimated"])) == (won, 2, True)
    assert paid["output"] == 2
    assert paid["input"] > 3  # those of the answer, and an estimate of those that the other has read
    assert re.fullmatch(r"[0-9a-f]{32}", paid["trace_id"])
