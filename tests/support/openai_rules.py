"""What OpenAI's chat API refuses, and in which words: https://platform.openai.com/docs/api-reference/chat/create.

``refusal`` is pure: a request body goes in, the 400's error object or None comes out. Stricter than most servers of
that dialect, because the real one is: an unknown field, a boolean for a number, a tool message without its call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

ROLES = ("system", "assistant", "user", "tool", "developer")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """A 400 with OpenAI's ``message``, ``param`` and ``code``."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


Check = Callable[[str, Any], None]


def _is(kind: str, *types: type) -> Check:
    def check(param: str, value: Any) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            message = f"Invalid type for '{param}': expected {kind}, but got {type(value).__name__} instead."
            raise Refused(message, param, "invalid_type")

    return check


_integer, _decimal = _is("an integer", int), _is("a decimal", int, float)
_boolean, _string = _is("a boolean", bool), _is("a string", str)
_object, _array = _is("an object", dict), _is("an array of objects", list)


def _within(check: Check, low: float, high: float) -> Check:
    def checked(param: str, value: Any) -> None:
        check(param, value)
        if not low <= value <= high:
            message = (
                f"Invalid '{param}': expected a value between {low} and {high}, but got {value} instead."
            )
            raise Refused(
                message, param, "integer_above_max_value" if value > high else "integer_below_min_value"
            )

    return checked


def _one_of(*allowed: str) -> Check:
    def check(param: str, value: Any) -> None:
        _string(param, value)
        if value not in allowed:
            listed = ", ".join(f"'{item}'" for item in allowed)
            raise Refused(
                f"Invalid value: '{value}'. Supported values are: {listed}.", param, "invalid_value"
            )

    return check


def _stop(param: str, value: Any) -> None:
    _is("a string or an array of strings", str, list)(param, value)
    if isinstance(value, list):
        for index, item in enumerate(value):
            _string(f"{param}[{index}]", item)
        if len(value) > 4:
            raise Refused(f"Invalid '{param}': array too long.", param, "array_above_max_length")


def _tools(param: str, value: Any) -> None:
    _array(param, value)
    for index, tool in enumerate(value):
        _object(f"{param}[{index}]", tool)
        _one_of("function")(f"{param}[{index}].type", tool.get("type"))
        _object(f"{param}[{index}].function", tool.get("function"))
        name = tool["function"].get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(
                f"Invalid '{param}[{index}].function.name'",
                f"{param}[{index}].function.name",
                "invalid_value",
            )
        if "parameters" in tool["function"]:
            _object(f"{param}[{index}].function.parameters", tool["function"]["parameters"])


def _tool_choice(param: str, value: Any) -> None:
    if isinstance(value, dict):
        _string(f"{param}.function.name", value.get("function", {}).get("name"))
    else:
        _one_of("none", "auto", "required")(param, value)


def _response_format(param: str, value: Any) -> None:
    _object(param, value)
    _one_of("text", "json_object", "json_schema")(f"{param}.type", value.get("type"))
    if value["type"] == "json_schema":
        _object(f"{param}.json_schema", value.get("json_schema"))
        _string(f"{param}.json_schema.name", value["json_schema"].get("name"))
        _object(f"{param}.json_schema.schema", value["json_schema"].get("schema", {}))


FIELDS: dict[str, Check] = {
    "model": _string,
    "messages": _array,
    "temperature": _within(_decimal, 0, 2),
    "top_p": _within(_decimal, 0, 1),
    "n": _within(_integer, 1, 128),
    "stop": _stop,
    "max_tokens": _within(_integer, 1, 1 << 31),
    "max_completion_tokens": _within(_integer, 1, 1 << 31),
    "presence_penalty": _within(_decimal, -2, 2),
    "frequency_penalty": _within(_decimal, -2, 2),
    "logit_bias": _object,
    "logprobs": _boolean,
    "top_logprobs": _within(_integer, 0, 20),
    "seed": _integer,
    "user": _string,
    "stream": _boolean,
    "stream_options": _object,
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean,
    "reasoning_effort": _one_of(*EFFORTS),
    "verbosity": _one_of("low", "medium", "high"),
    "metadata": _object,
    "store": _boolean,
    "service_tier": _string,
    "prediction": _object,
    "modalities": _array,
    "audio": _object,
    "prompt_cache_key": _string,
    "prompt_cache_retention": _string,
    "safety_identifier": _string,
    "web_search_options": _object,
}
#: Field -> the field without which it is refused.
NEEDS = {
    "tool_choice": "tools",
    "parallel_tool_calls": "tools",
    "stream_options": "stream",
    "top_logprobs": "logprobs",
}


def _content(param: str, value: Any, parts: tuple[str, ...]) -> None:
    if isinstance(value, str):
        return
    _is("a string or an array of objects", list)(param, value)
    for index, part in enumerate(value):
        at = f"{param}[{index}]"
        _object(at, part)
        _one_of(*parts)(f"{at}.type", part.get("type"))
        if part["type"] == "text":
            _string(f"{at}.text", part.get("text"))
        elif part["type"] == "image_url":
            _object(f"{at}.image_url", part.get("image_url"))
            _string(f"{at}.image_url.url", part["image_url"].get("url"))
            if not re.match(r"https?://|data:image/[a-z+.-]+;base64,", part["image_url"]["url"]):
                raise Refused("Invalid image URL.", f"{at}.image_url.url", "invalid_image_url")


def _calls(param: str, value: Any) -> set[str]:
    _array(param, value)
    for index, call in enumerate(value):
        _string(f"{param}[{index}].id", call.get("id"))
        _one_of("function")(f"{param}[{index}].type", call.get("type"))
        _string(f"{param}[{index}].function.name", call.get("function", {}).get("name"))
        _string(f"{param}[{index}].function.arguments", call["function"].get("arguments"))
    return {call["id"] for call in value}


def _messages(messages: list[Any]) -> None:
    if not messages:
        raise Refused("Invalid 'messages': empty array.", "messages", "empty_array")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        _object(at, message)
        _one_of(*ROLES)(f"{at}.role", message.get("role"))
        role, content = message["role"], message.get("content")
        if role == "tool":
            _string(f"{at}.tool_call_id", message.get("tool_call_id"))
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


def check_chat(body: Any, *, unknown_fields: bool = False) -> None:
    """Raise ``Refused`` for what the API would answer with a 400."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    for name in ("model", "messages"):
        if name not in body:
            raise Refused(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name, value in body.items():
        if name not in FIELDS:
            if not unknown_fields:
                raise Refused(f"Unrecognized request argument supplied: {name}")
        elif value is not None or name in ("model", "messages"):
            FIELDS[name](name, value)
            if name in NEEDS and not body.get(NEEDS[name]):
                raise Refused(f"'{name}' is only allowed when '{NEEDS[name]}' is specified.", name)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    _messages(body["messages"])
