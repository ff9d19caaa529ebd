"""The writer of the Responses API's events: no sequence of chunks makes it emit an illegal one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.input import unpacked
from llm_proxy.faces.responses.request import read
from llm_proxy.faces.responses.sealed import is_mark
from llm_proxy.wire.events import ChatResponse, Chunk
from tests.support.fuzz import fuzz
from tests.support.responses_reader import Reader, parsed
from tests.support.responses_types import check_event

TEXT = st.text(max_size=5)
ARGUMENTS = st.one_of(TEXT, st.sampled_from(["{", '{"x"', ":1", "}", '{"x":1}', "{}"]))
CALL = st.builds(
    lambda index, rest: {"index": index, "id": f"c{index}", **rest},
    st.integers(0, 2),
    st.fixed_dictionaries(
        {},
        optional={
            "function": st.fixed_dictionaries({}, optional={"name": TEXT, "arguments": ARGUMENTS}),
            "extra_content": st.just({"google": {"thought_signature": "s"}}),
        },
    ),
)
THOUGHT = st.sampled_from(
    [
        {"type": "thinking", "thinking": "x", "signature": "s", "index": 0},
        {"type": "redacted_thinking", "data": "d"},
    ]
)
DETAIL = st.sampled_from(
    [
        {"type": "reasoning.text", "text": "x", "index": 0},
        {"type": "reasoning.summary", "summary": "y", "index": 1},
        {"type": "reasoning.encrypted", "data": "d", "index": 2},
    ]
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": TEXT | st.none(),
        "refusal": TEXT | st.none(),
        "reasoning_content": TEXT,
        "thinking_blocks": st.lists(THOUGHT, max_size=2),
        "tool_calls": st.lists(CALL, max_size=2),
        "extra_content": st.just({"google": {"thought_signature": "s"}}),
        "annotations": st.lists(st.just({"type": "url_citation", "url_citation": {"url": "u"}}), max_size=2),
        "reasoning_details": st.lists(DETAIL, max_size=2),
        "images": st.just([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}]),
    },
)
LOGPROBS = st.just({"content": [{"token": "x", "logprob": -0.25, "bytes": [120], "top_logprobs": []}]})
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT,
        "choices": st.lists(
            st.fixed_dictionaries(
                {"delta": DELTA},
                optional={
                    "index": st.integers(0, 1),
                    "logprobs": LOGPROBS | st.none(),
                    "finish_reason": st.sampled_from(
                        [None, "stop", "tool_calls", "length", "content_filter", "new"]
                    ),
                },
            ),
            max_size=2,
        ),
        "usage": st.just({"prompt_tokens": 3, "completion_tokens": 2}),
    },
)
CHUNKS = st.lists(CHUNK, max_size=8)
FORM: dict[str, Any] = {"model": "m", "input": "x"}


def a_face(**fields: Any) -> ResponsesFace:
    return ResponsesFace(read({**FORM, **fields}), 1)


def expected_arguments(chunks: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The pieces of each call's arguments, by its id."""
    found: dict[str, list[str]] = {}
    for choice in (c for data in chunks for c in data.get("choices", ()) if c.get("index", 0) == 0):
        for call in choice["delta"].get("tool_calls", ()):
            found.setdefault(call["id"], []).append((call.get("function") or {}).get("arguments") or "")
    return found


@fuzz
@given(CHUNKS, st.booleans())
def test_every_sequence_is_legal(chunks: list[dict[str, Any]], summary: bool) -> None:
    """Ended or not, whatever the upstream said; and the deltas alone spell out the last event's response."""
    face = a_face(reasoning={"summary": "auto"} if summary else {})
    body = face.events([Chunk(data) for data in chunks])
    Reader().read(parsed(body))
    reader = Reader()
    body += face.end()
    reader.read(parsed(body))
    for event in parsed(body):
        check_event(event)

    assert reader.last in ("response.completed", "response.incomplete")
    assert reader.response["output"] == reader.output
    assert len({item["id"] for item in reader.output}) == len(reader.output)


@fuzz
@given(CHUNKS)
def test_a_failure_is_the_last_event(chunks: list[dict[str, Any]]) -> None:
    """``response.failed``, then the error in both forms."""
    face = a_face()
    body = face.events([Chunk(data) for data in chunks])
    *events, error = parsed(body + face.failure(UpstreamError("gone"), "r-1"))
    reader = Reader()
    reader.read(events)

    assert reader.last == "response.failed"
    assert reader.response["error"] == {"code": "upstream_error", "message": "gone"}
    assert (error["type"], error["sequence_number"], error["code"]) == (
        "error",
        len(events),
        "upstream_error",
    )
    assert error["error"]["request_id"] == "r-1"


