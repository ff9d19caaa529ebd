"""The scripted model's answer by OpenAI's Responses: its items, at once and as events.

What a program executes itself is called in the form in which it was declared: functions, namespaces, custom tools, shells,
a search for tools.
"""

from __future__ import annotations

import json
from typing import Any

from tests.apps.scripted.mind import Call, Said, fresh
from tests.apps.scripted.openai_chat import halves


def items(said: Said) -> list[dict[str, Any]]:
    """The output items of an answer."""
    found: list[dict[str, Any]] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thought}]
        found.append(
            {
                "type": "reasoning",
                "id": f"rs_{fresh()}",
                "summary": summary,
                "encrypted_content": "gAAAscripted",
            }
        )
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{fresh()}", "role": "assistant", "status": "completed"}
        found.append({**message, "content": [part]})
    return [*found, *(_call(call) for call in said.calls)]


def _call(call: Call) -> dict[str, Any]:
    kind, called = call.offer.kind, {"call_id": f"call_{fresh()}", "status": "completed"}
    if kind == "custom":
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        return {
            "type": "custom_tool_call",
            "id": f"ctc_{fresh()}",
            **called,
            "name": call.offer.name,
            "input": text,
        }
    if kind in ("local_shell", "shell"):
        command = call.arguments["command"] if isinstance(call.arguments, dict) else call.arguments
        doing = {"type": "exec", "command": ["bash", "-lc", command], "env": {}}
        action = doing if kind == "local_shell" else {"commands": [command], "timeout_ms": 10_000}
        return {"type": f"{kind}_call", "id": f"ls_{fresh()}", **called, "action": action}
    if kind == "tool_search":
        return {
            "type": "tool_search_call",
            "id": f"ts_{fresh()}",
            **called,
            "execution": "client",
            "arguments": call.arguments,
        }
    made = {"type": "function_call", "id": f"fc_{fresh()}", **called, "name": call.offer.name}
    space = {"namespace": call.offer.space} if call.offer.space else {}
    return {**made, **space, "arguments": json.dumps(call.arguments)}


def whole(said: Said, body: dict[str, Any]) -> dict[str, Any]:
    """The answer at once."""
    echoed = {
        name: body.get(name) for name in ("instructions", "metadata", "previous_response_id", "reasoning")
    }
    counted = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}}
    spent = {"output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 120}
    return {
        "id": f"resp_{fresh()}",
        "object": "response",
        "created_at": 1790000000,
        "completed_at": 1790000001,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": items(said),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {**counted, **spent},
        **echoed,
    }


def stream(said: Said, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The same as events."""
    response = whole(said, body)
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(response["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        empty = {**item, **({"status": "in_progress"} if "status" in item else {})}
        for name in ("arguments", "input"):
            empty |= {name: ""} if isinstance(item.get(name), str) else {}
        empty |= {name: [] for name in ("content", "summary") if name in item}
        events.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        events += [{**event, **at} for event in _inner(item)]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": response})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _inner(item: dict[str, Any]) -> list[dict[str, Any]]:
    kind = item["type"]
    if kind == "message":
        (part,) = item["content"]
        place = {"content_index": 0}
        deltas = [
            {"type": "response.output_text.delta", **place, "delta": one, "logprobs": []}
            for one in halves(part["text"])
        ]
        added = {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        text = {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
        return [added, *deltas, text, {"type": "response.content_part.done", **place, "part": part}]
    if kind == "reasoning":
        (part,) = item["summary"]
        place = {"summary_index": 0}
        return [
            {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}},
            *(
                {"type": "response.reasoning_summary_text.delta", **place, "delta": one}
                for one in halves(part["text"])
            ),
            {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]},
            {"type": "response.reasoning_summary_part.done", **place, "part": part},
        ]
    named = {
        "function_call": ("function_call_arguments", "arguments"),
        "custom_tool_call": ("custom_tool_call_input", "input"),
    }
    if kind not in named:
        return []
    event, name = named[kind]
    deltas = [{"type": f"response.{event}.delta", "delta": piece} for piece in halves(item[name])]
    return [
        *deltas,
        {
            "type": f"response.{event}.done",
            name: item[name],
            **({"name": item["name"]} if name == "arguments" else {}),
        },
    ]
