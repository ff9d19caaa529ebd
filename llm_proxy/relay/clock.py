"""The limits of one exchange in time: when it must have made its next step, and which limit it breaks otherwise.

Laws: ``first_byte`` and ``idle`` are about events, which whoever reads the answer reports; ``connect`` is the transport's own to
watch. Nothing here sleeps.
"""

from __future__ import annotations

from math import inf

from llm_proxy.errors import UpstreamTimeout
from llm_proxy.relay.upstream import Exchange
from llm_proxy.wire.calls import Timeouts

#: Seconds until somebody looks again who has no limit.
_LONG = 3600.0


class Clock:
    """When an exchange must have made its next step, and which limit it breaks otherwise.

    ``unset``: the limit for the whole if the configuration sets none. What is relayed as it comes has none then: as long
    as it progresses, ``idle`` guards it.
    """

    __slots__ = ("_exchange", "_limits", "_loop", "_total", "last_event")

    def __init__(self, exchange: Exchange, limits: Timeouts, unset: float = inf) -> None:
        self._exchange = exchange
        self._limits = limits
        self._total = unset if limits.total is None else limits.total
        self._loop = exchange.loop
        #: Loop time of the newest event; None until there was one.
        self.last_event: float | None = None

    def deadline(self) -> float:
        """The nearest limit, as a loop time."""
        total = self._exchange.started_at + self._total
        if self.last_event is not None:
            return min(total, self.last_event + self._limits.idle)
        if self._exchange.connected_at is not None:
            return min(total, self._exchange.connected_at + self._limits.first_byte)
        # The transport watches ``connect``; a timer must have an end.
        return min(total, self._loop.time() + _LONG)

    def tick(self) -> None:
        """An event has come."""
        self.last_event = self._loop.time()

    def progresses(self) -> None:
        """The answer comes in events, as it is made: what goes on is not cut unless the configuration says when."""
        if self._limits.total is None:
            self._total = inf

    def check(self) -> None:
        """Raises the ``UpstreamTimeout`` of a limit that has passed."""
        now, limits = self._loop.time(), self._limits
        if now >= self._exchange.started_at + self._total:
            raise UpstreamTimeout.of("total", self._total)
        if self.last_event is not None:
            if now >= self.last_event + limits.idle:
                raise UpstreamTimeout.of("idle", limits.idle)
        elif (
            self._exchange.connected_at is not None and now >= self._exchange.connected_at + limits.first_byte
        ):
            raise UpstreamTimeout.of("first_byte", limits.first_byte)
