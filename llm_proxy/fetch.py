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
from time import monotonic
from typing import Protocol, cast

from tornado.concurrent import Future
from tornado.httpclient import HTTPRequest, HTTPResponse

from llm_proxy.answer import Answer
from llm_proxy.deadline import Deadline
from llm_proxy.dial import Dialer
from llm_proxy.exchange import Sink
from llm_proxy.faults import (
    Aborted,
    ConnectionLost,
    Phase,
    PoolExhausted,
    PoolTimeout,
    TransportError,
    TransportTimeout,
)
from llm_proxy.http1 import Connection
from llm_proxy.plan import Options, Plan, make_plan
from llm_proxy.pool import Pool
from llm_proxy.proxies import Proxies
from llm_proxy.redirects import redirected
from llm_proxy.response_head import ResponseHead
from llm_proxy.sending import SLICE, BytesSender, ProducerSender, Sender


class Client(Protocol):
    """What all requests of one client share. ``pool_timeout`` is in seconds, ``max_body_size`` in bytes."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    dialer: Dialer
    proxies: Proxies
    pool_timeout: float
    max_body_size: int

    def forget(self, fetch: Fetch, request: HTTPRequest) -> None:
        """``fetch`` is done."""


class Fetch:
    """A request in progress. ``phase`` says where it stands; times are of the monotonic clock (uvloop's own is cached,
    and has milliseconds only), deadlines of the loop's."""

    __slots__ = (
        "_answer",
        "_callback",
        "_client",
        "_connected_at",
        "_connection",
        "_deadline",
        "_dialing",
        "_head_at",
        "_options",
        "_original",
        "_plan",
        "_redirects_left",
        "_slot",
        "_slot_at",
        "_started_at",
        "_wall_started",
        "aborted",
        "done",
        "future",
        "phase",
        "stale_retries",
    )

    def __init__(self, client: Client, options: Options, callback: Callable[[HTTPResponse], None]) -> None:
        self._client = client
        self._options = options
        self._original = options.request
        self._callback = callback
        self._redirects_left: int = options.get("max_redirects") if options.get("follow_redirects") else 0
        self._plan = cast(Plan, None)
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        #: Whether a slot of the pool is ours.
        self._slot = False
        self.stale_retries = 0
        self.done = False
        #: What ``fetch`` returned to the caller, once it has.
        self.future: Future[HTTPResponse] | None = None
        self.aborted = False
        self.phase: Phase = "pool"
        self._answer = Answer(options, client.max_body_size)
        self._wall_started = time.time()
        self._started_at = self._slot_at = self._connected_at = self._head_at = monotonic()
        self._deadline = Deadline(client.loop, options.get("request_timeout") or 0, self._expired)

    # -- getting a connection

    def begin(self) -> None:
        """Plan the request and ask for a slot."""
        client = self._client
        try:
            self._plan = make_plan(self._options, client.proxies)
            client.pool.enter(self._plan.route, self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self._finish_with(error)
            return
        if not (self._slot or self.done):
            self._deadline.step(client.pool_timeout)

    def on_slot(self, connection: Connection | None) -> None:
        """The pool lets us go ahead."""
        self._slot = True
        self._slot_at = monotonic()
        if connection is None:
            self._dial()
        else:
            self._send(connection)

    def on_refused(self, error: PoolExhausted) -> None:
        """The pool will not let us go ahead."""
        self._finish_with(error)

    def _dial(self) -> None:
        self.phase = "resolve"
        self._deadline.step(self._options.get("connect_timeout") or 0)
        self._dialing = self._client.loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            connection = await self._client.dialer.dial(self._plan.route, self)
            self._dialing = None
            self._send(connection)
        except Exception as error:  # noqa: BLE001 - as above
            self._dialing = None
            self._finish_with(error)

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        self._connected_at = monotonic()
        self._deadline.step(0)
        self.phase = "head"
        if not self._told():
            return
        plan = self._plan
        sender: Sender | None = None
        head = plan.head
        if plan.producer is not None:
            sender = ProducerSender(plan.producer, plan.length, connection.fail)
        elif plan.body is not None and (len(plan.body) > SLICE or plan.wait_for_continue):
            sender = BytesSender(plan.body)
        elif plan.body is not None:
            head += plan.body  # one write, one packet
        connection.send(self, plan.method, head, sender, plan.wait_for_continue)

    def _told(self) -> bool:
        """Say that there is a connection, if somebody wants to know; false when that ended the request."""
        tell = getattr(self._original, "on_connected", None)
        if tell is not None:
            try:
                tell()
            except Exception as error:  # noqa: BLE001 - as above
                self._finish_with(error)
        return not self.done

    # -- the answer

    def on_head(self, head: ResponseHead) -> Sink:
        """The connection has read the head; the result takes the body."""
        self.phase = "body"
        self._head_at = monotonic()
        return self._answer.begin(head, self._redirects_left > 0)

    def on_end(self, reusable: bool) -> None:
        """The connection has read the answer to its end."""
        connection, self._connection = self._connection, None
        self._release(connection if reusable else None)
        try:
            self._answer.end()
            if self._answer.location is not None:
                request = redirected(self._options.request, self._answer.code, self._answer.location)
                self._options = self._options.of(request)
                self._answer = Answer(self._options, self._client.max_body_size)
                self.phase = "pool"
                self._redirects_left -= 1
                self.begin()
                return
        except Exception as error:  # noqa: BLE001 - as above
            self._finish_with(error)
            return
        self._finish(self._response())

    def on_fault(self, error: Exception) -> None:
        """The connection is gone, and the answer is not complete."""
        connection, self._connection = self._connection, None
        assert connection is not None
        if isinstance(error, ConnectionLost) and connection.served > 1 and not connection.answered:
            if not self.stale_retries and self._plan.producer is None:
                self.stale_retries = 1
                self._dial()
                return
            stale = ConnectionLost("the upstream had closed the pooled connection", error.phase, "stale")
            stale.__cause__ = error
            error = stale
        self._finish_with(error)

    def _response(self) -> HTTPResponse:
        now = monotonic()
        response = self._answer.response(
            self._original,
            effective_url=self._plan.url,
            request_time=now - self._slot_at,
            start_time=self._wall_started,
            time_info={
                "queue": self._slot_at - self._started_at,
                "connect": self._connected_at - self._slot_at,
                "first_byte": self._head_at - self._started_at,
                "total": now - self._started_at,
            },
        )
        response.stale_retries = self.stale_retries  # type: ignore[attr-defined]  # ours, beside Tornado's own
        return response

    # -- ending

    def abort(self, reason: str = "the request was aborted") -> None:
        """Give up: close the socket, free the slot, report ``Aborted``. Does nothing once the request is done."""
        if self.done:
            return
        self.aborted = True
        self._finish_with(Aborted(reason, self._where(), "aborted"))

    def settled(self, future: Future[HTTPResponse]) -> None:
        """What ``fetch`` returned is done: if its owner cancelled it, so is the request."""
        if future.cancelled():
            self.abort()
        elif self.aborted:
            future.exception()  # marks it as seen: whoever aborted need not look

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
        spent = monotonic() - self._slot_at
        self._finish(
            HTTPResponse(self._original, 599, error=error, request_time=spent, start_time=self._wall_started)
        )

    def _release(self, connection: Connection | None) -> None:
        if self._slot:
            self._slot = False
            self._client.pool.leave(self._plan.route, connection)

    def _finish(self, response: HTTPResponse) -> None:
        self.done = True
        self._answer.wanted = False
        self._deadline.stop()
        if self._slot:
            self._release(None)
        elif self.phase == "pool" and self._plan is not None:
            self._client.pool.cancel(self._plan.route, self)
        self._client.forget(self, self._original)
        # Tornado would log an error that comes after its future was cancelled.
        if self.future is None or not self.future.cancelled():
            self._callback(response)
        self._callback = _nobody

    def _expired(self, step: bool) -> None:
        """A limit is over: that of the present step, or the whole request's."""
        if self.phase == "pool":
            where = self._plan.route.where
            self._finish_with(PoolTimeout(f"Timeout in request queue for {where}", "pool", "timeout"))
        else:
            what = "while connecting" if step else "during request"
            self._finish_with(TransportTimeout(f"Timeout {what}", self._where(), "timeout"))


def _nobody(response: HTTPResponse) -> None:
    """Nobody is to be told any more."""
