"""The scripted peer does on the wire what its script says, and records what it was sent."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support import scripts
from tests.support.addresses import black_hole_url, refused_url
from tests.support.client import Connection
from tests.support.peer import Exchange, Peer, Script

EVENTS = scripts.sse({"n": 1}, {"n": 2})
CLOSE = {"Connection": "close"}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def talk(
    peer: Peer, sent: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
) -> tuple[bytes, Exception | None]:
    """Send raw bytes; everything that came back until the end, and the error that ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    got = b""
    try:
        writer.write(sent)
        while data := await asyncio.wait_for(reader.read(65536), 5):
            got += data
        return got, None
    except ConnectionError as error:
        return got, error
    finally:
        writer.close()


ENDS: list[tuple[Script, bytes, type[Exception] | None]] = [
    (scripts.stream(*EVENTS, end="cut"), STREAM_HEAD + b'10\r\ndata: {"n": 1}\n\n\r\n', None),
    (scripts.stream(scripts.half_chunk(EVENTS[0]), end="cut"), STREAM_HEAD + b"10\r\ndata: {", None),
    (scripts.stream(end="reset"), b"", ConnectionResetError),
    (scripts.stream(*EVENTS, end="close"), STREAM_HEAD, None),
    (
        scripts.stream(*EVENTS, chunked=False),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(EVENTS),
        None,
    ),
    (scripts.raw(b"HTTP/1.1 200 OK\r\nContent-Le"), b"HTTP/1.1 200 OK\r\nContent-Le", None),
    (scripts.raw(), b"", None),
    (scripts.raw(0.0, end="reset"), b"", ConnectionResetError),
    (scripts.drip(b"HTTP/1.1 200", 0.001, end="cut"), b"HTTP/1.1 200", None),
]


@pytest.mark.parametrize(("script", "start", "failure"), ENDS, ids=range(len(ENDS)))
async def test_ends(script: Script, start: bytes, failure: type[Exception] | None) -> None:
    """Each way to end a response is the one that the client sees; only a clean one has a last chunk."""
    async with Peer(script) as peer:
        got, error = await talk(peer)

    assert got.startswith(start)
    assert got.endswith(b"0\r\n\r\n") is (script is ENDS[3][0])
    assert type(error) is (failure or type(None))


async def test_requests_are_recorded() -> None:
    """Method, target, headers and body arrive in the record, from plain and from chunked bodies, raw bytes included."""
    plain = b"POST /a?b=%20 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 2\r\n\r\n{}"
    chunked = (
        b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n"
    )
    async with Peer(scripts.in_turn(scripts.answer_json(1), scripts.answer(b"", 204, CLOSE))) as peer:
        await talk(peer, plain + chunked)
        first, second = peer.requests

    assert (first.method, first.path, first.header("X-A"), first.json()) == ("POST", "/a?b=%20", "1, 2", {})
    assert (second.raw, second.json(), second.connection) == (chunked, [1], 0)
    assert (first.raw, first.header("absent")) == (plain, None)


async def test_an_event_gates_the_next_piece() -> None:
    """A piece behind an event is sent when the test sets it, not before."""
    gate = asyncio.Event()
    async with Peer(scripts.stream(EVENTS[0], gate, *EVENTS[1:])) as peer, Connection(peer.url) as client:
        await client.send("GET", "/")
        answer = await client.head()
        first = await client.piece(answer)
        waiting = asyncio.ensure_future(client.piece(answer))
        done, _ = await asyncio.wait([waiting], timeout=0.02)
        gate.set()

        assert (first, done, await waiting) == (EVENTS[0], set(), EVENTS[1])
        assert (await client.rest(answer)).complete


async def test_a_reset_in_mid_stream() -> None:
    """What was sent before a reset arrives, if the client reads it first; then the connection fails."""
    gate = asyncio.Event()
    async with Peer(scripts.stream(EVENTS[0], gate, end="reset")) as peer, Connection(peer.url) as client:
        await client.send("GET", "/")
        answer = await client.head()

        assert await client.piece(answer) == EVENTS[0]
        gate.set()
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(1)


async def test_a_leaving_client_is_seen() -> None:
    """The time at which the other side closed is recorded, also while the script waits for something else."""
    for script in (scripts.silent(), scripts.stream(*EVENTS, asyncio.Event()), scripts.stream(end="silence")):
        async with Peer(script) as peer:
            async with Connection(peer.url) as client:
                await client.send("GET", "/")
                await peer.received()
                before = time.monotonic()
                with pytest.raises(AssertionError, match="not true within"):
                    await peer.closed_by_client(deadline=0.02)
            assert before < await peer.closed_by_client() <= time.monotonic()


async def test_a_connection_serves_many_requests() -> None:
    """Whole answers and cleanly ended streams keep the connection; HEAD and 204 have no body."""
    turns = (
        scripts.answer_json({}),
        scripts.stream(*EVENTS),
        scripts.answer(b"12"),
        scripts.answer(b"12", 204),
    )
    async with Peer(scripts.in_turn(*turns)) as peer, Connection(peer.url) as client:
        answers = [await client.request(method, "/", b"{}") for method in ("POST", "POST", "HEAD", "POST")]

        assert [answer.body for answer in answers] == [b"{}", b"".join(EVENTS), b"", b""]
        assert answers[2].headers["content-length"] == "2"
        assert (peer.connections, len(peer.requests)) == (1, 4)


async def test_scripts_by_path() -> None:
    """The path chooses the script; an unknown one is a 404."""
    async with Peer(scripts.by_path({"/a": scripts.answer_json(1)})) as peer, Connection(peer.url) as client:
        assert (await client.request("GET", "/a?x=1")).json() == 1
        assert (await client.request("GET", "/b")).status == 404


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ],
)
async def test_a_malformed_request_fails(sent: bytes) -> None:
    """What a real server would refuse fails the test that let it be sent."""
    with pytest.raises(AssertionError):
        async with Peer(scripts.answer()) as peer:
            await talk(peer, sent)


async def test_a_failing_script_fails_its_test() -> None:
    """An assertion in a script is raised where the peer is left; one request too many is one."""

    async def failing(exchange: Exchange) -> None:
        assert exchange.request.path == "/other"

    for script in (failing, scripts.in_turn()):
        with pytest.raises(AssertionError):
            async with Peer(script) as peer:
                await talk(peer)


async def test_a_body_can_be_left_unread() -> None:
    """With read_body=False the script answers after the head, and a large body stays with its sender."""
    async with Peer(scripts.answer(b"no", 413, CLOSE), read_body=False) as peer:
        big = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 50_000_000
        await talk(peer, big)

    assert len(peer.requests[0].raw) < 100


async def test_expect_continue_is_answered() -> None:
    """A client that waits for 100 Continue gets it, and then the answer."""
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}"
    async with Peer(scripts.answer_json(1, headers=CLOSE)) as peer:
        got, _ = await talk(peer, sent)

    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_addresses_that_do_not_answer() -> None:
    """One refuses at once, the other never completes a handshake."""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(refused_url().rsplit(":", 1)[1]))
    with black_hole_url() as url, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
