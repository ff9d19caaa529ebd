"""A scripted HTTP/1.1 upstream on a raw socket, on the test's own loop.

It records what arrives (``Received``) and then does what the test's script says, byte by byte if need be: see
``scripts`` for ready ones. It never tidies up: no header is added, no body is framed unless the script does it. A
script that raises fails the test when the peer is left. It knows nothing of any API.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, cast

from tests.support.loops import wait_until
from tests.support.request_parser import Received, parse_head, read_body

#: Begins with a request that has been read and ends when the peer has done what it should.
Script = Callable[["Exchange"], Awaitable[None]]


class PeerGone(ConnectionError):
    """The other side has left: the script ends here, which is no fault of its own."""


class Link(asyncio.Protocol):
    """One connection: a buffer of what came, and when the other side ended it."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.number = peer, len(peer.links)
        self.buffer = bytearray()
        self.closed_at: float | None = None
        self.ours = False
        self._news, self._writable, self._lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Written means handed to the kernel: pause_writing is called as long as one byte is left here.
        self.transport.set_write_buffer_limits(high=0)
        self.peer.links.append(self)
        self.task = asyncio.get_running_loop().create_task(self.peer._serve(self))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._news.set()

    def eof_received(self) -> bool:
        self._left()
        return not self.peer.tls  # a half-closed connection stays writable; TLS has no such thing

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self._lost.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _left(self) -> None:
        if self.closed_at is None and not self.ours:
            self.closed_at = time.monotonic()
        self._news.set()

    async def more(self) -> None:
        """Wait for bytes that are not in ``buffer`` yet. Raises ``PeerGone`` at the end."""
        size = len(self.buffer)
        while len(self.buffer) == size:
            if self.closed_at is not None or self._lost.is_set():
                raise PeerGone
            self._news.clear()
            await self._news.wait()

    async def send(self, data: bytes) -> None:
        """Write and wait until the kernel has it all. Raises ``PeerGone`` if the connection is lost."""
        if self._lost.is_set() or self.transport.is_closing():
            raise PeerGone
        self.transport.write(data)
        await self._writable.wait()
        if self._lost.is_set():
            raise PeerGone

    async def delivered(self) -> None:
        """Wait until the other side's kernel has all that was sent: an RST destroys what is still on its way, and on a busy
        machine that may be anything. Raises ``TimeoutError`` after ten seconds."""
        raw = self.transport.get_extra_info("socket")
        async with asyncio.timeout(10):
            while not self._lost.is_set() and _unacknowledged(raw):
                await asyncio.sleep(0.001)

    def close(self, *, reset: bool = False) -> None:
        """End the connection from our side, with FIN or with RST."""
        self.ours = True
        if reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


def _unacknowledged(raw: Any) -> int:
    """Bytes that were sent on this socket and not acknowledged yet (tcp(7), ``SIOCOUTQ``)."""
    found = array.array("i", [0])
    fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, found)
    return found[0]


class Exchange:
    """What a script works with: the request, and the connection on which to answer."""

    def __init__(self, request: Received, link: Link) -> None:
        self.request, self.link = request, link

    async def send(self, data: bytes) -> None:
        """Raw bytes, handed to the kernel on return. Raises ``PeerGone``."""
        await self.link.send(data)

    async def chunk(self, data: bytes) -> None:
        """One HTTP chunk; ``b""`` is the last one."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def left(self) -> None:
        """Wait until the other side closes, for ever if need be."""
        while True:
            await self.link.more()

    def close(self) -> None:
        """FIN."""
        self.link.close()

    def reset(self) -> None:
        """RST (SO_LINGER 0): what is still on its way may be lost."""
        self.link.close(reset=True)


class Peer:
    """``async with Peer(script) as peer``: listens on a free port of loopback, plain or with a TLS context.

    With ``read_body=False`` the script begins after the head, and no more is read from the socket.
    """

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        read_body: bool = True,
        at: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.script, self.tls, self._read_body = script, tls, read_body
        self._at = at
        self.requests: list[Received] = []
        self.links: list[Link] = []
        self.errors: list[Exception] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Link(self), *self._at, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://{self._at[0]}:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for link in self.links:
            link.ours = True
            link.transport.abort()
            link.task.cancel()
        await asyncio.gather(*(link.task for link in self.links), return_exceptions=True)
        await self._server.wait_closed()
        if self.errors and error is None:
            raise self.errors[0]

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self.links)

    async def received(self, n: int = 1, deadline: float = 5.0) -> Received:
        """Wait for the ``n``-th request; it."""
        await wait_until(lambda: len(self.requests) >= n, deadline)
        return self.requests[n - 1]

    async def closed_by_client(self, n: int = 1, deadline: float = 5.0) -> float:
        """Wait until the other side has closed ``n`` connections; the monotonic time of the ``n``-th close."""
        await wait_until(lambda: len(self._closings()) >= n, deadline)
        return self._closings()[n - 1]

    def _closings(self) -> list[float]:
        return sorted(link.closed_at for link in self.links if link.closed_at is not None)

    async def _serve(self, link: Link) -> None:
        """Requests one after the other, until somebody closes."""
        try:
            while not link.ours:
                await self.script(Exchange(await self._next(link), link))
        except PeerGone:
            link.transport.close()
        except Exception as error:  # noqa: BLE001 (a script's failure belongs to the test)
            self.errors.append(error)
            link.transport.abort()

    async def _next(self, link: Link) -> Received:
        """Read one request (only its head, if so told) and record it."""
        while (end := link.buffer.find(b"\r\n\r\n")) < 0:
            await link.more()
        head = bytes(link.buffer[: end + 4])
        del link.buffer[: end + 4]
        method, path, headers = parse_head(head)
        request = Received(method, path, headers, link.number, raw=head)
        if self._read_body:
            if (request.header("Expect") or "").lower() == "100-continue":
                await link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            raw, request.body = await read_body(headers, link.buffer, link.more)
            request.raw += raw
        else:
            link.transport.pause_reading()
        self.requests.append(request)
        return request
