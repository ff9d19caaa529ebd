"""One request, one answer: whatever is wrong with a request, and wherever it goes, nothing follows the answer that refused
it. And what is no fault at all: white space, later minor versions, soundly written extensions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llm_proxy.openapi.document import paths_of
from llm_proxy.openapi.operations import OPERATIONS
from tests.faults.kit import healthy
from tests.faults.test_smuggling import HEADS
from tests.handlers.kit import access_lines, gateway
from tests.support.client import Connection
from tests.support.peer import Peer
from tests.support.scripts import answer_json, raw

BAD_BODIES = {
    "no size": b"zz\r\n\r\n",
    "no last chunk": b"1\r\nx\r\nzz\r\n",
    "an extension without a semicolon": b"1 a\r\nx\r\n0\r\n\r\n",
    "a blank behind a size": b"1 \r\nx\r\n0\r\n\r\n",
    "an extension without a name": b"1;\r\nx\r\n0\r\n\r\n",
    "an extension without a value": b"1;a=\r\nx\r\n0\r\n\r\n",
    "an extension whose quotes are open": b'1;a="x\r\nx\r\n0\r\n\r\n',
    "an extension behind its quotes": b'1;a="x"y\r\nx\r\n0\r\n\r\n',
    "an extension that begins with a blank name": b"1;=a\r\nx\r\n0\r\n\r\n",
}
PATHS = sorted(
    {
        (operation.method, path.replace("{", "").replace("}", ""))
        for operation in OPERATIONS
        for path in paths_of(operation, "/api")
    }
    | {
        (method, path)
        for method in ("GET", "POST", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS")
        for path in ("/nope", "/v1/nope", "/ollama/nope", "/api/nope", "/v1/chat/completions", "/")
    }
)


async def answers(proxy_url: str, data: bytes) -> bytes:
    """All that comes back for ``data``, to the end of the connection."""
    async with Connection(proxy_url) as client:
        client.writer.write(data)
        head = await client.reader.readuntil(b"\r\n\r\n")
        client.writer.write_eof()
        return head + await asyncio.wait_for(client.reader.read(), 10)


async def test_a_malformed_body_is_answered_once(tmp_path: Path) -> None:
    """On every path there is, with every method, and on those that there are not; the head may be refused as well."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        for method, path in PATHS:
            for more in (b"", b"Content-Encoding: br\r\n", b"Host: evil.example\r\n"):
                host = b"" if more.startswith(b"Host") else b"Host: localhost\r\n"
                head = b"%b %b HTTP/1.1\r\n%b%bTransfer-Encoding: chunked\r\n\r\n" % (
                    method.encode(),
                    path.encode(),
                    host,
                    more,
                )
                got = await answers(proxy.url, head + b"zz\r\n")
                assert got.count(b"HTTP/1.1 ") == 1, (method, path, got)
                assert got.startswith(b"HTTP/1.1 400 "), (method, path)
        assert peer.connections == 0


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_bodies_that_llhttp_refuses(name: str, tmp_path: Path) -> None:
    """So does the front, once, on served and unknown paths."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        for path in (b"/api/chat", b"/nope", b"/api/passthrough/peer/x"):
            head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path
            got = await answers(proxy.url, head + BAD_BODIES[name])
            assert got.count(b"HTTP/1.1 ") == 1
            assert got.startswith(b"HTTP/1.1 400 ")
        assert peer.connections == 0


@pytest.mark.parametrize("name", HEADS)
async def test_a_malformed_head_is_answered_once(name: str, tmp_path: Path) -> None:
    """On an unknown path too."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        head = b"\r\n".join([b"POST /nope HTTP/1.1", b"Host: localhost", *HEADS[name], b"", b""])
        got = await answers(proxy.url, head + b"0\r\n\r\n")

    assert got.count(b"HTTP/1.1 ") == 1
    assert got.startswith(b"HTTP/1.1 400 ")


