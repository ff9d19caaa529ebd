"""Requests sent ahead of their turn: what waits is bounded, each byte is looked at once, unread answers stop the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from llm_proxy.clients.chunked_body import ChunkedBody
from llm_proxy.clients.connection import _AHEAD, ClientConnection
from llm_proxy.clients.request_reader import MAX_HEAD, RequestReader
from tests.faults.kit import healthy
from tests.handlers.kit import access_lines, gateway
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.growth import ALLOWED, DOUBLINGS, growth
from tests.support.loops import wait_until
from tests.support.peer import Peer

#: What a loop reads at once.
READ = 256 * 1024
PING = b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
TAGS = b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connection_of(proxy: RunningGateway) -> ClientConnection:
    """The only one."""
    (found,) = proxy.service.server._connections
    return found


def transport_of(client: Connection) -> asyncio.Transport:
    """The client's side."""
    return cast(asyncio.Transport, client.writer.transport)


def _has(lines: list[Any], count: int) -> bool:
    return len(lines) == count


async def answers(client: Connection, count: int) -> list[int]:
    """The statuses of the next ``count`` answers."""
    return [(await client.rest(await client.head())).status for _ in range(count)]


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """Who sends without a pause has 64 KiB and one read of it waiting, never more; every request is answered, in order."""
    count = 2_000
    ping = PING.replace(b"\r\n\r\n", b"\r\nX-Any: " + b"x" * 200 + b"\r\n\r\n")
    assert len(ping) * count > _AHEAD + READ
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        client.writer.write(ping * count)
        await wait_until(lambda: len(proxy.service.server._connections) == 1)
        server, most = connection_of(proxy), 0
        for _ in range(count // 100):
            assert await answers(client, 100) == [200] * 100
            most = max(most, len(server._ahead))

        assert _AHEAD < most <= _AHEAD + READ
        await wait_until(lambda: not server._ahead)


async def test_unread_answers_stop_the_next_request(tmp_path: Path) -> None:
    """A client that reads nothing gets as many answers made as fill its socket and 64 KiB; then it reads, and gets all."""
    count = 400
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        transport_of(client).pause_reading()
        with access_lines() as lines:
            client.writer.write(LARGE * count)
            await wait_until(lambda: connection_of(proxy)._next_waits)
            made = len(lines)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(lines) == made < count // 2
            assert connection_of(proxy)._transport.get_write_buffer_size() < 1 << 20
            transport_of(client).resume_reading()
            assert await answers(client, count) == [200] * count


async def test_one_by_one_it_is_the_same(tmp_path: Path) -> None:
    """Whoever sends each request after the last was answered, and reads none of it, meets the same bound."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        transport_of(client).pause_reading()
        sent = 0
        with access_lines() as lines:
            while not sent or not connection_of(proxy)._next_waits:
                client.writer.write(LARGE)
                sent += 1
                await wait_until(partial(_has, lines, sent))
            client.writer.write(LARGE * 3)
            await wait_until(lambda: len(connection_of(proxy)._ahead) == 3 * len(LARGE))
            assert len(lines) == sent
            transport_of(client).resume_reading()
            assert await answers(client, sent + 3) == [200] * (sent + 3)


async def test_others_are_served_between(tmp_path: Path) -> None:
    """While one connection has thousands of requests waiting, another's are answered one for a few of its own."""
    count = 2000
    async with (
        Peer(healthy) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as greedy,
        Connection(proxy.url) as other,
    ):
        with access_lines() as lines:
            greedy.writer.write(TAGS * count)  # a ping that succeeds has no line
            reading = asyncio.create_task(answers(greedy, count))
            await wait_until(lambda: bool(lines))
            asked = 0
            while not reading.done():
                before = len(lines)
                assert (await other.request("GET", "/ping")).status == 200
                asked += 1
                assert len(lines) - before < 100
        assert await reading == [200] * count
    assert asked > 40


@pytest.mark.parametrize("tail", [b"", PING])
async def test_a_refusal_among_them(tail: bytes, tmp_path: Path) -> None:
    """What is malformed is answered in its turn, and ends the connection whatever stands behind it."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        client.writer.write(PING * 2 + b"GET / HTTP/1.1\r\nA b: c\r\n\r\n" + tail * 3000)
        assert await answers(client, 3) == [200, 200, 400]
        rest = await asyncio.wait_for(client.reader.read(), 10)
    assert rest == b""


async def test_bodies_among_them(tmp_path: Path) -> None:
    """Large bodies, chunked in the smallest way or not, may stand anywhere in a pipeline."""
    text = b"x" * 100_000
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"
    head = b"POST /api/passthrough/peer/any HTTP/1.1\r\nHost: localhost\r\n"
    requests = (
        head + b"Content-Length: 100000\r\n\r\n" + text,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        PING,
    )
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        client.writer.write(b"".join(requests) * 2)
        assert await answers(client, 6) == [200] * 6
        assert [request.body for request in peer.requests] == [text] * 4


HEADS: Mapping[str, Callable[[int], bytes]] = {
    "one value": lambda size: b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"x" * size,
    "many spaces": lambda size: b"GET / HTTP/1.1\r\nHost: a\r\nA:" + b" " * size + b"x",
    "one target": lambda size: b"GET /" + b"a" * size,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_byte_by_byte(name: str) -> None:
    """A head that comes a byte at a time costs what its bytes cost: twice as long, at most 2.5 times as much."""

    def read(head: bytes) -> None:
        reader = RequestReader()
        for byte in head:
            reader.feed(bytes((byte,)))
        assert reader.fault is None
        assert reader.begun

    assert growth(HEADS[name], read, (MAX_HEAD - 200) >> DOUBLINGS, bounded=True) <= ALLOWED


def test_a_chunked_body_byte_by_byte() -> None:
    """However a body is chunked and cut, it is the same."""
    data = b"5\r\nhello\r\n01;a=b\r\n \r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\nrest"
    for step in (1, 2, 3, 7, len(data)):
        body, got = ChunkedBody(), b""
        for at in range(0, len(data), step):
            if body.rest is not None:
                break
            got += body.feed(data[at : at + step])
        assert got == b"hello 0123456789"
        assert body.rest is not None
