"""How connections are made: certificates, several addresses, proxies, and what is said when none can be had."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.net.resolver import Resolver
from llm_proxy.upstreams.dial import tune
from llm_proxy.upstreams.http_client import (
    CertificateError,
    ConnectError,
    ProtocolError,
    RefusedError,
    ResolveError,
    StreamRequest,
    TlsError,
    TransportTimeout,
)
from tests.support.raw_peer import (
    CA,
    LOOPS,
    TLS_FILES,
    Client,
    RawPeer,
    Wire,
    answers,
    both_loops,
    ok,
    server_tls,
)

_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)


def names(**hosts: list[str]) -> Resolver:
    """A resolver that knows ``hosts`` (``a_test`` is ``a.test``) and nothing else."""

    def lookup(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in found]
        rest = [(one, 0, 0, 0) if ":" in one else (one, 0) for one in found]
        return [
            (family, socket.SOCK_STREAM, 6, "", address)
            for family, address in zip(families, rest, strict=True)
        ]

    return Resolver(lookup)


# -- TLS


async def test_a_trusted_certificate() -> None:
    """A certificate of a CA in ``ca_certs`` is accepted for its name; the client offers HTTP/1.1, and says the name."""
    said: list[str | None] = []
    context = server_tls()
    context.sni_callback = lambda sock, name, context: said.append(name)
    protocols: list[str | None] = []

    async def script(wire: Wire) -> None:
        protocols.append(wire.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await answers(ok(b"one"), ok(b"two"))(wire)

    async with RawPeer(script, tls=context) as peer, Client(resolver=names(localhost=["127.0.0.1"])) as http:
        for body in (b"one", b"two"):
            response = await http.fetch(f"https://localhost:{peer.port}/", ca_certs=CA)
            assert response.body == body
        assert (peer.connections, said, protocols) == (1, ["localhost"], ["http/1.1"])


@pytest.mark.parametrize(
    ("certificate", "check"),
    [("self-signed", "self-signed"), ("wrong-name", "IP address mismatch"), ("expired", "expired")],
)
async def test_a_certificate_that_is_not_to_be_trusted(certificate: str, check: str) -> None:
    """Refused, as Python's own exception, which says which check failed; nothing is sent, nothing is tried again."""
    requests: list[bytes] = []

    async def script(wire: Wire) -> None:
        requests.append(await wire.head())

    async with RawPeer(script, tls=server_tls(certificate)) as peer, Client() as http:
        with pytest.raises(CertificateError) as caught:
            await http.fetch(peer.url, ca_certs=CA)
        assert isinstance(caught.value, ssl.SSLCertVerificationError)
        assert check in caught.value.verify_message
        assert (caught.value.phase, caught.value.kind) == ("tls", "verify")
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert (requests, http.pool.taken) == ([], 0)


async def test_the_default_trust_store_does_not_know_our_ca() -> None:
    """Without ``ca_certs`` the system's store decides."""
    async with RawPeer(answers(), tls=server_tls()) as peer, Client() as http:
        with pytest.raises(CertificateError):
            await http.fetch(peer.url)


async def test_verification_can_be_switched_off() -> None:
    """``validate_cert=False`` accepts anything, and such a connection is never used by a request that verifies."""
    async with RawPeer(answers(ok()), tls=server_tls("expired")) as peer, Client() as http:
        assert (await http.fetch(peer.url, validate_cert=False)).body == b"ok"
        assert http.pool.idle == 1
        with pytest.raises(CertificateError):
            await http.fetch(peer.url, ca_certs=CA)


async def test_client_certificates() -> None:
    """``client_cert`` is shown to a server that wants one; without it the server refuses."""
    tls = server_tls(client_ca=CA)
    # With TLS 1.3 a refusal of the client's certificate comes after the handshake.
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    mine = str(TLS_FILES / "client.pem")
    async with RawPeer(answers(ok()), tls=tls) as peer, Client() as http:
        assert (await http.fetch(peer.url, ca_certs=CA, client_cert=mine, client_key=mine)).body == b"ok"
        with pytest.raises(TlsError):
            await http.fetch(peer.url, ca_certs=CA)


async def test_ssl_options() -> None:
    """A context, or Tornado's dict of arguments, may be given instead of the single settings."""
    context = ssl.create_default_context(cafile=CA)
    options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": CA}
    async with RawPeer(answers(ok(), ok()), tls=server_tls()) as peer, Client() as http:
        for given in (context, options):
            for _ in range(2):
                assert (await http.fetch(peer.url, ssl_options=given)).body == b"ok"
        assert peer.connections == 2


