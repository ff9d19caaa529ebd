"""A client that leaves: the upstream call ends with it, or is drained for the sake of its usage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from handlers.base.answering import AnsweringHandler
from llm_proxy.errors import Draining
from tests.faults.kit import BODIES, FORMS, PATHS, PIECES, assert_well, pooled, suffering
from tests.handlers.kit import COMPLETION, USAGE, access_lines, gateway
from tests.support.addresses import black_hole_url
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, stream

DRAIN = {"on_client_gone": "drain", "drain_seconds": 20}


async def leave(
    proxy: RunningGateway, form: str, lines: list[Any], *, after: Any = None, having: bytes = b""
) -> Any:
    """Ask, read until the answer contains ``having``, wait for ``after``, leave; the access line."""
    async with Connection(proxy.url) as client:
        await client.send("POST", PATHS[form], BODIES[form])
        if having:
            got = await client.head()
            while having not in got.body:
                await client.piece(got)
        if after is not None:
            await after
    await wait_until(lambda: bool(lines))
    (line,) = lines
    return line


def of(line: Any, *names: str) -> tuple[Any, ...]:
    return tuple(line.get(name) for name in names)


@pytest.mark.parametrize("form", FORMS)
async def test_while_connecting(form: str, tmp_path: Path) -> None:
    """C1: the attempt to connect is given up, and the line says that it stood there."""
    with black_hole_url() as url:
        async with gateway(tmp_path, url) as proxy:
            with access_lines() as lines:
                dialing = wait_until(lambda: any(f._dialing for f in pooled(proxy)._running))
                line = await leave(proxy, form, lines, after=dialing)
            await wait_until(lambda: not proxy.service.gateway.running and not pooled(proxy).pool.taken)

    assert of(line, "status", "code", "ended_by", "phase") == (499, "client_gone", "client", "connect")
    assert line["abort_ms"] < 1000


@pytest.mark.parametrize("form", FORMS)
async def test_while_queued(form: str, tmp_path: Path) -> None:
    """C1: whoever waits for a connection to a busy upstream and leaves gives up the place in the queue."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url, upstream_connections=1) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.url) as first:
                await first.send("POST", "/chat", BODIES["stream"])
                await peer.received()
                queued = wait_until(lambda: pooled(proxy).pool.waiting == 1)
                line = await leave(proxy, form, lines, after=queued)
                assert pooled(proxy).pool.waiting == 0
            await wait_until(lambda: len(lines) == 2)
        assert peer.connections == 1

    assert of(line, "status", "code", "ended_by", "phase") == (499, "client_gone", "client", "connect")


@pytest.mark.parametrize("form", FORMS)
async def test_before_the_head(form: str, tmp_path: Path) -> None:
    """C1: the upstream that has not answered yet sees the close at once."""
    async with suffering(tmp_path, silent()) as (peer, proxy):
        with access_lines() as lines:
            line = await leave(proxy, form, lines, after=peer.received())
        await peer.closed_by_client()

    assert of(line, "status", "code", "ended_by", "phase") == (499, "client_gone", "client", "head")


@pytest.mark.parametrize("form", ["stream", "passthrough"])
async def test_in_a_running_stream(form: str, tmp_path: Path) -> None:
    """C1: the line says how much had come, and how long it took to let the upstream go."""
    async with suffering(tmp_path, stream(*PIECES[:2], end="silence")) as (peer, proxy):
        with access_lines() as lines:
            line = await leave(proxy, form, lines, having=b'"one"')
        await peer.closed_by_client()

    assert of(line, "status", "code", "ended_by", "phase") == (499, "client_gone", "client", "body")
    assert line["upstream_bytes"] == len(b"".join(PIECES[:2]))
    assert line["abort_ms"] < 1000
    if form == "stream":
        assert line["events"] == 2


