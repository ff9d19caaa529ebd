"""Embeddings of the Gemini API: what is asked, what comes back, and what cannot be."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient

from llm_proxy.errors import GatewayError, InvalidRequest, RateLimited, UpstreamError
from llm_proxy.wire.calls import Deployment, Secret
from llm_proxy.wire.schema import EmbeddingsRequest
from providers.gemini.provider import GeminiProvider
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.gemini_double import EMBEDDING, VECTOR, GeminiDouble
from tests.support.gemini_rules import Refused, check_embed
from tests.support.logs import expect_log
from tests.support.secrets import PROMPT, UPSTREAM_KEY, assert_no_secret

GEMINI = GeminiProvider()
ROW = Deployment("gemini", "e", "gemini", "https://g.example", "gemini-embedding-001", Secret("k"))


def asked(**fields: Any) -> EmbeddingsRequest:
    return EmbeddingsRequest.of({"model": "e", "input": "x", **fields})


def sent(**fields: Any) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The requests of the batch, and what was dropped."""
    call = GEMINI.embeddings_call(asked(**fields), ROW)
    assert call.body is not None
    body = json.loads(call.body)
    assert body.keys() == {"requests"}
    return body["requests"], call.dropped


def one(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, **more}


def test_the_call() -> None:
    """The batch method of the model, the key in a header."""
    call = GEMINI.embeddings_call(asked(), ROW)

    assert (call.method, call.url) == (
        "POST",
        "https://g.example/v1beta/models/gemini-embedding-001:batchEmbedContents",
    )
    assert ("x-goog-api-key", "k") in call.headers


FIELDS: list[tuple[dict[str, Any], list[dict[str, Any]], tuple[str, ...]]] = [
    ({}, [one("x")], ()),
    ({"input": ["a", "b"]}, [one("a"), one("b")], ()),
    ({"dimensions": 256}, [one("x", outputDimensionality=256)], ()),
    ({"dimensions": None, "outputDimensionality": 3}, [one("x", outputDimensionality=3)], ()),
    ({"dimensions": 2, "outputDimensionality": 3}, [one("x", outputDimensionality=2)], ()),
    ({"task_type": "CLUSTERING", "encoding_format": "base64"}, [one("x", taskType="CLUSTERING")], ()),
    (
        {"taskType": "RETRIEVAL_DOCUMENT", "title": "t"},
        [one("x", taskType="RETRIEVAL_DOCUMENT", title="t")],
        (),
    ),
    ({"user": "u", "api_key": "k", "truncate": True}, [one("x")], ("api_key", "truncate")),
]


@pytest.mark.parametrize(("fields", "requests", "dropped"), FIELDS)
def test_fields(fields: dict[str, Any], requests: list[dict[str, Any]], dropped: tuple[str, ...]) -> None:
    """OpenAI's fields and the API's own; what it has no word for is named, not sent."""
    assert sent(**fields) == (requests, dropped)


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2]], ["a", 1]])
def test_tokens(tokens: Any) -> None:
    """Only texts can be asked for."""
    with pytest.raises(InvalidRequest, match="tokens"):
        sent(input=tokens)


VECTORS = {"embeddings": [{"values": [0.5, -1]}, {"values": [0.25, 2], "shape": [2]}]}


