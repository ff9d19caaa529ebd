"""One upstream call in progress: the only caller of the transport.

Laws: whoever opens an ``Exchange`` leaves it through ``async with``; every way out gives the connection back (when the
answer was read to its end) or aborts its socket at once. A fetch is never merely cancelled, because that stops
nothing. Bytes wait here in a bounded buffer: when it is full the transport stops reading, so a slow client closes the
upstream's TCP window. Every fault of the network becomes a ``GatewayError`` here, exactly once, and none of them
names the upstream's address to a client.

``Exchange`` is pull-based (``wait``, then ``take``) although the transport pushes: with pulling, one task owns the
whole answer, deadlines need no task of their own, and what arrived together leaves together.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from time import monotonic
from types import TracebackType
from typing import Self

from llm_proxy.errors import (
    GatewayError,
    NoUpstream,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llm_proxy.net.faults import TlsFilesError
from llm_proxy.net.tls import DEFAULT, TlsSettings
from llm_proxy.net.wheel import NEAR
from llm_proxy.upstreams.http_client import PooledHTTPClient, TransportError
from llm_proxy.upstreams.in_front import InFront
from llm_proxy.upstreams.relayed_request import RelayedRequest
from llm_proxy.upstreams.response_head import Framing, ResponseHead
from llm_proxy.wire.calls import Deployment, HttpCall, Timeouts

#: Bytes that may wait for the client before the transport stops reading; well below the promised 1 MiB a stream.
HIGH_WATER = 128 * 1024
#: Bytes that are worked on at once: while a slow client is waited for they are there several times, as they came, as
#: events, and as they were written.
PORTION = 8 * 1024
#: The largest read that ``Exchange.direct`` is asked to take: some fifty tokens, each of which may cost 50 us.
_DIRECT = 8 * 1024
#: Seconds between two log lines about the same trouble.
_TELL_EVERY = 60.0


class Head:
    """Status and headers of an answer: ``pairs`` as they came, ``headers`` with lower-case names (last one wins)."""

    __slots__ = ("kind", "read", "status")

    def __init__(self, read: ResponseHead) -> None:
        self.read = read
        self.status = read.code
        #: The content type as it came; empty if it did not.
        self.kind = read.content_type

    @property
    def headers(self) -> Mapping[str, str]:
        """See the class."""
        return self.read.by_name

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All fields in order."""
        return self.read.pairs()


class Way(InFront):
    """Who sees reads first, and takes some. ``received``: bytes of bodies that it has taken."""

    __slots__ = ("received",)

    received: int


