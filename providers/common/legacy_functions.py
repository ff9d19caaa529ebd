"""Functions as chats declared them before there were tools (``functions``, ``function_call``), for dialects that know tools alone.

Laws: a request with tools stays the same object. Of an answer's calls the first goes back as ``function_call``, as its client
knows it; further ones, which were not asked for, stay where they are. Histories: ``faces.pairs``.

Source: platform.openai.com/docs/api-reference/chat/create (both are deprecated since November 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.wire.events import Chunk, Event
from llm_proxy.wire.schema import ChatRequest
from providers.base import StreamDecoder

_Json = dict[str, Any]


def is_legacy(sent: Mapping[str, Any]) -> bool:
    """Whether a request declares its functions so."""
    return bool(sent.get("functions")) and isinstance(sent["functions"], list) and not sent.get("tools")


def with_tools(request: ChatRequest) -> ChatRequest:
    """``request`` with its functions as tools. Raises ``InvalidRequest`` for what is no function."""
    sent = request.sent
    if not is_legacy(sent):
        return request
    choice = sent.get("function_call")
    if isinstance(choice, dict):
        choice = {"type": "function", "function": choice}
    return request.but(
        functions=None,
        function_call=None,
        tools=[{"type": "function", "function": function} for function in sent["functions"]],
        tool_choice=choice,
    )


def with_function_call(value: _Json, key: str) -> None:
    """Tell the first call in a completion (``key`` message) or a chunk (delta) as ``function_call``."""
    for choice in value.get("choices") or ():
        said = choice.get(key) or {}
        calls = said.get("tool_calls")
        if isinstance(calls, list) and calls and not calls[0].get("index"):
            function = calls[0].get("function") or {}
            said["function_call"] = {
                name: function[name] for name in ("name", "arguments") if name in function
            }
            said["tool_calls"] = calls[1:]
            if not said["tool_calls"]:
                del said["tool_calls"]
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "function_call"


class LegacyCalls(StreamDecoder):
    """A stream whose first call is told as ``function_call``."""

    def __init__(self, inner: StreamDecoder) -> None:
        self._inner = inner

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._told(self._inner.feed(data))

    def close(self) -> Sequence[Event]:
        return self._told(self._inner.close())

    def close_framed(self) -> Sequence[Event]:
        return self._told(self._inner.close_framed())

    def _told(self, events: Sequence[Event]) -> Sequence[Event]:
        for event in events:
            if type(event) is Chunk:
                with_function_call(event.data, "delta")
        return events