SOUND_BODIES = {
    "plain": b"2\r\n{}\r\n0\r\n\r\n",
    "a name": b"2;a\r\n{}\r\n0\r\n\r\n",
    "a value": b"2;a=b;c=d\r\n{}\r\n0;e\r\n\r\n",
    "blanks": b"2 ; a = b\r\n{}\r\n0\r\n\r\n",
    "quotes": b'2;a="b;\\"c\\" d"\r\n{}\r\n0\r\n\r\n',
}


@pytest.mark.parametrize("name", SOUND_BODIES)
async def test_extensions_are_read_and_dropped(name: str, tmp_path: Path) -> None:
    """RFC 9112, section 7.1.1."""
    head = b"POST /api/passthrough/peer/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        async with Connection(proxy.url) as client:
            client.writer.write(head + SOUND_BODIES[name])
            got = await client.rest(await client.head())
        (sent,) = peer.requests

    assert (got.status, sent.body) == (200, b"{}")


@pytest.mark.parametrize("white", [b" ", b"\t", b" \t ", b""])
@pytest.mark.parametrize(
    "field", [b"Content-Length: 2", b"Transfer-Encoding: chunked", b"Expect: 100-continue"]
)
async def test_white_space_behind_a_value(field: bytes, white: bytes, tmp_path: Path) -> None:
    """Is no part of it (RFC 9110, section 5.5), whichever field it is."""
    length = b"" if b"-" in field and b"Expect" not in field else b"Content-Length: 2\r\n"
    body = SOUND_BODIES["plain"] if b"chunked" in field else b"{}"
    head = b"POST /api/passthrough/peer/x HTTP/1.1\r\nHost: localhost%b\r\nX-A: b%b\r\n%b%b%b\r\n\r\n" % (
        white,
        white,
        length,
        field,
        white,
    )
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        async with Connection(proxy.url) as client:
            client.writer.write(head + body)
            answer = await client.head()
            if answer.status == 100:
                answer = await client.head()
            got = await client.rest(answer)
        (sent,) = peer.requests

    assert (got.status, sent.body, sent.header("X-A")) == (200, b"{}", "b")


@pytest.mark.parametrize(
    ("version", "status"),
    [("1.1", 200), ("1.2", 200), ("1.9", 200), ("1.0", 200), ("2.0", 505), ("3.0", 505), ("0.9", 505)],
)
async def test_versions_of_a_client(version: str, status: int, tmp_path: Path) -> None:
    """A later minor version is served as the latest one that is known (RFC 9110, section 2.5); another major one is a
    505."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy, Connection(proxy.url) as client:
        await client.send("GET", "/ping", version=version)
        got = await client.rest(await client.head())

    assert got.status == status


@pytest.mark.parametrize("cut", [None, 3, 7, 8, 9])
async def test_versions_of_an_upstream(cut: int | None, tmp_path: Path) -> None:
    """The same on the other side, wherever the line is cut."""
    body = b"{}"
    whole = b"HTTP/1.2 200 OK\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%b" % (
        len(body),
        body,
    )
    pieces = [whole] if cut is None else [whole[:cut], whole[cut:]]
    async with Peer(raw(*pieces)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("GET", "/passthrough/peer/x")

    assert (got.status, got.body) == (200, body)


@pytest.mark.parametrize("sent", [b"ok", b"", b"four"])
async def test_less_than_its_length(sent: bytes, tmp_path: Path) -> None:
    """What an upstream cuts short is cut for the client too; there is one access line, which says so, and no fault of
    ours in the log."""
    script = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + sent)
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            got = await proxy.request("GET", "/passthrough/peer/x")
        assert not proxy.service.gateway.running

    (line,) = lines
    assert (line["code"], line["phase"], line["ended_by"]) == ("upstream_error", "body", "upstream")
    assert (line["provider"], line["endpoint"]) == ("peer", "/passthrough/")
    assert (got.status, got.body, got.complete) in (
        (200, sent, False),
        (502, got.body, True),  # nothing had been sent yet
    )
