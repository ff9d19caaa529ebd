"""One connection to an upstream: HTTP/1.1 on an asyncio transport, one answer after the other.

Laws: llhttp judges heads and chunks, and sees nothing beyond one message; a body with a length, or one that ends with
the connection, needs no parser. What a read brought is handed on in one piece, before any fault that came with it.
When the receiver of the body is not ready (its callback gave an awaitable), reading stops until it is; at most one read
waits here. A connection is reusable only after an answer that was read to its declared end with no byte more, with
the request sent to its end. This module refuses to know about pools, names, timeouts and redirects.

What llhttp (through httptools 0.9) leaves to its user: limits on a head (and its cost is quadratic, so bytes are
counted before they are fed), limits on chunk extensions and trailers, the end of a body at close, HEAD, 1xx, and a
second message on the same connection, which it would happily report as part of the first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Literal, Protocol, cast

from httptools import HttpParserError, HttpResponseParser

from llm_proxy.faults import Aborted, ConnectionLost, Kind, Phase, ProtocolError
from llm_proxy.response_head import MAX_HEAD, MAX_HEADERS, Framing, ResponseHead
from llm_proxy.sending import Sender

#: Informational answers before the real one; what Tornado's client tolerates too.
MAX_INFORMATIONAL = 10
#: Bytes of chunk extensions or trailers in a row that bring no byte of the body.
MAX_OVERHEAD = 16 * 1024

#: Takes body bytes; an awaitable means: nothing more until it is done.
Sink = Callable[[bytes], Awaitable[Any] | None]


class Exchange(Protocol):
    """What a connection tells the request that it carries. After ``on_end`` or ``on_fault`` nothing follows."""

    def on_head(self, head: ResponseHead) -> Sink:
        """The answer's head; returns where the body goes. May raise what should end the exchange."""

    def on_end(self, reusable: bool) -> None:
        """The answer is complete; ``reusable`` says whether the connection may carry another request."""

    def on_fault(self, error: Exception) -> None:
        """There will be no complete answer; the connection is closed."""


class _Events:
    """What the parser reports. ``on_body`` is a built-in method: no Python frame for each chunk."""

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


