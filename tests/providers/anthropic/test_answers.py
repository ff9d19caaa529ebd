"""What an Anthropic answer becomes, streamed and whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.anthropic.provider import AnthropicProvider
from tests.support import recordings as rec
from tests.support.native_kit import USER, Seen, ask, body_of, decoded, row, said, seen, whole

PROVIDER = AnthropicProvider()
THOUGHT = {
    "index": 0,
    "type": "thinking",
    "thinking": "Two cities, two calls.",
    "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h==",
}
CALLS = [
    {
        "id": "toolu_01A",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Kraków"}'},
    },
    {"id": "toolu_01B", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
]


def streamed(name: str) -> Seen:
    return joined(rec.recording(f"anthropic/{name}.sse"))


def joined(data: bytes) -> Seen:
    return seen(decoded(PROVIDER.stream_decoder(ask(stream=True)), [data]))


def recorded(name: str) -> Any:
    return json.loads(rec.recording(f"anthropic/{name}.json"))


def test_a_text() -> None:
    """Text, name, finish reason; the prompt is what was read, what was cached and what came from the cache."""
    chunks = decoded(PROVIDER.stream_decoder(ask()), [rec.recording("anthropic/text-stream.sse")])
    result = seen(chunks)

    assert chunks[0].data["id"] == "msg_01Text"  # type: ignore[union-attr]
    assert chunks[0].data["model"] == "claude-sonnet-4-5-20250929"  # type: ignore[union-attr]
    assert result.message == {"role": "assistant", "content": "Hello, zażółć 漢字 😀!"}
    assert result.finish == {0: "stop"}
    assert result.usage == {
        "prompt_tokens": 2160,
        "completion_tokens": 15,
        "total_tokens": 2175,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 2048,
        "prompt_tokens_details": {"cached_tokens": 2048},
    }


def test_thinking_and_parallel_calls() -> None:
    """Thinking is shown and kept with its signature; arguments are pieces of JSON, "{}" where there were none."""
    result = streamed("tools-stream")

    assert result.message["content"] == "Let me look."
    assert result.message["reasoning_content"] == "Two cities, two calls."
    assert result.message["thinking_blocks"] == [THOUGHT]
    assert result.message["tool_calls"] == [{"index": at, **call} for at, call in enumerate(CALLS)]
    assert result.finish == {0: "tool_calls"}
    assert result.usage is not None
    assert result.usage["completion_tokens_details"] == {"reasoning_tokens": 20}


def test_a_block_is_given_out_when_it_is_complete() -> None:
    """Signed thinking comes before the text that follows it, and is not kept back until the end."""
    chunks = decoded(PROVIDER.stream_decoder(ask()), [rec.recording("anthropic/tools-stream.sse")])

    order = [name for chunk in chunks[:-2] for choice in chunk.data["choices"] for name in choice["delta"]]  # type: ignore[union-attr]
    named = list(dict.fromkeys(order[2:]))
    assert named == ["reasoning_content", "thinking_blocks", "content", "tool_calls"]


def test_thinking_that_is_not_shown() -> None:
    """Redacted thinking and thinking without text have no reasoning to show, but both are kept, in order."""
    result = streamed("redacted-length-stream")

    assert result.message == {
        "role": "assistant",
        "content": "One, two",
        "thinking_blocks": [
            {"index": 0, "type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"},
            {"index": 1, "type": "thinking", "thinking": "", "signature": "Erc0"},
        ],
    }
    assert result.finish == {0: "length"}


def test_tools_that_ran_on_the_vendors_side() -> None:
    """They are no calls for the client; unknown events are passed over; citations and the stop sequence are told."""
    result = streamed("server-tools-stream")
    (annotation,) = result.message.pop("annotations")
    results = result.message.pop("search_results")

    assert result.message == {"role": "assistant", "content": "It is sunny."}
    place = {"start_index": 0, "end_index": len("It is sunny.")}
    assert annotation["url_citation"] == {
        **place,
        "url": annotation["url_citation"]["url"],
        "title": "Weather",
    }
    assert results[0]["url"] == annotation["url_citation"]["url"]
    assert result.finish == {0: "stop"}
    assert result.extra == {0: {"stop_reason": "END"}}


@pytest.mark.parametrize("name", ["text", "tools"])
def test_whole_and_streamed_answers_say_the_same(name: str) -> None:
    """Message, finish reason and usage do not depend on whether the answer was streamed."""
    stream = streamed(f"{name}-stream")
    completion = whole(PROVIDER, recorded(name))
    (choice,) = completion["choices"]
    calls = stream.message.get("tool_calls", [])
    for call in calls:
        del call["index"]
        call["function"]["arguments"] = json.dumps(
            json.loads(call["function"]["arguments"]), ensure_ascii=False, separators=(",", ":")
        )

    assert completion["object"] == "chat.completion"
    assert completion["created"] > 1_700_000_000
    assert (completion["id"], completion["model"]) == (recorded(name)["id"], recorded(name)["model"])
    assert choice["message"] == stream.message
    assert choice["finish_reason"] == stream.finish[0]
    assert completion["usage"] == stream.usage


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("invented_later", "length"),
        (None, "stop"),
    ],
)
def test_finish_reasons(reason: str | None, expected: str) -> None:
    """Each stop reason has its finish reason, streamed and whole."""
    stream = rec.recording("anthropic/text-stream.sse").replace(b'"end_turn"', json.dumps(reason).encode())

    assert joined(stream).finish == {0: expected}
    assert (
        whole(PROVIDER, {**recorded("text"), "stop_reason": reason})["choices"][0]["finish_reason"]
        == expected
    )


@pytest.mark.parametrize("how", ["streamed", "whole"])
def test_a_tool_loop_keeps_thinking_unchanged(how: str) -> None:
    """What came with an answer goes back with the results of its calls: the very blocks, in their order."""
    completion = whole(PROVIDER, recorded("tools"))
    message = streamed("tools-stream").message if how == "streamed" else completion["choices"][0]["message"]
    history = [USER, message, said("sunny", "toolu_01A"), said("noon", "toolu_01B")]

    found = body_of(PROVIDER.chat_call(ask(messages=history), row("anthropic", "claude-opus-4-6")))

    assert found["messages"][1]["content"] == recorded("tools")["content"]
    assert [block["tool_use_id"] for block in found["messages"][2]["content"]] == ["toolu_01A", "toolu_01B"]
