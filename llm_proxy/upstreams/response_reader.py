"""The bytes of one HTTP/1.1 answer, judged: a head, then body bytes, then an end or a fault.

Laws: pure, no IO; ``feed`` never raises, and what is good in its input comes out even when a fault follows; after the
end not a byte is read as part of this answer. llhttp (through httptools) judges heads and chunks; a body with a
length, or one that ends with the connection, needs no parser. A new reader, with a new parser, serves each answer.

What httptools 0.9 leaves to its user, and what is done here: limits on a head (there are none, and the cost is
quadratic, so bytes are counted before they are fed), limits on chunk extensions and trailers, the end of a body at
close, HEAD, 1xx, and a second message on the same connection, which it would report as part of the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Literal

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from llm_proxy.net.faults import ConnectionLost, Kind, ProtocolError
from llm_proxy.upstreams.known_answer import KnownAnswer
from llm_proxy.upstreams.response_head import MAX_HEAD, MAX_HEADERS, Framing, ResponseHead

#: Informational answers before the real one; what Tornado's client tolerates too.
MAX_INFORMATIONAL = 10
#: Bytes of chunk extensions or trailers in a row that bring no byte of the body.
MAX_OVERHEAD = 16 * 1024


class _Mode(IntEnum):
    HEAD = 0
    CHUNKED = 1
    LENGTH = 2
    UNTIL_CLOSE = 3
    OVER = 4


#: A member is found three times as quickly without its class.
_HEAD, _CHUNKED, _LENGTH, _UNTIL_CLOSE, _OVER = _Mode
_MODES = {
    Framing.NONE: _OVER,
    Framing.LENGTH: _LENGTH,
    Framing.CHUNKED: _CHUNKED,
    Framing.UNTIL_CLOSE: _UNTIL_CLOSE,
}


#: A higher minor version is read as the highest one that we know (RFC 9110, section 2.5); llhttp knows none.
_LATER = re.compile(rb"HTTP/1\.[2-9]")


#: How an event begins, or a line: see ``between_chunks``.
_NO_DIGIT = (b"data: ", b"{")


class _Events:
    """What the parser reports. ``on_body`` is a built-in method: no Python frame for each chunk. The end of the message
    puts an empty part behind the others, so that whoever finds just one part with something in it knows enough."""

    __slots__ = ("complete", "heads", "on_body", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.on_body = self.parts.append
        self.heads = 0
        self.complete = False

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("bytes after the end of the message")

    def on_message_complete(self) -> None:
        self.complete = True
        self.parts.append(b"")


class ResponseReader:
    """One answer to a request with ``method``. State for the caller to look at after each ``feed``:

    ``head``: None until it is complete; ``outcome``: None while more must come, then True (complete) or the fault;
    ``reusable``: whether the connection stays in step afterwards; ``begun``: any byte has come; ``may_continue``: an
    informational 100 has come.
    """

    __slots__ = (
        "_events",
        "_feed",
        "_informational",
        "_left",
        "_method",
        "_mode",
        "_overhead",
        "_parser",
        "_parts",
        "_raw",
        "begun",
        "head",
        "known",
        "may_continue",
        "outcome",
        "reusable",
    )

    def __init__(self, method: str, known: KnownAnswer | None = None) -> None:
        self._method = method
        #: The head of the connection's last answer, if it is worth keeping for the next; HEAD's say how long they would be.
        self.known = None if method == "HEAD" else known
        self._mode = _HEAD
        self._informational = self._left = self._overhead = 0
        self._raw = b""
        self._parser: HttpResponseParser | None = None
        self.begun = self.reusable = self.may_continue = False
        self.head: ResponseHead | None = None
        self.outcome: ProtocolError | Literal[True] | None = None

    def _new_parser(self) -> HttpResponseParser:
        self._raw = b""
        self._events = _Events()
        self._parts = self._events.parts
        self._parser = parser = HttpResponseParser(self._events)
        self._feed: Callable[[bytes], None] = parser.feed_data
        return parser

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that are in ``data``, in one piece; may be empty."""
        if self._mode is _CHUNKED:
            parts, feed = self._parts, self._feed
            try:
                if len(data) > 4:
                    feed(data)
                else:
                    self._creep(data)
            except HttpParserError as error:
                self._stumbled(error)
            if len(parts) == 1 and parts[0]:
                self._overhead = 0
                return parts.pop()
            return self._chunks(data)
        if self._mode is _LENGTH:
            self._left -= len(data)
            if self._left > 0:
                return data
            self._end(extra=self._left < 0)
            return data[: self._left] if self._left else data
        if self._mode is _UNTIL_CLOSE:
            return data
        if self._mode is _HEAD:
            return self._feed_head(data)
        self.reusable = False  # bytes after the end
        return b""

    def ended(self, error: Exception | None) -> ConnectionLost | None:
        """The connection is at its end, cleanly (None) or by ``error``. None if that completes the answer."""
        if self._mode is _UNTIL_CLOSE and error is None:
            return None
        if self.head is not None:
            lost = _lost("in the middle of the body", "body", "reset" if error else "truncated")
        elif self.begun:
            lost = _lost("in the middle of the head", "head", "reset" if error else "eof")
        else:
            lost = _lost("without an answer", "head", "reset" if error else "eof")
        return lost

    # -- the head

    def _feed_head(self, data: bytes) -> bytes:
        if not self.begun and self.known is not None and (like := self.known.read(data)) is not None:
            self.begun = True
            self.head, end = like
            self.reusable, self._left = self.head.keep_alive, self.head.length
            self._mode = _LENGTH
            return self.feed(data[end:]) if end < len(data) else b""
        parser = self._parser or self._new_parser()
        try:
            if not self.begun and data.startswith(b"HTTP/1.1 "):  # nearly always a whole head comes at once
                self.begun = True
                size = data.find(b"\r\n\r\n") + 4
                if 4 < size <= MAX_HEAD and data.count(b"\n", 0, size) <= MAX_HEADERS + 2:
                    raw, data = data[:size], data[size:]
                    self._parse_head(parser, raw, whole=True)
                    if (code := parser.get_status_code()) >= 200:
                        return self._begin_body(raw, code, data)
                    parser = self._informed(code)
            self.begun = True
            while data:
                old = len(self._raw)
                raw = self._raw + data if old else data
                if old <= 7 < len(raw) and raw[7] != 49 and _LATER.match(raw):
                    raw = raw[:7] + b"1" + raw[8:]
                    data = raw[old:]
                found = raw.find(b"\r\n\r\n", max(0, old - 3))
                size = len(raw) if found < 0 else found + 4
                if size > MAX_HEAD or raw.count(b"\n", 0, size) > MAX_HEADERS + 2:
                    raise ProtocolError("the head of the answer is too large", "head", "too_large")
                self._parse_head(parser, data[: size - old], whole=found >= 0)
                data = data[size - old :]
                if found < 0:
                    self._raw = raw
                elif (code := parser.get_status_code()) < 200:
                    parser = self._informed(code)
                else:
                    return self._begin_body(raw[:size], code, data)
        except ProtocolError as error:
            # Its frames would keep this reader, and with it the connection, alive until a garbage collection.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            self.outcome = error
            self._mode = _OVER
        return b""

    def _parse_head(self, parser: HttpResponseParser, fresh: bytes, *, whole: bool) -> None:
        """Feed the next bytes of a head; ``whole`` says that its end must be exactly theirs."""
        try:
            self._feed(fresh)
        except (HttpParserError, HttpParserUpgrade) as error:
            kind: Kind = "protocol" if parser.get_status_code() == 101 else "framing"
            raise ProtocolError(f"bad head: {error}", "head", kind) from error
        if (self._events.heads > 0) is not whole or any(self._events.parts):
            raise ProtocolError("bad head: its end is ambiguous", "head", "framing")

    def _informed(self, code: int) -> HttpResponseParser:
        """An informational answer: never shown to anybody, and not many of them; the parser for what follows."""
        if code < 100 or code == 101:
            raise ProtocolError(f"unexpected status {code}", "head", "protocol")
        self._informational += 1
        if self._informational > MAX_INFORMATIONAL:
            raise ProtocolError("too many informational answers", "head", "informational")
        if code == 100:
            self.may_continue = True
        return self._new_parser()

    def _begin_body(self, raw: bytes, code: int, data: bytes) -> bytes:
        """The head is complete; ``data`` is what came with it."""
        head = ResponseHead(raw, code, self._method)
        self.head = head
        self.known = KnownAnswer.of(raw, head)
        self.reusable = head.keep_alive
        self._raw = b""
        self._left = head.length
        self._mode = _MODES[head.framing]
        if self._mode is _OVER:
            self._end(extra=bool(data))
            return b""
        return self.feed(data) if data else b""

    # -- the body

    def between_chunks(self, data: bytes, body: bytes) -> bool:
        """Whether what follows begins with a chunk, as far as the last read shows it: ``data``, of which ``feed`` made ``body``.

        It does if ``data`` is ``body`` as one chunk. Only bytes that repeat those before them, which are digits and a line end, could
        be that and something else: the rest of another chunk, and the beginning of the next. No event does, and no line of JSON."""
        one = self._mode is _CHUNKED and self.outcome is None and body.startswith(_NO_DIGIT)
        return one and data == b"%x\r\n%b\r\n" % (len(body), body)

    def _chunks(self, data: bytes) -> bytes:
        """The bytes of the body in ``data``, which has been fed and is not just one piece of it."""
        body = b"".join(self._parts)
        self._parts.clear()
        if body:
            self._overhead = 0
        else:
            self._count_overhead(len(data))
        if self._events.complete:
            # llhttp skips line ends in front of a next message, so they are counted here. A read that begins in
            # the middle of the last ones is so short that ``_creep`` has taken care of it.
            self._end(extra=len(data) - len(data.rstrip(b"\r\n")) > 4)
        return body

    def _creep(self, data: bytes) -> None:
        """Feed a few bytes one by one: the end of the message may be among them."""
        for at in range(len(data)):
            if self._events.complete:
                self.reusable = False
                return
            self._feed(data[at : at + 1])

    def _stumbled(self, error: HttpParserError) -> None:
        """llhttp refuses what it was fed: a fault, unless the answer was complete before."""
        self.reusable = False
        if not self._events.complete:
            self.outcome = ProtocolError(f"bad chunk: {error}", "body", "framing")
            self._mode = _OVER

    def _count_overhead(self, size: int) -> None:
        """A read without a byte of the body: chunk sizes, extensions, trailers, none of which llhttp limits."""
        self._overhead += size
        if self._overhead > MAX_OVERHEAD and self.outcome is None:
            self.outcome = ProtocolError("endless chunk extensions or trailers", "body", "too_large")
            self._mode = _OVER

    def _end(self, *, extra: bool) -> None:
        """The answer is complete; ``extra`` says that more bytes followed it."""
        self.outcome = True
        self._mode = _OVER
        if extra:
            self.reusable = False


def _lost(how: str, phase: Literal["head", "body"], kind: Kind) -> ConnectionLost:
    return ConnectionLost(f"the upstream closed the connection {how}", phase, kind)
