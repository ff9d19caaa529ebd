"""Fields of messages, parts and calls that a vendor does not take: of other vendors, in histories that clients keep and in
requests that came in another dialect.

Laws: a strict vendor answers 400 to any field that it does not know, in every depth; any other gets what it may know. Marks
for caches (Claude Code sets them on everything) say nothing to a model; thinking goes by the vendor's own name for it, or
not at all, and then it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
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
_CALL = frozenset({"id", "type", "function", "custom"})
_FUNCTION = frozenset({"name", "arguments"})
_THOUGHTS = ("reasoning_content", "reasoning")
_SIGNED = ("thinking_blocks", "reasoning_details")
_ANY = frozenset({*_THOUGHTS, *_SIGNED})
#: What says nothing to a model.
_MARKS = frozenset(
    {"cache_control", "citations", "annotations", "extra_content", "index", "id", "provider_specific_fields"}
)


def fit_fields(messages: list[_Json], vendor: Vendor, lost: _Lost) -> list[_Json]:
    """``messages`` in roles and fields that ``vendor`` knows; what is not in them any more is added to ``lost``."""
    known = _known_fields(vendor.fields, vendor.names) if vendor.strict else None
    return [message if _is_plain(message) else _message(message, vendor, known, lost) for message in messages]


def _is_plain(message: _Json) -> bool:
    """Whether it is a text, or the text of a result, and nothing else: most messages are."""
    if type(message.get("content")) is not str or message["role"] == "developer":
        return False
    return len(message) == 2 or (
        len(message) == 3 and message["role"] == "tool" and "tool_call_id" in message
    )


@lru_cache(maxsize=100)
def _known_fields(fields: frozenset[str], names: bool) -> Mapping[str, frozenset[str]]:
    """The fields of a message that a strict vendor knows, by role."""
    known = {role: _PLAIN | own for role, own in _FIELDS.items()}
    known["assistant"] |= fields
    if not names:
        known = {role: own if role == "function" else own - {"name"} for role, own in known.items()}
    return MappingProxyType(known)


def _message(
    message: _Json, vendor: Vendor, known: Mapping[str, frozenset[str]] | None, lost: _Lost
) -> _Json:
    found = message
    if message["role"] == "developer" and not vendor.developer:
        found = {**found, "role": "system"}
    if message["role"] == "assistant":
        found = _thinking(found, vendor, lost)
    if known is not None:
        return _strict(found, known[found["role"]], vendor, lost)
    if vendor.marks:
        return found
    if "cache_control" in found:
        found = {name: value for name, value in found.items() if name != "cache_control"}
    parts = found.get("content")
    if type(parts) is list and any("cache_control" in part for part in parts):
        found = {**found, "content": [unmarked(part) for part in parts]}
    return found


def unmarked(value: _Json) -> _Json:
    """A part or a tool without a mark for a cache."""
    if "cache_control" not in value:
        return value
    return {name: inner for name, inner in value.items() if name != "cache_control"}


def _thinking(message: _Json, vendor: Vendor, lost: _Lost) -> _Json:
    """Earlier thinking under the name that the vendor has for it."""
    if not vendor.must_think and type(message.get("content")) is not list and _ANY.isdisjoint(message):
        return message
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


def _strict(message: _Json, known: frozenset[str], vendor: Vendor, lost: _Lost) -> _Json:
    """``message`` with the fields alone that are ``known``."""
    if message.keys() <= known and "refusal" not in message:
        kept = message
        for name in ("content", "tool_calls"):
            if (
                type(value := message.get(name)) is list
                and (inner := _inner(name, value, vendor)) is not value
            ):
                kept = {**kept, name: inner}
    else:
        kept = {name: _inner(name, value, vendor) for name, value in message.items() if name in known}
        _note(message, known, kept, lost)
    if not kept.get("tool_calls", True):  # a null, or none at all
        kept = {name: value for name, value in kept.items() if name != "tool_calls"}
    return kept


def _note(message: _Json, known: frozenset[str], kept: _Json, lost: _Lost) -> None:
    """Say what is not in ``kept`` any more. Where a refusal has no field it is the text that it was."""
    for name in message.keys() - known:
        if message[name] and name not in _MARKS and not (name == "name" and message["role"] == "tool"):
            lost[f"messages.{name}"] = None
    refusal = message.get("refusal")
    if "refusal" not in known and isinstance(refusal, str) and refusal and not kept.get("content"):
        kept["content"] = refusal
        lost.pop("messages.refusal", None)


def _inner(name: str, value: Any, vendor: Vendor) -> Any:
    """The value of a field of a message: parts and calls in their own fields; the same object if they are that."""
    if type(value) is not list or name not in ("content", "tool_calls"):
        return value
    inner = [_part(one, vendor) if name == "content" else _call(one, vendor) for one in value]
    return inner if any(new is not old for new, old in zip(inner, value, strict=True)) else value


def _part(part: _Json, vendor: Vendor) -> _Json:
    kind = part["type"]
    if kind not in part:  # of a kind that has other fields
        return unmarked(part)
    if len(part) == 2:
        return part
    return {
        name: value for name, value in part.items() if name in ("type", kind) or name in vendor.part_fields
    }


def _call(call: _Json, vendor: Vendor) -> _Json:
    function = call.get("function")
    plain = not isinstance(function, dict) or function.keys() <= _FUNCTION
    if plain and call.keys() <= _CALL:
        return call
    kept = {
        name: value
        for name, value in call.items()
        if name in _CALL or (name == "extra_content" and name in vendor.fields)
    }
    if isinstance(function, dict) and not plain:
        kept["function"] = {name: function[name] for name in ("name", "arguments") if name in function}
    return kept
