"""What an upstream can do wrong, from the first byte to the last: each ends in one error that says where and what."""

from __future__ import annotations

import asyncio

import pytest

from llm_proxy.upstreams.http_client import (
    BodyTooLarge,
    ConnectionLost,
    ProtocolError,
    StreamRequest,
    TransportError,
)
from tests.support.raw_peer import LOOPS, Client, RawPeer, Script, Wire, answers, both_loops, ok

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

#: What is sent after the request, how it ends, and the phase, the kind and the body bytes that come of it.
FAULTS = {
    "eof before the head": (b"", "eof", "head", "eof", b""),
    "reset before the head": (b"", "reset", "head", "reset", b""),
    "eof in the head": (HEAD + b"Content-Le", "eof", "head", "eof", b""),
    "no http": (b"SSH-2.0-OpenSSH_9.2\r\n", "stay", "head", "framing", b""),
    "http/0.9": (b"<html>hello</html>", "stay", "head", "framing", b""),
    "http/2": (b"HTTP/2 200 OK\r\n\r\n", "stay", "head", "framing", b""),
    "tls alert": (b"\x15\x03\x03\x00\x02\x02\x46", "eof", "head", "framing", b""),
    "both framings": (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "stay", "head", "framing", b""),
    "chunked first": (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "stay", "head", "framing", b""),
    "two lengths": (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "stay", "head", "framing", b""),
    "length list": (HEAD + b"Content-Length: 3, 4\r\n\r\nabcd", "stay", "head", "framing", b""),
    "signed length": (HEAD + b"Content-Length: +3\r\n\r\nabc", "stay", "head", "framing", b""),
    "huge length": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabc", "stay", "head", "framing", b""),
    "unknown coding": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "stay", "head", "framing", b""),
    "unknown coding alone": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", "stay", "head", "framing", b""),
    "chunked twice": (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "stay", "head", "framing", b""),
    "chunked in 1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "stay", "head", "framing", b""),
    "nul in a value": (HEAD + b"X: a\0b\r\n\r\n", "stay", "head", "framing", b""),
    "folded line": (HEAD + b"X: a\r\n b\r\n\r\n", "stay", "head", "framing", b""),
    "bare cr": (HEAD + b"X: a\rb\r\n\r\n", "stay", "head", "framing", b""),
    "bare lf": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "stay", "head", "framing", b""),
    "space before the colon": (HEAD + b"Content-Length : 3\r\n\r\nabc", "stay", "head", "framing", b""),
    "no colon": (HEAD + b"nonsense\r\n\r\n", "stay", "head", "framing", b""),
    "bad status": (b"HTTP/1.1 2x0 OK\r\n\r\n", "stay", "head", "framing", b""),
    "status 099": (b"HTTP/1.1 099 Odd\r\n\r\n", "stay", "head", "protocol", b""),
    "long value": (HEAD + b"X: " + b"a" * 70_000, "stay", "head", "too_large", b""),
    "many fields": (HEAD + b"X: a\r\n" * 300, "stay", "head", "too_large", b""),
    "endless informational": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "stay", "head", "informational", b""),
    "switching protocols": (b"HTTP/1.1 101 Sure\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "stay", "head", "protocol", b""),
    "switching without upgrade": (b"HTTP/1.1 101 Sure\r\n\r\n", "stay", "head", "protocol", b""),
    "eof in a chunk": (CHUNKED + b"6\r\nabc", "eof", "body", "truncated", b"abc"),
    "eof between chunks": (CHUNKED + b"3\r\nabc\r\n", "eof", "body", "truncated", b"abc"),
    "eof in the last chunk": (CHUNKED + b"3\r\nabc\r\n0\r\n", "eof", "body", "truncated", b"abc"),
    "eof in a length": (HEAD + b"Content-Length: 9\r\n\r\nabc", "eof", "body", "truncated", b"abc"),
    "bad chunk size": (CHUNKED + b"3\r\nabc\r\nxyz\r\n", "stay", "body", "framing", b"abc"),
    "chunk size over 64 bits": (CHUNKED + b"3\r\nabc\r\nfffffffffffffffff\r\n", "stay", "body", "framing", b"abc"),
    "chunk without its end": (CHUNKED + b"3\r\nabcdef\r\n", "stay", "body", "framing", b"abc"),
    "endless extension": (CHUNKED + b"3\r\nabc\r\n3;" + b"x" * 400_000, "stay", "body", "too_large", b"abc"),
    "endless trailers": (CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 70_000, "stay", "body", "too_large", b"abc"),
}  # fmt: skip


