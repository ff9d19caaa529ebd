"""Two upstreams asked for one stream, because the first takes unusually long to begin: the faster one answers alone."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from tests.handlers.kit import EVENTS, access_lines
from tests.routing.kit import ROLE, STREAM, TEXT, WHOLE, Fleet, serves, status
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Script
from tests.support.scripts import silent, sse, stream

MODELS: dict[str, Any] = {"m": {"hedge": {"after": 0.05, "max_share": 1}, "retries": 0, "affinity": "off"}}


async def hedged(folder: Path, first: Script, second: Script, **more: Any) -> Fleet:
    """The first upstream is drawn first; enough is known for a hedge."""
    fleet = Fleet(folder, first, second, models=MODELS, **more)
    await fleet.__aenter__()
    fleet.router.chance = lambda: 0.0
    hedging = fleet.router.states.model("m", asyncio.get_running_loop().time()).hedging
    for _ in range(20):
        hedging.first_tokens.add(0.01)
    return fleet


async def test_the_second_answers(tmp_path: Path) -> None:
    """The first says nothing, or a role and no more: the second's answer is all that comes, and the first is closed at once."""
    for name, slow in {"silent": silent(), "role": stream(*ROLE, end="silence")}.items():
        (tmp_path / name).mkdir()
        fleet = await hedged(tmp_path / name, slow, serves)
        with access_lines() as lines:
            got = await fleet.ask(STREAM)
        await fleet.peers[0].closed_by_client()
        await fleet.__aexit__(None, None, None)

        assert (got.status, got.complete, got.text()) == (200, True, TEXT)
        assert len(got.events()) == len(EVENTS)
        assert re.fullmatch(r"gpu-1:aborted:\d+ms, gpu-2:200:\d+ms", got.headers["x-llm-attempts"])
        assert (got.headers["x-llm-provider"], got.headers["x-llm-model"]) == ("gpu-2", "up-2")
        assert (lines[0]["provider"], lines[0]["completion_tokens"]) == ("gpu-2", 2)


async def test_the_first_answers_after_all(tmp_path: Path) -> None:
    """The second was asked, and the first is faster: the second is aborted, and nothing of it is heard."""
    go = asyncio.Event()
    fleet = await hedged(tmp_path, stream(*ROLE, go, *sse(*EVENTS[1:])), silent())
    asked = asyncio.create_task(fleet.ask(STREAM))
    await fleet.peers[1].received()
    go.set()
    got = await asked
    await fleet.peers[1].closed_by_client()
    await fleet.__aexit__(None, None, None)

    assert (got.complete, got.text()) == (True, TEXT)
    assert re.fullmatch(r"gpu-2:aborted:\d+ms, gpu-1:200:\d+ms", got.headers["x-llm-attempts"])
    assert got.headers["x-llm-provider"] == "gpu-1"


async def test_one_of_both_fails(tmp_path: Path) -> None:
    """While both are asked one of them fails: the other answers. Both fail: the client is told."""
    go, failed = asyncio.Event(), asyncio.Event()

    async def fails_late(exchange: Exchange) -> None:
        await go.wait()
        await status(500)(exchange)
        failed.set()

    async def serves_late(exchange: Exchange) -> None:
        await failed.wait()
        await serves(exchange)

    for name, pair, ends in (
        ("first", (fails_late, serves_late), "gpu-1:500:.*, gpu-2:200:.*"),
        ("second", (serves_late, fails_late), "gpu-2:500:.*, gpu-1:200:.*"),
        ("both", (fails_late, fails_late), "gpu-.:500:.*, gpu-.:500:.*"),
    ):
        (tmp_path / name).mkdir()
        go.clear()
        failed.clear()
        fleet = await hedged(tmp_path / name, *pair)
        asked = asyncio.create_task(fleet.ask(STREAM))
        await fleet.peers[1].received()
        go.set()
        got = await asked
        await fleet.__aexit__(None, None, None)

        assert re.fullmatch(ends, got.headers["x-llm-attempts"]), (name, got.headers["x-llm-attempts"])
        assert (got.status, got.text() if got.status == 200 else "") == (
            (502, "") if name == "both" else (200, TEXT)
        )


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    """It leaves while both are asked: both are closed."""
    fleet = await hedged(tmp_path, silent(), silent())
    asked = asyncio.create_task(fleet.ask(STREAM))
    await fleet.peers[1].received()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    for peer in fleet.peers:
        await peer.closed_by_client()
    await fleet.__aexit__(None, None, None)


async def test_who_is_not_hedged(tmp_path: Path) -> None:
    """A whole answer, and a stream that begins in time, are asked for once."""
    fleet = await hedged(tmp_path, serves, serves)
    for body in (WHOLE, STREAM):
        assert (await fleet.ask(body)).status == 200
    await wait_until(lambda: not fleet.proxy.service.gateway.running)
    assert fleet.asked() == [2, 0]
    await fleet.__aexit__(None, None, None)
