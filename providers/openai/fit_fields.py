"""Fields of messages, parts and calls that a vendor does not take: of other vendors, in histories that clients keep and in
requests that came in another dialect.

Laws: a strict vendor answers 400 to any field that it does not know, in every depth; any other gets what it may know. Marks
for caches (Claude Code sets them on everything) say nothing to a model; thinking goes by the vendor's own name for it, or
not at all, and then it is named.
"""

from __future__ import annotations

from typing import Any

from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_Lost = dict[str, None]

_PLAIN = frozenset({"role", "content"})
_CALLER = frozenset({"name", "tool_calls"})
#: Fields of a message by its role, besides role and content: openai-python, types/chat/chat_completion_*_message_param.py.
_FIELDS = {
    "system": frozenset({"name"}),
    "developer": frozenset({"name"}),
    "user": frozenset({"name"}),
    "assistant": _CALLER,
    "tool": frozenset({"tool_call_id"}),
    "function": frozenset({"name"}),
}
_THOUGHTS = ("reasoning_content", "reasoning")
_SIGNED = ("thinking_blocks", "reasoning_details")
#: What says nothing to a model.
_MARKS = frozenset(
    {"cache_control", "citations", "annotations", "extra_content", "index", "id", "provider_specific_fields"}
)


def fit_fields(messages: list[_Json], vendor: Vendor, lost: _Lost) -> list[_Json]:
    """``messages`` in roles and fields that ``vendor`` knows; what is not in them any more is added to ``lost``."""
    return [
        message
        if message.keys() <= _PLAIN and type(message.get("content")) is str and message["role"] != "developer"
        else _message(message, vendor, lost)
        for message in messages
    ]


def _message(message: _Json, vendor: Vendor, lost: _Lost) -> _Json:
    found = message
    if message["role"] == "developer" and not vendor.developer:
        found = {**found, "role": "system"}
    if message["role"] == "assistant":
        found = _thinking(found, vendor, lost)
    if vendor.strict:
        return _known(found, vendor, lost)
    if vendor.marks:
        return found
    if "cache_control" in found:
        found = {name: value for name, value in found.items() if name != "cache_control"}
    parts = found.get("content")
    if isinstance(parts, list) and any("cache_control" in part for part in parts):
        found = {**found, "content": [unmarked(part) for part in parts]}
    return found


def unmarked(value: _Json) -> _Json:
    """A part or a tool without a mark for a cache."""
    if "cache_control" not in value:
        return value
    return {name: inner for name, inner in value.items() if name != "cache_control"}


def _thinking(message: _Json, vendor: Vendor, lost: _Lost) -> _Json:
    """Earlier thinking under the name that the vendor has for it."""
    found = message if vendor.thinking_parts else _without_parts(message, vendor, lost)
    left_out = [name for name in _THOUGHTS if name in found and name not in vendor.thoughts]
    if not vendor.signed:
        left_out += [name for name in _SIGNED if name in found]
    if left_out:
        said = {name: found[name] for name in left_out if found[name]}
        found = {name: value for name, value in found.items() if name not in left_out}
        text = next((said[name] for name in _THOUGHTS if isinstance(said.get(name), str)), None)
        if text is not None and vendor.thoughts and not any(found.get(name) for name in vendor.thoughts):
            found[vendor.thoughts[0]] = text
        if not any(found.get(name) for name in vendor.thoughts):
            lost.update((f"messages.{name}", None) for name in said)
    if vendor.must_think and found.get("tool_calls") and not found.get(vendor.thoughts[0]):
        found = {**found, vendor.thoughts[0]: " "}  # of a model that thought nothing, or told nobody
    return found


def _without_parts(message: _Json, vendor: Vendor, lost: _Lost) -> _Json:
    """``message`` without parts of thinking, which are Mistral's: they become a field, if the vendor has one."""
    parts = message.get("content")
    if not isinstance(parts, list) or all(part["type"] != "thinking" for part in parts):
        return message
    rest = [part for part in parts if part["type"] != "thinking"]
    text = "".join(_text(part.get("thinking")) for part in parts if part["type"] == "thinking")
    found = {**message, "content": rest or None}
    if vendor.thoughts and not any(message.get(name) for name in _THOUGHTS):
        found[vendor.thoughts[0]] = text
    elif text:
        lost["messages.content.thinking"] = None
    return found


def _text(thinking: Any) -> str:
    """The text of such a part: a text itself, or a list of parts."""
    if isinstance(thinking, list):
        return "".join(_text(part.get("text")) for part in thinking if isinstance(part, dict))
    return thinking if isinstance(thinking, str) else ""


def _known(message: _Json, vendor: Vendor, lost: _Lost) -> _Json:
    """``message`` with the fields alone that a strict vendor knows."""
    role = message["role"]
    known = _PLAIN | _FIELDS[role]
    if role == "assistant":
        known |= vendor.fields
    if not vendor.names and role != "function":
        known -= {"name"}
    kept = {name: _inner(name, value, vendor) for name, value in message.items() if name in known}
    for name in message.keys() - known:
        if message[name] and name not in _MARKS and not (name == "name" and role == "tool"):
            lost[f"messages.{name}"] = None
    if not kept.get("tool_calls", True):  # a null, or none at all
        del kept["tool_calls"]
    refusal = message.get("refusal")
    if "refusal" not in known and isinstance(refusal, str) and refusal and not kept.get("content"):
        kept["content"] = refusal
        lost.pop("messages.refusal", None)
    return kept


def _inner(name: str, value: Any, vendor: Vendor) -> Any:
    """The value of a field of a message: parts and calls in their own fields."""
    if not isinstance(value, list):
        return value
    if name == "content":
        return [_part(part, vendor) for part in value]
    return [_call(call, vendor) for call in value] if name == "tool_calls" else value


def _part(part: _Json, vendor: Vendor) -> _Json:
    kind = part["type"]
    if kind not in part:  # of a kind that has other fields
        return unmarked(part)
    return {
        name: value for name, value in part.items() if name in ("type", kind) or name in vendor.part_fields
    }


def _call(call: _Json, vendor: Vendor) -> _Json:
    kept = {
        name: value
        for name, value in call.items()
        if name in ("id", "type", "function", "custom") or (name == "extra_content" and name in vendor.fields)
    }
    function = call.get("function")
    if isinstance(function, dict) and not function.keys() <= {"name", "arguments"}:
        kept["function"] = {name: function[name] for name in ("name", "arguments") if name in function}
    return kept