def piece(index: int, arguments: str) -> dict[str, Any]:
    function = {"name": "fgh"[index], "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}


def words(text: str) -> dict[str, Any]:
    return {"content": text}


MIXED: dict[str, tuple[list[dict[str, Any]], list[str], int]] = {
    "one after the other": ([words("a"), piece(0, "{}"), piece(1, "{}")], ["a", "f{}", "g{}"], 3),
    "interleaved": (
        [piece(0, "{"), piece(1, "{"), piece(2, "{"), piece(1, "}"), piece(0, "}"), piece(2, "}")],
        ["f{}", "g{}", "h{}"],
        1,
    ),
    "text in a call": ([piece(0, "{"), words("a"), piece(0, "}")], ["f{}", "a"], 1),
    "text after a call": ([piece(0, "{"), piece(0, "}"), words("a")], ["f{}", "a"], 2),
    "what came first is first": (
        [piece(0, "{"), words("a"), piece(0, "}"), words("b"), piece(1, "{}"), words("c")],
        ["f{}", "ab", "g{}", "c"],
        1,
    ),
    "late": ([piece(0, "{}"), piece(1, "{}"), piece(0, " ")], ["f{}", "g{}"], 2),
    "late, in another": ([piece(0, "{}"), piece(1, "{"), piece(0, " "), piece(1, "}")], ["f{}", "g{}"], 2),
    "without arguments": ([piece(0, ""), piece(1, "")], ["f{}", "g{}"], 1),
    "no object": ([piece(0, "[1]"), words("a")], ["f[1]", "a"], 1),
}


@pytest.mark.parametrize("name", MIXED)
def test_one_item_after_the_other(name: str) -> None:
    """However an upstream mixes them; and as many begin at once as need not wait."""
    deltas, wanted, at_once = MIXED[name]
    face = a_face()
    body = face.events([Chunk({"choices": [{"delta": delta}]}) for delta in deltas])
    output = parsed(body + face.end())[-1]["response"]["output"]
    said = [
        item["content"][0]["text"] if item["type"] == "message" else item["name"] + item["arguments"]
        for item in output
    ]

    assert said == wanted
    assert [event["type"] for event in parsed(body)].count("response.output_item.added") == at_once


@fuzz
@given(CHUNKS)
def test_nothing_that_was_said_is_lost(chunks: list[dict[str, Any]]) -> None:
    """Texts come out whole and in order; each call once, with all pieces that came before it was a whole object."""
    face = a_face()
    events = parsed(face.events([Chunk(data) for data in chunks]) + face.end())
    deltas = [c["delta"] for data in chunks for c in data.get("choices", ()) if c.get("index", 0) == 0]

    for field, event in (
        ("content", "response.output_text.delta"),
        ("refusal", "response.refusal.delta"),
        ("reasoning_content", "response.reasoning_text.delta"),
    ):
        said = "".join(delta.get(field) or "" for delta in deltas)
        assert said == "".join(e["delta"] for e in events if e["type"] == event)
    calls = [item for item in events[-1]["response"]["output"] if item["type"] == "function_call"]
    wanted = expected_arguments(chunks)
    assert sorted(call["call_id"] for call in calls) == sorted(wanted)
    assert all(is_what_was_said(call["arguments"], wanted[call["call_id"]]) for call in calls)
    blocks = [block for delta in deltas for block in delta.get("thinking_blocks", ())]
    sealed = [item.get("encrypted_content") for item in events[-1]["response"]["output"]]
    kept = [block for text in sealed if text for block in unpacked(text) or ()]
    assert [block for block in kept if not is_mark(block)] == blocks
    for field in ("text", "summary", "data"):
        given = [one.get(field, "") for delta in deltas for one in delta.get("reasoning_details", ())]
        back = [one.get(field, "") for block in kept if is_mark(block) for one in block["reasoning_details"]]
        assert "".join(given) == "".join(back)
    sources = [one for delta in deltas for one in delta.get("annotations", ())]
    told = [event for event in events if event["type"] == "response.output_text.annotation.added"]
    assert len(told) == len(sources)


def is_what_was_said(arguments: str, pieces: list[str]) -> bool:
    whole = "".join(pieces)
    if arguments == (whole or "{}"):
        return True
    return whole.startswith(arguments) and isinstance(json.loads(arguments), dict)


@fuzz
@given(st.lists(CALL, max_size=3), TEXT, TEXT, st.lists(THOUGHT, max_size=2))
def test_a_whole_answer_is_what_its_stream_ends_with(
    calls: list[dict[str, Any]], text: str, thought: str, blocks: list[dict[str, Any]]
) -> None:
    """Thoughts, text, calls: one item each, none for what is not there."""
    message: dict[str, Any] = {"content": text, "reasoning_content": thought}
    message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in calls]
    if blocks:
        message["thinking_blocks"] = blocks
    data = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    got = json.loads(a_face().whole(ChatResponse(data)))
    kinds = [item["type"] for item in got["output"]]

    thoughts = len(blocks) or bool(thought)
    assert kinds == ["reasoning"] * thoughts + ["message"] * bool(text) + ["function_call"] * len(calls)
    assert (got["status"], got["usage"]["input_tokens"]) == ("completed", 3)
    assert [
        block for item in got["output"] for block in unpacked(item.get("encrypted_content")) or ()
    ] == blocks
