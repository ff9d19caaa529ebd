"""The canonical dialect as a stream: server-sent events that are relayed as they came.

Laws: what is decoded is only what must be known: errors, usage, the end, and that each event is a chunk that can be read by
whoever translates it; its bytes stay with it. A stream is complete with its terminator, or when all of its choices have a
reason for their end and the body has told its own end: then nothing can be missing (llamacpp-like servers and gateways
leave ``[DONE]`` out). The time of one event is what a token costs: the usual event
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
from providers.openai.faults import of_choice, of_event
from providers.openai.tokens import TokenShape

#: The same for all streams of one choice, which are nearly all.
_ONE, _NONE = frozenset({0}), frozenset[int]()


class OpenAIDecoder(StreamDecoder):
    """One streamed answer of the canonical dialect."""

    canonical = True

    __slots__ = ("_begun", "_count", "_ended", "_events", "_failure", "_finished", "_shape")

    def __init__(self, wanted: Any = None) -> None:
        self._events = SSEDecoder()
        self._count = 0
        self._ended = False
        #: What follows the event that is being looked at: it has an error in a choice, and a text besides.
        self._failure: Failed | None = None
        #: Indexes of choices that have begun, and of those that have ended. Without asking, there is one.
        self._begun = frozenset(range(wanted)) if type(wanted) is int and 1 < wanted < 1000 else _ONE
        self._finished: frozenset[int] = _NONE
        #: Learnt if it is going to be used.
        self._shape: TokenShape | None = None

    @property
    def known(self) -> tuple[bytes, bytes] | None:
        if self._shape is None:
            self._shape = TokenShape()
        return self._shape.known

    def usual(self, data: bytes) -> bytes:
        if self._shape is None or self._ended or self._events.held:
            return b""
        if rest := self._shape.rest(data):
            self._count += 1
        return rest

    def leading(self, data: bytes) -> tuple[int, int]:
        if self._shape is None:
            self._shape = TokenShape()
            return 0, 0
        if self._ended or self._events.held:
            return 0, 0
        return self._shape.leading(data)

    def passed(self, count: int) -> None:
        self._count += count

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._ended:
            return ()
        if line := self._events.lone(data):
            event = self._event(b"", line, data)
            return (event,) if self._failure is None else (event, self._failure)
        try:
            found = self._events.feed(data)
        except EventTooLarge as error:
            return self._last(error.before, str(error), "event_too_large")
        return self._decoded(found)

    def close(self) -> Sequence[Event]:
        if self._ended:
            return ()
        return self._last(self._events.close(), _NO_END, "no_terminator")

    def close_framed(self) -> Sequence[Event]:
        if self._ended:
            return ()
        # Nothing is missing, so that an event without its blank line is a whole one.
        events = self.feed(b"\n\n")
        if not self._complete():
            return [*events, *self.close()]
        self._ended = True
        return [*events, Done()]

    def _complete(self) -> bool:
        """Whether only the terminator is missing."""
        return not self._ended and self._begun <= self._finished

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
                if self._failure is not None:
                    events.append(self._failure)
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
        for choice in choices:
            says_more = choice.get("finish_reason") or choice.get("error") or choice.get("index")
            if says_more and (error := self._ends(choice)) is not None:
                return self._broken(value, error)
        if self._shape is not None:
            self._shape.learn(value, data, raw)
        return Chunk(value, raw)

    def _odd(self, value: dict[str, Any], name: bytes, raw: bytes) -> Event:
        """An event without choices, or with an error: vLLM's older releases put the error on the top level."""
        if value.get("error") or name == b"error" or value.get("object") == "error":
            return self._fail(in_stream(reported(value)))
        if (error := of_event(value)) is not None:
            return self._fail(error)
        if not sound({**value, "choices": []}, "delta"):
            return self._malformed("is not a chunk of a chat completion")
        return Chunk(value, raw)

    def _ends(self, choice: dict[str, Any]) -> GatewayError | None:
        """Note that a choice has begun or ended; its error, if it has one."""
        index = choice.get("index") or 0
        if type(index) is int:
            if index not in self._begun:
                self._begun |= {index}
            if choice.get("finish_reason"):
                self._finished |= {index}
        return of_choice(choice)

    def _broken(self, value: dict[str, Any], error: GatewayError) -> Event:
        """An event with an error in a choice; what it says besides is still told."""
        failed = self._fail(error)
        said = [
            {"index": choice.get("index", 0), "delta": choice["delta"], "finish_reason": None}
            for choice in value["choices"]
            if any((choice.get("delta") or {}).get(name) for name in ("content", "reasoning_content"))
        ]
        if not said:
            return failed
        self._failure = failed
        return Chunk({**value, "choices": said})

    def _malformed(self, what: str) -> Failed:
        message = f"event {self._count} of the upstream's stream {what}"
        return self._fail(UpstreamError(message, phase="body", kind="event"))

    def _fail(self, error: GatewayError) -> Failed:
        self._ended = True
        return Failed(error)


_NO_END = "the upstream ended its stream without saying that the answer is complete"


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


def plain_completion(value: dict[str, Any]) -> bool:
    """Whether ``value`` is the usual completion: one choice, no error anywhere, and ``sound``. Asked first, since it is short."""
    choices = value.get("choices")
    if type(choices) is not list or len(choices) != 1 or value.get("error"):
        return False
    choice = choices[0]
    return (
        type(choice) is dict
        and type(choice.get("message")) is dict
        and type(value.get("usage")) is dict
        and choice.get("finish_reason") != "error"
        and not choice.get("error")
    )


def _only_comments(raw: bytes) -> bool:
    return all(line.startswith(b":") for line in raw.splitlines() if line)
