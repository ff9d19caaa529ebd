"""The cases of the Open Responses compliance suite (openresponses.org), written anew, over upstreams of each dialect.

Its six cases and its streamed tool call, judged by what that suite asks of a response object and of its events.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.apps.scripted.mind import done
from tests.apps.scripted.sample import PNG
from tests.apps.scripted.server import ScriptedModel
from tests.support.client import request
from tests.support.gateway import RunningGateway

#: The kinds that have no Responses of their own: what the others answer is theirs.
UPSTREAMS = pytest.mark.parametrize("kind", ["strict", "ollama", "plain-ollama", "anthropic", "gemini"])
STREAMING = pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
MARK = "word1234"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


def _user(*parts: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": parts[0] if len(parts) == 1 else list(parts)}


_SAY = f"Say the word {MARK}"
#: Name, the request, and the type of the item that must come.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "basic text": ({"input": [_user(_SAY)]}, "message"),
    "system prompt": (
        {"input": [{"type": "message", "role": "system", "content": "You are a pirate."}, _user(_SAY)]},
        "message",
    ),
    "tool calling": ({"input": [_user(_SAY)], "tools": [TOOL]}, "function_call"),
    "image input": (
        {
            "input": [
                _user(
                    {"type": "input_text", "text": _SAY},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                )
            ]
        },
        "message",
    ),
    "multi-turn": (
        {
            "input": [
                _user("I am Anna."),
                {"type": "message", "role": "assistant", "content": "Hello!"},
                _user(_SAY),
            ]
        },
        "message",
    ),
    "with an instruction": ({"instructions": "Be brief.", "input": _SAY}, "message"),
}

_TEXT, _NUMBER, _FLAG = (str,), (int, float), (bool,)
_NONE = (type(None),)
#: What the suite's schema asks of each field: every one must be there, of one of these types.
FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "status", "model", "service_tier", "truncation"), _TEXT),
    **dict.fromkeys(("created_at", "top_p", "temperature", "presence_penalty", "frequency_penalty"), _NUMBER),
    "top_logprobs": (int,),
    **dict.fromkeys(("store", "background", "parallel_tool_calls"), _FLAG),
    **dict.fromkeys(("completed_at", "max_output_tokens", "max_tool_calls"), (int, type(None))),
    **dict.fromkeys(
        ("previous_response_id", "instructions", "safety_identifier", "prompt_cache_key"), (str, type(None))
    ),
    **dict.fromkeys(("error", "incomplete_details", "usage", "reasoning"), (dict, type(None))),
    **dict.fromkeys(("output", "tools"), (list,)),
    "text": (dict,),
    "tool_choice": (str, dict),
    "metadata": (dict, type(None)),
}


def check_response(found: Any) -> None:
    """The object fits the suite's schema."""
    assert found["object"] == "response"
    for name, types in FIELDS.items():
        assert name in found, f"{name} is missing"
        sound = isinstance(found[name], types) and (bool in types or not isinstance(found[name], bool))
        assert sound, f"{name}: {found[name]!r}"
    for tool in found["tools"]:
        assert {"type", "name", "description", "parameters", "strict"} <= tool.keys()
    for item in found["output"]:
        check_item(item)
    if found["status"] == "completed":
        usage = found["usage"]
        counted = (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])
        assert all(isinstance(one, int) for one in counted)
        assert isinstance(usage["input_tokens_details"]["cached_tokens"], int)
        assert isinstance(usage["output_tokens_details"]["reasoning_tokens"], int)
        assert isinstance(found["completed_at"], int)


def check_item(item: Any) -> None:
    """An item of the output fits as well."""
    assert isinstance(item["id"], str)
    if item["type"] == "message":
        assert item["role"] == "assistant"
        for part in item["content"]:
            assert part["type"] == "output_text"
            assert (part["annotations"], part["logprobs"], type(part["text"])) == ([], [], str)
    elif item["type"] == "function_call":
        assert all(isinstance(item[name], str) for name in ("call_id", "name", "arguments", "status"))
        assert isinstance(json.loads(item["arguments"] or "{}"), dict)
    else:
        assert item["type"] == "reasoning"
        assert all(part["type"] == "summary_text" for part in item["summary"])


@asynccontextmanager
async def _over(kind: str, folder: Path) -> AsyncIterator[Callable[..., Any]]:
    async with ScriptedModel(kind) as model:
        upstream = {"api_type": model.kind.api_type, "api_host": model.host, "api_token": "k"}
        row = {"model": model.kind.model, **dict(model.kind.options)}
        async with RunningGateway(folder, {"up": {"defaults": upstream, "m": row}}) as gateway:

            async def ask(**fields: Any) -> Any:
                answer = await request(gateway.origin, "POST", "/v1/responses", {"model": "m", **fields})
                assert not model.refusals
                assert answer.status == 200, answer
                return answer

            yield ask


def _events(body: bytes) -> list[dict[str, Any]]:
    found = []
    for block in body.decode().strip().split("\n\n"):
        if block.startswith(":"):
            continue
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if lines["data"] != "[DONE]":
            found.append(json.loads(lines["data"]))
            assert lines["event"] == found[-1]["type"]
    return found


@UPSTREAMS
@STREAMING
@pytest.mark.parametrize("case", CASES)
async def test_a_case_of_the_suite(case: str, streaming: bool, kind: str, tmp_path: Path) -> None:
    """The response fits the schema in every state, has the item that was asked for, and ends completed."""
    fields, wanted = CASES[case]
    async with _over(kind, tmp_path) as ask:
        answer = await ask(**fields, stream=streaming)

    if streaming:
        events = _events(answer.body)
        for event in events:
            if "response" in event:
                check_response(event["response"])
        assert [event["sequence_number"] for event in events] == sorted(
            {event["sequence_number"] for event in events}
        )
        assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
        response = events[-1]["response"]
    else:
        response = answer.json()
    check_response(response)
    assert response["status"] == "completed"
    assert wanted in [item["type"] for item in response["output"]]
    if wanted == "message":
        assert response["output"][-1]["content"][0]["text"].startswith(done(MARK))


@UPSTREAMS
async def test_a_streamed_tool_call(kind: str, tmp_path: Path) -> None:
    """The call is announced, its arguments come as deltas that join to what is done, and the item closes."""
    async with _over(kind, tmp_path) as ask:
        events = _events((await ask(input=_SAY, tools=[TOOL], stream=True)).body)

    def of(name: str) -> list[dict[str, Any]]:
        return [event for event in events if event["type"] == f"response.{name}"]

    (added,) = [event for event in of("output_item.added") if event["item"]["type"] == "function_call"]
    (whole,) = of("function_call_arguments.done")
    (closed,) = [event for event in of("output_item.done") if event["item"]["type"] == "function_call"]
    deltas = of("function_call_arguments.delta")

    assert deltas
    assert "".join(event["delta"] for event in deltas) == whole["arguments"] == closed["item"]["arguments"]
    assert len({event["output_index"] for event in (added, whole, closed, *deltas)}) == 1
    assert {event["item_id"] for event in (whole, *deltas)} == {added["item"]["id"]} == {closed["item"]["id"]}
    assert json.loads(whole["arguments"]) == {"location": "Paris"}
