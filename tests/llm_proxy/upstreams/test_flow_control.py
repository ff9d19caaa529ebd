"""Back-pressure in both directions: a slow receiver slows the upstream down, a slow upstream the sender."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from llm_proxy.upstreams.http_client import ConnectionLost, StreamRequest
from tests.support.loops import still, wait_until
from tests.support.raw_peer import CA, LOOPS, Client, RawPeer, Wire, answers, both_loops, ok, server_tls

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGA = 1024 * 1024


async def test_what_arrives_together_is_handed_on_together() -> None:
    """Many small chunks in one read are one call of the callback."""
    got: list[bytes] = []
    body = b"".join(b"1\r\n%c\r\n" % c for c in b"abcdefghij")
    async with RawPeer(answers(CHUNKED + body + b"0\r\n\r\n")) as peer, Client() as http:
        await http.fetch(peer.url, streaming_callback=got.append)
    assert got == [b"abcdefghij"]


@pytest.mark.parametrize("tls", [False, True])
async def test_nothing_is_read_while_the_receiver_is_not_ready(tls: bool) -> None:
    """An upstream that pushes 64 MB stalls after the sockets' buffers; then everything arrives, in order."""
    sent = 0
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    total = 64 * MEGA

    async def push(wire: Wire) -> None:
        nonlocal sent
        await wire.exchange(CHUNKED)
        while sent < total:
            await wire.send(block)
            sent += 65536
        await wire.send(b"0\r\n\r\n")
        await wire.closed()

    flow = asyncio.Event()
    received = 0

    async def receive(data: bytes) -> None:
        nonlocal received
        received += len(data)
        await flow.wait()

    async with RawPeer(push, tls=server_tls() if tls else None) as peer, Client() as http:
        future = http.fetch(peer.url, streaming_callback=receive, ca_certs=CA, request_timeout=30)
        await wait_until(lambda: received)
        before = -1
        while sent > before:  # until the sender makes no progress any more
            before = sent
            await asyncio.sleep(0.05)
        assert received <= 512 * 1024
        assert sent < 20 * MEGA
        flow.set()
        await future
        assert received == total


async def test_a_plain_callback_may_return_a_future() -> None:
    """A callback that is no coroutine stops the reading by returning a future, and lets it go on by resolving it."""
    rooms: list[asyncio.Future[None]] = []
    got: list[bytes] = []

    def receive(data: bytes) -> asyncio.Future[None]:
        got.append(data)
        rooms.append(asyncio.get_running_loop().create_future())
        return rooms[-1]

    async def script(wire: Wire) -> None:
        await wire.exchange(CHUNKED + b"3\r\none\r\n")
        await wire.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await wire.closed()

    async with RawPeer(script) as peer, Client() as http:
        future = http.fetch(peer.url, streaming_callback=receive)
        for n in range(1, 10):
            await wait_until(lambda count=n: len(rooms) == count)  # type: ignore[misc]
            if b"".join(got) == b"onetwo":
                break
            rooms[-1].set_result(None)
        assert not future.done()  # the end waits until the receiver has everything
        rooms[-1].set_result(None)
        assert (await future).code == 200
        assert http.pool.idle == 1


