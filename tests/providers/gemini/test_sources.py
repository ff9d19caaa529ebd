"""Where Gemini's answers have their facts from, as annotations of a chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.gemini.provider import GeminiProvider
from tests.support.native_kit import ask, decoded, seen, whole

PROVIDER = GeminiProvider()
WEB = {"web": {"uri": "http://a", "title": "A"}}
MAP = {"maps": {"uri": "http://m", "title": "M"}}
OWN = {"retrievedContext": {"uri": "http://r", "title": "R"}}


def candidate(text: str, **fields: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}, **fields}


def support(start: int, end: int, *chunks: Any) -> dict[str, Any]:
    return {"segment": {"startIndex": start, "endIndex": end}, "groundingChunkIndices": list(chunks)}


def grounded(*chunks: Any, supports: Any = (), **more: Any) -> dict[str, Any]:
    return {
        "groundingMetadata": {"groundingChunks": list(chunks), "groundingSupports": list(supports)},
        **more,
    }


CASES: dict[str, tuple[str, dict[str, Any], list[tuple[str, str, int, int]]]] = {
    "a page": ("Rain.", grounded(WEB), [("http://a", "A", 0, 5)]),
    "its place": ("Rain. Sun.", grounded(WEB, supports=[support(0, 5, 0)]), [("http://a", "A", 0, 5)]),
    "two places, two pages": (
        "Rain. Sun.",
        grounded(WEB, MAP, OWN, supports=[support(0, 5, 0, 1), support(6, 10, 0)]),
        [
            ("http://a", "A", 0, 5),
            ("http://m", "M", 0, 5),
            ("http://a", "A", 6, 10),
            ("http://r", "R", 0, 10),
        ],
    ),
    "bytes are not characters": (
        "żółć ok",
        grounded(WEB, supports=[support(9, 11, 0)]),
        [("http://a", "A", 5, 7)],
    ),
    "out of range": (
        "Hi",
        grounded(WEB, supports=[support(0, 99, 7, -1, "x", 0)]),
        [("http://a", "A", 0, 2)],
    ),
    "no address": ("Hi", grounded({"web": {"title": "x"}}, {}), []),
    "quoted": (
        "Hi you",
        {"citationMetadata": {"citationSources": [{"startIndex": 3, "endIndex": 6, "uri": "http://q"}]}},
        [("http://q", "", 3, 6)],
    ),
    "read pages": (
        "Hi",
        {
            "urlContextMetadata": {
                "urlMetadata": [
                    {"retrievedUrl": "http://u", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"},
                    {"retrievedUrl": "http://v", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR"},
                ]
            }
        },
        [("http://u", "", 0, 2)],
    ),
}


def told(message: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = [annotation["url_citation"] for annotation in message.get("annotations", [])]
    return [(one["url"], one["title"], one["start_index"], one["end_index"]) for one in found]


@pytest.mark.parametrize("name", CASES)
def test_sources(name: str) -> None:
    """Whole; and streamed, where a text comes in pieces and the sources with each: every source once, in its place."""
    text, fields, known = CASES[name]
    stream = [
        {"candidates": [candidate(text[:2], **fields)]},
        {"candidates": [candidate(text[2:], finishReason="STOP", **fields)]},
    ]
    data = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in stream)
    streamed = seen(decoded(PROVIDER.stream_decoder(ask(stream=True)), [data]))
    answer = whole(PROVIDER, {"candidates": [candidate(text, finishReason="STOP", **fields)]})

    assert told(answer["choices"][0]["message"]) == known
    assert told(streamed.message) == known
    assert streamed.message["content"] == text


def test_many_places_cost_what_they_are_many() -> None:
    """Places in a long text that is not ASCII are counted on from one to the next."""
    text = "ż" * 50_000
    supports = [support(at * 2, at * 2 + 2, 0) for at in range(0, 50_000, 10)]
    answer = whole(
        PROVIDER, {"candidates": [candidate(text, finishReason="STOP", **grounded(WEB, supports=supports))]}
    )

    assert told(answer["choices"][0]["message"])[1] == ("http://a", "A", 10, 11)


def test_calls_as_other_gateways_write_them() -> None:
    """A number as an id, arguments that are a text already, counts with a point."""
    parts = [{"functionCall": {"id": 7, "name": "f", "args": '{"x": 1}'}}]
    usage = {"promptTokenCount": 3.0, "candidatesTokenCount": 2.0}
    value = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    answer = whole(PROVIDER, value)
    (call,) = answer["choices"][0]["message"]["tool_calls"]

    assert (call["id"], json.loads(call["function"]["arguments"])) == ("7", {"x": 1})
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
