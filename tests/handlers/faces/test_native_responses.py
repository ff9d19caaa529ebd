"""OpenAI's Responses API over an upstream that has it: what goes there and what comes back, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.handlers.kit import COMPLETION, access_lines
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.native_peer import native
from tests.support.peer import Peer
from tests.support.scripts import answer_json, by_path, raw, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY

PATH = "/v1/responses"
USAGE = {
    "input_tokens": 9,
    "output_tokens": 4,
    "total_tokens": 13,
    "input_tokens_details": {"cached_tokens": 1},
}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbGVk"}
PART = {"type": "output_text", "text": 'a "b"', "annotations": [], "logprobs": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "up",
    "output": [REASONING, SEARCH, MESSAGE],
    "tools": [{"type": "image_generation", "model": "up"}],
    "usage": USAGE,
}


def event(kind: str, **fields: Any) -> bytes:
    """As OpenAI writes it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


BEGUN = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
STREAM = [
    event("response.created", response=BEGUN, sequence_number=0),
    event("response.in_progress", response=BEGUN, sequence_number=1),
    event("response.brand_new", x={"model": "up"}, sequence_number=2),
    event("response.output_item.added", output_index=0, item=REASONING, sequence_number=3),
    event(
        "response.output_text.delta", item_id="msg_1", output_index=2, content_index=0, delta="a", logprobs=[]
    ),
    event("response.completed", response=RESPONSE, sequence_number=5),
]


def asked(data: bytes) -> bytes:
    """``data`` with the name that was asked for, in the response and nowhere else."""
    return data.replace(
        b'"status": "completed", "model": "up"', b'"status": "completed", "model": "m"'
    ).replace(b'"status": "in_progress", "model": "up"', b'"status": "in_progress", "model": "m"')


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


BODIES: list[dict[str, Any]] = [
    {"input": "hi", "previous_response_id": "resp_0", "store": True, "metadata": {"a": "b"}},
    {"input": [{"role": "user", "content": "x"}, REASONING, {"type": "item_reference", "id": "msg_1"}]},
    {
        "input": "x",
        "background": True,
        "include": ["reasoning.encrypted_content"],
        "client_metadata": {"x": 1},
    },
    {"input": "x", "conversation": {"id": "conv_1"}, "prompt": {"id": "pmpt_1"}, "truncation": "auto"},
    {
        "input": "x",
        "tools": [
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark"}},
            {"type": "namespace", "name": "mcp__a", "tools": []},
            {"type": "web_search"},
            {"type": "mcp", "server_url": "https://mcp.example"},
        ],
        "reasoning": {"effort": "medium", "summary": "auto"},
    },
    {"instructions": None, "max_output_tokens": "newest", "text": {"format": 7}},
]


@pytest.mark.parametrize("body", BODIES)
async def test_everything_reaches_the_upstream(body: dict[str, Any], tmp_path: Path) -> None:
    """Fields as they were, in their order, known or not; the answer too but for the model's name."""
    data = json.dumps(RESPONSE, indent=1).encode()
    async with native(tmp_path, "openai", raw_json(data), vendor="openai") as (proxy, peer):
        with access_lines() as lines:
            headers = {"OpenAI-Beta": "responses=v2", "Cookie": "a=b"}
            got = await request(proxy.origin, "POST", PATH, {"model": "m", **body}, headers=headers)
        (sent,) = peer.requests

    assert (sent.path, sent.header("authorization")) == ("/responses", f"Bearer {UPSTREAM_KEY}")
    assert (sent.header("openai-beta"), sent.header("cookie")) == ("responses=v2", None)
    assert sent.body == json.dumps({"model": "up", **body}, separators=(",", ":")).encode()
    assert got.body == data.replace(b'\n "model": "up"', b'\n "model": "m"')
    assert "x-dropped-params" not in got.headers
    assert (lines[0]["prompt_tokens"], lines[0]["completion_tokens"]) == (9, 4)