def read(body: Any, **fields: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(GEMINI.embeddings_response(raw, asked(input=["a", "b"], **fields)))


def test_vectors() -> None:
    """OpenAI's form, as numbers or as the packed floats that its clients ask for; tokens where they were counted."""
    found = read({**VECTORS, "usageMetadata": {"promptTokenCount": 4}})

    assert found == {
        "object": "list",
        "model": "e",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
            {"object": "embedding", "index": 1, "embedding": [0.25, 2]},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    packed = read(VECTORS, encoding_format="base64")
    assert struct.unpack("<2f", base64.b64decode(packed["data"][1]["embedding"])) == (0.25, 2.0)
    assert packed["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


NONE = [
    *(b"", b"[]", {}, {"embeddings": {}}, {"embeddings": [1, 2]}, {"embeddings": [{}, {}]}),
    {"embeddings": [{"values": ["x"]}, {"values": [1]}]},
    {"embeddings": [{"values": [1]}]},
    {"error": {"code": 500, "message": "x"}},
]


@pytest.mark.parametrize("body", NONE)
def test_what_is_no_answer(body: Any) -> None:
    """An error of the upstream; so is another number of vectors than of texts."""
    with pytest.raises(UpstreamError):
        read(body, encoding_format="base64")


def test_an_error_in_a_200() -> None:
    """Keeps its meaning."""
    with pytest.raises(RateLimited):
        read({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "later"}})


async def ask(folder: Path, model: str, **fields: Any) -> tuple[Answer, GeminiDouble]:
    async with GeminiDouble(UPSTREAM_KEY) as double:
        rows = {
            "gemini": {"defaults": {"api_host": double.url, "api_token": UPSTREAM_KEY}, "e": {"model": model}}
        }
        async with RunningGateway(folder, rows) as proxy:
            body = {"model": "e", "input": [PROMPT, "b"], **fields}
            return await request(proxy.origin, "POST", "/v1/embeddings", body), double


@pytest.mark.parametrize("model", [EMBEDDING, "models/" + EMBEDDING])
async def test_through_the_gateway(model: str, tmp_path: Path) -> None:
    """A strict double takes the request; the client sees who answered and what was lost, which a hint is not."""
    got, double = await ask(tmp_path, model, dimensions=1, user="u", truncate="END")

    assert [item["embedding"] for item in got.json()["data"]] == [VECTOR[:1]] * 2
    assert (got.headers["x-llm-provider"], got.headers["x-llm-model"]) == ("gemini", model)
    assert got.headers["x-dropped-params"] == "truncate"
    assert len(double.requests) == 1


async def test_from_ollamas_face(tmp_path: Path) -> None:
    """Ollama's own client gets them as well, by the present call and the old one."""
    async with GeminiDouble() as double:
        rows = {"gemini": {"e": {"api_host": double.url, "model": EMBEDDING}}}
        async with RunningGateway(tmp_path, rows) as proxy, AsyncClient(host=proxy.origin + "/ollama") as sdk:
            several = await sdk.embed("e", ["a", "b"], dimensions=1)
            one = await sdk.embeddings("e", "a")

    assert (several.embeddings, one.embedding) == ([VECTOR[:1]] * 2, VECTOR)


ERRORS = [
    ("error-400", 400, "invalid_request"),
    ("error-404", 404, "model_not_found"),
    ("gemini-3-double", 404, "model_not_found"),
    ("error-429", 429, "rate_limit"),
    ("error-500", 502, "upstream_error"),
]


@pytest.mark.parametrize(("model", "status", "code"), ERRORS)
async def test_errors(model: str, status: int, code: str, tmp_path: Path) -> None:
    """Those of the API, as for chats."""
    got, _ = await ask(tmp_path, model)

    assert (got.status, got.json()["error"]["code"]) == (status, code)


async def test_a_rejected_key(tmp_path: Path) -> None:
    """Is the operator's, and stays here."""
    async with GeminiDouble("another") as double:
        rows = {"gemini": {"e": {"api_host": double.url, "api_token": UPSTREAM_KEY, "model": EMBEDDING}}}
        async with RunningGateway(tmp_path, rows) as proxy:
            with expect_log("handlers.base.handler", "an upstream rejects our key"):
                got = await request(proxy.origin, "POST", "/v1/embeddings", {"model": "e", "input": "x"})

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_auth")
    assert_no_secret(got.body)


STRICT: list[tuple[Any, str]] = [
    ({}, "empty"),
    ({"requests": [one("x")] * 101}, "at most 100"),
    ({"requests": [{**one("x"), "model": "models/other"}]}, "model of the batch"),
    ({"requests": [{**one("x"), "content": {"parts": []}}]}, "content is not set"),
    ({"requests": [one("x", title="t")]}, "RETRIEVAL_DOCUMENT"),
    ({"requests": [one("x", dimensions=2)]}, "Unknown name"),
    ({"requests": [one("x", outputDimensionality=0)]}, "range"),
    ({"requests": [one("x", taskType="GUESSING")]}, "TYPE_ENUM"),
]


@pytest.mark.parametrize(("body", "words"), STRICT)
def test_the_double_is_strict(body: Any, words: str) -> None:
    """So that what it lets pass means something."""
    check_embed({"requests": [one("x", taskType="CLUSTERING")]}, "gemini-embedding-001")
    with pytest.raises(Refused, match=words):
        check_embed(body, "gemini-embedding-001")


def test_errors_are_of_one_tree() -> None:
    """Nothing else than a gateway's error leaves the reading of an answer, whatever it is."""
    for raw in (
        b"null",
        b"{",
        b"\xff",
        b'{"embeddings": [{"values": [1e999]}]}',
        b'{"usageMetadata": 1, "embeddings": []}',
    ):
        with pytest.raises(GatewayError):
            read(raw)
