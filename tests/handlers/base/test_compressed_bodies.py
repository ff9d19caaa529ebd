"""Requests whose bodies are compressed: read on every path that takes a body, bounded, and never half."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llm_proxy.openapi.document import paths_of
from llm_proxy.openapi.operations import OPERATIONS
from llm_proxy.openapi.values import Operation
from tests.handlers.kit import COMPLETION, WHOLE, access_lines, gateway
from tests.llm_proxy.clients.test_unpacking import raw_deflate, zstd_compress
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json

DEMO: dict[str, Any] = {"demo": {"demo": {}}}
PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": raw_deflate,
    "zstd": zstd_compress,
}
POSTS = [
    (path, operation)
    for operation in OPERATIONS
    if operation.method == "POST" and operation.example is not None
    for path in paths_of(operation, "/api")
]


def concrete(path: str, operation: Operation) -> str:
    """A path that a client might ask for."""
    for parameter in operation.parameters:
        path = path.replace(f"{{{parameter.name}}}", parameter.example)
    return path


def lasting(value: Any) -> Any:
    """What of an answer is the same in the next one: the shape, and the texts of an error but for the request's id."""
    if isinstance(value, dict):
        return {key: lasting(item) for key, item in value.items()}
    return type(value)


async def test_every_path_that_takes_a_body(tmp_path: Path) -> None:
    """Each answers a compressed body as it does the plain one."""
    assert len(POSTS) > 30
    async with RunningGateway(tmp_path, DEMO) as proxy:
        for at, (path, operation) in enumerate(POSTS):
            body = json.dumps({**(operation.example or {}), "stream": False}).encode()
            coding = list(PACKS)[at % len(PACKS)]
            plain = await request(proxy.origin, "POST", concrete(path, operation), body)
            packed = await request(
                proxy.origin,
                "POST",
                concrete(path, operation),
                PACKS[coding](body),
                headers={"Content-Encoding": coding},
            )
            assert packed.status == plain.status, path
            assert plain.status != 415
            assert lasting(packed.json()) == lasting(plain.json()), path


@pytest.mark.parametrize("coding", [*PACKS, "zlib", "gzip, zstd", "identity", "GZIP"])
async def test_the_upstream_gets_what_was_meant(coding: str, tmp_path: Path) -> None:
    """Unpacked, whatever the coding, small or so large that it is unpacked beside the loop."""
    for size in (10, 300_000):
        body = {**WHOLE, "messages": [{"role": "user", "content": "word " * size}]}
        data = json.dumps(body).encode()
        packs = {**PACKS, "zlib": zlib.compress, "identity": bytes, "GZIP": gzip.compress}
        packs["gzip, zstd"] = lambda some: zstd_compress(gzip.compress(some))
        headers = {"Content-Encoding": "deflate" if coding == "zlib" else coding}
        async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
            got = await proxy.request("POST", "/v1/chat/completions", packs[coding](data), headers=headers)
            (sent,) = peer.requests
        assert got.status == 200, got.body
        assert sent.json()["messages"] == body["messages"]
        assert sent.header("Content-Encoding") is None


async def test_bombs_and_broken_bodies(tmp_path: Path) -> None:
    """A bomb and a body above the limit are a 413, broken bytes a 400, an unknown coding a 415 that says what is
    understood; none of them reaches the upstream, and each has one line."""
    bomb = bytes(40 * 1024 * 1024)
    whole = json.dumps(WHOLE).encode()
    cases = [
        *((coding, pack(bomb), 413) for coding, pack in PACKS.items()),
        ("gzip, gzip", gzip.compress(gzip.compress(bomb)), 413),
        *((coding, pack(whole)[:-3], 400) for coding, pack in PACKS.items()),
        *((coding, b"no such thing", 400) for coding in PACKS),
        ("gzip", whole, 400),
        ("br", whole, 415),
        ("gzip, br", whole, 415),
    ]
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            for coding, body, status in cases:
                async with Connection(proxy.url) as client:
                    got = await client.request("POST", "/chat", body, headers={"Content-Encoding": coding})
                assert (got.status, bool(got.json()["error"]["message"])) == (status, True), coding
                assert got.headers.get("accept-encoding", "") == (
                    "gzip, deflate, zstd" if status == 415 else ""
                )
        assert [line["status"] for line in lines] == [status for *_, status in cases]
        assert peer.connections == 0


async def test_the_limit_is_that_of_what_was_packed(tmp_path: Path) -> None:
    """LLM_PROXY_API_MAX_BODY_SIZE bounds both."""
    text = Random(0).randbytes(3000).hex()
    body = json.dumps({**WHOLE, "messages": [{"role": "user", "content": text * 2}]}).encode()
    packed = gzip.compress(body)
    async with Peer(answer_json(COMPLETION)) as peer:
        for limit, status in ((len(body), 200), (len(body) - 1, 413)):
            assert len(packed) < limit
            async with gateway(tmp_path, peer.url, max_body_size=limit) as proxy:
                got = await proxy.request("POST", "/chat", packed, headers={"Content-Encoding": "gzip"})
            assert got.status == status


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd, br"])
async def test_passthrough_relays_what_it_does_not_read(coding: str, tmp_path: Path) -> None:
    """Bytes and coding reach the upstream as they are, understood or not; the JSON form has to be read."""
    body = b"\x1f\x8b not even that"
    form = {"provider": "peer", "path": "/x", "body": {"a": 1}}
    async with Peer(answer_json({})) as peer, gateway(tmp_path, peer.url) as proxy:
        headers = {"Content-Encoding": coding}
        raw = await proxy.request("POST", "/passthrough/peer/x", body, headers=headers)
        read = await proxy.request(
            "POST",
            "/passthrough",
            gzip.compress(json.dumps(form).encode()),
            headers={"Content-Encoding": "gzip"},
        )
        first, second = peer.requests

    assert (raw.status, first.body, first.header("Content-Encoding")) == (200, body, coding)
    assert (read.status, second.json(), second.header("Content-Encoding")) == (200, {"a": 1}, None)


async def test_an_upload_in_pieces(tmp_path: Path) -> None:
    """Chunked and compressed: what was declared on the way does not matter."""
    packed = zstd_compress(json.dumps(WHOLE).encode())
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as client,
    ):
        head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.writer.write(head.encode())
        for at in range(0, len(packed), 20):
            piece = packed[at : at + 20]
            client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await asyncio.sleep(0)
        client.writer.write(b"0\r\n\r\n")
        got = await client.rest(await client.head())

    assert got.status == 200


async def test_what_has_no_body_has_no_coding(tmp_path: Path) -> None:
    """A header that says how nothing is compressed is no reason to refuse a GET."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        got = await proxy.request("GET", "/tags", headers={"Content-Encoding": "br"})

    assert got.status == 200
