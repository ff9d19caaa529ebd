"""Anthropic's Messages API over a server of that API: what goes there and what comes back, byte for byte."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from tests.handlers.kit import access_lines
from tests.support.anthropic_double import AnthropicDouble, error, sse, whole
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.native_kit import pieces
from tests.support.native_peer import native
from tests.support.recordings import bodies, recordings
from tests.support.scripts import answer, answer_json, by_path, raw, silent, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY, assert_no_secret

ASK: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
LIVE = {**ASK, "stream": True}
STREAMS = [pytest.param(found.data, id=found.name) for found in recordings("anthropic") if not found.failing]
PATH = "/v1/messages"
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {"id": "x", "usage": {"input_tokens": 7, "cache_read_input_tokens": 2}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop", "vendor_metrics": {"x": 1}},
]
PARTS = [sse(event) for event in EVENTS]


def under_m(data: bytes) -> bytes:
    """``data`` with the name that the client used for the first model's name in it, and nothing else changed."""
    return re.sub(rb'("model"\s*:\s*)"[^"]*"', rb'\1"m"', data, count=1)


@pytest.mark.parametrize("data", STREAMS)
async def test_streams_are_untouched(data: bytes, tmp_path: Path) -> None:
    """Every recorded stream comes out as it went in but for the model's name, which is the one that was asked for, at once
    and event by event: server tools, citations, unknown events, signatures, redacted thinking."""
    for parts in ([data], pieces(data)):
        async with native(tmp_path, "anthropic", stream(*parts)) as (proxy, _):
            got = await request(proxy.origin, "POST", PATH, LIVE)

        # A ping alone, before anything else, would begin the answer: the first event does that.
        first = b"event: ping" if len(parts) > 1 and data.startswith(b"event: ping") else b""
        assert got.complete
        assert got.body == under_m(data.split(b"\n\n", 1)[1] if first else data)
        assert got.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("data", [pytest.param(b.data, id=b.name) for b in bodies("anthropic")])
async def test_whole_answers_are_untouched(data: bytes, tmp_path: Path) -> None:
    """Every recorded answer too, white space and all, but for the model's name."""
    async with native(tmp_path, "anthropic", answer(b" " + data)) as (proxy, _):
        got = await request(proxy.origin, "POST", "/anthropic/v1/messages", ASK)

    assert got.body == under_m(b" " + data)
    assert got.headers["content-type"] == "application/json"


async def test_what_the_upstream_gets(tmp_path: Path) -> None:
    """Every field as it was, known or not, in its order; the upstream's model name, our key, the client's version and
    betas beside those of the configuration, and of the query what belongs to the dialect."""
    body = {
        "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "model": "m",
        "max_tokens": 4096,
        "temperature": 1.5,
        "thinking": {"type": "enabled", "budget_tokens": 2048, "vendor": 1},
        "tools": [
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
            {"name": "f", "input_schema": {"type": "object"}, "eager_input_streaming": True},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "mcp_servers": [{"type": "url", "url": "https://mcp.example"}],
        "context_management": {"edits": []},
        "container": None,
        "metadata": {"user_id": "u", "x": [1.0, 1e3]},
        "messages": [
            {
                "role": "user",
                "content": [{"type": "brand_new", "x": [None, {"y": 1}]}, {"type": "text", "text": " "}],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "ZGF0YQ"},
                    {"type": "tool_use", "id": "toolu_1-x", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1-x", "is_error": True}],
            },
            {"role": "newest_role", "content": 7},
        ],
    }
    headers = {
        "x-api-key": CLIENT_KEY,
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "b-2,b-3",
        "Cookie": "a=b",
    }
    script = answer_json(whole(ASK))
    async with native(tmp_path, "anthropic", script, headers={"anthropic-beta": "b-1, b-2"}) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH + "?beta=true&key=k", body, headers=headers)
        (sent,) = peer.requests

    assert got.status == 200, got.body
    assert "x-dropped-params" not in got.headers
    assert (got.headers["x-llm-provider"], got.headers["x-llm-model"]) == ("up", "up")
    assert got.headers["request-id"] == got.headers["x-request-id"]
    assert (sent.method, sent.path) == ("POST", "/v1/messages?beta=true")
    assert sent.body == json.dumps({**body, "model": "up"}, separators=(",", ":")).encode()
    assert (sent.header("x-api-key"), sent.header("Cookie")) == (UPSTREAM_KEY, None)
    assert (sent.header("anthropic-version"), sent.header("anthropic-beta")) == ("2026-10-21", "b-1,b-2,b-3")


