"""The canonical dialect as a stream: server-sent events that are relayed as they came.

Laws: what is decoded is only what must be known: errors, usage, the terminator, and that each event is a chunk that can
be read by whoever translates it; its bytes stay with it. The time of one event is what a token costs: the usual event
is parsed once and looked at once.

Source: platform.openai.com/docs/api-reference/chat-streaming, and recordings of llama.cpp and vLLM in tests/data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.sse import EventTooLarge, SSEDecoder, SSEEvent
from providers.base import Chunk, Comment, Done, Event, Failed, StreamDecoder
from providers.common.errors import in_stream, reported
from providers.openai.tokens import TokenShape


class OpenAIDecoder(StreamDecoder):
    """One streamed answer of the canonical dialect."""

    __slots__ = ("_count", "_ended", "_events", "_shape")

    def __init__(self) -> None:
        self._events = SSEDecoder()
        self._count = 0
        self._ended = False
        #: Learnt if it is going to be used.
        self._shape: TokenShape | None = None

    def ordinary(self, data: bytes) -> int:
        shape = self._shape
        if shape is None:
            self._shape = TokenShape()
            return 0
        count = 0 if self._events.held or self._ended else shape.count(data)
        self._count += count
        return count

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._ended:
            return ()
        if line := self._events.lone(data):
            return (self._event(b"", line, data),)
        try:
            found = self._events.feed(data)
        except EventTooLarge as error:
            return self._last(error.before, str(error), "event_too_large")
        return self._decoded(found)

    def close(self) -> Sequence[Event]:
        if self._ended:
            return ()
        return self._last(
            self._events.close(), "the upstream ended its stream without [DONE]", "no_terminator"
        )

    def _last(self, found: Sequence[SSEEvent], message: str, kind: str) -> list[Event]:
        """The events of ``found``, then the failure, unless one of them has ended the stream."""
        events = self._decoded(found)
        if not self._ended:
            events.append(self._fail(UpstreamError(message, phase="body", kind=kind)))
        return events

    def _decoded(self, found: Sequence[SSEEvent]) -> list[Event]:
        events: list[Event] = []
        for name, data, raw in found:
            if data:
                decoded = self._event(name, data, raw)
                events.append(decoded)
                if self._ended:
                    break
            elif _only_comments(raw):
                events.append(Comment(raw))
            # Anything else without data is no event, says the standard; OpenAI's own clients would choke on it.
        return events

    def _event(self, name: bytes, data: bytes, raw: bytes) -> Event:
        if data.startswith(b"[DONE]"):
            self._ended = True
            return Done()
        self._count += 1
        try:
            # Twice as fast as json.loads, and as strict as a reader of another language: no NaN, no lone surrogate.
            value = from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            return self._malformed("is not JSON")
        if type(value) is not dict:
            return self._malformed("is not an object")
        choices = value.get("choices")
        if choices is None or name == b"error" or value.get("error"):
            return self._odd(value, name, raw)
        if not sound(value, "delta"):
            return self._malformed("is not a chunk of a chat completion")
        if self._shape is not None:
            self._shape.learn(value, data, raw)
        return Chunk(value, raw)

    def _odd(self, value: dict[str, Any], name: bytes, raw: bytes) -> Event:
        """An event without choices, or with an error: vLLM's older releases put the error on the top level."""
        if value.get("error") or name == b"error" or value.get("object") == "error":
            return self._fail(in_stream(reported(value)))
        if not sound({**value, "choices": []}, "delta"):
            return self._malformed("is not a chunk of a chat completion")
        return Chunk(value, raw)

    def _malformed(self, what: str) -> Failed:
        message = f"event {self._count} of the upstream's stream {what}"
        return self._fail(UpstreamError(message, phase="body", kind="event"))

    def _fail(self, error: GatewayError) -> Failed:
        self._ended = True
        return Failed(error)


def sound(value: dict[str, Any], key: str) -> bool:
    """Whether ``value`` has the frame of a chunk (``key`` delta) or of a completion (``key`` message), so that others
    may read it without looking twice: a list of choices that are objects with an object or nothing in them."""
    choices, usage = value["choices"], value.get("usage")
    # ``isinstance(x, dict | None)`` would make a new union type each time, for each token.
    if type(choices) is not list or not (usage is None or type(usage) is dict):
        return False
    for choice in choices:
        if type(choice) is not dict:
            return False
        part = choice.get(key)
        if not (part is None or type(part) is dict):
            return False
    return True


def _only_comments(raw: bytes) -> bool:
    return all(line.startswith(b":") for line in raw.splitlines() if line)