CUSTOM = {"type": "custom", "name": "apply_patch"}
PATCHED = [
    {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
]
#: Fields, whose servers these are or what the row says, and where the request goes.
TOOLS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"tools": [CUSTOM]}, {"vendor": "openrouter"}, "/chat/completions"),
    ({"tools": [{"type": "shell"}]}, {"vendor": "llamacpp"}, "/chat/completions"),
    ({"input": [MESSAGE, *PATCHED]}, {"vendor": "vllm"}, "/chat/completions"),
    ({"tools": [CUSTOM], "previous_response_id": "r"}, {"vendor": "vllm"}, "/responses"),
    ({"tools": [CUSTOM]}, {"vendor": "azure"}, "/responses"),
    (
        {"input": [{"type": "compaction", "encrypted_content": "x"}, {"role": "user", "content": "x"}]},
        {"vendor": "vllm"},
        "/chat/completions",
    ),
    ({"text": {"format": {"type": "json_object"}}}, {"vendor": "vllm"}, "/chat/completions"),
    ({"text": {"format": {"type": "json_object"}}}, {"vendor": "openrouter"}, "/responses"),
    ({"tools": [CUSTOM]}, {"api": "responses"}, "/responses"),
    (
        {"tools": [{"type": "web_search"}, {"type": "function", "name": "f"}, 7]},
        {"vendor": "vllm"},
        "/responses",
    ),
    ({}, {"vendor": "vllm", "api": "chat"}, "/chat/completions"),
    ({}, {}, "/chat/completions"),
]


@pytest.mark.parametrize(("fields", "row", "path"), TOOLS)
async def test_tools_of_the_client(
    fields: dict[str, Any], row: dict[str, Any], path: str, tmp_path: Path
) -> None:
    """Go to servers that take them; to others as functions of a chat, unless only they know the rest."""
    async with native(tmp_path, "openai", answer_json({"error": {"message": "no"}}, 400), **row) as (
        proxy,
        peer,
    ):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", **fields})

        assert [sent.path for sent in peer.requests] == [path]
    assert got.status == 400


