"""Gemini's API over a server of that API: what goes there and what comes back, byte for byte."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.faces.gemini.signature import sealed
from tests.handlers.kit import access_lines
from tests.support.client import Connection, request
from tests.support.gemini_double import EMBEDDING, GeminiDouble, error, sse
from tests.support.logs import expect_log
from tests.support.native_kit import pieces
from tests.support.native_peer import native
from tests.support.openai_upstreams import over
from tests.support.recordings import bodies, recordings
from tests.support.scripts import answer, answer_json, stream
from tests.support.secrets import UPSTREAM_KEY

ASK: Any = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
WHOLE = "/v1beta/models/m:generateContent"
ARRAY = "/v1beta/models/m:streamGenerateContent"
LIVE = ARRAY + "?alt=sse"
STREAMS = [pytest.param(found.data, id=found.name) for found in recordings("gemini") if not found.failing]
SIGNED = sealed({"thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "S"}]})
LAST: Any = {"content": {"role": "model", "parts": [{"text": "b"}]}, "finishReason": "STOP", "index": 0}
EVENTS: list[Any] = [
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}, "index": 0}],
        "modelVersion": "up",
    },
    {
        "candidates": [LAST],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
        "vendor": {"x": 1},
    },
]


def named(data: bytes) -> bytes:
    """``data`` under the name that the client asked for."""
    found = data
    for line in data.splitlines():
        if b'"modelVersion"' in line:
            version = line.partition(b'"modelVersion"')[2].partition(b'"')[2].partition(b'"')[0]
            found = found.replace(b'"' + version + b'"', b'"m"')
    return found


@pytest.mark.parametrize("data", STREAMS)
async def test_streams_are_untouched(data: bytes, tmp_path: Path) -> None:
    """Every recorded stream comes out as it went in, at once and event by event, but for the model's name: it is the
    one that was asked for."""
    for parts in ([data], pieces(data)):
        async with native(tmp_path, "gemini", stream(*parts)) as (proxy, peer):
            got = await request(proxy.origin, "POST", LIVE, ASK)
        assert peer.requests[-1].path == "/v1beta/models/up:streamGenerateContent?alt=sse"
        assert got.complete
        assert got.body == named(data)
        assert got.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("data", STREAMS)
async def test_streams_as_an_array(data: bytes, tmp_path: Path) -> None:
    """The same responses as one array, for clients that want one: each with its own bytes."""
    async with native(tmp_path, "gemini", stream(data)) as (proxy, _):
        got = await request(proxy.origin, "POST", ARRAY, ASK)

    events = [
        line[6:] for line in named(data).replace(b"\r\n", b"\n").split(b"\n\n") if line.startswith(b"data: ")
    ]
    assert got.headers["content-type"] == "application/json"
    assert got.json() == [json.loads(event) for event in events]
    assert all(event in got.body for event in events)


@pytest.mark.parametrize("data", [pytest.param(b.data, id=b.name) for b in bodies("gemini")])
async def test_whole_answers_are_untouched(data: bytes, tmp_path: Path) -> None:
    """Every recorded answer too, white space and all."""
    async with native(tmp_path, "gemini", answer(b" " + data)) as (proxy, _):
        got = await request(proxy.origin, "POST", "/gemini/v1/models/m:generateContent", ASK)

    assert got.body == b" " + named(data)


async def test_what_the_upstream_gets(tmp_path: Path) -> None:
    """Every field as it was, known or not, in its order and its spelling; our key, no key of the client's."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": " "}, {"brand_new": {"x": [None]}}]}],
        "system_instruction": {"parts": [{"text": "a"}]},
        "tools": [
            {"googleSearch": {}},
            {"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]},
        ],
        "safetySettings": [{"category": "X", "threshold": "Y"}],
        "generationConfig": {"topK": 40.0, "vendor": None},
        "cachedContent": "cachedContents/x",
        "nothing": None,
    }
    async with native(tmp_path, "gemini", answer_json(EVENTS[1])) as (proxy, peer):
        headers = {"x-goog-api-key": "client-key-000001", "x-goog-api-client": "c"}
        got = await request(proxy.origin, "POST", WHOLE + "?key=client-key-000001", body, headers=headers)

    (sent,) = peer.requests
    assert got.status == 200
    assert "x-dropped-params" not in got.headers
    assert (sent.method, sent.path) == ("POST", "/v1beta/models/up:generateContent")
    assert sent.header("x-goog-api-key") == UPSTREAM_KEY
    assert sent.header("x-goog-api-client") is None
    assert json.dumps(sent.json()) == json.dumps(body)


