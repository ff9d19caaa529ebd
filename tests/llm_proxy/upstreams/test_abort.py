"""Giving up: in every phase the upstream's socket is closed at once and nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from llm_proxy.net.resolver import Resolver
from llm_proxy.upstreams.http_client import Aborted, PoolLimits, StreamRequest, TransportTimeout
from tests.support.loops import wait_until
from tests.support.raw_peer import CA, LOOPS, Client, RawPeer, Wire, answers, both_loops, ok, server_tls

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def silent(wire: Wire) -> None:
    """Reads for ever, says nothing."""
    await wire.closed()


async def refuse_to_read(wire: Wire) -> None:
    """Neither reads nor answers."""
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a full transport
    await asyncio.Event().wait()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose backlog is full: further SYNs are dropped, so that connecting takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


async def aborted(http: Client, request: StreamRequest, future: asyncio.Future[HTTPResponse]) -> Aborted:
    """Abort a request and return what its fetch raised; nothing may be left."""
    request.abort()
    with pytest.raises(Aborted) as caught:
        await asyncio.wait_for(future, 5)
    assert caught.value.kind == "aborted"
    assert (http.pool.taken, http.pool.waiting) == (0, 0)
    return caught.value


async def test_while_resolving() -> None:
    """A hanging look-up does not hold the request."""
    release = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> list[Any]:
        release.wait(10)
        return []

    async with Client(resolver=Resolver(hang)) as http:
        request = StreamRequest("http://hanging.test/")
        future = http.fetch(request)
        await asyncio.sleep(0)
        assert (await aborted(http, request, future)).phase == "resolve"
        release.set()


async def test_while_connecting(black_hole: int) -> None:
    """A connection that is being made is given up."""
    async with Client() as http:
        request = StreamRequest(f"http://127.0.0.1:{black_hole}/")
        future = http.fetch(request)
        await wait_until(lambda: request._fetch is not None and request._fetch.phase == "connect")
        assert (await aborted(http, request, future)).phase == "connect"


async def test_while_shaking_hands() -> None:
    """A TLS handshake that the server does not answer is cut: the server sees the close."""
    async with RawPeer(silent) as peer, Client() as http:
        request = StreamRequest(f"https://127.0.0.1:{peer.port}/")
        future = http.fetch(request)
        await wait_until(lambda: peer.wires)
        await wait_until(lambda: request._fetch is not None and request._fetch.phase == "tls")
        assert (await aborted(http, request, future)).phase == "tls"
        await peer.left()


@pytest.mark.parametrize("body", [None, b"x" * 100])
async def test_while_waiting_for_the_head(body: bytes | None) -> None:
    """The server that has not answered yet sees the close."""
    async with RawPeer(silent) as peer, Client() as http:
        request = StreamRequest(peer.url, method="POST" if body else "GET", body=body)
        future = http.fetch(request)
        await wait_until(lambda: peer.wires)
        await wait_until(lambda: request._fetch is not None and request._fetch.phase == "head")
        assert (await aborted(http, request, future)).phase == "head"
        await peer.left()


async def test_while_sending() -> None:
    """A large body that the server does not take is given up."""
    async with RawPeer(refuse_to_read) as peer, Client() as http:
        request = StreamRequest(peer.url, method="POST", body=b"x" * 20_000_000)
        future = http.fetch(request)
        await wait_until(lambda: request._fetch is not None and request._fetch.phase == "head")
        assert (await aborted(http, request, future)).phase == "write"


async def test_while_a_body_producer_runs() -> None:
    """The producer's task is cancelled: nothing of it lives on."""
    began, stopped = asyncio.Event(), asyncio.Event()

    async def produce(write: Any) -> None:
        began.set()
        try:
            await write(b"x")
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with RawPeer(silent) as peer, Client() as http:
        request = StreamRequest(peer.url, method="POST", body_producer=produce)  # type: ignore[arg-type]
        future = http.fetch(request)
        await wait_until(lambda: peer.wires)
        await asyncio.wait_for(began.wait(), 5)  # a task that never began has nothing to end
        assert (await aborted(http, request, future)).phase == "write"
        await peer.left()
        await asyncio.wait_for(stopped.wait(), 5)


@pytest.mark.parametrize("tls", [False, True])
async def test_in_a_silent_stream(tls: bool) -> None:
    """After head and first bytes, while the server is silent."""
    got = asyncio.Event()
    script = answers(CHUNKED + b"3\r\nabc\r\n")
    async with RawPeer(script, tls=server_tls() if tls else None) as peer, Client() as http:
        request = StreamRequest(peer.url, streaming_callback=lambda data: got.set(), ca_certs=CA)
        future = http.fetch(request)
        await asyncio.wait_for(got.wait(), 5)
        assert (await aborted(http, request, future)).phase == "body"
        await peer.left()


async def test_while_paused() -> None:
    """Back-pressure does not hold the socket: it is closed although the receiver never became ready."""
    got = asyncio.Event()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(data: bytes) -> asyncio.Future[None]:
        got.set()
        return never

    async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n")) as peer, Client() as http:
        request = StreamRequest(peer.url, streaming_callback=receive)
        future = http.fetch(request)
        await asyncio.wait_for(got.wait(), 5)
        assert (await aborted(http, request, future)).phase == "body"
        await peer.left()
        assert not never.cancelled()  # it is the caller's own


