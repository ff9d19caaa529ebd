"""Tornado's ``Application``, found and begun more quickly.

Laws: of the routes that match a path the first serves it, as in Tornado; those without a pattern are looked up, and the others
are Tornado's router's. Handlers are Tornado's, with ``stream_request_body``; each runs in a task of its own, begun
when the head of its request is there. Nothing of a request is parsed that nobody asks for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from tornado.httputil import HTTPInputError, HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from llm_proxy.clients.connection import ClientConnection
from llm_proxy.clients.headers import RequestHeaders
from llm_proxy.clients.request_reader import RequestHead
from llm_proxy.clients.target import BadTarget, below, origin_form, spelled
from llm_proxy.clients.tornado_internals import LeanRequestHandler
from llm_proxy.wire import host as hosts

#: What may stand in a Host field; no comma, which is how two of them look when they were joined.
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")

#: The longest target that is kept with a connection.
_KEPT = 1024
#: What a plain path has found besides.
_NOTHING: Sequence[bytes] = ()


def _name_in(host: str) -> str:
    """The name or address in a Host field. Raises ``HTTPInputError``."""
    if len(host) > hosts.LONGEST or not _HOST.fullmatch(host):
        raise HTTPInputError("bad Host")
    return hosts.host_and_port(host)[0]


class Asked(NamedTuple):
    """What a request asks for, out of its target and its Host field."""

    host: str
    host_name: str
    uri: str
    path: str
    query: str

    @classmethod
    def of(cls, method: str, target: str, host: str) -> Asked:
        """Raises ``HTTPInputError``."""
        if not target.startswith("/"):
            try:
                target, named = origin_form(method, target)
            except BadTarget as error:
                raise HTTPInputError(str(error)) from error
            host = host if named is None else named
        path, _, query = target.partition("?")
        return cls(host, _name_in(host), target, path, query)


class Request(HTTPServerRequest):
    """A request whose head has come."""

    method: str
    headers: RequestHeaders  # type: ignore[assignment]  # as far as a reader needs
    connection: ClientConnection

    # What Tornado's has besides; nobody here reads a body or files there.
    protocol, body, files = "http", b"", {}

    def __init__(self, head: RequestHead, connection: ClientConnection) -> None:
        """Raises ``HTTPInputError``."""
        # Not Tornado's own, which takes the query apart and copies the result, for nobody here.
        self.method, target, self.version, pairs, by_name, *_ = head
        self.headers = headers = RequestHeaders(pairs, by_name)
        self.connection = connection
        self.remote_ip: str = connection.remote_ip
        asked = target, headers.get("Host", "127.0.0.1")
        # A connection's requests mostly ask for the same: what was found out of that is kept there, and goes with it.
        if connection.asked[0] == asked:
            found: Asked = connection.asked[1]
        else:
            found = Asked.of(self.method, *asked)
            if target.startswith("/") and len(target) <= _KEPT:  # else it is the method's too, or large
                connection.asked = asked, found
        #: ``uri``: as it came, but for the form of the whole. ``path_asked`` is ``path`` as it came; the other is as the router
        #: knows it.
        self.host, self.host_name, self.uri, self.path, self.query = found
        self.path_asked = self.path
        #: The connection's; asking Python for the running one is a system call before 3.12.
        self.loop: asyncio.AbstractEventLoop = connection.loop

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

    def begin(
        self, head: RequestHead, connection: ClientConnection
    ) -> tuple[LeanRequestHandler, asyncio.Task[None]]:
        """The handler of a request, running. Raises ``HTTPInputError``."""
        request = Request(head, connection)
        plain = self._plain.get(request.path)
        kind, given, arguments = self._look_for(request) if plain is None else (*plain, _NOTHING)
        handler: LeanRequestHandler = kind(self, request, **given)  # type: ignore[assignment]
        # A loop's own way makes a name for each task, which nobody reads.
        return handler, asyncio.Task(handler.run(*arguments), loop=connection.loop, name="request")

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
