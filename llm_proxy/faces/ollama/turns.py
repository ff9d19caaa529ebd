"""The messages of Ollama's native API as canonical ones: images, thinking, tool calls and whose result is whose.

Laws: images become data URLs of the type that their first bytes show; arguments become JSON in a string; every call has an
id afterwards, the client's own or one made from its place, so that the same history gives the same request. Fields that
are not known pass.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Iterable
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import Open
from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]


class Turn(Open):
    """One message. ``images`` are base64; the arguments of calls are objects."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


def conversation(turns: Iterable[Turn]) -> list[_Json]:
    """Canonical messages. Raises ``InvalidRequest``."""
    calls = _Calls()
    return [_message(turn, at, calls) for at, turn in enumerate(turns)]


class _Calls:
    """The calls so far that have no result yet, oldest first: id and name."""

    def __init__(self) -> None:
        #: By their number; and the numbers of each id and of each name, those of answered calls among them.
        self._open: dict[int, tuple[str, str]] = {}
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        self._count = 0

    def asked(self, call: _Json, at: int, number: int) -> _Json:
        """One call of an assistant's message in the canonical form."""
        path = f"messages.{at}.tool_calls.{number}.function"
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise _problem(path, "must be an object with a name")
        arguments = function.get("arguments")
        if not isinstance(arguments, dict | None):
            raise _problem(f"{path}.arguments", "must be an object")
        given = call.get("id")
        call_id = given if isinstance(given, str) and given else f"call_{at}_{number}"
        self._open[self._count] = call_id, function["name"]
        self._by_id.setdefault(call_id, deque()).append(self._count)
        self._by_name.setdefault(function["name"], deque()).append(self._count)
        self._count += 1
        written = {"name": function["name"], "arguments": dumps(arguments or {}).decode()}
        return {"id": call_id, "type": "function", "function": written}

    def answered(self, turn: Turn) -> str | None:
        """The id of the call whose result ``turn`` is; the client's own if there is no such call."""
        found = self._oldest(self._by_id.get(turn.tool_call_id or ""))
        if found is None:
            found = self._oldest(self._by_name.get(turn.tool_name or ""))
        if found is None:
            found = next(iter(self._open), None)
        return turn.tool_call_id if found is None else self._open.pop(found)[0]

    def _oldest(self, numbers: deque[int] | None) -> int | None:
        """The first of ``numbers`` whose call still waits."""
        while numbers and numbers[0] not in self._open:
            numbers.popleft()
        return numbers[0] if numbers else None


def _message(turn: Turn, at: int, calls: _Calls) -> _Json:
    message: _Json = {"role": turn.role, "content": turn.content or "", **(turn.model_extra or {})}
    if turn.images:
        text = [{"type": "text", "text": turn.content}] if turn.content else []
        message["content"] = [*text, *(_image(data, at, n) for n, data in enumerate(turn.images))]
    if turn.thinking:
        message["reasoning_content"] = turn.thinking
    if turn.tool_calls:
        message["tool_calls"] = [calls.asked(call, at, n) for n, call in enumerate(turn.tool_calls)]
        message["content"] = message["content"] or None
    if turn.role == "tool" and (call_id := calls.answered(turn)) is not None:
        message["tool_call_id"] = call_id
    return message


#: How the files begin: libmagic has the same.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def _image(data: str, at: int, number: int) -> _Json:
    if data[:5].lower() == "data:":  # not Ollama's form, but clear enough
        return {"type": "image_url", "image_url": {"url": data}}
    try:
        head = base64.b64decode(data[:16], validate=True)
    except (binascii.Error, ValueError):
        raise _problem(f"messages.{at}.images.{number}", "must be base64") from None
    kind = "image/webp" if head[:4] == b"RIFF" and head[8:] == b"WEBP" else None
    kind = kind or next(
        (kind for magic, kind in _MAGIC if head.startswith(magic)), "application/octet-stream"
    )
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def _problem(path: str, message: str) -> InvalidRequest:
    return InvalidRequest.of([Problem(path, message)])
