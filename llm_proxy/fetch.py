"""One request from its place in the queue to its response.

Laws: exactly one response (or error) is reported, after which nothing of this request lives on: no timer, no task, no
slot. On a pooled connection everything happens in plain calls: no task is made, and no timer unless a limit is set.
``abort`` works at every moment and closes the socket at once. A request is repeated once, on a fresh connection, when
a *reused* connection died without a single byte of an answer: that server had closed it before it saw us (RFC 9112,
section 9.3.1). This module refuses to know how connections are made or bytes parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from io import BytesIO
from math import inf
from typing import TYPE_CHECKING, Any, cast

from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from llm_proxy.faults import (
    Aborted,
    BodyTooLarge,
    ConnectionLost,
    Phase,
    PoolExhausted,
    PoolTimeout,
    TransportError,
    TransportTimeout,
)
from llm_proxy.gunzip import Gunzip
from llm_proxy.http1 import Connection, Sink
from llm_proxy.plan import Options, Plan, make_plan
from llm_proxy.redirects import REDIRECTS, redirected
from llm_proxy.response_head import ResponseHead
from llm_proxy.sending import SLICE, BytesSender, ProducerSender, Sender

if TYPE_CHECKING:
    from llm_proxy.transport import PooledHTTPClient

#: Bodies up to this size leave together with the head.
SMALL = SLICE


class Fetch:
    """A request in progress. ``phase`` says where it stands."""

    __slots__ = (
        "_body_sink",
        "_callback",
        "_client",
        "_connected_at",
        "_connection",
        "_dialing",
        "_first_byte_at",
        "_gunzip",
        "_head",
        "_location",
        "_loop",
        "_options",
        "_original",
        "_parts",
        "_plan",
        "_pool_until",
        "_redirects_left",
        "_request",
        "_size",
        "_slot",
        "_slot_at",
        "_started_at",
        "_step_until",
        "_timer",
        "_total_until",
        "_wall_started",
        "aborted",
        "done",
        "phase",
        "stale_retries",
    )

    def __init__(
        self,
        client: PooledHTTPClient,
        request: HTTPRequest,
        callback: Callable[[HTTPResponse], None],
    ) -> None:
        self._client = client
        self._loop = client.loop
        self._original = request
        self._callback = callback
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Whether a slot of the pool is ours; while it is not, and ``phase`` is "pool", we wait for one.
        self._slot = False
        self._plan = cast(Plan, None)
        self.stale_retries = 0
        self.done = False
        self.aborted = False
        self.phase: Phase = "pool"
        self._started_at = self._loop.time()
        self._wall_started = time.time()
        self._take(request, None)

    def _take(self, request: HTTPRequest, redirects_left: int | None) -> None:
        """Make ``request`` the current one: the first, or the next after a redirect."""
        self._request = request
        self._options = options = Options(request, self._client.defaults)
        self._redirects_left = options.get("max_redirects") if redirects_left is None else redirects_left
        self._head: ResponseHead | None = None
        #: Where a redirect that we follow leads to.
        self._location: str | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._gunzip: Gunzip | None = None
        self._slot_at = self._connected_at = self._first_byte_at = 0.0

    # -- getting a connection

    def begin(self) -> None:
        """Plan the request and ask for a slot."""
        try:
            self._plan = make_plan(self._options, self._client.proxies)
            limit = self._options.get("request_timeout")
            self._total_until = self._started_at + limit if limit else inf
            self._step_until = self._loop.time() + self._client.pool_timeout
            self._client.pool.enter(self._plan.route, self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self._finish_with(error)
            return
        if self.phase == "pool" and not self.done:
            self._arm()

    def on_refused(self, error: PoolExhausted) -> None:
        """The pool will not let us go ahead."""
        self._finish_with(error)

    def on_slot(self, connection: Connection | None) -> None:
        """The pool lets us go ahead."""
        self._slot = True
        self._slot_at = self._loop.time()
        if connection is None:
            self._dial()
        else:
            self._step_until = inf
            if self._total_until != inf:
                self._arm()
            self._send(connection)

    def _dial(self) -> None:
        self.phase = "resolve"
        limit = self._options.get("connect_timeout")
        self._step_until = self._loop.time() + limit if limit else inf
        self._arm()
        self._dialing = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            connection = await self._client.dialer.dial(self._plan.route, self)
        except Exception as error:  # noqa: BLE001 - as above
            self._dialing = None
            self._finish_with(error)
            return
        self._dialing = None
        self._step_until = inf
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        self._connected_at = self._loop.time()
        self.phase = "head"
        told = getattr(self._original, "on_connected", None)
        if told is not None:
            try:
                told()
            except Exception as error:  # noqa: BLE001 - as above
                self._finish_with(error)
        if self.done:  # it aborted us
            return
        plan, head, sender = self._plan, self._plan.head, None
        if plan.body is not None and len(plan.body) <= SMALL and not plan.wait_for_continue:
            head += plan.body
        elif plan.body is not None or plan.producer is not None:
            sender = self._sender(connection)
        connection.send(self, plan.method, head, sender, plan.wait_for_continue)

    def _sender(self, connection: Connection) -> Sender:
        plan = self._plan
        if plan.body is not None:
            return BytesSender(plan.body)
        assert plan.producer is not None
        return ProducerSender(plan.producer, plan.length, connection.fail)

    # -- the answer

    def on_head(self, head: ResponseHead) -> Sink:
        """The connection has read the head; the result takes the body."""
        self.phase = "body"
        self._head = head
        self._first_byte_at = self._loop.time()
        if head.code in REDIRECTS and self._redirects_left > 0 and self._options.get("follow_redirects"):
            self._location = head.location()
            if self._location is not None:
                return self._collect
        sink = self._sink(head)
        tell = self._options.get("header_callback")
        if tell is not None:
            tell(head.start + "\r\n")
            for line in head.lines:
                tell(line + "\r\n")
            tell("\r\n")
        return sink

    def _sink(self, head: ResponseHead) -> Sink:
        streaming: Sink | None = self._options.get("streaming_callback")
        if streaming is None:
            if head.length > self._client.max_body_size:
                raise self._too_large()
            streaming = self._collect
        if head.content_encoding == "gzip" and self._options.get("decompress_response"):
            self._gunzip = Gunzip()
            self._body_sink = streaming
            # Tornado does the same, so that nobody decodes twice.
            head.lines = [line for line in head.lines if not _is_encoding(line)]
            return self._decode
        return streaming

    def _collect(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._client.max_body_size:
            raise self._too_large()
        self._parts.append(data)

    def _decode(self, data: bytes) -> Any:
        assert self._gunzip is not None
        plain = self._gunzip.feed(data)
        return self._body_sink(plain) if plain else None

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"the body is larger than {self._client.max_body_size} bytes", "body", "too_large"
        )

    def on_end(self, reusable: bool) -> None:
        """The connection has read the answer to its end."""
        connection, self._connection = self._connection, None
        self._release(connection if reusable else None)
        assert self._head is not None
        try:
            if self._gunzip is not None:
                self._gunzip.finish()
            if self._location is not None:
                self._follow(self._location)
                return
        except Exception as error:  # noqa: BLE001 - as above
            self._finish_with(error)
            return
        self._finish(self._response(self._head))

    def _follow(self, location: str) -> None:
        assert self._head is not None
        following = redirected(self._request, self._head.code, location)
        self._take(following, self._redirects_left - 1)
        self.phase = "pool"
        self.begin()

    def on_fault(self, error: Exception) -> None:
        """The connection is gone, and the answer is not complete."""
        connection, self._connection = self._connection, None
        assert connection is not None
        if isinstance(error, ConnectionLost) and connection.served and not connection.answered:
            if not self.stale_retries and self._plan.producer is None:
                self.stale_retries = 1
                self._dial()
                return
            stale = ConnectionLost(
                "the pooled connection had been closed by the upstream", error.phase, "stale"
            )
            stale.__cause__ = error
            error = stale
        self._finish_with(error)

    # -- ending

    def abort(self, reason: str = "the request was aborted") -> None:
        """Give up: close the socket, free the slot, report ``Aborted``. Does nothing once the request is done."""
        self.aborted = not self.done
        self._finish_with(Aborted(reason, self._where(), "aborted"))

    def _where(self) -> Phase:
        """``phase``, refined: a request that has not left yet is being written."""
        if self.phase == "head" and self._connection is not None and self._connection.sending:
            return "write"
        return self.phase

    def _finish_with(self, error: Exception) -> None:
        """Report ``error``, and stop whatever is going on."""
        if self.done:
            return
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        if isinstance(error, TransportError):
            error.stale_retries = self.stale_retries
        now = self._loop.time()
        self._finish(
            HTTPResponse(
                self._original,
                599,
                error=error,
                request_time=now - (self._slot_at or now),
                start_time=self._wall_started,
            )
        )

    def _release(self, connection: Connection | None) -> None:
        if self._slot:
            self._slot = False
            self._client.pool.leave(self._plan.route, connection)

    def _finish(self, response: HTTPResponse) -> None:
        self.done = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._slot:
            self._release(None)
        elif self.phase == "pool" and self._plan is not None:
            self._client.pool.cancel(self._plan.route, self)
        callback, self._callback = self._callback, _ignore
        self._client.forget(self, self._original)
        callback(response)

    def _response(self, head: ResponseHead) -> HTTPResponse:
        now = self._loop.time()
        headers = HTTPHeaders()
        if self._options.get("header_callback") is None:  # documented: otherwise they are empty
            for name, value in head.pairs():
                headers.add(name, value)
        response = HTTPResponse(
            self._original,
            head.code,
            reason=head.reason or None,
            headers=headers,
            buffer=BytesIO(b"".join(self._parts)),
            effective_url=self._plan.url,
            request_time=now - self._slot_at,
            start_time=self._wall_started,
            time_info={
                "queue": self._slot_at - self._started_at,
                "connect": self._connected_at - self._slot_at,
                "first_byte": self._first_byte_at - self._started_at,
                "total": now - self._started_at,
                "stale_retries": self.stale_retries,
            },
        )
        response.stale_retries = self.stale_retries  # type: ignore[attr-defined]
        return response

    # -- the clock

    def _arm(self) -> None:
        """See that the timer fires in time; one that fires too early arms itself again."""
        until = min(self._step_until, self._total_until)
        if until == inf:
            return
        if self._timer is not None:
            if self._timer.when() <= until:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        if now < min(self._step_until, self._total_until):
            self._arm()
        elif self.phase == "pool":
            where = self._plan.route.where
            self._finish_with(PoolTimeout(f"no connection to {where} became free in time", "pool", "timeout"))
        else:
            what = "connecting took too long" if now >= self._step_until else "the request took too long"
            self._finish_with(TransportTimeout(f"Timeout: {what}", self._where(), "timeout"))


def _is_encoding(line: str) -> bool:
    return line[:16].lower() == "content-encoding"


def _ignore(response: HTTPResponse) -> None:
    """The callback of a request that is done."""
