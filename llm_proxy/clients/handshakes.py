"""TLS begun with a client that was just accepted.

Laws: a handshake ends within its time; only so many are under way at once, and one that dawdles gives way when others
wait, so that clients who never finish keep nobody out; before its first byte a client costs a socket and no more. Who
speaks plain HTTP is told so, as nginx does.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Handshakes under way at once (each holds some 50 KiB), and after how many seconds one gives way to others.
_AT_ONCE, _FAIR = 256, 1.0
#: A client that was told to go may read that for so long, in seconds; as long its last words are awaited at the end.
_LINGER = 2.0
#: The log hears of failed handshakes at most so often, in seconds: anybody can make them fail.
_TELL = 1.0

_BODY = (
    b'{"error":{"message":"a plain HTTP request was sent to an HTTPS port; use https://",'
    b'"type":"invalid_request_error","code":"bad_request","param":null}}'
)
_PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Handshakes:
    """``context`` gives the TLS context for a new connection; ``timeout``: seconds for its first byte and its handshake."""

    def __init__(
        self, context: Callable[[], ssl.SSLContext], timeout: float, at_once: int = _AT_ONCE
    ) -> None:
        self._context = context
        self._timeout = timeout
        self._slots = asyncio.Semaphore(at_once)
        #: Those under way, the oldest first, with the time of their beginning.
        self._running: dict[asyncio.Task[None], float] = {}
        self._told, self._failures = float("-inf"), 0

    async def begin(self, client: socket.socket, connection: asyncio.Protocol) -> None:
        """Have ``connection`` made over TLS, in a task of its own. Raises ``OSError`` if there is none, or no HTTPS."""
        client.setblocking(False)
        async with asyncio.timeout(self._timeout):
            first = await _first_byte(client)
            if first.isalpha() or first in b"\r\n":  # also for none: the client has left
                await _refuse(client, first)
                return
            await self._slot()
            try:
                await self._shake(client, connection)
            except ssl.SSLError as error:
                self._tell(error)
                raise
            finally:
                self._slots.release()

    async def _shake(self, client: socket.socket, connection: asyncio.Protocol) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._running[task] = loop.time()
        try:
            await loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._context(),
                ssl_handshake_timeout=self._timeout,
                ssl_shutdown_timeout=_LINGER,
            )
        finally:
            self._running.pop(task, None)

    async def _slot(self) -> None:
        """Wait for a turn; who has had his time makes room."""
        loop = asyncio.get_running_loop()
        while self._slots.locked():
            oldest = next(iter(self._running), None)
            due = self._running[oldest] + _FAIR if oldest is not None else loop.time() + _FAIR
            try:
                async with asyncio.timeout_at(due):
                    await self._slots.acquire()
                return
            except TimeoutError:
                if oldest is not None and self._running.pop(oldest, None) is not None:
                    oldest.cancel()
                    await asyncio.sleep(0)
        await self._slots.acquire()

    def _tell(self, error: ssl.SSLError) -> None:
        now = asyncio.get_running_loop().time()
        self._failures += 1
        if now - self._told >= _TELL:
            problem = (error.reason or "malformed").replace("_", " ").lower()
            log.info("TLS handshakes fail", extra={"problem": problem[:100], "times": self._failures})
            self._told, self._failures = now, 0


async def _first_byte(client: socket.socket) -> bytes:
    """The first byte, which stays unread; empty if the client has left."""
    loop = asyncio.get_running_loop()
    try:
        return client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        pass
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(client, _note, came)
    try:
        await came
    finally:
        loop.remove_reader(client)
    return client.recv(1, socket.MSG_PEEK)


def _note(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)


async def _refuse(client: socket.socket, first: bytes) -> None:
    """Tell a client that speaks plain HTTP, and give it the time to read that."""
    if not first:
        return
    loop = asyncio.get_running_loop()
    client.send(_PLAIN)
    client.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(_LINGER):
        while await loop.sock_recv(client, 65_536):
            pass