async def test_defaults_and_addresses(tmp_path: Path) -> None:
    """The configuration fills what the client has left open, in the dialect's words; what it cannot say is named, and so
    is a field that would choose another upstream."""
    options = {"stop": "END", "top_k": 5, "temperature": 0.2, "seed": 1, "user": "team"}
    body = {**ASK, "top_k": 3, "temperature": None, "api_base": "http://elsewhere"}
    async with native(tmp_path, "anthropic", answer_json(whole(ASK)), options=options) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH, body)
        (sent,) = peer.requests

    assert sent.json() == {
        **ASK,
        "model": "up",
        "top_k": 3,
        "temperature": 0.2,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "team"},
    }
    assert got.headers["x-dropped-params"] == "seed, api_base"


async def test_thinking_of_other_vendors_stays_here(tmp_path: Path) -> None:
    """What this gateway wrote for a model of another vendor has no signature of Anthropic's, which refuses it: a client
    may go on with another model."""
    said = {"type": "text", "text": "x"}
    ours = [
        {"type": "thinking", "thinking": "t", "signature": ""},
        {"type": "thinking", "thinking": "t", "signature": "google:abc"},
    ]
    signed = {"type": "thinking", "thinking": "t", "signature": "c2ln"}
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": [*ours, said]},
        {"role": "assistant", "content": [signed, said]},
    ]
    async with native(tmp_path, "anthropic", answer_json(whole(ASK))) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH, {**ASK, "messages": turns})
        (sent,) = peer.requests

    assert [turn["content"] for turn in sent.json()["messages"]] == ["hi", [said], [signed, said]]
    assert got.headers["x-dropped-params"] == "messages.1.thinking"


async def test_only_what_decides_is_checked(tmp_path: Path) -> None:
    """The server judges its own dialect; a wrong type of a field that decides about the answer is told with all others."""
    refused = answer_json(error(400, "messages: Field required"), 400)
    async with native(tmp_path, "anthropic", refused) as (proxy, peer):
        passed = await request(proxy.origin, "POST", PATH, {"model": "m"})
        here = await request(proxy.origin, "POST", PATH, {"model": "m", "stream": "yes"})
        assert len(peer.requests) == 1

    assert passed.status == here.status == 400
    assert passed.json()["error"] == {"type": "invalid_request_error", "message": "messages: Field required"}
    assert {"stream", "messages", "max_tokens"} <= set(
        here.json()["error"]["message"].replace(":", " ").replace(";", " ").split()
    )


@pytest.mark.parametrize("streaming", [True, False])
async def test_what_the_log_knows(streaming: bool, tmp_path: Path) -> None:
    """Tokens, events and times are read beside the relay."""
    script = (
        stream(*PARTS)
        if streaming
        else answer_json({**whole(ASK), "usage": {"input_tokens": 9, "output_tokens": 4}})
    )
    async with native(tmp_path, "anthropic", script) as (proxy, _):
        with access_lines() as lines:
            await request(proxy.origin, "POST", PATH, {**ASK, "stream": streaming})

    (line,) = lines
    assert (line["prompt_tokens"], line["completion_tokens"]) == (9, 4)
    assert line["events"] == (5 if streaming else 1)
    assert (line["provider"], line["upstream_model"], line["model"]) == ("up", "up", "m")
    assert line["first_byte_ms"] > 0


async def test_counts_that_cannot_be_read(tmp_path: Path) -> None:
    """An answer whose counts make no sense is relayed all the same."""
    event = {**EVENTS[4], "usage": {"output_tokens": "many"}}
    parts = [*PARTS[:4], sse(event), PARTS[5]]
    async with native(tmp_path, "anthropic", stream(*parts)) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, LIVE)

    assert (got.body, got.complete) == (b"".join(parts), True)


async def test_each_event_arrives_when_it_was_sent(tmp_path: Path) -> None:
    """Nothing is held back but the end, until the body has ended whole."""
    gates = [asyncio.Event(), asyncio.Event()]
    script = stream(*PARTS[:3], gates[0], *PARTS[3:], gates[1])
    async with (
        native(tmp_path, "anthropic", script) as (proxy, _),
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", PATH, LIVE)
        got = await client.head()
        while got.body != b"".join(PARTS[:3]):
            assert await client.piece(got)
        gates[0].set()
        while got.body != b"".join(PARTS[:5]):
            assert await client.piece(got)
        gates[1].set()
        await client.rest(got)

    assert (got.body, got.complete) == (b"".join(PARTS), True)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (402, "billing_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (529, "overloaded_error"),
    ],
)
async def test_errors_before_the_stream(status: int, kind: str, streaming: bool, tmp_path: Path) -> None:
    """Status, type, message, details and the time to wait are the upstream's; the request id is ours."""
    body = {
        "type": "error",
        "error": {"type": kind, "message": "No.", "details": {"error_code": "e", "n": 1}},
    }
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nretry-after: 7\r\n"
    data = json.dumps(body).encode()
    script = raw(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data, end="clean")
    async with native(tmp_path, "anthropic", script) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, {**ASK, "stream": streaming})

    told = got.json()
    assert (got.status, told["type"], got.headers["retry-after"]) == (status, "error", "7")
    assert told["error"] == {"type": kind, "message": "No.", "details": {"error_code": "e"}}
    assert told["request_id"] == got.headers["request-id"]


