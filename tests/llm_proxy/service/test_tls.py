"""HTTPS for clients, on the running program."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.program import PATIENCE, Program

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
DEMO: dict[str, Any] = {"demo": {"demo": {}}}


def context(client: bool = False) -> ssl.SSLContext:
    """A client's; with ``client`` it shows a certificate."""
    found = ssl.create_default_context(cafile=str(DATA / "ca.pem"))
    found.set_alpn_protocols(["h2", "http/1.1"])
    if client:
        found.load_cert_chain(DATA / "client.pem")
    return found


async def ask(url: str, path: str, tls: ssl.SSLContext | None) -> bytes:
    """The whole answer to a GET, as it came."""
    parts = urlsplit(url)
    server = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, ssl=tls, server_hostname=server
    )
    if tls is not None:
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.transport.abort()


async def status(url: str) -> dict[str, Any]:
    """What /status says of TLS."""
    answer = await ask(url, "/api/status", context())
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


async def serial(url: str) -> bytes:
    """The certificate that a new client sees."""
    anyone = context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=anyone)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return found


def replace(source: Path, target: Path) -> None:
    """In one step."""
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


@pytest.mark.parametrize("workers", [1, 2])
async def test_certificates_are_live(workers: int, tmp_path: Path) -> None:
    """New handshakes see the new pair; a bad one keeps the last good, is one ERROR line, and /status says so until it is
    mended; Ollama's port is HTTPS too."""
    cert = tmp_path / "cert.pem"
    shutil.copy(DATA / "good.pem", cert)
    pem = {
        name: ssl.PEM_cert_to_DER_cert(certificate(DATA / name)) for name in ("good.pem", "self-signed.pem")
    }
    async with Program(tmp_path, DEMO, workers=workers, tls_cert=cert, ollama_port=0) as program:
        line = program.lines("listening")[0]
        first, before = await status(program.url), await serial(program.url)
        ollama = await ask(line["ollama_url"], "/api/version", context())
        cert.write_text("-----BEGIN nothing")
        await program.logged("the certificate is not taken, the last good one goes on")
        rejected = await until_told(program, "rejected")
        kept = await serial(program.url)
        replace(DATA / "self-signed.pem", cert)
        await wait_for_certificate(program.url, pem["self-signed.pem"])
        replace(DATA / "good.pem", cert)
        await wait_for_certificate(program.url, pem["good.pem"])
        mended = await until_told(program, "applied")

    assert program.url.startswith("https://127.0.0.1:")
    assert (first["tls"]["state"], first["tls"]["problem"]) == ("applied", None)
    assert ollama.startswith(b"HTTP/1.1 200")
    assert before == kept == pem["good.pem"]
    assert rejected["problem"] == "cert.pem holds no certificate in PEM format"
    assert mended["problem"] is None
    assert [line["level"] for line in program.lines() if line["level"] == "ERROR"] == ["ERROR"]


def certificate(path: Path) -> str:
    """The first of a file that holds a key, too."""
    text = path.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") : text.index("-----END CERTIFICATE") + 25] + "\n"


async def until_told(program: Program, state: str) -> dict[str, Any]:
    """What /status says of TLS, when all workers say that."""
    async with asyncio.timeout(PATIENCE):
        good = 0
        while good < 4:
            found: dict[str, Any] = (await status(program.url))["tls"]
            good = good + 1 if found["state"] == state else 0
            await asyncio.sleep(0.02)
    return found


async def wait_for_certificate(url: str, wanted: bytes) -> None:
    """Until new clients see it, of whichever worker."""
    async with asyncio.timeout(PATIENCE):
        good = 0
        while good < 4:
            good = good + 1 if await serial(url) == wanted else 0
            await asyncio.sleep(0.02)


async def test_plain_http_is_told(tmp_path: Path) -> None:
    """As nginx does it: 400 in a sentence, then the connection ends; who leaves at once is no fault."""
    async with Program(tmp_path, DEMO, tls_cert=DATA / "good.pem", tls_key=DATA / "good.pem") as program:
        parts = urlsplit(program.url)
        socket.create_connection((parts.hostname or "", parts.port or 0)).close()
        answer = await ask(program.url, "/", None)
        served = await ask(program.url, "/api/ping", context())

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"plain HTTP request was sent to an HTTPS port" in answer
    assert served.startswith(b"HTTP/1.1 200")


async def test_a_certificate_is_asked_of_clients(tmp_path: Path) -> None:
    """With authorities only clients with a certificate of theirs are served; TLS 1.1 is not spoken; a Unix socket beside
    it is plain."""
    path = tmp_path / "s"
    async with Program(
        tmp_path,
        DEMO,
        host=f"127.0.0.1,unix:{path}",
        tls_cert=DATA / "good.pem",
        tls_client_ca=DATA / "ca.pem",
    ) as program:
        served = await ask(program.url, "/api/ping", context(client=True))
        try:
            refused = await ask(program.url, "/api/ping", context())
        except OSError:
            refused = b""
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        plain = await reader.read()
        writer.close()
        program.process.terminate()
        code = await program.ended()
        await wait_until(lambda: bool(program.lines("stopped")), PATIENCE)

    assert served.startswith(b"HTTP/1.1 200")
    assert refused == b""
    assert plain.startswith(b"HTTP/1.1 200")
    assert (code, path.exists()) == (0, False)
    assert program.lines("listening")[0]["also"] == [f"unix:{path}"]


@pytest.mark.parametrize(("hosts", "status"), [({}, b"200"), ({"allowed_hosts": "gateway.test"}, b"403")])
async def test_any_host_reaches_a_unix_socket(hosts: dict[str, Any], status: bytes, tmp_path: Path) -> None:
    """No page of a stranger can, so what nginx writes there (the name of its upstream) is served beside loopback too, unless
    the operator has named the hosts; a page that says where it comes from is refused all the same."""
    async with RunningGateway(tmp_path, DEMO, host=f"127.0.0.1,unix:{tmp_path}/s", **hosts) as proxy:

        async def asked(more: bytes) -> bytes:
            reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/s")
            writer.write(b"GET /api/tags HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n%b\r\n" % more)
            found = await reader.read()
            writer.close()
            return found.split(b" ")[1]

        assert (await asked(b""), await asked(b"Origin: http://backend.example\r\n")) == (status, b"403")
        beside = await request(proxy.origin, "GET", "/api/tags", headers={"Host": "backend"})
        assert beside.status == 403


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"tls_cert": "/nowhere/c.pem"}, 1, "LLM_PROXY_API_TLS_CERT, _KEY, _CLIENT_CA: c.pem: No such file"),
        ({"tls_key": "/nowhere/c.pem"}, 2, "LLM_PROXY_API_TLS_KEY: means nothing without"),
        ({"tls_client_ca": "/nowhere/c.pem"}, 2, "LLM_PROXY_API_TLS_CLIENT_CA: means nothing without"),
        ({"host": "unix:/nowhere/s", "ollama_port": 0}, 2, "LLM_PROXY_API_OLLAMA_PORT: needs a host"),
        ({"unix_mode": "999"}, 2, "LLM_PROXY_API_UNIX_MODE: has characters that are not allowed"),
        ({"tls_cert": "/nowhere/c.pem", "workers": 2}, 1, "c.pem: No such file"),
    ],
)
async def test_a_start_that_cannot(settings: dict[str, Any], code: int, said: str, tmp_path: Path) -> None:
    """One sentence, and the exit status that fits."""
    async with Program(tmp_path, DEMO, expect="end", **settings) as program:
        ended = await program.ended()

    assert ended == code
    assert [said in line for line in program.plain()] == [True]
