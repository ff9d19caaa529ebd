"""One process on its socket: what it accepts, what it refuses, and how it takes leave of open connections."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from handlers.base.handler import NotFoundHandler
from llm_proxy.clients.http_server import ALONE, SHARED, Acceptor
from llm_proxy.service.endpoints import make_app
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, gateway
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json, sse, stream


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Meanwhile this process can open nothing: only the first three would be allowed, and those are in use. (A limit just
    above what is open would leave room when a thread of an earlier test closes something.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def refuses(proxy: RunningGateway) -> bool:
    """Whether nobody listens there any more."""
    host, _, port = proxy.origin.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


async def test_without_descriptors_accepting_pauses(tmp_path: Path) -> None:
    """It tries ten times a second and says so once a second; who waited is served as soon as it can be."""
    loop = asyncio.get_running_loop()
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.service.watcher.ready()
        await proxy.service.registry.reload("signal")
        port = int(proxy.origin.rpartition(":")[2])
        with socket.socket() as client, expect_log("llm_proxy.clients.http_server", "cannot accept") as lines:
            client.setblocking(False)
            with no_descriptor_left():
                await loop.sock_connect(client, ("127.0.0.1", port))
                await wait_until(lambda: len(lines) == 2)
            await loop.sock_sendall(client, b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await asyncio.wait_for(loop.sock_recv(client, 65536), 5)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [line.__dict__["problem"] for line in lines] == ["Too many open files"] * 2
    assert lines[0].__dict__["times"] == 1
    assert 1 < lines[1].__dict__["times"] <= 20


@pytest.mark.parametrize(("at_once", "turns"), [(ALONE, [20]), (SHARED, [8, 8, 4])])
async def test_how_many_are_accepted_in_one_turn(at_once: int, turns: list[int]) -> None:
    """All who wait when the process is alone, so that they need not wait for as many turns of a busy loop; a few when
    there are others who could."""
    loop = asyncio.get_running_loop()
    taken: list[int] = [0]

    def take(client: socket.socket, address: object) -> None:
        client.close()
        if not taken[-1]:
            loop.call_soon(taken.append, 0)  # after this turn
        taken[-1] += 1

    with socket.create_server(("127.0.0.1", 0), backlog=20) as listening, ExitStack() as clients:
        listening.setblocking(False)
        for _ in range(20):  # the kernel does its part without us
            clients.enter_context(socket.create_connection(listening.getsockname()))
        acceptor = Acceptor(listening, take, at_once)
        await wait_until(lambda: sum(taken) == 20)
        acceptor.close()

    assert [count for count in taken if count] == turns


async def test_a_connection_too_many_is_told(tmp_path: Path) -> None:
    """Over the cap a connection gets 503 with Retry-After and is closed; the others notice nothing, and when one of
    them leaves there is room again."""
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url, max_connections=2) as proxy,
        Connection(proxy.url) as first,
    ):
        async with Connection(proxy.url) as second:
            pings = [await connection.request("GET", "/ping") for connection in (first, second)]
            async with Connection(proxy.url) as third:
                refused = await third.rest(await third.head())
                rest = await third.reader.read()
            pings.append(await first.request("GET", "/ping"))
        await served(proxy)

    assert [ping.status for ping in pings] == [200] * 3
    assert (refused.status, refused.headers["retry-after"], rest) == (503, "1", b"")
    assert refused.json()["error"]["code"] == "no_upstream"


async def served(proxy: RunningGateway) -> None:
    """Ask on new connections until one is served."""
    async with asyncio.timeout(5):
        while (await proxy.request("GET", "/ping")).status != 200:
            await asyncio.sleep(0.005)


async def test_a_body_that_is_on_its_way_is_waited_for(tmp_path: Path) -> None:
    """A request whose head came before the stop is served, however slowly its body comes."""
    body = json.dumps(WHOLE).encode()
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as client,
    ):
        await client.send("POST", "/chat", body[:10], {"Content-Length": str(len(body))})
        await wait_until(lambda: proxy.service.server.busy)
        stop = asyncio.create_task(proxy.service.stop(asyncio.Event()))
        await wait_until(lambda: refuses(proxy))
        client.writer.write(body[10:])
        answer = await client.rest(await client.head())
        await stop

    assert (answer.status, answer.json()["choices"], answer.complete) == (200, COMPLETION["choices"], True)


async def test_a_process_that_leaves_others_behind_refuses_nobody(tmp_path: Path) -> None:
    """While other processes go on, what comes on open connections is answered, and the client is asked to close them;
    also by the head of a stream that begins then: else a client that only streams would keep the process for ever."""
    gate = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        first, *more = sse(*EVENTS)
        whole = not exchange.request.json()["stream"]
        await (answer_json(COMPLETION) if whole else stream(first, gate, *more))(exchange)

    async with (
        Peer(script) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as one,
        Connection(proxy.url) as two,
        Connection(proxy.url) as three,
    ):
        for connection in (two, three):
            await connection.request("GET", "/ping")
        await one.send("POST", "/chat", CHAT)
        running = await one.head()
        stop = asyncio.create_task(proxy.service.stop(asyncio.Event(), refuse=False))
        await wait_until(lambda: refuses(proxy))
        whole = await two.request("POST", "/chat", WHOLE)
        end = await two.reader.read()
        await three.send("POST", "/chat", CHAT)
        later = await three.head()
        ping = proxy.service.gateway.draining
        gate.set()
        streams = [await one.rest(running), await three.rest(later)]
        ends = [await three.reader.read()]
        await stop

    assert (whole.status, whole.headers["connection"], end, ping) == (200, "close", b"", False)
    assert [answer.text() for answer in streams] == ["one two"] * 2
    assert [answer.complete for answer in streams] == [True] * 2
    assert "connection" not in running.headers
    assert later.headers["connection"] == "close"
    assert ends == [b""]


async def test_what_outlasts_the_drain_is_told_and_cut(tmp_path: Path) -> None:
    """With no time to drain a running stream gets an error event and no last chunk, a whole answer a 503."""
    gate = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await stream(sse(*EVENTS)[0], gate)(exchange)

    async with (
        Peer(script) as peer,
        gateway(tmp_path, peer.url, drain_seconds=0) as proxy,
        Connection(proxy.url) as one,
        Connection(proxy.url) as two,
    ):
        await one.send("POST", "/chat", CHAT)
        await two.send("POST", "/chat", WHOLE)
        head = await one.head()
        await peer.received(2)
        await proxy.service.stop(asyncio.Event())
        cut = await one.rest(head)
        whole = await two.rest(await two.head())

    assert not cut.complete
    assert cut.events()[-1]["error"]["code"] == "draining"
    assert (whole.status, whole.json()["error"]["code"]) == (503, "draining")


async def test_a_connection_that_is_just_beginning_is_closed_too(tmp_path: Path) -> None:
    """A stop in the very moment of an accept waits for nobody."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname())
            theirs, address = listening.accept()
        with ours:
            proxy.service.server._take(make_app(proxy.service.gateway, [], NotFoundHandler), theirs, address)
            async with asyncio.timeout(5):
                await proxy.service.server.close_all_connections()
            rest = ours.recv(1)

    assert rest == b""
