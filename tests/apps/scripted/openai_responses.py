"""OpenAI's Responses: what a request must be, what was seen in it, and the answer on the wire.

The type is that of the official client (``ResponseCreateParams``). What types cannot say is here: outputs follow their
calls, and what a program executes itself (functions, namespaces, custom tools, shells, a search for tools) is called in
the form in which it was declared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.apps.scripted.mind import Call, Offer, Said, Seen, fresh
from tests.apps.scripted.openai_chat import Manners, halves
from tests.apps.scripted.typed import check, fields, need

#: Codex sends it to OpenAI, whose client does not know it; a server that was seen to take it.
_MORE = frozenset({"client_metadata", "stream"})

_KNOWN = frozenset(fields(ResponseCreateParamsBase))


def judge(body: dict[str, Any], manners: Manners) -> None:
    """Raise ``Refused`` for what the vendor answers with a 400."""
    known = {name: value for name, value in body.items() if name not in _MORE}
    if manners.lenient:  # vLLM: other fields than its own are not looked at, nor tools that are no functions
        known = {name: value for name, value in known.items() if name in _KNOWN}
        known["tools"] = _functions(body.get("tools", []))
    items = items_of(body)
    inputs = [_as_taken(item) for item in items]
    if known.get("tools"):
        known["tools"] = [_tool_as_taken(tool) for tool in known["tools"]]
    check({**known, "input": inputs}, ResponseCreateParamsBase)
    effort = (body.get("reasoning") or {}).get("effort")
    words = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
    need(manners.reasons or effort is None, words, "reasoning.effort")
    encrypted = "reasoning.encrypted_content" in (body.get("include") or ())
    need(manners.reasons or not encrypted, "Encrypted content is not supported with this model.", "include")
    need(bool(items), "Missing required parameter: 'input'.", "input")
    need(
        len(body.get("user", "")) <= 64,
        "Invalid 'user': string too long. Expected a string with maximum length 64.",
        "user",
    )
    calls = {item["call_id"] for item in items if _is_call(item) and item.get("call_id")}
    given = {
        item["call_id"] for item in items if str(item.get("type")).endswith("_output") and item.get("call_id")
    }
    for one in sorted(calls - given):
        need(False, f"No tool output found for function call {one}.", "input")
    for one in sorted(given - calls):
        need(False, f"No tool call found for function call output with call_id {one}.", "input")


def _is_call(item: dict[str, Any]) -> bool:
    return str(item.get("type")).endswith("_call") and item["type"] not in (
        "web_search_call",
        "file_search_call",
    )


def _as_taken(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the type has it. The vendor takes more, which its clients' own programs live by: Codex gives messages
    an ``id``, items ``internal_...`` fields and thoughts a ``content`` of null; without ``store`` ids are left
    out, and an answer's text is known by its part alone."""
    slim = {
        name: value for name, value in item.items() if not name.startswith("internal_") and value is not None
    }
    said = [part.get("type") for part in slim.get("content") or () if isinstance(part, dict)]
    if item.get("type", "message") == "message" and "output_text" not in said:
        slim.pop("id", None)
        if said:
            slim["content"] = [
                {"detail": "auto", **one} if one["type"] == "input_image" else one for one in slim["content"]
            ]
    elif "output_text" in said:
        slim = {"type": "message", "id": "left_out", "status": "completed", **slim}
        slim["content"] = [{"annotations": [], **part} for part in slim["content"]]
    elif "type" in item:
        slim.setdefault("id", "left_out")
    return slim


def _tool_as_taken(tool: dict[str, Any]) -> dict[str, Any]:
    """The same of a tool: ``strict`` may be absent, and Codex says more about its search than the type knows."""
    slim = {name: value for name, value in tool.items() if name != "search_content_types"}
    return {"strict": None, **slim} if tool.get("type") == "function" else slim


def items_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of the input."""
    given = body.get("input") or []
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def read(body: dict[str, Any], manners: Manners) -> Seen:
    """The request as the model sees it."""
    texts: list[str] = []
    calls: list[str] = []
    tools = list(body.get("tools", ()))
    results = pictures = 0
    for item in items_of(body):
        kind = item.get("type", "message")
        if kind == "message" and item["role"] == "user":
            content = item["content"]
            parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
            texts += [part["text"] for part in parts if part["type"] == "input_text"]
            pictures += sum(part["type"] == "input_image" for part in parts)
        elif kind.endswith("_output"):
            results += 1
            output = item.get("output")
            pictures += sum(one.get("type") == "input_image" for one in output or () if isinstance(one, dict))
            tools += item.get("tools", ())
        elif kind.endswith("_call"):
            calls.append(item.get("name", kind))
    tools = _functions(tools) if manners.lenient else tools
    return Seen(tuple(texts), tuple(_offers(tools)), tuple(calls), results, pictures)


def _functions(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [tool for tool in tools if tool.get("type") == "function"]


def _offers(tools: list[dict[str, Any]], space: str = "") -> Iterator[Offer]:
    for tool in tools:
        if tool["type"] == "namespace":
            yield from _offers(tool["tools"], tool["name"])
        elif tool["type"] == "tool_search" and tool.get("execution") != "client":
            continue
        elif tool["type"] in ("function", "custom", "local_shell", "shell", "apply_patch", "tool_search"):
            yield Offer(tool.get("name", tool["type"]), tool.get("parameters") or {}, tool["type"], space)


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
