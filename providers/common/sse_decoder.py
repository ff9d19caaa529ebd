"""The frame of a decoder for streams of JSON in server-sent events that are not OpenAI's.

Laws: nothing is ever raised, whatever the bytes are; every complete event before a fault is given out; after ``Done``
or ``Failed`` there is nothing more; ``Done`` comes from the dialect alone, never from the end of the body. What an
event means is the subclass's business.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.sse import EventTooLarge, SSEDecoder, SSEEvent
from providers.base import Chunk, Done, Event, Failed, StreamDecoder
from providers.common.json_objects import Malformed


class Refused(Exception):
    """The upstream reported an error in its stream; ``error`` is what it stands for."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.message)
        self.error = error


class ChunkMaker:
    """Makes the chunks of one answer: ``id`` and ``created`` are the same on all of them."""

    def __init__(self) -> None:
        self.id = f"chatcmpl-{uuid4().hex}"
        self.model = ""
        self.created = int(time.time())

    def delta(self, delta: dict[str, Any], index: int = 0, **more: Any) -> Chunk:
        """One piece of the answer of choice ``index``; ``more`` are fields of the choice."""
        return self._chunk([{"index": index, "delta": delta, "finish_reason": None, **more}])

    def finish(self, reason: str, index: int = 0, **more: Any) -> Chunk:
        """The last chunk of choice ``index``; ``more`` are fields of the choice."""
        return self._chunk([{"index": index, "delta": {}, "finish_reason": reason, **more}])

    def usage(self, usage: dict[str, Any]) -> Chunk:
        """The token counts, in a chunk without choices."""
        chunk = self._chunk([])
        chunk.data["usage"] = usage
        return chunk

    def whole(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        """A complete ``chat.completion`` instead of chunks."""
        completion: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if usage is not None:
            completion["usage"] = usage
        return completion

    def _chunk(self, choices: list[dict[str, Any]]) -> Chunk:
        return Chunk(
            {
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": self.created,
                "model": self.model,
                "choices": choices,
            }
        )


class JsonEventDecoder(StreamDecoder):
    """Subclasses say what an event means (``_event``) and what a clean end of the body means (``_end``)."""

    def __init__(self) -> None:
        self._sse = SSEDecoder()
        self._ended = False
        #: Number of the event that is being looked at, from 1; named when it is at fault.
        self._number = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._ended:
            return []
        try:
            found = self._sse.feed(data)
        except EventTooLarge as error:
            events = self._decoded(error.before)
            if not self._ended:
                self._ended = True
                message = f"an event of the upstream is too large ({error})"
                events.append(_failed(message, "event_too_large", error))
            return events
        return self._decoded(found)

    def close(self) -> Sequence[Event]:
        if self._ended:
            return []
        events = self._decoded(self._sse.close())
        if not self._ended:
            self._ended = True
            events += self._guarded(self._end())
        return events

    @abstractmethod
    def _event(self, event: SSEEvent) -> Iterator[Event]:
        """What one event means: a generator, that may raise ``Malformed`` or ``Refused`` after what still counts."""

    @abstractmethod
    def _end(self) -> Iterator[Event]:
        """What a clean end of the body means when there was no terminator; the same may be raised."""

    def _decoded(self, found: Sequence[SSEEvent]) -> list[Event]:
        events: list[Event] = []
        for event in found:
            self._number += 1
            events += self._guarded(self._event(event))
            if events and isinstance(events[-1], Done | Failed):
                self._ended = True
                break
        return events

    def _guarded(self, step: Iterator[Event]) -> list[Event]:
        """The events of one step, with ``Failed`` in the place of what it raised."""
        events: list[Event] = []
        try:
            events.extend(step)  # keeps what came before an exception
        except Refused as refused:
            events.append(Failed(refused.error))
        except Malformed as error:
            events.append(_failed(f"event {self._number} of the upstream's stream: {error}", "event", error))
        return events


def no_terminator() -> Failed:
    """The body ended cleanly, but the upstream never said that its answer is complete."""
    return _failed(
        "the upstream ended its stream without saying that the answer is complete", "no_terminator"
    )


def _failed(message: str, kind: str, cause: Exception | None = None) -> Failed:
    error = UpstreamError(message, phase="body", kind=kind)
    error.__cause__ = cause
    return Failed(error)
