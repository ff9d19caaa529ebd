"""Which connection a request gets: reuse, retry, limits, and the queue in front of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from tornado.httpclient import HTTPResponse

from llm_proxy.upstreams.fetch import Fetch
from llm_proxy.upstreams.http_client import (
    Aborted,
    ConnectionLost,
    PoolExhausted,
    PoolLimits,
    PoolTimeout,
    StreamRequest,
)
from llm_proxy.upstreams.response_reader import ResponseReader
from tests.support.loops import wait_until
from tests.support.raw_peer import LOOPS, Client, RawPeer, Wire, answers, both_loops, ok

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_connection_is_used_again() -> None:
    """Requests one after the other share one connection, in every framing that has an end."""
    pieces = (ok(b"one"), CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n", ok(b""), ok(b"four"))
    async with RawPeer(answers(*pieces)) as peer, Client() as http:
        bodies = [(await http.fetch(peer.url)).body for _ in pieces]
        assert bodies == [b"one", b"two", b"", b"four"]
        assert (peer.connections, http.pool.idle, http.pool.taken) == (1, 1, 0)


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"ok", b"Connection: close"),
        ok(b"ok", b"Connection: Keep-Alive, Close"),
        ok(b"ok", b"Connection: keep-alive", b"Connection: close"),
        ok(b"ok").replace(b"HTTP/1.1", b"HTTP/1.0"),
        ok(b"ok") + b"x",
        ok(b"ok") + b"\r\n",
        ok(b"") + b"x",
        ok(b"ok") + ok(b"EVIL"),
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + ok(b"EVIL"),
        CHUNKED + b"2\r\nok\r\n0\r\n\r\nxyz",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n\r\n",
        CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        + b"2\r\nok\r\n0\r\n\r\n"
        + ok(b"EVIL"),
    ],
)
async def test_a_doubtful_connection_is_not_used_again(answer: bytes) -> None:
    """Announced close, HTTP/1.0 and any byte after the end: the answer is whole, the connection is closed."""
    async with RawPeer(answers(answer, ok(b"EVIL"))) as peer, Client() as http:
        for _ in range(2):
            response = await http.fetch(peer.url)
            assert (response.code, response.body) in ((200, b"ok"), (200, b""))
        await peer.left(0)
        await peer.left(1)
        assert peer.connections == 2


async def test_http_1_0_with_keep_alive_is_used_again() -> None:
    """An HTTP/1.0 server that says keep-alive is believed."""
    answer = ok(b"ok", b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with RawPeer(answers(answer, answer)) as peer, Client() as http:
        await http.fetch(peer.url)
        await http.fetch(peer.url)
        assert peer.connections == 1


async def test_a_request_may_ask_for_close() -> None:
    """A request with ``Connection: close`` still leaves the decision about reuse to the answer."""
    async with RawPeer(answers(ok(b"ok", b"Connection: close"))) as peer, Client() as http:
        await http.fetch(peer.url, headers={"Connection": "close"})
        await peer.left()
        assert http.pool.idle == 0


async def test_the_newest_idle_connection_is_used_first() -> None:
    """LIFO: with two idle connections, one after the other uses the same one, so that the other grows old."""
    together = asyncio.Barrier(2)
    served: list[int] = []

    async def script(wire: Wire) -> None:
        number = peer.wires.index(wire)
        await wire.head()
        await together.wait()
        await wire.send(ok())
        while True:
            await wire.exchange(ok())
            served.append(number)

    async with RawPeer(script) as peer, Client() as http:
        await asyncio.gather(http.fetch(peer.url), http.fetch(peer.url))
        assert http.pool.idle == 2
        for _ in range(3):
            await http.fetch(peer.url)
        assert len(set(served)) == 1


async def test_an_idle_connection_is_closed_in_time() -> None:
    """After the idle limit the connection is closed, without any request having to come by."""
    async with RawPeer(answers(ok(), ok())) as peer, Client(limits=PoolLimits(idle_http=0.05)) as http:
        await http.fetch(peer.url)
        assert http.pool.idle == 1
        await peer.left()
        assert http.pool.idle == 0


async def test_an_overdue_connection_is_not_used_even_if_its_timer_is_late() -> None:
    """The limit holds also when the loop was too busy to run the timer: the next request gets a fresh connection."""
    async with RawPeer(answers(ok(), ok())) as peer, Client(limits=PoolLimits(idle_http=0.0)) as http:
        await http.fetch(peer.url)
        await http.fetch(peer.url)
        assert peer.connections == 2


async def test_bytes_on_an_idle_connection_spoil_it() -> None:
    """Whatever a server says unasked, it closes the connection and is not the answer to the next request."""

    async def script(wire: Wire) -> None:
        await wire.exchange(ok())
        await said.wait()
        await wire.send(ok(b"EVIL"))
        await wire.closed()

    said = asyncio.Event()
    async with RawPeer(script, answers(ok(b"good"))) as peer, Client() as http:
        await http.fetch(peer.url)
        said.set()
        await peer.left()
        assert http.pool.idle == 0
        assert (await http.fetch(peer.url)).body == b"good"


async def test_an_idle_connection_that_the_server_closes_is_forgotten() -> None:
    """A close of the server is noticed while the connection is idle."""

    async def script(wire: Wire) -> None:
        await wire.exchange(ok())
        wire.close()

    async with RawPeer(script) as peer, Client() as http:
        await http.fetch(peer.url)
        await wait_until(lambda: http.pool.idle == 0)
        response = await http.fetch(peer.url)
        assert response.stale_retries == 0  # type: ignore[attr-defined]


def stale_after_first(end: Callable[[Wire], object]) -> Callable[[Wire], Awaitable[None]]:
    """A server that ends a connection just as its second request arrives, as an idle timeout of its own does."""

    async def script(wire: Wire) -> None:
        await wire.exchange(ok(b"first"))
        await wire.head()
        end(wire)

    return script


@pytest.mark.parametrize("end", [Wire.close, Wire.reset])
async def test_one_free_retry_when_a_reused_connection_was_dead(end: Callable[[Wire], object]) -> None:
    """Zero bytes from a reused connection: the request is sent again on a fresh one, and the response says so."""
    async with RawPeer(stale_after_first(end), answers(ok(b"second"))) as peer, Client() as http:
        await http.fetch(peer.url)
        request = StreamRequest(peer.url, method="POST", body=b"{}")
        told: list[int] = []
        request.on_connected = lambda: told.append(peer.connections)
        response = await http.fetch(request)
        assert (response.body, response.stale_retries) == (b"second", 1)  # type: ignore[attr-defined]
        assert (peer.connections, told) == (2, [1, 2])


async def test_the_retry_happens_once() -> None:
    """If the fresh connection dies as well, that is the error; there is no third attempt."""

    async def die(wire: Wire) -> None:
        await wire.head()
        wire.close()

    async with RawPeer(stale_after_first(Wire.close), die) as peer, Client() as http:
        await http.fetch(peer.url)
        with pytest.raises(ConnectionLost) as caught:
            await http.fetch(peer.url)
        assert (caught.value.phase, caught.value.kind, caught.value.stale_retries) == ("head", "eof", 1)
        assert peer.connections == 2


async def test_a_fresh_connection_is_never_retried() -> None:
    """A POST on a fresh connection that dies without an answer may have been executed: it is not repeated."""

    async def die(wire: Wire) -> None:
        await wire.head()
        wire.close()

    async with RawPeer(die) as peer, Client() as http:
        with pytest.raises(ConnectionLost) as caught:
            await http.fetch(peer.url, method="POST", body=b"{}")
        assert (caught.value.phase, caught.value.kind, caught.value.stale_retries) == ("head", "eof", 0)
        assert peer.connections == 1


async def test_no_retry_after_the_first_byte() -> None:
    """One byte of an answer is proof that the request arrived: no retry, even on a reused connection."""

    async def script(wire: Wire) -> None:
        await wire.exchange(ok())
        await wire.exchange(b"H")
        wire.close()

    async with RawPeer(script) as peer, Client() as http:
        await http.fetch(peer.url)
        with pytest.raises(ConnectionLost) as caught:
            await http.fetch(peer.url)
        assert (caught.value.phase, caught.value.kind) == ("head", "eof")
        assert peer.connections == 1


async def test_a_body_that_cannot_be_repeated_is_not() -> None:
    """With a body_producer there is no retry; the error's kind says that the pooled connection was stale."""
    async with RawPeer(stale_after_first(Wire.close)) as peer, Client() as http:
        await http.fetch(peer.url)
        with pytest.raises(ConnectionLost) as caught:
            await http.fetch(peer.url, method="POST", body_producer=lambda write: write(b"x"))
        assert caught.value.kind == "stale"
        assert peer.connections == 1


