"""C13: request targets in every legal form, and every spelling of a path, of every face; TLS where it is not spoken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, WHOLE, gateway
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import Program
from tests.support.scripts import answer_json

SPELLINGS = [
    "{}",
    "{}/",
    "/{}",
    "{}?x=1",
    "{}/?x=//",
    "http://127.0.0.1:1{}",
    "HTTP://localhost{}",
    "https://[::1]:8443/{}/",
    "/llm{}",
    "//llm/{}/",
    "http://localhost/llm{}",
]
ASKED = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/m"),
    ("GET", "/anthropic/v1/models"),
    ("GET", "/gemini/v1beta/models"),
    ("GET", "/gemini/v1beta/models/m"),
    ("GET", "/ollama/api/tags"),
    ("GET", "/ollama/v1/models"),
    ("GET", "/ollama"),
    ("GET", "/openai/v1/models"),
    ("GET", "/healthz"),
    ("GET", "/ping"),
    ("GET", "/openapi.json"),
    ("POST", "/v1/ch%61t/c%6Fmpletions"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/ollama/api/chat"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_c13_every_spelling_of_a_path(method: str, path: str, tmp_path: Path) -> None:
    """Absolute targets, doubled slashes, one at the end, percent signs that nobody needs, and a prefix that a proxy did not
    strip lead to the same place, on every face."""
    body = {**WHOLE, "stream": False} if method == "POST" else None
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url, ep_prefix="llm") as proxy:
        for spelling in SPELLINGS:
            got = await request(proxy.origin, method, spelling.format(path), body)
            assert got.status == 200, spelling.format(path)


@pytest.mark.parametrize(
    "target", ["/api/passthrough/peer/v1/a%2Fb?q=//", "//api/pass%74hrough//peer/v1/a%2Fb?q=//"]
)
async def test_c13_what_is_relayed_stays(target: str, tmp_path: Path) -> None:
    """However the way to it is spelled, what goes upstream is as it was sent."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "GET", target)
        bad = await request(proxy.origin, "GET", "/api/passthrough/peer/../x")
        worse = await request(proxy.origin, "GET", "/api/passthrough/peer//x")
        (seen,) = peer.requests

    assert (got.status, bad.status, worse.status) == (200, 400, 400)
    assert seen.path.endswith("/v1/a%2Fb?q=//")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"OPTIONS * HTTP/1.1", 204),
        (b"OPTIONS / HTTP/1.0", 204),
        (b"OPTIONS / HTTP/1.1", 204),
        (b"OPTIONS http://localhost HTTP/1.1", 204),
        (b"OPTIONS /healthz HTTP/1.1", 204),
        (b"GET http://localhost/api/ping HTTP/1.1", 200),
        (b"GET http://evil.example/api/ping HTTP/1.1", 403),
        (b"GET http://u@localhost/api/ping HTTP/1.1", 400),
        (b"GET ftp://localhost/api/ping HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"CONNECT localhost:80 HTTP/1.1", 405),
        (b"OPTIONS /v1/models HTTP/1.1", 405),
    ],
)
@pytest.mark.parametrize("port", ["main", "ollama"])
async def test_c13_forms(line: bytes, status: int, port: str, tmp_path: Path) -> None:
    """An absolute target's host counts, not the Host field; an asterisk is about the server, as OPTIONS only; authorities
    are for CONNECT, which is not served."""
    async with gateway(tmp_path, "http://127.0.0.1:1", ollama_port=0) as proxy:
        url = proxy.origin if port == "main" else str(proxy.service.gateway.ollama_url)
        if port == "ollama":
            line = line.replace(b"/api/ping", b"/api/version")
        async with Connection(url) as client:
            client.writer.write(line + b"\r\nHost: localhost\r\n\r\n")
            got = await client.head()

    assert got.status == status
    assert (status != 204 and b"/v1/models" not in line) or "GET" in got.headers["allow"]


_FORMS = [
    (b"OPTIONS * HTTP/1.1", 204),
    (b"OPTIONS * HTTP/1.1", 204),
    (b"GET /api/ping?a=b HTTP/1.1", 200),
    (b"OPTIONS /healthz HTTP/1.1", 204),
    (b"GET /healthz HTTP/1.1", 200),
    (b"GET http://localhost/api/ping HTTP/1.1", 200),
    (b"GET http://evil.example/api/ping HTTP/1.1", 403),
    (b"GET /api/ping HTTP/1.1", 200),
    (b"OPTIONS * HTTP/1.1", 204),
    (b"GET * HTTP/1.1", 400),
]


