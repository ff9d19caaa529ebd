"""Tools of the client's own and histories of other vendors, through the whole gateway, asked by the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from llm_proxy.faces.responses.compaction import sealed
from llm_proxy.faces.responses.sealed import packed
from tests.handlers.kit import COMPLETION, chunk, gateway
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.native_peer import native
from tests.support.openai_upstreams import KINDS, over
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY

PATCH = "*** Begin Patch\n+ä\n*** End Patch"
TOOLS: list[Any] = [
    {
        "type": "custom",
        "name": "apply_patch",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
    },
    {
        "type": "namespace",
        "name": "mcp__docs",
        "description": "d",
        "tools": [{"type": "function", "name": "search", "parameters": {"type": "object", "properties": {}}}],
    },
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "tool_search", "execution": "client", "description": "d"},
]


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/openai/v1", api_key=CLIENT_KEY, max_retries=0)


def called(index: int, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"c{index}", "type": "function", "function": function}]}


async def test_codex_edits_a_file_and_asks_an_mcp_server(tmp_path: Path) -> None:
    """Custom tools, namespaces, a shell and a search for tools: the client reads its own items, and sends them back."""
    calls = [
        called(0, "apply_patch", '{"input":"*** Begin Patch\\n+\\u00e4\\n*** End Patch"}'),
        called(1, "mcp__docs__search", '{"q":"x"}'),
        called(2, "shell", '{"commands":["ls"]}'),
        called(3, "tool_search", '{"query":"x"}'),
    ]
    script = stream(*sse(*map(chunk, calls), chunk({}, "tool_calls")))
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy, client(proxy) as sdk:
        async with sdk.responses.stream(model="m", input="x", tools=TOOLS) as live:
            got: Any = await live.get_final_response()
        patch, search, shell, tools = got.output
        results: list[Any] = [
            {"type": "custom_tool_call_output", "call_id": "c0", "output": "Done"},
            {"type": "function_call_output", "call_id": "c1", "output": "found"},
            {
                "type": "shell_call_output",
                "call_id": "c2",
                "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
            },
            {
                "type": "tool_search_output",
                "call_id": "c3",
                "execution": "client",
                "status": "completed",
                "tools": [],
            },
        ]
        sent_back = [
            {"role": "user", "content": "x"},
            *(item.model_dump(exclude_none=True) for item in got.output),
            *results,
        ]
        await sdk.responses.create(model="m", input=sent_back, tools=TOOLS, stream=True)
        first, second = (one.json() for one in peer.requests)

    assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "apply_patch", PATCH)
    assert (search.type, search.name, search.namespace, search.arguments) == (
        "function_call",
        "search",
        "mcp__docs",
        '{"q":"x"}',
    )
    assert (shell.type, shell.action.commands, shell.environment.type) == ("shell_call", ["ls"], "local")
    assert (tools.type, tools.execution, tools.arguments) == ("tool_search_call", "client", {"query": "x"})
    names = ["apply_patch", "mcp__docs__search", "shell", "tool_search"]
    assert [tool["function"]["name"] for tool in first["tools"]] == names
    assert [call["function"]["name"] for call in second["messages"][1]["tool_calls"]] == names
    assert [turn.get("content") for turn in second["messages"][2:]] == [
        "Done",
        "found",
        "a\nexit code: 0",
        "No tools were found.",
    ]


CALL: Any = {"type": "function_call", "name": "get_weather", "arguments": "{}"}
ELSEWHERE: list[Any] = [
    {"role": "user", "content": "weather?"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-from-elsewhere"},
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "rain"},
    },
    {"type": "mcp_call", "id": "m", "server_label": "s", "name": "f", "arguments": "{}", "output": "found"},
    {"type": "image_generation_call", "id": "i", "status": "completed", "result": "aaaa"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "It rains.", "annotations": []}],
    },
    {"type": "function_call_output", "call_id": "gone", "output": "an old result"},
    {**CALL, "call_id": "never answered"},
    {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "p"},
    {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"role": "critic", "content": "go on"},
    {"role": "user", "content": ""},
    {"role": "user", "content": "and now?"},
]


@KINDS
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_session_goes_on_at_another_vendor(kind: str, streaming: bool, tmp_path: Path) -> None:
    """The strict doubles take all that other vendors, compactions and interruptions leave in a history; what the client
    said and what tools returned is there."""
    tools: list[Any] = [
        TOOLS[0],
        {"type": "function", "name": "get_weather", "parameters": None},
        {"type": "web_search"},
    ]
    body = {
        "model": "m",
        "input": ELSEWHERE,
        "tools": tools,
        "stream": streaming,
        "client_metadata": {"a": "b"},
    }
    async with over(kind, tmp_path) as (proxy, double):
        got = await request(proxy.origin, "POST", "/v1/responses", body)
        sent = double.requests[0].body.decode()

    assert (got.status, got.complete) == (200, True)
    for text in ("It rains.", "rain", "found", "an old result", "go on", "and now?", "no result"):
        assert text in sent
    assert "client_metadata" not in sent
    dropped = got.headers["x-dropped-params"]
    for name in (
        "input.1.encrypted_content",
        "input.4.result",
        "input.10 (thoughts alone)",
        "input.11.role (critic)",
        "tools.2 (web_search)",
    ):
        assert name in dropped
    assert "client_metadata" not in dropped


async def test_many_tools_of_a_vendor(tmp_path: Path) -> None:
    """The header names as many as it can hold, each of them whole, and how many more there are."""
    tools = [{"type": "web_search\r\nX-Evil: 1"}, *({"type": "w" * 60} for _ in range(50))]
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(
            proxy.origin, "POST", "/v1/responses", {"model": "m", "input": "x", "tools": tools}
        )
    *named, more = got.headers["x-dropped-params"].split(", ")

    assert "x-evil" not in got.headers
    assert named[0] == "tools.0 (type not known)"
    assert all(name.endswith(")") for name in named)
    assert more == f"and {51 - len(named)} more"
    assert len(got.headers["x-dropped-params"]) < 1100


PATHS = [("GET", "/models", None), ("GET", "/models/m", None)] + [
    ("POST", path, body)
    for path, body in [
        ("/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}),
        ("/completions", {"model": "m", "prompt": "x"}),
        ("/responses", {"model": "m", "input": "x"}),
        ("/moderations", {"model": "m", "input": "x"}),
    ]
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS, ids=[path for _, path, _ in PATHS])
async def test_openai_v1_is_v1(method: str, path: str, body: Any, tmp_path: Path) -> None:
    """For every path of OpenAI's: Groq's own client asks there."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        there = await request(proxy.origin, method, "/openai/v1" + path, body)
        here = await request(proxy.origin, method, "/v1" + path, body)

    assert (there.status, here.status) == (200, 200)
    assert there.headers.get("x-llm-model") == here.headers.get("x-llm-model")
    assert there.json().keys() == here.json().keys()


