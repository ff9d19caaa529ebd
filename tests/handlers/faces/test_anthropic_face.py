"""Anthropic's Messages API over upstreams of three dialects, asked by the official client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.handlers.kit import EVENTS, chunk, gateway
from tests.support import anthropic_double, ollama_words
from tests.support.anthropic_double import AnthropicDouble
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream
from tests.support.secrets import CLIENT_KEY, assert_no_secret

TOOL: Any = {"name": "get_weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
ASK: Any = [{"role": "user", "content": "hi"}]


def client(proxy: RunningGateway, path: str = "") -> AsyncAnthropic:
    return AsyncAnthropic(base_url=proxy.origin + path, api_key=CLIENT_KEY, max_retries=0)


@asynccontextmanager
async def over(kind: str, folder: Path) -> AsyncIterator[tuple[RunningGateway, Any]]:
    """A gateway whose model ``m`` is at a strict double of ``kind``, and the double."""
    doubles: dict[str, Any] = {"openai": OpenAIDouble, "ollama": OllamaDouble, "anthropic": AnthropicDouble}
    models = {"openai": "gpt-double", "ollama": "qwen3:8b", "anthropic": "claude-double-4-5"}
    async with doubles[kind]() as double:
        host = double.base if kind == "openai" else double.url
        rows = {"up": {"defaults": {"api_type": kind, "api_host": host}, "m": {"model": models[kind]}}}
        async with RunningGateway(folder, rows) as proxy:
            yield proxy, double


KINDS = pytest.mark.parametrize("kind", ["openai", "ollama", "anthropic"])


@KINDS
@pytest.mark.parametrize("path", ["", "/anthropic"])
async def test_text(kind: str, path: str, tmp_path: Path) -> None:
    """Whole and streamed, the same text, a stop reason and counts."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy, path) as sdk:
        whole = await sdk.messages.create(model="m", max_tokens=100, messages=ASK)
        async with sdk.messages.stream(model="m", max_tokens=100, messages=ASK) as live:
            streamed = await live.get_final_message()

    texts = ["".join(b.text for b in m.content if b.type == "text") for m in (whole, streamed)]
    assert texts[0] == texts[1] != ""
    assert (whole.stop_reason, streamed.stop_reason) == ("end_turn", "end_turn")
    assert whole.model == streamed.model == "m"
    assert whole.usage.input_tokens > 0  # (Ollama leaves it out when the prompt is cached)
    assert whole.usage.output_tokens > 0
    assert streamed.usage.output_tokens > 0


@KINDS
@pytest.mark.parametrize("streaming", [True, False])
async def test_tools(kind: str, streaming: bool, tmp_path: Path) -> None:
    """A call, its result, and the answer after it."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": "weather?"}]
        first: Any
        if streaming:
            async with sdk.messages.stream(
                model="m", max_tokens=100, messages=messages, tools=[TOOL]
            ) as live:
                first = await live.get_final_message()
        else:
            first = await sdk.messages.create(model="m", max_tokens=100, messages=messages, tools=[TOOL])
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
        messages += [
            {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]}
        ]
        messages += [{"role": "user", "content": results}]
        after = await sdk.messages.create(model="m", max_tokens=100, messages=messages, tools=[TOOL])

    assert first.stop_reason == "tool_use"
    assert calls[0].name == "get_weather"
    assert isinstance(calls[0].input, dict)
    assert after.stop_reason == "end_turn"


async def test_thinking_keeps_its_signature(tmp_path: Path) -> None:
    """Over an upstream of the same dialect a signed thought comes out and goes back as it was: the double checks."""
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    async with over("anthropic", tmp_path) as (proxy, double), client(proxy) as sdk:
        first: Any
        for streaming in (False, True):
            messages: Any = [{"role": "user", "content": "weather?"}]
            common: Any = {"model": "m", "max_tokens": 2048, "tools": [TOOL], "thinking": thinking}
            if streaming:
                async with sdk.messages.stream(messages=messages, **common) as live:
                    first = await live.get_final_message()
            else:
                first = await sdk.messages.create(messages=messages, **common)
            thoughts = [block for block in first.content if block.type == "thinking"]
            calls = [block for block in first.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": "x"} for call in calls]
            messages += [
                {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]}
            ]
            messages += [{"role": "user", "content": results}]
            after = await sdk.messages.create(messages=messages, **common)

            assert thoughts[0].signature
            assert thoughts[0].thinking == "".join(anthropic_double.THOUGHTS)
            assert after.stop_reason == "end_turn"
    assert double.requests[0].json()["thinking"] == thinking


async def test_thinking_of_another_dialect(tmp_path: Path) -> None:
    """Ollama's thinking arrives as a block, asked for by a budget."""
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        common: Any = {"model": "m", "max_tokens": 2048, "messages": ASK}
        async with sdk.messages.stream(**common, thinking={"type": "enabled", "budget_tokens": 1024}) as live:
            final = await live.get_final_message()

    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].thinking == "".join(ollama_words.THOUGHTS)  # type: ignore[union-attr]
    assert double.requests[0].json()["think"] == "low"


