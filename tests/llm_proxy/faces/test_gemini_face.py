"""Answers in Gemini's form: every kind of piece, streamed and whole, with the signatures where Google's clients keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import GatewayError, InvalidRequest, Problem, RateLimited, UpstreamError
from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.faces.gemini.signature import opened
from llm_proxy.relay.assemble import collect
from llm_proxy.wire.events import ChatResponse, Chunk, Comment

Json = dict[str, Any]


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


def call(arguments: str, index: int = 0, **more: Any) -> Json:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}, **more}]}


def named(name: str, index: Any = 0, **more: Any) -> Json:
    function = {"name": name, "arguments": ""}
    return {
        "tool_calls": [{"index": index, "id": f"id{index}", "type": "function", "function": function, **more}]
    }


def streamed(chunks: list[Json], *, thoughts: bool = True) -> list[Json]:
    """The responses of a stream."""
    face = GeminiFace("m", thoughts=thoughts)
    body = b"".join([*(face.event(Chunk(one)) for one in chunks), face.end()])
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n\n") if line]


def whole(chunks: list[Json], *, thoughts: bool = True) -> Json:
    """The same answer, whole."""
    found: Json = json.loads(GeminiFace("m", thoughts=thoughts).whole(ChatResponse(collect(chunks))))
    return found


def parts(responses: list[Json]) -> list[Json]:
    """The parts of all of them, texts of one kind joined, the empty last text without a signature left out."""
    joined: list[Json] = []
    for response in responses:
        for part in response["candidates"][0]["content"]["parts"]:
            before = joined[-1] if joined else {}
            if "text" in part and "text" in before and part.get("thought") == before.get("thought"):
                joined[-1] = {**before, **part, "text": before["text"] + part["text"]}
            elif part != {"text": ""}:
                joined.append(part)
    return joined


SIGNATURE: Json = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
BLOCK = {"type": "thinking", "thinking": "t", "signature": "S", "index": 0}
DETAILS = [
    {"type": "reasoning.text", "text": "a", "index": 0},
    {"type": "reasoning.text", "text": "b", "signature": "S", "index": 0},
    {"type": "reasoning.encrypted", "data": "E", "index": 1},
]
CASES: dict[str, tuple[list[Json], list[Json], str]] = {
    "text": ([{"role": "assistant", "content": "a"}, {"content": "b"}], [{"text": "ab"}], "STOP"),
    "a refusal": ([{"refusal": "no"}], [{"text": "no"}], "STOP"),
    "a call in pieces": (
        [named("f"), call('{"x"'), call(":1}")],
        [{"functionCall": {"id": "id0", "name": "f", "args": {"x": 1}}}],
        "STOP",
    ),
    "two calls, mixed": (
        [named("f"), named("g", 1), call('{"y":2}', 1), call('{"x":1}')],
        [
            {"functionCall": {"id": "id0", "name": "f", "args": {"x": 1}}},
            {"functionCall": {"id": "id1", "name": "g", "args": {"y": 2}}},
        ],
        "STOP",
    ),
    "a call without arguments": (
        [named("f")],
        [{"functionCall": {"id": "id0", "name": "f", "args": {}}}],
        "STOP",
    ),
    "arguments that are no object": (
        [named("f"), call("[1]")],
        [{"functionCall": {"id": "id0", "name": "f", "args": {"arguments": [1]}}}],
        "STOP",
    ),
    "arguments that are no JSON": (
        [named("f"), call("{x")],
        [{"functionCall": {"id": "id0", "name": "f", "args": {"arguments": "{x"}}}],
        "STOP",
    ),
    "a picture": (
        [{"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        "STOP",
    ),
    "a picture elsewhere": (
        [{"images": [{"type": "image_url", "image_url": {"url": "https://x.example/a"}}]}],
        [{"fileData": {"fileUri": "https://x.example/a"}}],
        "STOP",
    ),
    "Google's signature of a call": (
        [named("f", **SIGNATURE), named("g", 1)],
        [
            {"functionCall": {"id": "id0", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "id1", "name": "g", "args": {}}},
        ],
        "STOP",
    ),
    "Google's signature of a text": (
        [{"content": "a"}, SIGNATURE],
        [{"text": "a", "thoughtSignature": "c2ln"}],
        "STOP",
    ),
}
REASONS = [
    ("stop", "STOP"),
    ("length", "MAX_TOKENS"),
    ("content_filter", "SAFETY"),
    ("tool_calls", "STOP"),
    ("function_call", "STOP"),
    (None, "STOP"),
    ("brand_new", "OTHER"),
]


@pytest.mark.parametrize("form", ["streamed", "whole"])
@pytest.mark.parametrize("case", CASES)
def test_pieces(case: str, form: str) -> None:
    """Each kind of piece as a part, in both forms."""
    deltas, expected, reason = CASES[case]
    chunks = [*map(chunk, deltas), chunk({}, "stop")]
    found = streamed(chunks) if form == "streamed" else [whole(chunks)]

    assert parts(found) == expected
    assert found[-1]["candidates"][0]["finishReason"] == reason
    assert all(one["candidates"][0]["content"]["parts"] for one in found)
    assert {(one["modelVersion"], one["responseId"]) for one in found} == {("m", "c")}


@pytest.mark.parametrize(("reason", "word"), REASONS)
def test_reasons(reason: str | None, word: str) -> None:
    """Every reason in Google's words; one that nobody knows is none of the good ones, and is told."""
    chunks = [chunk({"content": "a"}), chunk({}, reason)]
    for last in (streamed(chunks)[-1], whole(chunks)):
        (candidate,) = last["candidates"]
        assert candidate["finishReason"] == word
        assert candidate.get("finishMessage") == (reason if word == "OTHER" else None)


