"""Whose turn it is, of the connections that have sent more than is their due: requests ahead of the answers, or bodies in tiny
chunks. All of them together get a part of each turn of the event loop, however many they are, so that who asks for
one thing waits for a few of them, and not for all.

Laws: first come, first served; one is served in each turn at least. Made for one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

#: How many are served in a turn of the loop, and for how long (seconds). A request may take a millisecond in the next turn.
_MANY = 8
_LONG = 0.002


class Turns:
    """``wait`` for one."""

    __slots__ = ("_due", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = False

    def wait(self, loop: asyncio.AbstractEventLoop, serve: Callable[[], None]) -> None:
        """Call ``serve`` in its turn, which is not this one."""
        self._waiting.append(serve)
        if not self._due:
            self._due = True
            loop.call_soon(self._serve, loop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        began, waiting = perf_counter(), self._waiting
        for _ in range(min(_MANY, len(waiting))):
            waiting.popleft()()
            if perf_counter() - began > _LONG:
                break
        self._due = bool(waiting)
        if waiting:
            loop.call_soon(self._serve, loop)
