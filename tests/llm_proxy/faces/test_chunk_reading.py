"""Answers of upstreams that are not quite what they should be, written by the faces of other dialects."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.face import Face
from llm_proxy.faces.ollama.face import OllamaFace
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.wire.events import ChatResponse, Chunk
from llm_proxy.wire.schema import validated
from providers.openai.stream import sound
from tests.support.native_kit import spoilt

FACES: dict[str, Callable[[], Face]] = {
    "anthropic": lambda: AnthropicFace("m"),
    "ollama": lambda: OllamaFace("m", "chat", 0, itertools.count().__next__),
    "responses": lambda: ResponsesFace(validated(ResponsesRequest, {"model": "m", "input": "x"}), 1),
    "completions": lambda: CompletionsFace("m", 1, include_usage=True),
}
#: Those that have calls.
EACH = pytest.mark.parametrize("name", ["anthropic", "ollama", "responses"])
SAID: dict[str, Any] = {
    "role": "assistant",
    "content": "a",
    "refusal": "b",
    "reasoning_content": "r",
    "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s", "index": 0}],
    "tool_calls": [
        {
            "index": 0,
            "id": "a",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "x"}},
        }
    ],
}
USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
    "cache_creation_input_tokens": 1,
}

TOKEN: dict[str, Any] = {"token": "a", "logprob": -1.0, "bytes": [97]}
LOGPROBS = {"content": [{**TOKEN, "top_logprobs": [TOKEN]}]}


def answer(key: str) -> dict[str, Any]:
    choice = {"index": 0, key: SAID, "finish_reason": "stop", "stop_reason": "x", "logprobs": LOGPROBS}
    return {"id": "x", "choices": [choice], "usage": USAGE}


def write(face: Face, key: str, data: dict[str, Any]) -> bytes:
    if key == "message":
        return face.whole(ChatResponse(data))
    return face.event(Chunk(data)) + face.end()


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("key", ["delta", "message"])
def test_any_part_may_be_anything(name: str, key: str) -> None:
    """Each part in turn replaced by something else that its decoder lets through: it is written, or the upstream is named
    as at fault; it is never a fault of the gateway."""
    refused = 0
    for data in spoilt(answer(key)):
        if isinstance(data, dict) and isinstance(data.get("choices"), list) and sound(data, key):
            try:
                write(FACES[name](), key, data)
            except UpstreamError as error:
                assert error.status == 502
                refused += 1

    assert refused


def calls(name: str, *deltas: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Ids and arguments of the calls that a client has after pieces."""
    face = FACES[name]()
    chunks = [Chunk({"choices": [{"index": 0, "delta": {"tool_calls": pieces}}]}) for pieces in deltas]
    written = b"".join(map(face.event, chunks)) + face.end()
    if name == "ollama":
        said = [json.loads(line)["message"] for line in written.splitlines()]
        found = [call for part in said for call in part.get("tool_calls", [])]
        return [(call["id"], call["function"]["arguments"]) for call in found]
    events = [json.loads(block.split("data: ")[1]) for block in written.decode().split("\n\n") if block]
    if name == "responses":
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        return [(item["call_id"], json.loads(item["arguments"])) for item in done]
    ids = [event["content_block"]["id"] for event in events if event["type"] == "content_block_start"]
    texts = [""] * len(ids)
    for event in events:
        if event["type"] == "content_block_delta":
            texts[event["index"]] += event["delta"]["partial_json"]
    return [(i, json.loads(text)) for i, text in zip(ids, texts, strict=True)]


def piece(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": "f" if more.get("id") else None, "arguments": arguments}, **more}


@EACH
def test_calls_without_an_index(name: str) -> None:
    """Google's endpoint of OpenAI's dialect leaves it out: another id is another call, none goes on with the latest."""
    found = calls(
        name,
        [piece('{"a"', id="one")],
        [piece(":1}")],
        [piece('{"b":', id="two")],
        [piece("2}", id="two")],
    )
    together = calls(name, [piece('{"a":1}', id="one"), piece('{"b":2}', id="two")])

    assert found == together == [("one", {"a": 1}), ("two", {"b": 2})]


@EACH
def test_calls_that_overtake_each_other(name: str) -> None:
    """Pieces of two calls in turn are two calls; ids may come on each piece."""
    found = calls(
        name,
        [piece('{"a"', id="one", index=0)],
        [piece('{"b":', id="two", index=1)],
        [piece(":1}", id="one", index=0)],
        [piece("2}", index=1)],
    )

    assert found == [("one", {"a": 1}), ("two", {"b": 2})]


@EACH
def test_whole_calls_with_one_number(name: str) -> None:
    """In a whole message the place counts: some servers number each call 0."""
    message = {"tool_calls": [piece("{}", id="one", index=0), piece("{}", id="two", index=0)]}
    written = json.loads(FACES[name]().whole(ChatResponse({"choices": [{"message": message}]})))
    ids = {
        "anthropic": lambda: [block["id"] for block in written["content"]],
        "ollama": lambda: [call["id"] for call in written["message"]["tool_calls"]],
        "responses": lambda: [item["call_id"] for item in written["output"]],
    }

    assert ids[name]() == ["one", "two"]
