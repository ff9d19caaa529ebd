"""Streams of OpenAI's dialect: relayed byte for byte, read only as far as must be known. See also ``test_contract``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.sse import MAX_EVENT
from providers.base import Chunk, Comment, Done, Event, Failed
from providers.openai.stream import OpenAIDecoder
from tests.support import recordings
from tests.support.native_kit import spoilt

ONE: dict[str, Any] = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "delta": {
                "role": "assistant",
                "content": "x",
                "tool_calls": [
                    {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
                ],
            },
            "logprobs": {"content": [{"token": "x"}]},
            "finish_reason": None,
        }
    ],
    "usage": None,
}


def data(value: Any, end: str = "\n\n") -> bytes:
    """One event."""
    return f"data: {value if isinstance(value, str) else json.dumps(value)}{end}".encode()


def decode(*pieces: bytes) -> list[Event]:
    decoder = OpenAIDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def failure(*pieces: bytes) -> GatewayError:
    """The error that ends a stream."""
    last = decode(*pieces)[-1]
    assert isinstance(last, Failed)
    return last.error


def test_every_byte_of_a_recorded_stream_is_relayed() -> None:
    """Comments, chunks and foreign fields together are what came, but for the terminator, which the relay writes."""
    for name in ("openai", "vllm"):
        for found in recordings.recordings(name):
            if found.cut or found.failing:
                continue
            events = decode(found.data)
            raw = b"".join(event.raw or b"" for event in events if isinstance(event, Chunk | Comment))
            assert raw + b"data: [DONE]\n\n" == found.data, found.name


def test_a_chunk_is_data_and_bytes() -> None:
    """Both, whatever white space and line ends the server likes."""
    for raw in (
        data(ONE),
        data(ONE, "\r\n\r\n"),
        b'data:{"choices":[]}\n\n',
        b'id: 1\ndata: {"choices":[]}\n\n',
    ):
        (chunk, _) = decode(raw)
        assert isinstance(chunk, Chunk)
        assert chunk.raw == raw
        assert chunk.data in (ONE, {"choices": []})


@pytest.mark.parametrize("terminator", ["[DONE]", "[DONE] ", "[DONE]x"])
def test_done(terminator: str) -> None:
    """As OpenAI's own clients have it: whatever begins so; nothing counts after it."""
    decoder = OpenAIDecoder()

    assert decoder.feed(data(ONE) + data(terminator) + data(ONE))[1:] == [Done()]
    assert list(decoder.feed(data(ONE))) == list(decoder.close()) == []


def test_a_clean_end_is_not_enough() -> None:
    """Without the terminator the answer is not complete, with half an event or without."""
    for end in (b"", b"data: [DON", b"data: [DONE]\n"):
        error = failure(data(ONE), end)
        assert (type(error), error.phase, error.kind) == (UpstreamError, "body", "no_terminator")
    assert isinstance(decode(data(ONE), b"data: [DONE]\r\r")[-1], Done)


def test_comments_pass_and_empty_events_do_not() -> None:
    """Clients skip comments; an event without data is none, and would make OpenAI's clients parse nothing as JSON."""
    empty = b"data:\n\n" + b"data: \n\n" + b"event: ping\n\n" + b"id: 7\n\n" + b": c\nretry: 3\n\n"
    events = decode(b": a\n\n" + empty + b":\r\n: b\r\n\r\n" + data("[DONE]"))

    assert events == [Comment(b": a\n\n"), Comment(b":\r\n: b\r\n\r\n"), Done()]


BROKEN = [
    ("is not JSON", "{"),
    ("is not JSON", "x"),
    ("is not JSON", '{"choices": [], "x": NaN}'),
    ("is not JSON", '{"choices": [], "x": -Infinity}'),
    ("is not JSON", '{"choices": [{"delta": {"content": "\\ud83d"}}]}'),
    ("is not JSON", "[" * 100_000),
    ("is not an object", "[]"),
    ("is not an object", "null"),
    ("is not an object", '"x"'),
    ("is not a chunk of a chat completion", '{"choices": {}}'),
    ("is not a chunk of a chat completion", '{"choices": [1]}'),
    ("is not a chunk of a chat completion", '{"choices": [{"delta": "x"}]}'),
    ("is not a chunk of a chat completion", '{"choices": [{"delta": {}}, []]}'),
    ("is not a chunk of a chat completion", '{"choices": [], "usage": 1}'),
    ("is not a chunk of a chat completion", '{"usage": []}'),
]