@pytest.mark.parametrize(
    ("options", "body", "seen"),
    [
        ({"temperature": 0.5, "max_tokens": 9}, {}, {"temperature": 0.5, "maxOutputTokens": 9}),
        (
            {"temperature": 0.5, "max_tokens": 9},
            {"generationConfig": {"temperature": 1, "maxOutputTokens": None}},
            {"temperature": 1, "maxOutputTokens": 9},
        ),
        (
            {"max_tokens": 9, "top_k": 3},
            {"generation_config": {"max_output_tokens": 5}},
            {"max_output_tokens": 5, "topK": 3},
        ),
        (
            {"reasoning_effort": "high"},
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
            {"thinkingConfig": {"thinkingBudget": 0}},
        ),
    ],
)
async def test_defaults_lie_under_the_request(options: Any, body: Any, seen: Any, tmp_path: Path) -> None:
    """The configuration's options fill what the client left open, whatever the spelling, and change nothing else."""
    async with native(tmp_path, "gemini", answer_json(EVENTS[1]), options=options) as (proxy, peer):
        got = await request(proxy.origin, "POST", WHOLE, {**ASK, **body})

    assert got.status == 200
    sent = peer.requests[-1].json()
    assert sent.get("generationConfig", sent.get("generation_config")) == seen


@pytest.mark.parametrize(
    ("method", "body", "given", "seen"),
    [
        ("countTokens", ASK, {"totalTokens": 7}, ASK),
        (
            "countTokens",
            {"generateContentRequest": {"model": "models/m", **ASK}},
            {"totalTokens": 7, "x": [1.0]},
            {"generateContentRequest": {"model": "models/up", **ASK}},
        ),
        (
            "embedContent",
            {"model": "models/m", "content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"},
            {"embedding": {"values": [1.0, 2e-5]}},
            {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"},
        ),
        (
            "batchEmbedContents",
            {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}]},
            {"embeddings": [{"values": [1.0]}]},
            {"requests": [{"model": "models/up", "content": {"parts": [{"text": "a"}]}}]},
        ),
    ],
)
async def test_the_other_calls(method: str, body: Any, given: Any, seen: Any, tmp_path: Path) -> None:
    """Counting and vectors go there as they are, under the upstream's name wherever the body says one."""
    raw = json.dumps(given, indent=1).encode()
    async with native(tmp_path, "gemini", answer(raw)) as (proxy, peer):
        got = await request(proxy.origin, "POST", f"/v1/models/m:{method}", body)

    assert got.body == raw
    assert "x-token-count" not in got.headers
    assert peer.requests[-1].path == f"/v1beta/models/up:{method}"
    assert peer.requests[-1].json() == seen


async def test_an_upstream_that_cannot_count(tmp_path: Path) -> None:
    """Then it is an estimate, and marked as one."""
    async with native(tmp_path, "gemini", answer(b"<html>", 404, content_type="text/html")) as (proxy, _):
        got = await request(proxy.origin, "POST", "/v1beta/models/m:countTokens", ASK)

    assert got.json()["totalTokens"] > 0
    assert got.headers["x-token-count"] == "estimate"


