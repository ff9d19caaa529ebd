"""Tornado's ``Application``, found and begun more quickly.

Laws: of the routes that match a path the first serves it, as in Tornado; those without a pattern are looked up, and the others
are Tornado's router's. Handlers are Tornado's, with ``stream_request_body``; each runs in a task of its own, begun
when the head of its request is there. Nothing of a request is parsed that nobody asks for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any
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
)
from tornado.web import Application, HTTPError, RequestHandler

from llm_proxy.clients.connection import ClientConnection
from llm_proxy.clients.headers import RequestHeaders
from llm_proxy.clients.target import BadTarget, below, origin_form, spelled
from llm_proxy.clients.tornado_internals import LeanRequestHandler
from llm_proxy.wire import host as hosts

#: What may stand in a Host field; no comma, which is how two of them look when they were joined.
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")

#: What a plain path has found besides.
_NOTHING: Sequence[bytes] = ()


def _name_in(host: str) -> str:
    """The name or address in a Host field. Raises ``HTTPInputError``."""
    if len(host) > hosts.LONGEST or not _HOST.fullmatch(host):
        raise HTTPInputError("bad Host")
    return hosts.host_and_port(host)[0]


class Request(HTTPServerRequest):
    """A request whose head has come. ``body_future`` is done when its body has."""

    headers: RequestHeaders  # type: ignore[assignment]  # as far as a reader needs
    connection: ClientConnection

    def __init__(self, start: RequestStartLine, headers: HTTPHeaders, connection: HTTPConnection) -> None:
        """Raises ``HTTPInputError``."""
        # Not Tornado's own, which takes the query apart and copies the result, for nobody here.
        self.method, target, self.version = start
        self.headers = headers  # type: ignore[assignment]
        self.connection = connection  # type: ignore[assignment]
        self.server_connection = connection
        self.remote_ip: str = connection.remote_ip  # type: ignore[attr-defined]
        self.protocol = "http"
        self.body = b""
        self.files = {}
        host = headers.get("Host", "127.0.0.1")
        if not target.startswith("/"):
            try:
                target, named = origin_form(start.method, target)
            except BadTarget as error:
                raise HTTPInputError(str(error)) from error
            host = host if named is None else named
        self.host = host
        # A connection's requests name one host: it is kept there, and goes with it.
        if connection.host_names[0] != host:  # type: ignore[attr-defined]
            connection.host_names = host, _name_in(host)  # type: ignore[attr-defined]
        self.host_name: str = connection.host_names[1]  # type: ignore[attr-defined]
        #: As it came, but for the form of the whole.
        self.uri = target
        self.path, _, self.query = target.partition("?")
        #: ``path`` as it came; the other is as the router knows it.
        self.path_asked = self.path
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
    """``routes``: paths or patterns, handlers and their arguments, as Tornado takes them; all of them are served below
    ``prefix`` too."""

    def __init__(
        self,
        routes: Iterable[tuple[str, type[RequestHandler], dict[str, Any]]],
        default: type[RequestHandler],
        default_args: dict[str, Any],
        prefix: str = "",
    ) -> None:
        routes = list(routes)
        plain, patterns = _told_apart(tuple(path for path, _, _ in routes))
        super().__init__(
            [routes[at] for at in patterns],
            default_handler_class=default,
            default_handler_args=default_args,
            log_function=_silent,
        )
        self._prefix = prefix
        self._default, self._default_args = default, default_args
        self._plain = {path: (kind, given) for path, kind, given in (routes[at] for at in plain)}
        #: Those of the routes that are plain paths.
        self.paths = tuple(self._plain)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Dispatch(self, request_conn)

    def begin(self, request: Request) -> tuple[RequestHandler, asyncio.Task[None]]:
        """The handler of ``request``, running."""
        plain = self._plain.get(request.path)
        kind, given, arguments = self._look_for(request) if plain is None else (*plain, _NOTHING)
        handler: LeanRequestHandler = kind(self, request, **given)  # type: ignore[assignment]
        task = request.loop.create_task(handler.run(*arguments))
        return handler, task

    def serving(self, request: Request) -> tuple[type[RequestHandler], dict[str, Any], Sequence[bytes]]:
        """Who would serve ``request``; see ``_look_for``."""
        plain = self._plain.get(request.path)
        return self._look_for(request) if plain is None else (*plain, _NOTHING)

    def _look_for(self, request: Request) -> tuple[type[RequestHandler], dict[str, Any], Sequence[bytes]]:
        """Who serves a path that is no plain one as it stands; the request's path becomes what the router knows."""
        path = spelled(request.path)
        for place in (path, below(path, self._prefix)):
            if place is None:
                continue
            if (plain := self._plain.get(place)) is not None:
                request.path = place
                return (*plain, _NOTHING)
            request.path = place
            found: Any = self.find_handler(request)
            if found.handler_class is not self._default:
                return found.handler_class, found.handler_kwargs, found.path_args
        request.path = path
        return self._default, self._default_args, _NOTHING


@lru_cache(maxsize=8)
def _told_apart(paths: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of the routes are plain paths, each served by no route before it, and which hold a pattern."""
    plain: dict[str, int] = {}
    patterns: dict[int, re.Pattern[str]] = {}
    for at, path in enumerate(paths):
        if path != re.escape(path).replace(r"\-", "-"):
            patterns[at] = re.compile(path)
        elif path not in plain and not any(pattern.fullmatch(path) for pattern in patterns.values()):
            plain[path] = at
    return tuple(plain.values()), tuple(patterns)


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
        request = Request(start_line, headers, self._connection)  # type: ignore[arg-type]  # it is a request's
        # The task is kept here, since an event loop knows its tasks only weakly.
        handler, self._task = self._application.begin(request)
        self._body: Future[None] = request.body_future
        self._take: Callable[[bytes], object] = handler.data_received

    def data_received(self, chunk: bytes) -> None:
        self._take(chunk)

    def finish(self) -> None:
        if not self._body.done():
            self._body.set_result(None)