@pytest.mark.parametrize("form", ["stream", "whole"])
async def test_an_answer_is_drained(form: str, tmp_path: Path) -> None:
    """With ``drain`` the upstream goes on to its end without a client, and the usage is in the line."""
    gate = asyncio.Event()

    async def slow(exchange: Any) -> None:
        script = stream(*PIECES[:2], gate, *PIECES[2:])
        if form == "whole":
            await gate.wait()
            script = answer_json(COMPLETION)
        await script(exchange)

    async with suffering(tmp_path, slow, DRAIN) as (peer, proxy):
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", BODIES[form])
                await peer.received()
                if form == "stream":
                    await client.piece(await client.head())
            (running,) = proxy.service.gateway.running
            await wait_until(lambda: getattr(running, "gone", False))
            assert peer.links[0].closed_at is None
            gate.set()
            await wait_until(lambda: bool(lines))

    (line,) = lines
    assert of(line, "status", "code", "ended_by", "drained") == (499, "client_gone", "client", True)
    assert of(line, "prompt_tokens", "completion_tokens") == (
        USAGE["prompt_tokens"],
        USAGE["completion_tokens"],
    )


async def test_draining_has_a_bound(tmp_path: Path) -> None:
    """After drain_seconds an upstream that goes on is cut off, and the line says so."""
    fields = {"on_client_gone": "drain", "drain_seconds": 0.1}
    async with suffering(tmp_path, stream(*PIECES[:2], end="silence"), fields) as (peer, proxy):
        with access_lines() as lines:
            line = await leave(proxy, "stream", lines, having=b'"one"')
        await peer.closed_by_client()

    assert of(line, "status", "drained", "phase") == (499, False, "body")
    assert line["abort_ms"] >= 99


async def test_a_request_that_was_not_sent_is_not_drained(tmp_path: Path) -> None:
    """Nothing was spent on it yet, so there is nothing to record."""
    with black_hole_url() as url:
        async with gateway(tmp_path, url, fields=DRAIN) as proxy:
            with access_lines() as lines:
                dialing = wait_until(lambda: any(f._dialing for f in pooled(proxy)._running))
                line = await leave(proxy, "stream", lines, after=dialing)

    assert of(line, "status", "phase", "drained") == (499, "connect", None)


async def test_a_drained_answer_that_breaks(tmp_path: Path) -> None:
    """What the upstream does to nobody changes neither status nor who ended it."""
    gate = asyncio.Event()
    async with suffering(tmp_path, stream(*PIECES[:2], gate, end="reset"), DRAIN) as (_, proxy):
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", BODIES["stream"])
                await client.piece(await client.head())
            (running,) = proxy.service.gateway.running
            await wait_until(lambda: getattr(running, "gone", False))
            gate.set()
            await wait_until(lambda: bool(lines))

    (line,) = lines
    assert of(line, "status", "code", "ended_by", "drained") == (499, "client_gone", "client", False)


async def test_a_stop_ends_what_is_drained(tmp_path: Path) -> None:
    """The end of the gateway's own drain is the end of everything."""
    async with (
        Peer(stream(*PIECES[:2], end="silence")) as peer,
        gateway(tmp_path, peer.url, fields=DRAIN) as proxy,
    ):
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", BODIES["stream"])
                await client.piece(await client.head())
            (running,) = proxy.service.gateway.running
            await wait_until(lambda: getattr(running, "gone", False))
            running.abort(Draining("the gateway is stopping"))
            await wait_until(lambda: bool(lines))
        await peer.closed_by_client()

    assert of(lines[0], "status", "drained") == (499, False)


