"""Ollama's whole answers, errors and vectors as OpenAI's."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, ModelNotFound, UpstreamError
from llm_proxy.wire.schema import EmbeddingsRequest
from providers.base import Done, Failed
from tests.support import recordings
from tests.support.native_kit import spoilt, whole
from tests.support.ollama_kit import CALL, END, OLLAMA, decode, line


def test_tool_calls_of_a_whole_answer() -> None:
    """The same without numbers; nothing said is null."""
    choice = whole(OLLAMA, line(done=True, message={"tool_calls": [CALL]}, **END))["choices"][0]
    (call,) = choice["message"]["tool_calls"]

    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert (call.keys(), call["function"]["arguments"]) == ({"id", "type", "function"}, '{"a":"é"}')
    assert call["id"].startswith("call_")


FULL = line(
    done=True,
    message={"thinking": "t", "content": "c", "tool_calls": [{"id": "i", **CALL}]},
    logprobs=[{"token": "c"}],
    **END,
)


def test_whatever_shape_an_answer_has() -> None:
    """With any part of it replaced it is an answer or an error of the upstream, in both forms, and never anything else."""
    for value in spoilt(FULL):
        assert isinstance(decode(value)[-1], Done | Failed)
        try:
            answer = whole(OLLAMA, value)
        except GatewayError as error:
            assert error.status in (429, 502)
        else:
            assert answer["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    "value",
    [{}, {"message": {}}, line(), {"done": True}, "x", {"model": "up", "response": "x", "done": True}],
)
def test_a_whole_answer_must_be_finished(value: Any) -> None:
    """Half an answer, another endpoint's, or none is an error of the upstream."""
    with pytest.raises(UpstreamError) as caught:
        whole(OLLAMA, value)

    assert (caught.value.status, caught.value.kind) == (502, "content_type")


@pytest.mark.parametrize(
    ("status", "body", "kept", "code", "message"),
    [
        (404, b'{"error":"model \'x\' not found"}', 404, ModelNotFound.code, "model 'x' not found"),
        (404, b"404 page not found", 404, "upstream_error", "404 page not found"),
        (
            400,
            b'{"error":"\\"x\\" does not support tools"}',
            400,
            "upstream_error",
            '"x" does not support tools',
        ),
        (403, b"", 403, "upstream_error", "the upstream refused the request (status 403)"),
        (405, b"405 method not allowed", 405, "upstream_error", "405 method not allowed"),
        (500, b"", 502, "upstream_error", "the upstream failed (status 500)"),
        (503, b'{"error":"server busy"}', 503, "upstream_error", "server busy"),
    ],
)
def test_errors(status: int, body: bytes, kept: int, code: str, message: str) -> None:
    """Its own 404 is about the model; the router's is about the address. An empty 403 is its check of the Host."""
    error = OLLAMA.error(status, {}, body)

    assert (error.status, error.code, error.message) == (kept, code, message)


def embed(body: Any, **fields: Any) -> Any:
    request = EmbeddingsRequest.of({"model": "public", "input": ["a", "b"], **fields})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(OLLAMA.embeddings_response(raw, request))


VECTORS = {"model": "up", "embeddings": [[0.5, -1], [0.25, 2]], "prompt_eval_count": 4}


def test_embeddings() -> None:
    """OpenAI's form, with the name that was asked for, as numbers or as the packed floats that its clients ask for."""
    found = embed(VECTORS)

    assert found == {
        "object": "list",
        "model": "public",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
            {"object": "embedding", "index": 1, "embedding": [0.25, 2]},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    packed = embed(VECTORS, encoding_format="base64")["data"][1]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (0.25, 2.0)
    assert len(embed(recordings.recording("ollama/embed.json"))["data"]) >= 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", {}, {"embeddings": {}}, {"embeddings": [1]}, {"embeddings": [["x"]]}, {"error": "x"}]
)
def test_embeddings_that_are_none(body: Any) -> None:
    """An error of the upstream."""
    with pytest.raises(UpstreamError):
        embed(body, encoding_format="base64")
