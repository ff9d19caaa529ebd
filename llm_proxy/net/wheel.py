"""One timer for all who wait for something that hardly ever comes: a limit that is far away.

Laws: whoever has joined is asked once a second whether his moment is near, and takes a timer of his own then, so that no limit
is kept less exactly than by a timer alone; a wheel in which nobody is left stands still. To join and to leave costs a look-up: a
timer of the loop's costs as much as a tenth of a request's way to its upstream.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

#: Seconds between two turns. Who joins has at least ``NEAR`` seconds left.
_TURN = 1.0
NEAR = 2.0


class Rider(Protocol):
    """Somebody who waits."""

    def on_turn(self, now: float) -> bool:
        """Whether the moment is further away than ``NEAR`` from ``now`` (loop time); else it has a timer of its own from now
        on, and has left."""


class Wheel:
    """Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._riders: set[Rider] = set()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, rider: Rider) -> None:
        """``rider`` is asked from now on, until he leaves."""
        self._riders.add(rider)
        if self._timer is None:
            self._timer = self._loop.call_later(_TURN, self._turn)

    def leave(self, rider: Rider) -> None:
        """``rider`` is asked no more."""
        self._riders.discard(rider)

    def stop(self) -> None:
        """Nobody is asked any more."""
        self._riders.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        gone = [rider for rider in self._riders if not rider.on_turn(now)]
        self._riders.difference_update(gone)
        if self._riders:
            self._timer = self._loop.call_later(_TURN, self._turn)
