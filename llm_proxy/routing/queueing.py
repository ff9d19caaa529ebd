"""Who waits for an upstream of a model, and who is served first.

Laws: classes first (``interactive``, ``default``, ``bulk``), then keys in turn, then who came first; who has waited for half of
the wait rises by one class, so that nobody starves. The queue is bounded. It wakes nobody and knows no clock: who may be
served is asked for, and leaves.
"""

from __future__ import annotations

import math
from typing import Literal

Priority = Literal["interactive", "default", "bulk"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "default", "bulk")

#: How much the newest departure counts for the usual time between two.
_NEWEST = 0.2
#: What is said to those whom the queue has no room for, in seconds.
_SOONEST, _LATEST = 1, 60


class Ticket:
    """One request that waits. ``wake`` is whoever waits; ``place`` is its class now."""

    __slots__ = ("key", "place", "since", "until", "wake")

    def __init__(self, key: str, priority: Priority, since: float, wait: float, wake: object = None) -> None:
        self.key = key
        self.place = PRIORITIES.index(priority)
        self.since = since
        self.until = since + wait
        self.wake = wake


class Queue:
    """Of one public name. Keys take turns: the one that was served goes to the end of its class."""

    __slots__ = ("_classes", "_interval", "_last", "_tickets")

    def __init__(self) -> None:
        #: For each class, the tickets of each key, in the order in which they came.
        self._classes: tuple[dict[str, dict[Ticket, None]], ...] = ({}, {}, {})
        #: All tickets, oldest first in each class.
        self._tickets: tuple[dict[Ticket, None], ...] = ({}, {}, {})
        self._last = -math.inf
        self._interval = 1.0

    def __len__(self) -> int:
        return sum(map(len, self._tickets))

    def enter(self, ticket: Ticket, size: int) -> bool:
        """Wait, unless ``size`` wait already."""
        if len(self) >= size:
            return False
        self._add(ticket)
        return True

    def first(self, now: float, skip: frozenset[Ticket] = frozenset()) -> Ticket | None:
        """Whose turn it is, leaving out those that nothing can be done for."""
        self._promote(now)
        for keys in self._classes:
            for tickets in keys.values():
                for ticket in tickets:
                    if ticket not in skip:
                        return ticket
        return None

    def leave(self, ticket: Ticket, now: float, *, served: bool = False) -> None:
        """It waits no more; nothing happens if it does not wait. ``served``: it was its turn."""
        if ticket not in self._tickets[ticket.place]:
            return
        keys = self._classes[ticket.place]
        self._remove(ticket)
        if served:
            if ticket.key in keys:  # its others wait until all keys had their turn
                keys[ticket.key] = keys.pop(ticket.key)
            if self._last > -math.inf:
                self._interval += _NEWEST * (min(now - self._last, float(_LATEST)) - self._interval)
            self._last = now

    def retry_after(self, now: float) -> str:
        """When there may be room again, in whole seconds: as long as the queue has lately taken to be served."""
        idle = 0.0 if self._last == -math.inf else max(0.0, now - self._last)
        interval = max(self._interval, min(idle, float(_LATEST)) if len(self) else 0.0)
        return str(max(_SOONEST, min(_LATEST, math.ceil(interval * len(self)))))

    def _promote(self, now: float) -> None:
        for place in (1, 2):
            while self._tickets[place]:
                oldest = next(iter(self._tickets[place]))
                if now < (oldest.since + oldest.until) / 2:
                    break
                self._remove(oldest)
                oldest.place = place - 1
                self._add(oldest)

    def _add(self, ticket: Ticket) -> None:
        self._tickets[ticket.place][ticket] = None
        self._classes[ticket.place].setdefault(ticket.key, {})[ticket] = None

    def _remove(self, ticket: Ticket) -> None:
        del self._tickets[ticket.place][ticket]
        keys = self._classes[ticket.place]
        del keys[ticket.key][ticket]
        if not keys[ticket.key]:
            del keys[ticket.key]