class Exchange:
    """One call, on ``loop``. Public state: ``head`` (None until it came), ``connected_at`` (loop time, None until then), ``ended``
    (the body is complete), ``framed`` (it says itself where it ends, and not only by the connection's end), ``failure`` (why it never will be), ``received`` (body bytes)."""

    __slots__ = (
        "_asleep",
        "_buffer",
        "_call",
        "_http",
        "_received",
        "_rides",
        "_room",
        "_size",
        "_timeouts",
        "_timer",
        "_tls",
        "_transfer",
        "_until",
        "_waiter",
        "_way",
        "connected_at",
        "context",
        "direct",
        "ended",
        "failure",
        "framed",
        "head",
        "hold",
        "loop",
        "retried",
        "sent",
        "started_at",
    )

    def __init__(self, http: PooledHTTPClient, call: HttpCall, tls: TlsSettings = DEFAULT) -> None:
        self._http = http
        self._call: HttpCall | None = call
        self._timeouts = call.timeouts
        self._tls = tls
        self.loop = http.loop
        self._buffer: list[bytes | memoryview] = []
        self._size = self._received = 0
        #: Resolved when the buffer has room again; the transport awaits it.
        self._room: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        #: Whether there is a waiter that nobody has woken yet; whether a wheel asks for the limit, as long as that is far away.
        self._asleep = self._rides = self.ended = self.framed = self.retried = False
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._way: Way | None = None
        self._transfer: RelayedRequest | None = None
        self.head: Head | None = None
        self.connected_at: float | None = None
        self.failure: GatewayError | None = None
        #: Takes bytes that come while the owner waits, instead of the buffer; false as its result wakes the owner. So
        #: a token is relayed without a change of tasks. Not asked for large reads: between them others have their turn.
        self.direct: Callable[[bytes], bool] | None = None
        #: Told of bytes of an answer that is read whole; it may raise.
        self.hold: Callable[[int], None] | None = None
        #: Told when the answer has begun: the call is not kept any more.
        self.sent: Callable[[], None] | None = None
        #: Lines for the head of the request that are of this call alone: which trace it belongs to.
        self.context = b""
        self.started_at = self.loop.time()

    async def __aenter__(self) -> Self:
        self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def begin(self) -> None:
        """What ``async with`` begins with; whoever calls it calls ``leave``, whatever happens."""
        call = self._call
        if call is not None and self.failure is None:  # it may have been aborted before it began
            method, url, headers, body, timeouts, _, _, once = call
            # The relay watches events, which the transport cannot see: no limit is set there but for connecting.
            self._transfer = self._http.transfer(
                method, url, headers, body, timeouts.connect, self, once, self._tls, self.context
            )
            self._transfer.begin()

    def leave(self) -> None:
        """What ``async with`` ends with."""
        if not (self.ended or self.failure is not None):
            self.abort(UpstreamError("the call was given up"))
        # What they are bound to holds this exchange: such rings are left to the collector, at a sixth of a request's cost.
        self.direct = self.hold = self.sent = None
        self._received, self._way = self.received, None
        if self._rides:
            self._http.wheel.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.ended or self.failure is not None

    @property
    def news(self) -> bool:
        """Whether there are bytes, the end or a failure that nobody has taken note of."""
        return bool(self._buffer) or self.ended or self.failure is not None

    @property
    def phase(self) -> str:
        """Where it stands: ``connect`` (also while it waits for its turn), ``head`` or ``body``."""
        if self.head is not None:
            return "body"
        return "connect" if self.connected_at is None else "head"

    def abort(self, reason: GatewayError) -> None:
        """Close the upstream socket now; whoever waits is woken and finds ``failure`` set to ``reason``."""
        if self.over:
            return
        self.failure = reason
        if self._transfer is not None:
            self._transfer.abort()
        self._release()
        self._wake()

    def yield_slot(self) -> None:
        """Nobody waits for the answer any more: go on only as long as nobody else needs the connection."""
        if self._transfer is not None:
            self._transfer.yield_slot()

    @property
    def received(self) -> int:
        """Bytes of the body so far."""
        return self._received if self._way is None else self._received + self._way.received

    def go_straight(self, way: Way) -> None:
        """Let ``way`` see the next reads first, while nobody is awake (``upstreams.in_front``)."""
        if self._transfer is not None:
            self._way = way
            self._transfer.let_in_front(way)

    def take(self, limit: int = sys.maxsize) -> bytes:
        """Body bytes that have arrived and were not taken yet, at most ``limit`` of them; empty if there are none."""
        buffer = self._buffer
        if not buffer:
            return b""
        if self._size <= limit:
            data = b"".join(buffer)  # if it is only one, it is the same
            buffer.clear()
        else:
            whole = 0  # pieces that fit in
            while len(buffer[whole]) <= limit:
                limit -= len(buffer[whole])
                whole += 1
            cut = memoryview(buffer[whole])
            data = b"".join([*buffer[:whole], cut[:limit]])
            buffer[: whole + 1] = [cut[limit:]]
        self._size -= len(data)
        if self._room is not None and self._size < HIGH_WATER:
            self._release()
        return data

    async def wait(self, until: float) -> bool:
        """Sleep until something happened (bytes, the head, a connection, the end, a failure) or it is ``until``
        (loop time). False if only time has passed. There is at most one waiter."""
        loop = self.loop
        now = loop.time()
        if until <= now:
            return False
        self._until = until
        timer = self._timer
        if timer is None:
            if until - now <= NEAR:
                self._timer = loop.call_at(until, self._on_timer)
            elif not self._rides:
                self._rides = True
                self._http.wheel.join(self)
        elif timer.when() > until:
            # Armed once for many waits: in a running stream the deadline only ever moves away.
            timer.cancel()
            self._timer = loop.call_at(until, self._on_timer)
        self._waiter = waiter = loop.create_future()
        self._asleep = True
        try:
            await waiter
        finally:
            self._asleep = False
            self._waiter = None
            if self._way is not None:
                self._way.shut()
        return bool(self._buffer) or self.ended or self.failure is not None or loop.time() < until

    def on_turn(self, now: float) -> bool:
        """``net.wheel.Rider``."""
        if self._waiter is None or self._until - now > NEAR:
            return True
        self._rides = False
        if self._timer is None:
            self._timer = self.loop.call_at(self._until, self._on_timer)
        return False

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        left = self._until - self.loop.time()
        if left > NEAR:
            self._rides = True
            self._http.wheel.join(self)
        elif left > 0:
            self._timer = self.loop.call_at(self._until, self._on_timer)
        else:
            self._wake()

    def _wake(self) -> None:
        self._asleep = False
        if self._way is not None:
            self._way.shut()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _release(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # -- called by the transport (``transfer.Receiver``)

    def on_connected(self) -> None:
        self.connected_at = self.loop.time()
        if self._asleep:
            self._wake()

    def on_head(self, head: ResponseHead) -> None:
        self.framed = head.framing is not Framing.UNTIL_CLOSE
        self.head = Head(head)
        self._call = None  # nothing is sent again, and an answer may last for minutes
        if self.sent is not None:
            self.sent()
        self._wake()

    def on_data(self, data: bytes) -> asyncio.Future[None] | None:
        if self.failure is not None:
            return None
        size = len(data)
        self._received += size
        direct = self.direct
        if direct is not None and self._asleep and size <= _DIRECT:
            if not direct(data):
                self._wake()
            return None
        self._buffer.append(data)
        self._size += size
        if self._asleep:
            self._wake()
        if self._size < HIGH_WATER:
            return None
        if self._room is None:
            self._room = self.loop.create_future()
        return self._room

    def on_finished(self, error: Exception | None, retried: bool) -> None:
        self._transfer = None
        self.retried = retried
        if error is None:
            self.ended = self.failure is None
        elif self.failure is None:
            self.failure = translate(error, self._timeouts)
        if self._asleep:
            self._wake()


class UpstreamClient:
    """Opens exchanges over one ``AsyncHTTPClient`` (one for each process, so that connections are shared)."""

    def __init__(self, http: PooledHTTPClient) -> None:
        self._http = http
        #: When each kind of trouble was last worth a line (monotonic seconds).
        self._told: dict[tuple[str, str], float] = {}

    def exchange(self, call: HttpCall, deployment: Deployment) -> Exchange:
        """The call to ``deployment``, not yet begun: enter it with ``async with``."""
        return Exchange(self._http, call, _tls_of(deployment))

    def worth_a_line(self, provider: str, trouble: str) -> bool:
        """Whether a lasting ``trouble`` with a provider should be logged beside the access line: once a minute."""
        now = monotonic()
        last = self._told.get((provider, trouble))
        if last is not None and now < last + _TELL_EVERY:
            return False
        self._told[provider, trouble] = now
        return True

    def forget(self) -> None:
        """The configuration is another one: keep no key of the old one."""
        self._http.forget_plans()

    def close(self) -> None:
        """Close all idle connections."""
        self._http.close()


def _tls_of(deployment: Deployment) -> TlsSettings:
    """How the servers of ``deployment`` are spoken to under TLS."""
    ca, cert, key = deployment.ca, deployment.client_cert, deployment.client_key
    if ca is None and cert is None:
        return DEFAULT
    return TlsSettings(
        True,
        ca.path if ca else None,
        cert.path if cert else None,
        key.path if key else None,
        tuple(file.digest if file else "" for file in (ca, cert, key)),
    )


def translate(error: BaseException, limits: Timeouts) -> GatewayError:
    """The one place where a fault of the network becomes an answer. The address stays in ``detail`` (the log)."""
    made = _named(error, limits)
    made.detail = f"{type(error).__name__}: {error}"
    if isinstance(error, TransportError):
        made.phase, made.kind = error.phase, error.kind
    made.__cause__ = error
    return made


def _named(error: BaseException, limits: Timeouts) -> GatewayError:
    """The error of our tree, by where the call stood and what happened there."""
    if not isinstance(error, TransportError):
        return UpstreamError("the call to the upstream failed", phase="head", kind="unknown")
    phase, kind = error.phase, error.kind
    if phase == "pool":
        return NoUpstream("too many requests wait for this upstream", retry_after="1")
    if kind == "timeout":
        return UpstreamTimeout.of("connect", limits.connect)
    if phase == "tls":
        return UpstreamUnreachable(_tls_words(kind, error))
    if phase in ("resolve", "connect"):
        words = "its proxy refused" if kind == "protocol" else _WORDS.get(kind, kind)
        return UpstreamUnreachable(f"the upstream is unreachable ({words})")
    if kind in ("eof", "reset", "stale", "truncated"):
        if phase == "body":
            return UpstreamError("the upstream broke off in the middle of its answer")
        return UpstreamUnreachable("the upstream closed the connection without an answer")
    return UpstreamError(f"the upstream's answer is not valid HTTP ({_WORDS.get(kind, kind)})")


_WORDS: Mapping[str, str] = {
    "refused": "connection refused",
    "nxdomain": "its name does not resolve",
    "too_large": "its head is too large",
    "informational": "too many informational answers",
    "framing": "bad framing",
    "unreachable": "no route",
    "exhausted": "too many names are being looked up",
}


def _tls_words(kind: str, error: TransportError) -> str:
    """Which check of the certificate failed; OpenSSL's own words contain no address."""
    if isinstance(error, TlsFilesError):
        return "the certificate files that the gateway has for this upstream cannot be used"
    if kind != "verify":
        return "the TLS handshake with the upstream failed"
    reason = getattr(error, "verify_message", "") or "verification failed"
    # A host name mismatch quotes the name; the check is what matters.
    reason = "it is for another host name" if "mismatch" in reason.lower() else reason
    return f"the upstream's certificate was refused: {reason}"
