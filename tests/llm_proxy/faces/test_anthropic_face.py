"""The writer of Anthropic's events: no sequence of chunks makes it emit an illegal one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.wire.events import ChatResponse, Chunk
from tests.support.fuzz import fuzz

TEXT = st.text(max_size=5)
CALL = st.fixed_dictionaries(
    {"index": st.integers(0, 3)},
    optional={
        "id": TEXT,
        "function": st.fixed_dictionaries({}, optional={"name": TEXT, "arguments": TEXT}),
        "extra_content": st.sampled_from([{}, {"google": {"thought_signature": "s"}}, {"google": 1}]),
    },
)
THOUGHT = st.sampled_from(
    [
        {"type": "thinking", "thinking": "x", "signature": "s", "index": 0},
        {"type": "redacted_thinking", "data": "d"},
    ]
)
DETAIL = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning.text", "reasoning.encrypted", "novel"])},
    optional={"text": TEXT, "data": TEXT, "signature": TEXT, "index": st.integers(0, 1)},
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT | st.none(),
        "refusal": TEXT | st.none(),
        "reasoning_content": TEXT,
        "thinking_blocks": st.lists(THOUGHT, max_size=2),
        "reasoning_details": st.lists(DETAIL, max_size=2),
        "annotations": st.lists(
            st.sampled_from([{"type": "url_citation", "url_citation": {"url": "u"}}, {"type": "novel"}]),
            max_size=2,
        ),
        "tool_calls": st.lists(CALL, max_size=2),
    },
)
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT,
        "choices": st.lists(
            st.fixed_dictionaries(
                {"delta": DELTA},
                optional={"finish_reason": st.sampled_from([None, "stop", "tool_calls", "new"])},
            ),
            max_size=2,
        ),
        "usage": st.just({"prompt_tokens": 3, "completion_tokens": 2}),
    },
)


def parsed(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in data.decode().split("\n\n") if block]
    return [(head.removeprefix("event: "), json.loads(body.removeprefix("data: "))) for head, body in blocks]


def check(events: list[tuple[str, dict[str, Any]]], *, ended: bool) -> None:
    """The grammar: start, (block start, deltas of its kind, block stop)*, delta, stop."""
    names = [name for name, _ in events]
    assert all(name == value["type"] for name, value in events)
    assert names.count("message_start") == (1 if names else 0)
    assert not names or names[0] == "message_start"
    open_at, next_index = None, 0
    for name, value in events[1:]:
        if name == "content_block_start":
            assert (open_at, value["index"]) == (None, next_index)
            open_at, next_index = value["index"], next_index + 1
        elif name in ("content_block_delta", "content_block_stop"):
            assert open_at is not None
            assert value["index"] == open_at
            open_at = open_at if name == "content_block_delta" else None
        else:
            assert ended
            assert open_at is None
    assert names[-2:] == ["message_delta", "message_stop"] if ended else "message_stop" not in names


@fuzz
@given(st.lists(CHUNK, max_size=8))
def test_every_sequence_is_legal(chunks: list[dict[str, Any]]) -> None:
    """Ended or broken off, whatever the upstream said."""
    face = AnthropicFace("m")
    body = face.events([Chunk(data) for data in chunks])
    check(parsed(body), ended=False)

    check(parsed(body + face.end()), ended=True)


@fuzz
@given(st.lists(CHUNK, max_size=8))
def test_no_argument_is_lost(chunks: list[dict[str, Any]]) -> None:
    """All pieces of all calls come out, each once."""
    face = AnthropicFace("m")
    events = parsed(face.events([Chunk(data) for data in chunks]) + face.end())
    first = [c for data in chunks for c in data.get("choices", ()) if c.get("index", 0) == 0]
    said = [
        (call.get("function") or {}).get("arguments") or ""
        for c in first
        for call in c["delta"].get("tool_calls", ())
    ]
    written = [
        v["delta"]["partial_json"]
        for n, v in events
        if n == "content_block_delta" and "partial_json" in v["delta"]
    ]

    assert sorted("".join(said)) == sorted("".join(written))


def test_a_refusal_is_text() -> None:
    """OpenAI's models refuse in a field of its own; this dialect has the text for it, and a reason of the end."""
    face = AnthropicFace("m")
    streamed = face.event(Chunk({"choices": [{"index": 0, "delta": {"refusal": "No."}}]})) + face.end()
    message = {"role": "assistant", "content": None, "refusal": "No."}
    whole = json.loads(face.whole(ChatResponse({"choices": [{"message": message, "finish_reason": "stop"}]})))

    assert [value["delta"] for name, value in parsed(streamed) if name == "content_block_delta"] == [
        {"type": "text_delta", "text": "No."}
    ]
    assert whole["content"] == [{"type": "text", "text": "No."}]
    ends = [whole, next(value["delta"] for name, value in parsed(streamed) if name == "message_delta")]
    assert [end["stop_reason"] for end in ends] == ["refusal", "refusal"]
    assert all(end["stop_details"]["type"] == "refusal" for end in ends)