async def test_thoughts_of_others_do_not_reach_openai(tmp_path: Path) -> None:
    """What this gateway gave out for other upstreams is taken out of a request that is relayed to OpenAI, which would
    refuse it for ever, and named; OpenAI's own reasoning stays, and to any other upstream all of it goes, but for the summary
    of a conversation, which only a chat can tell there."""
    own = {"type": "reasoning", "id": "rs_" + "ab" * 25, "summary": [], "encrypted_content": "gAAAA"}
    ours = {**own, "id": f"rs_{'ab' * 16}0", "encrypted_content": packed([{"type": "thinking"}])}
    unsealed = {"type": "reasoning", "id": f"rs_{'ab' * 16}12", "summary": []}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    summary = {"type": "compaction", "id": "cmp_1", "encrypted_content": sealed("all in all")}
    in_words = {"role": "user", "content": "Summary of the conversation so far:\nall in all"}
    items = [summary, own, ours, unsealed, {**call, "extra_content": {"google": {}}}]
    for vendor, given, wanted, named in [
        ("openai", items, [in_words, own, call], "input.2 (reasoning), input.3 (reasoning)"),
        ("vllm", items[1:], items[1:], None),
    ]:
        body = {"model": "m", "input": given}
        (tmp_path / vendor).mkdir()
        script = answer_json({"object": "response", "output": []})
        async with native(tmp_path / vendor, "openai", script, vendor=vendor) as (proxy, peer):
            got = await request(proxy.origin, "POST", "/v1/responses", body)
            sent = peer.requests[0].json()

        assert (got.status, sent["input"]) == (200, wanted)
        assert got.headers.get("x-dropped-params") == named
