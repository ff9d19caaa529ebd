"""A model server on a Unix socket, and one that wants a client certificate, behind the running gateway."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

from llm_proxy.wire.sse import dumps
from tests.faults.kit import assert_well, failing
from tests.handlers.kit import COMPLETION, gateway
from tests.support.logs import expect_log
from tests.support.raw_peer import CA, TLS_FILES, RawPeer, answers, ok, server_tls


async def test_a_unix_socket(tmp_path: Path) -> None:
    """``unix:///path:/v1`` is asked like any other host, as ``localhost``; when nobody listens it is a 502 without the path."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ok(dumps(COMPLETION), b"Content-Type: application/json", b"Connection: close"))
        await writer.drain()
        writer.close()

    path = tmp_path / "model.sock"
    server = await asyncio.start_unix_server(serve, path)
    async with gateway(tmp_path, f"unix://{path}:") as proxy:
        await assert_well(proxy, "whole")
        assert b"\r\nHost: localhost\r\n" in heads[0]
        server.close()
        await server.wait_closed()
        path.unlink(missing_ok=True)
        met = await failing(proxy, "whole")
    met.refused(502, "upstream_unreachable")
    assert "model.sock" not in str(met.answer.body)


async def test_certificates_of_an_upstream(tmp_path: Path) -> None:
    """``ca`` and ``client_cert`` are live: what a new file says holds for the next connection, a bad one changes nothing."""
    ca, cert = tmp_path / "ca.pem", tmp_path / "client.pem"
    shutil.copy(TLS_FILES / "self-signed.pem", ca)
    shutil.copy(TLS_FILES / "client.pem", cert)
    tls = server_tls(client_ca=CA)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # then a refusal comes in the handshake
    good = answers(ok(dumps(COMPLETION), b"Content-Type: application/json"))
    fields = {"ca": str(ca), "client_cert": str(cert)}
    async with (
        RawPeer(good, tls=tls) as peer,
        gateway(tmp_path, peer.url.rstrip("/"), fields=fields) as proxy,
    ):
        met = await failing(proxy, "whole")
        met.refused(502, "upstream_unreachable")
        message = met.answer.json()["error"]["message"]
        assert "certificate was refused" in message
        assert str(tmp_path) not in str(met.answer.body)
        registry = proxy.service.registry
        shutil.copy(CA, ca)
        await registry.reload("test")
        await assert_well(proxy, "whole")
        before = registry.current.generation
        cert.write_text("nothing")
        with expect_log("llm_proxy.live.state.registry", "rejected"):
            outcome = await registry.reload("test")
        assert registry.current.generation == before
        assert "client_cert" in str(outcome)
