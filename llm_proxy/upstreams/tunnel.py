"""A way through a proxy: CONNECT (RFC 9110, section 9.3.6), plain or under TLS, and SOCKS5.

Laws: nothing is read beyond the proxy's own answer; its answer is bounded; every way out but success is a ``ConnectError``
that names the proxy and never a credential, and leaves the socket to whoever brought it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from llm_proxy.net.faults import ConnectError, RefusedError, connect_error
from llm_proxy.upstreams import socks5
from llm_proxy.upstreams.target import ProxyRoute, Route

#: A proxy's answer to CONNECT is a status line and a few fields.
_MAX_HEAD = 16 * 1024


async def http_tunnel(sock: socket.socket, route: Route) -> None:
    """Ask the proxy at the other end of ``sock`` for a tunnel to the route's host."""
    where, request = _named(route.proxy), _connect_request(route)
    loop = asyncio.get_running_loop()
    head = b""
    try:
        await loop.sock_sendall(sock, request)
        while head.find(b"\r\n\r\n") < 0 and len(head) <= _MAX_HEAD:
            data = await loop.sock_recv(sock, 4096)
            if not data:
                raise ConnectError(f"{where} closed the connection", "connect", "reset")
            head += data
    except ConnectError:
        raise
    except OSError as error:
        raise connect_error(error, "connect", where) from error
    _judge(head, where)


async def tls_tunnel(sock: socket.socket, route: Route, context: ssl.SSLContext) -> asyncio.Transport:
    """The same with a proxy that is spoken to under TLS. From here on the loop owns the socket."""
    assert route.proxy is not None
    where = _named(route.proxy)
    loop = asyncio.get_running_loop()
    try:
        transport, answer = await loop.create_connection(
            _Answer, sock=sock, ssl=context, server_hostname=route.proxy.host
        )
    except OSError as error:
        raise connect_error(error, "tls", where) from error
    try:
        transport.write(_connect_request(route))
        head = await answer.head
        if head is None:
            raise ConnectError(f"{where} closed the connection", "connect", "reset")
        _judge(head, where)
    except BaseException:
        transport.abort()
        raise
    return transport


class _Answer(asyncio.Protocol):
    """Collects the proxy's answer; ``head`` is None when it closed instead."""

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        if (self._got.find(b"\r\n\r\n") >= 0 or len(self._got) > _MAX_HEAD) and not self.head.done():
            self.head.set_result(self._got)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.head.done():
            self.head.set_result(None)


def _connect_request(route: Route) -> bytes:
    assert route.proxy is not None
    host = f"[{route.host}]" if ":" in route.host else route.host
    lines = [f"CONNECT {host}:{route.port} HTTP/1.1", f"Host: {host}:{route.port}"]
    if route.proxy.authorization:
        lines.append(f"Proxy-Authorization: {route.proxy.authorization}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def _judge(head: bytes, where: str) -> None:
    """Nothing may follow the head: the origin speaks only after our TLS hello."""
    if not head.startswith(b"HTTP/1.") or head[8:10] != b" 2" or not head.endswith(b"\r\n\r\n"):
        raise ConnectError(f"{where} refused the tunnel: {head[:12]!r}", "connect", "protocol")


async def socks_tunnel(sock: socket.socket, proxy: ProxyRoute, host: str, port: int) -> None:
    """Ask the SOCKS5 proxy at the other end of ``sock`` for a tunnel to ``host``, an address or a name."""
    where = _named(proxy)
    loop = asyncio.get_running_loop()
    steps = socks5.connect(host, port, proxy.login)
    try:
        said, wanted = next(steps)
        while True:
            if said:
                await loop.sock_sendall(sock, said)
            got = b""
            while len(got) < wanted:
                data = await loop.sock_recv(sock, wanted - len(got))
                if not data:
                    raise ConnectError(f"{where} closed the connection", "connect", "reset")
                got += data
            said, wanted = steps.send(got)
    except StopIteration:
        return
    except socks5.SocksError as error:
        raise _refusal(error, where) from error
    except ConnectError:
        raise
    except OSError as error:
        raise connect_error(error, "connect", where) from error


def _refusal(error: socks5.SocksError, where: str) -> ConnectError:
    words = f"{where} refused the tunnel: {error}"
    if error.kind == "refused":
        return RefusedError(words, "connect", "refused")
    return ConnectError(words, "connect", error.kind)


def _named(proxy: ProxyRoute | None) -> str:
    assert proxy is not None
    return f"proxy {proxy.host}:{proxy.port}"
