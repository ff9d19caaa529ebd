"""The outgoing half of a request whose body is large or made while it is sent.

Laws: at most one slice more than the transport's own buffer waits in memory; nothing is written while the transport
says that its peer is not reading; ``done`` is true only when the whole request was handed over. Small bodies do not
come here: they leave together with the head in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tornado.escape import utf8
from tornado.httputil import HTTPOutputError

#: Larger bodies are sent in slices of this size, as the peer takes them.
SLICE = 256 * 1024


class Sender(Protocol):
    """What a connection knows about a body on its way out."""

    done: bool

    def start(self, transport: asyncio.Transport) -> None:
        """Begin: the head is written."""

    def pause(self) -> None:
        """The peer does not read."""

    def resume(self) -> None:
        """The peer reads again."""

    def stop(self) -> None:
        """Send nothing more: the connection is gone, or the answer makes the rest pointless."""


class BytesSender:
    """Sends one large ``bytes`` body."""

    __slots__ = ("_at", "_body", "_paused", "_transport", "done")

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._at = 0
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self.done = False

    def start(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._pump()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._pump()

    def stop(self) -> None:
        self._transport = None

    def _pump(self) -> None:
        # A write may pause us before it returns. A failing one marks the transport as closing and reports later;
        # writing on would make asyncio log a warning for each further slice.
        while (transport := self._transport) is not None and not self._paused and not self.done:
            if transport.is_closing():
                return
            until = self._at + SLICE
            transport.write(self._body[self._at : until])
            self._at = until
            self.done = until >= len(self._body)
            if self.done:
                self._body = memoryview(b"")


class ProducerSender:
    """Runs Tornado's ``body_producer(write)``: each write is one chunk, unless the head declared ``length``."""

    def __init__(
        self,
        producer: Callable[[Callable[[bytes], Awaitable[None]]], Any],
        length: int | None,
        failed: Callable[[Exception], None],
    ) -> None:
        self._producer = producer
        self._left = length
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.done = False

    def start(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._task = asyncio.get_running_loop().create_task(self._run())

    def pause(self) -> None:
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def stop(self) -> None:
        self._transport = None
        self.resume()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            made = self._producer(self._write)
            if made is not None:
                await made
            if self._left:
                raise HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
            if self._transport is not None and not self._transport.is_closing():
                if self._left is None:
                    self._transport.write(b"0\r\n\r\n")
                self.done = True
        except Exception as error:  # noqa: BLE001 - the producer is the caller's code: its error is the fetch's
            self._failed(error)

    def _write(self, data: bytes | str) -> asyncio.Future[None]:
        """Send ``data``; resolves when the peer has room for more. Raises ``HTTPOutputError`` above the length."""
        data = utf8(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise HTTPOutputError("Tried to write more data than Content-Length")
        elif data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        if self._room is not None:
            return self._room
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done
