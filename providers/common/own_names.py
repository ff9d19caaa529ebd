"""The client's own names of tools and arguments in an answer, where a vendor's grammar wanted others (``tool_names``), and its
calls in the form in which it declared them (``legacy_functions``).

Laws: what was renamed follows from the request; what was not passes as it came. Arguments with other names are held back
until their call is whole, since a name may come in pieces; if the stream breaks before, they come as far as they did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_proxy.wire.events import ChatResponse, Chunk, Done, Event, Failed
from llm_proxy.wire.schema import ChatRequest
from llm_proxy.wire.sse import sse_data
from providers.base import StreamDecoder
from providers.common.legacy_functions import LegacyCalls, is_legacy, with_function_call, with_tools
from providers.common.tool_names import Grammar, Names, name_of, new_names, with_keys

_Json = dict[str, Any]


def own_names(sent: Mapping[str, Any], grammar: Grammar) -> Names | None:
    """What the names in an answer to the request ``sent`` were before; None if none was changed."""
    new = new_names(sent, grammar)
    return None if new is None else new.back()


def with_own_names(value: _Json, key: str, own: Names) -> bool:
    """Give calls in a completion (``key`` message) or a chunk (delta) the names back that the client has for them: whether
    there were any. Arguments are whole in a completion; in a chunk they are ``OwnNames``'s."""
    found = False
    for choice in value.get("choices") or ():
        calls = (choice.get(key) or {}).get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            name = name_of(call)
            if key == "message" and name in own.keys:
                call["function"]["arguments"] = with_keys(call["function"].get("arguments"), own.keys[name])
                found = True
            if name in own.tools:
                call["function"]["name"] = own.tools[name]
                found = True
    return found


def own_answer(found: ChatResponse, request: ChatRequest, grammar: Grammar | None) -> ChatResponse:
    """``found``, translated, with the client's own names, and its calls in the form in which it declared them (``functions``)."""
    own = own_names(with_tools(request).sent, grammar) if grammar is not None else None
    if own is not None:
        with_own_names(found.data, "message", own)
    if is_legacy(request.sent):
        with_function_call(found.data, "message")
    return found


def own_decoder(decoder: StreamDecoder, request: ChatRequest, grammar: Grammar | None) -> StreamDecoder:
    """``decoder`` itself, or one that does the same for a stream."""
    own = own_names(with_tools(request).sent, grammar) if grammar is not None else None
    if own is not None:
        decoder = OwnNames(decoder, own)
    return LegacyCalls(decoder) if is_legacy(request.sent) else decoder


class OwnNames(StreamDecoder):
    """A stream whose calls get the client's own names back. What holds none passes as it came."""

    def __init__(self, inner: StreamDecoder, own: Names) -> None:
        self._inner = inner
        self.canonical = inner.canonical  # type: ignore[misc]  # of the class for all others
        self._own = own
        self._held: dict[tuple[int, int], _Held] = {}

    @property
    def known(self) -> tuple[bytes, bytes] | None:
        return self._inner.known

    def usual(self, data: bytes) -> bytes:
        return self._inner.usual(data)

    def leading(self, data: bytes) -> tuple[int, int]:
        return self._inner.leading(data)

    def passed(self, count: int) -> None:
        self._inner.passed(count)

    def feed(self, data: bytes) -> Sequence[Event]:
        return [*self._named(self._inner.feed(data))]

    def close(self) -> Sequence[Event]:
        return [*self._named(self._inner.close())]

    def close_framed(self) -> Sequence[Event]:
        return [*self._named(self._inner.close_framed())]

    def _named(self, events: Sequence[Event]) -> Iterator[Event]:
        for event in events:
            if type(event) is Chunk:
                yield from self._chunk(event)
            else:
                if type(event) is Done or type(event) is Failed:
                    yield from self._whole(type(event) is Done)
                yield event

    def _chunk(self, event: Chunk) -> Iterator[Event]:
        changed = self._hold(event.data) if self._own.keys else False
        if self._held and _ends(event.data):
            yield from self._whole(True)
        if with_own_names(event.data, "delta", self._own) or changed:
            event = Chunk(event.data, sse_data(event.data) if event.raw is not None else None)
        yield event

    def _hold(self, data: _Json) -> bool:
        """Keep the pieces of arguments that need other names: whether there were any."""
        found = False
        for choice in data.get("choices") or ():
            calls = (choice.get("delta") or {}).get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                place = (choice.get("index") or 0, call.get("index") or 0)
                if keys := self._own.keys.get(name_of(call)):
                    self._held.setdefault(place, _Held(data, keys))
                held = self._held.get(place)
                function = call.get("function")
                if (
                    held is not None
                    and isinstance(function, dict)
                    and isinstance(function.get("arguments"), str)
                ):
                    held.pieces.append(function["arguments"])
                    function["arguments"] = ""
                    found = True
        return found

    def _whole(self, sound: bool) -> Iterator[Chunk]:
        """All that was held back, with the client's names if the calls are whole."""
        held, self._held = self._held, {}
        for (choice, call), one in held.items():
            text = "".join(one.pieces)
            yield one.chunk(choice, call, with_keys(text, one.keys) if sound else text)


class _Held:
    """One call's arguments. ``of``: the chunk that it began in, whose frame those with its arguments have."""

    __slots__ = ("_frame", "keys", "pieces")

    def __init__(self, of: _Json, keys: Mapping[str, str]) -> None:
        self._frame = {name: value for name, value in of.items() if name not in ("choices", "usage")}
        self.keys = keys
        self.pieces: list[str] = []

    def chunk(self, choice: int, call: int, arguments: str) -> Chunk:
        delta = {"tool_calls": [{"index": call, "function": {"arguments": arguments}}]}
        choices = [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": None}]
        return Chunk({**self._frame, "choices": choices})


def _ends(data: _Json) -> bool:
    return any(choice.get("finish_reason") for choice in data.get("choices") or ())
