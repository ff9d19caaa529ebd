"""A peer one level below ``peer``: its script begins when a connection is accepted, not when a request was read.

For what happens outside of a request: a server that closes, or speaks, before it was asked, a proxy, a listener that
never accepts. The n-th connection gets the n-th script, later ones the last. A script that raises fails the test.
``both_loops`` is a fixture
function that runs the tests of a module on asyncio and on uvloop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from llm_proxy.upstreams.http_client import PooledHTTPClient
from tests.support.loops import wait_until

Script = Callable[["Wire"], Awaitable[None]]

TLS_FILES = Path(__file__).resolve().parent.parent / "data" / "tls"
CA = str(TLS_FILES / "ca.pem")


def both_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """``_loops = pytest.fixture(params=LOOPS, autouse=True)(both_loops)`` in a module: ``io_loop`` is each in turn."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for this platform")
        monkeypatch.setattr(asyncio, "new_event_loop", uvloop.new_event_loop)


LOOPS = ("asyncio", "uvloop")


class Client(PooledHTTPClient):
    """``async with Client(...) as http``: a client of the test's own, checked for leftovers when it is left."""

    def __new__(cls, **kwargs: object) -> Client:
        found = super().__new__(cls, force_instance=True, **kwargs)
        assert isinstance(found, cls)
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            assert (self.pool.taken, self.pool.waiting, self.pool.idle) == (0, 0, 0)


def server_tls(name: str = "good", client_ca: str | None = None) -> ssl.SSLContext:
    """A server's context with one of the certificates in ``tests/data/tls``; with ``client_ca`` it wants the client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILES / f"{name}.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


class Gone(ConnectionError):
    """The client has left while the script wanted more of it: the script ends, which is no fault of its own."""


class Wire:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        #: Set when a script that waits in ``head``, ``send`` or ``closed`` has seen the end.
        self.ended = asyncio.Event()

    async def head(self) -> bytes:
        """Bytes up to and including the next empty line. Raises ``Gone``."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.ended.set()
            raise Gone from error

    async def send(self, data: bytes) -> None:
        """Write; returns when the kernel has taken most of it. Raises ``Gone``."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as error:  # the latter is uvloop's word for a closed transport
            self.ended.set()
            raise Gone from error

    async def exchange(self, data: bytes) -> bytes:
        """Read a request's head, answer with ``data``; the head."""
        head = await self.head()
        await self.send(data)
        return head

    def close(self) -> None:
        """FIN."""
        self.writer.close()

    def reset(self) -> None:
        """RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> bytes:
        """Read until the other side ends the connection, one way or the other; what still came."""
        rest = b""
        with suppress(ConnectionError):
            while data := await self.reader.read(65536):
                rest += data
        self.ended.set()
        return rest


class RawPeer:
    """``async with RawPeer(script, ...) as peer``: listens on ``host`` (loopback), plain or with a TLS context."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._scripts = scripts
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self.wires: list[Wire] = []
        self.errors: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, self._host, 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http{'s' if self._tls else ''}://{host}:{self.port}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in self.wires:
            wire.writer.transport.abort()
            with suppress(OSError):
                await wire.writer.wait_closed()
        await self._server.wait_closed()
        if self.errors and error is None:
            raise self.errors[0]

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self.wires)

    async def left(self, number: int = 0) -> None:
        """Wait until the client has ended the connection; its script must be one that waits for that."""
        await wait_until(lambda: len(self.wires) > number)
        await asyncio.wait_for(self.wires[number].ended.wait(), 5)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        number = len(self.wires)
        self.wires.append(wire)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._scripts[min(number, len(self._scripts) - 1)](wire)
        except (asyncio.CancelledError, Gone):
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 - a script's failure belongs to the test
            self.errors.append(error)
            writer.transport.abort()


def answers(*pieces: bytes) -> Script:
    """Answer the n-th request of the connection with the n-th piece; after the last, wait until the client leaves."""

    async def script(wire: Wire) -> None:
        for piece in pieces:
            await wire.exchange(piece)
        await wire.closed()

    return script


def ok(body: bytes = b"ok", *fields: bytes) -> bytes:
    """A whole answer with a length."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
