"""Incremental codecs without input or output: Server-Sent Events and newline-delimited JSON, both directions.

Laws: bytes may be split anywhere, also inside a UTF-8 character or between CR and LF; an event is given out once, when
its blank line has come, together with the exact bytes that made it; half an event is never given out; the size of
one event is bounded before anything is parsed. Nothing here knows what an event means.

The grammar is that of html.spec.whatwg.org/multipage/server-sent-events.html ("9.2.6 Interpreting an event stream").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

#: Bytes of one event or line. Larger than any token event; Ollama's /api/generate context line stays below it.
MAX_EVENT = 1 << 20

#: The blank line that ends an event, whatever line ends are used. A final CR may be half of a CRLF: see ``feed``.
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\n\r|\r\n\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """One event or line exceeds the limit."""


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event: its ``event:`` name, its ``data:`` lines joined by newlines (None when it has none, as a comment),
    and ``raw``, the bytes that carried it including the blank line."""

    name: bytes
    data: bytes | None
    raw: bytes


class SSEDecoder:
    """Splits a byte stream into events. Raises ``EventTooLarge``; what was complete before has been returned."""

    __slots__ = ("_buffer", "_limit", "_start")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._buffer = b""
        self._limit = limit
        #: Only the very first bytes of a stream may be a byte order mark.
        self._start = True

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events that ``data`` completes. An oversized event is reported by the call after its predecessors."""
        buffer = self._buffer + data if self._buffer else data
        if self._start:
            if len(buffer) < 3 and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            buffer = buffer.removeprefix(_BOM)
            self._start = False
        if b"\r" in buffer:
            return self._feed_any(buffer)
        # The hot path: LF only, as every server that we know writes.
        *blocks, rest = buffer.split(b"\n\n")
        self._keep(rest, bool(blocks))
        return [_event(block, block + b"\n\n") for block in blocks if block.strip(b"\n")]

    def _feed_any(self, buffer: bytes) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        at = 0
        while match := _BLANK.search(buffer, at):
            end = match.end()
            # "\r\n\r" may be the beginning of "\r\n\r\n": wait for the next byte before the event is cut off.
            if end == len(buffer) and buffer.endswith(b"\r"):
                break
            if buffer[end - 1 : end + 1] == b"\r\n":
                end += 1
            block = buffer[at : match.start()]
            if block.strip(b"\r\n"):
                events.append(_event(block, buffer[at:end]))
            at = end
        self._keep(buffer[at:], bool(events))
        return events

    def _keep(self, rest: bytes, progressed: bool) -> None:
        self._buffer = rest
        if len(rest) > self._limit and not progressed:
            raise EventTooLarge(f"an event is larger than {self._limit} bytes")

    def close(self) -> list[SSEEvent]:
        """At the end of the body: an event whose blank line is a lone final CR. Anything else is dropped, as the
        standard says ("incomplete event at end of file is discarded"); ``pending`` tells that there was something."""
        rest = self._buffer
        if rest.endswith((b"\r\r", b"\n\r", b"\r\n\r")):
            self._buffer = b""
            return [_event(rest.rstrip(b"\r\n"), rest)]
        return []

    @property
    def pending(self) -> bytes:
        """The bytes of the incomplete event."""
        return self._buffer


def _event(block: bytes, raw: bytes) -> SSEEvent:
    """Parse one event's lines."""
    # One "data: ..." line is nearly every event there is.
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return SSEEvent(b"", block[6:], raw)
    name = b""
    lines: list[bytes] = []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return SSEEvent(name, b"\n".join(lines) if lines else None, raw)


class LineDecoder:
    """Splits newline-delimited JSON into lines; blank lines are skipped. Raises ``EventTooLarge``."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = 16 * MAX_EVENT) -> None:
        self._buffer = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their line ends."""
        buffer = self._buffer + data if self._buffer else data
        *lines, rest = buffer.split(b"\n")
        self._buffer = rest
        if len(rest) > self._limit and not lines:
            raise EventTooLarge(f"a line is larger than {self._limit} bytes")
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """At the end of the body: a last line without its newline."""
        rest, self._buffer = self._buffer, b""
        return [rest] if rest.strip() else []


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ``ValueError`` on NaN and infinity, which are not JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def sse_data(value: Any) -> bytes:
    """An unnamed event that carries ``value`` as JSON."""
    return b"data: " + dumps(value) + b"\n\n"


def sse_event(name: str, value: Any) -> bytes:
    """A named event that carries ``value`` as JSON."""
    return b"event: " + name.encode() + b"\ndata: " + dumps(value) + b"\n\n"


def ndjson(value: Any) -> bytes:
    """One line of newline-delimited JSON."""
    return dumps(value) + b"\n"
