"""S4, S13, S16 to S18: what a client may not decide, and what nobody but the operator may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import ask, assert_idle, healthy
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, gateway
from tests.support.client import Connection
from tests.support.peer import Peer
from tests.support.scripts import answer_json
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY, assert_no_secret

OTHERS_WORDS = (
    "api_base",
    "base_url",
    "api_key",
    "api_host",
    "api_token",
    "organization",
    "custom_llm_provider",
)


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions", "/conversation_with_model"])
async def test_s4_a_body_does_not_say_where_it_goes(path: str, tmp_path: Path) -> None:
    """Hosts and keys in a body, or in the query, change nothing, reach nobody, and are reported as dropped."""
    words: dict[str, Any] = {"model": "m", "messages": CHAT["messages"], "stream": False}
    if path.startswith("/conversation"):
        words = {"model_name": "m", "user_last_statement": "hello", "stream": False}
    async with Peer(healthy) as peer, Peer(healthy) as other, gateway(tmp_path, peer.url) as proxy:
        given = {name: CLIENT_KEY if "key" in name or "token" in name else other.url for name in OTHERS_WORDS}
        query = f"?api_base={other.url}&api_key={CLIENT_KEY}"
        got = await proxy.request("POST", path + query, {**words, **given, "min_p": 0.1})
        assert other.connections == 0
        (request,) = peer.requests

    assert got.status == 200
    assert not set(OTHERS_WORDS) & set(request.json())
    assert request.json()["min_p"] == 0.1
    assert CLIENT_KEY.encode() not in request.raw
    assert other.url.encode() not in request.raw
    assert request.header("Authorization") == f"Bearer {UPSTREAM_KEY}"
    assert set(got.headers["x-dropped-params"].split(", ")) == set(OTHERS_WORDS)


async def test_s4_embeddings(tmp_path: Path) -> None:
    """The same for embeddings."""
    async with (
        Peer(answer_json({"data": [], "object": "list"})) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        body = {"model": "m", "input": "x", "api_key": CLIENT_KEY, "base_url": "http://127.0.0.1:9"}
        got = await proxy.request("POST", "/v1/embeddings", body)
        (request,) = peer.requests

    assert got.status == 200
    assert request.json() == {"model": "up", "input": "x"}
    assert set(got.headers["x-dropped-params"].split(", ")) == {"api_key", "base_url"}


async def test_s16_claims_about_who_asks(tmp_path: Path) -> None:
    """X-Forwarded-*, X-Real-Ip and Forwarded decide nothing: neither the host check nor what an upstream is told."""
    claims = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "localhost",
        "X-Forwarded-Proto": "https",
        "X-Real-Ip": "127.0.0.1",
        "Forwarded": "for=127.0.0.1;host=localhost",
        "X-Original-Url": "/api/ping",
        "X-Rewrite-Url": "/api/ping",
        "X-Http-Method-Override": "GET",
    }
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        evil = await proxy.request("GET", "/ping", headers={**claims, "Host": "evil.example"})
        moved = await proxy.request("POST", "/nothing", b"{}", headers=claims)
        got = await ask(proxy, "whole", headers=claims)
        (request,) = peer.requests

    assert (evil.status, moved.status, got.status) == (403, 404, 200)
    assert not {name.lower() for name, _ in request.headers} & {name.lower() for name in claims}


HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "evil.example:80",
    "169.254.169.254",
    "[::2]",
]


@pytest.mark.parametrize("path", ["/chat", "/passthrough", "/status", "/tags", "/nothing"])
async def test_s17_a_web_page_that_calls_itself_by_our_address(path: str, tmp_path: Path) -> None:
    """DNS rebinding: a foreign Host is refused on every path before anything is done."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        for host in HOSTS:
            got = await proxy.request("POST", path, WHOLE, headers={"Host": host})
            assert (got.status, got.json()["error"]["code"]) == (403, "host_not_allowed")
        assert peer.connections == 0


async def test_s17_no_page_may_read_an_answer(tmp_path: Path) -> None:
    """No CORS header on anything, whatever origin asks, preflight included; an upstream's are not passed on."""
    origin = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    allow = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
    async with Peer(answer_json(COMPLETION, headers=allow)) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = [
            await proxy.request("OPTIONS", "/chat", headers=origin),
            await proxy.request("POST", "/chat", WHOLE, headers={**origin, "Content-Type": "text/plain"}),
            await proxy.request("POST", "/passthrough/peer/x", b"{}", headers=origin),
            await proxy.request("GET", "/tags", headers=origin),
        ]

    assert [got.status for got in answers] == [403] * 4
    assert peer.connections == 0
    assert not [name for got in answers for name in got.headers if name.startswith("access-control")]


async def test_s18_what_everybody_may_see(tmp_path: Path) -> None:
    """/status, /tags, models and errors name no host, no port, no key and no path of this machine."""
    fields = {"headers": {"X-Key": UPSTREAM_KEY}}
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url, fields=fields) as proxy:
        with_peer = [
            await proxy.request("GET", path) for path in ("/status", "/tags", "/v1/models", "/prompts")
        ]
        with_peer.append(await proxy.request("POST", "/chat", {**WHOLE, "model": "n"}))
        with_peer.append(await proxy.request("POST", "/passthrough", {"provider": "pear", "path": "/x"}))
    async with gateway(tmp_path, peer.url) as proxy:
        without = [await ask(proxy, form) for form in ("stream", "whole", "passthrough")]

    assert [got.status for got in without] == [502] * 3
    for got in (*with_peer, *without):
        shown = got.body.decode() + str(got.headers)
        assert_no_secret(shown)
        assert str(peer.port) not in shown
        assert "127.0.0.1" not in shown
        assert str(tmp_path) not in shown


async def test_s13_a_compressed_request(tmp_path: Path) -> None:
    """One that nobody understands is a 415 from the head alone, one that is not what it says a 400; a bomb is a 413 (see
    ``test_compressed_bodies``). No upstream is called."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        for coding in ("gzip", "deflate", "br", "zstd", "gzip, identity", "x-gzip"):
            known = (415, "unsupported_media_type") if coding == "br" else (400, "invalid_encoding")
            async with Connection(proxy.url) as client:
                got = await client.request(
                    "POST", "/chat", b"\x1f\x8b" + b"0" * 100, headers={"Content-Encoding": coding}
                )
            assert (got.status, got.json()["error"]["code"]) == known
        await assert_idle(proxy)
        assert peer.connections == 0