def blocked(flow: asyncio.Event, order: list[bytes]) -> Callable[[Wire], Awaitable[None]]:
    """Answers only when ``flow`` is open, and notes the paths it served."""

    async def script(wire: Wire) -> None:
        while True:
            order.append((await wire.head()).split(b" ")[1])
            await flow.wait()
            await wire.send(ok())

    return script


async def test_requests_above_the_limit_wait_in_order() -> None:
    """With one connection allowed, requests are served one after the other in the order in which they came."""
    flow, order = asyncio.Event(), list[bytes]()
    async with RawPeer(blocked(flow, order)) as peer, Client(limits=PoolLimits(connections=1)) as http:
        futures = [http.fetch(f"{peer.url}{i}") for i in range(5)]
        await wait_until(lambda: order)
        assert (http.pool.taken, http.pool.waiting) == (1, 4)
        flow.set()
        await asyncio.gather(*futures)
        assert order == [b"/0", b"/1", b"/2", b"/3", b"/4"]
        assert peer.connections == 1


async def test_a_wait_that_is_too_long_is_an_error_of_its_own() -> None:
    """When no connection becomes free in time, PoolTimeout (phase "pool") is raised and the place in the queue freed."""
    flow, order = asyncio.Event(), list[bytes]()
    limits = PoolLimits(connections=1)
    async with RawPeer(blocked(flow, order)) as peer, Client(limits=limits, pool_timeout=0.05) as http:
        first = http.fetch(peer.url + "first")
        with pytest.raises(PoolTimeout) as caught:
            await http.fetch(peer.url)
        assert (caught.value.phase, caught.value.kind) == ("pool", "timeout")
        assert http.pool.waiting == 0
        flow.set()
        await first


