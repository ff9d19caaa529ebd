"""C11 to C16: clients that say odd things, many at once, or one after the other without waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.kit import (
    FORMS,
    PIECES,
    ask,
    assert_idle,
    healthy,
    once,
)
from tests.handlers.kit import CHAT, WHOLE, access_lines, gateway
from tests.support.client import Connection
from tests.support.peer import Peer
from tests.support.scripts import stream

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("kind", [None, "text/plain", "application/octet-stream"])
async def test_c11_the_type_of_a_body(kind: str | None, tmp_path: Path) -> None:
    """JSON is JSON whatever it calls itself, for the sake of the simplest clients."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/chat", WHOLE, headers={"Content-Type": kind or ""})

    assert got.status == 200


LINES = {
    "unknown method": b"BREW /api/ping HTTP/1.1",
    "lower case": b"get /api/ping HTTP/1.1",
    "asterisk": b"GET * HTTP/1.1",
    "authority": b"CONNECT evil.example:443 HTTP/1.1",
    "HTTP/2": b"GET /api/ping HTTP/2.0",
    "no version": b"GET /api/ping",
    "no target": b"GET HTTP/1.1",
    "double slash": b"GET //evil.example/api/ping HTTP/1.1",
    "NUL": b"GET /api/\0ping HTTP/1.1",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", LINES)
async def test_c13_request_lines(name: str, tmp_path: Path) -> None:
    """Whatever the first line is, the answer is an error in JSON, and the next client is served."""
    async with gateway(tmp_path, NOWHERE) as proxy, Connection(proxy.url) as client:
        client.writer.write(LINES[name] + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = await client.rest(await client.head())
        after = await proxy.request("GET", "/ping")

    assert got.status in (400, 404, 405, 505)
    assert set(got.json()["error"]) >= {"message", "type", "code", "param"}
    assert after.status == 200


IDS = ["x" * 10_000, "a b", 'a"b', "a,b", "a;b=<script>", "\u00e9", "a\tb", "${jndi:x}", ""]


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Correlation-Id"])
async def test_c15_request_ids(name: str, tmp_path: Path) -> None:
    """A good one is repeated in header and body; any other is replaced, and appears nowhere."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        good = await proxy.request("GET", "/nothing", headers={name: "req_01-A.b:c"})
        with access_lines() as lines:
            bad = [await proxy.request("GET", "/nothing", headers={name: text}) for text in IDS]

    assert good.headers["x-request-id"] == good.json()["error"]["request_id"] == "req_01-A.b:c"
    for text, got in zip(IDS, bad, strict=True):
        assert got.headers["x-request-id"] != text
        assert not text or text not in got.body.decode()
        assert len(got.headers["x-request-id"]) == 32
    assert [line["request_id"] for line in lines] == [got.headers["x-request-id"] for got in bad]


async def test_c16_a_storm(tmp_path: Path) -> None:
    """Three hundred clients that come back at the same moment are all served."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = await asyncio.gather(*(ask(proxy, FORMS[n % 3]) for n in range(300)))
        await assert_idle(proxy)

    assert [(got.status, got.complete) for got in answers] == [(200, True)] * 300


async def test_pipelined_requests(tmp_path: Path) -> None:
    """Requests sent ahead of their turn are answered one after the other, in order."""
    async with (
        Peer(once(stream(*PIECES))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as client,
    ):
        for path in ("/ping", "/nothing", "/ping"):
            await client.send("GET", path)
        await client.send("POST", "/chat", CHAT)
        await client.send("GET", "/ping")
        answers = [await client.rest(await client.head()) for _ in range(5)]

    assert [got.status for got in answers] == [200, 404, 200, 200, 200]
    assert answers[3].text() == "one two"
