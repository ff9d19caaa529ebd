"""C3 to C8: clients that stall, trickle, half-close and read nothing."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import (
    BODIES,
    FORMS,
    PATHS,
    assert_well,
    healthy,
    suffering,
)
from tests.handlers.kit import access_lines, chunk, gateway
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import still, wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer_json, head, silent, sse

in_each_form = pytest.mark.parametrize("form", FORMS)
NOWHERE = "http://127.0.0.1:9"


@in_each_form
async def test_c3_half_close(form: str, tmp_path: Path) -> None:
    """A client that sends no more counts as gone: nothing tells it from one that left. The README says so."""
    async with suffering(tmp_path, silent()) as (peer, proxy):
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", PATHS[form], BODIES[form])
                await peer.received()
                client.writer.write_eof()
                await peer.closed_by_client()
                await wait_until(lambda: bool(lines))

    assert [(line["status"], line["ended_by"], line["phase"]) for line in lines] == [(499, "client", "head")]


#: One event of 60,000 letters, and a whole answer of 24 MB: more than all buffers between two sockets.
BIG = chunk({"content": "x" * 60_000})
WORDS = 400
WHOLE_BIG = {
    "id": "c-1",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "x" * (60_000 * WORDS)},
            "finish_reason": "stop",
        }
    ],
}


class Flood:
    """An upstream that pushes as many big events as it can, 24 MB if nothing is said; ``sent`` counts them."""

    def __init__(self, words: int = WORDS) -> None:
        self.words = words
        self.sent = 0

    async def __call__(self, exchange: Exchange) -> None:
        (event,) = sse(BIG, done=False)
        await exchange.send(head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}))
        while self.sent < self.words:
            await exchange.chunk(event)
            self.sent += 1
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.chunk(b"")

    async def stalled(self) -> None:
        """Wait until nothing moves any more."""
        await wait_until(lambda: self.sent, 20)
        await still(lambda: self.sent)


async def deaf(client: Connection) -> None:
    """From now on the client's kernel is full soon and its program reads nothing."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["stream", "passthrough"])
async def test_c5_a_slow_reader(form: str, tmp_path: Path) -> None:
    """It stops the upstream for as long as it pleases, which no idle limit counts; then it gets everything."""
    flood = Flood()
    limits = {"timeouts": {"first_byte": 2, "idle": 2, "total": 60}}
    async with suffering(tmp_path, flood, limits) as (peer, proxy), Connection(proxy.narrow().url) as client:
        await deaf(client)
        await client.send("POST", PATHS[form], BODIES[form])
        await peer.received()
        await flood.stalled()
        stalled_at = flood.sent
        await asyncio.sleep(2.5)  # longer than idle: time is what this is about
        await assert_well(proxy, form)
        assert flood.sent == stalled_at < WORDS
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = await client.rest(await client.head())

    assert got.complete
    assert got.body.count(b"x" * 60_000) == WORDS
    assert got.body.endswith(b"data: [DONE]\n\n")


READERS = 5
CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize("text", ["x" * 300, "x" * 30_000], ids=["small events", "large events"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/messages", {**CHAT, "max_tokens": 9}),
        ("/ollama/api/chat", CHAT),
        ("/api/passthrough/peer/chat/completions", {}),
    ],
)
async def test_c5_what_a_reader_that_stopped_costs(
    path: str, body: dict[str, Any], text: str, tmp_path: Path
) -> None:
    """Less than 1 MiB of our own, whatever the upstream pushes and whatever becomes of it."""
    (event,) = sse(chunk({"content": text}), done=False)
    block = event * (60_000 // len(event) + 1)

    async def push(exchange: Exchange) -> None:
        await exchange.send(head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}))
        while True:
            await exchange.chunk(block)

    def stalled(proxy: RunningGateway) -> bool:
        """Whether no client takes more, and nothing more is taken from the upstream."""
        running: set[Any] = set(proxy.service.gateway.running)
        return len(running) == READERS and all(
            one._flushed is not None and not one._flushed.done() and one.exchange._room is not None
            for one in running
        )

    async with Peer(push) as peer, gateway(tmp_path, peer.url) as proxy, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Connection(proxy.narrow().origin)) for _ in range(READERS)]
        tracemalloc.start()
        try:
            for client in clients:
                await deaf(client)
                await client.send("POST", path, body)
            await wait_until(lambda: stalled(proxy), 20)
            cost = tracemalloc.get_traced_memory()[0] / READERS
        finally:
            tracemalloc.stop()

    assert cost < 1 << 20


@in_each_form
async def test_c6_a_reader_that_stopped(form: str, tmp_path: Path) -> None:
    """After the write limit it is dropped, and the upstream is let go although it was paused."""
    script: Script = answer_json(WHOLE_BIG) if form == "whole" else Flood()
    async with suffering(tmp_path, script, write_timeout=0.3) as (peer, proxy):
        with access_lines() as lines:
            async with Connection(proxy.narrow().url) as client:
                await deaf(client)
                await client.send("POST", PATHS[form], BODIES[form])
                await wait_until(lambda: bool(lines), 10)
        if form != "whole":
            await peer.closed_by_client()

    (line,) = lines
    assert [line[name] for name in ("status", "code", "ended_by", "phase", "kind")] == [
        499,
        "client_gone",
        "gateway",
        "body",
        "write_timeout",
    ]
    assert line["client_ms"] >= 299


async def test_c7_trickling_heads(tmp_path: Path) -> None:
    """A head that does not come in time ends the connection, however steadily it trickles; others do not notice."""

    async def trickle(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nX: ")
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b"y")
            await asyncio.wait({ended}, timeout=0.05)
        writer.close()
        await asyncio.gather(ended, return_exceptions=True)

    async with gateway(tmp_path, NOWHERE, header_timeout=0.5) as proxy:
        host, port = proxy.origin.removeprefix("http://").split(":")
        tricklers = [asyncio.ensure_future(trickle((host, int(port)))) for _ in range(100)]
        await asyncio.sleep(0)
        while not all(task.done() for task in tricklers):
            assert (await proxy.request("GET", "/ping")).body == b"pong"
            await asyncio.sleep(0.05)
        await asyncio.gather(*tricklers)


@in_each_form
async def test_c8_a_trickling_body(form: str, tmp_path: Path) -> None:
    """408 at the limit for the whole body, and no upstream was called."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url, body_timeout=0.3) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                request = (
                    f"POST /api{PATHS[form]} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
                )
                client.writer.write(request.encode())
                reading = asyncio.ensure_future(client.head())
                while not reading.done():
                    client.writer.write(b" ")
                    await asyncio.sleep(0.03)
                got = await client.rest(await reading)
                await wait_until(lambda: bool(lines))
        assert peer.connections == 0
        await assert_well(proxy)

    assert (got.status, got.json()["error"]["code"]) == (408, "request_timeout")
    assert [line["status"] for line in lines] == [408]


@in_each_form
async def test_c8_a_body_that_is_cut(form: str, tmp_path: Path) -> None:
    """Less than announced, then a close: 499, and no upstream was called."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                request = (
                    f"POST /api{PATHS[form]} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{"
                )
                client.writer.write(request.encode())
            await wait_until(lambda: bool(lines))
        assert peer.connections == 0

    assert [(line["status"], line["ended_by"], line["phase"]) for line in lines] == [
        (499, "client", "request")
    ]