async def test_our_key_is_not_the_clients_business(tmp_path: Path) -> None:
    """An upstream that rejects our key is a 502 without any details."""
    body = error(401, f"invalid x-api-key: {UPSTREAM_KEY}")
    body["error"]["details"] = {"key": "sk-ant-0123456789"}
    async with native(tmp_path, "anthropic", answer_json(body, 401)) as (proxy, _):
        with expect_log("handlers.base.handler", "rejects our key"):
            got = await request(proxy.origin, "POST", PATH, ASK)

    assert got.status == 502
    assert got.json()["error"].keys() == {"type", "message"}
    assert_no_secret(got.body)


CUTS = {
    "an error event": (stream(*PARTS[:3], sse(error(529))), "overloaded_error"),
    "no message_stop": (stream(*PARTS[:5]), "api_error"),
    "a cut": (stream(*PARTS[:3], end="cut"), "api_error"),
    "a cut after message_stop": (stream(*PARTS, end="cut"), "api_error"),
    "no JSON": (stream(*PARTS[:3], b"event: x\ndata: {\n\n"), "api_error"),
}


@pytest.mark.parametrize("name", CUTS)
async def test_broken_streams(name: str, tmp_path: Path) -> None:
    """What came whole is relayed, then an error event, and the connection is cut: never a clean end."""
    script, kind = CUTS[name]
    async with native(tmp_path, "anthropic", script) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, LIVE)

    assert not got.complete
    assert b"message_stop" not in got.body
    before, _, last = got.body.rpartition(b"event: error\ndata: ")
    assert b"".join(PARTS).startswith(before)
    assert len(before) >= len(b"".join(PARTS[:3]))
    assert json.loads(last)["error"]["type"] == kind


async def test_pings_fill_the_silence(tmp_path: Path) -> None:
    """The upstream's pings pass; ours come where it says nothing, between events."""
    gate = asyncio.Event()
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    script = stream(PARTS[0], ping, PARTS[1], gate, *PARTS[2:])
    debounce = {"keepalive_after": 0.02, "keepalive_interval": 0.02}
    async with (
        native(tmp_path, "anthropic", script, settings=debounce) as (proxy, _),
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", PATH, LIVE)
        got = await client.head()
        ours = b'event: ping\ndata: {"type":"ping"}\n\n'
        while got.body.count(ours) < 2:
            assert await client.piece(got)
        gate.set()
        await client.rest(got)

    assert got.body.replace(ours, b"") == PARTS[0] + ping + b"".join(PARTS[1:])


async def test_the_client_leaves(tmp_path: Path) -> None:
    """The upstream sees it, before the first event and after."""
    for script in (silent(), stream(*PARTS[:3], end="silence")):
        async with native(tmp_path, "anthropic", script) as (proxy, peer):
            async with Connection(proxy.origin) as client:
                await client.send("POST", PATH, LIVE)
                await wait_until(lambda: len(peer.requests) == 1)
            await wait_until(lambda: all(link.closed_at for link in peer.links))


async def test_the_other_form(tmp_path: Path) -> None:
    """An upstream that streams although it should not, or the reverse, is put into the form that was asked for."""
    body = {**ASK, "max_tokens": 100}
    message = whole(body)
    with expect_log("handlers.base.handler", "streams when it should not"):
        async with native(tmp_path, "anthropic", stream(*PARTS)) as (proxy, _):
            plain = await request(proxy.origin, "POST", PATH, ASK)
        async with native(tmp_path, "anthropic", answer_json(message)) as (proxy, _):
            live = await request(proxy.origin, "POST", PATH, {**body, "stream": True})

    assert plain.json()["content"] == [{"type": "text", "text": "hi"}]
    assert b"message_stop" in live.body
    assert live.complete
    text = "".join(block["text"] for block in message["content"])
    deltas = [json.loads(e.split(b"data: ")[1]) for e in live.body.split(b"\n\n") if b"text_delta" in e]
    assert "".join(delta["delta"]["text"] for delta in deltas) == text


@pytest.mark.parametrize("body", [b"<html>", b'{"type":"message"}', b"[]", b""])
async def test_no_answer_at_all(body: bytes, tmp_path: Path) -> None:
    """A 200 that is no message is a 502, not an empty answer."""
    async with native(tmp_path, "anthropic", answer(body)) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, ASK)

    assert (got.status, got.json()["error"]["type"]) == (502, "api_error")


