"""Incremental codecs without input or output: Server-Sent Events and newline-delimited JSON, both directions.

Laws: bytes may be split anywhere, also inside a UTF-8 character or between CR and LF; an event is given out once, when
its blank line has come, together with the exact bytes that made it; half an event is never given out; the size of
one event is bounded before anything is parsed. Nothing here knows what an event means.

The grammar is that of html.spec.whatwg.org/multipage/server-sent-events.html ("9.2.6 Interpreting an event stream").
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

#: Bytes of one event or line, many times what any token event or tool call needs.
MAX_EVENT = 1 << 20

#: The blank line that ends an event, whatever line ends are used. A final CR may be half of a CRLF: see ``feed``.
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\n\r|\r\n\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
#: A byte is looked for by its number: for bytes Python first makes an error and drops it, ten times the work.
_CR, _LF, _N, _I = b"\r\nNI"


class EventTooLarge(ValueError):
    """One event or line exceeds the limit; ``before`` holds what the same bytes completed before it."""

    def __init__(self, what: str, limit: int, before: Sequence[Any]) -> None:
        super().__init__(f"{what} is larger than {limit} bytes")
        self.before = before


class SSEEvent(NamedTuple):
    """One event: its ``event:`` name, its ``data:`` lines joined by newlines (None when it has none, as a comment),
    and ``raw``, the bytes that carried it including the blank line."""

    name: bytes
    data: bytes | None
    raw: bytes


class _Rest:
    """The incomplete end of what came so far: pieces that are joined only when that can complete something, so that
    the time is linear in the bytes however small the pieces are. A base class, because an object less is a part of what
    a token costs: with a thousand streams none of them is still in the processor's cache."""

    __slots__ = ("_last", "_pieces", "held")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        #: How many bytes these are.
        self.held = 0
        self._last = b""

    def _add(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self.held += len(data)
            self._last = data

    def _take(self) -> bytes:
        """All of it; nothing is left."""
        joined = b"".join(self._pieces)
        self._pieces, self.held, self._last = [], 0, b""
        return joined


class SSEDecoder(_Rest):
    """Splits a byte stream into events. Raises ``EventTooLarge``, which ends the stream."""

    __slots__ = ("_limit", "_start")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        super().__init__()
        self._limit = limit
        #: Only the very first bytes of a stream may be a byte order mark.
        self._start = True

    def lone(self, data: bytes) -> bytes | None:
        """What follows ``data:`` if the bytes are exactly one event of that one line, as servers write a token. None,
        and nothing has happened, if they are anything else: feed them."""
        if (
            data[:6] == b"data: "
            and data.find(b"\n") == len(data) - 2
            and data[-1:] == b"\n"
            and not (self.held or _CR in data)
            and len(data) <= self._limit
        ):
            self._start = False
            return data[6:-2]
        return None

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events that ``data`` completes."""
        if self.held:
            # Without a blank line nothing is completed, except what ended in a CR that might have been half of a CRLF: an
            # event of many lines is joined once, not at each of them.
            if not self._start and not self._last.endswith(b"\r") and not self._completes(data):
                return self._keep(data, [])
            data = self._take() + data
        if self._start:
            if len(data) < 3 and _BOM.startswith(data):
                return self._keep(data, [])
            data = data.removeprefix(_BOM)
            self._start = False
        if _CR in data:
            return self._feed_any(data)
        # The hot path: LF only, as every server that we know writes.
        *blocks, left = data.split(b"\n\n")
        if len(data) > self._limit:
            return self._feed_large(blocks, left)
        if left:
            self._add(left)
        events = []
        for block in blocks:
            # One "data: ..." line is nearly every event there is; it is read without a call.
            if block[:6] == b"data: " and _LF not in block:
                events.append(SSEEvent(b"", block[6:], block + b"\n\n"))
            elif block.strip(b"\n"):
                events.append(_event(block, block + b"\n\n"))
        return events

    def _completes(self, data: bytes) -> bool:
        """Whether a blank line may end in ``data``."""
        if _LF not in data and _CR not in data:
            return False
        return _BLANK.search(self._last[-3:] + data) is not None

    def _feed_large(self, blocks: list[bytes], left: bytes) -> list[SSEEvent]:
        """Much came at once: judged event by event, as if it had come in pieces."""
        events: list[SSEEvent] = []
        for block in blocks:
            if len(block) > self._limit:
                raise EventTooLarge("an event", self._limit, events)
            if block.strip(b"\n"):
                events.append(_event(block, block + b"\n\n"))
        return self._keep(left, events)

    def _feed_any(self, data: bytes) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        at = 0
        while match := _BLANK.search(data, at):
            end = match.end()
            # "\r\n\r" may be the beginning of "\r\n\r\n": wait for the next byte before the event is cut off.
            if end == len(data) and data.endswith(b"\r"):
                break
            if data[end - 1 : end + 1] == b"\r\n":
                end += 1
            block = data[at : match.start()]
            if len(block) > self._limit:
                raise EventTooLarge("an event", self._limit, events)
            if block.strip(b"\r\n"):
                events.append(_event(block, data[at:end]))
            at = end
        return self._keep(data[at:], events)

    def _keep(self, left: bytes, events: list[SSEEvent]) -> list[SSEEvent]:
        """``events``, after ``left`` was put aside."""
        self._add(left)
        if self.held > self._limit + len(b"\r\n\r\n"):
            raise EventTooLarge("an event", self._limit, events)
        return events

    def close(self) -> list[SSEEvent]:
        """At the end of the body: an event whose blank line is a lone final CR. Anything else is dropped, as the
        standard says ("incomplete event at end of file is discarded"); ``pending`` tells that there was something."""
        left = self._take()
        block = left.rstrip(b"\r\n")
        if block and left.endswith((b"\r\r", b"\n\r", b"\r\n\r")):
            return [_event(block, left)]
        self._add(left)
        return []

    @property
    def pending(self) -> bytes:
        """The bytes of the incomplete event."""
        return b"".join(self._pieces)


def _event(block: bytes, raw: bytes) -> SSEEvent:
    """Parse one event's lines."""
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


class LineDecoder(_Rest):
    """Splits newline-delimited JSON into lines; blank lines are skipped. Raises ``EventTooLarge``, which ends the
    stream."""

    __slots__ = ("_limit",)

    def __init__(self, limit: int = MAX_EVENT) -> None:
        super().__init__()
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their line ends."""
        if self.held:
            if _LF not in data:
                return self._keep(data, [])
            data = self._take() + data
        *lines, left = data.split(b"\n")
        if len(data) > self._limit:
            for count, line in enumerate(lines):
                if len(line) > self._limit:
                    raise EventTooLarge("a line", self._limit, _written(lines[:count]))
        return self._keep(left, _written(lines))

    def _keep(self, left: bytes, lines: list[bytes]) -> list[bytes]:
        """``lines``, after ``left`` was put aside."""
        self._add(left)
        if self.held > self._limit:
            raise EventTooLarge("a line", self._limit, lines)
        return lines

    def close(self) -> list[bytes]:
        """At the end of the body: a last line without its newline."""
        return _written([self._take()])


def _written(lines: list[bytes]) -> list[bytes]:
    """Those of ``lines`` that are not blank."""
    return [line for line in lines if line.strip()]


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ``ValueError`` on NaN and infinity, which are not JSON."""
    try:
        # Four times as fast as the standard library, but lenient.
        written = to_json(value)
    except ValueError:
        return _dumps(value)
    odd = (_N in written and written.find(b"NaN") >= 0) or (_I in written and written.find(b"Infinity") >= 0)
    return _dumps(value) if odd else written


def _dumps(value: Any) -> bytes:
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
