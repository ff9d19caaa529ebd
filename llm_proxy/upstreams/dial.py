"""From a route to an open connection: addresses, TCP, a proxy's tunnel, TLS.

Laws: the steps report themselves in ``progress.phase``, so that whoever cancels knows where it was; every way out
but success closes every socket that was opened; a certificate is never accepted on second thoughts. This module
refuses to know about requests, pools and timeouts.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from llm_proxy.net.faults import ConnectError, Phase, ResolveError, connect_error
from llm_proxy.net.resolver import Address, Resolver
from llm_proxy.net.tls import TlsContexts
from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.target import Route

#: Seconds before the next address is tried beside the present one (RFC 8305, section 5).
STAGGER = 0.25
#: A proxy's answer to CONNECT is a status line and a few fields.
_MAX_TUNNEL_HEAD = 16 * 1024


class Progress(Protocol):
    """Where a dial stands."""

    phase: Phase


class Dialer:
    """Makes connections for one client."""

    def __init__(self, resolver: Resolver, contexts: TlsContexts) -> None:
        self._resolver = resolver
        self._contexts = contexts

    async def dial(self, route: Route, progress: Progress) -> Connection:
        """A fresh connection. Raises ``ConnectError``."""
        loop = asyncio.get_running_loop()
        host, port = (route.proxy.host, route.proxy.port) if route.proxy else (route.host, route.port)
        context = await self._contexts.get(route.tls) if route.scheme == "https" else None
        progress.phase = "resolve"
        addresses = await self._resolver.resolve(host)
        if not route.ipv6:
            addresses = tuple(a for a in addresses if a.family is socket.AF_INET)
            if not addresses:
                raise ResolveError(f"{host} has no IPv4 address", "resolve", "nxdomain")
        progress.phase = "connect"
        try:
            sock = await connect_any(addresses, port, route.source)
        except OSError as error:
            raise connect_error(error, "connect", f"{host}:{port}") from error
        try:
            tune(sock)
            if route.proxy is not None and route.scheme == "https":
                await _tunnel(sock, route)
        except BaseException:
            sock.close()
            raise
        if context is not None:
            progress.phase = "tls"
        try:
            # From here on the loop owns the socket, also when it fails.
            _, connection = await loop.create_connection(
                Connection, sock=sock, ssl=context, server_hostname=route.host if context else None
            )
        except OSError as error:
            raise connect_error(error, progress.phase, route.where) from error
        return connection


async def connect_any(addresses: Sequence[Address], port: int, source: str | None) -> socket.socket:
    """A socket connected to the first of ``addresses`` that answers (Happy Eyeballs). Raises the last ``OSError``."""
    if len(addresses) == 1:
        return await _connect(addresses[0], port, source)
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[socket.socket]] = set()
    left = list(reversed(addresses))
    failure: BaseException | None = None
    try:
        while left or running:
            if left:
                running.add(loop.create_task(_connect(left.pop(), port, source)))
            done, running = await asyncio.wait(
                running, timeout=STAGGER if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if (failed := task.exception()) is None:
                    running |= done - {task}
                    return task.result()
                failure = failed
        assert failure is not None
        raise failure
    finally:
        for task in running:
            task.add_done_callback(_discard)
            task.cancel()


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that lost the race."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(address: Address, port: int, source: str | None) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source is not None:
            sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr(port))
    except BaseException:
        sock.close()
        raise
    return sock


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


async def _tunnel(sock: socket.socket, route: Route) -> None:
    """Ask the proxy at the other end of ``sock`` for a tunnel to the route's host."""
    assert route.proxy is not None
    loop = asyncio.get_running_loop()
    host = f"[{route.host}]" if ":" in route.host else route.host
    lines = [f"CONNECT {host}:{route.port} HTTP/1.1", f"Host: {host}:{route.port}"]
    if route.proxy.authorization:
        lines.append(f"Proxy-Authorization: {route.proxy.authorization}")
    where = f"proxy {route.proxy.host}:{route.proxy.port}"
    head = b""
    try:
        await loop.sock_sendall(sock, "\r\n".join([*lines, "\r\n"]).encode("latin-1"))
        while b"\r\n\r\n" not in head and len(head) <= _MAX_TUNNEL_HEAD:
            data = await loop.sock_recv(sock, 4096)
            if not data:
                raise ConnectError(f"{where} closed the connection", "connect", "reset")
            head += data
    except OSError as error:
        if isinstance(error, ConnectError):
            raise
        raise connect_error(error, "connect", where) from error
    # Nothing may follow the head: the origin speaks only after our TLS hello.
    if not head.startswith(b"HTTP/1.") or head[8:10] != b" 2" or not head.endswith(b"\r\n\r\n"):
        raise ConnectError(f"{where} refused the tunnel: {head[:12]!r}", "connect", "protocol")
