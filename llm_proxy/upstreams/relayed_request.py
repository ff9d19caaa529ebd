"""A request of the relay: from a call as a value to its bytes, without Tornado's objects in between.

Laws: what is sent is what ``request_plan`` would make of the same call as an ``HTTPRequest``; nothing is followed, nothing
decoded, nothing collected, and there is no limit but the one for connecting: the relay watches events. Its receiver
is told of each step in a plain call. How a request gets to its answer is ``request``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders

from llm_proxy.net.tls import DEFAULT, TlsSettings
from llm_proxy.upstreams.in_front import InFront
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.request_lifecycle import Client, RequestLifecycle
from llm_proxy.upstreams.request_plan import Options, Plan, make_plan
from llm_proxy.upstreams.response_delegate import Sink
from llm_proxy.upstreams.response_head import ResponseHead

_LENGTH = b"\r\nContent-Length: 0\r\n"


class Planner(Protocol):
    """What to send for a call."""

    def __call__(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        once: bool,
        tls: TlsSettings,
        further: bytes = b"",
    ) -> Plan:
        """``once``: nothing of it is kept. ``further``: whole lines of the head that differ from call to call."""

    def forget(self) -> None:
        """Keep nothing of what was made so far: the configuration that it was made of is gone, and its keys with it."""


class Receiver(Protocol):
    """Whom a transfer tells. Nothing follows ``on_finished``."""

    def on_connected(self) -> None:
        """There is a connection, and the request is about to be sent; again if it has to be sent again."""

    def on_head(self, head: ResponseHead) -> None:
        """The head of the answer."""

    def on_data(self, data: bytes) -> object:
        """Bytes of the body; an awaitable as the result means: nothing more until that is done."""

    def on_finished(self, error: Exception | None, retried: bool) -> None:
        """The body is complete, or ``error`` says why it never will be; ``retried``: it had to be sent again."""


class RelayedRequest(RequestLifecycle):
    """See the module."""

    __slots__ = ("_make", "_receiver")

    def __init__(
        self, client: Client, make: Callable[[], Plan], connect_timeout: float, receiver: Receiver
    ) -> None:
        super().__init__(client, connect_timeout, 0)
        self._make = make
        self._receiver = receiver

    def _make_plan(self) -> Plan:
        return self._make()

    def _told(self) -> None:
        self._receiver.on_connected()

    def _answered(self, head: ResponseHead) -> Sink:
        # Nothing is sent again once an answer has begun, which may last for minutes.
        self._make, self._plan = _never, None  # type: ignore[assignment]
        self._receiver.on_head(head)
        return self._receiver.on_data

    def let_in_front(self, front: InFront) -> None:
        """See ``Connection.let_in_front``."""
        if self._connection is not None:
            self._connection.let_in_front(front)

    def _completed(self) -> None:
        self._close()
        self._receiver.on_finished(None, bool(self.stale_retries))

    def _failed(self, error: Exception) -> None:
        self._receiver.on_finished(error, bool(self.stale_retries))


def _never() -> Plan:
    raise AssertionError("the request was answered already")


class RelayPlanner:
    """A ``Planner``. A deployment's calls differ in their bodies only, so the rest is decided once. What a client chose is
    never a key here: its texts would stay, and push out what is used."""

    def __init__(self, proxies: Proxies, defaults: dict[str, Any]) -> None:
        self._proxies = proxies
        self._defaults = defaults
        self._kept = lru_cache(maxsize=256)(self._without_body)
        self._kept_with_body = lru_cache(maxsize=256)(self._with_body)

    def __call__(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        once: bool,
        tls: TlsSettings,
        further: bytes = b"",
    ) -> Plan:
        if not body:
            made = (self._without_body if once else self._kept)(method, url, headers, body is not None, tls)
            return replace(made, head=made.head[:-2] + further + b"\r\n") if further else made
        kept = (self._with_body if once else self._kept_with_body)(method, url, headers, tls)
        made, form = kept
        head = form % (len(body), further)
        return Plan(url, method, made.target, made.route, head, body, None, None, False)

    def _with_body(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], tls: TlsSettings
    ) -> tuple[Plan, bytes]:
        """The plan of a call with a body, and its head but for the length and the lines that are of one call alone."""
        made = self._without_body(method, url, headers, True, tls)
        before, _, after = made.head.replace(b"%", b"%%").partition(_LENGTH)
        return made, b"%b\r\nContent-Length: %%d\r\n%%b%b" % (before, after)

    def forget(self) -> None:
        """See ``Planner``."""
        self._kept.cache_clear()
        self._kept_with_body.cache_clear()

    def _without_body(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bool, tls: TlsSettings
    ) -> Plan:
        request = HTTPRequest(
            url,
            method=method,
            headers=HTTPHeaders(dict(headers)),
            body=b"" if body else None,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            decompress_response=False,
            # The identity of the connections, passed on as it is.
            ssl_options=None if tls is DEFAULT else tls,  # type: ignore[arg-type]
        )
        return make_plan(Options(request, self._defaults), self._proxies)
