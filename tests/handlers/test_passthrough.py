"""/passthrough in both forms: what may be sent, what arrives, and the untouched answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import access_lines, config, gateway
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer, Script
from tests.support.scripts import Raw, answer, answer_json, raw, silent, sse, stream
from tests.support.secrets import CLIENT_KEY, COOKIE, UPSTREAM_KEY, assert_no_secret

BINARY = bytes(range(256)) * 40


async def test_json_form(tmp_path: Path) -> None:
    """Path below the provider's base, our key, the body as JSON; POST because there is a body."""
    async with (
        Peer(answer_json({"data": [1]}, 201, {"X-Vendor": "yes"})) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        body = {
            "provider": "peer",
            "path": "/embeddings?x=1",
            "headers": {"X-A": "b"},
            "body": {"input": "é"},
        }
        got = await proxy.request("POST", "/passthrough", body)
        (request,) = peer.requests

    assert (request.method, request.path) == ("POST", "/v1/embeddings?x=1")
    assert (request.json(), request.header("X-A")) == ({"input": "é"}, "b")
    assert request.header("Authorization") == f"Bearer {UPSTREAM_KEY}"
    assert (got.status, got.json(), got.headers["x-vendor"]) == (201, {"data": [1]}, "yes")


async def test_json_form_without_a_body_is_a_get(tmp_path: Path) -> None:
    """``model`` names the upstream as well as ``provider`` does."""
    async with Peer(answer_json([])) as peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.request("POST", "/passthrough", {"model": "m", "path": "/models"})

    assert (peer.requests[0].method, peer.requests[0].path, peer.requests[0].body) == (
        "GET",
        "/v1/models",
        b"",
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_raw_form(method: str, tmp_path: Path) -> None:
    """Method, query and body bytes as they are."""
    async with Peer(answer(BINARY, content_type="audio/mpeg")) as peer, gateway(tmp_path, peer.url) as proxy:
        sent = b"" if method == "GET" else BINARY
        got = await proxy.request(
            method,
            "/passthrough/peer/audio/a%20b?x=%2Fy&z",
            sent,
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        (request,) = peer.requests

    assert (request.method, request.path, request.body) == (method, "/v1/audio/a%20b?x=%2Fy&z", sent)
    assert request.header("Content-Type") == "multipart/form-data; boundary=x"
    assert (got.body, got.headers["content-type"]) == (BINARY, "audio/mpeg")
    assert got.headers["content-length"] == str(len(BINARY))


async def test_raw_head(tmp_path: Path) -> None:
    """HEAD is relayed, with the length that a GET would have."""
    async with Peer(answer(BINARY)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("HEAD", "/passthrough/peer/x")

    assert (peer.requests[0].method, got.headers["content-length"]) == ("HEAD", str(len(BINARY)))


async def test_a_stream_is_relayed_byte_for_byte(tmp_path: Path) -> None:
    """Chunks arrive as they came, whatever they contain."""
    pieces = [b": c\n\n", *sse({"any": "thing"}, done=False), b"half", b"\x00\xff"]
    async with Peer(stream(*pieces)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/passthrough/peer/x", b"{}")

    assert (got.body, got.complete) == (b"".join(pieces), True)
    assert got.headers["content-type"] == "text/event-stream"


async def test_a_cut_stays_a_cut(tmp_path: Path) -> None:
    """No byte is added to a broken answer, and no clean end."""
    async with Peer(stream(b"one", end="cut")) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/passthrough/peer/x", b"{}")

    assert (got.status, got.body, got.complete) == (200, b"one", False)


@pytest.mark.parametrize("status", [204, 302, 400, 401, 429, 500])
async def test_any_status_is_relayed(status: int, tmp_path: Path) -> None:
    """Errors and redirects are the caller's to read; no redirect is followed."""
    body = b"" if status == 204 else b"their words"
    async with Peer(answer(body, status, {"Location": "http://169.254.169.254/"})) as peer:
        async with gateway(tmp_path, peer.url) as proxy:
            got = await proxy.request("GET", "/passthrough/peer/x")

        assert len(peer.requests) == 1
    assert (got.status, got.body) == (status, body)
    assert "location" not in got.headers


async def test_credentials_and_hop_by_hop_headers_are_exchanged(tmp_path: Path) -> None:
    """Nothing that identifies the caller reaches the upstream, nothing about the upstream's connection comes back."""
    theirs = {
        "Set-Cookie": "a=b",
        "Server": "theirs",
        "Alt-Svc": "h3",
        "Connection": "X-Secret",
        "X-Secret": "1",
    }
    ours = {
        "Authorization": f"Bearer {CLIENT_KEY}",
        "X-Api-Key": CLIENT_KEY,
        "Api-Key": CLIENT_KEY,
        "X-Goog-Api-Key": CLIENT_KEY,
        "Cookie": COOKIE,
        "X-Forwarded-For": "1.2.3.4",
        "Proxy-Authorization": CLIENT_KEY,
        "Connection": "keep-alive, X-Named",
        "X-Named": "1",
        "X_Under": "1",
        "TE": "trailers",
        "X-Kept": "kept",
    }
    async with Peer(answer_json({}, headers=theirs)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("GET", "/passthrough/peer/x", headers=ours)
        (request,) = peer.requests

    names = {name.lower() for name, _ in request.headers}
    assert names <= {
        "host",
        "traceparent",
        "x-request-id",
        "authorization",
        "x-kept",
        "accept-encoding",
        "connection",
        "user-agent",
        "accept",
    }
    assert request.header("X-Kept") == "kept"
    assert CLIENT_KEY.encode() not in request.raw
    assert request.header("Host") == peer.url.removeprefix("http://")
    assert not {"set-cookie", "alt-svc", "x-secret"} & set(got.headers)
    assert got.headers["server"].startswith("llm-proxy-api")
    assert_no_secret(got.body)


PATHS = [
    "x",
    "",
    "//h/x",
    "https://h/x",
    "@h/x",
    ":80@h/x",
    "\\\\h\\x",
    "/\\h",
    "/%2f%2fh",
    "/..",
    "/a/../b",
    "/%2e%2e/b",
    "/%252e%252e/b",
    "/..;/b",
    "/.",
    "/a%00b",
    "/a%0d%0aX:1",
    "/a b",
    "/a\r\nX: 1",
    "/a#b",
    "/é",
    "/%zz",
    "/a\t",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_cannot_leave_the_base(path: str, tmp_path: Path) -> None:
    """400 before any connection is made."""
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/passthrough", {"provider": "peer", "path": path})

        assert peer.connections == 0
    assert (got.status, got.json()["error"]["param"]) == (400, "path")


@pytest.mark.parametrize(
    "path", ["/%2e%2e/x", "/..%2f..%2fx", "/a/..;/x", "//x", "/%00", "/%0d%0aX:1", "/%5cx", "/a%zz"]
)
async def test_a_raw_path_cannot_leave_the_base(path: str, tmp_path: Path) -> None:
    """The raw target is judged, before any decoding."""
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("GET", "/passthrough/peer" + path)

        assert peer.connections == 0
    assert got.status == 400


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"path": "/x"}, 400, "model"),
    ({"provider": "peer", "model": "m", "path": "/x"}, 400, "model"),
    ({"provider": "pear", "path": "/x"}, 404, "provider"),
    ({"model": "mm", "path": "/x"}, 404, "model"),
    ({"provider": "peer"}, 400, "path"),
    ({"provider": "peer", "path": 3}, 400, "path"),
    ({"provider": "peer", "path": "/x", "method": "BREW"}, 400, "method"),
    ({"provider": "peer", "path": "/x", "headers": {"X": 1}}, 400, "headers.X"),
    ({"provider": "peer", "path": "/x", "headers": {"X": "a\r\nY: b"}}, 400, "headers"),
    ({"provider": "peer", "path": "/x", "headers": {"X Y": "a"}}, 400, "headers"),
    ({"provider": "peer", "path": "/x", "api_host": "http://evil.example"}, 400, "api_host"),
    ({"provider": "two", "path": "/x"}, 400, "provider"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD)
async def test_bad_input(body: dict[str, Any], status: int, param: str, tmp_path: Path) -> None:
    """A clear error that names the field, and no connection."""
    async with Peer(answer_json({})) as peer:
        rows = config(peer.url)
        rows["two"] = {
            "a": {"api_type": "openai", "api_host": "http://h1/v1"},
            "b": {"api_type": "openai", "api_host": "http://h2"},
        }
        async with RunningGateway(tmp_path, rows) as proxy:
            got = await proxy.request("POST", "/passthrough", body)

        assert peer.connections == 0
    assert (got.status, got.json()["error"]["param"]) == (status, param)


FAULTS: list[tuple[Script, int, str]] = [
    (raw(end="cut"), 502, "upstream_unreachable"),
    (silent(), 504, "timeout_first_byte"),
    (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", end="cut"),
        502,
        "upstream_error",
    ),
]


@pytest.mark.parametrize(("script", "status", "code"), FAULTS)
async def test_no_answer_is_our_error(script: Script, status: int, code: str, tmp_path: Path) -> None:
    """What the upstream did not say, we say, in our form."""
    quick = {"timeouts": {"first_byte": 0.2}}
    async with Peer(script) as peer, gateway(tmp_path, peer.url, fields=quick) as proxy:
        got = await proxy.request("GET", "/passthrough/peer/x")

    assert (got.status, got.json()["error"]["code"]) == (status, code)


async def test_the_upstream_sees_that_the_client_left(tmp_path: Path) -> None:
    """As on any other endpoint."""
    async with Peer(stream(b"one", Raw(b""), end="silence")) as peer, gateway(tmp_path, peer.url) as proxy:
        async with Connection(proxy.url) as client:
            await client.send("GET", "/passthrough/peer/x")
            await client.piece(await client.head())
        await peer.closed_by_client(deadline=2)


async def test_a_name_with_an_underscore(tmp_path: Path) -> None:
    """It is not sent on: the JSON form says why, and of the raw form the access line names what was left out."""
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        form = {"provider": "peer", "path": "/x", "headers": {"x_key": "1"}}
        told = await proxy.request("POST", "/passthrough", form)
        with access_lines() as lines:
            sent = await proxy.request("GET", "/passthrough/peer/x", headers={"x_key": "1"})
        (seen,) = peer.requests

    assert told.status == 400
    assert "has an underscore, which is not sent on" in told.json()["error"]["message"]
    assert (sent.status, seen.header("x_key")) == (200, None)
    assert lines[0]["dropped_headers"] == ["x_key"]
