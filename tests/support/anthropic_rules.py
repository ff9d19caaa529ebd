"""What Anthropic's Messages API refuses, and in about which words (docs.anthropic.com/en/api/messages, /errors).

Pure: a request body goes in, ``Refused`` comes out or nothing. As strict as the API is known to be: unknown fields, a
temperature above 1, empty texts, results without their call or behind a text, thinking that was changed on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")

Check = Callable[[str, Any], None]


class Refused(Exception):
    """A 400 ``invalid_request_error`` with this message."""


def need(sound: bool, message: str) -> None:
    """Raise ``Refused`` unless ``sound``."""
    if not sound:
        raise Refused(message)


def signature(thinking: str) -> str:
    """What the double signs its thinking with; it knows its own again."""
    return "sig+" + hashlib.sha256(thinking.encode()).hexdigest()[:24] + "=="


def _is(kind: str, *types: type) -> Check:
    def check(at: str, value: Any) -> None:
        sound = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        need(sound, f"{at}: Input should be a valid {kind}")

    return check


_text, _integer, _object = _is("string", str), _is("integer", int), _is("dictionary", dict)
_list, _number, _boolean = _is("list", list), _is("number", int, float), _is("boolean", bool)


def _within(check: Check, low: float, high: float) -> Check:
    def checked(at: str, value: Any) -> None:
        check(at, value)
        need(low <= value <= high, f"{at}: Input should be between {low} and {high}")

    return checked


def fields(at: str, value: Any, known: dict[str, Check], required: tuple[str, ...] = ()) -> None:
    """An object with these fields, none else."""
    _object(at, value)
    for name, inner in value.items():
        here = f"{at}.{name}" if at else name
        need(name in known, f"{here}: Extra inputs are not permitted")
        known[name](here, inner)
    for name in required:
        need(name in value, f"{at}.{name}: Field required" if at else f"{name}: Field required")


def _type(*allowed: str) -> Check:
    def check(at: str, value: Any) -> None:
        need(value in allowed, f"{at}: Input should be {' or '.join(map(repr, allowed))}")

    return check


def _mark(at: str, value: Any) -> None:
    fields(at, value, {"type": _type("ephemeral"), "ttl": _type("5m", "1h")}, ("type",))


def _nonempty(at: str, value: Any) -> None:
    _text(at, value)
    need(bool(value.strip()), f"{at}: text content blocks must contain non-whitespace text")


def _tools(at: str, value: Any) -> None:
    _list(at, value)
    for number, tool in enumerate(value):
        known: dict[str, Check] = {
            "type": _type("custom"),  # optional; the vendor's tool runner for JavaScript says it
            "name": _text,
            "description": _text,
            "input_schema": _schema,
            "strict": _boolean,
            "eager_input_streaming": _boolean,
        }
        fields(f"{at}.{number}", tool, {**known, "cache_control": _mark}, ("name", "input_schema"))
        need(_NAME.fullmatch(tool["name"]) is not None, f"{at}.{number}.name: String should match pattern")


def _schema(at: str, value: Any) -> None:
    _object(at, value)
    need(value.get("type") == "object", f"{at}.type: Field required")
    need(
        not {"oneOf", "allOf", "anyOf"} & value.keys(),
        f"{at}: input_schema does not support oneOf, allOf, or anyOf at the top level",
    )
    keys = value.get("properties") or {}
    need(
        all(map(_KEY.fullmatch, keys)),
        f"{at}.properties: Property keys should match pattern '{_KEY.pattern}'",
    )


def _choice(at: str, value: Any) -> None:
    known: dict[str, Check] = {"type": _type("auto", "any", "tool", "none")}
    _object(at, value)
    if value.get("type") != "none":
        known["disable_parallel_tool_use"] = _boolean
    if value.get("type") == "tool":
        known["name"] = _text
    fields(at, value, known, tuple(name for name in known if name != "disable_parallel_tool_use"))


def _thinking(at: str, value: Any) -> None:
    _object(at, value)
    known: dict[str, Check] = {"type": _type("enabled", "adaptive", "disabled")}
    if value.get("type") != "disabled":
        known["display"] = _type("summarized", "omitted")
    if value.get("type") == "enabled":
        known["budget_tokens"] = _within(_integer, 1024, 1 << 20)
    fields(at, value, known, tuple(name for name in known if name != "display"))


def _output(at: str, value: Any) -> None:
    def form(inner: str, shape: Any) -> None:
        fields(inner, shape, {"type": _type("json_schema"), "schema": _object}, ("type", "schema"))

    fields(at, value, {"effort": _type(*_EFFORTS), "format": form})


def _stops(at: str, value: Any) -> None:
    _list(at, value)
    for number, stop in enumerate(value):
        _nonempty(f"{at}.{number}", stop)


def _system(at: str, value: Any) -> None:
    if isinstance(value, str):
        _nonempty(at, value)
    else:
        _list(at, value)
        for number, block in enumerate(value):
            check_block(f"{at}.{number}", block, ("text",))


def _source(at: str, value: Any) -> None:
    _object(at, value)
    if value.get("type") == "url":
        fields(at, value, {"type": _text, "url": _text}, ("url",))
        need(value["url"].startswith(("http://", "https://")), f"{at}.url: Only HTTP(S) URLs are supported")
    else:
        known: dict[str, Check] = {"type": _type("base64"), "media_type": _type(*_MEDIA), "data": _text}
        fields(at, value, known, tuple(known))


def _identifier(at: str, value: Any) -> None:
    _text(at, value)
    need(_ID.fullmatch(value) is not None, f"{at}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _result(at: str, value: Any) -> None:
    if not isinstance(value, str):
        _list(at, value)
        for number, block in enumerate(value):
            check_block(f"{at}.{number}", block, ("text", "image"))


_KIND: dict[str, Check] = {"type": _text, "cache_control": _mark}
_BLOCKS: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "text": ({**_KIND, "text": _nonempty}, ("text",)),
    "image": ({**_KIND, "source": _source}, ("source",)),
    "tool_use": ({**_KIND, "id": _identifier, "name": _text, "input": _object}, ("id", "name", "input")),
    "tool_result": (
        {**_KIND, "tool_use_id": _identifier, "content": _result, "is_error": _boolean},
        ("tool_use_id",),
    ),
    "thinking": ({"type": _text, "thinking": _text, "signature": _text}, ("thinking", "signature")),
    "redacted_thinking": ({"type": _text, "data": _text}, ("data",)),
}


def check_block(at: str, block: Any, allowed: tuple[str, ...]) -> None:
    """One content block of an allowed type; thinking must be as the double signed it."""
    _object(at, block)
    kind = block.get("type")
    need(
        kind in allowed,
        f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags",
    )
    fields(at, block, *_BLOCKS[kind])
    if kind == "thinking":
        sound = block["signature"] == signature(block["thinking"])
        need(sound, f"{at}: Invalid `signature` in `thinking` block")


FIELDS: dict[str, Check] = {
    "model": _text,
    "messages": _list,
    "max_tokens": _within(_integer, 1, 128_000),
    "system": _system,
    "stop_sequences": _stops,
    "stream": _boolean,
    "temperature": _within(_number, 0, 1),
    "top_p": _within(_number, 0, 1),
    "top_k": _within(_integer, 0, 1 << 31),
    "tools": _tools,
    "tool_choice": _choice,
    "thinking": _thinking,
    "output_config": _output,
    "metadata": lambda at, value: fields(at, value, {"user_id": _text}),
    "service_tier": _type("auto", "standard_only"),
}
