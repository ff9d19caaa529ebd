"""One socket to the first of several addresses that answers (RFC 8305), and where to look when none does.

Laws: the next address is tried when one fails or says nothing for a moment; what lost the race is closed. When all have
failed, or nothing has answered for a while, ``again`` is asked once for addresses that were not known before: a
name may mean another machine by now, and the old one may swallow what is sent to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from llm_proxy.net.resolver import Address

#: Seconds before the next address is tried beside the present one (RFC 8305, section 5).
STAGGER = 0.25
#: Seconds without an answer after which other addresses are asked for.
DOUBT = 1.0

Again = Callable[[], Awaitable[Sequence[Address]]]


async def connect_any(
    addresses: Sequence[Address], port: int, source: str | None, again: Again | None = None
) -> socket.socket:
    """A connected socket. Raises the last ``OSError``."""
    if len(addresses) == 1 and again is None:
        return await connect_to(addresses[0], port, source)
    race = _Race(addresses, port, source, again)
    try:
        return await race.run()
    finally:
        race.end()


class _Race:
    """The attempts to connect, and the question for other addresses."""

    def __init__(
        self, addresses: Sequence[Address], port: int, source: str | None, again: Again | None
    ) -> None:
        self._left = list(reversed(addresses))
        self._port = port
        self._source = source
        self._again = again
        self._running: set[asyncio.Task[socket.socket]] = set()
        self._asking: asyncio.Task[Sequence[Address]] | None = None

    async def run(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        failure: BaseException | None = None
        while True:
            if self._left:
                attempt = connect_to(self._left.pop(), self._port, self._source)
                self._running.add(loop.create_task(attempt))
            elif not self._running and self._asking is None and not self._ask():
                assert failure is not None
                raise failure
            waiting: set[asyncio.Task[object]] = {*self._running}
            if self._asking is not None:
                waiting.add(self._asking)
            patience = STAGGER if self._left else DOUBT if self._again is not None else None
            done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done and not self._left:
                self._ask()
            if self._asking is not None and self._asking.done():
                self._left = list(reversed(self._asking.result()))
                self._asking = None
            won = None
            for task in [task for task in self._running if task.done()]:
                if (failed := task.exception()) is not None:
                    self._running.discard(task)
                    failure = failed
                elif won is None:
                    self._running.discard(task)
                    won = task.result()
            if won is not None:
                return won

    def _ask(self) -> bool:
        """Begin to ask for other addresses, once; False if that was done already or cannot be."""
        again, self._again = self._again, None
        if again is None:
            return False
        self._asking = asyncio.ensure_future(again())
        return True

    def end(self) -> None:
        """Nothing goes on after this."""
        for task in self._running:
            task.add_done_callback(_discard)
            task.cancel()
        if self._asking is not None:
            self._asking.cancel()


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that lost the race."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def connect_to(address: Address, port: int, source: str | None) -> socket.socket:
    """A socket connected to ``address``. Raises ``OSError``."""
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


async def connect_unix(path: str) -> socket.socket:
    """A socket connected to the server that listens on ``path``. Raises ``OSError``."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this platform has no Unix sockets")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, path)
    except BaseException:
        sock.close()
        raise
    return sock
