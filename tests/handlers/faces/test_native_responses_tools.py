"""Tools that a client executes, at servers that have the Responses API: OpenAI's own know each form, others know functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.apps.scripted.server import ScriptedModel
from tests.support.client import request
from tests.support.gateway import RunningGateway

FUNCTION = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {}},
    "strict": None,
}
OURS: dict[str, dict[str, Any]] = {
    "a namespace": {
        "tools": [{"type": "namespace", "name": "mcp__x", "description": "d", "tools": [FUNCTION]}]
    },
    "a custom tool": {"tools": [{"type": "custom", "name": "apply_patch"}]},
    "a shell": {"tools": [{"type": "shell", "environment": {"type": "local"}}]},
    "a local shell": {"tools": [{"type": "local_shell"}]},
    "a patch": {"tools": [{"type": "apply_patch"}]},
    "a search for tools": {
        "tools": [{"type": "tool_search", "execution": "client", "description": "d", "parameters": {}}]
    },
    "a call of a custom tool": {
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "p"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        ]
    },
}


@pytest.mark.parametrize("body", OURS.values(), ids=OURS)
@pytest.mark.parametrize(("kind", "path"), [("vllm", "/v1/chat/completions"), ("openai", "/v1/responses")])
async def test_tools_of_the_client(kind: str, path: str, body: dict[str, Any], tmp_path: Path) -> None:
    """They go to OpenAI as they are, and to any other server as functions of a chat, where none of them is lost."""
    async with ScriptedModel(kind) as model:
        upstream = {"api_type": model.kind.api_type, "api_host": model.host, **dict(model.kind.options)}
        async with RunningGateway(
            tmp_path, {"up": {"defaults": upstream, "m": {"model": model.kind.model}}}
        ) as gateway:
            answer = await request(
                gateway.origin, "POST", "/v1/responses", {"model": "m", "input": "hi", **body}
            )

        assert (answer.status, model.refusals) == (200, [])
        ((asked, sent),) = model.asked
        assert asked == path
        if kind == "vllm":
            assert "tools" not in body or [tool["type"] for tool in sent["tools"]] == ["function"]
            assert "x-dropped-params" not in answer.headers


@pytest.mark.parametrize(
    "fields", [{}, {"tools": [FUNCTION]}, {"previous_response_id": "resp_1", **OURS["a custom tool"]}]
)
async def test_all_else_goes_there_as_it_is(fields: dict[str, Any], tmp_path: Path) -> None:
    """Functions alone, and what refers to an answer that only the server has kept."""
    async with ScriptedModel("vllm") as model:
        upstream = {"api_type": "vllm", "api_host": model.host}
        async with RunningGateway(tmp_path, {"up": {"defaults": upstream, "m": {"model": "s"}}}) as gateway:
            await request(gateway.origin, "POST", "/v1/responses", {"model": "m", "input": "hi", **fields})

        assert [path for path, _ in model.asked] == ["/v1/responses"]
