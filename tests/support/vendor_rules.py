"""What a vendor would refuse of a request, told from its row alone and in another way than the product makes it fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_ROLE_FIELDS = {
    "system": {"name"},
    "developer": {"name"},
    "user": {"name"},
    "assistant": {"name", "tool_calls"},
    "tool": {"tool_call_id"},
}
_THOUGHTS = {"reasoning", "reasoning_content"}
_FOREIGN = {"thinking_blocks", "reasoning_details"}


def refusals(body: _Json, vendor: Vendor, model: str = "") -> list[str]:
    """Everything that ``vendor`` would answer with a 400 (or would not understand); empty for a good request."""
    return [*_params(body, vendor, model), *_messages(body["messages"], vendor), *_tools(body, vendor)]


def _params(body: _Json, vendor: Vendor, model: str) -> Iterator[str]:
    names = set(body) - {"model", "messages", "stream"}
    yield from (
        f"unknown {name}" for name in names if vendor.params is not None and name not in vendor.params
    )
    yield from (f"refused {name}" for name in names & vendor.refuses)
    if "client_metadata" in names:
        yield "client_metadata is of another API"
    if "prompt_cache_key" in names and not vendor.cache_keys:
        yield "prompt_cache_key is not known"
    if vendor.limit != "either" and names & {"max_tokens", "max_completion_tokens"} - {vendor.limit}:
        yield "the limit has another name"
    for pattern, refused in vendor.models:
        if pattern.match(model):
            yield from (f"{name} at {model}" for name in names & refused)
    if vendor.efforts and body.get("reasoning_effort", vendor.efforts[0]) not in vendor.efforts:
        yield f"effort {body['reasoning_effort']}"
    if len(body.get("user") or "") > vendor.user_length:
        yield "user is too long"
    if "stream_options" in names and (not body["stream"] or not vendor.stream_options):
        yield "stream_options"


def _messages(messages: list[_Json], vendor: Vendor) -> Iterator[str]:
    system = [at for at, message in enumerate(messages) if message["role"] in ("system", "developer")]
    if vendor.system == "first" and system not in ([], [0]):
        yield f"texts of the system at {system}"
    if vendor.system == "apart" and any(at + 1 in system for at in system):
        yield f"texts of the system side by side at {system}"
    roles = [message["role"] for message in messages]
    if vendor.alternates and any(a == b == "user" for a, b in pairwise(roles)):
        yield "users' turns side by side"
    asked: set[str] = set()
    for at, message in enumerate(messages):
        yield from (f"messages.{at}: {what}" for what in _message(message, vendor))
        calls = message.get("tool_calls") or []
        asked |= {call["id"] for call in calls}
        if message["role"] == "tool" and message["tool_call_id"] not in asked:
            yield f"messages.{at}: a result without its call"


def _message(message: _Json, vendor: Vendor) -> Iterator[str]:
    role, content = message["role"], message.get("content")
    if role == "developer" and not vendor.developer:
        yield "role developer"
    found = set(message) - {"role", "content"}
    if found & _THOUGHTS - set(vendor.thoughts):
        yield "thinking under another name"
    if found & _FOREIGN and not vendor.signed:
        yield "signed thinking"
    if vendor.strict:
        known = _ROLE_FIELDS[role] | (set(vendor.fields) if role == "assistant" else set())
        known -= set() if vendor.names else {"name"}
        yield from (f"unknown {name}" for name in found - known)
    if not vendor.marks and "cache_control" in found:
        yield "a mark for a cache"
    if role == "assistant" and not content and not message.get("tool_calls"):
        thought = any(message.get(name) for name in vendor.thoughts)
        if content is None or not (vendor.empty_turns or thought):
            yield "a turn of nothing"
    if vendor.must_think and message.get("tool_calls") and not message.get(vendor.thoughts[0]):
        yield "a call without thinking"
    for part in content if isinstance(content, list) else ():
        yield from _part(part, role, vendor)
    if vendor.joins and isinstance(content, list) and all(part["type"] == "text" for part in content):
        yield "texts in a list"
    for call in message.get("tool_calls") or ():
        if vendor.strict and set(call) - {"id", "type", "function"} - set(vendor.fields):
            yield f"unknown fields of a call: {set(call)}"
    ids = [call["id"] for call in message.get("tool_calls") or ()] + [message.get("tool_call_id") or ""]
    if vendor.call_id and not all(vendor.call_id.fullmatch(one) for one in ids if one):
        yield f"ids {ids}"


def _part(part: _Json, role: str, vendor: Vendor) -> Iterator[str]:
    if role == "tool" and part["type"] != "text" and not vendor.pictures:
        yield f"{part['type']} in a result"
    if part["type"] == "thinking" and not vendor.thinking_parts:
        yield "a part of thinking"
    if "cache_control" in part and not vendor.marks:
        yield "a mark for a cache"
    if (
        vendor.strict
        and part["type"] != "thinking"
        and set(part) - {"type", part["type"]} - set(vendor.part_fields)
    ):
        yield f"unknown fields of a part: {set(part)}"


def _tools(body: _Json, vendor: Vendor) -> Iterator[str]:
    if vendor.strict and body.get("tools") == []:
        yield "no tools in a list of tools"
    for tool in body.get("tools") or ():
        if "cache_control" in tool and not vendor.marks:
            yield "a mark for a cache"
        function = tool["function"]
        if vendor.strict and (set(tool) - {"type", "function"} or set(function) - set(_FUNCTION)):
            yield f"unknown fields of a tool: {set(tool) | set(function)}"
        if "strict" in function and not vendor.strict_tools:
            yield "a strict tool"
        schema = function.get("parameters")
        if schema is not None:
            yield from _schema(schema, vendor)


_FUNCTION = ("name", "description", "parameters", "strict")


def _schema(schema: _Json, vendor: Vendor) -> Iterator[str]:
    if schema.get("type") == "object" and "properties" not in schema and not vendor.grammar:
        yield "an object without properties"
    if vendor.items and {"anyOf", "oneOf", "allOf"} & set(schema):
        yield "a choice as the outermost schema"
    for inner in _within(schema):
        if vendor.items and inner.get("type") == "array" and "items" not in inner:
            yield "an array without items"
        if vendor.any_of_alone and "anyOf" in inner and "type" in inner:
            yield "anyOf beside a type"


def _within(value: Any) -> Iterator[_Json]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _within(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _within(inner)
