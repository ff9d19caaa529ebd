"""U5, U6: certificates and handshakes. Nothing that fails a check is spoken to, on no second thoughts."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.wire.sse import dumps
from tests.faults.kit import (
    FORMS,
    assert_well,
    failing,
    healthy,
)
from tests.handlers.kit import COMPLETION, gateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.raw_peer import CA, RawPeer, Wire, answers, ok, server_tls

in_each_form = pytest.mark.parametrize("form", FORMS)


CERTIFICATES = {
    "self-signed": "self-signed certificate",
    "wrong-name": "it is for another host name",
    "expired": "certificate has expired",
}


@in_each_form
@pytest.mark.parametrize(("name", "words"), CERTIFICATES.items())
async def test_u5_certificates(
    form: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that fails a check is refused; the message says which, and nothing is sent or tried again."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    async with Peer(healthy, tls=server_tls(name)) as peer, gateway(tmp_path, peer.url) as proxy:
        met = await failing(proxy, form)
        await wait_until(lambda: peer.connections <= 1)
        assert not peer.requests

    met.refused(502, "upstream_unreachable")
    message = met.answer.json()["error"]["message"]
    assert "certificate" in message
    assert words in message
    assert met.says("phase", "kind") == ("tls", "verify")


async def test_u5_a_trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side of it: with a certificate of a trusted CA the answer comes."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    good = answers(ok(dumps(COMPLETION), b"Content-Type: application/json"))
    async with RawPeer(good, tls=server_tls()) as peer, gateway(tmp_path, peer.url.rstrip("/")) as proxy:
        await assert_well(proxy, "whole")


@in_each_form
async def test_u6_plain_http_on_a_tls_port(form: str, tmp_path: Path) -> None:
    """A server that does not speak TLS where it should is a 502 that names the handshake."""

    async def plain(wire: Wire) -> None:
        await wire.reader.read(10)
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await wire.closed()

    async with RawPeer(plain) as peer:
        async with gateway(tmp_path, f"https://127.0.0.1:{peer.port}") as proxy:
            met = await failing(proxy, form)
        await peer.left()

    met.refused(502, "upstream_unreachable")
    assert met.says("phase", "kind") == ("tls", "protocol")


@in_each_form
async def test_u6_a_handshake_that_stalls(form: str, tmp_path: Path) -> None:
    """The connect limit covers the handshake; the upstream sees the close."""

    async def stall(wire: Wire) -> None:
        await wire.closed()

    limits = {"timeouts": {"connect": 1.0}}  # time for the connection itself, on a busy machine too
    async with RawPeer(stall) as peer:
        async with gateway(tmp_path, f"https://127.0.0.1:{peer.port}", fields=limits) as proxy:
            met = await failing(proxy, form)
        await peer.left()

    met.refused(504, "timeout_connect")
    assert met.says("phase", "kind") == ("tls", "timeout")
