"""Names to addresses: cached, shared, bounded, and never held up by a name server that does not answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from typing import Any

import pytest

from llm_proxy.net.resolver import Address, Resolver, parse_literal
from llm_proxy.upstreams.http_client import ResolveError
from tests.support.loops import wait_until
from tests.support.raw_peer import LOOPS, both_loops

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)

V4, V6 = socket.AF_INET, socket.AF_INET6


class NameServer:
    """A ``getaddrinfo`` that counts. Names that begin with "hang" block until ``release``; unknown ones fail."""

    def __init__(self, **known: list[tuple[Any, ...]]) -> None:
        self.known = known
        self.asked: Counter[str] = Counter()
        self.release = threading.Event()

    def __call__(self, host: str, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked[host] += 1
        if host.startswith("hang"):
            self.release.wait(10)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(V6 if ":" in a[0] else V4, socket.SOCK_STREAM, 6, "", a) for a in self.known[host]]


def hosts(addresses: tuple[Address, ...]) -> list[str]:
    return [address.host for address in addresses]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", Address(V4, "127.0.0.1")),
        ("::1", Address(V6, "::1")),
        ("fe80::1%7", Address(V6, "fe80::1", 7)),
        ("::ffff:127.0.0.1", Address(V6, "::ffff:127.0.0.1")),
    ],
)
async def test_literals_never_reach_a_thread(text: str, address: Address) -> None:
    """An IP address is its own answer, also when every look-up would hang."""
    server = NameServer()
    assert await Resolver(server, threads=0).resolve(text) == (address,)
    assert not server.asked


@pytest.mark.parametrize(
    "text", ["localhost", "127.1", "0x7f000001", "2130706433", "::g", "::1%nolink", "", "a:b"]
)
async def test_what_is_no_literal(text: str) -> None:
    """Only the canonical forms are literals; what merely looks like one goes the way of names."""
    assert parse_literal(text) is None


async def test_ipv6_scopes_reach_the_socket() -> None:
    """A scope is part of the socket address, and the port is put in its place."""
    assert Address(V6, "fe80::1", 7).sockaddr(80) == ("fe80::1", 80, 0, 7)
    assert Address(V4, "127.0.0.1").sockaddr(80) == ("127.0.0.1", 80)


async def test_families_alternate_and_nothing_is_twice() -> None:
    """The system's first choice stays first; after it the families take turns (RFC 8305)."""
    server = NameServer(
        mixed=[("::1", 0, 0, 0), ("::2", 0, 0, 0), ("::1", 0, 0, 0), ("1.1.1.1", 0), ("2.2.2.2", 0)]
    )
    assert hosts(await Resolver(server).resolve("mixed")) == ["::1", "1.1.1.1", "::2", "2.2.2.2"]


async def test_an_answer_is_kept_for_a_while() -> None:
    """Within the ttl nobody is asked again, afterwards somebody is."""
    server = NameServer(known=[("1.1.1.1", 0)])
    resolver = Resolver(server, ttl=30)
    for _ in range(3):
        await resolver.resolve("known")
    assert server.asked["known"] == 1
    resolver = Resolver(server, ttl=0)
    for _ in range(3):
        await resolver.resolve("known")
    assert server.asked["known"] == 4


async def test_one_look_up_for_all_who_ask_at_once() -> None:
    """A hundred requests for one name are one look-up, and cancelling one of them does not disturb the others."""
    server = NameServer(hang=[("1.1.1.1", 0)])
    resolver = Resolver(server)
    waiting = [asyncio.ensure_future(resolver.resolve("hang")) for _ in range(100)]
    await wait_until(lambda: server.asked["hang"])
    waiting[0].cancel()
    server.release.set()
    results = await asyncio.gather(*waiting[1:])
    assert {tuple(hosts(result)) for result in results} == {("1.1.1.1",)}
    assert server.asked["hang"] == 1
    assert waiting[0].cancelled()


