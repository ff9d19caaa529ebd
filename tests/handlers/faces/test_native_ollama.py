"""Ollama's native API over a server of that API: what goes there and what comes back, byte for byte but for the
model's name."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import ollama
import pytest

from tests.handlers.kit import access_lines
from tests.support.client import Connection, request
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.native_peer import native
from tests.support.ollama_client import client, over
from tests.support.ollama_kit import line, said
from tests.support.recordings import bodies, recordings
from tests.support.scripts import NDJSON, answer, answer_json, ndjson, silent, sse, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY

CHAT, GENERATE = "/ollama/api/chat", "/ollama/api/generate"
ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
WHOLE = {**ASK, "stream": False}
STREAMS = [
    pytest.param(found, id=found.name) for found in recordings("ollama") if not (found.cut or found.failing)
]
END = line(done=True, done_reason="stop", total_duration=5, prompt_eval_count=26, eval_count=9)
LINES = ndjson(said("a"), said("b"), END)


def asked(data: bytes) -> bytes:
    """``data`` of an upstream with the model's name that the client used, which is all that is changed."""
    return re.sub(rb'^( *\{"model": ?)"[^"]*"', rb'\1"m"', data, flags=re.MULTILINE)


def path_of(name: str) -> str:
    return GENERATE if name.startswith("generate") else CHAT


@pytest.mark.parametrize("found", STREAMS)
async def test_streams_are_untouched(found: Any, tmp_path: Path) -> None:
    """Every recorded stream comes out as it went in, at once, line by line and in odd pieces: thinking, calls without
    ids, text on the last line, no newline at the end, contexts."""
    data = found.data
    lines = data.splitlines(keepends=True)
    for parts in ([data], lines, [data[at : at + 37] for at in range(0, len(data), 37)]):
        async with native(tmp_path, "ollama", stream(*parts, content_type=NDJSON)) as (proxy, _):
            got = await request(proxy.origin, "POST", path_of(found.name), {**ASK, "prompt": "x"})

        assert (got.body, got.complete) == (asked(data), True)
        assert got.headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize("found", [pytest.param(b, id=b.name) for b in bodies("ollama") if b.name != "embed"])
async def test_whole_answers_are_untouched(found: Any, tmp_path: Path) -> None:
    """Every recorded answer too, as a document and where a stream was asked for: so Ollama tells that it has loaded a
    model."""
    for body in (WHOLE, ASK):
        async with native(tmp_path, "ollama", answer(found.data)) as (proxy, _):
            got = await request(proxy.origin, "POST", CHAT, body)

        assert (got.body, got.complete) == (asked(found.data), True)


FIELDS: dict[str, dict[str, Any]] = {
    "/api/chat": {
        "messages": [
            {"role": "user", "content": "x", "images": ["aGk="], "vendor": [None, 1.0]},
            {
                "role": "assistant",
                "thinking": "t",
                "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": 2}}}],
            },
            {"role": "tool", "content": "r", "tool_name": "f"},
            {"role": "newest", "content": 7},
        ],
        "tools": [{"type": "brand_new"}],
    },
    "/api/generate": {
        "prompt": "def f(",
        "suffix": "return",
        "system": "s",
        "template": "{{ .Prompt }}",
        "raw": True,
        "context": [1, 2, 3],
        "images": [],
    },
}


