"""Ways through proxies: SOCKS5, and HTTP proxies under TLS."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_proxy.upstreams.http_client import (
    CertificateError,
    ConnectError,
    RefusedError,
    Resolver,
    TransportTimeout,
)
from llm_proxy.upstreams.socks5 import SocksError, connect
from tests.llm_proxy.upstreams.test_dial import names
from tests.support.loops import wait_until
from tests.support.proxies import connect_proxy, socks_proxy
from tests.support.raw_peer import (
    CA,
    LOOPS,
    Client,
    RawPeer,
    Wire,
    answers,
    both_loops,
    ok,
    server_tls,
)

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)


def through(scheme: str, port: int, login: str = "") -> dict[str, str]:
    url = f"{scheme}://{login}127.0.0.1:{port}"
    return {"http": url, "https": url}


# -- SOCKS5


async def test_names_are_looked_up_by_the_proxy_or_here() -> None:
    """``socks5h`` hands the name over and never looks it up, ``socks5`` hands an address over."""
    asked: list[tuple[str, int]] = []
    resolver = names(origin_test=["192.0.2.7"])
    async with RawPeer(answers(ok(), ok())) as origin, RawPeer(socks_proxy(origin.port, asked)) as proxy:
        for scheme in ("socks5h", "socks5"):
            async with Client(proxies=through(scheme, proxy.port), resolver=resolver) as http:
                assert (await http.fetch("http://origin.test:81/")).body == b"ok"
        async with Client(proxies=through("socks5h", proxy.port), resolver=resolver) as http:
            assert (await http.fetch("http://unknown.test:82/")).body == b"ok"
            assert (await http.fetch("http://[2001:db8::1]:83/")).body == b"ok"
    assert asked == [("origin.test", 81), ("192.0.2.7", 81), ("unknown.test", 82), ("2001:db8::1", 83)]


async def test_what_passes_is_an_ordinary_request() -> None:
    """The origin sees the form of a direct request, and the connection is used again; TLS is with the origin."""
    asked: list[tuple[str, int]] = []
    heads: list[bytes] = []

    async def script(wire: Wire) -> None:
        while True:
            heads.append(await wire.exchange(ok()))

    async with (
        RawPeer(script, tls=server_tls()) as origin,
        RawPeer(socks_proxy(origin.port, asked, login=(b"me", b"s:1"))) as proxy,
        Client(proxies=through("socks5h", proxy.port, "me:s%3A1@")) as http,
    ):
        for _ in range(2):
            assert (await http.fetch("https://localhost/path", ca_certs=CA)).body == b"ok"
        assert proxy.connections == 1
    assert asked == [("localhost", 443)]
    assert [head.partition(b"\r\n")[0] for head in heads] == [b"GET /path HTTP/1.1"] * 2
    assert b"Proxy-" not in heads[0]


@pytest.mark.parametrize(
    ("login", "words"), [("", "wants user and password"), ("me:wrong@", "refused user and password")]
)
async def test_wrong_credentials(login: str, words: str) -> None:
    """Said as what it is, without the credentials."""
    async with (
        RawPeer(socks_proxy(0, [], login=(b"me", b"right"))) as proxy,
        Client(proxies=through("socks5h", proxy.port, login)) as http,
    ):
        with pytest.raises(ConnectError, match=words) as caught:
            await http.fetch("http://origin.test/")
        assert (caught.value.phase, caught.value.kind) == ("connect", "protocol")
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (1, "protocol"),
        (2, "protocol"),
        (3, "unreachable"),
        (4, "unreachable"),
        (5, "refused"),
        (6, "timeout"),
    ],
)
async def test_refusals(reply: int, kind: str) -> None:
    """Each reply of RFC 1928 has its kind."""
    async with (
        RawPeer(socks_proxy(0, [], replies={"origin.test": reply})) as proxy,
        Client(proxies=through("socks5h", proxy.port)) as http,
    ):
        with pytest.raises(ConnectError) as caught:
            await http.fetch("http://origin.test/")
        assert (caught.value.phase, caught.value.kind) == ("connect", kind)
        assert isinstance(caught.value, RefusedError) is (kind == "refused")


async def test_the_next_address_is_asked_for() -> None:
    """With names looked up here, an address that the proxy does not reach is followed by the next."""
    asked: list[tuple[str, int]] = []
    resolver = names(two_test=["192.0.2.1", "192.0.2.2"])
    async with (
        RawPeer(answers(ok())) as origin,
        RawPeer(socks_proxy(origin.port, asked, replies={"192.0.2.1": 4})) as proxy,
        Client(proxies=through("socks5", proxy.port), resolver=resolver) as http,
    ):
        assert (await http.fetch("http://two.test/")).body == b"ok"
    assert [host for host, _ in asked] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x04\x00",
        b"\x05\x07",
        b"\x05\x00\x04\x00\x00\x01",
        b"\x05\x00\x05\x00\x00\x09",
    ],
)
async def test_what_is_no_socks_proxy(said: bytes) -> None:
    """Anything else at that port is a failed connection."""

    async def script(wire: Wire) -> None:
        await wire.reader.read(1)
        await wire.send(said)
        await wire.closed()

    async with RawPeer(script) as proxy, Client(proxies=through("socks5h", proxy.port)) as http:
        with pytest.raises(ConnectError) as caught:
            await http.fetch("http://origin.test/")
        assert (caught.value.phase, caught.value.kind) == ("connect", "protocol")


async def test_proxies_that_close_or_say_nothing() -> None:
    """A proxy that closes is told; one that is silent costs the connect timeout and no more."""

    async def closes(wire: Wire) -> None:
        await wire.reader.read(1)
        wire.reset()
        wire.ended.set()

    async def waits(wire: Wire) -> None:
        await wire.closed()

    for script, error in ((closes, ConnectError), (waits, TransportTimeout)):
        async with RawPeer(script) as proxy, Client(proxies=through("socks5h", proxy.port)) as http:
            with pytest.raises(error):
                await http.fetch("http://origin.test/", connect_timeout=0.3)
            await proxy.left()


def test_names_that_do_not_fit() -> None:
    """SOCKS5 has one byte for the length of a name."""
    next(connect("x" * 255, 80, None))
    with pytest.raises(SocksError, match="255"):
        next(connect("x" * 256, 80, None))


@asynccontextmanager
async def microsocks(*arguments: str) -> AsyncIterator[int]:
    """The real program, on a port of its own."""
    program = shutil.which("microsocks")
    if program is None:
        pytest.skip("microsocks is not installed (apt-get install microsocks)")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    process = subprocess.Popen(  # noqa: ASYNC220 - it is only started
        [program, "-i", "127.0.0.1", "-p", str(port), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await wait_until(listens)
        yield port
    finally:
        process.kill()
        process.wait()


async def test_a_real_socks_proxy() -> None:
    """microsocks carries plain and TLS requests, by name and by address, and wants its credentials."""
    resolver = names(localhost=["127.0.0.1"])
    async with (
        RawPeer(answers(ok(b"plain"), ok(b"plain"))) as plain,
        RawPeer(answers(ok(b"secret")), tls=server_tls()) as secret,
        microsocks("-u", "me", "-P", "s1") as port,
    ):
        for scheme in ("socks5", "socks5h"):
            async with Client(proxies=through(scheme, port, "me:s1@"), resolver=resolver) as http:
                assert (await http.fetch(f"http://localhost:{plain.port}/")).body == b"plain"
                response = await http.fetch(f"https://localhost:{secret.port}/", ca_certs=CA)
                assert response.body == b"secret"
                with pytest.raises(ConnectError):
                    await http.fetch("http://localhost:1/")
        for login in ("", "me:no@"):
            async with Client(proxies=through("socks5h", port, login)) as http:
                with pytest.raises(ConnectError, match="proxy"):
                    await http.fetch(f"http://localhost:{plain.port}/")


# -- HTTP proxies under TLS


async def test_plain_requests_through_a_proxy_under_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The absolute form under TLS with the proxy, whose certificate must be of its own name."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    heads: list[bytes] = []

    async def proxy(wire: Wire) -> None:
        while True:
            heads.append(await wire.exchange(ok(b"by proxy")))

    async with (
        RawPeer(proxy, tls=server_tls()) as peer,
        Client(proxies=through("https", peer.port, "me:s@")) as http,
    ):
        for _ in range(2):
            assert (await http.fetch("http://origin.test:81/path")).body == b"by proxy"
        assert peer.connections == 1
    assert heads[0].startswith(b"GET http://origin.test:81/path HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cw==\r\n" in heads[0]
    async with (
        RawPeer(proxy, tls=server_tls("wrong-name")) as peer,
        Client(proxies=through("https", peer.port)) as http,
    ):
        for url in ("http://origin.test/", "https://origin.test/"):
            with pytest.raises(CertificateError):
                await http.fetch(url)


async def test_tls_within_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees CONNECT and nothing of the request; large bodies pass both ways; the connection is used again."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    seen: list[bytes] = []
    body = b"x" * 3_000_000

    async def script(wire: Wire) -> None:
        while True:
            await wire.head()
            got = await wire.reader.readexactly(len(body))
            await wire.send(ok(got))

    async with (
        RawPeer(script, tls=server_tls()) as origin,
        RawPeer(connect_proxy(origin.port, seen), tls=server_tls()) as proxy,
        Client(proxies=through("https", proxy.port, "me:s@")) as http,
    ):
        for _ in range(2):
            assert (await http.fetch("https://localhost:4433/", method="POST", body=body)).body == body
        assert proxy.connections == 1
    assert len(seen) == 1
    assert seen[0].startswith(b"CONNECT localhost:4433 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cw==\r\n" in seen[0]


async def test_tls_within_tls_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of the proxy, a wrong certificate of the origin, a silent one: each is told, and all sockets are closed."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)

    async def refuses(wire: Wire) -> None:
        await wire.exchange(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        await wire.closed()

    async def waits(wire: Wire) -> None:
        await wire.closed()

    async with (
        RawPeer(refuses, tls=server_tls()) as proxy,
        Client(proxies=through("https", proxy.port)) as http,
    ):
        with pytest.raises(ConnectError, match="407"):
            await http.fetch("https://localhost/")
        await proxy.left()
    async with (
        RawPeer(waits, tls=server_tls("expired")) as origin,
        RawPeer(connect_proxy(origin.port, []), tls=server_tls()) as proxy,
        Client(proxies=through("https", proxy.port)) as http,
    ):
        with pytest.raises(CertificateError):
            await http.fetch("https://localhost/")
        await proxy.left()
    async with (
        RawPeer(waits, tls=server_tls()) as proxy,
        Client(proxies=through("https", proxy.port)) as http,
    ):
        with pytest.raises(TransportTimeout):
            await http.fetch("https://localhost/", connect_timeout=0.5)
        await proxy.left()


async def test_a_running_request_in_two_layers_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling closes the socket to the proxy."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    reached = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.head()
        reached.set()
        await wire.closed()

    async with (
        RawPeer(script, tls=server_tls()) as origin,
        RawPeer(connect_proxy(origin.port, []), tls=server_tls()) as proxy,
        Client(proxies=through("https", proxy.port), resolver=Resolver()) as http,
    ):
        running = http.fetch("https://localhost/", request_timeout=0)
        await reached.wait()
        running.cancel()
        await proxy.left()
