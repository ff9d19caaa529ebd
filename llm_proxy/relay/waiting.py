"""Waiting that ends at once: one task sleeps until a time, until somebody wakes it, or until its client leaves.

Laws: no task and no timer outlives the wait; whoever leaves is told so at the next step too, so that a wait that ended in the
same moment is not taken for a go.
"""

from __future__ import annotations

import asyncio

from llm_proxy.errors import GatewayError


class Waiting:
    """The waits of one request, one at a time."""

    __slots__ = ("_future", "_loop", "left", "wakes")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[bool] | None = None
        #: How often it was woken: also while it did not sleep, but did something else for a moment.
        self.wakes = 0
        #: Why nobody waits any more.
        self.left: GatewayError | None = None

    def check(self) -> None:
        """Raises the reason for which the request was given up, if it was."""
        if self.left is not None:
            raise self.left

    async def until(self, when: float) -> bool:
        """Sleep until ``when`` (loop time). Whether it was woken before. Raises as ``check`` does."""
        self.check()
        future = self._future = self._loop.create_future()
        timer = self._loop.call_at(when, self._wake_up, future, False)
        try:
            woken: bool = await future
        finally:
            timer.cancel()
            self._future = None
        self.check()
        return woken

    def wake(self) -> None:
        """Something has changed that the sleeper should look at."""
        self.wakes += 1
        if self._future is not None:
            self._wake_up(self._future, True)

    def leave(self, reason: GatewayError) -> None:
        """Nobody waits for the outcome any more."""
        if self.left is None:
            self.left = reason
            self.wake()

    @staticmethod
    def _wake_up(future: asyncio.Future[bool], woken: bool) -> None:
        if not future.done():
            future.set_result(woken)