async def test_a_renewed_file_is_read_again(tmp_path: Path) -> None:
    """When the file behind ``ca_certs`` changes, new requests use what it says now."""
    ca = tmp_path / "ca.pem"
    shutil.copy(TLS_FILES / "self-signed.pem", ca)
    async with RawPeer(answers(ok()), tls=server_tls()) as peer, Client() as http:
        with pytest.raises(CertificateError):
            await http.fetch(peer.url, ca_certs=str(ca))
        shutil.copy(CA, ca)
        assert (await http.fetch(peer.url, ca_certs=str(ca))).body == b"ok"


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing or unreadable certificate file is a TlsError that says so; no connection is made."""
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    async with RawPeer(answers(), tls=server_tls()) as peer, Client() as http:
        for name in (str(bad), str(tmp_path / "missing.pem")):
            with pytest.raises(TlsError, match="TLS settings") as caught:
                await http.fetch(peer.url, ca_certs=name)
            assert (caught.value.phase, caught.value.kind) == ("tls", "protocol")
        assert peer.connections == 0


async def test_plain_http_on_a_tls_port_and_the_reverse() -> None:
    """Both mistakes are named: a failed handshake, and an answer that is no HTTP."""

    async def plain(wire: Wire) -> None:
        await wire.reader.read(100)
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        wire.close()

    async def vanish(wire: Wire) -> None:
        await wire.reader.read(100)
        wire.close()

    async with RawPeer(plain) as peer, RawPeer(vanish) as gone, Client() as http:
        with pytest.raises(TlsError) as caught:
            await http.fetch(f"https://127.0.0.1:{peer.port}/")
        assert (caught.value.phase, caught.value.kind) == ("tls", "protocol")
        assert isinstance(caught.value, ssl.SSLError)
        with pytest.raises(TlsError) as caught:
            await http.fetch(f"https://127.0.0.1:{gone.port}/")
        assert (caught.value.phase, caught.value.kind) == ("tls", "reset")
    async with RawPeer(answers(b"\x15\x03\x03\x00\x02\x02\x46")) as alert, Client() as http:
        with pytest.raises(ProtocolError) as refused:
            await http.fetch(alert.url)
        assert (refused.value.phase, refused.value.kind) == ("head", "framing")


# -- addresses


async def test_what_cannot_be_reached() -> None:
    """Refused, unknown, unroutable: each has its class, its kind and the operating system's number."""
    async with Client(resolver=names(here_test=["127.0.0.1"])) as http:
        with pytest.raises(RefusedError) as refused:
            await http.fetch("http://here.test:1/")
        assert (refused.value.phase, refused.value.kind) == ("connect", "refused")
        assert refused.value.errno
        with pytest.raises(ResolveError) as unknown:
            await http.fetch("http://nowhere.test/")
        assert (unknown.value.phase, unknown.value.kind) == ("resolve", "nxdomain")
        assert isinstance(unknown.value, socket.gaierror)
        with pytest.raises(ConnectError) as unroutable:
            await http.fetch("http://255.255.255.255:9/")
        assert (unroutable.value.phase, unroutable.value.kind) == ("connect", "unreachable")
        with pytest.raises(ResolveError):
            await http.fetch("http://[::1]:1/", allow_ipv6=False)


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    """Addresses are tried in turn; the one that answers is used, whichever family it is."""
    async with RawPeer(answers(ok())) as peer:
        for first in ("127.0.0.2", "::1"):  # nobody listens there, on that port
            async with Client(resolver=names(two_test=[first, "127.0.0.1"])) as http:
                response = await http.fetch(f"http://two.test:{peer.port}/", connect_timeout=5)
                assert response.body == b"ok"


