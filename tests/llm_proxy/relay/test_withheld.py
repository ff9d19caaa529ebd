"""What counts as the first token of a stream, in every dialect, and what is done with what stands before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.relay.first_token_buffer import FirstTokenBuffer, is_token
from llm_proxy.wire.events import Chunk, Comment
from tests.handlers.kit import chunk


def raw(value: Any, before: str = "data: ") -> Chunk:
    return Chunk({}, f"{before}{json.dumps(value)}\n\n".encode())


def line(**message: Any) -> Chunk:
    return raw({"model": "m", "message": {"role": "assistant", **message}, "done": False}, "")


@pytest.mark.parametrize(
    "event",
    [
        Comment(b": hello\n\n"),
        Chunk({"choices": []}),
        Chunk(chunk({"role": "assistant", "content": ""})),
        Chunk(chunk({"role": "assistant", "content": None, "tool_calls": []})),
        raw({"type": "message_start", "message": {}}, "event: message_start\ndata: "),
        raw({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
        raw({"type": "response.created", "response": {}}, "event:response.created\r\ndata:"),
        raw({"type": "response.output_item.added"}),
        raw({"choices": [{"text": "", "finish_reason": None}]}),
        line(content=""),
        raw({"response": "", "done": False}, ""),
    ],
)
def test_no_token(event: Chunk | Comment) -> None:
    """A head, a role, an id tell nothing of the answer: another upstream may still give it."""
    assert not is_token(event)


@pytest.mark.parametrize(
    "event",
    [
        Chunk(chunk({"content": "x"})),
        Chunk(chunk({"reasoning": "x"})),
        Chunk(chunk({"refusal": "x"})),
        Chunk(chunk({"tool_calls": [{"index": 0}]})),
        Chunk(chunk({}, "stop")),
        raw({"type": "content_block_delta", "delta": {}}),
        raw({"type": "response.output_text.delta", "delta": "x"}),
        raw({"type": "response.failed"}),
        raw({"choices": [{"text": "x"}]}),
        line(content="x"),
        line(content="", thinking="x"),
        raw({"response": "x", "done": False}, ""),
        raw({"done": True}, ""),
        raw({"candidates": [{"content": {"parts": [{"text": "x"}]}}]}),
        Chunk({}, b"data: what is this?\n\n"),
        Chunk({}, b"data: {" + b'"a":' * 30_000),
    ],
)
def test_a_token(event: Chunk) -> None:
    """Whatever tells something of the answer, or is not known here."""
    assert is_token(event)


def test_nothing_is_lost() -> None:
    """What was held back is sent before the token, in its order; a beginning without end is bounded."""
    held = FirstTokenBuffer()
    assert held.keeps([Chunk({"choices": []})], b"a")
    assert held.keeps([Comment(b"")], b"b")
    assert not held.keeps([Chunk(chunk({"content": "x"}))], b"c")
    assert held.rest() == b"ab"
    held = FirstTokenBuffer()
    assert held.keeps([Chunk(chunk({"content": "x"}))], b"")  # a face that waits for more of it
    assert held.token
    assert not held.keeps([Comment(b"")], b"d")
    held = FirstTokenBuffer()
    assert held.keeps([Comment(b"")], b"x" * 60_000)
    assert not held.keeps([Comment(b"")], b"x" * 60_000)
