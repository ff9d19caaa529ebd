"""One request from its place in the queue to the end of its answer, whoever asked and whatever becomes of the bytes.

Laws: exactly one end is reported, after which nothing of this request lives on: no timer, no task, no slot. On a pooled
connection everything happens in plain calls: no task is made, and no timer unless a limit is set. ``abort`` works at
every moment and closes the socket at once. A request is repeated once, on a fresh connection, when a *reused*
connection died without a single byte of an answer: that server had closed it before it saw us (RFC 9112, section
9.3.1). This module refuses to know how connections are made or bytes parsed.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

from llm_proxy.net.deadline import Deadline
from llm_proxy.net.faults import (
    Aborted,
    ConnectionLost,
    Phase,
    PoolExhausted,
    PoolTimeout,
    TransportError,
    TransportTimeout,
)
from llm_proxy.upstreams.body_sender import SLICE, BytesSender, ProducerSender, Sender
from llm_proxy.upstreams.dial import Dialer
from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.pool import Pool
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.request_plan import Plan
from llm_proxy.upstreams.response_delegate import Sink
from llm_proxy.upstreams.response_head import ResponseHead
from llm_proxy.upstreams.target import Route


class Client(Protocol):
    """What all requests of one client share. ``pool_timeout`` is in seconds, ``max_body_size`` in bytes."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    dialer: Dialer
    proxies: Proxies
    pool_timeout: float
    max_body_size: int

    def forget(self, request: RequestLifecycle) -> None:
        """``request`` is done."""


class RequestLifecycle(ABC):
    """A request in progress. ``phase`` says where it stands. ``connect_timeout``, ``total``: seconds, 0 without limit."""

    __slots__ = (
        "_client",
        "_connect_timeout",
        "_connection",
        "_deadline",
        "_dialing",
        "_plan",
        "_route",
        "_slot",
        "_yields",
        "aborted",
        "done",
        "phase",
        "stale_retries",
    )

    def __init__(self, client: Client, connect_timeout: float, total: float) -> None:
        self._client = client
        self._connect_timeout = connect_timeout
        #: There are both once it has begun; the plan may be let go when an answer has: nothing is sent again then.
        self._plan: Plan = None  # type: ignore[assignment]
        self._route: Route = None  # type: ignore[assignment]
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        #: Whether a slot of the pool is ours, and whether that was offered to others.
        self._slot = self._yields = self.done = self.aborted = False
        self.stale_retries = 0
        self.phase: Phase = "pool"
        #: Made when there is something to limit.
        self._deadline = Deadline(client.loop, total, self._expired) if total else None

    # -- what becomes of the answer

    @abstractmethod
    def _make_plan(self) -> Plan:
        """What to send, and where."""

    @abstractmethod
    def _told(self) -> None:
        """There is a connection, and the request is about to be sent; again if it has to be sent again."""

    @abstractmethod
    def _answered(self, head: ResponseHead) -> Sink:
        """The head of the answer; the result takes the body."""

    @abstractmethod
    def _completed(self) -> None:
        """The body has been read to its end, the connection is given back. Calls ``_close``, or ``begin`` once more."""

    @abstractmethod
    def _failed(self, error: Exception) -> None:
        """``error`` has ended the request; everything is closed."""

    # -- getting a connection

    def begin(self) -> None:
        """Plan the request and ask for a slot."""
        client = self._client
        try:
            self._plan = plan = self._make_plan()
            self._route = plan.route
            client.pool.enter(plan.route, self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self._finish_with(error)
            return
        if not (self._slot or self.done):
            self._within(client.pool_timeout)

    def on_slot(self, connection: Connection | None) -> None:
        """The pool lets us go ahead."""
        self._slot = True
        if connection is None:
            self._dial()
        else:
            self._send(connection)

    def on_refused(self, error: PoolExhausted) -> None:
        """The pool will not let us go ahead."""
        self._finish_with(error)

    def _within(self, seconds: float) -> None:
        """A step begins that may take so long (0: any time)."""
        if self._deadline is None and seconds:
            self._deadline = Deadline(self._client.loop, 0, self._expired)
        if self._deadline is not None:
            self._deadline.step(seconds)

    def _dial(self) -> None:
        self.phase = "resolve"
        self._within(self._connect_timeout)
        self._dialing = self._client.loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            client, route = self._client, self._route
            connection = await client.dialer.dial(route, self)
            self._dialing = None
            client.pool.made(route, connection, client.dialer.equals(route, connection))
            self._send(connection)
        except Exception as error:  # noqa: BLE001 - as above
            self._dialing = None
            self._finish_with(error)

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        if self._deadline is not None:
            self._deadline.step(0)
        self.phase = "head"
        try:
            self._told()
        except Exception as error:  # noqa: BLE001 - as above
            self._finish_with(error)
        if self.done:
            return
        plan = self._plan
        sender: Sender | None = None
        head, body = plan.head, plan.body
        if body is not None:
            if len(body) > SLICE or plan.wait_for_continue:
                sender = BytesSender(body)
            else:
                head += body  # one write, one packet
        elif plan.producer is not None:
            sender = ProducerSender(plan.producer, plan.length, connection.fail)
        connection.send(self, plan.method, head, sender, plan.wait_for_continue)

    # -- the answer

    def on_head(self, head: ResponseHead) -> Sink:
        """The connection has read the head; the result takes the body."""
        self.phase = "body"
        return self._answered(head)

    def on_end(self, reusable: bool) -> None:
        """The connection has read the answer to its end."""
        connection, self._connection = self._connection, None
        self._release(connection if reusable else None)
        try:
            self._completed()
        except Exception as error:  # noqa: BLE001 - as above
            self._finish_with(error)

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

    # -- ending

    def abort(self, reason: str = "the request was aborted") -> None:
        """Give up: close the socket, free the slot, report ``Aborted``. Does nothing once the request is done."""
        if not self.done:
            self.aborted = True
            self._finish_with(Aborted(reason, self._where(), "aborted"))

    def yield_slot(self) -> None:
        """From now on, give up as soon as somebody else waits for the connection."""
        if self._slot and not self._yields:
            self._yields = True
            self._client.pool.offer(self._route, self)

    def give_way(self) -> None:
        """Somebody waits (``pool.Yielding``)."""
        self.abort("it gave way to a request whose client waits")

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
        self._close()
        self._failed(error)

    def _release(self, connection: Connection | None) -> None:
        if self._slot:
            self._slot = False
            if self._yields:
                self._client.pool.keep(self._route, self)
            self._client.pool.leave(self._route, connection)

    def _close(self) -> None:
        """Nothing more will happen: let go of everything."""
        self.done = True
        if self._deadline is not None:
            self._deadline.stop()
        if self._slot:
            self._release(None)
        elif self.phase == "pool" and self._route is not None:
            self._client.pool.cancel(self._route, self)
        self._client.forget(self)

    def _expired(self, step: bool) -> None:
        """A limit is over: that of the present step, or the whole request's."""
        if self.phase == "pool":
            where = self._route.where
            self._finish_with(PoolTimeout(f"Timeout in request queue for {where}", "pool", "timeout"))
        else:
            what = "while connecting" if step else "during request"
            self._finish_with(TransportTimeout(f"Timeout {what}", self._where(), "timeout"))
