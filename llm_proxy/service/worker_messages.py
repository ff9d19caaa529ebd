"""Questions of one worker process to the others, and their answers.

Laws: a socket for each worker, made before the fork; a worker that is replaced takes its predecessor's over. Nobody waits for
one that does not answer longer than was said; a question or an answer that finds no room is tried again for a moment, then lost.
What is large goes in memory of its own, handed over as a descriptor. Nothing is sent unless somebody asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import socket
from collections.abc import Callable
from itertools import count
from typing import Any

from llm_proxy.console.console import Answerer

log = logging.getLogger(__name__)

#: What a datagram holds at most; a larger message is put beside it.
_INLINE = 16 * 1024
_READ = 64 * 1024
#: Datagrams that are read in one turn of the loop.
_TURN = 64
#: How often a message is tried again, and the pause between, in seconds: a queue is short (``net.unix.max_dgram_qlen``).
_TRIES, _PAUSE = 100, 0.005


class Mailboxes:
    """Made before the fork: what arrives for a row at its first socket was sent by its second."""

    def __init__(self, rows: int) -> None:
        self.pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(rows)]
        for pair in self.pairs:
            for end in pair:
                end.setblocking(False)

    def close(self) -> None:
        """Let go of all of them."""
        for pair in self.pairs:
            for end in pair:
                end.close()


class WorkerMessages:
    """One worker's. ``up``: whether there is a worker in that row."""

    def __init__(self, boxes: Mailboxes, row: int, up: Callable[[int], bool]) -> None:
        self._boxes, self._row, self._up = boxes, row, up
        self.answers: dict[str, Answerer] = {}
        self._numbers = count(1)
        #: By the number of a question: those that have not answered yet, what was answered, and who waits.
        self._open: dict[int, tuple[set[int], list[Any], asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to answer. What was sent to the predecessor is nobody's any more."""
        self._loop = asyncio.get_running_loop()
        mine = self._boxes.pairs[self._row][0]
        with contextlib.suppress(OSError):
            while True:
                _, descriptors, _, _ = socket.recv_fds(mine, _READ, 1)
                for descriptor in descriptors:
                    os.close(descriptor)
        self._loop.add_reader(mine, self._read)

    def stop(self) -> None:
        """Answer no more."""
        if self._loop is not None:
            self._loop.remove_reader(self._boxes.pairs[self._row][0])
        for task in self._tasks:
            task.cancel()

    async def ask(self, name: str, given: Any = None, seconds: float = 1.0) -> list[Any]:
        """What the others answer to ``name`` within ``seconds``."""
        others = {row for row in range(len(self._boxes.pairs)) if row != self._row and self._up(row)}
        if not others or self._loop is None:
            return []
        number, done = next(self._numbers), self._loop.create_future()
        found: list[Any] = []
        self._open[number] = others, found, done
        message = json.dumps({"from": self._row, "number": number, "ask": name, "with": given}).encode()
        try:
            for row in tuple(others):
                self._send(row, message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await done
        finally:
            del self._open[number]
        return found

    def _send(self, row: int, message: bytes, tries: int = _TRIES) -> None:
        try:
            _put(self._boxes.pairs[row][1], message)
        except BlockingIOError:
            if tries and self._loop is not None:
                self._loop.call_later(_PAUSE, self._send, row, message, tries - 1)
        except OSError as error:
            log.warning("a message to another worker was lost", extra={"problem": error.strerror})

    def _read(self) -> None:
        mine = self._boxes.pairs[self._row][0]
        for _ in range(_TURN):
            try:
                data, descriptors, _, _ = socket.recv_fds(mine, _READ, 1)
            except OSError:
                return
            for descriptor in descriptors:
                data = _taken(descriptor)
            message = json.loads(data)
            if "ask" in message:
                self._answer(message)
            else:
                self._answered(message)

    def _answered(self, message: dict[str, Any]) -> None:
        waiting = self._open.get(message["number"])
        if waiting is None or message["from"] not in waiting[0]:
            return  # too late
        others, found, done = waiting
        others.discard(message["from"])
        if message["ok"]:
            found.append(message["answer"])
        if not others and not done.done():
            done.set_result(None)

    def _answer(self, message: dict[str, Any]) -> None:
        answerer = self.answers.get(message["ask"])
        if answerer is None:
            self._reply(message, None, ok=False)
            return
        try:
            found = answerer(message["with"])
        except Exception:
            log.exception("a question of another worker could not be answered")
            self._reply(message, None, ok=False)
            return
        if not inspect.isawaitable(found):
            self._reply(message, found)
            return
        assert self._loop is not None
        task = self._loop.create_task(self._reply_later(message, found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply_later(self, message: dict[str, Any], found: Any) -> None:
        try:
            self._reply(message, await found)
        except Exception:
            log.exception("a question of another worker could not be answered")
            self._reply(message, None, ok=False)

    def _reply(self, message: dict[str, Any], answer: Any, *, ok: bool = True) -> None:
        reply = {"from": self._row, "number": message["number"], "ok": ok, "answer": answer}
        self._send(message["from"], json.dumps(reply).encode())


def _put(box: socket.socket, message: bytes) -> None:
    """Raises ``OSError``, if there is no room ``BlockingIOError``."""
    if len(message) <= _INLINE:
        box.send(message)
        return
    descriptor = os.memfd_create("llm-proxy-message")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(message)
        socket.send_fds(box, [b"+"], [descriptor])
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bytes:
    """All that is in there; it is closed."""
    try:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)
