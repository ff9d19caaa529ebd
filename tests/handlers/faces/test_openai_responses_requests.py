"""What a request of OpenAI's Responses API may say, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.handlers.kit import gateway
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "d",
    "parameters": {"type": "object", "properties": {}},
    "strict": None,
}
ANSWER = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}


async def post(proxy: RunningGateway, **fields: Any) -> Any:
    return await request(proxy.origin, "POST", "/v1/responses", {"model": "m", "input": "hi", **fields})


async def test_everything_of_a_request(tmp_path: Path) -> None:
    """All kinds of items and fields in chat's words; what has none is named in a header."""
    body = {
        "instructions": "i",
        "input": [
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "b", "annotations": []}],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "s"}],
            },
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {
                "role": "user",
                "content": [{"type": "input_file", "filename": "f.pdf", "file_data": "data:,x"}],
            },
        ],
        "tools": [{**TOOL, "name": "f", "strict": True}, {**TOOL, "name": "g"}, {"type": "web_search"}],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}],
        },
        "parallel_tool_calls": False,
        "max_output_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.5,
        "reasoning": {"effort": "high"},
        "text": {
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "include": ["message.output_text.logprobs", "file_search_call.results"],
        "top_logprobs": 2,
        "user": "u",
        "truncation": "auto",
        "max_tool_calls": 3,
        "vendor": {"y": 1},
    }
    async with Peer(answer_json(ANSWER)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, **body)
        sent = peer.requests[0].json()

    assert got.json()["tools"] == body["tools"]
    assert got.headers["x-dropped-params"] == (
        "max_tool_calls, truncation, input.8 (web_search_call), tools.2 (web_search), include"
    )
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert sent.pop("messages") == [
        {"role": "system", "content": "i\n\nd"},
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": "b",
            "reasoning_content": "t",
            "tool_calls": [{"id": "c1", **call}, {"id": "c2", **call}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
        {"role": "tool", "tool_call_id": "c2", "content": "s"},
        {
            "role": "user",
            "content": [{"type": "file", "file": {"file_data": "data:,x", "filename": "f.pdf"}}],
        },
    ]
    function = {"name": "f", "description": "d", "parameters": TOOL["parameters"], "strict": True}
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert sent == {
        "model": "up",
        "stream": False,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.5,
        "reasoning_effort": "high",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": schema},
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
        "vendor": {"y": 1},
    }


BAD: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": ["x"]}, "input.0"),
    ({"input": [{"role": 1, "content": "x"}]}, "input.0.role"),
    ({"input": [{"role": "user", "content": 1}]}, "input.0.content"),
    ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input.0.content.0"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        "input.0.content.0.image_url",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input.0.content.0.file_data",
    ),
    (
        {"input": [{"type": "function_call", "name": "f", "arguments": 1, "call_id": "c"}]},
        "input.0.arguments",
    ),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
    ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"background": True}, "background"),
    ({"tools": [{"type": "function"}]}, "tools.0.name"),
    ({"tools": [{**TOOL, "parameters": "x"}]}, "tools.0.parameters"),
    ({"tool_choice": 1}, "tool_choice"),
    ({"reasoning": {"effort": 1}}, "reasoning.effort"),
    ({"text": {"format": "json"}}, "text.format"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"max_output_tokens": "9"}, "max_output_tokens"),
]


async def test_bad_input(tmp_path: Path) -> None:
    """400 in OpenAI's form, with the path in the words of this API; nothing is sent."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = [await post(proxy, **fields) for fields, _ in BAD]

        assert not peer.requests
    told = [(got.status, got.json()["error"]["type"], got.json()["error"]["param"]) for got in answers]
    assert told == [(400, "invalid_request_error", param) for _, param in BAD]


async def test_a_reference_to_thoughts(tmp_path: Path) -> None:
    """It is dropped by name: the conversation makes sense without them. (Vercel's client sends such references.)"""
    items: list[Any] = [
        {"role": "user", "content": "x"},
        {"type": "item_reference", "id": "rs_1"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "y"},
    ]
    async with Peer(answer_json(ANSWER)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, input=items)
        sent = peer.requests[0].json()

    assert (got.status, got.headers["x-dropped-params"]) == (200, "input.1")
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "tool"]


async def test_every_problem_at_once(tmp_path: Path) -> None:
    """One answer lists them all."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        items = [{"role": "user"}, {"type": "item_reference", "id": "x"}]
        got = await post(proxy, input=items, tools=[{"type": "function"}], text={"format": 1})

    assert [problem["path"] for problem in got.json()["error"]["problems"]] == [
        *("input.0.content", "input.1", "tools.0.name", "text.format"),
    ]
