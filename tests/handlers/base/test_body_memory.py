"""The sum of bodies in memory: what is refused for it, and that everything is given back whichever way a request ends."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.base.body import _LIST, _OBJECT, _VALUE
from llm_proxy.relay.memory import COST, Memory
from tests.faults.kit import healthy
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, access_lines, gateway
from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer_json

KIB = 1 << 10
LIMIT = 1 << 20
#: What fits in alone, and not beside itself.
LARGE = LIMIT // COST * 6 // 10


def body(size: int, **more: Any) -> bytes:
    """A chat of about ``size`` bytes."""
    return json.dumps({**CHAT, **more, "messages": [{"role": "user", "content": "x" * size}]}).encode()


@asynccontextmanager
async def running(folder: Path, script: Script = healthy) -> AsyncIterator[tuple[RunningGateway, Memory]]:
    """A gateway that may hold ``LIMIT``, and holds nothing when the block is left."""
    async with Peer(script) as peer, gateway(folder, peer.url, max_memory=LIMIT) as proxy:
        memory = proxy.service.gateway.memory
        assert memory.limit == LIMIT
        yield proxy, memory
        await wait_until(lambda: memory.held == 0)
        got = await proxy.request("POST", "/chat", body(LARGE))
        assert (got.status, got.complete) == (200, True)
        await wait_until(lambda: memory.held == 0)
        assert (await proxy.request("GET", "/status")).json()["memory"] == memory.report()


def refused(got: Answer) -> None:
    """503, with a time to come back."""
    assert (got.status, got.json()["error"]["code"]) == (503, "overloaded")
    assert got.headers["retry-after"] == "1"


HELD = {"Content-Length": str(LARGE)}
CHUNKED = {"Content-Length": "", "Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("path", ["/chat", "/v1/embeddings", "/passthrough/peer/x", "/v1/audio/speech"])
async def test_no_room_for_a_second(path: str, tmp_path: Path) -> None:
    """While one large body is here, incomplete, a second is refused by its head, before a byte of it; small ones are served."""
    async with running(tmp_path) as (proxy, memory), Connection(proxy.url) as slow:
        await slow.send("POST", path, body(LARGE)[: LARGE - 10], headers=HELD)
        await wait_until(lambda: memory.held == (LARGE - 10) * COST)
        async with Connection(proxy.url) as client:
            await client.send("POST", path, headers=HELD)
            refused(await client.rest(await client.head()))
        assert (await proxy.request("POST", "/chat", CHAT)).status == 200
        assert memory.refused == 1


async def test_chunks_are_refused_as_they_exceed(tmp_path: Path) -> None:
    """A body without a length is read until there is no room for more of it; what it held is free at once."""
    async with running(tmp_path) as (proxy, memory), Connection(proxy.url) as client:
        await client.send("POST", "/chat", headers=CHUNKED)
        piece = b"%x\r\n%b\r\n" % (64 * KIB, b" " * 64 * KIB)
        for _ in range(LIMIT // COST // len(piece) + 1):
            client.writer.write(piece)
        refused(await client.rest(await client.head()))
        assert memory.held == 0


async def test_announcing_holds_nothing(tmp_path: Path) -> None:
    """Lengths that are only announced take nothing from others."""
    async with running(tmp_path) as (proxy, _):
        idle = [Connection(proxy.url) for _ in range(5)]
        for client in idle:
            await client.__aenter__()
            await client.send("POST", "/chat", headers=HELD)
        assert (await proxy.request("POST", "/chat", body(LARGE))).status == 200
        for client in idle:
            await client.close()


async def test_unpacked_it_counts_as_what_it_is(tmp_path: Path) -> None:
    """A small compressed body that becomes a large one is refused for what it became."""
    packed = gzip.compress(body(LIMIT))
    async with running(tmp_path) as (proxy, _):
        refused(await proxy.request("POST", "/chat", packed, headers={"Content-Encoding": "gzip"}))


async def test_whole_answers_count(tmp_path: Path) -> None:
    """An answer that is collected and finds no room is 503, and its upstream is let go; a stream is not counted."""
    text = {**COMPLETION["choices"][0], "message": {"role": "assistant", "content": "y" * LIMIT}}  # type: ignore[index]
    async with (
        Peer(answer_json({**COMPLETION, "choices": [text]})) as peer,
        gateway(tmp_path, peer.url, max_memory=LIMIT) as proxy,
    ):
        memory = proxy.service.gateway.memory
        refused(await proxy.request("POST", "/chat", WHOLE))
        await wait_until(lambda: memory.held == 0)
        got = await proxy.request("POST", "/passthrough/peer/x", {})
        assert (got.status, got.complete) == (200, True)


@pytest.mark.parametrize("way", ["cut", "late", "too large", "no JSON", "refused", "gone"])
async def test_every_way_out(way: str, tmp_path: Path) -> None:
    """Bodies that are cut, late, too large, wrong, refused by the upstream, or left alone: what they held is given back."""
    there = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        if way == "gone" and not there.is_set():
            there.set()
            await exchange.left()
        elif way == "refused" and not there.is_set():
            there.set()
            await answer_json({"error": {"message": "no"}}, status=400)(exchange)
        else:
            await healthy(exchange)

    async with running(tmp_path, waits) as (proxy, memory), Connection(proxy.url) as client:
        data = body(LARGE)
        if way == "cut":
            await client.send("POST", "/chat", data[:-1], headers={"Content-Length": str(len(data))})
            await wait_until(lambda: memory.held > 0)
        elif way == "late":
            proxy.settings.__dict__["body_timeout"] = 0.2
            await client.send("POST", "/chat", data[:-1], headers={"Content-Length": str(len(data))})
            assert (await client.head()).status == 408
            assert memory.held == 0
        elif way == "too large":
            proxy.settings.__dict__["max_body_size"] = LARGE
            await client.send("POST", "/chat", headers=CHUNKED)
            client.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            assert (await client.head()).status == 413
            proxy.settings.__dict__["max_body_size"] = 2 * LARGE
        elif way == "no JSON":
            assert (await client.request("POST", "/chat", data[:-1])).status == 400
        elif way == "refused":
            assert (await client.request("POST", "/chat", data)).status == 400
        else:
            with access_lines() as lines:
                await client.send("POST", "/chat", data)
                await there.wait()
                assert memory.held > LARGE
                await client.close()
                await wait_until(lambda: bool(lines))


async def test_what_was_sent_is_not_kept(tmp_path: Path) -> None:
    """While a stream runs, the body that was sent for it is not held any more, nor counted."""
    go_on = asyncio.Event()

    async def two_parts(exchange: Exchange) -> None:
        if not go_on.is_set():
            await exchange.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            )
            await go_on.wait()
            exchange.close()
        else:
            await healthy(exchange)

    async with running(tmp_path, two_parts) as (proxy, memory), Connection(proxy.url) as client:
        data = body(LARGE)
        await client.send("POST", "/chat", data)
        values = 2 * _OBJECT + _LIST + data.count(b",") * _VALUE
        await wait_until(lambda: memory.held == (len(data) - len(data) // COST + values) * COST)
        (handler,) = proxy.service.gateway.running
        exchange = handler.exchange  # type: ignore[attr-defined]
        assert exchange._call is exchange._transfer._plan is None
        go_on.set()
        await client.head()


async def test_tiny_pieces_cost_their_bytes(tmp_path: Path) -> None:
    """A body in a thousand tiny pieces is kept as one."""
    async with running(tmp_path) as (proxy, memory), Connection(proxy.url) as client:
        data = body(1000)
        await client.send("POST", "/chat", headers=CHUNKED)
        for at in range(len(data)):
            client.writer.write(b"1\r\n%c\r\n" % data[at])
            await wait_until(lambda: memory.held)
        client.writer.write(b"0\r\n\r\n")
        got = await client.rest(await client.head())
        assert (got.status, got.text()) == (200, "one two")


def test_the_ebb_is_told() -> None:
    """When much comes to be held that is told once, and once when most of it is let go; small bodies never are."""
    told: list[int] = []
    flooded: list[int] = []
    memory = Memory(1 << 30, lambda: told.append(memory.held), lambda: flooded.append(memory.held))
    for _ in range(100):
        assert memory.take(1 << 20)
        memory.give_back(1 << 20)
    assert told == flooded == []
    for times in (1, 2):
        for _ in range(20):
            assert memory.take(1 << 20)
        assert (len(told), len(flooded)) == (times - 1, times)
        for _ in range(20):
            memory.give_back(1 << 20)
        assert (len(told), len(flooded)) == (times, times)
    assert memory.held == 0
