"""Two limits of one request, the present step and the whole, on one timer.

Laws: a timer is made only when there is a limit; one that fires too early, because its limit was moved away, arms
itself again instead of having been cancelled and made anew at each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Runs from its making on. ``total``: seconds for the whole (0: no limit). ``expired`` is called once, with True
    when it was the step that took too long."""

    __slots__ = ("_expired", "_loop", "_step", "_timer", "_total")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, total: float, expired: Callable[[bool], None]
    ) -> None:
        self._loop = loop
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None
        self._total = loop.time() + total if total else inf
        self._step = inf
        if total:
            self._arm()

    def step(self, seconds: float) -> None:
        """A new step begins, with so many seconds (0: no limit)."""
        if seconds:
            self._step = self._loop.time() + seconds
            self._arm()
        else:
            self._step = inf
            if self._total == inf:
                self._disarm()

    def stop(self) -> None:
        """All is over: nothing will be called."""
        self._expired = _never
        self._disarm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        until = min(self._step, self._total)
        if until == inf:
            return
        if self._timer is not None:
            if self._timer.when() <= until:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._loop.time()
        if now < min(self._step, self._total):
            self._arm()
        else:
            self._expired(now >= self._step)


def _never(step: bool) -> None:
    """In place of the owner's method, which would keep the owner alive until a garbage collection."""