@pytest.mark.parametrize(
    ("deltas", "opaque"),
    [
        ([{"thinking_blocks": [BLOCK]}], {"thinking_blocks": [BLOCK]}),
        (
            [{"reasoning_details": [detail]} for detail in DETAILS],
            {"reasoning_details": [{**DETAILS[1], "text": "ab"}, DETAILS[2]]},
        ),
        ([{"reasoning_content": "t"}, {"reasoning_content": "u"}], {"reasoning_content": "tu"}),
    ],
)
@pytest.mark.parametrize("thoughts", [False, True])
def test_what_other_vendors_want_back(deltas: list[Json], opaque: Json, thoughts: bool) -> None:
    """It stands on the first call, also where thoughts are not shown; without a call, on the text if it is signed."""
    called = [*map(chunk, deltas), chunk(named("f")), chunk(named("g", 1)), chunk({}, "tool_calls")]
    spoken = [*map(chunk, deltas), chunk({"content": "a"}), chunk({}, "stop")]
    for form in ("streamed", "whole"):
        first, second = [
            part for part in parts(streamed(called, thoughts=thoughts) if form == "streamed" else [whole(called)])
            if "functionCall" in part
        ]  # fmt: skip
        assert opened(first["thoughtSignature"]) == opaque
        assert "thoughtSignature" not in second
        last = parts(streamed(spoken, thoughts=thoughts) if form == "streamed" else [whole(spoken)])[-1]
        assert last["text"] == "a"
        signed = {} if "reasoning_content" in opaque else opaque
        assert opened(last.get("thoughtSignature")) == signed


@pytest.mark.parametrize("thoughts", [False, True])
def test_thoughts_are_shown_to_those_who_ask(thoughts: bool) -> None:
    """They are marked; without ``includeThoughts`` the first part is the answer."""
    chunks = [chunk({"reasoning_content": "t"}), chunk({"content": "a"}), chunk({}, "stop")]
    expected = [*([{"text": "t", "thought": True}] if thoughts else []), {"text": "a"}]

    assert parts(streamed(chunks, thoughts=thoughts)) == expected
    assert parts([whole(chunks, thoughts=thoughts)]) == expected


