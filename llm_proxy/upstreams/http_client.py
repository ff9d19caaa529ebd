"""The product's ``AsyncHTTPClient``: pooled keep-alive connections on asyncio transports, parsed by llhttp.

Use it as Tornado documents: ``AsyncHTTPClient.configure("llm_proxy.upstreams.http_client.PooledHTTPClient")``, or
``PooledHTTPClient(force_instance=True, ...)``. Differences from Tornado's simple client, all deliberate: connections
are reused; redirects are followed, and compression is asked for, only when a request says so; ``request_timeout=0``
really is without limit; ``streaming_callback`` may return any awaitable, and nothing is read from the upstream until
it is done; a fetch can be aborted.

Aborting: make the request a ``StreamRequest`` and call its ``abort()``, or cancel the future that ``fetch`` gave.
Both close the upstream's socket at once, in every phase, and free the slot.

Every failure is a ``TransportError`` (see ``llm_proxy.net.faults``, re-exported here) or a ``ValueError``, ``KeyError``
or ``NotImplementedError`` about the request itself. What a callback raises ends the request and is raised as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tornado.concurrent import Future
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from llm_proxy.net.faults import (
    Aborted,
    BodyTooLarge,
    CertificateError,
    ConnectError,
    ConnectionLost,
    EncodingError,
    PoolExhausted,
    PoolTimeout,
    ProtocolError,
    RefusedError,
    ResolveError,
    TlsError,
    TlsFilesError,
    TransportError,
    TransportTimeout,
)
from llm_proxy.net.resolver import Resolver
from llm_proxy.net.tls import DEFAULT, TlsContexts, TlsSettings
from llm_proxy.net.wheel import Wheel
from llm_proxy.upstreams.dial import Dialer
from llm_proxy.upstreams.fetch import Fetch, StreamRequest
from llm_proxy.upstreams.pool import Pool, PoolLimits
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.relayed_request import Receiver, RelayedRequest, RelayPlanner
from llm_proxy.upstreams.request_lifecycle import RequestLifecycle
from llm_proxy.upstreams.request_plan import Options

__all__ = [
    "Aborted",
    "BodyTooLarge",
    "CertificateError",
    "ConnectError",
    "ConnectionLost",
    "EncodingError",
    "PoolExhausted",
    "PoolLimits",
    "PoolTimeout",
    "PooledHTTPClient",
    "ProtocolError",
    "RefusedError",
    "ResolveError",
    "Resolver",
    "StreamRequest",
    "TlsError",
    "TlsFilesError",
    "TransportError",
    "TransportTimeout",
]

#: Where Tornado's own defaults do not suit a relay: a key must never be sent elsewhere, bytes never be changed.
_DEFAULTS: Mapping[str, Any] = {"follow_redirects": False, "decompress_response": False}


class PooledHTTPClient(AsyncHTTPClient):
    """See the module. Constructor arguments, all keywords:

    * ``limits``: ``PoolLimits``; ``max_clients``, as Tornado documents it, is the same as its ``total``
    * ``pool_timeout``: seconds to wait for a connection to a host that is at its limit
    * ``max_body_size``: bytes of a body without ``streaming_callback``; a larger one is ``BodyTooLarge``
    * ``resolver``: shared or special look-ups
    * ``proxies``: ``{"http": url, "https": url, "no": exceptions}``; ``trust_env``: take them from the environment
    * ``defaults``: as Tornado documents

    A response's ``time_info`` has seconds: ``queue`` (waiting for a slot), ``connect`` (next to nothing when the
    connection was reused), ``first_byte`` (from the beginning to the complete head) and ``total``; its
    ``stale_retries`` (an error has it, too) is 1 when the request had to be sent again.
    """

    def initialize(  # type: ignore[override]  # Tornado's own subclasses do the same
        self,
        *,
        limits: PoolLimits | None = None,
        pool_timeout: float = 10.0,
        max_clients: int = 0,
        max_body_size: int = 100 * 1024 * 1024,
        resolver: Resolver | None = None,
        proxies: Mapping[str, str] | None = None,
        trust_env: bool = False,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().initialize(defaults={**_DEFAULTS, **(defaults or {})})
        self.loop: asyncio.AbstractEventLoop = cast(Any, self.io_loop).asyncio_loop
        self.pool = Pool(self.loop, _with_total(limits or PoolLimits(), max_clients))
        self.wheel = Wheel(self.loop)
        self.pool_timeout = pool_timeout
        self.max_body_size = max_body_size
        self.proxies = Proxies(proxies, trust_env=trust_env)
        self.dialer = Dialer(resolver or Resolver(), TlsContexts(), self.pool.moved)
        self._running: set[RequestLifecycle] = set()
        self._plan = RelayPlanner(self.proxies, self.defaults)
        self._newest: Fetch | None = None

    def close(self) -> None:
        """Abort what is in progress, close all connections."""
        super().close()
        for request in list(self._running):
            request.abort("the client was closed")
        self.wheel.stop()
        self.pool.close()
        if not (self.loop.is_running() or self.loop.is_closed()):
            # Tornado's blocking HTTPClient: sockets are closed in the loop's next round, and there will be none.
            self.loop.run_until_complete(asyncio.sleep(0))

    def fetch(
        self, request: str | HTTPRequest, raise_error: bool = True, **kwargs: Any
    ) -> Future[HTTPResponse]:
        """As ``AsyncHTTPClient.fetch``; cancelling the future aborts the request."""
        future = super().fetch(request, raise_error, **kwargs)
        fetch, self._newest = self._newest, None
        if fetch is not None and not fetch.done:
            fetch.future = future
            future.add_done_callback(fetch.settled)
        return future

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        """Called by ``fetch`` with a wrapper that knows the defaults; we look them up ourselves, which is cheaper."""
        plain: HTTPRequest = getattr(request, "request", request)
        self._newest = fetch = Fetch(self, Options(plain, self.defaults), callback)
        self._running.add(fetch)
        if isinstance(plain, StreamRequest):
            if plain._aborted:
                fetch.abort()
                return
            plain._fetch = fetch
        fetch.begin()

    def forget_plans(self) -> None:
        """Keep nothing that was made of URLs and headers so far."""
        self._plan.forget()

    def transfer(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        connect_timeout: float,
        receiver: Receiver,
        once: bool = False,
        tls: TlsSettings = DEFAULT,
        further: bytes = b"",
    ) -> RelayedRequest:
        """The same for the relay, which needs neither Tornado's request nor its response: ``begin()`` what is
        returned. Each step is told to ``receiver``. ``further``: lines of the head that are of this request alone."""
        plan = partial(self._plan, method, url, headers, body, once, tls, further)
        made = RelayedRequest(self, plan, connect_timeout, receiver)
        self._running.add(made)
        return made

    def forget(self, request: RequestLifecycle) -> None:
        """``request`` is done."""
        self._running.discard(request)


def _with_total(limits: PoolLimits, max_clients: int) -> PoolLimits:
    return replace(limits, total=max_clients) if max_clients else limits