async def test_an_address_that_says_nothing_does_not_hold_the_next() -> None:
    """Happy Eyeballs: a SYN into the void is overtaken by the next address after a moment, and then given up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))
        server = await asyncio.start_server(serve_ok, "127.0.0.1", port)
        async with Client(resolver=names(two_test=["127.0.0.2", "127.0.0.1"])) as http:
            response = await http.fetch(f"http://two.test:{port}/", connect_timeout=5)
            assert response.body == b"ok"
        server.close()
        await server.wait_closed()
        for filler in fillers:
            filler.close()


async def serve_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer for anybody."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ok(b"ok", b"Connection: close"))
    writer.close()
    await writer.wait_closed()


async def test_ipv6_literals() -> None:
    """An IPv6 address in brackets is an address; Host keeps the brackets."""
    heads: list[bytes] = []

    async def script(wire: Wire) -> None:
        heads.append(await wire.exchange(ok()))
        await wire.closed()

    try:
        peer = RawPeer(script, host="::1")
        await peer.__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with Client() as http:
        assert (await http.fetch(peer.url)).body == b"ok"
        assert f"\r\nHost: [::1]:{peer.port}\r\n".encode() in heads[0]
    await peer.__aexit__(None, None, None)


def test_every_connection_is_tuned() -> None:
    """Small writes go out at once, and keep-alive probes find a peer that has vanished."""
    with socket.socket() as sock:
        tune(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# -- proxies


async def test_http_through_a_proxy() -> None:
    """The request line has the absolute form, credentials go to the proxy, and the connection is used again."""
    heads: list[bytes] = []

    async def proxy(wire: Wire) -> None:
        while True:
            heads.append(await wire.exchange(ok(b"by proxy")))

    async with (
        RawPeer(proxy) as peer,
        Client(proxies={"http": f"http://me:s%40@127.0.0.1:{peer.port}"}) as http,
    ):
        for _ in range(2):
            response = await http.fetch("http://origin.test:81/path?q")
            assert response.body == b"by proxy"
        assert peer.connections == 1
    assert heads[0].startswith(b"GET http://origin.test:81/path?q HTTP/1.1\r\nHost: origin.test:81\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6c0A=\r\n" in heads[0]


def tunnel_to(port: int, seen: list[bytes]) -> Any:
    """A proxy that opens a tunnel to ``port``, whatever it is asked for."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def script(wire: Wire) -> None:
        seen.append(await wire.exchange(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pump(wire.reader, writer), pump(reader, wire.writer), return_exceptions=True)
        finally:
            writer.transport.abort()

    return script


async def test_https_through_a_proxy() -> None:
    """A tunnel is asked for, TLS is with the origin, and the proxy sees nothing of the request."""
    heads: list[bytes] = []
    seen: list[bytes] = []

    async def origin_script(wire: Wire) -> None:
        heads.append(await wire.exchange(ok(b"tunnelled")))
        await wire.closed()

    async with (
        RawPeer(origin_script, tls=server_tls()) as origin,
        RawPeer(tunnel_to(origin.port, seen)) as proxy,
        Client() as http,
    ):
        request = StreamRequest(
            "https://localhost:4433/secret",
            ca_certs=CA,
            proxy_host="127.0.0.1",
            proxy_port=proxy.port,
            proxy_username="me",
            proxy_password="s",
        )
        assert (await http.fetch(request)).body == b"tunnelled"
    assert seen[0].startswith(b"CONNECT localhost:4433 HTTP/1.1\r\nHost: localhost:4433\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cw==\r\n" in seen[0]
    assert heads[0].startswith(b"GET /secret HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in heads[0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n\r\nEVIL", "protocol"),
        (b"SSH-2.0-x\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, "protocol"),
        (b"HTTP/1.1 20", "reset"),
    ],
)
async def test_a_proxy_that_refuses(answer: bytes, kind: str) -> None:
    """Everything but a plain 2xx is a failed connection; no handshake is tried."""

    async def script(wire: Wire) -> None:
        await wire.exchange(answer)
        wire.close()

    async with RawPeer(script) as peer, Client(proxies={"https": f"127.0.0.1:{peer.port}"}) as http:
        with pytest.raises(ConnectError) as caught:
            await http.fetch("https://localhost/")
        assert (caught.value.phase, caught.value.kind) == ("connect", kind)


async def test_a_proxy_that_is_silent() -> None:
    """``connect_timeout`` covers the proxy's answer."""

    async def script(wire: Wire) -> None:
        await wire.closed()

    async with RawPeer(script) as peer, Client(proxies={"https": f"127.0.0.1:{peer.port}"}) as http:
        context = ssl.create_default_context(cafile=CA)  # reading the trust store would count, too
        with pytest.raises(TransportTimeout) as caught:
            await http.fetch("https://localhost/", connect_timeout=0.3, ssl_options=context)
        assert caught.value.phase == "connect"
        await peer.left()


async def test_the_environment_counts_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used with trust_env, NO_PROXY makes exceptions, and without trust_env neither is looked at."""
    heads: list[bytes] = []

    async def proxy(wire: Wire) -> None:
        heads.append(await wire.exchange(ok(b"by proxy")))
        await wire.closed()

    async with RawPeer(answers(ok(b"direct"), ok(b"direct"))) as origin, RawPeer(proxy) as peer:
        monkeypatch.setenv("HTTP_PROXY", peer.url)
        monkeypatch.setenv("http_proxy", peer.url)
        monkeypatch.setenv("no_proxy", ".direct.test")
        resolver = names(here_test=["127.0.0.1"], a_direct_test=["127.0.0.1"])
        async with Client(resolver=resolver) as http:
            assert (await http.fetch(f"http://here.test:{origin.port}/")).body == b"direct"
        async with Client(resolver=resolver, trust_env=True) as http:
            assert (await http.fetch(f"http://here.test:{origin.port}/")).body == b"by proxy"
            assert (await http.fetch(f"http://a.direct.test:{origin.port}/")).body == b"direct"
    assert len(heads) == 1


@pytest.mark.parametrize(
    "bad", ["socks4://127.0.0.1:1", "ftp://h", "http://", "garbage:/x", "http://h:0", "http://h/p"]
)
async def test_proxies_that_we_cannot_use(bad: str) -> None:
    """Other kinds of proxies are refused at construction, with what is allowed."""
    with pytest.raises(ValueError, match="a proxy must be"):
        Client(proxies={"https": bad})
