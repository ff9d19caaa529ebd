"""Names whose addresses change, and names with several of them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from llm_proxy.upstreams.http_client import CertificateError, PoolLimits, RefusedError, Resolver
from tests.support.raw_peer import CA, LOOPS, Client, both_loops, ok, server_tls

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)


class Zone:
    """A name server of the test's own; ``asked`` counts look-ups."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked: Counter[str] = Counter()

    def __call__(self, host: str, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked[host] += 1
        found = self.names.get(host.partition(".")[0])
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in found]


class Machines:
    """Servers on one port of several addresses of this machine; each answers with its address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.running: dict[str, asyncio.Server] = {}
        self.wires: dict[str, list[asyncio.StreamWriter]] = {}

    async def start(self, address: str, tls: Any = None) -> None:
        wires = self.wires.setdefault(address, [])

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wires.append(writer)
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(ok(address.encode()))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(serve, address, self.port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        self.running[address] = server

    async def stop(self, address: str) -> None:
        """The machine goes, and its connections with it."""
        self.running.pop(address).close()
        for wire in self.wires[address]:
            wire.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def machines(*addresses: str) -> AsyncIterator[Machines]:
    found = Machines(0)
    try:
        for address in addresses:
            await found.start(address)
        yield found
    finally:
        for address in list(found.running):
            await found.stop(address)


async def test_a_name_that_moved_is_followed_within_the_request() -> None:
    """The old address refuses: the name is looked up again, once, and the request goes to where it is now."""
    zone = Zone(llm=["127.0.0.11"])
    async with machines("127.0.0.11") as there, Client(resolver=Resolver(zone)) as http:
        url = f"http://llm.internal:{there.port}/"
        assert (await http.fetch(url)).body == b"127.0.0.11"
        await there.start("127.0.0.12")
        await there.stop("127.0.0.11")
        zone.names["llm"] = ["127.0.0.12"]
        assert (await http.fetch(url)).body == b"127.0.0.12"
        assert zone.asked["llm.internal"] == 2


async def test_a_server_that_is_down_costs_one_look_up() -> None:
    """When the name still means the same, the request fails with what connecting said, after one more look-up."""
    zone = Zone(llm=["127.0.0.11"])
    async with machines("127.0.0.12") as there, Client(resolver=Resolver(zone)) as http:
        for number in (2, 3):
            with pytest.raises(RefusedError):
                await http.fetch(f"http://llm.internal:{there.port}/")
            assert zone.asked["llm.internal"] == number


async def test_a_name_that_is_gone_keeps_the_first_error() -> None:
    """A name server that does not know the name any more does not hide that the address refused."""
    zone = Zone(llm=["127.0.0.11"])
    async with machines("127.0.0.11") as there, Client(resolver=Resolver(zone)) as http:
        url = f"http://llm.internal:{there.port}/"
        assert (await http.fetch(url)).body == b"127.0.0.11"
        await there.stop("127.0.0.11")
        zone.names["llm"] = []
        with pytest.raises(RefusedError):
            await http.fetch(url)


async def test_an_old_address_that_swallows_everything() -> None:
    """No answer at all from the old address: the name is looked up again while it is waited for."""
    zone = Zone(llm=["127.0.0.11"])
    async with machines("127.0.0.12") as there, AsyncExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.11", there.port))
        listener.listen(0)
        for _ in range(4):  # its queue is full: what comes now is dropped
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.11", there.port))
        async with Client(resolver=Resolver(zone)) as http:
            running = http.fetch(f"http://llm.internal:{there.port}/", connect_timeout=10)
            while not zone.asked:
                await asyncio.sleep(0)
            zone.names["llm"] = ["127.0.0.12"]
            assert (await running).body == b"127.0.0.12"


async def test_an_address_that_another_service_has_now() -> None:
    """A certificate for another name: the name is looked up again, and the right server is found."""
    zone = Zone(localhost=["127.0.0.11"])
    found = Machines(0)
    await found.start("127.0.0.11", server_tls("expired"))
    await found.start("127.0.0.12", server_tls())
    try:
        async with Client(resolver=Resolver(zone), defaults={"ca_certs": CA}) as http:
            url = f"https://localhost:{found.port}/"
            with pytest.raises(CertificateError):
                await http.fetch(url)
            zone.names["localhost"] = ["127.0.0.12"]
            assert (await http.fetch(url)).body == b"127.0.0.12"
            zone.names["localhost"] = ["127.0.0.11"]
            http.pool.close()
            assert (await http.fetch(url)).body == b"127.0.0.12"
    finally:
        for address in list(found.running):
            await found.stop(address)


async def test_requests_take_turns() -> None:
    """A name with several addresses: requests that follow each other, and those at once, are spread evenly."""
    zone = Zone(llm=["127.0.0.11", "127.0.0.12", "127.0.0.13"])
    async with machines(*zone.names["llm"]) as there, Client(resolver=Resolver(zone)) as http:
        url = f"http://llm.internal:{there.port}/"
        one_by_one = Counter([(await http.fetch(url)).body for _ in range(30)])
        assert min(one_by_one.values()) >= 8, one_by_one
        assert sum(map(len, there.wires.values())) <= 6
        at_once = Counter([r.body for r in await asyncio.gather(*[http.fetch(url) for _ in range(30)])])
        assert min(at_once.values()) >= 8, at_once


async def test_a_dead_one_among_several() -> None:
    """One of the addresses refuses: no request fails, and it is not tried for each of them."""
    zone = Zone(llm=["127.0.0.11", "127.0.0.12", "127.0.0.13"])
    async with machines("127.0.0.11", "127.0.0.13") as there, Client(resolver=Resolver(zone)) as http:
        url = f"http://llm.internal:{there.port}/"
        answers = Counter([(await http.fetch(url)).body for _ in range(30)])
        assert set(answers) == {b"127.0.0.11", b"127.0.0.13"}
        assert sum(map(len, there.wires.values())) <= 5


async def test_connections_to_where_a_name_was() -> None:
    """After a failure has shown that the name is elsewhere, connections to the old address carry no further request."""
    zone = Zone(llm=["127.0.0.11"])
    async with machines("127.0.0.11", "127.0.0.12") as there, Client(resolver=Resolver(zone)) as http:
        url = f"http://llm.internal:{there.port}/"
        await asyncio.gather(*[http.fetch(url) for _ in range(3)])
        there.running["127.0.0.11"].close()  # what is connected stays connected
        zone.names["llm"] = ["127.0.0.12"]
        bodies = Counter([r.body for r in await asyncio.gather(*[http.fetch(url) for _ in range(5)])])
        assert bodies == {b"127.0.0.11": 3, b"127.0.0.12": 2}
        bodies = Counter([r.body for r in await asyncio.gather(*[http.fetch(url) for _ in range(5)])])
        assert bodies == {b"127.0.0.12": 5}


async def test_connections_have_an_age() -> None:
    """A connection that is old carries no further request, however busy it is: the name is followed."""
    zone = Zone(llm=["127.0.0.11"])
    resolver = Resolver(zone, ttl=0)
    async with machines("127.0.0.11", "127.0.0.12") as there:
        for age, second in ((0.0, b"127.0.0.12"), (600.0, b"127.0.0.11")):
            zone.names["llm"] = ["127.0.0.11"]
            async with Client(resolver=resolver, limits=PoolLimits(age=age)) as http:
                url = f"http://llm.internal:{there.port}/"
                assert (await http.fetch(url)).body == b"127.0.0.11"
                zone.names["llm"] = ["127.0.0.12"]
                assert (await http.fetch(url)).body == second
