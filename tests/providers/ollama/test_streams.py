"""Ollama's lines as OpenAI's chunks. Recorded ones, cut everywhere: ``test_contract``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.sse import MAX_EVENT
from providers.base import Chunk, Done, Failed
from tests.support.native_kit import ask, whole
from tests.support.ollama_kit import CALL, END, OLLAMA, decode, failure, join, line, said


def test_a_stream() -> None:
    """Role first, texts, the end, then the usage in a chunk of its own, one id and time on all of them."""
    events = decode(said("a"), said("b"), line(done=True, **END))
    chunks = [event.data for event in events if isinstance(event, Chunk)]

    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "b"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [],
    ]
    assert chunks[-1]["usage"] == {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}
    assert {chunk["model"] for chunk in chunks} == {"up"}
    assert {chunk["created"] for chunk in chunks} == {1795341603}
    assert chunks[0]["id"].startswith("chatcmpl-")
    assert all(event.raw is None for event in events if isinstance(event, Chunk))


def test_two_streams_have_two_ids() -> None:
    """They are made up here, and unique."""
    ids = {
        event.data["id"] for _ in range(2) for event in decode(line(done=True)) if isinstance(event, Chunk)
    }

    assert len(ids) == 2


@pytest.mark.parametrize("created", ["", "yesterday", None])
def test_a_time_that_cannot_be_read(created: Any) -> None:
    """Then it is the time at which the answer began."""
    (first, *_) = decode(line(done=True, created_at=created))

    assert isinstance(first, Chunk)
    assert first.data["created"] > 1_700_000_000


def test_text_on_the_last_line() -> None:
    """Unusual, but legal: it is not lost."""
    assert join(said("a", done=True, **END)).message["content"] == "a"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("load", "stop"),
        ("unload", "stop"),
        (None, "stop"),
        ("new", "length"),
    ],
)
def test_finish_reasons(reason: str | None, finish: str) -> None:
    """Loading and unloading produce nothing and count as a stop, in both forms."""
    end = line(done=True, done_reason=reason)

    assert join(end).finish == {0: finish}
    assert whole(OLLAMA, end)["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, (0, 0, 0)),
        ({"eval_count": 3}, (0, 3, 3)),
        ({"prompt_eval_count": 2, "eval_count": None}, (2, 0, 2)),
    ],
)
def test_counts_that_are_zero_are_left_out_there(counts: dict[str, Any], usage: tuple[int, int, int]) -> None:
    """As for a prompt that was cached."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    expected = dict(zip(names, usage, strict=True))

    assert join(line(done=True, **counts)).usage == expected
    assert whole(OLLAMA, line(done=True, **counts))["usage"] == expected


def test_thinking() -> None:
    """It becomes ``reasoning_content``, in both forms."""
    thought = {"thinking": "hm", "content": ""}

    assert join(line(message=thought), said("x"), line(done=True)).message == {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "hm",
    }
    message = whole(OLLAMA, line(done=True, message={"thinking": "hm", "content": "x"}))["choices"][0][
        "message"
    ]
    assert message == {"role": "assistant", "reasoning_content": "hm", "content": "x"}


def test_tool_calls() -> None:
    """Whole, numbered over the stream, with ids of our own where there are none; any call makes the end."""
    found = join(
        line(message={"tool_calls": [CALL, {"id": "own", **CALL}]}),
        line(message={"tool_calls": [CALL]}),
        line(done=True, **END),
    )
    calls = found.message["tool_calls"]

    assert [call["index"] for call in calls] == [0, 1, 2]
    assert [call["function"] for call in calls] == [{"name": "f", "arguments": '{"a":"é"}'}] * 3
    assert calls[1]["id"] == "own"
    assert len({call["id"] for call in calls}) == 3
    assert all(call["type"] == "function" for call in calls)
    assert found.finish == {0: "tool_calls"}


def test_a_call_that_was_cut_off() -> None:
    """``length`` stays: the arguments may be incomplete."""
    calls = {"tool_calls": [CALL]}

    assert join(line(message=calls), line(done=True, done_reason="length")).finish == {0: "length"}


def test_log_probabilities() -> None:
    """OpenAI's entries: a field that Ollama leaves out because it is empty is there."""
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1}]}
    there = {
        "content": [
            {
                "token": "a",
                "logprob": -0.5,
                "bytes": [97],
                "top_logprobs": [{"token": "b", "logprob": -1, "bytes": None}],
            },
            {"token": "c", "logprob": -2, "bytes": None, "top_logprobs": []},
        ],
        "refusal": None,
    }
    entries = [entry, {"token": "c", "logprob": -2}]

    assert join(said("ac", logprobs=entries), line(done=True)).extra[0]["logprobs"] == there
    assert whole(OLLAMA, said("ac", done=True, logprobs=entries))["choices"][0]["logprobs"] == there
    (_, late, *_) = decode(said("a"), line(logprobs=entries), line(done=True))
    assert isinstance(late, Chunk)
    assert late.data["choices"] == [{"index": 0, "delta": {}, "finish_reason": None, "logprobs": there}]


@pytest.mark.parametrize(
    "lines", [(), (said("a"),), (said("a"), line(done_reason="stop")), (said("a", done="true"),)]
)
def test_a_clean_end_is_not_enough(lines: Any) -> None:
    """Only ``done: true`` completes an answer: Ollama ends cleanly when a model repeats itself."""
    error = failure(*lines)

    assert (type(error), error.status, error.phase, error.kind) == (
        UpstreamError,
        502,
        "body",
        "no_terminator",
    )


def test_nothing_counts_after_the_end() -> None:
    """Neither another line nor the end of the body."""
    assert decode(line(done=True), said("late"), "{")[-1] == Done()
    assert sum(isinstance(event, Done | Failed) for event in decode(line(done=True), said("late"), "{")) == 1


def test_an_error_line() -> None:
    """What came before it is given out; nothing after it is."""
    *before, last = decode(said("a"), {"error": "runner died at 127.0.0.1:4711"}, line(done=True))

    assert len(before) == 1
    assert isinstance(last, Failed)
    assert (last.error.status, last.error.code, last.error.message) == (
        502,
        "upstream_error",
        "runner died at [address]",
    )
    with pytest.raises(UpstreamError, match="it broke"):
        whole(OLLAMA, {"error": "it broke"})


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"message": {"content": "\\ud800"}}', "not valid JSON"),
        ('{"message": NaN}', "not valid JSON"),
        (line(message={"content": 1}), "'content' is not a string"),
        ({"message": "x"}, "'message' is not an object"),
        (line(message={"tool_calls": {}}), "'tool_calls' is not a list of objects"),
        (line(done=True, eval_count="3"), "'eval_count' is not an integer"),
        (line(logprobs=[1]), "'logprobs' is not a list of objects"),
    ],
)
def test_a_broken_line_is_named_by_its_number(broken: Any, what: str) -> None:
    """What came before it is given out."""
    error = failure(said("a"), "", broken, line(done=True))

    assert str(error) == f"line 2 of the upstream's stream: {what}"
    assert (error.phase, error.kind) == ("body", "event")


def test_a_line_that_is_too_large() -> None:
    """It fails as soon as that is clear, after what came before it in the same bytes."""
    decoder = OLLAMA.stream_decoder(ask(stream=True))
    events = decoder.feed(json.dumps(said("a")).encode() + b"\n" + b"x" * (MAX_EVENT + 1))

    assert [type(event) for event in events] == [Chunk, Failed]
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "event_too_large"
    assert list(decoder.feed(b"x")) == list(decoder.close()) == []