def script_of(data: bytes, end: str) -> Script:
    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.send(data)
        if end == "eof":
            wire.close()
        elif end == "reset":
            wire.reset()
        await wire.closed()

    return script


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_named_and_what_came_before_is_delivered(name: str) -> None:
    """Phase and kind say what happened; good bytes arrive first; the connection is closed and its slot free."""
    data, end, phase, kind, body = FAULTS[name]
    got: list[bytes] = []
    async with RawPeer(script_of(data, end)) as peer, Client() as http:
        with pytest.raises(TransportError) as caught:
            await http.fetch(peer.url, streaming_callback=got.append, request_timeout=5)
        assert (caught.value.phase, caught.value.kind) == (phase, kind)
        assert b"".join(got) == body
        assert (http.pool.taken, http.pool.idle) == (0, 0)
        await peer.left()


@pytest.mark.parametrize("name", ["bad chunk size", "eof in a chunk", "many fields", "folded line"])
async def test_the_same_faults_in_single_bytes(name: str) -> None:
    """A fault that arrives byte by byte is the same fault, and delivers the same bytes."""
    data, end, phase, kind, body = FAULTS[name]
    data = data[:3000]
    got: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.head()
        for at in range(len(data)):
            if wire.writer.transport.is_closing():
                return
            wire.writer.write(data[at : at + 1])
            await asyncio.sleep(0)
        if end == "eof":
            wire.close()

    async with RawPeer(script) as peer, Client() as http:
        with pytest.raises(TransportError) as caught:
            await http.fetch(peer.url, streaming_callback=got.append, request_timeout=5)
        assert (caught.value.phase, caught.value.kind) == (phase, kind)
        assert b"".join(got) == body


async def test_a_reset_in_mid_stream_ends_the_fetch_at_once() -> None:
    """Bytes before an RST are delivered, the fetch ends without any timeout, and a ConnectionResetError is raised."""
    got: list[bytes] = []
    arrived = asyncio.Event()

    def keep(data: bytes) -> None:
        got.append(data)
        arrived.set()

    async def script(wire: Wire) -> None:
        await wire.exchange(CHUNKED + b"3\r\nabc\r\n")
        await arrived.wait()
        wire.reset()

    async with RawPeer(script) as peer, Client() as http:
        with pytest.raises(ConnectionResetError) as caught:
            await http.fetch(peer.url, streaming_callback=keep, request_timeout=0)
        assert isinstance(caught.value, ConnectionLost)
        assert (caught.value.phase, caught.value.kind) == ("body", "reset")
        assert got == [b"abc"]


async def test_informational_answers_are_never_shown() -> None:
    """Up to ten 1xx answers, early hints among them, are skipped: neither status nor header lines of theirs appear."""
    lines: list[str] = []
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 9 + b"HTTP/1.1 100 Continue\r\n\r\n"
    async with RawPeer(answers(early + ok(b"real"))) as peer, Client() as http:
        response = await http.fetch(peer.url, header_callback=lines.append)
    assert (response.code, response.body) == (200, b"real")
    assert lines[0] == "HTTP/1.1 200 OK\r\n"
    assert not [line for line in lines if line.startswith("Link")]