def raw_json(data: bytes) -> Any:
    """A JSON answer of exactly these bytes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
    return raw(head + data, end="close")


@pytest.mark.parametrize("done", [b"", b"data: [DONE]\n\n"])
async def test_streams(done: bytes, tmp_path: Path) -> None:
    """Event by event; what OpenRouter puts behind the last one is no matter."""
    async with native(tmp_path, "vllm", stream(*STREAM, done)) as (proxy, _):
        with access_lines() as lines:
            got = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", "stream": True})

    assert got.complete
    assert got.body == asked(b"".join(STREAM))
    assert (lines[0]["prompt_tokens"], lines[0]["completion_tokens"]) == (9, 4)


@pytest.mark.parametrize("status", ["incomplete", "completed"])
async def test_the_official_client(status: str, tmp_path: Path) -> None:
    """Reads a stream, and what is encrypted in it."""
    last = {**RESPONSE, "status": status, "incomplete_details": {"reason": "max_output_tokens"}}
    events = [*STREAM[:-1], event(f"response.{status}", response=last, sequence_number=5)]
    async with native(tmp_path, "vllm", stream(*events)) as (proxy, _), client(proxy) as sdk:
        live = await sdk.responses.create(model="m", input="x", stream=True)
        found: Any = [got async for got in live]

    assert found[-1].response.model == "m"
    assert found[-1].response.output[0].encrypted_content == "c2VhbGVk"
    assert found[-1].response.status == status


async def test_defaults_fill_what_is_open(tmp_path: Path) -> None:
    """In the words of this API; what it has no word for is named."""
    options = {
        "max_tokens": 9,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "verbosity": "high",
        "stop": ["x"],
        "top_k": 3,
    }
    body = {"model": "m", "input": "x", "temperature": 1, "reasoning": {"summary": "auto"}}
    async with native(tmp_path, "vllm", answer_json(RESPONSE), options=options) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH, body)
        sent = peer.requests[0].json()

    assert sent == {
        "model": "up",
        "input": "x",
        "temperature": 1,
        "max_output_tokens": 9,
        "top_k": 3,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "high"},
    }
    assert got.headers["x-dropped-params"] == "stop"


async def test_an_answer_in_the_other_form(tmp_path: Path) -> None:
    """Is put into the one that was asked for."""
    async with native(tmp_path, "vllm", answer_json(RESPONSE)) as (proxy, _):
        live = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", "stream": True})
    async with native(tmp_path, "vllm", stream(*STREAM)) as (proxy, _):
        whole = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x"})

    assert live.complete
    last = json.loads(live.body.split(b"data: ")[-1])
    assert (last["type"], last["response"]["model"]) == ("response.completed", "m")
    assert whole.json()["output"][-1]["content"][0]["text"] == "a"


FAILED = {"code": "rate_limit_exceeded", "message": "slow down, http://10.0.0.1:8000/x"}
ENDS = [
    stream(*STREAM[:2], event("response.failed", response={**BEGUN, "status": "failed", "error": FAILED})),
    stream(*STREAM[:2], event("error", **FAILED, param=None)),
    stream(*STREAM[:2], event("error", error=FAILED)),
    stream(*STREAM[:2], b'data: {"error": {"message": "slow", "code": "rate_limit_exceeded"}}\n\n'),
    stream(*STREAM[:2]),
    stream(*STREAM[:2], b"event: response.output_item.added\ndata: {oops\n\n"),
    stream(*STREAM[:2], end="cut"),
]


@pytest.mark.parametrize("script", ENDS)
async def test_a_break_in_mid_stream(script: Any, tmp_path: Path) -> None:
    """What came, an ``error`` event on which the official client raises, a cut; no address."""
    async with native(tmp_path, "vllm", script) as (proxy, _), client(proxy) as sdk:
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", "stream": True})
        with pytest.raises(openai.APIError):
            async for _ in await sdk.responses.create(model="m", input="x", stream=True):
                pass

    assert not got.complete
    assert got.body.startswith(asked(b"".join(STREAM[:2])))
    last = json.loads(got.body.split(b"data: ")[-1])
    assert (last["type"], last["error"]["code"] == last["code"]) == ("error", True)
    assert last["code"] == ("rate_limit" if ENDS.index(script) < 4 else "upstream_error")
    assert b"10.0.0.1" not in got.body


@pytest.mark.parametrize("value", [[], {"object": "response"}, COMPLETION, {**RESPONSE, "error": FAILED}])
async def test_a_200_that_is_no_answer(value: Any, tmp_path: Path) -> None:
    """An error."""
    async with native(tmp_path, "vllm", answer_json(value)) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x"})

    assert got.status == (429 if "output" in value else 502)


async def test_an_upstream_without_the_endpoint(tmp_path: Path) -> None:
    """Is asked for a chat instead, and for nothing else from then on; but not for what it would have to remember."""
    scripts = {
        "/responses": answer_json({"detail": "Not Found"}, 404),
        "/chat/completions": answer_json(COMPLETION),
    }
    async with native(tmp_path, "vllm", by_path(scripts)) as (proxy, peer):
        kept = {"model": "m", "input": "x", "previous_response_id": "resp_0"}
        refused = await request(proxy.origin, "POST", PATH, kept)
        answers = [await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x"}) for _ in range(2)]
        again = await request(proxy.origin, "POST", PATH, kept)
        paths = [sent.path for sent in peer.requests]

    assert paths == ["/responses", "/responses", "/chat/completions", "/chat/completions"]
    assert [got.json()["output"][0]["content"][0]["text"] for got in answers] == ["one two", "one two"]
    assert (refused.status, again.status) == (404, 400)
    assert again.json()["error"]["param"] == "previous_response_id"


def several(first: Peer, second: Peer, **row: Any) -> dict[str, Any]:
    """The model ``m`` at two upstreams, and a third kind that has no such API."""
    here = {"defaults": {"api_type": "vllm", "api_host": first.url}, "m": {"model": "up", "weight": 1}}
    there = {"defaults": {"api_type": "vllm", "api_host": second.url}, "m": {"model": "up", "weight": 1000}}
    other = {"defaults": {"api_type": "ollama", "api_host": "http://127.0.0.1:9"}, "m": {"weight": 1e6}}
    return {"a": other, "b": here, "c": there, **row}


@pytest.mark.parametrize("body", [{"store": True}, {"previous_response_id": "r"}, {"conversation": "c"}])
async def test_what_may_be_kept_is_always_at_one_upstream(body: dict[str, Any], tmp_path: Path) -> None:
    """The first that has the API, whatever the weights."""
    async with Peer(answer_json(RESPONSE)) as first, Peer(answer_json(RESPONSE)) as second:
        async with RunningGateway(tmp_path, several(first, second)) as proxy:
            for _ in range(3):
                got = await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", **body})
                assert got.status == 200

        assert (len(first.requests), len(second.requests)) == (3, 0)


async def test_what_is_not_kept_goes_by_the_weights(tmp_path: Path) -> None:
    """``store`` is false, or the upstream keeps nothing of itself."""
    async with Peer(answer_json(RESPONSE)) as first, Peer(answer_json(RESPONSE)) as second:
        rows = several(first, second)
        del rows["a"]
        rows["b"]["m"]["weight"] = 0
        async with RunningGateway(tmp_path, rows) as proxy:
            for body in ({"store": False}, {}):
                await request(proxy.origin, "POST", PATH, {"model": "m", "input": "x", **body})

        assert (len(first.requests), len(second.requests)) == (0, 2)
