"""Chat and Messages requests that a model takes only as Responses calls, through the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.support.client import request
from tests.support.native_peer import native
from tests.support.scripts import answer_json, by_path, in_turn, stream
from tests.support.secrets import CLIENT_KEY

ROW: dict[str, Any] = {"vendor": "openai", "model": "gpt-5.5"}
SCHEMA = {"type": "object", "properties": {}}
TOOLS: Any = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
MESSAGES: Any = [{"role": "user", "content": "q"}]
USAGE = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "c2VhbA",
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5.5-2026",
    "output": [REASONING, CALL],
    "usage": USAGE,
}
REFUSED = {
    "message": "Function tools with reasoning_effort are not supported",
    "type": "invalid_request_error",
    "code": None,
}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


EVENTS = [
    event("response.created", response={**RESPONSE, "output": []}),
    event("response.reasoning_summary_text.delta", delta="hm", summary_index=0, output_index=0),
    event("response.output_item.done", item=REASONING, output_index=0),
    event("response.output_item.added", item={**CALL, "arguments": ""}, output_index=1),
    event("response.function_call_arguments.delta", delta="{}", output_index=1),
    event("response.output_item.done", item=CALL, output_index=1),
    event("response.completed", response=RESPONSE),
]
DONE = {**RESPONSE, "output": [{"type": "message", "content": [{"type": "output_text", "text": "done"}]}]}


def peer(*scripts: Any) -> Any:
    """One that refuses such a chat."""
    chat = answer_json({"error": REFUSED}, 400)
    return by_path({"/responses": in_turn(*scripts), "/chat/completions": chat})


@pytest.mark.parametrize("streaming", [False, True])
async def test_chat(streaming: bool, tmp_path: Path) -> None:
    """The official client gets the call, sends everything back, and gets the end."""
    first = stream(*EVENTS) if streaming else answer_json(RESPONSE)
    async with native(tmp_path, "openai", peer(first, answer_json(DONE)), **ROW) as (proxy, upstream):
        async with AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0) as sdk:
            asked: Any = {"model": "m", "tools": TOOLS, "reasoning_effort": "medium"}
            if streaming:
                async with sdk.chat.completions.stream(messages=MESSAGES, **asked) as live:
                    got: Any = await live.get_final_completion()
            else:
                got = await sdk.chat.completions.create(messages=MESSAGES, **asked)
            said = got.choices[0].message
            history = [
                *MESSAGES,
                said.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": "c1", "content": "r"},
            ]
            last = await sdk.chat.completions.create(messages=history, **asked)
        sent = [seen.json() for seen in upstream.requests]

    assert (got.model, got.choices[0].finish_reason, got.usage is None) == ("m", "tool_calls", streaming)
    assert (said.tool_calls[0].id, said.tool_calls[0].function.arguments) == ("c1", "{}")
    assert said.reasoning_content == "hm"
    assert last.choices[0].message.content == "done"
    assert (sent[0]["reasoning"], sent[0]["store"]) == ({"effort": "medium"}, False)
    assert sent[1]["input"][1:] == [
        REASONING,
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "r"},
    ]


@pytest.mark.parametrize("streaming", [False, True])
async def test_messages(streaming: bool, tmp_path: Path) -> None:
    """Anthropic's client keeps what OpenAI has sealed in the signature of a thought."""
    first = stream(*EVENTS) if streaming else answer_json(RESPONSE)
    async with native(tmp_path, "openai", peer(first, answer_json(DONE)), **ROW) as (proxy, upstream):
        async with AsyncAnthropic(base_url=proxy.origin, api_key=CLIENT_KEY, max_retries=0) as sdk:
            tools: Any = [{"name": "f", "input_schema": SCHEMA}]
            asked: Any = {"model": "m", "max_tokens": 5000, "tools": tools}
            asked["thinking"] = {"type": "enabled", "budget_tokens": 4096}
            if streaming:
                async with sdk.messages.stream(messages=MESSAGES, **asked) as live:
                    got = await live.get_final_message()
            else:
                got = await sdk.messages.create(messages=MESSAGES, **asked)
            content: Any = [block.model_dump(exclude_none=True) for block in got.content]
            result: Any = {"type": "tool_result", "tool_use_id": "c1", "content": "r"}
            history: Any = [
                *MESSAGES,
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]
            last: Any = await sdk.messages.create(messages=history, **asked)
        sent = [seen.json() for seen in upstream.requests]

    assert (got.model, got.stop_reason) == ("m", "tool_use")
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    assert last.content[0].text == "done"
    assert sent[0]["max_output_tokens"] == 5000
    assert sent[1]["input"][1] == REASONING


async def test_the_upstream_judges(tmp_path: Path) -> None:
    """Its 400 is the client's, and what was dropped is named."""
    error = {
        "message": "bad effort",
        "type": "invalid_request_error",
        "param": "reasoning.effort",
        "code": None,
    }
    async with native(tmp_path, "openai", peer(answer_json({"error": error}, 400)), **ROW) as (proxy, _):
        body = {"model": "m", "messages": MESSAGES, "tools": TOOLS, "seed": 1}
        got = await request(proxy.origin, "POST", "/v1/chat/completions", body)

    assert (got.status, got.json()["error"]["param"]) == (400, "reasoning.effort")


@pytest.mark.parametrize(
    ("fields", "path"),
    [({"api": "responses"}, "/responses"), ({"api": "chat", "vendor": "openai"}, "/chat/completions")],
)
async def test_the_configuration_decides(fields: dict[str, Any], path: str, tmp_path: Path) -> None:
    """For any vendor, of chat and of Responses."""
    async with native(tmp_path, "openai", answer_json({"error": REFUSED}, 400), **fields) as (
        proxy,
        upstream,
    ):
        await request(proxy.origin, "POST", "/v1/chat/completions", {"model": "m", "messages": MESSAGES})
        await request(proxy.origin, "POST", "/v1/responses", {"model": "m", "input": "q"})

        assert [seen.path for seen in upstream.requests] == [path, path]