class Connection(asyncio.Protocol):
    """A keep-alive connection. ``idle_closed`` is called when it ends, or is spoiled, between two requests."""

    __slots__ = (
        "_after",
        "_backlog",
        "_closed",
        "_continue",
        "_events",
        "_exchange",
        "_feed",
        "_gate",
        "_informational",
        "_left",
        "_lost",
        "_method",
        "_overhead",
        "_own_task",
        "_parser",
        "_raw",
        "_reusable",
        "_sender",
        "_sink",
        "_state",
        "_transport",
        "answered",
        "idle_closed",
        "idle_until",
        "served",
    )

    def __init__(self) -> None:
        self._transport = cast(asyncio.Transport, None)
        self._exchange: Exchange | None = None
        self._sender: Sender | None = None
        self._state: Callable[[Connection, bytes], None] = Connection._read_early
        self._sink: Sink = _nowhere
        #: Set while the receiver is not ready; ``_after`` is what happened meanwhile (an end or a fault).
        self._gate: asyncio.Future[Any] | None = None
        self._after: Exception | Literal[True] | None = None
        self._backlog: deque[bytes] = deque()
        #: How the transport ended, if that could not be treated at once.
        self._lost: tuple[Exception | None] | None = None
        #: The task of a coroutine that the receiver gave us: ours to cancel.
        self._own_task: asyncio.Future[Any] | None = None
        self._closed = False
        self.idle_closed: Callable[[Connection], None] | None = None
        #: When the pool must not use it any more (loop time).
        self.idle_until = 0.0
        #: Requests carried before the present one.
        self.served = -1
        #: Whether any byte of the present answer has come.
        self.answered = False

    # -- requests

    def send(
        self, exchange: Exchange, method: str, head: bytes, sender: Sender | None, wait_for_continue: bool
    ) -> None:
        """Send a request. ``head`` may include a small body; a larger one is ``sender``'s, begun at once or, with
        ``wait_for_continue``, after an informational 100."""
        self._exchange = exchange
        self._method = method
        self._sender = sender
        self._continue = wait_for_continue
        self._raw = b""
        self._informational = 0
        self._overhead = 0
        self._reusable = False
        self.served += 1
        self.answered = False
        self._renew_parser()
        self._state = Connection._read_head
        self._transport.write(head)
        if sender is not None and not wait_for_continue:
            sender.start(self._transport)
        if self._backlog or self._lost is not None:
            self._catch_up()

    def abort(self) -> None:
        """Close the socket now. Nothing is reported."""
        self._exchange = None
        self.idle_closed = None
        self._close()

    @property
    def alive(self) -> bool:
        """Whether a request may be sent, as far as we know."""
        return not self._closed and not self._transport.is_closing()

    @property
    def _paused(self) -> bool:
        return self._gate is not None

    @property
    def sending(self) -> bool:
        """Whether a part of the request has not left yet."""
        return self._sender is not None and not self._sender.done

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._gate is None:
            self._state(self, data)
        else:  # TLS may still hold a record that it has decrypted
            self._backlog.append(data)

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)

    def pause_writing(self) -> None:
        if self._sender is not None:
            self._sender.pause()

    def resume_writing(self) -> None:
        if self._sender is not None:
            self._sender.resume()

    # -- reading

    def _renew_parser(self) -> None:
        self._events = _Events()
        self._parser = HttpResponseParser(self._events)
        self._feed = self._parser.feed_data

    def _read_early(self, data: bytes) -> None:
        """A server that answers before it was asked ("503, too busy") is heard once the request is out."""
        self._backlog.append(data)

    def _read_nothing(self, data: bytes) -> None:
        """After the end."""

    def _read_idle(self, data: bytes) -> None:
        """Bytes that nobody asked for: whatever they are, this connection is spoiled."""
        self._close()

    def _read_head(self, data: bytes) -> None:
        self.answered = True
        try:
            while data:
                raw = self._raw + data if self._raw else data
                found = raw.find(b"\r\n\r\n", max(0, len(self._raw) - 3))
                size = len(raw) if found < 0 else found + 4
                if size > MAX_HEAD or raw.count(b"\n", 0, size) > MAX_HEADERS + 2:
                    raise ProtocolError("the head of the answer is too large", "head", "too_large")
                fresh = size - len(self._raw)
                head = self._parse_head(raw, size, data[:fresh], found >= 0)
                data = data[fresh:]
                if head is not None:
                    self._begin_body(head, data)
                    return
        except Exception as error:  # noqa: BLE001 - also what callbacks raise: it ends this exchange
            self.fail(error)

    def _parse_head(self, raw: bytes, size: int, fresh: bytes, whole: bool) -> ResponseHead | None:
        """Feed ``fresh``; the head if ``raw[:size]`` is one, None while it is not, or is an informational one."""
        parser = self._parser
        try:
            self._feed(fresh)
        except HttpParserError as error:
            kind: Kind = "protocol" if parser.get_status_code() == 101 else "framing"
            raise ProtocolError(f"bad head: {error}", "head", kind) from error
        if (self._events.heads > 0) is not whole or self._events.parts:
            raise ProtocolError("bad head: its end is ambiguous", "head", "framing")
        if not whole:
            self._raw = raw
            return None
        code = parser.get_status_code()
        if code >= 200:
            return ResponseHead(raw[:size], code, parser.should_keep_alive(), self._method)
        self._informed(code)
        self._raw = b""
        self._renew_parser()
        return None

    def _informed(self, code: int) -> None:
        """An informational answer."""
        if code < 100 or code == 101:
            raise ProtocolError(f"unexpected status {code}", "head", "protocol")
        self._informational += 1
        if self._informational > MAX_INFORMATIONAL:
            raise ProtocolError("too many informational answers", "head", "informational")
        if code == 100 and self._continue:
            self._continue = False
            if self._sender is not None:
                self._sender.start(self._transport)

    def _begin_body(self, head: ResponseHead, data: bytes) -> None:
        """The head is complete; ``data`` is what came with it."""
        assert self._exchange is not None
        self._reusable = head.keep_alive
        if head.code >= 300 and self._sender is not None and not self._sender.done:
            self._sender.stop()  # RFC 9112, section 9.3: a final answer makes the rest of the body pointless
        self._sink = self._exchange.on_head(head)
        if self._closed:  # it gave up
            return
        if head.framing is Framing.CHUNKED:
            self._state = Connection._read_chunked
        elif head.framing is Framing.UNTIL_CLOSE:
            self._state = Connection._read_rest
        else:
            self._left = head.length if head.framing is Framing.LENGTH else 0
            self._state = Connection._read_sized
            if not self._left:
                self._complete(bool(data))
                return
        if data:
            self._state(self, data)

    def _read_chunked(self, data: bytes) -> None:
        events = self._events
        fault: ProtocolError | None = None
        try:
            self._feed(data)
        except HttpParserError as error:
            self._reusable = False
            if not events.complete:
                fault = ProtocolError(f"bad chunk: {error}", "body", "framing")
                fault.__cause__ = error
        parts = events.parts
        if parts:
            chunk = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            self._overhead = 0
            self._give(chunk)
        else:
            self._overhead += len(data)
            if self._overhead > MAX_OVERHEAD and fault is None:
                fault = ProtocolError("endless chunk extensions or trailers", "body", "too_large")
        if events.complete:
            # llhttp skips line ends in front of a next message, so they are counted here.
            self._complete(len(data) - len(data.rstrip(b"\r\n")) > 4)
        elif fault is not None:
            self._conclude(fault)

    def _read_sized(self, data: bytes) -> None:
        left = self._left - len(data)
        self._left = left
        if left > 0:
            self._give(data)
            return
        self._give(data[:left] if left else data)
        self._complete(left < 0)

    def _read_rest(self, data: bytes) -> None:
        self._give(data)

    # -- handing on

    def _give(self, data: bytes) -> None:
        try:
            result = self._sink(data)
        except Exception as error:  # noqa: BLE001 - also what callbacks raise: it ends this exchange
            self.fail(error)
            return
        if result is not None and not self._closed and isawaitable(result):
            self._hold(result)

    def _hold(self, result: Awaitable[Any]) -> None:
        """Stop reading until ``result`` is done."""
        gate = asyncio.ensure_future(result)
        if gate is not result:
            self._own_task = gate
        elif gate.done() and not gate.cancelled() and gate.exception() is None:
            return
        self._gate = gate
        if self.alive:
            self._transport.pause_reading()
        gate.add_done_callback(self._opened)

    def _opened(self, gate: asyncio.Future[Any]) -> None:
        """The receiver is ready again, or has failed."""
        error = (
            Aborted("the body's receiver was cancelled", "body", "aborted")
            if gate.cancelled()
            else gate.exception()
        )
        if self._gate is not gate:
            return  # aborted meanwhile
        self._gate = None
        if isinstance(error, Exception):
            self.fail(error)
            return
        if self._after is not None:
            self._reusable = self._reusable and not self._backlog
            self._conclude(self._after)
            return
        self._catch_up()
        if not self._paused and self.alive:
            self._transport.resume_reading()

    def _catch_up(self) -> None:
        """Treat what arrived while nothing could be handed on."""
        while self._backlog and self._gate is None and not self._closed:
            self._state(self, self._backlog.popleft())
        if self._lost is not None and self._gate is None:
            self._ended(*self._lost)

    # -- ending

    def _complete(self, extra: bool) -> None:
        """The body is at its end; ``extra`` says that more bytes followed it."""
        if extra or self.sending:
            self._reusable = False
        self._conclude(True)

    def _conclude(self, outcome: Exception | Literal[True]) -> None:
        """End the exchange with a fault, or completely (True), as soon as the receiver has taken all bytes."""
        if self._exchange is None:
            return
        if self._gate is not None:
            self._after = outcome
            return
        if isinstance(outcome, Exception):
            self.fail(outcome)
            return
        exchange, self._exchange = self._exchange, None
        self._after = None
        reusable = self._reusable and self.alive and not self._transport.get_write_buffer_size()
        if reusable:
            self._state = Connection._read_idle
            self._sender = None
            self._sink = _nowhere
        else:
            self._close()
        exchange.on_end(reusable)

    def _ended(self, error: Exception | None) -> None:
        """The transport is at its end: cleanly (None), or by ``error``."""
        if self._closed:
            return
        if self._gate is not None or self._state is Connection._read_early:
            self._lost = (error,)
        elif self._exchange is None:
            self._close()
        elif self._state is Connection._read_rest and error is None:
            self._reusable = False
            self._conclude(True)
        else:
            self.fail(self._loss(error))

    def _loss(self, error: Exception | None) -> ConnectionLost:
        """What it means that the connection ended now."""
        words: str
        phase: Phase
        kind: Kind
        if self._state is not Connection._read_head:
            words, phase, kind = "in the middle of the body", "body", "truncated"
        elif self.answered:
            words, phase, kind = "in the middle of the head", "head", "eof"
        elif self.sending or self._transport.get_write_buffer_size():
            words, phase, kind = "before it had read the request", "write", "eof"
        else:
            words, phase, kind = "without an answer", "head", "eof"
        lost = ConnectionLost(
            f"the upstream closed the connection {words}", phase, "reset" if error else kind
        )
        lost.__cause__ = error
        if isinstance(error, OSError):
            lost.errno = error.errno
        return lost

    def fail(self, error: Exception) -> None:
        """End the exchange with ``error``, whatever it was doing."""
        exchange, self._exchange = self._exchange, None
        self._close()
        if exchange is not None:
            exchange.on_fault(error)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._state = Connection._read_nothing
        self._sink = _nowhere
        self._gate = self._after = None
        self._backlog.clear()
        if self._own_task is not None:
            self._own_task.cancel()
            self._own_task = None
        if self._sender is not None:
            self._sender.stop()
        self._transport.abort()
        if self.idle_closed is not None:
            self.idle_closed(self)


def _nowhere(data: bytes) -> None:
    """The sink of a connection that carries no answer."""
