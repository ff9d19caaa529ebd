"""Functions as they were declared before tools, over the dialects that know tools alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.events import Chunk
from providers.anthropic.provider import AnthropicProvider
from providers.common.legacy_functions import with_tools
from providers.discovery import discover
from tests.support.native_kit import ask, body_of, decoded, row

F = {
    "name": "f",
    "description": "d",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
PROVIDERS = discover()
Json = dict[str, Any]


def request(**more: Any) -> Any:
    return ask(functions=[F], **more)


@pytest.mark.parametrize("api_type", ["anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("choice", [None, "auto", "none", {"name": "f"}], ids=str)
def test_as_tools(api_type: str, choice: Any) -> None:
    """What goes up is what tools would be, the choice too; nothing is dropped."""
    tools = {"tools": [{"type": "function", "function": F}]}
    chosen = {"type": "function", "function": choice} if isinstance(choice, dict) else choice
    given = {"function_call": choice} if choice else {}
    wanted = {"tool_choice": chosen} if chosen else {}
    deployment = row(api_type, "claude-opus-4-6")

    old = PROVIDERS[api_type].chat_call(request(**given), deployment)
    new = PROVIDERS[api_type].chat_call(ask(**tools, **wanted), deployment)

    assert body_of(old) == body_of(new)
    assert not any(name.startswith("function") for name in old.dropped)


def test_a_request_with_tools_stays() -> None:
    for given in (ask(), ask(functions=[]), ask(functions=[F], tools=[{"type": "function", "function": F}])):
        assert with_tools(given) is given


def test_what_is_no_function_is_said() -> None:
    with pytest.raises(InvalidRequest, match="function"):
        with_tools(ask(functions=[{"description": "no name"}]))


USE = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": "x"}}


def answer(*blocks: Json) -> Json:
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {"id": "m", "type": "message", "content": [*blocks], "stop_reason": "tool_use", "usage": usage}


def test_the_answer() -> None:
    """The first call in the form of old; one that came beside it is not lost."""
    body = json.dumps(answer(USE, {**USE, "id": "u"})).encode()
    choice = AnthropicProvider().chat_response(body, request()).data["choices"][0]

    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":"x"}'}
    assert [one["id"] for one in choice["message"]["tool_calls"]] == ["u"]
    assert choice["finish_reason"] == "function_call"
    one = AnthropicProvider().chat_response(json.dumps(answer(USE)).encode(), request()).data["choices"][0]
    assert "tool_calls" not in one["message"]


def test_the_answer_in_a_stream() -> None:
    pieces = ['{"a":', '"x"}']
    events: list[Json] = [
        {"type": "message_start", "message": answer()},
        {"type": "content_block_start", "index": 0, "content_block": {**USE, "input": {}}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            }
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    data = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    found = decoded(AnthropicProvider().stream_decoder(request(stream=True)), data)
    choices = [choice for event in found if isinstance(event, Chunk) for choice in event.data["choices"]]
    calls = [choice["delta"]["function_call"] for choice in choices if "function_call" in choice["delta"]]

    assert calls[0]["name"] == "f"
    assert "".join(call.get("arguments", "") for call in calls) == "".join(pieces)
    assert not any("tool_calls" in choice["delta"] for choice in choices)
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["function_call"]


@pytest.mark.parametrize("api_type", ["anthropic", "gemini"])
def test_a_system_text_alone_is_asked(api_type: str) -> None:
    """OpenAI answers to it, these want a user's turn."""
    alone = [{"role": "system", "content": "Say"}, {"role": "developer", "content": "hi"}]
    body = body_of(PROVIDERS[api_type].chat_call(ask(messages=alone), row(api_type, "m")))
    turns = body.get("messages") or body["contents"]

    assert [turn["role"] for turn in turns] == ["user"]
    assert "Say" in json.dumps(turns)
    assert "hi" in json.dumps(turns)
    assert not {"system", "systemInstruction"} & body.keys()