async def test_an_early_answer_of_an_overloaded_server_is_heard() -> None:
    """A server that answers and closes before it reads anything is believed."""

    async def script(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")
        wire.writer.write_eof()
        await wire.closed()

    async with RawPeer(script) as peer, Client() as http:
        response = await http.fetch(peer.url, raise_error=False)
    assert (response.code, response.reason, response.body) == (503, "Busy", b"busy")


@pytest.mark.parametrize("body", [b"", b"x" * 1_000_000])
async def test_a_server_that_closes_at_once(body: bytes) -> None:
    """A connection that is reset as soon as it is accepted is an error of the fetch, at whatever moment it is seen."""

    async def script(wire: Wire) -> None:
        wire.reset()

    async with RawPeer(script) as peer, Client() as http:
        for _ in range(50):
            with pytest.raises(ConnectionError) as caught:
                await http.fetch(peer.url, method="POST", body=body, request_timeout=5)
            assert isinstance(caught.value, TransportError)
            assert caught.value.phase in ("connect", "head", "write")
            assert caught.value.kind in ("reset", "eof")


async def test_trailers_are_legal_and_change_nothing() -> None:
    """Trailers after the last chunk do not overwrite headers, and the connection is used again."""
    first = (
        HEAD
        + b"X-A: head\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\nok\r\n0\r\nX-A: tail\r\nX-B: tail\r\n\r\n"
    )
    async with RawPeer(answers(first, ok())) as peer, Client() as http:
        response = await http.fetch(peer.url)
        assert response.body == b"ok"
        assert response.headers.get_list("X-A") == ["head"]
        assert "X-B" not in response.headers
        await http.fetch(peer.url)
        assert peer.connections == 1


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", b"200 OK", b"Content-Length: 10\r\n"),
        ("HEAD", b"200 OK", b"Transfer-Encoding: chunked\r\n"),
        ("GET", b"204 No Content", b""),
        ("GET", b"204 No Content", b"Content-Length: 10\r\n"),
        ("GET", b"304 Not Modified", b"Content-Length: 10\r\n"),
        ("GET", b"200 OK", b"Content-Length: 0\r\n"),
    ],
)
async def test_answers_without_a_body_are_not_waited_for(method: str, status: bytes, fields: bytes) -> None:
    """HEAD, 204, 304 and length 0 end with the head, whatever it promises, and the connection is used again."""
    head = b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n"
    async with RawPeer(answers(head, ok())) as peer, Client() as http:
        response = await http.fetch(peer.url, method=method, raise_error=False, request_timeout=5)
        assert (response.code, response.body) == (int(status[:3]), b"")
        assert (await http.fetch(peer.url)).body == b"ok"
        assert peer.connections == 1


async def test_a_body_until_close_is_streamed_as_it_comes() -> None:
    """Without length and chunks the body ends with the connection; its bytes do not wait for that."""
    got: list[bytes] = []
    arrived = asyncio.Event()

    def keep(data: bytes) -> None:
        got.append(data)
        arrived.set()

    async def script(wire: Wire) -> None:
        await wire.exchange(HEAD + b"\r\nfirst")
        await arrived.wait()
        await wire.send(b"second")
        wire.close()

    async with RawPeer(script) as peer, Client() as http:
        response = await http.fetch(peer.url, streaming_callback=keep)
        assert (response.code, got) == (200, [b"first", b"second"])
        assert http.pool.idle == 0


async def test_a_collected_body_is_bounded_in_every_framing() -> None:
    """Above max_body_size a collected body is an error, announced or not; a streamed one is not limited."""
    bodies = [
        ok(b"x" * 2000),
        CHUNKED + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n",
        HEAD + b"\r\n" + b"x" * 2000,
    ]
    for body in bodies:

        async def script(wire: Wire, body: bytes = body) -> None:
            await wire.exchange(body)
            wire.close()

        got: list[bytes] = []
        async with RawPeer(script) as peer, Client(max_body_size=1000) as http:
            with pytest.raises(BodyTooLarge) as caught:
                await http.fetch(peer.url)
            assert (caught.value.phase, caught.value.kind) == ("body", "too_large")
            await http.fetch(peer.url, streaming_callback=got.append)
            assert len(b"".join(got)) == 2000


async def test_a_hostile_head_costs_no_time() -> None:
    """Sixteen megabytes of one header value are refused after 64 KiB: the connection is closed under the sender."""

    async def send_it(wire: Wire) -> None:
        for _ in range(16 * 1024):
            await wire.send(b"a" * 1024)

    async def script(wire: Wire) -> None:
        await wire.exchange(HEAD + b"X: ")
        with pytest.raises(ConnectionError):
            await send_it(wire)

    async with RawPeer(script) as peer, Client() as http:
        with pytest.raises(ProtocolError, match="too large"):
            await http.fetch(peer.url)


async def test_an_error_of_a_callback_is_the_fetchs_error() -> None:
    """What a callback raises ends the request, closes its socket, and is raised by the fetch, unchanged."""

    class OwnError(Exception):
        pass

    def fail(data: object) -> None:
        raise OwnError

    async def fail_later(data: bytes) -> None:
        await asyncio.sleep(0)
        raise OwnError

    for options in (
        {"streaming_callback": fail},
        {"header_callback": fail},
        {"streaming_callback": fail_later},
    ):
        async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n")) as peer, Client() as http:
            with pytest.raises(OwnError):
                await http.fetch(StreamRequest(peer.url, **options))
            await peer.left()
