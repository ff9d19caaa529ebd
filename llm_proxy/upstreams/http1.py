"""One connection to an upstream: HTTP/1.1 on an asyncio transport, one request after the other.

Laws: what a read brought is handed on in one piece, before any fault that came with it. When the receiver of a body is
not ready (its callback gave an awaitable), reading stops until it is; at most one read waits here. A connection is
reusable only after an answer that was read to its declared end with no byte more, with the request sent to its end;
bytes that come between two requests spoil it. This module refuses to know about pools, names, timeouts and redirects,
and leaves all judging of bytes to ``response_reader``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from math import inf
from typing import cast

from llm_proxy.net.faults import ConnectionLost
from llm_proxy.upstreams.body_sender import Sender
from llm_proxy.upstreams.early_response import EarlyResponse
from llm_proxy.upstreams.flow_control import FlowControl
from llm_proxy.upstreams.in_front import InFront
from llm_proxy.upstreams.known_answer import KnownAnswer
from llm_proxy.upstreams.response_delegate import ResponseDelegate, Sink
from llm_proxy.upstreams.response_head import ResponseHead
from llm_proxy.upstreams.response_reader import ResponseReader


class Connection(asyncio.Protocol):
    """A keep-alive connection. Its socket is closed by ``abort``, by any fault, and by an answer that forbids reuse."""

    __slots__ = (
        "_aside",
        "_behind",
        "_closed",
        "_delegate",
        "_early_response",
        "_flow",
        "_front",
        "_known",
        "_lost",
        "_method",
        "_reader",
        "_sender",
        "_sink",
        "_transport",
        "_waits_for_continue",
        "idle_closed",
        "idle_until",
        "peer",
        "served",
        "until",
    )

    def __init__(self) -> None:
        self._transport = cast(asyncio.Transport, None)
        self._delegate: ResponseDelegate | None = None
        self._sender: Sender | None = None
        self._waits_for_continue = False
        self._early_response: EarlyResponse | None = None
        #: Of the present request; and what reads its answer, once something of it has come that is not a usual one.
        self._method = "GET"
        self._reader: ResponseReader | None = None
        #: The head of the last answer.
        self._known: KnownAnswer | None = None
        #: Where the body goes; None until the head is complete.
        self._sink: Sink | None = None
        #: Who wants to see reads first, and whether it does: then it is the transport's protocol.
        self._front: InFront | None = None
        self._behind = False
        #: Shut while the receiver of the body is not ready; None while it is.
        self._flow: FlowControl | None = None
        #: Bytes, and the transport's end, that came when nothing could be handed on.
        self._aside: list[bytes] = []
        self._lost: tuple[Exception | None] | None = None
        self._closed = False
        #: Called when the connection ends between two requests.
        self.idle_closed: Callable[[Connection], object] | None = None
        #: When the pool must not use it any more (loop time).
        self.idle_until = 0.0
        #: When it is too old for another request (loop time); set by the pool.
        self.until = inf
        #: The numeric address at the other end; empty on a Unix socket.
        self.peer = ""
        #: Requests begun.
        self.served = 0

    # -- called by the owner

    def send(
        self,
        delegate: ResponseDelegate,
        method: str,
        head: bytes,
        sender: Sender | None,
        wait_for_continue: bool,
    ) -> None:
        """Send a request. ``head`` may include a small body; a larger one is ``sender``'s, begun at once or, with
        ``wait_for_continue``, after an informational 100."""
        self._delegate = delegate
        self._sender = sender
        self._waits_for_continue = wait_for_continue
        self._method = method
        self._reader = None
        self._sink = None
        self.served += 1
        if self.alive:  # else its end is on its way to us, and uvloop would raise
            self._transport.write(head)
            if sender is not None:
                self._early_response = EarlyResponse(self._transport)
                if not wait_for_continue:
                    sender.start(self._transport)
        if self._aside or self._lost is not None:
            self._catch_up()

    def let_in_front(self, front: InFront) -> None:
        """From now on ``front`` may see reads first, whenever it wants to."""
        self._front = front
        front.behind = self

    def abort(self) -> None:
        """Close the socket now. Nothing is reported."""
        self._delegate = None
        self.idle_closed = None
        self._close()

    def fail(self, error: Exception) -> None:
        """End the request with ``error``, whatever it is doing."""
        delegate, self._delegate = self._delegate, None
        self._close()
        if delegate is not None:
            delegate.on_fault(error)

    @property
    def alive(self) -> bool:
        """Whether a request may be sent, as far as we know."""
        return not self._closed and not self._transport.is_closing()

    @property
    def answered(self) -> bool:
        """Whether any byte of the present answer has come."""
        return self._reader is not None and self._reader.begun

    @property
    def sending(self) -> bool:
        """Whether a part of the request has not left yet."""
        return (self._sender is not None and not self._sender.done) or bool(
            self._transport.get_write_buffer_size()
        )

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if self._flow is not None or self._delegate is None:
            self._put_aside(data)
            return
        if reader is None:
            known = self._known
            if known is not None and self._sender is None and (like := known.read(data)) is not None:
                head, end = like
                if len(data) - end == head.length and self._method != "HEAD":
                    self._answer(head, data, end)
                    return
            reader = self._reader = ResponseReader(self._method, known)
        body = reader.feed(data)
        sink = self._sink
        if sink is None:
            self._look_at_head(reader)
            sink = self._sink
        if body and sink is not None and not self._closed:  # else it was given up meanwhile
            try:
                result = sink(body)
            except Exception as error:  # noqa: BLE001 - what callbacks raise ends this request
                self.fail(error)
            else:
                front = self._front
                if result is not None:
                    self._hold(result)
                elif front is not None and front.wanted:
                    front.wanted = False
                    if reader.between_chunks(data, body):
                        self._step_behind(front)
        if reader.outcome is not None:
            self._conclude()

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

    def _answer(self, head: ResponseHead, data: bytes, end: int) -> None:
        """The usual answer has come in one piece, ``data``, whose head ends at ``end``: what a reader, ``_look_at_head``, the
        sink and ``_conclude`` would do with it."""
        delegate = self._delegate
        assert delegate is not None
        try:
            sink = delegate.on_head(head)
            result = None if self._closed else sink(data[end:])
        except Exception as error:  # noqa: BLE001 - what callbacks raise ends this request
            self.fail(error)
            return
        if result is not None:
            self._hold(result)
        if self._flow is not None:  # the rest is done when the receiver is ready again
            self._reader = ResponseReader(self._method, self._known)
            self._reader.feed(data)
        elif self._delegate is not None:  # else it was given up meanwhile
            self._delegate = None
            transport = self._transport
            spoiled = self._closed or transport.is_closing() or transport.get_write_buffer_size()
            reusable = head.keep_alive and not (spoiled or self._aside or self._lost)
            if not reusable:
                self._close()
            delegate.on_end(reusable)

    def _put_aside(self, data: bytes) -> None:
        """Bytes that cannot be handed on: the receiver is not ready, or there is no request."""
        if self._flow is None and self.served:
            self._close()  # nobody asked for them, so whatever they are, the connection is spoiled
        elif not self._closed:
            # TLS may still hold a record that it has decrypted. And a server may answer before it was asked ("503,
            # too busy"); it is heard once the request is out.
            self._aside.append(data)

    def _step_behind(self, front: InFront) -> None:
        """Let ``front`` see the next read first."""
        if not self._closed:
            if not self._behind:
                self._behind = True
                self._transport.set_protocol(front)
            front.open()

    def _step_forward(self) -> None:
        """Nobody is in front any more."""
        if self._front is not None:
            self._front.shut()
            self._front = None
            if self._behind:
                self._behind = False
                self._transport.set_protocol(self)

    def _look_at_head(self, reader: ResponseReader) -> None:
        """Tell of the head, if it is complete."""
        sender = self._sender
        if reader.may_continue and self._waits_for_continue:
            self._waits_for_continue = False
            if sender is not None:
                sender.start(self._transport)
        if reader.head is None or self._delegate is None:
            return
        if reader.head.code >= 300 and sender is not None and not sender.done:
            sender.stop()  # RFC 9112, section 9.3: a final answer makes the rest of the body pointless
        try:
            self._sink = self._delegate.on_head(reader.head)
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(error)

    def _hold(self, result: object) -> None:
        """Read no more before ``result`` is done, if it is something to wait for."""
        if isawaitable(result) and self.alive:
            flow = FlowControl()
            if flow.hold(result, self._ready_again):
                self._flow = flow
                self._transport.pause_reading()

    def _ready_again(self, error: Exception | None) -> None:
        """The receiver is ready again, or has failed."""
        self._flow = None
        if error is not None:
            self.fail(error)
            return
        self._catch_up()
        if self.alive and self._flow is None:
            self._transport.resume_reading()

    def _catch_up(self) -> None:
        """Treat what was put aside."""
        while self._aside and self._flow is None and not self._closed:
            self.data_received(self._aside.pop(0))
        if self._delegate is not None and self._reader is not None and self._reader.outcome is not None:
            self._conclude()
        if self._lost is not None and self._flow is None:
            self._ended(*self._lost)

    # -- ending

    def _conclude(self) -> None:
        """The reader is done: end the request as soon as the receiver has taken all bytes."""
        reader = self._reader
        if reader is None or self._delegate is None or self._flow is not None:
            return
        if reader.outcome is not True:
            assert reader.outcome is not None
            self.fail(reader.outcome)
            return
        delegate, self._delegate = self._delegate, None
        self._step_forward()
        reusable = reader.reusable and self.alive and not (self.sending or self._aside or self._lost)
        if reusable:
            self._known = reader.known
            self._reader = self._sender = self._sink = None
            if self._early_response is not None:
                self._drop_early_response()
        else:
            self._close()
        delegate.on_end(reusable)

    def _ended(self, error: Exception | None) -> None:
        """The transport is at its end: cleanly (None), or by ``error``."""
        if self._closed:
            return
        if self._flow is not None or not self.served:
            self._lost = (error,)
            return
        if error is not None and self._early_response is not None and (said := self._early_response.read()):
            self._drop_early_response()
            self.data_received(said)
            self._ended(error)
            return
        if self._delegate is None:
            self._close()
            return
        reader = self._reader or ResponseReader(self._method)
        lost = reader.ended(error)
        if lost is None:
            delegate, self._delegate = self._delegate, None
            self._close()
            delegate.on_end(False)
            return
        if not reader.begun and self.sending:
            lost = ConnectionLost("the upstream did not read the whole request", "write", lost.kind)
        lost.__cause__ = error
        if isinstance(error, OSError):
            lost.errno = error.errno
        self.fail(lost)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._step_forward()
        if self._flow is not None:
            self._flow.drop()
            self._flow = None
        self._aside.clear()
        if self._sender is not None:
            self._sender.stop()
        self._drop_early_response()
        self._sink = self._sender = None  # which know the request
        self._transport.abort()
        if self.idle_closed is not None:
            self.idle_closed(self)

    def _drop_early_response(self) -> None:
        if self._early_response is not None:
            self._early_response.close()
            self._early_response = None