COUNT = {name: value for name, value in ASK.items() if name != "max_tokens"}


async def test_tokens_are_counted_by_who_can(tmp_path: Path) -> None:
    """The upstream's count is relayed, unmarked, and asked for without the defaults."""
    script = by_path({"/v1/messages/count_tokens": answer(b'{"input_tokens": 2095}')})
    options = {"temperature": 0.5, "max_tokens": 5}
    async with (
        native(tmp_path, "anthropic", script, options=options) as (proxy, peer),
        AsyncAnthropic(base_url=proxy.origin, api_key=CLIENT_KEY) as sdk,
    ):
        got = await sdk.messages.with_raw_response.count_tokens(model="m", messages=ASK["messages"])
        (sent,) = peer.requests

    assert (await got.parse()).input_tokens == 2095
    assert "x-token-count" not in got.headers
    assert sent.json() == {**COUNT, "model": "up"}


@pytest.mark.parametrize(
    ("status", "estimated"), [(404, True), (405, True), (400, False), (429, False), (500, False)]
)
async def test_a_server_that_cannot_count(status: int, estimated: bool, tmp_path: Path) -> None:
    """Where that path is not known there is an estimate, marked as one; any other error is told."""
    async with native(tmp_path, "anthropic", answer_json(error(status), status)) as (proxy, _):
        got = await request(proxy.origin, "POST", "/v1/messages/count_tokens", COUNT)

    if estimated:
        assert (got.status, got.headers["x-token-count"]) == (200, "estimate")
        assert got.json()["input_tokens"] > 0
    else:
        assert (got.status, got.json()["type"]) == (502 if status == 500 else status, "error")


async def test_an_estimate_of_nothing(tmp_path: Path) -> None:
    """A request that is no conversation is not estimated either."""
    async with native(tmp_path, "anthropic", answer_json(error(404), 404)) as (proxy, _):
        got = await request(proxy.origin, "POST", "/v1/messages/count_tokens", {"model": "m", "messages": 1})

    assert (got.status, got.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("body", [b"{}", b'{"input_tokens":"9"}', b"no"])
async def test_a_count_that_is_none(body: bytes, tmp_path: Path) -> None:
    """It is a 502."""
    async with native(tmp_path, "anthropic", answer(body)) as (proxy, _):
        got = await request(proxy.origin, "POST", "/v1/messages/count_tokens", COUNT)

    assert got.status == 502


async def test_the_official_client(tmp_path: Path) -> None:
    """Beta calls, signed thinking over two turns and parallel tools with the vendor's client, judged by a strict double."""
    tools: Any = [{"name": n, "description": "d", "input_schema": {"type": "object"}} for n in ("f", "g")]
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    common: Any = {"model": "m", "max_tokens": 2048, "tools": tools, "thinking": thinking}
    async with AnthropicDouble(api_key=UPSTREAM_KEY) as double:
        defaults = {"api_type": "anthropic", "api_host": double.url, "api_token": UPSTREAM_KEY}
        rows = {"up": {"defaults": defaults, "m": {"model": "claude-double-4-5"}}}
        async with (
            RunningGateway(tmp_path, rows) as proxy,
            AsyncAnthropic(base_url=proxy.origin, api_key=CLIENT_KEY, max_retries=0) as sdk,
        ):
            messages: Any = [{"role": "user", "content": "weather?"}]
            async with sdk.beta.messages.stream(messages=messages, betas=["x-1"], **common) as live:
                first = await live.get_final_message()
            uses = [block for block in first.content if block.type == "tool_use"]
            messages += [
                {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": u.id, "content": "x"} for u in uses],
                },
            ]
            last = await sdk.beta.messages.create(messages=messages, betas=["x-1"], **common)
        betas = [sent.header("anthropic-beta") for sent in double.requests]

    assert (len(uses), first.stop_reason, last.stop_reason) == (2, "tool_use", "end_turn")
    assert betas == ["x-1", "x-1"]