@pytest.mark.parametrize("path", FIELDS)
async def test_what_the_upstream_gets(path: str, tmp_path: Path) -> None:
    """Every field as it was, known or not, in its order; the upstream's model name and our key."""
    body = {
        **FIELDS[path],
        "model": "m:latest",
        "stream": False,
        "think": "high",
        "format": {"type": "object"},
        "keep_alive": -1,
        "logprobs": True,
        "options": {"num_predict": 5.0, "stop": [], "vendor": {"x": None}, "temperature": None},
        "vendor": None,
    }
    async with native(tmp_path, "ollama", answer_json(END)) as (proxy, peer):
        got = await request(
            proxy.origin, "POST", "/ollama" + path, body, headers={"Authorization": f"Bearer {CLIENT_KEY}"}
        )
        (sent,) = peer.requests

    assert got.status == 200, got.body
    assert "x-dropped-params" not in got.headers
    assert (got.headers["x-llm-provider"], got.headers["x-llm-model"]) == ("up", "up")
    assert (sent.method, sent.path) == ("POST", path)
    assert sent.body == json.dumps({**body, "model": "up"}, separators=(",", ":")).encode()
    assert sent.header("Authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_defaults_and_addresses(tmp_path: Path) -> None:
    """The configuration fills what the client has left open, in Ollama's words and under its ``options``; the client's
    word wins whichever name it has; what cannot be said is named, and so is a field that would choose another
    upstream."""
    fields = {
        "keep_alive": "30m",
        "options": {
            "num_ctx": 16384,
            "max_tokens": 7,
            "temperature": 0.2,
            "repetition_penalty": 1.1,
            "reasoning_effort": "none",
            "store": True,
        },
    }
    body = {
        **WHOLE,
        "options": {"num_predict": 3, "temperature": None, "mirostat": 1},
        "format": "json",
        "keep_alive": None,
        "base_url": "http://elsewhere",
    }
    async with native(tmp_path, "ollama", answer_json(END), **fields) as (proxy, peer):
        got = await request(proxy.origin, "POST", CHAT, body)
        await request(proxy.origin, "POST", CHAT, {**WHOLE, "think": True, "keep_alive": 0})
        filled, said_by_client = (sent.json() for sent in peer.requests)

    options = {"num_ctx": 16384, "num_predict": 3, "temperature": 0.2, "repeat_penalty": 1.1, "mirostat": 1}
    common = {**WHOLE, "model": "up"}
    assert filled == {**common, "format": "json", "keep_alive": "30m", "think": False, "options": options}
    assert (said_by_client["think"], said_by_client["keep_alive"]) == (True, 0)
    assert said_by_client["options"]["num_predict"] == 7
    assert got.headers["x-dropped-params"] == "store, base_url"


async def test_loading_and_unloading(tmp_path: Path) -> None:
    """A request without a prompt reaches the server whose memory it is about."""
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        loaded = await sdk.generate("m")
        kept = set(double.loaded)
        parts = [part async for part in await sdk.chat("m", [], keep_alive=0, stream=True)]

    assert (loaded.done_reason, kept) == ("load", {"qwen3:8b"})
    assert [part.done_reason for part in parts] == ["unload"]
    assert double.loaded == set()


async def test_only_what_decides_is_checked(tmp_path: Path) -> None:
    """The server judges its own dialect; a wrong type of a field that decides about the answer is told with all others."""
    async with native(tmp_path, "ollama", answer_json({"error": "invalid role"}, 400)) as (proxy, peer):
        passed = await request(proxy.origin, "POST", CHAT, {"model": "m", "messages": [{"role": 7}]})
        here = await request(
            proxy.origin, "POST", CHAT, {"model": "m", "options": 1, "messages": [{"role": 7}]}
        )
        assert len(peer.requests) == 1

    assert (passed.status, passed.json()) == (400, {"error": "invalid role"})
    assert here.status == 400
    assert "options" in here.json()["error"]
    assert "messages.0.role" in here.json()["error"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_what_the_log_knows(streaming: bool, tmp_path: Path) -> None:
    """Tokens, events and times are read beside the relay."""
    script = stream(*LINES, content_type=NDJSON) if streaming else answer_json(END)
    async with native(tmp_path, "ollama", script) as (proxy, _):
        with access_lines() as lines:
            await request(proxy.origin, "POST", CHAT, {**ASK, "stream": streaming})

    (found,) = lines
    assert (found["prompt_tokens"], found["completion_tokens"]) == (26, 9)
    assert found["events"] == (3 if streaming else 1)
    assert found["first_byte_ms"] > 0


async def test_counts_that_cannot_be_read(tmp_path: Path) -> None:
    """An answer whose counts make no sense is relayed all the same."""
    parts = ndjson(said("a"), {**END, "eval_count": "many"})
    async with native(tmp_path, "ollama", stream(*parts, content_type=NDJSON)) as (proxy, _):
        got = await request(proxy.origin, "POST", CHAT, ASK)

    assert (got.body, got.complete) == (asked(b"".join(parts)), True)


async def test_each_line_arrives_when_it_was_sent(tmp_path: Path) -> None:
    """Nothing is held back but the last line, until the body has ended whole."""
    gates = [asyncio.Event(), asyncio.Event()]
    script = stream(LINES[0], gates[0], *LINES[1:], gates[1], content_type=NDJSON)
    async with native(tmp_path, "ollama", script) as (proxy, _), Connection(proxy.origin) as sdk:
        await sdk.send("POST", CHAT, ASK)
        got = await sdk.head()
        assert await sdk.piece(got) == asked(LINES[0])
        gates[0].set()
        assert await sdk.piece(got) == asked(LINES[1])
        gates[1].set()
        await sdk.rest(got)

    assert (got.body, got.complete) == (asked(b"".join(LINES)), True)


CUTS = {
    "an error line": stream(*LINES[:2], *ndjson({"error": "runner died"}), content_type=NDJSON),
    "no done": stream(*LINES[:2], content_type=NDJSON),
    "a cut": stream(*LINES[:2], end="cut", content_type=NDJSON),
    "a cut after done": stream(*LINES, end="cut", content_type=NDJSON),
    "no JSON": stream(*LINES[:2], b"{\n", content_type=NDJSON),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("path", [CHAT, GENERATE])
async def test_broken_streams(name: str, path: str, tmp_path: Path) -> None:
    """What came whole is relayed, then an error line, and the connection is cut: never a clean end."""
    async with native(tmp_path, "ollama", CUTS[name]) as (proxy, _):
        got = await request(proxy.origin, "POST", path, {**ASK, "prompt": "x"})

    *before, last = got.body.splitlines(keepends=True)
    assert before == [asked(found) for found in LINES[:2]]
    assert json.loads(last).keys() == {"error"}
    assert not got.complete


@pytest.mark.parametrize(("status", "ours"), [(400, 400), (404, 404), (429, 429), (500, 502), (503, 503)])
@pytest.mark.parametrize("streaming", [True, False])
async def test_errors_before_the_stream(status: int, ours: int, streaming: bool, tmp_path: Path) -> None:
    """Status and text are the upstream's."""
    async with native(tmp_path, "ollama", answer_json({"error": "No."}, status)) as (proxy, _):
        got = await request(proxy.origin, "POST", CHAT, {**ASK, "stream": streaming})

    assert (got.status, got.json()) == (ours, {"error": "No."})


async def test_lines_fill_the_silence(tmp_path: Path) -> None:
    """Where the upstream says nothing there are lines without content, between its own, and no client sees them."""
    gate = asyncio.Event()
    debounce = {"keepalive_after": 0.02, "keepalive_interval": 0.02}
    script = stream(LINES[0], gate, *LINES[1:], content_type=NDJSON)
    async with (
        native(tmp_path, "ollama", script, settings=debounce) as (proxy, _),
        Connection(proxy.origin) as sdk,
    ):
        await sdk.send("POST", CHAT, ASK)
        got = await sdk.head()
        while got.body.count(b"\n") < 3:
            assert await sdk.piece(got)
        gate.set()
        await sdk.rest(got)

    lines = got.body.splitlines(keepends=True)
    own = [asked(found) for found in LINES]
    filling = [json.loads(found) for found in lines if found not in own]
    assert [found for found in lines if found in own] == own
    assert len(filling) >= 2
    assert all((found["message"]["content"], found["done"]) == ("", False) for found in filling)


async def test_the_client_leaves(tmp_path: Path) -> None:
    """The upstream sees it, before the first line and after."""
    for script in (silent(), stream(LINES[0], end="silence", content_type=NDJSON)):
        async with native(tmp_path, "ollama", script) as (proxy, peer):
            async with Connection(proxy.origin) as sdk:
                await sdk.send("POST", CHAT, ASK)
                await wait_until(lambda: len(peer.requests) == 1)
            await wait_until(lambda: all(link.closed_at for link in peer.links))


async def test_a_stream_that_nobody_asked_for(tmp_path: Path) -> None:
    """A chat is put into the form that was asked for; a completion that cannot be is an error, not an empty answer."""
    script = stream(*LINES, content_type=NDJSON)
    with expect_log("handlers.base.handler", "streams when it should not"):
        async with native(tmp_path, "ollama", script) as (proxy, _):
            chat = await request(proxy.origin, "POST", CHAT, WHOLE)
            generated = await request(
                proxy.origin, "POST", GENERATE, {"model": "m", "prompt": "x", "stream": False}
            )

    assert (chat.json()["message"]["content"], chat.json()["done"]) == ("ab", True)
    assert generated.status == 502


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'{"done":false}'])
async def test_no_answer_at_all(body: bytes, streaming: bool, tmp_path: Path) -> None:
    """A 200 that is no answer is never taken for one."""
    async with native(tmp_path, "ollama", answer(body)) as (proxy, _):
        got = await request(proxy.origin, "POST", CHAT, {**ASK, "stream": streaming})

    assert got.status == 502 or not got.complete


@pytest.mark.parametrize("old", [True, False])
async def test_embeddings_are_untouched(old: bool, tmp_path: Path) -> None:
    """Request and answer of both calls, with the model's own keep_alive where the client names none."""
    path, asked, vectors = (
        ("/api/embeddings", {"prompt": "x"}, b'{"embedding": [1.50, 2e0]}')
        if old
        else (
            "/api/embed",
            {"input": ["x", "y"], "truncate": False},
            b'{"embeddings": [[1.50], [2e0]], "vendor": 1}',
        )
    )
    body = {**asked, "model": "m", "options": {"num_ctx": 5}, "vendor": {"x": 1}}
    fields = {"keep_alive": "30m", "options": {"temperature": 0.5}}
    async with native(tmp_path, "ollama", answer(vectors), **fields) as (proxy, peer):
        got = await request(proxy.origin, "POST", "/ollama" + path, body)
        await request(proxy.origin, "POST", "/ollama" + path, {**body, "keep_alive": 0})
        first, second = peer.requests

    assert (got.status, got.body) == (200, vectors)
    assert (first.path, first.json()) == (path, {**body, "model": "up", "keep_alive": "30m"})
    assert second.json()["keep_alive"] == 0


@pytest.mark.parametrize(
    "script", [answer_json({"model": "x"}), answer(b"no"), stream(*sse("x")), answer_json({"error": "x"})]
)
async def test_embeddings_that_are_none(script: Any, tmp_path: Path) -> None:
    """They are a 502."""
    async with native(tmp_path, "ollama", script) as (proxy, _):
        got = await request(proxy.origin, "POST", "/ollama/api/embed", {"model": "m", "input": "x"})

    assert got.status == 502


async def test_the_official_client(tmp_path: Path) -> None:
    """Fields of ``generate`` that no other dialect has, thinking and a schema, judged by a strict double; and an error."""
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        raw = await sdk.generate("m", "x", raw=True, context=[1], options={"num_ctx": 9})
        parts = [
            part
            async for part in await sdk.chat("m", ASK["messages"], think=True, logprobs=True, stream=True)
        ]
        with pytest.raises(ollama.ResponseError) as refused:
            await sdk.chat("m", [{"role": "user", "content": "x", "images": ["aGk="]}])
        first = double.requests[0].json()

    assert raw.done
    assert raw.response
    assert (first["raw"], first["context"], first["options"]) == (True, [1], {"num_ctx": 9})
    assert any(part.message.thinking for part in parts)
    assert any(part.logprobs for part in parts)
    assert refused.value.status_code == 400
