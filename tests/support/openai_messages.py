"""What OpenAI's chat API refuses in messages: unknown fields, results without their calls, pictures that are none."""

from __future__ import annotations

import re
from typing import Any

from tests.support.openai_values import Refused, array, is_a, object_, one_of, string

ROLES = ("system", "assistant", "user", "tool", "developer")


def _content(param: str, value: Any, parts: tuple[str, ...]) -> None:
    if isinstance(value, str):
        return
    is_a("a string or an array of objects", list)(param, value)
    for index, part in enumerate(value):
        at = f"{param}[{index}]"
        object_(at, part)
        one_of(*parts)(f"{at}.type", part.get("type"))
        if part["type"] == "text":
            string(f"{at}.text", part.get("text"))
        elif part["type"] == "image_url":
            object_(f"{at}.image_url", part.get("image_url"))
            string(f"{at}.image_url.url", part["image_url"].get("url"))
            if not re.match(r"https?://|data:image/[a-z+.-]+;base64,", part["image_url"]["url"]):
                raise Refused("Invalid image URL.", f"{at}.image_url.url", "invalid_image_url")


def _calls(param: str, value: Any) -> set[str]:
    array(param, value)
    for index, call in enumerate(value):
        string(f"{param}[{index}].id", call.get("id"))
        one_of("function")(f"{param}[{index}].type", call.get("type"))
        string(f"{param}[{index}].function.name", call.get("function", {}).get("name"))
        string(f"{param}[{index}].function.arguments", call["function"].get("arguments"))
    return {call["id"] for call in value}


#: Fields of a message by its role, besides role and content.
_MESSAGE: dict[str, frozenset[str]] = {
    "system": frozenset({"name"}),
    "developer": frozenset({"name"}),
    "user": frozenset({"name"}),
    "assistant": frozenset({"name", "refusal", "audio", "tool_calls", "function_call", "annotations"}),
    "tool": frozenset({"tool_call_id"}),
}


def _only(at: str, value: dict[str, Any], known: frozenset[str]) -> None:
    """Raise ``Refused`` for a field that is not ``known``."""
    for name in sorted(value.keys() - known):
        raise Refused(f"Unknown parameter: '{at}.{name}'.", f"{at}.{name}", "unknown_parameter")


def known_fields(messages: list[Any], thoughts: str) -> None:
    """The API knows each field of a message, of a part and of a call."""
    for index, message in enumerate(messages):
        at, role = f"messages[{index}]", message["role"]
        own = {"role", "content"} | ({thoughts} - {""} if role == "assistant" else set())
        _only(at, message, _MESSAGE[role] | own)
        for number, part in enumerate(message["content"] if isinstance(message.get("content"), list) else []):
            _only(f"{at}.content[{number}]", part, frozenset({"type", part["type"]}))
        for number, call in enumerate(message.get("tool_calls") or []):
            _only(f"{at}.tool_calls[{number}]", call, frozenset({"id", "type", "function"}))


def check_messages(messages: list[Any]) -> None:
    if not messages:
        raise Refused("Invalid 'messages': empty array.", "messages", "empty_array")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        object_(at, message)
        one_of(*ROLES)(f"{at}.role", message.get("role"))
        role, content = message["role"], message.get("content")
        if role == "tool":
            string(f"{at}.tool_call_id", message.get("tool_call_id"))
            if message["tool_call_id"] not in open_calls:
                raise Refused(
                    "messages with role 'tool' must be a response to a preceding 'tool_calls'.", f"{at}.role"
                )
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            raise Refused("'tool_calls' must be followed by tool messages responding to each id.", at)
        if role == "assistant" and content is None:
            open_calls = _calls(f"{at}.tool_calls", message.get("tool_calls"))
        else:
            user = ("text", "image_url", "input_audio", "file")
            _content(f"{at}.content", content, user if role == "user" else ("text",))
            if "tool_calls" in message:
                open_calls = _calls(f"{at}.tool_calls", message["tool_calls"])
