"""Ollama's native API over upstreams of three dialects, asked by the official client: what comes out."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.handlers.kit import chunk, gateway
from tests.support.client import Connection
from tests.support.ollama_client import ASK, BOTH, KINDS, TOOL, client, lines_of, over, post
from tests.support.ollama_words import THOUGHTS
from tests.support.peer import Peer
from tests.support.scripts import silent, sse, stream

DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


#: RFC 3339 with nanoseconds.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@KINDS
async def test_chat(kind: str, tmp_path: Path) -> None:
    """Whole and streamed, the same text, a reason and counts: the client keeps the path of its base URL."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        whole = await sdk.chat("m", ASK)
        parts = [part async for part in await sdk.chat("m", ASK, stream=True)]

    assert whole.message.content == "".join(part.message.content or "" for part in parts) != ""
    assert {whole.model, *(part.model for part in parts)} == {"m"}
    assert (whole.done, whole.done_reason) == (True, "stop")
    assert [part.done for part in parts] == [*[False] * (len(parts) - 1), True]
    assert parts[-1].done_reason == "stop"
    assert whole.prompt_eval_count
    assert whole.eval_count == parts[-1].eval_count
    assert (whole.total_duration or 0) > 0
    assert (parts[-1].total_duration or 0) >= (parts[-1].eval_duration or 0) >= 0


@KINDS
async def test_generate(kind: str, tmp_path: Path) -> None:
    """The same in ``response``; the system text goes in front of the prompt."""
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        whole = await sdk.generate("m", "hi", system="be brief")
        parts = [part async for part in await sdk.generate("m", "hi", stream=True)]
        sent = double.requests[0].json()

    assert whole.response == "".join(part.response for part in parts) != ""
    assert (whole.done_reason, parts[-1].done_reason) == ("stop", "stop")
    assert "be brief" in json.dumps(sent)
    if kind == "ollama":
        assert sent == {"model": "qwen3:8b", "prompt": "hi", "system": "be brief", "stream": False}
    else:
        assert sent["messages"][-1]["content"] in ("hi", [{"type": "text", "text": "hi"}])


async def test_every_line_is_complete(tmp_path: Path) -> None:
    """Model, time with nanoseconds and ``done`` on each line; durations and counts on the last."""
    async with over("openai", tmp_path) as (proxy, _):
        got = await post(proxy, "/api/chat", {"model": "m:latest", "messages": ASK})
        lines = lines_of(got)

    assert got.complete
    assert all(line["model"] == "m:latest" and TIME.fullmatch(line["created_at"]) for line in lines)
    assert all(set(line) == {"model", "created_at", "message", "done"} for line in lines[:-1])
    assert [line["created_at"] for line in lines] == sorted(line["created_at"] for line in lines)
    last = lines[-1]
    assert (last["done"], last["message"]) == (True, {"role": "assistant", "content": ""})
    assert all(type(last[name]) is int for name in DURATIONS)
    assert last["total_duration"] == last["prompt_eval_duration"] + last["eval_duration"] > 0
    assert (last["prompt_eval_count"], last["eval_count"]) == (9, len(lines) - 1)