async def test_each_target_is_judged_by_itself(tmp_path: Path) -> None:
    """What was found out of a connection's last target and Host says nothing of another method's, or of another Host."""
    hosts = [b"localhost"] * len(_FORMS)
    hosts[2], hosts[4] = b"evil.example", b"LOCALHOST"
    async with (
        gateway(tmp_path, "http://127.0.0.1:1") as proxy,
        Connection(proxy.origin) as client,
    ):
        for (line, status), host in zip(_FORMS, hosts, strict=True):
            client.writer.write(line + b"\r\nHost: " + host + b"\r\n\r\n")
            got = await client.rest(await client.head())
            assert got.status == (403 if host == b"evil.example" else status), line


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/models",
        "/gemini/v1beta/v1beta/models",
        "/llm/v1/modles",
        "/anthropic/v1/message",
        "/ollama/api/tag",
    ],
)
async def test_a_404_names_the_path(path: str, tmp_path: Path) -> None:
    """As it was asked for, and the nearest that there is."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        got = str((await request(proxy.origin, "GET", "/" + path)).json())
        long = str((await request(proxy.origin, "GET", path + "/%00" * 5000)).json())

    assert f"there is no such path: /{path}; near it is /" in got, got
    assert len(long) < 1000


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/health", "/api/ping", "/ping", "/"])
async def test_health_at_the_usual_places(path: str, tmp_path: Path) -> None:
    """GET and HEAD, on both ports; while the process drains ``/livez`` alone says that all is well."""
    async with gateway(tmp_path, "http://127.0.0.1:1", ollama_port=0) as proxy:
        urls = [proxy.origin] + [str(proxy.service.gateway.ollama_url)] * (path != "/api/ping")
        got = [await request(url, method, path) for url in urls for method in ("GET", "HEAD")]
        proxy.service.gateway.draining = True
        draining = await request(proxy.origin, "GET", path)

    assert {answer.status for answer in got} == {200}
    assert draining.status == (200 if path == "/livez" else 503)


async def test_the_document_behind_a_prefix(tmp_path: Path) -> None:
    """``servers`` is where the paths begin: as a trusted proxy says, else as seen from the document."""
    told = {"X-Forwarded-Prefix": "/llm", "X-Forwarded-For": "1.1.1.1"}
    places = ["/openapi.json", "/api/openapi.json"]
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        plain = [(await request(proxy.origin, "GET", path, headers=told)).json() for path in places]
        slash = await request(proxy.origin, "GET", "/docs/")
    async with gateway(tmp_path, "http://127.0.0.1:1", trusted_proxies="127.0.0.0/8") as proxy:
        first = await request(proxy.origin, "GET", "/openapi.json")
        trusted = [await request(proxy.origin, "GET", path, headers=told) for path in places]
        front = (await request(proxy.origin, "GET", "/", headers=told)).body.decode()

    assert [found["servers"] for found in plain] == [[{"url": "."}], [{"url": ".."}]]
    assert [found.json()["servers"] for found in trusted] == [[{"url": "/llm"}]] * 2
    assert trusted[0].headers["etag"] != first.headers["etag"]
    assert "OpenAI /llm/v1, Anthropic /llm, Ollama /llm/ollama; see /llm/docs, /llm/console" in front
    assert (slash.status, slash.headers["location"]) == (308, "../docs")


HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(range(1, 200)).replace(b"\n", b"").replace(b"\r", b"")


@pytest.mark.parametrize("piece", [HELLO, HELLO[:1]])
async def test_tls_on_the_plain_port(piece: bytes, tmp_path: Path) -> None:
    """The connection is closed at the first byte, and the log says so once a while."""
    async with Program(tmp_path, {"demo": {"demo": {}}}) as program:
        origin = program.url.removesuffix("/api")
        for _ in range(3):
            async with Connection(origin) as client:
                client.writer.write(piece)
                got = await asyncio.wait_for(client.reader.read(), 5)
            assert got == b""
        after = await request(origin, "GET", "/api/ping")
        await wait_until(lambda: bool(program.lines("a client speaks TLS to a port without it")))

    assert after.status == 200
    assert len(program.lines("a client speaks TLS to a port without it")) == 1


BOUND: list[tuple[dict[str, Any], str, int]] = [
    ({"host": "127.0.0.1"}, "evil.example", 403),
    ({"host": "Localhost"}, "evil.example", 403),
    ({"host": "127.1"}, "evil.example", 403),
    ({"host": "127.1"}, "127.1", 200),
    ({"host": "127.0.0.2"}, "127.0.0.2:99", 200),
    ({"host": "127.0.0.1"}, "LOCALHOST.:99", 200),
    ({"host": "127.0.0.1"}, "[::1]", 200),
    ({"host": "127.0.0.1"}, "[0:0:0:0:0:0:0:1]:99", 200),
    ({"host": "127.0.0.1"}, "localhost.evil.example", 403),
    ({"host": "127.0.0.1"}, " ", 403),
    ({"host": "0.0.0.0"}, "evil.example", 200),
    ({"host": "0.0.0.0", "allowed_hosts": "good.example"}, "evil.example", 403),
    ({"host": "0.0.0.0", "allowed_hosts": "good.example"}, "GOOD.example.:99", 200),
    ({"host": "0.0.0.0", "allowed_hosts": "good.example:8080"}, "good.example", 200),
    ({"host": "0.0.0.0", "allowed_hosts": "good.example"}, "localhost", 200),
    ({"host": "0.0.0.0", "allowed_hosts": "*.example"}, "a.good.example", 200),
    ({"host": "127.0.0.1", "allowed_hosts": "*"}, "evil.example", 200),
    ({"host": "127.0.0.1", "allowed_hosts": "[::2]"}, "[::2]:1", 200),
]


@pytest.mark.parametrize(("settings", "host", "status"), BOUND)
async def test_s17_the_host_check_goes_by_what_is_bound(
    settings: dict[str, Any], host: str, status: int, tmp_path: Path
) -> None:
    """However the address was written; and a list that was set is obeyed wherever the gateway listens, on both ports."""
    async with gateway(tmp_path, "http://127.0.0.1:1", ollama_port=0, **settings) as proxy:
        ollamas = str(proxy.service.gateway.ollama_url)
        place = ollamas.rpartition(":")[0] + ":" + proxy.origin.rpartition(":")[2]
        got = [await request(url, "GET", "/health", headers={"Host": host}) for url in (place, ollamas)]

    assert [answer.status for answer in got] == [status] * 2
