"""What OpenAI's chat API refuses, and in which words: https://platform.openai.com/docs/api-reference/chat/create.

``check_chat`` is pure: a request body goes in, ``Refused`` comes out or nothing. Stricter than most servers of
that dialect, because the real one is: an unknown field, a boolean for a number, a tool message without its call.
"""

from __future__ import annotations

import re
from typing import Any

from tests.support.openai_messages import check_messages, known_fields
from tests.support.openai_values import (
    Check,
    Refused,
    array,
    boolean,
    decimal,
    integer,
    is_a,
    object_,
    one_of,
    string,
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


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


def _stop(param: str, value: Any) -> None:
    is_a("a string or an array of strings", str, list)(param, value)
    if isinstance(value, list):
        for index, item in enumerate(value):
            string(f"{param}[{index}]", item)
        if len(value) > 4:
            raise Refused(f"Invalid '{param}': array too long.", param, "array_above_max_length")


def _tools(param: str, value: Any) -> None:
    array(param, value)
    for index, tool in enumerate(value):
        object_(f"{param}[{index}]", tool)
        one_of("function")(f"{param}[{index}].type", tool.get("type"))
        object_(f"{param}[{index}].function", tool.get("function"))
        name = tool["function"].get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(
                f"Invalid '{param}[{index}].function.name'",
                f"{param}[{index}].function.name",
                "invalid_value",
            )
        if "parameters" in tool["function"]:
            object_(f"{param}[{index}].function.parameters", tool["function"]["parameters"])


def _tool_choice(param: str, value: Any) -> None:
    if isinstance(value, dict):
        string(f"{param}.function.name", value.get("function", {}).get("name"))
    else:
        one_of("none", "auto", "required")(param, value)


def _response_format(param: str, value: Any) -> None:
    object_(param, value)
    one_of("text", "json_object", "json_schema")(f"{param}.type", value.get("type"))
    if value["type"] == "json_schema":
        object_(f"{param}.json_schema", value.get("json_schema"))
        string(f"{param}.json_schema.name", value["json_schema"].get("name"))
        object_(f"{param}.json_schema.schema", value["json_schema"].get("schema", {}))


FIELDS: dict[str, Check] = {
    "model": string,
    "messages": array,
    "temperature": _within(decimal, 0, 2),
    "top_p": _within(decimal, 0, 1),
    "n": _within(integer, 1, 128),
    "stop": _stop,
    "max_tokens": _within(integer, 1, 1 << 31),
    "max_completion_tokens": _within(integer, 1, 1 << 31),
    "presence_penalty": _within(decimal, -2, 2),
    "frequency_penalty": _within(decimal, -2, 2),
    "logit_bias": object_,
    "logprobs": boolean,
    "top_logprobs": _within(integer, 0, 20),
    "seed": integer,
    "user": string,
    "stream": boolean,
    "stream_options": object_,
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": boolean,
    "reasoning_effort": one_of(*EFFORTS),
    "verbosity": one_of("low", "medium", "high"),
    "metadata": object_,
    "store": boolean,
    "service_tier": string,
    "prediction": object_,
    "modalities": array,
    "audio": object_,
    "prompt_cache_key": string,
    "prompt_cache_retention": string,
    "safety_identifier": string,
    "web_search_options": object_,
}
#: Field -> the field without which it is refused.
NEEDS = {
    "tool_choice": "tools",
    "parallel_tool_calls": "tools",
    "stream_options": "stream",
    "top_logprobs": "logprobs",
}


def check_chat(body: Any, *, unknown_fields: bool = False, thoughts: str = "") -> None:
    """Raise ``Refused`` for what the API would answer with a 400. ``thoughts``: a field of earlier answers that a server
    takes back."""
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
    check_messages(body["messages"])
    if not unknown_fields:
        known_fields(body["messages"], thoughts)