@pytest.mark.parametrize(("what", "event"), BROKEN)
def test_a_broken_event_is_named_by_its_number(what: str, event: str) -> None:
    """Comments do not count; what came before it is given out."""
    *before, last = decode(data(ONE), b": c\n\n", data(event), data(ONE), data("[DONE]"))

    assert [type(one) for one in before] == [Chunk, Comment]
    assert isinstance(last, Failed)
    assert str(last.error) == f"event 2 of the upstream's stream {what}"
    assert (last.error.status, last.error.code, last.error.phase, last.error.kind) == (
        502,
        "upstream_error",
        "body",
        "event",
    )


def test_bytes_that_are_no_utf8() -> None:
    """They are no JSON either."""
    assert (
        str(failure(b'data: {"choices":[],"x":"\xff"}\n\n')) == "event 1 of the upstream's stream is not JSON"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"choices": None},
        {},
        {"choices": [{"index": 0}]},
        {"choices": [{"delta": None}]},
        {"error": None, "choices": []},
    ],
)
def test_odd_chunks_pass(event: dict[str, Any]) -> None:
    """What is only unusual is relayed: progress reports, nulls for what is absent."""
    chunk, done = decode(data(event), data("[DONE]"))

    assert isinstance(chunk, Chunk)
    assert chunk.data == event
    assert done == Done()


ERRORS = [
    (data({"error": {"message": "it broke", "code": 500}}), "upstream_error"),
    (data({"error": "it broke"}), "upstream_error"),
    (data({"error": {"message": "it broke"}, "choices": [{"delta": {}}]}), "upstream_error"),
    (data({"object": "error", "message": "it broke", "code": 40303}), "upstream_error"),
    (b'event: error\ndata: {"message": "it broke"}\n\n', "upstream_error"),
    (b'event: error\ndata: {"error": {"message": "it broke"}}\n\n', "upstream_error"),
    (data({"detail": "it broke"}), "upstream_error"),
    (data({"error": {"message": "it broke", "code": 429}}), "rate_limit"),
    (data({"error": {"message": "it broke", "type": "insufficient_quota"}}), "insufficient_quota"),
    (data({"error": {"message": "it broke", "code": "context_length_exceeded"}}), "context_length_exceeded"),
]


@pytest.mark.parametrize(("event", "code"), ERRORS)
@pytest.mark.parametrize("after", [b"", data("[DONE]")])
def test_an_error_in_the_stream(event: bytes, code: str, after: bytes) -> None:
    """In each of its forms; it wins over a terminator that follows it, as vLLM sends one when its engine has died."""
    *before, last = decode(data(ONE), event, after)

    assert len(before) == 1
    assert isinstance(last, Failed)
    assert (last.error.code, last.error.message, last.error.phase) == (code, "it broke", "body")


def test_an_event_that_is_too_large() -> None:
    """It fails as soon as that is clear, after what came before it in the same bytes."""
    decoder = OpenAIDecoder()
    events = decoder.feed(data(ONE) + b"data: " + b"x" * (MAX_EVENT + 9))

    assert [type(event) for event in events] == [Chunk, Failed]
    assert isinstance(events[-1], Failed)
    assert (events[-1].error.kind, events[-1].error.phase) == ("event_too_large", "body")
    assert list(decoder.feed(b"x")) == list(decoder.close()) == []


def test_a_terminator_before_an_event_that_is_too_large() -> None:
    """What is complete is complete."""
    assert decode(data("[DONE]") + b"x" * (2 * MAX_EVENT)) == [Done()]


def test_whatever_shape_a_chunk_has() -> None:
    """With any part of it replaced, it is an event or a failure, and those events make an answer or an UpstreamError."""
    for value in spoilt(ONE):
        events = decode(data(value), data(ONE), data("[DONE]"))
        assert isinstance(events[-1], Done | Failed)
        try:
            collect([event.data for event in events if isinstance(event, Chunk)])
        except UpstreamError as error:
            assert error.kind == "event"
