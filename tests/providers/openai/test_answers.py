"""Whole answers and vectors of servers of OpenAI's dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.schema import EmbeddingsRequest
from providers.discovery import discover
from tests.support.native_kit import ask, body_of, row
from tests.support.secrets import UPSTREAM_KEY

OPENAI = discover()["openai"]

NO_ANSWERS = [
    b'{"choices": null}',
    b'{"choices": {}}',
    b'{"choices": [1]}',
    b'{"choices": [{"message": "x"}]}',
    b'{"choices": [], "usage": 3}',
    b'{"choices": [], "x": NaN}',
    b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    b'{"choices": []',
    b"[" * 100_000,
    b"1" * 5000,
]


@pytest.mark.parametrize("body", NO_ANSWERS)
def test_a_whole_answer_must_be_one(body: bytes) -> None:
    """Sound JSON, in the frame of a completion: what others read later holds."""
    with pytest.raises(UpstreamError) as caught:
        OPENAI.chat_response(body, ask())

    assert (caught.value.status, caught.value.phase, caught.value.kind) == (502, "body", "content_type")


def test_a_whole_answer_is_kept_as_it_came() -> None:
    """Bytes and all."""
    body = b' {"choices" : [{"index":0,"message":{"content":"\\u00e9"},"vendor":1.50}],"usage":null}\n'
    found = OPENAI.chat_response(body, ask())

    assert found.raw == body
    assert found.data["choices"][0] == {"index": 0, "message": {"content": "é"}, "vendor": 1.5}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("no", "upstream_error"),
        ({"message": "x", "code": 429}, "rate_limit"),
        ({"code": 401}, "upstream_auth"),
    ],
)
def test_an_error_with_status_200(error: Any, code: str) -> None:
    """It is an error, also beside choices."""
    for more in (b"", b', "choices": []'):
        with pytest.raises(GatewayError) as caught:
            OPENAI.chat_response(b'{"error": %s%s}' % (json.dumps(error).encode(), more), ask())
        assert (caught.value.code, caught.value.phase) == (code, "body")


def embeddings(**fields: Any) -> EmbeddingsRequest:
    return EmbeddingsRequest.of({"model": "public", "input": ["a"], **fields})


def test_embeddings() -> None:
    """As sent, with the model's name upstream; sampling options are not for them."""
    call = OPENAI.embeddings_call(
        embeddings(dimensions=3, new=1, api_key="x"),
        row("openai", "up", options={"top_k": 5, "temperature": 1}),
    )

    assert (call.method, call.url, call.stream) == ("POST", "https://upstream.test/embeddings", False)
    assert dict(call.headers) == {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {UPSTREAM_KEY}",
    }
    assert body_of(call) == {"model": "up", "input": ["a"], "dimensions": 3, "new": 1}
    assert call.dropped == ("api_key",)
    body = b'{"data": [{"embedding": [1e-3]}]}'
    assert OPENAI.embeddings_response(body, embeddings()) is body


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": {}}', b'{"data": [], "error": "x"}', b"<html>"]
)
def test_embeddings_that_are_none(body: bytes) -> None:
    """An error of the upstream."""
    with pytest.raises(UpstreamError) as caught:
        OPENAI.embeddings_response(body, embeddings())

    assert caught.value.status == 502
