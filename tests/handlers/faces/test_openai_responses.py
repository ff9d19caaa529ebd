"""OpenAI's Responses API over upstreams of four dialects, asked by the official client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.handlers.kit import chunk, gateway
from tests.support import anthropic_double, ollama_words
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.openai_upstreams import KINDS, over
from tests.support.openai_upstreams import turns as sent_turns
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY, assert_no_secret

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "d",
    "parameters": {"type": "object", "properties": {}},
    "strict": None,
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
STREAMING = pytest.mark.parametrize("streaming", [True, False])
ANSWER = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


async def ask(sdk: AsyncOpenAI, streaming: bool, **fields: Any) -> Any:
    """The final response, streamed or not."""
    if not streaming:
        return await sdk.responses.create(model="m", **fields)
    async with sdk.responses.stream(model="m", **fields) as live:
        return await live.get_final_response()


async def post(proxy: RunningGateway, **fields: Any) -> Any:
    return await request(proxy.origin, "POST", "/v1/responses", {"model": "m", "input": "hi", **fields})


@KINDS
async def test_text(kind: str, tmp_path: Path) -> None:
    """Whole and streamed, the same text, completed, with counts and an echo of the request."""
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        common: Any = {"input": "hi", "instructions": "be kind", "metadata": {"a": "b"}, "store": True}
        got = [await ask(sdk, streaming, **common) for streaming in (False, True)]
        asked = [sent.json() for sent in double.requests]

    assert got[0].output_text == got[1].output_text != ""
    for response in got:
        assert (response.object, response.status, response.model) == ("response", "completed", "m")
        assert response.id.startswith("resp_")
        assert (response.instructions, response.metadata) == ("be kind", {"a": "b"})
        assert response.usage is not None
        assert response.usage.output_tokens > 0
        assert response.usage.total_tokens >= response.usage.input_tokens + response.usage.output_tokens
    assert not {"store", "metadata", "instructions", "input"} & set(asked[0])


@KINDS
@STREAMING
async def test_tools(kind: str, streaming: bool, tmp_path: Path) -> None:
    """A call, its result, and the answer after it; the items of the first answer go back as they came."""
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        turns: list[Any] = [{"role": "user", "content": "weather?"}]
        common: Any = {"tools": [TOOL], "parallel_tool_calls": True}
        first = await ask(sdk, streaming, input=turns, **common)
        calls = [item for item in first.output if item.type == "function_call"]
        turns += [item.model_dump(exclude_none=True) for item in first.output]
        turns += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls
        ]
        after = await ask(sdk, streaming, input=turns, **common)
        roles = [turn["role"] for turn in sent_turns(double.requests[1].json())]
        assert b"skip_thought_signature" not in double.requests[1].body  # Gemini's own signature is there

    assert (calls[0].name, json.loads(calls[0].arguments)) == ("get_weather", {"city": "Paris"})
    assert calls[0].status == "completed"
    assert after.output_text
    assert len(roles) == 3
    assert roles[0] == "user"


async def test_interleaved_calls(tmp_path: Path) -> None:
    """Each becomes an item of its own, one after the other."""
    pieces: list[Any] = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "function": {"arguments": "}"}},
    ]
    events = [*(chunk({"tool_calls": [piece]}) for piece in pieces), chunk({}, "tool_calls")]
    async with (
        Peer(stream(*sse(*events))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        client(proxy) as sdk,
    ):
        got = await ask(sdk, True, input="x")

    assert [(item.call_id, item.name, item.arguments) for item in got.output] == [
        ("a", "f", '{"x":1}'),
        ("b", "g", "{}"),
    ]


@STREAMING
async def test_signed_thoughts_come_back(streaming: bool, tmp_path: Path) -> None:
    """Over Anthropic, thinking goes on through a loop of tools: the double checks the signature."""
    async with over("anthropic", tmp_path) as (proxy, double), client(proxy) as sdk:
        turns: list[Any] = [{"role": "user", "content": "weather?"}]
        common: Any = {
            "tools": [TOOL],
            "reasoning": {"effort": "low"},
            "include": ["reasoning.encrypted_content"],
        }
        first = await ask(sdk, streaming, input=turns, **common)
        call = first.output[-1]
        turns += [item.model_dump(exclude_none=True) for item in first.output]
        turns += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        after = await ask(sdk, streaming, input=turns, **common)
        sent = double.requests[1].json()

    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    assert first.output[0].content[0].text == "".join(anthropic_double.THOUGHTS)
    assert sent["thinking"]["type"] in ("enabled", "adaptive")
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["thinking", "tool_use"]
    assert after.output_text


@STREAMING
@pytest.mark.parametrize("summary", [None, "auto"])
async def test_thoughts(summary: str | None, streaming: bool, tmp_path: Path) -> None:
    """They are an item before the message: as they are, or as a summary for a client that asked for one."""
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        got = await ask(sdk, streaming, input="hi", reasoning={"effort": "low", "summary": summary})
        assert double.requests[0].json()["think"] == "low"

    thought, message = got.output
    parts = thought.summary if summary else thought.content
    assert (thought.type, message.type) == ("reasoning", "message")
    assert [part.text for part in parts] == ["".join(ollama_words.THOUGHTS)]
    assert bool(thought.summary) is bool(summary)


@KINDS
@STREAMING
async def test_a_schema(kind: str, streaming: bool, tmp_path: Path) -> None:
    """``text_format`` of the official client: the answer is an object of that class."""

    class Reply(BaseModel):
        answer: int

    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        if streaming:
            got = await ask(sdk, True, input="hi", text_format=Reply)
        else:
            got = await sdk.responses.parse(model="m", input="hi", text_format=Reply)

    assert got.output_parsed == Reply(answer=42)


@pytest.mark.parametrize(("kind", "model"), [("openai", ""), ("ollama", "llava:7b"), ("anthropic", "")])
async def test_images(kind: str, model: str, tmp_path: Path) -> None:
    """They arrive in the upstream's own form: the doubles check it."""
    content: Any = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
    ]
    async with over(kind, tmp_path, model=model) as (proxy, double), client(proxy) as sdk:
        got = await sdk.responses.create(model="m", input=[{"role": "user", "content": content}])
        sent = double.requests[0].json()["messages"][0]

    assert got.output_text
    assert PIXEL.partition(",")[2] in json.dumps(sent)


