"""From a route to an open connection: addresses, TCP or a Unix socket, a proxy's tunnel, TLS.

Laws: the steps report themselves in ``progress.phase``, so that whoever cancels knows where it was; every way out
but success closes every socket that was opened; a certificate is never accepted on second thoughts. When a connection
fails, in TCP or in TLS, what was known of the name's addresses is thrown away and asked for again within the same
dial; whoever keeps connections is told where the name is now. This module refuses to know about requests, pools and
timeouts.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Protocol

from llm_proxy.net.faults import ConnectError, Phase, ResolveError, TlsError, connect_error
from llm_proxy.net.resolver import Address, Resolver, parse_literal
from llm_proxy.net.tls import DEFAULT, TlsContexts
from llm_proxy.upstreams.happy_eyeballs import connect_any, connect_unix
from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.target import ProxyRoute, Route
from llm_proxy.upstreams.tunnel import http_tunnel, socks_tunnel, tls_tunnel

#: Addresses of a destination that a SOCKS proxy is asked for, one after the other.
_MAX_DESTINATIONS = 4

Moved = Callable[[str, frozenset[str]], object]


class Progress(Protocol):
    """Where a dial stands."""

    phase: Phase


class Dialer:
    """Makes connections for one client. ``moved`` is told a name and all its addresses after a failure."""

    def __init__(
        self, resolver: Resolver, contexts: TlsContexts, moved: Moved = lambda name, addresses: None
    ) -> None:
        self._resolver = resolver
        self._contexts = contexts
        self._moved = moved

    def equals(self, route: Route, connection: Connection) -> tuple[str, ...]:
        """The numeric addresses that serve ``route`` as well as that of ``connection``, it among them."""
        return self._resolver.equals(route.peer, connection.peer)

    async def dial(self, route: Route, progress: Progress) -> Connection:
        """A fresh connection. Raises ``ConnectError``."""
        context = await self._contexts.get(route.tls) if route.scheme == "https" else None
        if route.host.startswith("/"):
            progress.phase = "connect"
            try:
                sock = await connect_unix(route.host)
            except OSError as error:
                raise connect_error(error, "connect", route.where) from error
            return await self._finish(sock, route, context, progress)
        if route.proxy is not None and not route.proxy.is_http:
            return await self._through_socks(route, route.proxy, context, progress)
        found = _Search(self._resolver, route, self._moved, progress)
        sock = await found.connect()
        try:
            return await self._finish(sock, route, context, progress)
        except TlsError:
            # Another service may have the address by now, and its certificate is not that of the name.
            if route.proxy is not None or (elsewhere := await found.elsewhere()) is None:
                raise
            return await self._finish(elsewhere, route, context, progress)

    async def _through_socks(
        self, route: Route, proxy: ProxyRoute, context: ssl.SSLContext | None, progress: Progress
    ) -> Connection:
        destinations: Sequence[str] = (route.host,)
        if proxy.scheme == "socks5" and parse_literal(route.host) is None:
            progress.phase = "resolve"
            known = await self._resolver.resolve(route.host)
            destinations = [address.host for address in known[:_MAX_DESTINATIONS]]
        refusal: ConnectError | None = None
        for destination in destinations:
            sock = await _Search(self._resolver, route, self._moved, progress).connect()
            try:
                await socks_tunnel(sock, proxy, destination, route.port)
            except ConnectError as error:
                sock.close()
                self._resolver.expire(route.host)
                if error.kind in ("protocol", "reset"):
                    raise
                refusal = error
                continue
            except BaseException:
                sock.close()
                raise
            return await self._finish(sock, route, context, progress)
        assert refusal is not None
        raise refusal

    async def _finish(
        self, sock: socket.socket, route: Route, context: ssl.SSLContext | None, progress: Progress
    ) -> Connection:
        """From a socket, to the host or its proxy, to a connection. Closes the socket if there is none."""
        peer = _peer(sock)
        proxy = route.proxy
        hostname = route.host if context is not None else None
        try:
            if route.port:  # TCP
                tune(sock)
            outer = None
            if proxy is not None and proxy.scheme == "https":
                outer = await self._contexts.get(DEFAULT)
            elif proxy is not None and proxy.is_http and context is not None:
                await http_tunnel(sock, route)
        except BaseException:
            sock.close()
            raise
        # From here on the loop owns the socket, also when it fails.
        if outer is not None and context is not None:
            connection = await _tls_in_tls(sock, route, outer, context, progress)
        else:
            if outer is not None:
                assert proxy is not None
                context, hostname = outer, proxy.host
            if context is not None:
                progress.phase = "tls"
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, sock=sock, ssl=context, server_hostname=hostname
                )
            except OSError as error:
                raise connect_error(error, progress.phase, route.where) from error
        connection.peer = peer
        return connection


class _Search:
    """Where the other end of a route is (the proxy, if there is one), and a socket to it."""

    def __init__(self, resolver: Resolver, route: Route, moved: Moved, progress: Progress) -> None:
        self._resolver = resolver
        self._route = route
        self._moved = moved
        self._progress = progress
        self._host = route.peer
        self._port = route.proxy.port if route.proxy is not None else route.port
        self._is_name = parse_literal(self._host) is None
        self._known: tuple[Address, ...] = ()

    async def connect(self) -> socket.socket:
        """A connected socket."""
        self._progress.phase = "resolve"
        self._known = self._fitting(await self._resolver.resolve(self._host))
        if not self._known:
            raise ResolveError(f"{self._host} has no IPv4 address", "resolve", "nxdomain")
        self._progress.phase = "connect"
        return await self._connect_any(self._known, self._is_name)

    async def elsewhere(self) -> socket.socket | None:
        """A connected socket to an address that was not known before; None if there is none."""
        new = await self._again() if self._is_name else []
        self._progress.phase = "connect"
        return await self._connect_any(new, False) if new else None

    async def _connect_any(self, addresses: Sequence[Address], ask: bool) -> socket.socket:
        source = self._route.source
        try:
            sock = await connect_any(addresses, self._port, source, self._again if ask else None)
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise connect_error(error, "connect", where) from error
        except asyncio.CancelledError:  # too late, perhaps because nobody is there any more
            self._resolver.expire(self._host)
            raise
        if len(self._known) > 1:
            peer = _peer(sock)
            before = takewhile(lambda address: address.host != peer, self._known)
            self._resolver.demote(self._host, before)
        return sock

    async def _again(self) -> list[Address]:
        """Addresses of the name that were not known before."""
        fresh = self._fitting(await self._resolver.again(self._host))
        if fresh:
            self._moved(self._host, frozenset(address.host for address in fresh))
        new = [address for address in fresh if address not in self._known]
        self._known += tuple(new)
        return new

    def _fitting(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        if self._route.ipv6:
            return addresses
        return tuple(address for address in addresses if address.family is socket.AF_INET)


async def _tls_in_tls(
    sock: socket.socket,
    route: Route,
    outer: ssl.SSLContext,
    context: ssl.SSLContext,
    progress: Progress,
) -> Connection:
    """TLS with the route's host, in a tunnel under TLS with its proxy."""
    transport = await tls_tunnel(sock, route, outer)
    progress.phase = "tls"
    connection = Connection()
    with suppress(AttributeError):  # uvloop's needs no help
        # asyncio's raises here instead of closing (github.com/python/cpython, issue 113214), but for those Pythons whose
        # ``abort`` is made of it.
        if "_force_close" not in type(transport).abort.__code__.co_names:
            setattr(transport, "_force_close", lambda error: transport.abort())  # noqa: B010
    try:
        made = await asyncio.get_running_loop().start_tls(
            transport, connection, context, server_hostname=route.host
        )
        if made is None:
            raise ConnectionResetError("the connection was lost during the handshake")
    except OSError as error:
        transport.abort()
        raise connect_error(error, "tls", route.where) from error
    except BaseException:
        transport.abort()
        raise
    connection.connection_made(made)
    return connection


def _peer(sock: socket.socket) -> str:
    """The address at the other end, as the resolver writes it; empty if it cannot be told."""
    with suppress(OSError):
        name = sock.getpeername()
        return name[0].partition("%")[0] if isinstance(name, tuple) else ""
    return ""


def tune(sock: socket.socket) -> None:
    """A token is sent at once, and a peer that has vanished without a word is noticed within about a minute."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
    if sys.platform == "linux":
        # Milliseconds that sent data may stay unacknowledged. Equal to idle + count * interval, so that both clocks
        # agree (see "When TCP sockets refuse to die", blog.cloudflare.com).
        options["TCP_USER_TIMEOUT"] = 60_000
    for name, value in options.items():
        with suppress(AttributeError, OSError):  # not every platform has every option
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