async def test_while_a_coroutine_receives() -> None:
    """The task of a coroutine that receives the body is cancelled with the request."""
    got, stopped = asyncio.Event(), asyncio.Event()

    async def receive(data: bytes) -> None:
        got.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n")) as peer, Client() as http:
        request = StreamRequest(peer.url, streaming_callback=receive)
        future = http.fetch(request)
        await asyncio.wait_for(got.wait(), 5)
        await aborted(http, request, future)
        await asyncio.wait_for(stopped.wait(), 5)


async def test_from_within_each_callback() -> None:
    """A callback may abort its own request: nothing more is reported to it."""
    for name in ("on_connected", "header_callback", "streaming_callback"):
        calls: list[object] = []
        async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")) as peer, Client() as http:
            request = StreamRequest(peer.url)

            def stop(*args: object, calls: list[object] = calls, request: StreamRequest = request) -> None:
                calls.append(args)
                request.abort()

            setattr(request, name, stop)
            with pytest.raises(Aborted):
                await http.fetch(request)
            await peer.left()
            assert len(calls) == 1
            assert http.pool.taken == 0


async def test_before_the_fetch() -> None:
    """A request that was aborted before it was fetched is not sent."""
    async with RawPeer(silent) as peer, Client() as http:
        request = StreamRequest(peer.url)
        request.abort()
        with pytest.raises(Aborted):
            await http.fetch(request)
        assert peer.connections == 0


async def test_after_the_end() -> None:
    """Aborting a request that is done does nothing, also to the connection that it used."""
    async with RawPeer(answers(ok(), ok())) as peer, Client() as http:
        request = StreamRequest(peer.url)
        await http.fetch(request)
        request.abort()
        await http.fetch(peer.url)
        assert peer.connections == 1


async def test_by_cancelling_the_future() -> None:
    """Cancelling what fetch() returned, or the task that awaits it, closes the socket as well."""
    async with RawPeer(silent) as peer, Client() as http:
        future = http.fetch(peer.url)
        await wait_until(lambda: peer.wires)
        future.cancel()
        await peer.left(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(http.fetch(peer.url), 0.3)
        await peer.left(1)
        assert http.pool.taken == 0


async def test_nobody_needs_to_look_at_an_aborted_fetch() -> None:
    """An aborted fetch whose future is dropped, and that is aborted twice, leaves no complaint about an exception that was never retrieved."""
    async with RawPeer(silent) as peer, Client() as http:
        request = StreamRequest(peer.url)
        http.fetch(request)
        await wait_until(lambda: peer.wires)
        request.abort()
        request.abort()
        await peer.left()


async def test_a_hundred_aborts_leave_nothing() -> None:
    """Aborting a hundred streams at different moments frees every slot, and the next request is fine."""

    async def stream(wire: Wire) -> None:
        await wire.exchange(CHUNKED)
        while True:
            await wire.send(b"3\r\nabc\r\n")
            await asyncio.sleep(0.001)

    async with RawPeer(stream) as peer, Client(limits=PoolLimits(connections=20)) as http:
        requests = [StreamRequest(peer.url, streaming_callback=lambda data: None) for _ in range(100)]
        futures = [http.fetch(request) for request in requests]
        for request in requests:
            await asyncio.sleep(0)
            request.abort()
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert {type(result) for result in results} == {Aborted}
        assert (http.pool.taken, http.pool.waiting) == (0, 0)


@pytest.mark.parametrize(("limit", "phase"), [("connect_timeout", "connect"), ("request_timeout", "connect")])
async def test_limits_while_connecting(black_hole: int, limit: str, phase: str) -> None:
    """A dropped SYN ends in a timeout that names the phase."""
    async with Client() as http:
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch(StreamRequest(f"http://127.0.0.1:{black_hole}/", **{limit: 0.05}))  # type: ignore[arg-type]
        assert (caught.value.phase, caught.value.kind) == (phase, "timeout")
        assert isinstance(caught.value, TimeoutError)


async def test_a_limit_while_resolving_and_shaking_hands() -> None:
    """``connect_timeout`` covers the look-up and the handshake, and ends neither the one nor the other silently."""
    release = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> list[Any]:
        release.wait(10)
        return []

    context = ssl.create_default_context(cafile=CA)  # reading the trust store would count, too
    async with RawPeer(silent) as peer, Client(resolver=Resolver(hang)) as http:
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch("http://hanging.test/", connect_timeout=0.05)
        assert caught.value.phase == "resolve"
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch(f"https://127.0.0.1:{peer.port}/", connect_timeout=0.3, ssl_options=context)
        assert caught.value.phase == "tls"
        await peer.left()
        release.set()


async def test_limits_after_connecting() -> None:
    """``request_timeout`` is for the whole request; ``connect_timeout`` is over once connected."""
    async with RawPeer(answers(CHUNKED + b"3\r\nabc\r\n")) as peer, RawPeer(silent) as mute, Client() as http:
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch(peer.url, request_timeout=0.4, connect_timeout=0.2)
        assert caught.value.phase == "body"
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch(mute.url, request_timeout=0.4, connect_timeout=0.2)
        assert caught.value.phase == "head"
        await peer.left()
        await mute.left()