async def test_a_future_that_is_done_stops_nothing() -> None:
    """A callback whose result is done already, or is no awaitable at all, does not interrupt the reading."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    for result in (done, 17, b"", "x"):
        got: list[bytes] = []

        def receive(data: bytes, result: Any = result, got: list[bytes] = got) -> Any:
            got.append(data)
            return result

        async with RawPeer(answers(ok(b"x" * 100_000))) as peer, Client() as http:
            await http.fetch(peer.url, streaming_callback=receive)
        assert len(b"".join(got)) == 100_000


async def test_a_fault_that_came_meanwhile_waits_for_the_receiver() -> None:
    """Good bytes and a fault in one read, with a receiver that is slow: first it gets ready, then the fault is told."""
    flow = asyncio.Event()
    got: list[bytes] = []

    async def receive(data: bytes) -> None:
        got.append(data)
        await flow.wait()

    async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\nxyz")) as peer, Client() as http:
        future = http.fetch(peer.url, streaming_callback=receive)
        await wait_until(lambda: got)
        assert not future.done()
        flow.set()
        with pytest.raises(Exception, match="bad chunk"):
            await future
        assert got == [b"abc"]


async def test_a_close_that_came_meanwhile_is_noticed_afterwards() -> None:
    """An upstream that goes away while reading is paused: the fault is reported as soon as the receiver is ready."""
    flow = asyncio.Event()
    got: list[bytes] = []

    async def receive(data: bytes) -> None:
        got.append(data)
        await flow.wait()

    async def script(wire: Wire) -> None:
        await wire.exchange(CHUNKED + b"3\r\nabc\r\n")
        wire.close()

    async with RawPeer(script) as peer, Client() as http:
        future = http.fetch(peer.url, streaming_callback=receive)
        await wait_until(lambda: got)
        flow.set()
        with pytest.raises(ConnectionLost) as caught:
            await future
        assert (caught.value.phase, caught.value.kind) == ("body", "truncated")


async def test_a_receiver_that_is_cancelled_ends_the_request() -> None:
    """A future given by the callback and then cancelled means that nobody wants the body any more."""
    rooms: list[asyncio.Future[None]] = []

    def receive(data: bytes) -> asyncio.Future[None]:
        rooms.append(asyncio.get_running_loop().create_future())
        return rooms[-1]

    async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n")) as peer, Client() as http:
        future = http.fetch(peer.url, streaming_callback=receive)
        await wait_until(lambda: rooms)
        rooms[0].cancel()
        with pytest.raises(Exception, match="receiver was cancelled"):
            await future
        await peer.left()


@pytest.mark.parametrize("seed", range(5))
async def test_any_cuts_and_any_pauses(seed: int) -> None:
    """Wherever reads end and whenever the receiver pauses, bytes arrive once, in order, and the connection stays good."""
    chance = random.Random(seed)
    bodies = [chance.randbytes(chance.choice([0, 1, 100, 5000])) for _ in range(8)]

    async def script(wire: Wire) -> None:
        for body in bodies:
            await wire.head()
            raw, at = bytearray(CHUNKED), 0
            while at < len(body):
                piece = body[at : at + chance.choice([1, 7, 500])]
                raw += b"%x\r\n%b\r\n" % (len(piece), piece)
                at += len(piece)
            raw += b"0\r\n\r\n"
            while raw:
                size = chance.choice([1, 2, 3, 50, 2000])
                await wire.send(bytes(raw[:size]))
                del raw[:size]
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
        await wire.closed()

    async with RawPeer(script) as peer, Client() as http:
        for body in bodies:
            got: list[bytes] = []

            def receive(data: bytes, got: list[bytes] = got) -> Awaitable[None] | None:
                got.append(data)
                return asyncio.sleep(0) if chance.random() < 0.3 else None

            await http.fetch(StreamRequest(peer.url, streaming_callback=receive))
            assert b"".join(got) == body
        assert peer.connections == 1


@pytest.mark.parametrize("tls", [False, True])
async def test_a_large_body_is_sent_as_the_server_takes_it(tls: bool) -> None:
    """30 MB to a server that reads slowly arrive whole, and never lie in our buffers all at once."""
    body = bytes(range(256)) * (30 * MEGA // 256)
    start = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.head()
        await start.wait()
        received = await wire.reader.readexactly(len(body))
        assert received == body
        await wire.send(ok())
        await wire.closed()

    async with RawPeer(script, tls=server_tls() if tls else None) as peer, Client() as http:
        request = StreamRequest(peer.url, method="POST", body=body, ca_certs=CA, request_timeout=30)
        future = http.fetch(request)
        await wait_until(lambda: peer.wires)
        assert request._fetch is not None
        connection = request._fetch._connection
        assert connection is not None
        assert await still(connection._transport.get_write_buffer_size) < MEGA
        start.set()
        assert (await future).body == b"ok"
        assert http.pool.idle == 1


async def test_an_answer_that_comes_before_the_request_is_out() -> None:
    """A server that refuses a large body at once, and closes: its answer is what the fetch returns."""
    body = b"x" * 30 * MEGA

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        await wire.reader.read(100_000)
        wire.close()

    async with RawPeer(script) as peer, Client() as http:
        response = await http.fetch(peer.url, method="POST", body=body, raise_error=False)
        assert (response.code, response.body) == (413, b"large")
        assert http.pool.idle == 0


@pytest.mark.parametrize("read_first", [False, True])
async def test_an_answer_is_heard_although_the_connection_was_reset(read_first: bool) -> None:
    """A server that answers and closes with our bytes unread resets the connection: our write fails, while its answer
    lies unread in the socket. From a thread of its own, so that it happens at any moment of our sending."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(20):
            with listener.accept()[0] as connection:
                if read_first:
                    connection.recv(2000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")

    thread = threading.Thread(target=serve)
    thread.start()
    async with Client() as http:
        for _ in range(20):
            response = await http.fetch(
                f"http://127.0.0.1:{listener.getsockname()[1]}/",
                method="POST",
                body=b"x" * 5 * MEGA,
                raise_error=False,
            )
            assert (response.code, response.body) == (413, b"large")
    thread.join()
    listener.close()


async def test_an_early_success_does_not_stop_the_body() -> None:
    """A server that begins its answer while it still reads gets the rest of the body."""
    body = b"x" * 5 * MEGA

    async def script(wire: Wire) -> None:
        await wire.exchange(CHUNKED + b"5\r\nearly\r\n")
        await wire.reader.readexactly(len(body))
        await wire.send(b"4\r\nlate\r\n0\r\n\r\n")
        await wire.closed()

    async with RawPeer(script) as peer, Client() as http:
        response = await http.fetch(peer.url, method="POST", body=body)
        assert response.body == b"earlylate"
        assert http.pool.idle == 1


async def test_a_producer_does_not_outlive_the_answer() -> None:
    """When the answer is whole before the produced body is, the producer is cancelled and the connection closed."""
    stopped = asyncio.Event()

    async def produce(write: Any) -> None:
        try:
            await write(b"x")
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with RawPeer(answers(ok())) as peer, Client() as http:
        response = await http.fetch(peer.url, method="POST", body_producer=produce)
        assert response.body == b"ok"
        await asyncio.wait_for(stopped.wait(), 5)
        await peer.left()


@pytest.mark.parametrize("end", [Wire.close, Wire.reset])
async def test_a_server_that_goes_away_while_we_send(end: Any) -> None:
    """Without an answer the error says that it happened while writing."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.reader.read(100_000)
        end(wire)

    async with RawPeer(script) as peer, Client() as http:
        with pytest.raises(ConnectionLost) as caught:
            await http.fetch(peer.url, method="POST", body=b"x" * 30 * MEGA)
        assert caught.value.phase == "write"
        assert caught.value.kind in ("eof", "reset")
