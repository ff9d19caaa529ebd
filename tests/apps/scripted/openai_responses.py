"""OpenAI's Responses: what a request must be, and what was seen in it (the answer: ``responses_answer``).

The type is that of the official client (``ResponseCreateParams``). What types cannot say is here: outputs follow their
calls, models without thinking refuse an effort, and what the vendor is known to take beyond the type of its client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParamsBase

from tests.apps.scripted.mind import Offer, Seen
from tests.apps.scripted.openai_chat import Manners
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