async def test_everything_of_a_request(tmp_path: Path) -> None:
    """System blocks, images, sampling, stop sequences, the user, tool choice, a failed tool, unknown fields."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": [image, {"type": "text", "text": "see"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True},
                    {"type": "text", "text": "go on"},
                ],
            },
        ],
        "temperature": 0.5,
        "top_k": 3,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "tools": [{**TOOL, "name": "f"}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 5000},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "vendor": {"y": 1},
    }
    async with Peer(
        answer_json({"choices": [{"message": {"content": "x"}, "finish_reason": "length"}]})
    ) as peer:
        async with gateway(tmp_path, peer.url) as proxy:
            got = await request(proxy.origin, "POST", "/v1/messages", body)
        sent = peer.requests[0].json()

    assert got.json()["stop_reason"] == "max_tokens"
    assert sent["messages"][0]["role"] == "system"
    assert sent["messages"][1]["content"][0] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,QUJD"},
    }
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"x": 1}
    assert (sent["messages"][3]["role"], sent["messages"][3]["tool_call_id"]) == ("tool", "t")
    assert sent["messages"][4] == {"role": "user", "content": "go on"}
    wanted = {"temperature": 0.5, "top_k": 3, "stop": ["x"], "user": "u", "max_tokens": 9, "vendor": {"y": 1}}
    assert {key: sent[key] for key in wanted} == wanted
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert (sent["reasoning_effort"], sent["response_format"]["type"]) == ("medium", "json_schema")
    assert not {"thinking", "output_config", "stop_sequences", "metadata", "system"} & set(sent)


ERRORS = [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502), (503, 503)]


@pytest.mark.parametrize(("status", "wanted"), ERRORS)
@pytest.mark.parametrize("streaming", [True, False])
async def test_errors_before_the_first_byte(
    status: int, wanted: int, streaming: bool, tmp_path: Path
) -> None:
    """The status, in this API's form, with the request id."""
    async with (
        Peer(answer_json({"error": {"message": "no"}}, status)) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        body = {"model": "m", "max_tokens": 9, "messages": ASK, "stream": streaming}
        with expect_log("handlers", "rejects our key", required=status == 401):
            got = await request(proxy.origin, "POST", "/v1/messages", body)

    error = got.json()
    assert (got.status, error["type"], error["request_id"]) == (wanted, "error", got.headers["x-request-id"])
    assert error["error"]["type"].endswith(("_error", "too_large"))
    assert_no_secret(got.body)


BAD = [
    ({"model": "m", "messages": ASK}, 400),
    ({"model": "m", "max_tokens": 1, "messages": []}, 400),
    ({"model": "m", "max_tokens": 1, "messages": [{"role": "system", "content": "x"}]}, 400),
    ({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{}]}]}, 400),
    ({"model": "mm", "max_tokens": 1, "messages": ASK}, 404),
]


@pytest.mark.parametrize(("body", "status"), BAD)
async def test_bad_input(body: Any, status: int, tmp_path: Path) -> None:
    """In this API's form too."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "POST", "/v1/messages", body)

        assert not peer.requests
    assert (got.status, got.json()["type"]) == (status, "error")


async def test_a_break_in_mid_stream(tmp_path: Path) -> None:
    """An error event, no message_stop, a cut: the official client raises."""
    async with Peer(stream(*sse(*EVENTS)[:2], end="cut")) as peer, gateway(tmp_path, peer.url) as proxy:
        raw = await request(
            proxy.origin,
            "POST",
            "/v1/messages",
            {"model": "m", "max_tokens": 9, "messages": ASK, "stream": True},
        )
        async with client(proxy) as sdk:

            async def read() -> None:
                async with sdk.messages.stream(model="m", max_tokens=9, messages=ASK) as live:
                    async for _ in live:
                        pass

            with pytest.raises(anthropic.APIError):
                await read()

    assert not raw.complete
    assert b"event: error" in raw.body
    assert b"message_stop" not in raw.body


async def test_interleaved_calls_become_whole_blocks(tmp_path: Path) -> None:
    """Pieces of a second call that come between those of the first wait for its end."""

    def piece(index: int, **fields: Any) -> Any:
        return chunk({"tool_calls": [{"index": index, **fields}]})

    events = [
        piece(0, id="a", type="function", function={"name": "f", "arguments": '{"x"'}),
        piece(1, id="b", type="function", function={"name": "g", "arguments": "{"}),
        piece(0, function={"arguments": ":1}"}),
        piece(1, function={"arguments": "}"}),
        chunk({}, "tool_calls"),
    ]
    async with (
        Peer(stream(*sse(*events))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        client(proxy) as sdk,
        sdk.messages.stream(model="m", max_tokens=9, messages=ASK) as live,
    ):
        final = await live.get_final_message()

    assert [(b.id, b.name, b.input) for b in final.content if b.type == "tool_use"] == [
        ("a", "f", {"x": 1}),
        ("b", "g", {}),
    ]


async def test_count_tokens_is_an_estimate(tmp_path: Path) -> None:
    """It says so."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy, client(proxy) as sdk:
        got = await sdk.messages.with_raw_response.count_tokens(model="m", messages=ASK)

    assert got.headers["x-token-count"] == "estimate"
    assert got.http_response.json()["input_tokens"] > 0