@KINDS
@BOTH
async def test_tools(kind: str, streaming: bool, tmp_path: Path) -> None:
    """A call with its arguments as an object, its result by name only, and the answer after it."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": "weather?"}]
        if streaming:
            parts = [part async for part in await sdk.chat("m", messages, tools=[TOOL], stream=True)]
            calls = [call for part in parts for call in part.message.tool_calls or ()]
            assert not parts[-1].message.tool_calls
            reason = parts[-1].done_reason
        else:
            whole = await sdk.chat("m", messages, tools=[TOOL])
            calls, reason = list(whole.message.tool_calls or ()), whole.done_reason
        messages.append({"role": "assistant", "content": "", "tool_calls": [c.model_dump() for c in calls]})
        messages.append({"role": "tool", "tool_name": "get_weather", "content": "sunny"})
        after = await sdk.chat("m", messages, tools=[TOOL])

    assert (calls[0].function.name, reason) == ("get_weather", "stop")
    assert isinstance(calls[0].function.arguments, dict)
    assert after.message.content
    assert not after.message.tool_calls


async def test_pieces_of_calls_come_out_whole(tmp_path: Path) -> None:
    """Pieces that are mixed, that lack an index, or that are no object: each call once, before the last line."""

    def piece(**fields: Any) -> Any:
        return chunk({"tool_calls": [fields]})

    events = [
        piece(index=0, id="a", type="function", function={"name": "f", "arguments": '{"x"'}),
        piece(index=1, id="b", type="function", function={"name": "g", "arguments": ""}),
        piece(index=0, function={"arguments": ":1}"}),
        piece(id="c", type="function", function={"name": "h", "arguments": "no"}),
        piece(function={"arguments": "n"}),
        piece(id="c", function={"arguments": "e"}),
        chunk({}, "tool_calls"),
    ]
    async with Peer(stream(*sse(*events))) as peer, gateway(tmp_path, peer.url) as proxy:
        lines = lines_of(await post(proxy, "/api/chat", {"model": "m", "messages": ASK}))

    assert [line["done"] for line in lines] == [False, True]
    assert lines[0]["message"]["tool_calls"] == [
        {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
        {"id": "b", "function": {"index": 1, "name": "g", "arguments": {}}},
        {"id": "c", "function": {"index": 2, "name": "h", "arguments": {"arguments": "none"}}},
    ]
    assert lines[1]["done_reason"] == "stop"
    assert "prompt_eval_count" not in lines[1]  # nobody said how many


@BOTH
async def test_thinking(streaming: bool, tmp_path: Path) -> None:
    """Ollama's own thinking comes out as thinking, and goes back in the history."""
    history: Any = [*ASK, {"role": "assistant", "content": "yes", "thinking": "hm"}, *ASK]
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        if streaming:
            parts = [part async for part in await sdk.chat("m", history, think="high", stream=True)]
            thought = "".join(part.message.thinking or "" for part in parts)
        else:
            thought = (await sdk.chat("m", history, think="high")).message.thinking or ""
        unthought = await sdk.generate("m", "hi", think=False)
        first, second = (double.requests[n].json() for n in (0, 1))

    assert thought == "".join(THOUGHTS)
    assert first["think"] == "high"
    assert first["messages"][1] == {"role": "assistant", "content": "yes", "thinking": "hm"}
    assert second["think"] is False
    assert not unthought.thinking


async def test_length_and_logprobs(tmp_path: Path) -> None:
    """The reason for an end at the limit, and log probabilities, in both forms."""
    async with over("openai", tmp_path) as (proxy, _):
        body = {"model": "m", "messages": ASK, "options": {"num_predict": 2}, "logprobs": True}
        lines = lines_of(await post(proxy, "/api/chat", body))
        whole = (await post(proxy, "/api/chat", {**body, "stream": False})).json()

    assert (lines[-1]["done_reason"], whole["done_reason"]) == ("length", "length")
    assert [line["logprobs"][0]["token"] for line in lines[:2]] == ["Hello", " from"]
    assert whole["logprobs"][0]["logprob"] == -0.25


async def test_silence_is_filled_with_lines(tmp_path: Path) -> None:
    """While an upstream says nothing, lines without content come: no blank ones."""
    async with (
        Peer(silent()) as peer,
        gateway(tmp_path, peer.url, keepalive_after=0.05, keepalive_interval=0.05) as proxy,
        Connection(proxy.origin) as connection,
    ):
        await connection.send("POST", "/ollama/api/generate", {"model": "m", "prompt": "hi"})
        answer = await connection.head()
        lines = [json.loads(await connection.piece(answer)) for _ in range(2)]

    assert [(line["response"], line["done"]) for line in lines] == [("", False), ("", False)]


async def test_the_client_leaves(tmp_path: Path) -> None:
    """Then the upstream is left too."""
    async with over("openai", tmp_path) as (proxy, double), client(proxy) as sdk:
        double.gate = asyncio.Event()
        parts = await sdk.chat("m", ASK, stream=True)
        first = await anext(parts)
        await parts.aclose()
        await double.closed_by_client()

    assert first.message.content == "Hello"
