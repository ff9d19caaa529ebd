"""Completions and Responses of the real llama.cpp server, relayed: what it answers directly it answers through the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp
from tests.support.responses_types import check_event, check_response
from tests.support.secrets import CLIENT_KEY

pytestmark = pytest.mark.one_python(
    "test_llamacpp_gateway asks the same server through the gateway on each Python"
)

#: What differs from request to request.
_OF_THE_DAY = {"id", "created", "created_at", "completed_at", "timings", "usage", "model"}


def config(running: LlamaCpp) -> dict[str, Any]:
    return {"llamacpp": {"defaults": {"api_host": running.base}, "m": {"model": "tiny"}}}


def sse_values(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


def plain(value: Any) -> Any:
    """``value`` without what differs from request to request."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in _OF_THE_DAY}
    return value


SAME = {"temperature": 0, "cache_prompt": False}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/completions", {"prompt": "w0000 w0001", "max_tokens": 3, "echo": True, "logprobs": 1}),
    ("/completions", {"prompt": ["w0000", "w0001 w0002"], "max_tokens": 3}),
    ("/completions", {"prompt": [1, 2, 3], "max_tokens": 3}),
    ("/completions", {"prompt": [[1, 2], [3]], "max_tokens": 3}),
    ("/completions", {"prompt": "w0000", "n": 2, "max_tokens": 3}),
    ("/responses", {"input": "hi", "max_output_tokens": 4}),
    (
        "/responses",
        {"input": [{"role": "user", "content": "hi"}], "instructions": "s", "max_output_tokens": 4},
    ),
]
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


def known(got: Any, right: Any) -> Any:
    """``got`` as far as ``right`` has the same fields: what is filled in is left out."""
    if isinstance(got, dict) and isinstance(right, dict):
        return {name: known(value, right[name]) for name, value in got.items() if name in right}
    if isinstance(got, list) and isinstance(right, list) and len(got) == len(right):
        return [known(one, other) for one, other in zip(got, right, strict=True)]
    return got


async def test_the_same_answers(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """Batches, token ids and several choices too; the same count of tokens, since no chat template is put around a prompt. Only
    a response that was cut at its limit is told as such, which this server does not do."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        for path, body in BODIES:
            through = await request(proxy.origin, "POST", "/v1" + path, {"model": "m", **SAME, **body})
            direct = await request(llamacpp.base, "POST", path, {"model": "tiny", **SAME, **body})
            got, right = through.json(), direct.json()

            assert through.status == direct.status == 200, (through.body, direct.body)
            assert known(plain(got), plain(right)) == plain(right) | (
                {"status": "incomplete"} if path == "/responses" else {}
            )
            assert (got["model"], right["model"]) == ("m", "tiny")
            prompt = "prompt_tokens" if path == "/completions" else "input_tokens"
            assert got["usage"][prompt] == right["usage"][prompt]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_official_client(stream: bool, llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """A text keeps its leading blank; the events of a response are read."""
    async with (
        RunningGateway(tmp_path, config(llamacpp)) as proxy,
        AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0) as sdk,
    ):
        if stream:
            live = await sdk.completions.create(
                model="m", prompt="Once", max_tokens=2, temperature=0, stream=True
            )
            text = "".join([choice.text async for event in live for choice in event.choices])
            async with sdk.responses.stream(model="m", input="hi", max_output_tokens=3) as events:
                found: list[Any] = [event async for event in events]
            assert [event.type for event in found][-1] == "response.incomplete"
            assert found[-1].response.output_text == "w0000 w0001 w0002"
        else:
            text = (
                (await sdk.completions.create(model="m", prompt="Once", max_tokens=2, temperature=0))
                .choices[0]
                .text
            )
            said = await sdk.responses.create(model="m", input="hi", max_output_tokens=3)
            assert (said.model, said.output_text.split()[0]) == ("m", "w0000")

    assert text == " w0000 w0001"


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@BOTH
async def test_every_event_has_what_clients_need(stream: bool, llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """Of a text and of a call, judged by the official client's types; numbers go up, the call's arguments have an end."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        for more in ({}, {"tools": [TOOL]}):
            body = {"model": "m", "input": "hi", "max_output_tokens": 50, "stream": stream, **SAME, **more}
            got = await request(proxy.origin, "POST", "/v1/responses", body)
            assert got.status == 200, got.body
            if not stream:
                check_response(got.json())
                continue
            events = sse_values(got.body)
            for event in events:
                check_event(event)
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            assert {event.get("output_index", 0) for event in events} == {0}
            kinds = [event["type"] for event in events]
            assert kinds[-2:] == [
                "response.output_item.done",
                "response.completed" if more else "response.incomplete",
            ]
            assert ("response.function_call_arguments.done" in kinds) == bool(more)


#: What this server leaves out or refuses in a response, and does in a chat.
LACKING: list[dict[str, Any]] = [
    {"text": {"format": {"type": "json_schema", "name": "a", "schema": TOOL["parameters"]}}},
    {"text": {"format": {"type": "json_object"}}},
    {"tools": [{"type": "custom", "name": "apply_patch"}]},
    {"tools": [{"type": "namespace", "name": "n", "tools": [TOOL]}]},
    {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    {"input": [{"role": "assistant", "content": "p"}, {"role": "user", "content": "b"}]},
    {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "b"}]},
]


@BOTH
async def test_what_it_lacks(stream: bool, llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """Is made as a chat, and done."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        for fields in LACKING:
            body = {"model": "m", "input": "hi", "max_output_tokens": 200, "stream": stream, **SAME, **fields}
            got = await request(proxy.origin, "POST", "/v1/responses", body)
            assert got.status == 200, got.body
            response = sse_values(got.body)[-1]["response"] if stream else got.json()
            *_, item = response["output"]
            if "text" in fields:
                assert item["content"][0]["text"].startswith("{")
            elif fields.get("tools"):
                assert item["type"] in ("custom_tool_call", "function_call")
                assert item.get("namespace") == fields["tools"][0]["name"] or "namespace" not in item
            elif "include" in fields:
                assert item["content"][0]["logprobs"] or stream


async def test_what_is_kept_nowhere(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """Is refused, and not left out."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        for name in ("previous_response_id", "conversation", "prompt", "background"):
            got = await request(
                proxy.origin, "POST", "/v1/responses", {"model": "m", "input": "x", name: True}
            )
            assert (got.status, got.json()["error"]["param"]) == (400, name)