async def test_hanging_names_do_not_stall_others() -> None:
    """With ten hanging look-ups, another name is answered at once."""
    server = NameServer(known=[("1.1.1.1", 0)])
    resolver = Resolver(server)
    hanging = [asyncio.ensure_future(resolver.resolve(f"hang{i}")) for i in range(10)]
    await wait_until(lambda: len(server.asked) == 10)
    assert hosts(await asyncio.wait_for(resolver.resolve("known"), 2)) == ["1.1.1.1"]
    server.release.set()
    results = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(result) for result in results} == {ResolveError}


async def test_when_all_threads_hang_the_next_name_fails_at_once() -> None:
    """The number of threads is bounded; what would have to queue behind hanging look-ups fails instead."""
    server = NameServer(known=[("1.1.1.1", 0)])
    resolver = Resolver(server, threads=2)
    hanging = [asyncio.ensure_future(resolver.resolve(f"hang{i}")) for i in range(2)]
    await wait_until(lambda: len(server.asked) == 2)
    with pytest.raises(ResolveError) as caught:
        await resolver.resolve("known")
    assert (caught.value.phase, caught.value.kind) == ("resolve", "exhausted")
    server.release.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert hosts(await resolver.resolve("known")) == ["1.1.1.1"]


async def test_an_old_answer_is_better_than_none() -> None:
    """When the name server fails or hangs, what it said before is used; when it recovers, what it says now."""
    server = NameServer(known=[("1.1.1.1", 0)])
    resolver = Resolver(server, ttl=0, patience=0.05)
    await resolver.resolve("known")
    del server.known["known"]
    assert hosts(await resolver.resolve("known")) == ["1.1.1.1"]
    server.known["known"] = [("2.2.2.2", 0)]
    assert hosts(await resolver.resolve("known")) == ["2.2.2.2"]

    slow = NameServer(hang=[("1.1.1.1", 0)])
    slow.release.set()
    resolver = Resolver(slow, ttl=0, patience=0.05)
    await resolver.resolve("hang")
    slow.release.clear()
    assert hosts(await resolver.resolve("hang")) == ["1.1.1.1"]
    slow.release.set()
    await wait_until(lambda: not resolver._running)


async def test_failures_name_the_host_and_keep_the_number() -> None:
    """A failed look-up is a gaierror with the resolver's own number; a name without addresses is one, too."""
    resolver = Resolver(NameServer(empty=[]))
    with pytest.raises(ResolveError, match=r"nowhere\.test") as caught:
        await resolver.resolve("nowhere.test")
    assert isinstance(caught.value, socket.gaierror)
    assert caught.value.errno == socket.EAI_NONAME
    with pytest.raises(ResolveError):
        await resolver.resolve("empty")
    with pytest.raises(ResolveError):
        await Resolver().resolve("a" * 70 + ".test")  # too long for a label: a UnicodeError of Python's


async def test_the_cache_is_bounded() -> None:
    """The oldest name makes room for the newest."""
    server = NameServer(a=[("1.1.1.1", 0)], b=[("1.1.1.1", 0)], c=[("1.1.1.1", 0)])
    resolver = Resolver(server, capacity=2)
    for name in ("a", "b", "c", "b", "c", "a"):
        await resolver.resolve(name)
    assert server.asked == {"a": 2, "b": 1, "c": 1}


async def test_a_look_up_may_outlive_its_loop() -> None:
    """A look-up that ends after its loop was closed disturbs nobody."""
    server = NameServer()
    other = asyncio.new_event_loop()
    resolver = Resolver(server)

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolver.resolve("hang"), 0.01)

    await asyncio.get_running_loop().run_in_executor(None, lambda: other.run_until_complete(ask()))
    other.close()
    threads = [thread for thread in threading.enumerate() if thread.name == "resolve hang"]
    server.release.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


async def test_the_real_resolver() -> None:
    """With the system's own function, localhost is a loopback address."""
    found = hosts(await Resolver().resolve("localhost"))
    assert set(found) <= {"127.0.0.1", "::1"}
