"""OpenAI's own paths, asked by the official client."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.handlers.kit import COMPLETION, EVENTS, MESSAGES, gateway
from tests.support.gateway import RunningGateway
from tests.support.ollama_double import OllamaDouble
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY

VECTOR = [0.5, -0.25, 1.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
EMBEDDINGS = {
    "object": "list",
    "model": "up",
    "data": [{"object": "embedding", "index": 0, "embedding": PACKED}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


def client(base: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=base, api_key=CLIENT_KEY, max_retries=0)


@pytest.mark.parametrize("below_the_prefix", [False, True])
async def test_stream_defaults_to_false_here(below_the_prefix: bool, tmp_path: Path) -> None:
    """That API's default, outside the prefix and below it."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        base = (proxy.url if below_the_prefix else proxy.origin) + "/v1"
        async with client(base) as sdk:
            messages: Any = MESSAGES
            got = await sdk.chat.completions.create(model="m", messages=messages)

    assert got.choices[0].message.content == "one two"
    assert not peer.requests[0].json()["stream"]


async def test_the_bare_path_below_the_prefix(tmp_path: Path) -> None:
    """``<prefix>/chat/completions`` too."""
    async with (
        Peer(stream(*sse(*EVENTS))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        client(proxy.url) as sdk,
    ):
        messages: Any = MESSAGES
        chunks = [
            c async for c in await sdk.chat.completions.create(model="m", messages=messages, stream=True)
        ]

    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "one two"


async def test_models(tmp_path: Path) -> None:
    """The list, one model, and the 404."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy, client(proxy.origin + "/v1") as sdk:
        names = [model.id async for model in sdk.models.list()]
        one = await sdk.models.retrieve("m")
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("none")

    assert (names, one.id, one.owned_by) == (["m"], "m", "peer")


async def test_embeddings_of_the_same_dialect_are_untouched(tmp_path: Path) -> None:
    """The client asks for base64 by default; the upstream's answer passes."""
    async with Peer(answer_json(EMBEDDINGS)) as peer, gateway(tmp_path, peer.url) as proxy:
        async with client(proxy.origin + "/v1") as sdk:
            got = await sdk.embeddings.create(model="m", input="x", extra_body={"vendor": 1})
        sent = peer.requests[0].json()

    assert got.data[0].embedding == VECTOR
    assert sent == {"model": "up", "input": "x", "encoding_format": "base64", "vendor": 1}


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_embeddings_from_ollama(encoding: Any, tmp_path: Path) -> None:
    """Translated to /api/embed and back, in the encoding that was asked for."""
    async with OllamaDouble() as double:
        rows = {"ollama": {"defaults": {"api_host": double.url}, "e": {"model": "nomic-embed-text"}}}
        async with RunningGateway(tmp_path, rows) as proxy, client(proxy.origin + "/v1") as sdk:
            got = await sdk.embeddings.create(model="e", input=["a", "b"], encoding_format=encoding)

    assert [item.index for item in got.data] == [0, 1]
    assert all(len(item.embedding) > 1 for item in got.data)


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "m"}, 400, "input"),
    ({"model": "m", "input": []}, 400, "input"),
    ({"model": "m", "input": {}}, 400, "input"),
    ({"input": "x"}, 400, "model"),
    ({"model": "mm", "input": "x"}, 404, "model"),
    ({"model": "m", "input": "x", "encoding_format": "hex"}, 400, "encoding_format"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD)
async def test_bad_embeddings(body: dict[str, Any], status: int, param: str, tmp_path: Path) -> None:
    """The usual error."""
    async with Peer(answer_json(EMBEDDINGS)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/v1/embeddings", body)

        assert not peer.requests
    assert (got.status, got.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("answer", [{"error": {"message": "no"}}, {"object": "list"}, []])
async def test_no_embeddings_in_a_200(answer: Any, tmp_path: Path) -> None:
    """502, not an empty answer."""
    async with Peer(answer_json(answer)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/v1/embeddings", {"model": "m", "input": "x"})

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_error")
