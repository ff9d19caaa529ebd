"""S1: requests that two servers would read differently, each with a second one hidden in its body.

The hidden request never reaches a handler or an upstream: the connection is answered once, with 400, and closed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.kit import assert_well, healthy
from tests.handlers.kit import access_lines, gateway
from tests.support.client import Connection
from tests.support.peer import Peer

HIDDEN = b"GET /api/passthrough/peer/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIZE = b"%d" % len(HIDDEN)
TARGETS = {"chat": b"/api/chat", "passthrough": b"/api/passthrough/peer/x", "nothing": b"/api/nothing"}

HEADS: dict[str, list[bytes]] = {
    "TE and CL": [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
    "CL and TE": [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
    "two CL": [b"Content-Length: 0", b"Content-Length: " + SIZE],
    "CL list": [b"Content-Length: 0, " + SIZE],
    "CL with a sign": [b"Content-Length: +0"],
    "CL negative": [b"Content-Length: -1"],
    "CL hexadecimal": [b"Content-Length: 0x0"],
    "CL underscore": [b"Content-Length: 0_0"],
    "CL empty": [b"Content-Length:"],
    "CL over 64 bits": [b"Content-Length: 18446744073709551616"],
    "CL with a space in its name": [b"Content-Length : 0"],
    "CL in other digits": ["Content-Length: \u0660".encode()],
    "TE unknown": [b"Transfer-Encoding: xchunked"],
    "TE identity": [b"Transfer-Encoding: identity"],
    "TE list": [b"Transfer-Encoding: chunked, identity"],
    "TE other list": [b"Transfer-Encoding: gzip, chunked"],
    "TE twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    "TE quoted": [b'Transfer-Encoding: "chunked"'],
    "TE vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "TE with a space in its name": [b"Transfer-Encoding : chunked"],
    "TE folded": [b"Transfer-Encoding:\r\n chunked"],
    "TE behind a fold": [b"X: a\r\n Transfer-Encoding: chunked"],
    "TE behind a bare CR": [b"X: a\rTransfer-Encoding: chunked"],
    "TE behind a NUL": [b"X: a\0", b"Transfer-Encoding: chunked"],
    "a name with a space": [b"X Y: a"],
    "a line without a colon": [b"nonsense"],
    "an empty name": [b": a"],
    "two hosts": [b"Host: localhost"],
}


def request(target: bytes, lines: list[bytes], end: bytes = b"\r\n", version: bytes = b"1.1") -> bytes:
    """The head of a POST."""
    return end.join([b"POST %b HTTP/%b" % (target, version), b"Host: localhost", *lines, b"", b""])


async def assert_refused(folder: Path, *requests: bytes) -> None:
    """Each gets one answer, 400, and nothing of the hidden request is anywhere."""
    async with Peer(healthy) as peer, gateway(folder, peer.url) as proxy:
        with access_lines() as lines:
            for data in requests:
                async with Connection(proxy.url) as client:
                    client.writer.write(data)
                    got = await client.rest(await client.head())
                    client.writer.write_eof()
                    rest = await asyncio.wait_for(client.reader.read(), 5)
                assert (got.status, got.headers["connection"], rest) == (400, "close", b"")
                assert got.json()["error"]["message"]
        assert peer.connections == 0
        assert not [line for line in lines if "hidden" in str(line)]
        await assert_well(proxy, "whole")


@pytest.mark.parametrize("name", HEADS)
async def test_ambiguous_heads(name: str, tmp_path: Path) -> None:
    """Whatever the framing might mean to somebody else, here it means nothing, wherever the request goes."""
    heads = [request(target, HEADS[name]) for target in TARGETS.values()]
    await assert_refused(tmp_path, *(head + b"0\r\n\r\n" + HIDDEN for head in heads))


async def test_line_ends_of_a_head(tmp_path: Path) -> None:
    """A head whose lines end with a bare LF is not read at all."""
    await assert_refused(tmp_path, request(TARGETS["chat"], [b"Content-Length: 0"], b"\n") + HIDDEN)


async def test_chunks_from_the_past(tmp_path: Path) -> None:
    """HTTP/1.0 has no chunks."""
    data = request(TARGETS["chat"], [b"Transfer-Encoding: chunked"], version=b"1.0")
    await assert_refused(tmp_path, data + b"0\r\n\r\n" + HIDDEN)


BODIES: dict[str, bytes] = {
    "size with a prefix": b"0x0\r\n\r\n",
    "size with a sign": b"+0\r\n\r\n",
    "size behind a space": b" 0\r\n\r\n",
    "size with an underscore": b"0_0\r\n\r\n",
    "size over 64 bits": b"10000000000000000\r\n\r\n",
    "size missing": b"\r\n\r\n",
    "size that is no number": b"zz\r\n\r\n",
    "LF behind the size": b"0\n\n",
    "CR behind the size": b"0\r\r\n\r\n",
    "no line end behind a chunk": b"1\r\nx0\r\n\r\n",
    "LF behind a chunk": b"1\r\nx\n0\r\n\r\n",
    "more than the size": b"1\r\nxyz\r\n0\r\n\r\n",
    "LF in an extension": b"0;a\nb\r\n\r\n",
    "CR in an extension": b"0;a\rb\r\n\r\n",
    "NUL in an extension": b"0;a\0b\r\n\r\n",
    "LF in a trailer": b"0\r\nX: a\nY: b\r\n\r\n",
    "a trailer without a colon": b"0\r\nnonsense\r\n\r\n",
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("name", BODIES)
async def test_ambiguous_chunks(name: str, tmp_path: Path) -> None:
    """A body whose end is a matter of opinion has none."""
    heads = [request(TARGETS[target], [b"Transfer-Encoding: chunked"]) for target in ("chat", "passthrough")]
    await assert_refused(tmp_path, *(head + BODIES[name] + HIDDEN for head in heads))


async def test_what_is_not_hidden(tmp_path: Path) -> None:
    """The other side of it: soundly framed, the second request is a request."""
    two = request(TARGETS["nothing"], [b"Transfer-Encoding: Chunked"]) + b"1;a=b\r\nx\r\n0\r\nX: y\r\n\r\n"
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        client.writer.write(request(TARGETS["passthrough"], [b"Content-Length: 2"]) + b"{}" + HIDDEN)
        answers = [await client.rest(await client.head()) for _ in range(2)]
        assert [received.path for received in peer.requests] == ["/v1/x", "/v1/hidden"]
        assert [got.status for got in answers] == [200, 200]
        client.writer.write(two)
        assert (await client.rest(await client.head())).status == 404