async def test_request_timeout_counts_while_waiting() -> None:
    """The total limit runs in the queue as well."""
    flow, order = asyncio.Event(), list[bytes]()
    async with RawPeer(blocked(flow, order)) as peer, Client(limits=PoolLimits(connections=1)) as http:
        first = http.fetch(peer.url)
        with pytest.raises(PoolTimeout):
            await http.fetch(peer.url, request_timeout=0.05)
        flow.set()
        await first


async def test_a_full_queue_refuses_at_once() -> None:
    """PoolExhausted, at once, when too many wait for a host already; other hosts are not affected."""
    flow, order = asyncio.Event(), list[bytes]()
    limits = PoolLimits(connections=1, waiting=1)
    async with (
        RawPeer(blocked(flow, order)) as peer,
        RawPeer(answers(ok(b"other"))) as other,
        Client(limits=limits) as http,
    ):
        futures = [http.fetch(peer.url) for _ in range(2)]
        with pytest.raises(PoolExhausted) as caught:
            await http.fetch(peer.url)
        assert (caught.value.phase, caught.value.kind) == ("pool", "exhausted")
        assert (await http.fetch(other.url)).body == b"other"
        flow.set()
        await asyncio.gather(*futures)


async def test_an_aborted_waiter_leaves_the_queue() -> None:
    """Whoever is aborted while waiting neither gets nor costs a slot."""
    flow, order = asyncio.Event(), list[bytes]()
    async with RawPeer(blocked(flow, order)) as peer, Client(limits=PoolLimits(connections=1)) as http:
        first = http.fetch(peer.url + "first")
        request = StreamRequest(peer.url + "aborted")
        waiting = http.fetch(request)
        last = http.fetch(peer.url + "last")
        request.abort()
        with pytest.raises(Aborted) as caught:
            await waiting
        assert caught.value.phase == "pool"
        flow.set()
        await asyncio.gather(first, last)
        assert order == [b"/first", b"/last"]


