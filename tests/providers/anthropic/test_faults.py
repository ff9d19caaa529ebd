"""Anthropic's dialect as other servers speak it, with faults, and bodies that are none of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.events import Failed
from providers.anthropic.provider import AnthropicProvider
from tests.support import recordings as rec
from tests.support.native_kit import Seen, ask, decoded, pieces, seen, spoilt, whole

PROVIDER = AnthropicProvider()
TOOLS = rec.recording("anthropic/tools-stream.sse")


def joined(data: bytes) -> Seen:
    return seen(decoded(PROVIDER.stream_decoder(ask(stream=True)), [data]))


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def test_a_second_stop_of_a_block_does_nothing() -> None:
    """Arguments are neither repeated nor completed twice (BerriAI/litellm #37273: the tool ran twice)."""
    parts = pieces(TOOLS)
    doubled = b"".join(part * 2 if b"content_block_stop" in part else part for part in parts)

    assert joined(doubled) == joined(TOOLS)


def test_what_other_servers_forget() -> None:
    """Without message_start, stops of blocks, pings and usage an answer is still whole."""
    parts = pieces(TOOLS)
    forgotten = [part for part in parts[1:] if b"_stop\n" not in part or b"message_stop" in part]

    result = joined(b"".join(forgotten))

    expected = joined(TOOLS)
    assert result.message == expected.message
    assert result.finish == expected.finish


def test_arguments_that_come_at_once() -> None:
    """A call may begin with its whole input; it counts if no pieces follow."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}
    data = b"".join(
        [
            event("content_block_start", index=0, content_block=block),
            event("content_block_stop", index=0),
            event("message_stop"),
        ]
    )

    result = joined(data)

    assert result.message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x":1}'}
    assert result.finish == {0: "tool_calls"}
    assert result.usage is None


def test_thinking_that_comes_at_once() -> None:
    """A block may begin with its text and signature."""
    block = {"type": "thinking", "thinking": "Hm", "signature": "s"}
    more = {"type": "thinking_delta", "thinking": "m."}
    data = b"".join(
        [
            event("content_block_start", index=0, content_block=block),
            event("content_block_delta", index=0, delta=more),
            event("content_block_stop", index=0),
            event("message_stop"),
        ]
    )

    message = joined(data).message

    assert message["reasoning_content"] == "Hmm."
    assert message["thinking_blocks"] == [{"index": 0, **block, "thinking": "Hmm."}]


def test_arguments_without_a_call_are_a_fault() -> None:
    """Nobody could say whose they are."""
    result = joined(
        event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": "{"})
    )

    assert isinstance(result.end, Failed)
    assert result.end.error.kind == "event"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"[]",
        b"null",
        b'{"type":"message"}',
        b'{"content":"x"}',
        b"\xff",
        b'{"x":NaN}',
    ],
)
def test_a_200_that_is_no_answer(body: bytes) -> None:
    """Nothing, a page or another dialect is a fault of the upstream; its text is not repeated."""
    with pytest.raises(UpstreamError) as caught:
        whole(PROVIDER, body)

    assert (caught.value.status, caught.value.kind) == (502, "content_type")
    assert "login" not in caught.value.message


@pytest.mark.parametrize("name", ["text", "tools"])
def test_the_wrong_type_anywhere_in_a_whole_answer(name: str) -> None:
    """Each value replaced by one of another type: an answer, or a fault of the upstream, and nothing else."""
    for value in spoilt(json.loads(rec.recording(f"anthropic/{name}.json"))):
        try:
            json.dumps(whole(PROVIDER, value), allow_nan=False)
        except UpstreamError as error:
            assert error.status >= 400