@pytest.mark.parametrize("model", ["gemini-3-double", "gemini-2.5-double"])
@pytest.mark.parametrize("stream_it", [False, True])
async def test_a_session_changes_to_gemini(model: str, stream_it: bool, tmp_path: Path) -> None:
    """A history of another vendor's model: our marks do not go there, and calls have what the newer models want."""
    call = {"functionCall": {"id": "1", "name": "f", "args": {}}}
    contents = [
        *ASK["contents"],
        {"role": "model", "parts": [{"text": "a", "thought": True}, {**call, "thoughtSignature": SIGNED}]},
        {"role": "model", "parts": [{"text": "", "thought_signature": SIGNED}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"output": "r"}}}],
        },
    ]
    body = {"contents": contents, "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    async with over("gemini", tmp_path, model=model) as (proxy, double):
        got = await request(proxy.origin, "POST", LIVE if stream_it else WHOLE, body)

    seen = json.dumps(double.requests[-1].json())
    assert got.status == 200, got.body
    assert SIGNED not in seen
    assert ("skip_thought_signature_validator" in seen) is (model == "gemini-3-double")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([sse(EVENTS[0])], "without saying"),
        ([sse(EVENTS[0]), b"data: {\r\n\r\n"], "not valid JSON"),
        ([sse(EVENTS[0]), sse(error(503))], "overloaded"),
        ([sse(EVENTS[0]), json.dumps(error(503)).encode()], "overloaded"),
    ],
)
async def test_a_bad_end(parts: list[bytes], words: str, tmp_path: Path) -> None:
    """What came is there, then the error as an event of its own, and a cut."""
    async with native(tmp_path, "gemini", stream(*parts)) as (proxy, _):
        got = await request(proxy.origin, "POST", LIVE, ASK)

    before, _, last = got.body.rstrip(b"\n").rpartition(b"data: ")
    assert not got.complete
    assert before == named(sse(EVENTS[0]))
    assert words in json.loads(last)["error"]["message"]


async def test_blank_lines_fill_the_silence(tmp_path: Path) -> None:
    """Comments of the upstream do not pass; what fills the silence is nothing to Google's clients."""
    gate = asyncio.Event()
    first, last = map(sse, EVENTS)
    settings = {"keepalive_after": 0.02, "keepalive_interval": 0.02}
    async with (
        native(tmp_path, "gemini", stream(b": x\n\n", first, gate, last), settings=settings) as (proxy, _),
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", LIVE, ASK)
        got = await client.head()
        while b"\n\n\n" not in got.body.replace(b"\r", b""):
            assert await client.piece(got)
        gate.set()
        await client.rest(got)

    assert got.complete
    assert got.body.replace(b"\n", b"").replace(b"\r", b"") == named(first + last).replace(b"\r\n", b"")


async def test_the_other_form(tmp_path: Path) -> None:
    """An upstream that streams although it should not, or the reverse, is put into the form that was asked for."""
    with expect_log("handlers.base.handler", "streams when it should not"):
        async with native(tmp_path, "gemini", stream(*map(sse, EVENTS))) as (proxy, _):
            plain = await request(proxy.origin, "POST", WHOLE, ASK)
        async with native(tmp_path, "gemini", answer_json(EVENTS[1])) as (proxy, _):
            live = await request(proxy.origin, "POST", LIVE, ASK)

    assert plain.json()["candidates"][0]["content"]["parts"] == [{"text": "ab"}]
    assert b'"text":"b"' in live.body
    assert b'"finishReason":"STOP"' in live.body


async def test_the_log_knows(tmp_path: Path) -> None:
    """Counts of what is only relayed, and the names."""
    async with native(tmp_path, "gemini", stream(*map(sse, EVENTS))) as (proxy, _):
        with access_lines() as lines:
            await request(proxy.origin, "POST", LIVE, ASK)

    (line,) = lines
    assert (line["model"], line["upstream_model"]) == ("m", "up")
    assert (line["prompt_tokens"], line["completion_tokens"], line["events"]) == (3, 2, 2)


async def test_the_double_is_asked_for_vectors(tmp_path: Path) -> None:
    """Both calls for vectors pass the strict double."""
    async with over("gemini", tmp_path, model=EMBEDDING) as (proxy, double):
        assert isinstance(double, GeminiDouble)
        one = await request(
            proxy.origin, "POST", "/v1beta/models/m:embedContent", {"content": {"parts": [{"text": "a"}]}}
        )
        many = await request(
            proxy.origin,
            "POST",
            "/v1beta/models/m:batchEmbedContents",
            {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}] * 2},
        )

    assert one.json()["embedding"]["values"]
    assert len(many.json()["embeddings"]) == 2