@KINDS
@STREAMING
async def test_stopped_by_the_limit(kind: str, streaming: bool, tmp_path: Path) -> None:
    """Incomplete, and why."""
    async with over(kind, tmp_path, thinks=False) as (proxy, _), client(proxy) as sdk:
        if streaming:
            live = await sdk.responses.create(model="m", input="hi", max_output_tokens=2, stream=True)
            events: list[Any] = [event async for event in live]
            assert events[-1].type == "response.incomplete"
            got = events[-1].response
        else:
            got = await sdk.responses.create(model="m", input="hi", max_output_tokens=2)

    assert (got.status, got.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (got.output_text, got.output[-1].status) == ("Hello from", "incomplete")


async def test_the_events_of_a_text(tmp_path: Path) -> None:
    """In the order of the API's documents, numbered, without ``[DONE]``."""
    events = [chunk({"role": "assistant", "content": ""}), chunk({"content": "one"}), chunk({}, "stop")]
    async with Peer(stream(*sse(*events))) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, stream=True)
    told = [json.loads(block.partition("data: ")[2]) for block in got.body.decode().split("\n\n") if block]

    assert got.complete
    assert got.headers["content-type"] == "text/event-stream"
    assert [event["type"].removeprefix("response.") for event in told] == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert [event["sequence_number"] for event in told] == list(range(9))


@STREAMING
async def test_log_probabilities(streaming: bool, tmp_path: Path) -> None:
    """Of every token, in the part that they belong to."""
    async with over("openai", tmp_path) as (proxy, _), client(proxy) as sdk:
        got = await ask(sdk, streaming, input="hi", include=["message.output_text.logprobs"])

    found = got.output[0].content[0].logprobs
    assert "".join(token.token for token in found) == got.output_text


@pytest.mark.parametrize(("status", "wanted"), [(400, 400), (401, 502), (429, 429), (500, 502)])
async def test_errors_before_the_first_byte(status: int, wanted: int, tmp_path: Path) -> None:
    """The status, in OpenAI's form, whether a stream was asked for or not."""
    async with over("openai", tmp_path, model=f"error-{status}") as (proxy, _):
        with expect_log("handlers", "rejects our key", required=status == 401):
            answers = [await post(proxy, stream=streaming) for streaming in (True, False)]

    for got in answers:
        assert got.status == wanted
        assert got.json()["error"]["request_id"] == got.headers["x-request-id"]
        assert_no_secret(got.body)


async def test_an_unknown_model(tmp_path: Path) -> None:
    """The official client's own exception."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy, client(proxy) as sdk:
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.create(model="none", input="x")


@pytest.mark.parametrize("kind", ["cut", "ollama", "anthropic"])
async def test_a_break_in_mid_stream(kind: str, tmp_path: Path) -> None:
    """``response.failed``, an error event, a cut: the official client raises with the message."""

    async def check(proxy: RunningGateway) -> None:
        raw = await post(proxy, stream=True)
        assert not raw.complete
        assert b"response.completed" not in raw.body
        assert raw.body.count(b"event: response.failed\n") == raw.body.count(b"event: error\n") == 1
        async with client(proxy) as sdk:
            with pytest.raises(openai.APIError) as caught:
                await ask(sdk, True, input="x")
        assert json.dumps(caught.value.message) in raw.body.decode()

    if kind == "cut":
        script = stream(*sse(chunk({"content": "one"}), done=False), end="cut")
        async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
            await check(proxy)
    else:
        async with over(kind, tmp_path, model="dies") as (proxy, _):
            await check(proxy)


async def test_below_the_prefix(tmp_path: Path) -> None:
    """``<prefix>/v1/responses`` too."""
    async with Peer(answer_json(ANSWER)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.url, "POST", "/v1/responses", {"model": "m", "input": "hi"})

    assert got.json()["output"][0]["content"][0]["text"] == "x"
