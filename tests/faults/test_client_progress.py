"""C4 to C8 from the other side: clients that are slow and do go on are served, whatever the limits on silence."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import healthy
from tests.faults.test_client_pace import Flood
from tests.handlers.kit import MESSAGES, gateway
from tests.support.client import Connection
from tests.support.peer import Peer, Script
from tests.support.scripts import answer_json

NOWHERE = "http://127.0.0.1:9"
LETTERS = 3_000_000
WHOLE = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x" * LETTERS}, "finish_reason": "stop"}
    ],
}
CHAT = {"model": "m", "messages": MESSAGES, "stream": False}


async def read_slowly(client: Connection) -> bytes:
    """Some 2 MB a second, without a pause."""
    got = b""
    while piece := await client.reader.read(65_536):
        got += piece
        await asyncio.sleep(0.03)
    return got


async def connect_narrowly(client: Connection) -> None:
    """With small buffers: what is not read yet lies with the gateway."""
    await client.close()
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (client.host, client.port))
    client.reader, client.writer = await asyncio.open_connection(sock=narrow, limit=65_536)


@pytest.mark.parametrize(
    ("path", "body", "script"),
    [
        ("/api/chat", CHAT, answer_json(WHOLE)),
        ("/v1/messages", {**CHAT, "max_tokens": 9}, answer_json(WHOLE)),
        ("/ollama/api/chat", CHAT, answer_json(WHOLE)),
        ("/api/passthrough/peer/x", {}, answer_json(WHOLE)),
        ("/v1/audio/speech", {"model": "m", "input": "x", "voice": "y"}, answer_json(WHOLE)),
        ("/api/chat", {**CHAT, "stream": True}, None),
    ],
)
async def test_a_steady_reader_gets_everything(
    path: str, body: dict[str, Any], script: Script | None, tmp_path: Path
) -> None:
    """The write limit counts silence: an answer may take many times as long, whole, streamed or relayed."""
    async with (
        Peer(script or Flood(LETTERS // 60_000)) as peer,
        gateway(tmp_path, peer.url, write_timeout=0.5) as proxy,
        Connection(proxy.origin) as client,
    ):
        await connect_narrowly(client)
        await client.send("POST", path, body, {"Connection": "close"})
        got = await read_slowly(client)

    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.count(b"x") >= LETTERS


@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_c8_a_slow_upload_arrives(coding: str, tmp_path: Path) -> None:
    """The body limit counts silence and a least rate: an upload may take many times as long."""
    data = json.dumps({**CHAT, "user": "u" * 3000}).encode()
    framing = "Transfer-Encoding: chunked" if coding == "chunked" else f"Content-Length: {len(data)}"
    async with (
        Peer(healthy) as peer,
        gateway(tmp_path, peer.url, body_timeout=0.4) as proxy,
        Connection(proxy.url) as client,
    ):
        client.writer.write(f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode())
        for at in range(0, len(data), 100):
            piece = data[at : at + 100]
            client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if coding == "chunked" else piece)
            await asyncio.sleep(0.04)
        if coding == "chunked":
            client.writer.write(b"0\r\n\r\n")
        got = await client.rest(await client.head())

    assert (got.status, got.complete) == (200, True)


async def test_c8_nobody_saves_up_for_a_trickle(tmp_path: Path) -> None:
    """The rate is that of the newest while: who has sent much at first must go on."""
    async with gateway(tmp_path, NOWHERE, body_timeout=0.4) as proxy, Connection(proxy.url) as client:
        head = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
        client.writer.write(head + b" " * 1_000_000)
        reading = asyncio.ensure_future(client.head())
        while not reading.done():
            client.writer.write(b" ")
            await asyncio.sleep(0.03)
        got = await client.rest(await reading)

    assert (got.status, got.json()["error"]["code"]) == (408, "request_timeout")
    assert "500 bytes a second" in got.json()["error"]["message"]


async def test_c7_an_idle_connection_is_kept_longer_than_a_head_may_take(tmp_path: Path) -> None:
    """The two limits are settings of their own."""
    async with gateway(tmp_path, NOWHERE, header_timeout=0.2) as proxy, Connection(proxy.url) as client:
        assert (await client.request("GET", "/ping")).body == b"pong"
        await asyncio.sleep(0.6)  # longer than a head may take: time is what this is about
        assert (await client.request("GET", "/ping")).body == b"pong"


@pytest.mark.parametrize(("keepalive", "header"), [(0.2, 0.1), (0.1, 600)])
async def test_c7_an_idle_connection_is_closed_in_the_end(
    keepalive: float, header: float, tmp_path: Path
) -> None:
    """Cleanly, after the limit of its own, whichever of the two is longer."""
    limits: dict[str, Any] = {"keepalive_timeout": keepalive, "header_timeout": header}
    async with gateway(tmp_path, NOWHERE, **limits) as proxy, Connection(proxy.url) as client:
        assert (await client.request("GET", "/ping")).body == b"pong"
        assert await asyncio.wait_for(client.reader.read(), 10) == b""


async def test_c7_a_connection_that_asks_nothing_is_closed(tmp_path: Path) -> None:
    """After the time of a head."""
    async with (
        gateway(tmp_path, NOWHERE, keepalive_timeout=600, header_timeout=0.1) as proxy,
        Connection(proxy.url) as client,
    ):
        assert await asyncio.wait_for(client.reader.read(), 10) == b""


async def test_c7_a_head_that_trickles_on_a_kept_connection(tmp_path: Path) -> None:
    """It has the time of a head from its first byte on, and not that of an idle connection."""
    async with gateway(tmp_path, NOWHERE, header_timeout=0.2) as proxy, Connection(proxy.url) as client:
        assert (await client.request("GET", "/ping")).body == b"pong"
        client.writer.write(b"GET /api/ping HTTP/1.1\r\n")
        assert await asyncio.wait_for(client.reader.read(), 10) == b""


@pytest.mark.parametrize("served", [False, True], ids=["first request", "later request"])
async def test_c7_a_request_that_comes_as_the_timer_fires_is_served(served: bool, tmp_path: Path) -> None:
    """What the kernel has taken and nobody has read yet is no silence."""
    async with gateway(tmp_path, NOWHERE) as proxy, Connection(proxy.url) as client:
        server = proxy.service.server
        if served:
            assert (await client.request("GET", "/ping")).body == b"pong"
        while not server._connections:
            await asyncio.sleep(0)
        (connection,) = server._connections
        client.writer.write(b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")  # goes out at once
        connection._since -= 1000
        connection._look_no_more()
        connection._look()
        assert (await client.rest(await client.head())).body == b"pong"
