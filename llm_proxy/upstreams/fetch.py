"""A request as Tornado's ``AsyncHTTPClient`` knows it: from an ``HTTPRequest`` to an ``HTTPResponse``.

Laws: exactly one response (or error) is reported. A redirect that is to be followed is another request in the same
place. How a request gets to its answer is ``request``'s business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from time import monotonic

from tornado.concurrent import Future
from tornado.httpclient import HTTPRequest, HTTPResponse

from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.redirects import redirected
from llm_proxy.upstreams.request_lifecycle import Client, RequestLifecycle
from llm_proxy.upstreams.request_plan import Options, Plan, make_plan
from llm_proxy.upstreams.response_builder import Answer
from llm_proxy.upstreams.response_delegate import Sink
from llm_proxy.upstreams.response_head import ResponseHead


class StreamRequest(HTTPRequest):
    """An ``HTTPRequest``, for one fetch, that can be aborted. ``on_connected`` (optional) is called, without arguments, when a
    connection is there and the request is about to be sent; again if it has to be sent again."""

    on_connected: Callable[[], None] | None = None
    _fetch: Fetch | None = None
    _aborted = False

    def abort(self) -> None:
        """Close the upstream's socket now, whatever the request is doing; ``fetch`` raises ``Aborted``. Before the
        fetch it prevents it, afterwards it does nothing."""
        self._aborted = True
        if self._fetch is not None:
            self._fetch.abort()


class Fetch(RequestLifecycle):
    """See the module."""

    __slots__ = (
        "_answer",
        "_callback",
        "_connected_at",
        "_head_at",
        "_options",
        "_original",
        "_redirects_left",
        "_slot_at",
        "_started_at",
        "_wall_started",
        "future",
    )

    def __init__(self, client: Client, options: Options, callback: Callable[[HTTPResponse], None]) -> None:
        super().__init__(client, options.get("connect_timeout") or 0, options.get("request_timeout") or 0)
        self._options = options
        self._original = options.request
        self._callback = callback
        self._redirects_left: int = options.get("max_redirects") if options.get("follow_redirects") else 0
        #: What ``fetch`` returned to the caller, once it has.
        self.future: Future[HTTPResponse] | None = None
        self._answer = Answer(options, client.max_body_size)
        self._wall_started = time.time()
        # Of the monotonic clock: uvloop's own is cached, and has milliseconds only.
        self._started_at = self._slot_at = self._connected_at = self._head_at = monotonic()

    def on_slot(self, connection: Connection | None) -> None:
        self._slot_at = monotonic()
        super().on_slot(connection)

    def settled(self, future: Future[HTTPResponse]) -> None:
        """What ``fetch`` returned is done: if its owner cancelled it, so is the request."""
        if future.cancelled():
            self.abort()
        elif self.aborted:
            future.exception()  # marks it as seen: whoever aborted need not look

    def _make_plan(self) -> Plan:
        return make_plan(self._options, self._client.proxies)

    def _told(self) -> None:
        self._connected_at = monotonic()
        tell = getattr(self._original, "on_connected", None)
        if tell is not None:
            tell()

    def _answered(self, head: ResponseHead) -> Sink:
        self._head_at = monotonic()
        return self._answer.begin(head, self._redirects_left > 0)

    def _completed(self) -> None:
        self._answer.end()
        if self._answer.location is None:
            self._close()
            self._report(self._response())
            return
        request = redirected(self._options.request, self._answer.code, self._answer.location)
        self._options = self._options.of(request)
        self._answer = Answer(self._options, self._client.max_body_size)
        self.phase = "pool"
        self._redirects_left -= 1
        self.begin()

    def _failed(self, error: Exception) -> None:
        spent = monotonic() - self._slot_at
        self._report(
            HTTPResponse(self._original, 599, error=error, request_time=spent, start_time=self._wall_started)
        )

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

    def _close(self) -> None:
        self._answer.wanted = False
        if isinstance(self._original, StreamRequest):
            self._original._fetch = None
        super()._close()

    def _report(self, response: HTTPResponse) -> None:
        # Tornado would log an error that comes after its future was cancelled.
        if self.future is None or not self.future.cancelled():
            self._callback(response)
        self._callback = _nobody


def _nobody(response: HTTPResponse) -> None:
    """Nobody is to be told any more."""