async def test_a_failed_request_frees_its_slot_for_the_next() -> None:
    """A slot whose connection died is handed on; the next request makes a connection of its own."""

    async def die(wire: Wire) -> None:
        await wire.head()
        wire.reset()

    async with RawPeer(die, answers(ok(b"next"))) as peer, Client(limits=PoolLimits(connections=1)) as http:
        first, second = http.fetch(peer.url), http.fetch(peer.url)
        with pytest.raises(ConnectionLost):
            await first
        assert (await second).body == b"next"


async def test_max_clients_limits_all_hosts_together() -> None:
    """``max_clients`` counts requests over all hosts, as Tornado documents; further ones wait."""
    flow, order = asyncio.Event(), list[bytes]()
    async with (
        RawPeer(blocked(flow, order)) as one,
        RawPeer(blocked(flow, order)) as two,
        Client(max_clients=2, limits=PoolLimits(waiting=0)) as http,
    ):
        futures = [http.fetch(peer.url + name) for peer in (one, two) for name in ("a", "b")]
        await wait_until(lambda: len(order) == 2)
        assert (http.pool.taken, http.pool.waiting) == (2, 2)
        flow.set()
        await asyncio.gather(*futures)
        assert sorted(order) == [b"/a", b"/a", b"/b", b"/b"]


async def test_connections_are_not_shared_between_different_settings() -> None:
    """A request bound to an interface of its own does not get a connection that was made without."""
    async with RawPeer(answers(ok(), ok())) as peer, Client() as http:
        await http.fetch(peer.url)
        await http.fetch(peer.url, network_interface="127.0.0.1")
        assert peer.connections == 2


async def test_nothing_of_a_request_outlives_it() -> None:
    """Whole, failed or aborted, with or without limits: nothing waits for the garbage collector to be freed."""

    def alive() -> int:
        return sum(isinstance(found, Fetch | ResponseReader) for found in gc.get_objects())

    async def end(future: asyncio.Future[HTTPResponse]) -> None:
        # Not awaited: an exception that is raised in a coroutine keeps that coroutine's own frame.
        await asyncio.wait([future])
        future.exception()

    pieces = (ok(), CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", b"nonsense\r\n\r\n", CHUNKED + b"x\r\n", CHUNKED)
    gc.collect()
    gc.disable()
    try:
        for piece in pieces:
            async with RawPeer(answers(piece)) as peer, Client() as http:
                request = StreamRequest(peer.url, streaming_callback=lambda data: None, request_timeout=20)
                future = http.fetch(request)
                if piece is CHUNKED:
                    await wait_until(lambda: peer.wires)
                    request.abort()
                await end(future)
        assert alive() == 0
    finally:
        gc.enable()


async def test_closing_the_client_ends_everything() -> None:
    """close() closes idle connections and aborts what is in progress or waits."""
    flow, order = asyncio.Event(), list[bytes]()
    async with RawPeer(blocked(flow, order)) as peer, RawPeer(answers(ok())) as other:
        http = Client(limits=PoolLimits(connections=1))
        await http.fetch(other.url)
        futures = [http.fetch(peer.url) for _ in range(2)]
        await wait_until(lambda: order)
        http.close()
        for future in futures:
            with pytest.raises(Aborted):
                await future
        await other.left()
        with pytest.raises(RuntimeError):
            await http.fetch(peer.url)
        flow.set()
