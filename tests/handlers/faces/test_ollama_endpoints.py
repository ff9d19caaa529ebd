"""The Ollama face beside its answers: what is there, embeddings, what a gateway does not do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ollama import ResponseError

from tests.handlers.kit import gateway
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.ollama_client import client, over, post
from tests.support.peer import Peer
from tests.support.scripts import answer_json


async def test_what_is_there(tmp_path: Path) -> None:
    """List, show and ps in the client's own types; ``m`` and ``m:latest`` are one model."""
    async with over("openai", tmp_path, input_size=32768) as (proxy, _), client(proxy) as sdk:
        listed, shown = (await sdk.list()).models, await sdk.show("m:latest")
        running = await sdk.ps()
        with pytest.raises(ResponseError, match="model 'nobody' not found") as unknown:
            await sdk.show("nobody")
        raw = await request(proxy.origin, "GET", "/ollama/api/tags")

    assert [model.model for model in listed] == ["m"]
    assert listed[0].modified_at == shown.modified_at
    assert shown.capabilities == ["completion", "tools", "vision"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["openai.context_length"] == 32768
    assert running.models == []
    assert unknown.value.status_code == 404
    assert "127.0.0.1" not in raw.body.decode()


async def test_the_smallest_context_counts(tmp_path: Path) -> None:
    """Of several deployments any may be chosen."""
    rows = {
        name: {
            "defaults": {"api_type": "vllm", "api_host": "http://127.0.0.1:9/v1"},
            "m": {"input_size": size},
        }
        for name, size in (("a", 8192), ("b", 4096), ("c", None))
    }
    async with RunningGateway(tmp_path, rows) as proxy:
        got = await post(proxy, "/api/show", {"name": "m", "verbose": True})

    assert got.json()["model_info"]["vllm.context_length"] == 4096


async def test_vectors_come_in_the_order_of_the_texts(tmp_path: Path) -> None:
    """Whatever the order in which the upstream lists them."""
    data = [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]
    async with Peer(answer_json({"data": data})) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, "/api/embed", {"model": "m", "input": ["a", "b"]})

    assert got.json()["embeddings"] == [[1], [2]]
    assert "prompt_eval_count" not in got.json()


async def test_is_anybody_there(tmp_path: Path) -> None:
    """GET and HEAD of the base, with and without a slash, and the version."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        for path in ("/ollama", "/ollama/"):
            got = await request(proxy.origin, "GET", path)
            head = await request(proxy.origin, "HEAD", path)
            assert (got.status, got.body, head.status, head.body) == (200, b"Ollama is running", 200, b"")
            assert got.headers["content-type"].startswith("text/plain")
        version = await request(proxy.origin, "GET", "/ollama/api/version")

    assert re.fullmatch(r"\d+\.\d+\.\d+", version.json()["version"])


@pytest.mark.parametrize(
    ("kind", "model"), [("openai", "text-embedding-double"), ("ollama", "nomic-embed-text")]
)
async def test_embeddings(kind: str, model: str, tmp_path: Path) -> None:
    """One vector for each text, by the present call and the old one, whose vectors Ollama does not scale; no text, no
    vector, and no call where there is nothing to ask."""
    async with over(kind, tmp_path, model) as (proxy, double), client(proxy) as sdk:
        several = await sdk.embed("m", ["a", "b"], keep_alive="5m", truncate=False)
        one = await sdk.embed("m", "a")
        old = await sdk.embeddings("m", "a")
        calls = len(double.requests)
        nothing = [await sdk.embed("m", ""), await sdk.embeddings("m", "")]
        raw = await post(proxy, "/api/embed", {"model": "m", "input": "a", "keep_alive": 0})
        first = double.requests[0].json()

        assert len(double.requests) == calls + (3 if kind == "ollama" else 1)
    assert (several.embeddings, one.embeddings) == ([[0.6, 0.8]] * 2, [[0.6, 0.8]])
    assert (several.model, several.prompt_eval_count) == ("m", 2)
    assert old.embedding == ([6.0, 8.0] if kind == "ollama" else [0.6, 0.8])
    assert [nothing[0]["embeddings"], nothing[1]["embedding"]] == [[], []]
    assert (first.get("keep_alive"), first.get("truncate")) == (
        ("5m", False) if kind == "ollama" else (None, None)
    )
    assert raw.headers.get("x-dropped-params", "") == ("" if kind == "ollama" else "keep_alive")


ODD_VECTORS = [
    {"data": []},
    {"data": [{"index": 0, "embedding": "eA=="}]},
    {"data": [{"embedding": [1]}]},
    {"data": [1]},
]


@pytest.mark.parametrize("answer", ODD_VECTORS)
async def test_vectors_that_are_none(answer: Any, tmp_path: Path) -> None:
    """A 502, in this API's form."""
    async with Peer(answer_json(answer)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, "/api/embed", {"model": "m", "input": "a"})

    assert (got.status, list(got.json())) == (502, ["error"])


MANAGED = [
    ("POST", "pull"),
    ("POST", "push"),
    ("POST", "create"),
    ("POST", "copy"),
    ("DELETE", "delete"),
    ("POST", "blobs/sha256:00"),
]


@pytest.mark.parametrize(("method", "what"), MANAGED)
async def test_models_are_not_managed(method: str, what: str, tmp_path: Path) -> None:
    """A clear 501."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        got = await request(proxy.origin, method, f"/ollama/api/{what}", {"model": "m"})

    assert got.status == 501
    assert what in got.json()["error"]
