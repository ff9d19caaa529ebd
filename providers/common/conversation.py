"""What both native dialects need from a canonical conversation: texts, data URLs, tool calls and whose result is whose.

Laws: the canonical form keeps arguments as JSON in a string and lets ids be missing; a native dialect wants an object
and a partner for each result (``history`` has seen to that). What cannot be read is named with its path.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import Message, ToolCall
from providers.common.json_objects import Malformed, loads


def refuse(path: str, message: str) -> NoReturn:
    """The request cannot be put into this dialect. Raises ``InvalidRequest``."""
    raise InvalidRequest.of([Problem(path, message)])


def parts(message: Message, at: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The content of message number ``at`` as parts, each with its path; a text is one part."""
    if isinstance(message.content, str):
        yield f"messages.{at}.content", {"type": "text", "text": message.content}
        return
    for number, part in enumerate(message.content or []):
        yield f"messages.{at}.content.{number}", part


def field_text(part: dict[str, Any], key: str, path: str) -> str:
    """The text at ``key`` of a part. Raises ``InvalidRequest``."""
    value = part.get(key)
    if not isinstance(value, str):
        refuse(f"{path}.{key}", "must be a string")
    return value


def part_url(part: dict[str, Any], path: str) -> str:
    """The address in an ``image_url`` or ``video_url`` part; the short form without an object is in use too."""
    kind = part["type"]
    inner = part.get(kind)
    return (
        field_text(inner, "url", f"{path}.{kind}")
        if isinstance(inner, dict)
        else field_text(part, kind, path)
    )


def unheard(messages: Iterable[Message]) -> tuple[str, ...]:
    """The names of what native dialects have no place for in messages: who speaks (the name of a function finds its call),
    and in how much detail a picture is to be seen."""
    found: dict[str, None] = {}
    for message in messages:
        if message.name is not None and message.role not in ("tool", "function"):
            found["messages.name"] = None
        if isinstance(message.content, list) and any(map(_detailed, message.content)):
            found["image_url.detail"] = None
    return tuple(found)


def _detailed(part: dict[str, Any]) -> bool:
    inner = part.get("image_url")
    return isinstance(inner, dict) and inner.get("detail") not in (None, "auto")


@dataclass(frozen=True, slots=True)
class Inline:
    """The content of a ``data:`` URL; ``data`` is base64."""

    media_type: str
    data: str


def inline(url: str, path: str) -> Inline | None:
    """A ``data:`` URL (RFC 2397) taken apart; None for any other URL. Raises ``InvalidRequest`` if it is broken."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "/" not in media_type:
        refuse(path, "a data: URL must name its media type and hold data")
    if "base64" not in [parameter.strip().lower() for parameter in parameters]:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    elif "\n" in data or "\r" in data or " " in data:
        data = "".join(data.split())  # as libraries for mail write base64
    return Inline(_seen(media_type.strip().lower(), data), data)


#: How pictures begin, in base64.
_PICTURES = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)


def _seen(media_type: str, data: str) -> str:
    """What a picture is, whatever its program calls it: a PNG that is called JPEG is refused by those who look."""
    if not media_type.startswith("image/"):
        return media_type
    registered = "image/jpeg" if media_type == "image/jpg" else media_type
    return next((kind for beginning, kind in _PICTURES if data.startswith(beginning)), registered)


def plain(content: Inline, path: str) -> str:
    """The text that ``content`` holds. Raises ``InvalidRequest`` if it is not UTF-8 in base64."""
    try:
        return base64.b64decode(content.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        refuse(path, "must be UTF-8 text in base64")


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of the history; ``source`` is its canonical form, unknown fields included."""

    id: str
    name: str
    arguments: dict[str, Any]
    source: ToolCall


@dataclass(slots=True)
class Calls:
    """The tool calls of a conversation, read from its beginning, so that each result finds its call."""

    _names: dict[str, str] = field(default_factory=dict)
    #: Ids of calls that have no result yet, in order; as often as they were asked for.
    _open: dict[str, int] = field(default_factory=dict)

    def asked(self, message: Message, at: int) -> list[Call]:
        """The calls of an assistant's message. Raises ``InvalidRequest``."""
        found = []
        for number, call in enumerate(message.tool_calls or []):
            path = f"messages.{at}.tool_calls.{number}"
            call_id = call.id or f"call_{at}_{number}"
            name, given = _called(call, path)
            found.append(Call(call_id, name, given, call))
            self._names[call_id] = name
            self._open[call_id] = self._open.get(call_id, 0) + 1
        return found

    def answered(self, message: Message, at: int) -> tuple[str, str]:
        """Id and function name of the call that a tool's message answers: by id, else by name, else the oldest one
        that has no answer. Raises ``InvalidRequest`` if there is none."""
        call_id = message.tool_call_id
        if not call_id:
            waiting = (known for known in self._open if message.name in (None, self._names[known]))
            call_id = next(waiting, None)
            if call_id is None:
                refuse(
                    f"messages.{at}.tool_call_id", "is required: no tool call before it waits for a result"
                )
        elif call_id not in self._names:
            refuse(
                f"messages.{at}.tool_call_id", "no assistant message before it has a tool call with this id"
            )
        if call_id in self._open:
            self._open[call_id] -= 1
            if not self._open[call_id]:
                del self._open[call_id]
        return call_id, self._names[call_id]


def _called(call: ToolCall, path: str) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a call; a custom tool takes one text. Raises ``InvalidRequest``."""
    if call.function is not None:
        return call.function.name, arguments(call.function.arguments)
    custom = (call.model_extra or {}).get("custom")
    if not isinstance(custom, dict) or not isinstance(custom.get("name"), str):
        refuse(path, "must be a call of a function")
    return custom["name"], {"input": custom.get("input")}


def arguments(text: str) -> dict[str, Any]:
    """The arguments of a call of the history. A model that wrote no JSON object is quoted, under a name of ours, as it is
    towards clients whose dialect has objects there: the call has been made, and must not end the conversation."""
    if not text.strip():
        return {}  # what models send for a function without parameters
    try:
        value = loads(text)
    except Malformed:
        return {"arguments": text}
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"arguments": value}
