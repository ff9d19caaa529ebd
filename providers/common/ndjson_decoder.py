"""The frame of a decoder for streams of JSON objects, one a line. Its laws are those of ``sse_decoder``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.sse import EventTooLarge, LineDecoder
from providers.base import Done, Event, Failed, StreamDecoder
from providers.common.json_objects import Malformed
from providers.common.sse_decoder import Refused


class JsonLineDecoder(StreamDecoder):
    """Subclasses say what a line means (``_line``)."""

    def __init__(self) -> None:
        self._lines = LineDecoder()
        #: Number of the line that is being looked at, from 1.
        self._number = 0
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._ended:
            return ()
        try:
            lines = self._lines.feed(data)
        except EventTooLarge as error:
            return self._last(error.before, b"\n", str(error), "event_too_large")
        return self._decoded(lines, b"\n")

    def close(self) -> Sequence[Event]:
        if self._ended:
            return ()
        text = "the upstream ended its stream without saying that the answer is complete"
        return self._last(self._lines.close(), b"", text, "no_terminator")

    @abstractmethod
    def _line(self, line: bytes, end: bytes) -> list[Event]:
        """What one line means, that ended in ``end``. Raises ``Malformed`` or ``Refused``; ``Done`` ends the stream."""

    def _last(self, lines: Sequence[bytes], end: bytes, message: str, kind: str) -> list[Event]:
        """The events of ``lines``, then the failure, unless one of them has ended the stream."""
        events = self._decoded(lines, end)
        if not self._ended:
            events.append(self._fail(UpstreamError(message, phase="body", kind=kind)))
        return events

    def _decoded(self, lines: Sequence[bytes], end: bytes) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            self._number += 1
            try:
                events.extend(self._line(line, end))
            except Refused as refused:
                events.append(self._fail(refused.error))
            except Malformed as error:
                message = f"line {self._number} of the upstream's stream: {error}"
                events.append(self._fail(UpstreamError(message, phase="body", kind="event")))
            if events and type(events[-1]) is Done:
                self._ended = True
            if self._ended:
                break
        return events

    def _fail(self, error: GatewayError) -> Failed:
        self._ended = True
        return Failed(error)
