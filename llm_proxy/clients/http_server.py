"""The listening sockets, and the connections that come out of them.

Laws: connections are capped below half of the descriptors, since each may need an upstream socket; when descriptors
run out all the same, accepting pauses instead of spinning; only so many connections are accepted at a time, so that other
processes on the same socket get their share. What is said on a connection is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tornado.concurrent import Future

from llm_proxy.clients.connection import Application, ClientConnection
from llm_proxy.clients.handshakes import Handshakes
from llm_proxy.clients.turns import Turns
from llm_proxy.net.wheel import Wheel

log = logging.getLogger(__name__)

#: Connections accepted in one turn of the loop: by a process that is alone, and by one of several on the same socket
#: (nginx takes one, ``multi_accept`` off; but with a thousand busy streams a turn takes 20 ms, and whoever takes few
#: lets the others wait for seconds).
ALONE, SHARED = 64, 8
#: After a failed accept (no descriptor, no memory) nothing is accepted for so long, in seconds, and the log is told
#: at most so often.
_PAUSE, _TELL = 0.1, 1.0
#: The log hears of clients that speak TLS at most so often, in seconds: a wrong URL is tried again and again.
_TELL_TLS = 60.0

_BUSY_BODY = (
    b'{"error":{"message":"too many connections","type":"server_error","code":"no_upstream","param":null}}'
)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BUSY_BODY), _BUSY_BODY)
)


#: Below this an idle process has hardly a descriptor left: watcher, log, listening sockets, demo, the loop's own.
LEAST_DESCRIPTORS = 24


class StartError(RuntimeError):
    """The process cannot start; the text is one line for the operator, the exit status is 1."""


def check_descriptors() -> None:
    """Raises ``StartError`` if this process may open so few files that it could not serve."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < LEAST_DESCRIPTORS:
        raise StartError(
            f"{hard} open files are too few, {LEAST_DESCRIPTORS} are needed: raise ulimit -n (LimitNOFILE)"
        )


def connection_cap(wanted: int) -> int:
    """``wanted`` client connections, but below half of the descriptors. The soft limit is raised to the hard one
    first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft = target
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(1, soft // 2 - 16))


class Acceptor:
    """Accepts from one socket on the running loop, until ``close()``.

    Tornado's own loop is called again at once when ``accept`` fails for want of descriptors: 100 % of a core and a
    traceback for each turn.
    """

    def __init__(
        self, listening: socket.socket, take: Callable[[socket.socket, Any], None], at_once: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._take = take
        self._at_once = at_once
        self._paused: asyncio.TimerHandle | None = None
        self._told = float("-inf")
        self._failures = 0
        self._resume()

    def close(self) -> None:
        """Accept no more, and close the socket."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(self._at_once):
            try:
                connection, address = self._socket.accept()
            except BlockingIOError:  # no more, or another process was faster
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause(error)
                return
            self._take(connection, address)

    def _pause(self, error: OSError) -> None:
        self._loop.remove_reader(self._socket)
        self._paused = self._loop.call_later(_PAUSE, self._resume)
        self._failures += 1
        if self._loop.time() - self._told >= _TELL:
            log.error("cannot accept connections", extra={"problem": error.strerror, "times": self._failures})
            self._told, self._failures = self._loop.time(), 0


class Server:
    """The connections of a process, whatever is served on them: capped, counted, and ended together.

    ``header_timeout``, ``keepalive_timeout``, ``write_timeout``: see ``connection.Owner``. ``at_once``: connections
    accepted in one turn of the loop. ``tls``: gives the context for a new connection to a port (Unix sockets are plain);
    None: there is no TLS.
    """

    def __init__(
        self,
        *,
        limit: int = 10_000,
        header_timeout: float = 10.0,
        keepalive_timeout: float = 75.0,
        write_timeout: float = 60.0,
        at_once: int = ALONE,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self.limit = limit
        self._handshakes = None if tls is None else Handshakes(tls, header_timeout)
        self._at_once = at_once
        self.header_timeout = header_timeout
        self.keepalive_timeout = keepalive_timeout
        self.write_timeout = write_timeout
        self.keep_alive, self.retired = True, False
        self.turns = Turns()
        #: Connections, those included that are about to begin.
        self.open = 0
        #: When the log was last told of clients that speak TLS, and how many have come since.
        self._told_tls, self._tls_clients = float("-inf"), 0
        self._acceptors: list[Acceptor] = []
        self._connections: set[ClientConnection] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        self._wheel: Wheel | None = None

    def add_sockets(self, sockets: Iterable[socket.socket], application: Application) -> None:
        """Accept from ``sockets``, for ``application``. Call on the running loop."""
        loop = asyncio.get_running_loop()
        self.done: Future[None] = loop.create_future()
        self.done.set_result(None)
        self._wheel = self._wheel or Wheel(loop)
        take = partial(self._take, application)
        self._acceptors += [Acceptor(listening, take, self._at_once) for listening in sockets]

    @property
    def wheel(self) -> Wheel:
        """See ``connection.Owner``."""
        assert self._wheel is not None
        return self._wheel

    @property
    def busy(self) -> bool:
        """Whether any request is between the end of its head and the end of its answer."""
        return any(connection.busy for connection in self._connections)

    @property
    def accepting(self) -> bool:
        """Whether there may be new connections."""
        return bool(self._acceptors)

    def part(self) -> None:
        """From now on each connection is closed after its next answer that is no stream, which says so."""
        self.keep_alive = False

    def retire(self) -> None:
        """The same, but with streams too, and accept no more."""
        self.part()
        self.retired = True
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()

    async def close_all_connections(self) -> None:
        """Close every connection at once, and return when their handlers know."""
        await asyncio.sleep(0)  # a task that is cancelled before it begins would not count its connection out
        for task in self._beginning:
            task.cancel()
        while self.open:
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)
        if self._wheel is not None:
            self._wheel.stop()

    def remember(self, connection: ClientConnection) -> None:
        """``connection`` has begun (``connection.Owner``)."""
        self._connections.add(connection)

    def forget(self, connection: ClientConnection) -> None:
        """``connection`` is no more (``connection.Owner``)."""
        self._connections.discard(connection)
        self.open -= 1

    def met_tls(self) -> None:
        """Tell the log, once a while (``connection.Owner``)."""
        now = asyncio.get_running_loop().time()
        self._tls_clients += 1
        if now - self._told_tls >= _TELL_TLS:
            log.warning("a client speaks TLS to a port without it", extra={"times": self._tls_clients})
            self._told_tls, self._tls_clients = now, 0

    def _take(self, application: Application, client: socket.socket, address: object) -> None:
        if self.open >= self.limit:
            with client, contextlib.suppress(OSError):
                client.setblocking(False)
                client.send(_BUSY)
            return
        self.open += 1
        task = asyncio.get_running_loop().create_task(
            self._begin(client, ClientConnection(self, application, address))
        )
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, client: socket.socket, connection: ClientConnection) -> None:
        try:
            if client.family != socket.AF_UNIX:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a lone token must not wait
                if self._handshakes is not None:
                    await self._handshakes.begin(client, connection)
                    return
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)
        except OSError:
            return  # the client has left already
        finally:
            if not connection.begun:
                client.close()
                self.open -= 1