@pytest.mark.parametrize("form", ["whole", "passthrough"])
async def test_who_has_everything_may_leave(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that closes once it has read the announced length is not one that left, however late we notice that we
    are through: 200, and no abort."""
    message = {"role": "assistant", "content": "x" * 300_000}
    big = {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    original = AnsweringHandler._taken

    async with Peer(answer_json(big)) as peer, gateway(tmp_path, peer.url) as proxy:

        async def late(handler: AnsweringHandler, flushed: Any) -> None:
            await original(handler, flushed)
            if handler._owed == 0:
                await wait_until(lambda: proxy.service.server.open == 0)

        monkeypatch.setattr(AnsweringHandler, "_taken", late)
        with access_lines() as lines:
            got = await proxy.request("POST", PATHS[form], BODIES[form])
            await wait_until(lambda: bool(lines))
        await wait_until(lambda: not proxy.service.gateway.running)

    (line,) = lines
    assert got.complete
    assert of(line, "status", "code", "ended_by", "abort_ms") == (200, None, None, None)


async def test_the_figures_of_a_whole_stream(tmp_path: Path) -> None:
    """The line of a good answer has its tokens, times to and between events, and the gateway's own share."""
    paced = [part for piece in PIECES[:3] for part in (piece, 0.05)]
    async with Peer(stream(0.05, *paced, *PIECES[3:])) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            await assert_well(proxy)
            await wait_until(lambda: bool(lines))

    (line,) = lines
    assert of(line, "status", "code", "events", "prompt_tokens") == (200, None, 5, USAGE["prompt_tokens"])
    assert line["first_byte_ms"] >= 50
    assert line["itl_ms"] >= 3 * 50 / 4 - 1
    assert 0 < line["own_ms"] < line["total_ms"] - 200, "waiting for the upstream is not our own time"


async def test_the_figures_of_a_whole_answer(tmp_path: Path) -> None:
    """They are known before the line is written, although that happens when the answer is finished."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            await assert_well(proxy, "whole")
            await wait_until(lambda: bool(lines))

    (line,) = lines
    assert of(line, "status", "prompt_tokens", "completion_tokens") == (200, 3, 2)
    assert line["own_ms"] > 0
    assert line["upstream_bytes"] > 0


async def test_what_is_drained_gives_way(tmp_path: Path) -> None:
    """To clients that wait for a connection to the same host, the oldest first; those others are not kept waiting."""
    gate = asyncio.Event()
    async with (
        Peer(stream(*PIECES[:2], gate, *PIECES[2:])) as peer,
        gateway(tmp_path, peer.url, fields=DRAIN, upstream_connections=3) as proxy,
    ):
        with access_lines() as lines:
            for _ in range(3):
                async with Connection(proxy.url) as client:
                    await client.send("POST", "/chat", BODIES["stream"])
                    await client.piece(await client.head())
            await wait_until(lambda: len(proxy.service.gateway.drained) == 3)
            oldest = peer.links[0]
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", BODIES["stream"])
                head = await client.head()
                await wait_until(lambda: bool(lines))
                assert oldest.closed_at is not None
                gate.set()
                answer = await client.rest(head)
            await wait_until(lambda: len(lines) == 4)
        assert not proxy.service.gateway.drained

    assert answer.text() == "one two"
    assert [of(line, "status", "drained") for line in lines[:1]] == [(499, False)]
    assert sorted(line.get("drained", "") for line in lines[1:] if line["status"] == 499) == [True, True]
    assert "gave way" in lines[0]["detail"]


async def test_who_waits_already_is_served_when_a_client_leaves(tmp_path: Path) -> None:
    """A call whose client leaves is not drained at the cost of one that is in the queue."""
    async with (
        Peer(stream(*PIECES[:2], end="silence")) as peer,
        gateway(tmp_path, peer.url, fields=DRAIN, upstream_connections=1) as proxy,
        Connection(proxy.url) as waiting,
    ):
        async with Connection(proxy.url) as client:
            await client.send("POST", "/chat", BODIES["stream"])
            await client.piece(await client.head())
            await waiting.send("POST", "/chat", BODIES["stream"])
            await wait_until(lambda: pooled(proxy).pool.waiting == 1)
        got = await waiting.head()
        assert await waiting.piece(got)

    assert got.status == 200


async def test_draining_has_a_bound_in_number(tmp_path: Path) -> None:
    """Beyond it a call ends with its client, as if the model did not say drain."""
    async with (
        Peer(stream(*PIECES[:2], end="silence")) as peer,
        gateway(tmp_path, peer.url, fields=DRAIN, drained_calls=2) as proxy,
    ):
        with access_lines() as lines:
            for _ in range(5):
                async with Connection(proxy.url) as client:
                    await client.send("POST", "/chat", BODIES["stream"])
                    await client.piece(await client.head())
            await wait_until(lambda: len(lines) == 3)
            await peer.closed_by_client(3)
            assert len(proxy.service.gateway.drained) == pooled(proxy).pool.taken == 2

    assert {of(line, "status", "drained") for line in lines[:3]} == {(499, None)}