def test_counts() -> None:
    """Thoughts stand beside the answer's own tokens, cached ones are part of the prompt's."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    chunks = [chunk({"content": "a"}), chunk({}, "stop"), {"id": "c", "choices": [], "usage": usage}]
    for last in (streamed(chunks)[-1], whole(chunks)):
        assert last["usageMetadata"] == {
            "promptTokenCount": 10,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 5,
            "cachedContentTokenCount": 4,
            "totalTokenCount": 17,
        }


def test_log_probabilities() -> None:
    """Chosen tokens and their rivals, with the text that they are of."""
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}]}
    chunks = [chunk({"content": "a"}, logprobs=logprobs), chunk({}, "stop")]
    for found in (streamed(chunks)[0], whole(chunks)):
        assert found["candidates"][0]["logprobsResult"] == {
            "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1}]}],
            "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        }


def test_sources() -> None:
    """What an answer rests on is told at its end."""
    cited = {"url": "https://x.example", "title": "X", "start_index": 0, "end_index": 3}
    chunks = [
        chunk({"content": "a"}),
        chunk({"annotations": [{"type": "url_citation", "url_citation": cited}]}),
    ]
    for last in (streamed(chunks)[-1], whole(chunks)):
        assert last["candidates"][0]["citationMetadata"] == {
            "citationSources": [{"startIndex": 0, "endIndex": 3, "uri": "https://x.example", "title": "X"}]
        }


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 1},
        {"tool_calls": {}},
        {"tool_calls": [{"index": "0"}]},
        {"tool_calls": [{"index": 0, "function": 1}]},
        {"images": [{"image_url": {}}]},
        {"thinking_blocks": 1},
    ],
)
def test_pieces_that_are_none(delta: Json) -> None:
    """They are the upstream's fault."""
    with pytest.raises(UpstreamError):
        streamed([chunk(delta)])


def test_an_answer_of_nothing() -> None:
    """Even then there is a candidate, with a part and an end."""
    (last,) = streamed([])
    assert last["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert last["candidates"][0]["finishReason"] == "STOP"


def test_an_array() -> None:
    """One JSON array, with blank lines anywhere; an error leaves it open, after what came."""
    for chunks in ([], [chunk({"content": "a"})], [chunk({"content": "a"}), chunk({"content": "b"})]):
        face = GeminiFace("m", array=True)
        body = face.keep_alive()
        for one in chunks:
            body += face.event(Chunk(one)) + face.keep_alive() + face.event(Comment(b": x\n\n"))
        other = GeminiFace("m", array=True)
        ended = b"".join(other.event(Chunk(one)) + other.keep_alive() for one in chunks) + other.end()
        broken = body + face.failure(GatewayError("x"), "r")
        assert len(json.loads(ended)) == len(json.loads(broken + b"]")) == len(chunks) + 1
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(broken)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
    ],
)
def test_words_of_errors(status: int, word: str) -> None:
    """Google's word for each status."""
    error = GeminiFace("m").refusal(GatewayError("x", status=status), "r")["error"]
    assert (error["code"], error["status"], error["message"]) == (status, word, "x")


def test_details_of_errors() -> None:
    """Our own code, each problem with its place, when to come back, and the request's id."""
    problems = GeminiFace("m").refusal(InvalidRequest.of([Problem("a.0", "is bad")]), "r")["error"]["details"]
    limited = GeminiFace("m").refusal(RateLimited("x", retry_after="7"), "r")["error"]["details"]

    assert {"field": "a.0", "description": "is bad"} in problems[1]["fieldViolations"]
    assert [detail.get("retryDelay") for detail in limited] == [None, "7s", None]
    assert limited[-1]["requestId"] == "r"
    assert limited[0]["reason"] == "RATE_LIMIT"
