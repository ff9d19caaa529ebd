"""Names of tools in a vendor's grammar: on the way there, and back again in the answer.

Laws: a name that fits stays; any other gets a new one that is made of it alone, everywhere in the request, and the client gets
its own back. What was renamed follows from the request, so whoever reads the answer need not be told. A request whose names
all fit costs one look at each.

Most vendors take what OpenAI takes, 64 letters, digits, ``_`` and ``-``; Anthropic's clients write up to 128, and MCP has dots
and slashes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.wire.events import Chunk, Event
from llm_proxy.wire.sse import sse_data
from providers.base import StreamDecoder

_Json = dict[str, Any]
#: What every such vendor takes: some want a letter in front.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_UNKNOWN = re.compile(r"[^a-zA-Z0-9_-]")
_LENGTH = 64
_DIGITS = 8


def new_names(sent: Mapping[str, Any]) -> dict[str, str]:
    """What the names of tools in a request become that do not fit."""
    tools = sent.get("tools")
    named = [*tools] if isinstance(tools, list) else []
    for message in sent["messages"]:
        if "tool_calls" in message:
            named += message["tool_calls"] or ()
    if not named:
        return {}
    names = {name for one in named if (name := _name(one))}
    return {name: _made(name) for name in names if not _NAME.fullmatch(name)}


def own_names(sent: Mapping[str, Any]) -> dict[str, str]:
    """And back again."""
    found = new_names(sent)
    return {new: own for own, new in found.items()} if found else found


def _name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _made(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    plain = _UNKNOWN.sub("_", name)
    plain = plain if plain[:1].isalpha() or plain.startswith("_") else f"_{plain}"
    return f"{plain[: _LENGTH - _DIGITS - 1]}_{digest}"


def fit_names(body: _Json, new: Mapping[str, str]) -> None:
    """Put the ``new`` names into ``body``, whose own objects stay as they are."""
    if isinstance(body.get("tools"), list):
        body["tools"] = [_renamed(tool, new) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        body["tool_choice"] = _renamed(choice, new)
    body["messages"] = [_message(message, new) for message in body["messages"]]


def _message(message: _Json, new: Mapping[str, str]) -> _Json:
    found = message
    if message["role"] == "tool" and message.get("name") in new:
        found = {**found, "name": new[message["name"]]}
    calls = message.get("tool_calls")
    return {**found, "tool_calls": [_renamed(call, new) for call in calls]} if calls else found


def _renamed(tool: Any, new: Mapping[str, str]) -> Any:
    """A tool, a choice of one, or a call."""
    name = _name(tool)
    return {**tool, "function": {**tool["function"], "name": new[name]}} if name in new else tool


def with_own_names(value: _Json, key: str, own: Mapping[str, str]) -> bool:
    """Give calls in a completion (``key`` message) or a chunk (delta) the names back that the client has for them: whether
    there were any."""
    found = False
    for choice in value.get("choices") or ():
        calls = (choice.get(key) or {}).get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            name = _name(call)
            if name in own:
                call["function"]["name"] = own[name]
                found = True
    return found


class OwnNames(StreamDecoder):
    """A stream whose calls get the client's own names back. What holds none passes as it came."""

    def __init__(self, inner: StreamDecoder, own: Mapping[str, str]) -> None:
        self._inner = inner
        self._own = own

    def ordinary(self, data: bytes) -> int:
        return self._inner.ordinary(data)

    def feed(self, data: bytes) -> Sequence[Event]:
        return [*map(self._named, self._inner.feed(data))]

    def close(self) -> Sequence[Event]:
        return [*map(self._named, self._inner.close())]

    def close_framed(self) -> Sequence[Event]:
        return [*map(self._named, self._inner.close_framed())]

    def _named(self, event: Event) -> Event:
        if type(event) is Chunk and with_own_names(event.data, "delta", self._own):
            return Chunk(event.data, sse_data(event.data) if event.raw is not None else None)
        return event
