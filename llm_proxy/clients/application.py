"""Tornado's ``Application``, found and begun more quickly.

Laws: which handler serves a path is what Tornado's router says; for a path without a pattern it was asked once, when
the application was made. Handlers are Tornado's, with ``stream_request_body``; each runs in a task of its own, begun
when the head of its request is there. Nothing of a request is parsed that nobody asks for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Any, cast
from urllib.parse import parse_qs

from tornado.concurrent import Future
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    split_host_and_port,
)
from tornado.web import Application, HTTPError, RequestHandler

from llm_proxy.clients.tornado_internals import LeanRequestHandler

#: What may stand in a Host field; no comma, which is how two of them look when they were joined.
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")


#: RFC 1035, section 2.3.4, and a port. Nothing longer is looked for in the cache, whose keys clients choose: it holds 64 KiB.
_LONGEST_HOST = 261


def _name_in(host: str) -> str:
    """The name or address in a Host field. Raises ``HTTPInputError``."""
    if len(host) > _LONGEST_HOST:
        raise HTTPInputError("bad Host")
    return _sound_name(host)


@lru_cache(maxsize=256)
def _sound_name(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise HTTPInputError("bad Host")
    return split_host_and_port(host.lower())[0]


class Request(HTTPServerRequest):
    """A request whose head has come. ``body_future`` is done when its body has."""

    def __init__(self, start: RequestStartLine, headers: HTTPHeaders, connection: HTTPConnection) -> None:
        """Raises ``HTTPInputError``."""
        # Not Tornado's own, which takes the query apart and copies the result, for nobody here.
        self.method, self.uri, self.version = start
        self.headers = headers
        self.connection = connection
        self.server_connection = connection
        self.remote_ip: str = connection.remote_ip  # type: ignore[attr-defined]
        self.protocol = "http"
        self.body = b""
        self.files = {}
        self.host = headers.get("Host", "127.0.0.1")
        self.host_name = _name_in(self.host)
        self.path, _, self.query = start.path.partition("?")
        #: The connection's; asking Python for the running one is a system call before 3.12.
        self.loop: asyncio.AbstractEventLoop = connection.loop  # type: ignore[attr-defined]
        self.body_future: Future[None] = self.loop.create_future()

    @cached_property
    def query_arguments(self) -> dict[str, list[bytes]]:  # type: ignore[override]  # an attribute there
        """The query's arguments. Raises ``HTTPError`` if there are more than anybody needs."""
        try:
            found = parse_qs(self.query, keep_blank_values=True, max_num_fields=100, encoding="latin-1")
        except ValueError as error:
            raise HTTPError(400) from error
        return {name: [value.encode("latin-1") for value in values] for name, values in found.items()}

    @property
    def arguments(self) -> dict[str, list[bytes]]:  # type: ignore[override]  # an attribute there
        """The same: forms in bodies are not taken apart."""
        return self.query_arguments


class GatewayApplication(Application):
    """``routes``: paths or patterns, handlers and their arguments, as Tornado takes them."""

    def __init__(
        self,
        routes: Iterable[tuple[str, type[RequestHandler], dict[str, Any]]],
        default: type[RequestHandler],
        default_args: dict[str, Any],
    ) -> None:
        routes = list(routes)
        super().__init__(
            routes, default_handler_class=default, default_handler_args=default_args, log_function=_silent
        )
        self._plain: dict[str, tuple[type[RequestHandler], dict[str, Any]]] = {}
        for path, _, _ in routes:
            if path != re.escape(path).replace(r"\-", "-"):
                continue
            found = next(route for route in routes if re.fullmatch(route[0], path))
            if path == found[0]:
                self._plain.setdefault(path, found[1:])
        #: Those of the routes that are plain paths.
        self.paths = tuple(self._plain)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Dispatch(self, request_conn)

    def begin(self, request: Request) -> tuple[RequestHandler, asyncio.Task[None]]:
        """The handler of ``request``, running."""
        arguments: list[bytes] = []
        plain = self._plain.get(request.path)
        if plain is not None:
            handler = cast(LeanRequestHandler, plain[0](self, request, **plain[1]))
        else:
            found: Any = self.find_handler(request)
            handler = cast(LeanRequestHandler, found.handler_class(self, request, **found.handler_kwargs))
            arguments = found.path_args
        task = request.loop.create_task(handler.run(*arguments))
        return handler, task


def _silent(handler: RequestHandler) -> None:
    """Tornado's access line is ours to write: see ``handlers.base.handler``."""


class _Dispatch(HTTPMessageDelegate):
    """One request on its way to its handler."""

    def __init__(self, application: GatewayApplication, connection: HTTPConnection) -> None:
        self._application = application
        self._connection = connection

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        request = Request(cast(RequestStartLine, start_line), headers, self._connection)
        # The task is kept here, since an event loop knows its tasks only weakly.
        handler, self._task = self._application.begin(request)
        self._body: Future[None] = request.body_future
        self._take: Callable[[bytes], object] = handler.data_received

    def data_received(self, chunk: bytes) -> None:
        self._take(chunk)

    def finish(self) -> None:
        if not self._body.done():
            self._body.set_result(None)
